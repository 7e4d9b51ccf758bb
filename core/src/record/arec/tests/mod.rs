//! Files that `tests/data/arec/make_golden.py` wrote from the specification alone.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod flips;
mod golden;
mod hostile;
mod written;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::file::ArecFile;
use super::trailer::Trailer;
use crate::kernel;
use crate::map::{Data, DataOptions, Region};
use crate::record::Result;

const FINISHED: [&str; 8] = [
    "fixed",
    "small",
    "ragged",
    "pages_fixed",
    "pages_long",
    "pages_ragged",
    "aligned",
    "empty",
];

fn path(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/arec");
    Path::new(folder).join(name)
}

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(path(&format!("{name}.arec"))).unwrap()
}

fn told(name: &str) -> Value {
    let text = std::fs::read(path(&format!("{name}.json"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn data_of(bytes: &[u8]) -> Arc<Data> {
    // SAFETY: the slice is readable for as long as the region, which is copied at once.
    let region = unsafe { Region::new(bytes.as_ptr(), bytes.len()) };
    Arc::new(Data::copy_of(region).unwrap())
}

fn open_bytes(bytes: &[u8]) -> Result<ArecFile> {
    ArecFile::open(data_of(bytes))
}

fn open(name: &str) -> ArecFile {
    let path = path(&format!("{name}.arec"));
    ArecFile::open(Arc::new(
        Data::open(&path, &DataOptions::default()).unwrap(),
    ))
    .unwrap()
}

fn hex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    bytes[at..at + part.len()].copy_from_slice(part);
}

/// Mends the header's checksum.
fn sum_header(bytes: &mut [u8]) {
    let len = u32::from_le_bytes(bytes[20..24].try_into().unwrap()) as usize;
    let sum = kernel::crc32c_of(0, &bytes[..len - 4]);
    put(bytes, len - 4, &sum.to_le_bytes());
}

/// Mends the directory's hash, then the trailer's checksum.
fn sum_trailer(bytes: &mut [u8], file: &ArecFile) {
    let trailer: &Trailer = file.trailer();
    let (start, len) = (trailer.footer as usize, trailer.directory_bytes as usize);
    let hash = kernel::hash(&bytes[start..start + len], file.header().nonce);
    let at = trailer.at as usize;
    put(bytes, at + 96, &hash.to_le_bytes());
    let sum = kernel::crc32c_of(0, &bytes[at..at + 4092]);
    put(bytes, at + 4092, &sum.to_le_bytes());
}

fn go_on(_: u64, _: u64) -> bool {
    true
}
