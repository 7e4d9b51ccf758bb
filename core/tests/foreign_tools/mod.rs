//! What tests of foreign stores share: a writer of all four layouts, by their rules.

#![allow(dead_code, reason = "each test uses a part of this")]

use adit_core::kernel;
use adit_core::map::{Data, Region};
use adit_core::store::{ForeignLayout, ForeignStore, Result};
use sha2::{Digest, Sha256};

use super::common::region;

pub const LAYOUTS: [ForeignLayout; 4] = [
    ForeignLayout::Packed19,
    ForeignLayout::Packed20,
    ForeignLayout::Aligned16,
    ForeignLayout::Aligned64,
];

pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes))
}

pub fn bytes_of(region: Region<'_>) -> Vec<u8> {
    region.to_vec(0, region.len()).unwrap()
}

pub fn open(bytes: &[u8]) -> Result<ForeignStore> {
    ForeignStore::from_data(Data::copy_of(region(bytes)).unwrap())
}

/// CRC-32 (IEEE), bit by bit: not the library's.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            let is_odd = sum & 1 != 0;
            sum = (sum >> 1) ^ if is_odd { 0xEDB8_8320 } else { 0 };
        }
    }
    !sum
}

/// Writes a store in one layout. Every value starts on a whole multiple, and the padding is zeros.
pub struct Writer {
    pub layout: ForeignLayout,
    pub bytes: Vec<u8>,
    /// Where each entry ends.
    pub ends: Vec<usize>,
}

impl Writer {
    pub fn new(layout: ForeignLayout) -> Writer {
        let (bytes, ends) = (Vec::new(), Vec::new());
        Writer {
            layout,
            bytes,
            ends,
        }
    }

    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        let align = match self.layout {
            ForeignLayout::Packed19 | ForeignLayout::Packed20 => 1,
            ForeignLayout::Aligned16 => 16,
            ForeignLayout::Aligned64 => 64,
        };
        self.append(kernel::hash(key, 0), value, align);
    }

    pub fn delete(&mut self, key: &[u8]) {
        self.append(kernel::hash(key, 0), &[0], 1);
    }

    pub fn append(&mut self, hash: u64, value: &[u8], align: usize) {
        let prev = self.bytes.len();
        self.bytes.resize(prev.next_multiple_of(align), 0);
        self.bytes.extend(value);
        self.bytes.extend(hash.to_le_bytes());
        self.bytes.extend((prev as u64).to_le_bytes());
        let crc = crc32(value).to_le_bytes();
        let kept = if self.layout == ForeignLayout::Packed19 {
            3
        } else {
            4
        };
        self.bytes.extend(&crc[..kept]);
        self.ends.push(self.bytes.len());
    }
}
