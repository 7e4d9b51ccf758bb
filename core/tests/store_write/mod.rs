//! What the tests of the store's writer share.

#![allow(dead_code, reason = "each test uses a part of this")]

use std::path::Path;
use std::sync::Arc;

use adit_core::map::sim::SimStorage;
use adit_core::map::{Region, Storage};
use adit_core::store::{Result, Store, StoreOptions, SyncPolicy};

pub const PATH: &str = "/data/store";

pub const EIO: i32 = 5;

pub const POLICIES: [SyncPolicy; 4] = [
    SyncPolicy::Batch,
    SyncPolicy::Group,
    SyncPolicy::Explicit,
    SyncPolicy::None,
];

pub fn open(sim: &SimStorage, options: &StoreOptions) -> Store {
    try_open(sim, options).unwrap()
}

pub fn try_open(sim: &SimStorage, options: &StoreOptions) -> Result<Store> {
    let storage: Arc<dyn Storage> = Arc::new(sim.clone());
    Store::open_on(storage, Path::new(PATH), options)
}

pub fn with(sync: SyncPolicy) -> StoreOptions {
    StoreOptions {
        sync,
        ..StoreOptions::default()
    }
}

pub fn region(bytes: &[u8]) -> Region<'_> {
    // SAFETY: the slice is readable for the lifetime that the region takes from it.
    unsafe { Region::new(bytes.as_ptr(), bytes.len()) }
}

pub fn put(store: &Store, key: &str, value: &[u8]) -> Result<u64> {
    store.put(key.as_bytes(), region(value))
}

/// What a snapshot of now has.
pub fn get(store: &Store, key: &[u8]) -> Option<Vec<u8>> {
    let snapshot = store.snapshot().unwrap();
    let value = snapshot.get(key).unwrap()?;
    Some(value.region.to_vec(0, value.region.len()).unwrap())
}

pub fn len(store: &Store) -> u64 {
    store.snapshot().unwrap().len()
}

/// The calls of the disk since its `from`-th that start with this.
pub fn calls(sim: &SimStorage, from: u64, what: &str) -> usize {
    let trace = sim.trace();
    let since = trace.iter().skip(from as usize);
    since.filter(|call| call.starts_with(what)).count()
}
