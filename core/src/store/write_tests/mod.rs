//! Writers from within: what is looked up here is looked up in the index itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod basic;

use std::path::Path;
use std::sync::Arc;

use super::batch::region;
use super::format::{HEAD, RecordType};
use super::{Store, StoreOptions};
use crate::map::Storage;
use crate::map::sim::SimStorage;

const PATH: &str = "/data/store";

fn open(sim: &SimStorage, options: &StoreOptions) -> Store {
    try_open(sim, options).unwrap()
}

fn try_open(sim: &SimStorage, options: &StoreOptions) -> super::Result<Store> {
    let storage: Arc<dyn Storage> = Arc::new(sim.clone());
    Store::open_on(storage, Path::new(PATH), options)
}

/// What a snapshot of now would find.
fn get(store: &Store, key: &[u8]) -> Option<Vec<u8>> {
    let (log, index, published) = {
        let shared = store.inner.lock_shared();
        (
            Arc::clone(&shared.log),
            shared.index.clone(),
            shared.published,
        )
    };
    let view = log.view(published.end.tail).unwrap();
    let found = index.find(&view, log.header.hash(key), key).unwrap()?;
    if found.is_deleted {
        return None;
    }
    let record = found.record;
    assert_ne!(record.head.kind, RecordType::Delete);
    assert!(record.offset + HEAD as u64 <= record.extent.value);
    let mut value = vec![0; record.head.value_len as usize];
    view.read(record.extent.value, &mut value).unwrap();
    Some(value)
}

fn put(store: &Store, key: &str, value: &[u8]) -> u64 {
    store.put(key.as_bytes(), region(value)).unwrap()
}

fn live(store: &Store) -> (u64, u64) {
    let shared = store.inner.lock_shared();
    (shared.published.live, shared.published.live_bytes)
}
