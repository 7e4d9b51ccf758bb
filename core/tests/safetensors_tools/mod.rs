//! What the tests of safetensors share.

#![allow(dead_code, reason = "each test uses a part of this")]

use std::fmt::Write;
use std::path::Path;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::model::{Error, Model, ModelOptions, Result};

use crate::common::{Folder, data_of};

/// The file name of an index.
pub const INDEX: &str = "model.safetensors.index.json";
/// The file names of two shards.
pub const ONE: &str = "model-00001-of-00002.safetensors";
pub const TWO: &str = "model-00002-of-00002.safetensors";

/// A file of this header and so many bytes of data, which count up.
pub fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend((0..data).map(|number| number as u8));
    bytes
}

/// A header as the package writes it, of u8 tensors of these lengths, one behind the other.
pub fn header(tensors: &[(&str, usize)]) -> String {
    let mut text = String::from("{");
    let mut at = 0;
    for (name, len) in tensors {
        let comma = if text.len() > 1 { "," } else { "" };
        let end = at + len;
        write!(
            text,
            "{comma}\"{name}\":{{\"dtype\":\"U8\",\"shape\":[{len}],\"data_offsets\":[{at},{end}]}}"
        )
        .unwrap();
        at = end;
    }
    text + "}"
}

/// A whole file of u8 tensors of these lengths.
pub fn shard(tensors: &[(&str, usize)]) -> Vec<u8> {
    let data = tensors.iter().map(|(_, len)| len).sum();
    file(&header(tensors), data)
}

pub fn open(path: &Path) -> Result<Model> {
    Model::open(path, &ModelOptions::default())
}

pub fn from_bytes(bytes: &[u8]) -> Result<Model> {
    Model::from_data(vec![data_of(bytes)], &ModelOptions::default())
}

/// Name, dtype, dimensions, file, offset and bytes of each tensor.
pub type Row = (String, DType, Vec<i64>, u32, u64, u64);

pub fn rows(model: &Model) -> Vec<Row> {
    let tensors = model.tensors();
    let row = |index| {
        let entry = tensors.get(index).unwrap();
        let name = tensors.name(index).unwrap();
        assert_eq!(tensors.find(name), Some(index));
        (
            String::from_utf8(name.to_vec()).unwrap(),
            entry.dtype.unwrap(),
            tensors.dims(entry).to_vec(),
            entry.file,
            entry.offset,
            entry.bytes,
        )
    };
    (0..tensors.len()).map(row).collect()
}

pub fn names(model: &Model) -> Vec<String> {
    rows(model).into_iter().map(|row| row.0).collect()
}

/// The bytes of a tensor, from where its entry says that they are.
pub fn bytes_of(model: &Model, index: usize) -> Vec<u8> {
    let entry = model.entry(index).unwrap();
    let region = model.data_of(entry).unwrap().region();
    region
        .to_vec(entry.offset, usize::try_from(entry.bytes).unwrap())
        .unwrap()
}

/// The metadata that are strings.
pub fn strings(model: &Model) -> Vec<(String, String)> {
    let metadata = model.metadata();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (0..metadata.len())
        .map(|index| {
            let key = metadata.key(index).unwrap();
            assert_eq!(metadata.find(key), Some(index));
            (text(key), text(metadata.string(index).unwrap()))
        })
        .collect()
}

/// Checks an error's kind, offset and words.
pub fn assert_error(error: &Error, kind: Kind, offset: Option<u64>, words: &[&str]) {
    let said = error.to_string();
    assert_eq!(error.kind(), kind, "{said}");
    assert_eq!(error.place().offset, offset, "{said}");
    for word in words {
        assert!(said.contains(word), "'{word}' in: {said}");
    }
}

/// An index of tensors and their shards.
pub fn index(tensors: &[(&str, &str)]) -> String {
    let rows: Vec<String> = tensors
        .iter()
        .map(|(tensor, shard)| format!("\"{tensor}\":\"{shard}\""))
        .collect();
    format!(
        "{{\"metadata\":{{\"total_size\":9}},\"weight_map\":{{{}}}}}",
        rows.join(",")
    )
}

/// A folder of two shards and their index.
pub fn two_shards() -> Folder {
    let folder = Folder::new();
    folder.file(ONE, &shard(&[("a", 3), ("b", 1)]));
    folder.file(TWO, &shard(&[("c", 5)]));
    folder.file(
        INDEX,
        index(&[("c", TWO), ("a", ONE), ("b", ONE)]).as_bytes(),
    );
    folder
}

/// The error that opening an index of this text ends with.
pub fn index_error(folder: &Folder, text: &str) -> Error {
    open(&folder.file(INDEX, text.as_bytes())).unwrap_err()
}
