//! Sets that tests make, and what their records should be.

#![allow(dead_code, reason = "each test uses a part of this")]

#[cfg(unix)]
pub mod many;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::Storage;
use adit_core::record::{Field, ReaderOptions, RecordReader, RecordWriter, Schema, WriterOptions};
use adit_core::tensor::Lent;

use crate::common::{Tensor, disk};

/// A number, then some bytes.
pub fn schema() -> Schema {
    let mut schema = Schema::new();
    schema.add(Field::new("number", DType::U64, &[])).unwrap();
    schema.add(Field::new("tokens", DType::U16, &[-1])).unwrap();
    schema
}

/// What record `number` of a set is.
pub fn record(number: u64) -> [Tensor; 2] {
    let tokens = number % 7;
    let bytes = (0..tokens).flat_map(|token| ((number + token) as u16).to_le_bytes());
    [
        Tensor::new(DType::U64, &[], number.to_le_bytes().to_vec()),
        Tensor::new(DType::U16, &[tokens as i64], bytes.collect()),
    ]
}

pub fn options() -> WriterOptions {
    WriterOptions {
        schema: Some(schema()),
        ..WriterOptions::default()
    }
}

/// Writes a file of the records `numbers`.
pub fn write_in(storage: Arc<dyn Storage>, path: &Path, numbers: std::ops::Range<u64>) {
    let mut writer = RecordWriter::create(storage, path, &options()).unwrap();
    fill(&mut writer, numbers);
    writer.finish().unwrap();
}

pub fn write(path: &Path, numbers: std::ops::Range<u64>) {
    write_in(disk(), path, numbers);
}

pub fn fill(writer: &mut RecordWriter, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let [number, tokens] = record(number);
        writer.append(&[number.view(), tokens.view()]).unwrap();
    }
}

/// Files of `each` records one after the other, called 0.arec and so on.
pub fn shards(folder: &Path, counts: &[u64]) -> Vec<PathBuf> {
    let mut next = 0;
    let mut paths = Vec::new();
    for (number, &count) in counts.iter().enumerate() {
        let path = folder.join(format!("{number}.arec"));
        write(&path, next..next + count);
        paths.push(path);
        next += count;
    }
    paths
}

pub fn borrowed(paths: &[PathBuf]) -> Vec<&Path> {
    paths.iter().map(PathBuf::as_path).collect()
}

/// Such files and their manifest.
pub fn set(folder: &Path, counts: &[u64]) -> PathBuf {
    let paths = shards(folder, counts);
    let manifest = folder.join("set.json");
    adit_core::record::create_manifest(disk(), &manifest, &borrowed(&paths), false).unwrap();
    manifest
}

pub fn open(path: &Path) -> RecordReader {
    RecordReader::open(path, &ReaderOptions::default()).unwrap()
}

/// Whether what is lent is record `number`.
pub fn is_record(lent: &[Lent<'_>], number: u64) -> bool {
    let found: Vec<Tensor> = lent.iter().map(Tensor::of).collect();
    found == record(number)
}

/// Checks that a reader has the records from 0 on.
pub fn check_all(reader: &RecordReader, count: u64) {
    assert_eq!(reader.len(), count);
    for number in 0..count {
        assert!(is_record(&reader.get(number).unwrap(), number), "{number}");
        let tokens = vec![(number % 7) as i64];
        assert_eq!(reader.dims(number, 1).unwrap(), tokens);
    }
}

/// Checks an error's kind, that its place is `path`, and that it says all of `words`.
pub fn check_error(error: &adit_core::record::Error, kind: Kind, path: &Path, words: &[&str]) {
    let said = error.to_string();
    assert_eq!(error.kind(), kind, "{said}");
    assert_eq!(error.place().path.as_deref(), Some(path), "{said}");
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(said.contains(name), "{said}");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
}
