//! Models of several safetensors files: by their index, as a list, from open bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod safetensors_tools;

use std::path::Path;

use adit_core::error::{Kind, Report};
use adit_core::map::{Backend, DataOptions};
use adit_core::model::{Format, MetadataKind, Model, ModelOptions, Result};
use common::{Folder, data_of};
use safetensors_tools::*;

#[test]
fn shards_by_their_index() {
    let folder = two_shards();
    let model = open(&folder.join(INDEX)).unwrap();
    assert_eq!(model.format(), Format::Safetensors);
    let files: Vec<_> = model
        .files()
        .iter()
        .map(|file| file.origin().path().unwrap())
        .collect();
    assert_eq!(files, [folder.join(ONE), folder.join(TWO)]);
    let told: Vec<_> = rows(&model)
        .into_iter()
        .map(|row| (row.0, row.3, row.5))
        .collect();
    let told: Vec<_> = told
        .iter()
        .map(|(name, file, len)| (&**name, *file, *len))
        .collect();
    assert_eq!(told, [("a", 0, 3), ("b", 0, 1), ("c", 1, 5)]);
    assert_eq!(bytes_of(&model, 1), [3]);
    assert_eq!(bytes_of(&model, 2), [0, 1, 2, 3, 4]);
    assert_eq!(model.metadata().find(b"total_size"), Some(0));
    assert_eq!(model.metadata().u64(0).unwrap(), 9);
    // From where the program stands.
    let read = ModelOptions {
        data: DataOptions {
            backend: Backend::Read,
            ..DataOptions::default()
        },
        ..ModelOptions::default()
    };
    let model = Model::open(&folder.join(INDEX), &read).unwrap();
    assert!(model.files().iter().all(|file| !file.is_mapped()));
    assert_eq!(names(&model), ["a", "b", "c"]);
}

#[test]
fn metadata_of_index_and_shards() {
    let folder = Folder::new();
    let header = |text: &str, name: &str| {
        let text = format!(
            "{{\"__metadata__\":{text},\"{name}\":{{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}}}"
        );
        file(&text, 1)
    };
    folder.file(ONE, &header(r#"{"format":"pt","total_size":"no"}"#, "a"));
    folder.file(TWO, &header(r#"{"format":"np","last":"\u00fc"}"#, "b"));
    let text = format!(
        r#"{{"x":[1],"weight_map":{{"a":"{ONE}","b":"{TWO}"}},"metadata":{{"total_size":2,"s":"t\n","n":-3,"f":0.5,
        "yes":true,"no":false,"none":null,"list":[1,{{}}],"map":{{"a":[]}},"big":18446744073709551615}}}}"#
    );
    let model = open(&folder.file(INDEX, text.as_bytes())).unwrap();
    let metadata = model.metadata();
    let keys: Vec<_> = (0..metadata.len())
        .map(|key| metadata.key(key).unwrap())
        .collect();
    let expected = [
        "total_size",
        "s",
        "n",
        "f",
        "yes",
        "no",
        "big",
        "format",
        "last",
    ];
    assert_eq!(keys, expected.map(str::as_bytes));
    let kinds: Vec<_> = (0..9).map(|value| metadata.kind(value).unwrap()).collect();
    use MetadataKind::{Bool, F64, I64, String, U64};
    assert_eq!(
        kinds,
        [U64, String, I64, F64, Bool, Bool, U64, String, String]
    );
    assert_eq!(metadata.u64(0).unwrap(), 2);
    assert_eq!(metadata.string(1).unwrap(), b"t\n");
    assert_eq!(metadata.i64(2).unwrap(), -3);
    assert_eq!(metadata.f64(3).unwrap(), 0.5);
    assert!(metadata.bool(4).unwrap() && !metadata.bool(5).unwrap());
    assert_eq!(metadata.u64(6).unwrap(), u64::MAX);
    assert_eq!(metadata.string(7).unwrap(), b"pt");
    assert_eq!(metadata.string(8).unwrap(), "ü".as_bytes());
    for none in ["null", "{}"] {
        let text = format!(r#"{{"metadata":{none},"weight_map":{{"a":"{ONE}","b":"{TWO}"}}}}"#);
        let model = open(&folder.file(INDEX, text.as_bytes())).unwrap();
        assert_eq!(strings(&model).len(), 3);
    }
}

#[test]
fn sets_that_do_not_fit() {
    let folder = two_shards();
    let at = |name: &str| folder.join(name);
    let check = |tensors: &[(&str, &str)], kind: Kind, place: &str, words: &[&str]| {
        let error = index_error(&folder, &index(tensors));
        assert_error(&error, kind, None, words);
        assert_eq!(error.place().path, Some(at(place)), "{error}");
    };
    let missing = "model-00003-of-00002.safetensors";
    check(
        &[
            ("a", ONE),
            ("b", ONE),
            ("y", missing),
            ("c", TWO),
            ("z", missing),
        ],
        Kind::NotFound,
        missing,
        &[
            "this shard is missing",
            INDEX,
            "has 2 tensors in it, the first of them 'y'",
            missing,
        ],
    );
    check(
        &[("a", ONE), ("b", ONE), ("c", TWO), ("d", TWO)],
        Kind::Malformed,
        INDEX,
        &["tensor 'd' is in 'model-00002-of-00002.safetensors', but no shard has it"],
    );
    check(
        &[("a", ONE), ("b", TWO), ("c", TWO)],
        Kind::Malformed,
        ONE,
        &[
            "tensor 'b' is in it, but",
            INDEX,
            "says that it is in 'model-00002",
        ],
    );
    check(
        &[("a", ONE), ("c", TWO)],
        Kind::Malformed,
        ONE,
        &["tensor 'b' is in it, but", INDEX, "doesn't name it"],
    );
    folder.file(TWO, &shard(&[("c", 5), ("a", 3)]));
    check(
        &[("a", ONE), ("b", ONE), ("c", TWO)],
        Kind::Malformed,
        TWO,
        &["tensor 'a' is in it and in '", ONE, "too"],
    );
    folder.file(TWO, b"version https://git-lfs.github.com/spec/v1\n");
    let error = index_error(&folder, &index(&[("a", ONE), ("b", ONE), ("c", TWO)]));
    let words = [TWO, "git lfs pull`; ", "index.json' names it as a shard"];
    assert_error(&error, Kind::WrongFormat, Some(0), &words);
    folder.file(TWO, b"GGUF\x03\0\0\0");
    let tensors = [("a", ONE), ("b", ONE), ("c", TWO)];
    check(
        &tensors,
        Kind::Malformed,
        TWO,
        &["it is a GGUF file, but", "is an index of shards"],
    );
    folder.file(TWO, &shard(&[("c", 5)])[..65]);
    let error = index_error(&folder, &index(&tensors));
    assert_error(
        &error,
        Kind::Malformed,
        Some(65),
        &[TWO, "the file ends after 65 of"],
    );
    std::fs::remove_file(at(TWO)).unwrap();
    std::fs::create_dir(at(TWO)).unwrap();
    let error = index_error(&folder, &index(&tensors));
    let words = [TWO, "index.json' names it as a shard, but"];
    assert_error(&error, Kind::NotAFile, None, &words);
}

fn list(folder: &Folder, names: &[&str]) -> Result<Model> {
    let paths: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
    let paths: Vec<&Path> = paths.iter().map(|path| &**path).collect();
    Model::open_files(&paths, &ModelOptions::default())
}

#[test]
fn lists_of_files() {
    let folder = two_shards();
    let model = list(&folder, &[TWO, ONE]).unwrap();
    assert_eq!(names(&model), ["c", "a", "b"]);
    assert_eq!(rows(&model)[1].3, 1);
    assert_eq!(bytes_of(&model, 2), [3]);
    assert_eq!(names(&list(&folder, &[ONE]).unwrap()), ["a", "b"]);
    let error = list(&folder, &[ONE, ONE]).unwrap_err();
    assert_error(
        &error,
        Kind::Malformed,
        None,
        &["tensor 'a' is in it and in '", "too"],
    );
    let error = list(&folder, &[]).unwrap_err();
    assert_error(
        &error,
        Kind::InvalidArgument,
        None,
        &["no files were given"],
    );
    for files in [&[INDEX][..], &[ONE, INDEX], &[INDEX, ONE]] {
        let error = list(&folder, files).unwrap_err();
        let words = [
            "an index of shards finds them by its own path",
            INDEX,
            "give the shards",
        ];
        assert_error(&error, Kind::Unsupported, Some(0), &words);
    }
    folder.file("x.gguf", b"GGUF\x03\0\0\0");
    let error = list(&folder, &[ONE, "x.gguf"]).unwrap_err();
    assert_error(
        &error,
        Kind::Malformed,
        None,
        &["it is a GGUF file, but", "of one format"],
    );
    let error = list(&folder, &[ONE, "none"]).unwrap_err();
    assert_error(&error, Kind::NotFound, None, &["none"]);
}

#[test]
fn open_bytes() {
    let options = ModelOptions::default();
    let files = vec![data_of(&shard(&[("b", 2)])), data_of(&shard(&[("a", 1)]))];
    let model = Model::from_data(files, &options).unwrap();
    assert_eq!(names(&model), ["b", "a"]);
    let twice = vec![data_of(&shard(&[("b", 2)])), data_of(&shard(&[("b", 2)]))];
    let error = Model::from_data(twice, &options).unwrap_err();
    let words = "bytes in memory: tensor 'b' is in it and in bytes in memory too";
    assert_error(&error, Kind::Malformed, None, &[words]);
    let index = vec![data_of(index(&[("a", ONE)]).as_bytes())];
    let error = Model::from_data(index, &options).unwrap_err();
    assert_error(&error, Kind::Unsupported, Some(0), &["by its own path"]);
    let error = Model::from_data(Vec::new(), &options).unwrap_err();
    assert_error(&error, Kind::InvalidArgument, None, &["no files"]);
}
