//! Models split into several GGUF files: found from the first, or given.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::path::{Path, PathBuf};

use adit_core::error::{Kind, Report};
use adit_core::model::{Error, MetadataKind, Model, ModelOptions};

#[path = "common/mod.rs"]
mod common;
mod gguf_tools;
use common::Folder;
use gguf_tools::{Bytes, Value, data, open as open_bytes};

fn open(path: &Path) -> Result<Model, Error> {
    Model::open(path, &ModelOptions::default())
}

fn given(paths: &[&PathBuf]) -> Result<Model, Error> {
    let paths: Vec<&Path> = paths.iter().map(|path| path.as_path()).collect();
    Model::open_files(&paths, &ModelOptions::default())
}

/// A part: its number, the count and the number of tensors that it claims, its tensors.
struct Part<'a> {
    number: u64,
    count: u64,
    tensors: Option<u64>,
    names: &'a [&'a str],
    big: bool,
}

fn part<'a>(number: u64, count: u64, names: &'a [&'a str]) -> Part<'a> {
    Part {
        number,
        count,
        tensors: None,
        names,
        big: false,
    }
}

impl Part<'_> {
    /// Each tensor is one f32, the part's number.
    fn bytes(&self) -> Vec<u8> {
        let mut file = Bytes::new(self.big);
        let keys = 2 + u64::from(self.tensors.is_some());
        file.start(3, self.names.len() as u64, keys);
        let number = |kind, number| Value::Number(kind, number);
        file.key(b"split.no", &number(MetadataKind::U16, self.number));
        file.key(b"split.count", &number(MetadataKind::U16, self.count));
        if let Some(tensors) = self.tensors {
            file.key(b"split.tensors.count", &number(MetadataKind::I32, tensors));
        }
        for (place, name) in (0..).zip(self.names) {
            file.tensor(name.as_bytes(), &[1], 0, 32 * place);
        }
        file.pad(32);
        for _ in self.names {
            file.data(&(self.number as f32).to_le_bytes()).pad(32);
        }
        file.bytes
    }

    fn write(&self, folder: &Folder, name: &str) -> PathBuf {
        folder.file(name, &self.bytes())
    }
}

fn check(model: &Model) {
    assert_eq!((model.files().len(), model.tensors().len()), (3, 4));
    for (number, name, file) in [(0, "a", 0), (1, "b", 0), (2, "c", 1), (3, "d", 2)] {
        assert_eq!(model.tensors().find(name.as_bytes()), Some(number));
        let entry = model.entry(number).unwrap();
        assert_eq!(entry.file, file);
        let bytes = model.tensor(number).unwrap().bytes.to_vec(0, 4).unwrap();
        assert_eq!(bytes, (file as f32).to_ne_bytes());
    }
    let metadata = model.metadata();
    assert_eq!(
        metadata.u64(metadata.find(b"split.no").unwrap()).unwrap(),
        0
    );
    assert_eq!(metadata.len(), 3);
}

fn first<'a>() -> Part<'a> {
    Part {
        tensors: Some(4),
        ..part(0, 3, &["a", "b"])
    }
}

#[test]
fn parts_are_found_or_given() {
    let folder = Folder::new();
    let one = first().write(&folder, "m-00001-of-00003.gguf");
    let two = part(1, 3, &["c"]).write(&folder, "m-00002-of-00003.gguf");
    let three = part(2, 3, &["d"]).write(&folder, "m-00003-of-00003.gguf");
    check(&open(&one).unwrap());
    check(&given(&[&one, &two, &three]).unwrap());
    check(&given(&[&two, &three, &one]).unwrap());
    let files = [part(2, 3, &["d"]), first(), part(1, 3, &["c"])];
    let files = files.iter().map(|part| data(&part.bytes())).collect();
    check(&Model::from_data(files, &ModelOptions::default()).unwrap());
    // With no tensors in the first, as `gguf-split --no-tensor-first-split` writes it.
    let one = part(0, 2, &[]).write(&folder, "n-00001-of-00002.gguf");
    part(1, 2, &["c"]).write(&folder, "n-00002-of-00002.gguf");
    assert_eq!(open(&one).unwrap().tensors().len(), 1);
    // One part is a whole.
    assert_eq!(
        open_bytes(&part(0, 1, &["a"]).bytes())
            .unwrap()
            .tensors()
            .len(),
        1
    );
}

#[cfg(unix)]
#[test]
fn names_may_be_any_bytes() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new();
    let named = |name: &[u8], part: &Part<'_>| {
        let path = folder.path().join(OsStr::from_bytes(name));
        std::fs::write(&path, part.bytes()).unwrap();
        path
    };
    let one = named(b"\xFF\xFE-00001-of-00002.gguf", &part(0, 2, &["a"]));
    named(b"\xFF\xFE-00002-of-00002.gguf", &part(1, 2, &["b"]));
    assert_eq!(open(&one).unwrap().tensors().len(), 2);
}

#[test]
fn what_is_wrong_with_a_set_is_told() {
    let folder = Folder::new();
    let one = first().write(&folder, "m-00001-of-00003.gguf");
    let two = folder.join("m-00002-of-00003.gguf");
    let three = part(2, 3, &["d"]).write(&folder, "m-00003-of-00003.gguf");
    let refused = |kind: Kind, place: &Path, words: &[&str]| {
        let error = open(&one).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{text}");
        assert_eq!(error.place().path.as_deref(), Some(place), "{text}");
        for words in words {
            assert!(text.contains(words), "{text}");
        }
    };
    let first_name = one.display().to_string();
    refused(
        Kind::NotFound,
        &two,
        &["part 2 of 3 of", &first_name, "is missing"],
    );
    part(1, 3, &["a"]).write(&folder, "m-00002-of-00003.gguf");
    refused(
        Kind::Malformed,
        &two,
        &["tensor 'a' is in", &first_name, "too"],
    );
    part(2, 3, &["c"]).write(&folder, "m-00002-of-00003.gguf");
    refused(
        Kind::Malformed,
        &two,
        &["split.no is 2, where part 1", &first_name],
    );
    part(1, 4, &["c"]).write(&folder, "m-00002-of-00003.gguf");
    refused(
        Kind::Malformed,
        &two,
        &["split.count is 4, but 3 in", &first_name],
    );
    part(3, 3, &["c"]).write(&folder, "m-00002-of-00003.gguf");
    refused(Kind::Malformed, &two, &["split.no is 3, but split.count 3"]);
    part(0, 1, &["c"]).write(&folder, "m-00002-of-00003.gguf");
    refused(Kind::Malformed, &two, &["it is no part of", &first_name]);
    let big = true;
    Part {
        big,
        ..part(1, 3, &["c"])
    }
    .write(&folder, "m-00002-of-00003.gguf");
    refused(
        Kind::Malformed,
        &two,
        &["its byte order isn't that of", &first_name],
    );
    folder.file("m-00002-of-00003.gguf", b"<html>");
    refused(Kind::WrongFormat, &two, &["it begins with \"<htm\""]);
    part(1, 3, &["c", "e"]).write(&folder, "m-00002-of-00003.gguf");
    refused(
        Kind::Malformed,
        &one,
        &["split.tensors.count is 4, but the parts have 5"],
    );

    let error = open(&three).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    let text = error.to_string();
    assert!(
        text.contains("it is part 3 of 3 of a split model: open the first"),
        "{text}"
    );
    assert!(text.contains(&format!("'{first_name}'")), "{text}");
    assert!(text.contains(&three.display().to_string()), "{text}");

    let renamed = first().write(&folder, "renamed.gguf");
    let error = open(&renamed).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    let text = error.to_string();
    assert!(
        text.contains("doesn't end in '-00001-of-00003.gguf'"),
        "{text}"
    );
}

#[test]
fn given_parts_are_all() {
    let folder = Folder::new();
    let one = first().write(&folder, "1");
    let two = part(1, 3, &["c"]).write(&folder, "2");
    let three = part(2, 3, &["d"]).write(&folder, "3");
    let whole = part(0, 1, &["a"]).write(&folder, "whole");
    let cases: [(&[&PathBuf], Kind, &PathBuf, &str); 6] = [
        (
            &[&one],
            Kind::NotFound,
            &one,
            "the first of 3 parts, but 1 were given",
        ),
        (
            &[&one, &two],
            Kind::NotFound,
            &one,
            "the first of 3 parts, but 2 were given",
        ),
        (
            &[&three, &one],
            Kind::Malformed,
            &three,
            "split.no is 2, where part 1",
        ),
        (
            &[&two, &three],
            Kind::InvalidArgument,
            &two,
            "part 2 of 3 of a split model: start",
        ),
        (
            &[&one, &two, &three, &three],
            Kind::Malformed,
            &three,
            "tensor 'd' is in",
        ),
        (&[&whole, &one], Kind::Malformed, &one, "tensor 'a' is in"),
    ];
    for (paths, kind, place, words) in cases {
        let error = given(paths).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{text}");
        assert_eq!(
            error.place().path.as_deref(),
            Some(place.as_path()),
            "{text}"
        );
        assert!(text.contains(words), "{text}");
    }
    let other = part(0, 1, &["b"]).write(&folder, "other");
    let error = given(&[&whole, &other]).unwrap_err();
    assert!(
        error.to_string().contains("is a model by itself"),
        "{error}"
    );
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let mut file = Bytes::new(false);
    file.start(3, 0, 1)
        .key(b"split.count", &Value::String(b"3".to_vec()));
    let error = open_bytes(&file.bytes).unwrap_err();
    assert_eq!(error.kind(), Kind::Malformed);
    assert!(
        error
            .to_string()
            .contains("'split.count' is of kind string"),
        "{error}"
    );
    let mut file = Bytes::new(false);
    let three = Value::Number(MetadataKind::I32, 3);
    file.start(3, 0, 1).key(b"split.count", &three);
    let error = open_bytes(&file.bytes).unwrap_err();
    assert!(
        error.to_string().contains("there is no split.no"),
        "{error}"
    );
}
