//! Models opened by their content, as raw bytes, compressed, from another storage.
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

use std::io::Write;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Access, Data, DataOptions};
use adit_core::model::{Format, Model, ModelOptions};
use common::{Folder, data_of};
use safetensors_tools::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn the_name_says_nothing() {
    let folder = Folder::new();
    for name in ["a.gguf", "a.json", "a", "a.bin", "a.index.json"] {
        let path = folder.file(name, &shard(&[("a", 3)]));
        assert_eq!(open(&path).unwrap().format(), Format::Safetensors, "{name}");
    }
    let path = folder.file("model.safetensors", b"PK\x03\x04and so on");
    let error = open(&path).unwrap_err();
    let words = [
        "model.safetensors' is no model file: it is a zip archive",
        "PyTorch",
    ];
    assert_error(&error, Kind::WrongFormat, Some(0), &words);
    assert_eq!(error.place().path, Some(path));
    assert_error(
        &open(&folder.join("none")).unwrap_err(),
        Kind::NotFound,
        None,
        &["none"],
    );
    assert_error(
        &open(folder.path()).unwrap_err(),
        Kind::NotAFile,
        None,
        &["a folder"],
    );
}

#[test]
fn raw_bytes_are_one_tensor() {
    let folder = Folder::new();
    let raw = ModelOptions {
        raw: true,
        ..ModelOptions::default()
    };
    for bytes in [&b""[..], b"x", b"PK\x03\x04", &shard(&[("a", 3)]), b"GGUF"] {
        let path = folder.file("raw", bytes);
        let paths = [&*path];
        for model in [
            Model::open(&path, &raw).unwrap(),
            Model::open_files(&paths, &raw).unwrap(),
            Model::from_data(vec![data_of(bytes)], &raw).unwrap(),
        ] {
            assert_eq!(model.format(), Format::Raw);
            let len = bytes.len();
            let row = (
                "data".to_owned(),
                DType::U8,
                vec![len as i64],
                0,
                0,
                len as u64,
            );
            assert_eq!(rows(&model), [row]);
            assert_eq!(bytes_of(&model, 0), bytes);
            assert!(model.metadata().is_empty());
            let lent = model.tensor(0).unwrap();
            assert_eq!(
                (lent.dtype, lent.shape.dims()),
                (DType::U8, &[len as i64][..])
            );
        }
    }
    let error = Model::from_data(vec![data_of(b"a"), data_of(b"b")], &raw).unwrap_err();
    assert_error(
        &error,
        Kind::InvalidArgument,
        None,
        &["2 files were given, raw bytes are of one"],
    );
}

#[test]
fn compressed_files_where_that_is_asked_for() {
    let folder = Folder::new();
    let path = folder.file("model.safetensors.gz", &gzip(&shard(&[("a", 3)])));
    let error = open(&path).unwrap_err();
    let words = ["compressed with gzip: decompression can be asked for"];
    assert_error(&error, Kind::WrongFormat, Some(0), &words);
    let with = |cap| ModelOptions {
        data: DataOptions {
            decompress: Some(cap),
            ..DataOptions::default()
        },
        ..ModelOptions::default()
    };
    let model = Model::open(&path, &with(1 << 20)).unwrap();
    assert_eq!(
        (names(&model), bytes_of(&model, 0)),
        (vec!["a".to_owned()], vec![0, 1, 2])
    );
    assert!(!model.files()[0].has_file());
    let error = Model::open(&path, &with(10)).unwrap_err();
    assert_error(&error, Kind::OutOfRange, None, &["more than the 10 bytes"]);
    // An index and its shards too; what isn't compressed is opened as it is.
    folder.file("one", &gzip(&shard(&[("a", 3)])));
    folder.file("two", &shard(&[("b", 1)]));
    let index = folder.file(
        "index.gz",
        &gzip(br#"{"weight_map":{"a":"one","b":"two"}}"#),
    );
    let model = Model::open(&index, &with(1 << 20)).unwrap();
    assert_eq!(names(&model), ["a", "b"]);
}

#[test]
fn models_are_for_reading_whatever_is_asked_for() {
    let folder = Folder::new();
    let path = folder.file("model", &shard(&[("a", 3)]));
    for access in [Access::ReadWrite, Access::CopyOnWrite] {
        let options = ModelOptions {
            data: DataOptions {
                access,
                ..DataOptions::default()
            },
            ..ModelOptions::default()
        };
        let model = Model::open(&path, &options).unwrap();
        assert_eq!(model.files()[0].access(), Access::ReadOnly);
    }
}

/// A range of a larger file, as an asset in a package.
#[cfg(unix)]
#[test]
fn a_model_within_a_file() {
    use std::os::fd::AsRawFd;
    let folder = Folder::new();
    let model = shard(&[("a", 3), ("b", 2)]);
    let bytes = [&[9; 100][..], &model, &[9; 50]].concat();
    let file = std::fs::File::open(folder.file("package", &bytes)).unwrap();
    let len = model.len() as u64;
    let data = Data::open_descriptor(file.as_raw_fd(), 100, len, &DataOptions::default());
    let model = Model::from_data(vec![data.unwrap().into()], &ModelOptions::default()).unwrap();
    assert_eq!(names(&model), ["a", "b"]);
    assert_eq!(bytes_of(&model, 1), [3, 4]);
    let data = Data::open_descriptor(file.as_raw_fd(), 100, len - 1, &DataOptions::default());
    let error = Model::from_data(vec![data.unwrap().into()], &ModelOptions::default()).unwrap_err();
    assert_error(
        &error,
        Kind::Malformed,
        Some(len - 1),
        &["file descriptor", "incomplete"],
    );
}
