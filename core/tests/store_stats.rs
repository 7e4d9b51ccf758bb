//! What stats tell, counted by hand beside.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(missing_docs, reason = "tests")]

mod common;
mod store_read;

use adit_core::store::{Batch, OpenMode, Store, StoreOptions, SyncPolicy};
use common::Folder;
use store_read::{on_both, options, put, region, value};

#[test]
fn keys_and_bytes_are_counted() {
    let folder = Folder::new();
    on_both(&folder.join("counts"), |storage, path| {
        let store = Store::open_on(storage, path, &options()).unwrap();
        let stats = store.stats().unwrap();
        assert_eq!(
            (stats.tail, stats.durable_tail, stats.file_bytes),
            (16384, 16384, 16384)
        );
        assert_eq!(
            (stats.live_keys, stats.live_bytes, stats.dead_bytes),
            (0, 0, 0)
        );
        assert_eq!(stats.writer_pid, u64::from(std::process::id()));
        // An epoch of 64 bytes, and records of 64 and 64 for the value.
        put(&store, b"key", &value(1, 0, 64));
        let stats = store.stats().unwrap();
        assert_eq!(
            (stats.tail, stats.file_bytes),
            (16384 + 64 + 128, 16384 + 64 + 128)
        );
        assert_eq!(
            (stats.live_keys, stats.live_bytes, stats.dead_bytes),
            (1, 128, 64)
        );
        assert_eq!((stats.records, stats.commits), (2, 1));
        assert_eq!(stats.durable_tail, 16384);
        let mut batch = Batch::new();
        batch.put(b"key", region(&value(1, 1, 65))).unwrap();
        batch.put(b"other", region(&[])).unwrap();
        batch.delete(b"none").unwrap();
        store.write(&mut batch).unwrap();
        store.sync(0).unwrap();
        let stats = store.stats().unwrap();
        // 192 for the key, 64 each for the others.
        assert_eq!(stats.tail, 16384 + 64 + 128 + 192 + 64 + 64);
        assert_eq!(stats.durable_tail, stats.tail);
        assert_eq!((stats.live_keys, stats.live_bytes), (2, 256));
        assert_eq!(stats.dead_bytes, 64 + 128 + 64);
        assert_eq!((stats.records, stats.commits, stats.syncs), (5, 2, 1));
        assert_eq!(stats.index_memory_cap, 128 << 20);
        assert!(stats.index_memory_bytes > 0);
    });
}

#[test]
fn snapshots_are_counted_while_they_live() {
    let folder = Folder::new();
    let store = Store::open(&folder.join("snapshots"), &options()).unwrap();
    put(&store, b"key", b"value");
    let count = || store.stats().unwrap().snapshots;
    assert_eq!(count(), 0);
    let one = store.snapshot().unwrap();
    let two = store.snapshot().unwrap();
    let iter = two.iter(&Default::default()).unwrap();
    assert_eq!(count(), 2);
    drop(two);
    assert_eq!(count(), 2);
    drop(iter);
    assert_eq!(count(), 1);
    store.compact(None).unwrap();
    assert_eq!(count(), 1);
    let three = store.snapshot().unwrap();
    assert_eq!(count(), 2);
    drop((one, three));
    assert_eq!(count(), 0);
}

#[test]
fn what_opening_found_is_told() {
    let folder = Folder::new();
    let path = folder.join("opened");
    let none = StoreOptions {
        sync: SyncPolicy::None,
        ..options()
    };
    let store = Store::open(&path, &none).unwrap();
    for number in 0..10u64 {
        put(&store, &number.to_le_bytes(), b"value");
    }
    store.close();
    // The start of a record that was torn.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(b"ADR1 torn");
    std::fs::write(&path, &bytes).unwrap();
    let read = StoreOptions {
        mode: OpenMode::Read,
        ..options()
    };
    let reader = Store::open(&path, &read).unwrap().stats().unwrap();
    assert_eq!(
        (reader.torn_bytes, reader.replayed_records, reader.records),
        (9, 11, 11)
    );
    assert_eq!(reader.writer_pid, 0);
    let store = Store::open(&path, &options()).unwrap();
    let stats = store.stats().unwrap();
    assert_eq!(
        (stats.torn_bytes, stats.replayed_records, stats.live_keys),
        (9, 11, 10)
    );
    assert!(stats.mapped_bytes >= store_read::RESERVATION);
    assert!(stats.epoch >= 1);
    let reader = Store::open(&path, &read).unwrap().stats().unwrap();
    assert_eq!(reader.writer_pid, u64::from(std::process::id()));
}
