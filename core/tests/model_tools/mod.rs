//! Models made by hand for the tests of what is done with them.

#![allow(dead_code, reason = "each test uses a part of this")]

use std::io::Write;
use std::path::{Path, PathBuf};

use adit_core::model::{Model, ModelOptions};

use super::common::Folder;

/// A tensor for a safetensors file: name, dtype there, dimensions, bytes.
pub type Named<'a> = (&'a str, &'a str, Vec<i64>, Vec<u8>);

/// The bytes of a safetensors file whose data start at a multiple of `align`.
pub fn safetensors(tensors: &[Named<'_>], align: usize) -> Vec<u8> {
    let mut at = 0;
    let mut entries = Vec::new();
    for (name, dtype, dims, bytes) in tensors {
        let end = at + bytes.len();
        entries.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":{dims:?},"data_offsets":[{at},{end}]}}"#
        ));
        at = end;
    }
    let mut header = format!("{{{}}}", entries.join(","));
    while !(8 + header.len()).is_multiple_of(align) {
        header.push(' ');
    }
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    for (_, _, _, bytes) in tensors {
        file.extend_from_slice(bytes);
    }
    file
}

/// A model on the disk, with nothing left to be written; and its path.
pub fn model(folder: &Folder, tensors: &[Named<'_>], align: usize) -> (Model, PathBuf) {
    let path = folder.join("model.safetensors");
    let mut file = std::fs::File::create(&path).unwrap();
    for piece in safetensors(tensors, align).chunks(4 << 20) {
        file.write_all(piece).unwrap();
    }
    file.sync_all().unwrap();
    (open(&path), path)
}

pub fn open(path: &Path) -> Model {
    Model::open(path, &ModelOptions::default()).unwrap()
}

/// A tensor of bytes, and its name.
pub fn bytes_tensor(name: &str, len: usize) -> Named<'_> {
    let bytes = (0..len).map(|at| (at >> 4) as u8 | 1).collect();
    (name, "U8", vec![len as i64], bytes)
}
