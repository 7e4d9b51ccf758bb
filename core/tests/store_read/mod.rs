//! What the tests of reading share.

#![allow(dead_code, reason = "each test uses a part of this")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use adit_core::map::sim::SimStorage;
use adit_core::map::{RealStorage, Region, Storage};
use adit_core::store::{Batch, IterOptions, Order, Snapshot, Store, StoreOptions, SyncPolicy};

/// Small enough for address space that is short.
pub const RESERVATION: u64 = 64 << 20;

pub fn options() -> StoreOptions {
    StoreOptions {
        sync: SyncPolicy::Explicit,
        reservation: RESERVATION,
        ..StoreOptions::default()
    }
}

pub fn region(bytes: &[u8]) -> Region<'_> {
    // SAFETY: the slice is readable for its own lifetime.
    unsafe { Region::new(bytes.as_ptr(), bytes.len()) }
}

pub fn bytes(region: Region<'_>) -> Vec<u8> {
    region.to_vec(0, region.len()).unwrap()
}

pub fn put(store: &Store, key: &[u8], value: &[u8]) {
    store.put(key, region(value)).unwrap();
}

pub fn get(snapshot: &Snapshot, key: &[u8]) -> Option<Vec<u8>> {
    let value = snapshot.get(key).unwrap()?;
    Some(bytes(value.region))
}

/// Bytes that tell their key and version, with no two stretches alike.
pub fn value(key: u64, version: u64, len: usize) -> Vec<u8> {
    let mut state =
        key.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ version.wrapping_mul(0xD134_2543_DE82_EF95);
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Keys 0 to `keys`, some overwritten, each third deleted.
pub fn fill(store: &Store, keys: u64) {
    for version in 0..3 {
        let mut batch = Batch::new();
        for key in (0..keys).filter(|key| key % 3 >= version) {
            let len = (key * 37 % 700) as usize;
            batch
                .put(&key.to_le_bytes(), region(&value(key, version, len)))
                .unwrap();
        }
        store.write(&mut batch).unwrap();
    }
    let mut batch = Batch::new();
    for key in (0..keys).step_by(3) {
        batch.delete(&key.to_le_bytes()).unwrap();
    }
    store.write(&mut batch).unwrap();
}

/// All live entries by the order of the log.
pub fn entries(snapshot: &Snapshot) -> Vec<(Vec<u8>, Vec<u8>)> {
    walk(
        snapshot,
        &IterOptions {
            order: Order::Log,
            ..IterOptions::default()
        },
    )
    .into_iter()
    .map(|item| (item.key, item.value))
    .collect()
}

pub fn contents(snapshot: &Snapshot) -> BTreeMap<Vec<u8>, Vec<u8>> {
    entries(snapshot).into_iter().collect()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub offset: u64,
    pub is_live: bool,
    pub is_tombstone: bool,
    pub is_tensor: bool,
}

pub fn walk(snapshot: &Snapshot, options: &IterOptions<'_>) -> Vec<Entry> {
    let mut iter = snapshot.iter(options).unwrap();
    let mut entries = Vec::new();
    while let Some(item) = iter.next().unwrap() {
        entries.push(Entry {
            key: bytes(item.key),
            value: bytes(item.value),
            offset: item.offset,
            is_live: item.is_live,
            is_tombstone: item.is_tombstone,
            is_tensor: item.is_tensor,
        });
    }
    entries
}

/// Runs a test on the disk, where the log is mapped, and on the simulated storage, where it is read.
pub fn on_both(path: &Path, test: impl Fn(Arc<dyn Storage>, &Path)) {
    test(Arc::new(RealStorage), path);
    test(Arc::new(SimStorage::new()), Path::new("/data/store"));
}
