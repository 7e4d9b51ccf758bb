//! Compaction: what lives is kept, and the rest gone; whatever stops it, all is as it was.

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
mod crash;
mod store_read;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use adit_core::error::{Kind, Report};
use adit_core::map::sim::SimStorage;
use adit_core::map::{RealStorage, Storage};
use adit_core::store::{Error, IterOptions, Order, Store, StoreOptions, SyncPolicy};
use common::Folder;
use crash::{ensure, explore};
use store_read::{bytes, contents, entries, fill, get, on_both, options, put, region, value, walk};

const PATH: &str = "/data/store";

#[test]
fn what_lives_is_kept_in_its_order_and_the_rest_is_gone() {
    let folder = Folder::new();
    on_both(&folder.join("kept"), |storage, path| {
        // The second time the index comes from a file, in several merges.
        for (keys, align, index_memory) in [(600, 0, 0), (9000, 256, 1 << 17)] {
            let path = path.with_extension(keys.to_string());
            let options = StoreOptions {
                align,
                index_memory,
                ..options()
            };
            let store = Store::open_on(Arc::clone(&storage), &path, &options).unwrap();
            fill(&store, keys);
            let before = store.snapshot().unwrap();
            let wanted = entries(&before);
            assert_eq!(wanted.len() as u64, keys - keys.div_ceil(3));
            let all = IterOptions {
                order: Order::Log,
                all_versions: true,
                prefix: None,
            };
            assert!(walk(&before, &all).len() > wanted.len());
            let stats = store.stats().unwrap();
            assert!(stats.dead_bytes > 0);

            let mut told = Vec::new();
            let mut progress = |done, of| {
                told.push((done, of));
                true
            };
            store.compact(Some(&mut progress)).unwrap();
            assert!(told.is_sorted());
            assert!(told.iter().all(|&(done, of)| done <= of && of > 0));
            assert_eq!(told.last().map(|&(done, of)| done == of), Some(true));

            let after = store.snapshot().unwrap();
            assert_eq!(entries(&after), wanted);
            assert_eq!(entries(&before), wanted);
            let left = walk(&after, &all);
            assert_eq!(left.len(), wanted.len());
            assert!(left.iter().all(|entry| entry.is_live));
            let now = store.stats().unwrap();
            assert_eq!((now.compactions, now.live_keys), (1, stats.live_keys));
            assert_eq!(now.dead_bytes, 0);
            assert_eq!(now.file_bytes, now.tail);
            assert_eq!(now.durable_tail, now.tail);
            assert!(now.tail < stats.tail);

            // The handle goes on, in the new file, and what it finds is what is there.
            put(&store, b"new", b"value");
            store.delete(&1u64.to_le_bytes()).unwrap();
            put(&store, &2u64.to_le_bytes(), b"2");
            let mut wanted: BTreeMap<_, _> = wanted.into_iter().collect();
            wanted.insert(b"new".to_vec(), b"value".to_vec());
            wanted.remove(&1u64.to_le_bytes()[..]);
            wanted.insert(2u64.to_le_bytes().to_vec(), b"2".to_vec());
            assert_eq!(contents(&store.snapshot().unwrap()), wanted);
            store.compact(None).unwrap();
            assert_eq!(contents(&store.snapshot().unwrap()), wanted);
            store.close();
            let store = Store::open_on(Arc::clone(&storage), &path, &options).unwrap();
            assert!(!store.stats().unwrap().rebuilt_index || keys < 4096);
            let snapshot = store.snapshot().unwrap();
            assert_eq!(contents(&snapshot), wanted);
            for (key, value) in &wanted {
                assert_eq!(get(&snapshot, key).as_ref(), Some(value));
            }
        }
    });
}

#[test]
fn empty_stores_and_those_without_live_keys_become_empty() {
    let folder = Folder::new();
    on_both(&folder.join("empty"), |storage, path| {
        let store = Store::open_on(Arc::clone(&storage), path, &options()).unwrap();
        store.compact(None).unwrap();
        assert_eq!(store.stats().unwrap().tail, 16384);
        put(&store, b"key", b"value");
        store.delete(b"key").unwrap();
        store.compact(None).unwrap();
        let stats = store.stats().unwrap();
        assert_eq!((stats.tail, stats.records, stats.live_keys), (16384, 0, 0));
        assert_eq!(stats.file_bytes, 16384);
        assert!(entries(&store.snapshot().unwrap()).is_empty());
        put(&store, b"key", b"again");
        store.close();
        let store = Store::open_on(Arc::clone(&storage), path, &options()).unwrap();
        assert_eq!(get(&store.snapshot().unwrap(), b"key").unwrap(), b"again");
    });
}

#[test]
fn values_longer_than_any_buffer_are_copied() {
    let folder = Folder::new();
    let store = Store::open(&folder.join("long"), &options()).unwrap();
    for key in 0..3u64 {
        let len = (3 << 20) + 12345 + key as usize;
        put(&store, &key.to_le_bytes(), &value(key, 0, len));
        put(&store, b"between", &value(key, 1, 100));
    }
    store.compact(None).unwrap();
    let snapshot = store.snapshot().unwrap();
    for key in 0..3u64 {
        let len = (3 << 20) + 12345 + key as usize;
        assert!(get(&snapshot, &key.to_le_bytes()).unwrap() == value(key, 0, len));
    }
    assert_eq!(get(&snapshot, b"between").unwrap(), value(2, 1, 100));
}

#[test]
fn cancelled_at_any_time_it_leaves_all_as_it_was() {
    let folder = Folder::new();
    let path = folder.join("cancelled");
    let store = Store::open(&path, &options()).unwrap();
    fill(&store, 500);
    let wanted = entries(&store.snapshot().unwrap());
    let names = folder.names();
    let bytes = std::fs::read(&path).unwrap();
    let mut calls = 0;
    for last in 0.. {
        let mut left = last;
        let mut progress = |_, _| {
            left -= 1;
            left >= 0
        };
        match store.compact(Some(&mut progress)) {
            Ok(()) => break,
            Err(error) => assert_eq!(error.kind(), Kind::Cancelled),
        }
        calls += 1;
        assert_eq!(folder.names(), names);
        assert!(std::fs::read(&path).unwrap() == bytes);
        assert_eq!(store.stats().unwrap().compactions, 0);
    }
    assert!(calls > 10, "{calls}");
    assert_eq!(entries(&store.snapshot().unwrap()), wanted);
    assert_eq!(folder.names(), names);
}

#[test]
fn a_file_that_another_has_replaced_is_left_alone() {
    let folder = Folder::new();
    let path = folder.join("replaced");
    let store = Store::open(&path, &options()).unwrap();
    put(&store, b"key", b"value");
    std::fs::rename(&path, folder.join("moved")).unwrap();
    folder.file("replaced", b"somebody else's");
    let error = store.compact(None).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
    assert_eq!(std::fs::read(&path).unwrap(), b"somebody else's");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(store.compact(None).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(get(&store.snapshot().unwrap(), b"key").unwrap(), b"value");
}

#[test]
fn damaged_values_are_never_left_behind() {
    let folder = Folder::new();
    let path = folder.join("damaged");
    let store = Store::open(&path, &options()).unwrap();
    put(&store, b"sound", &value(1, 0, 100));
    put(&store, b"damaged", &value(2, 0, 100));
    let offset = store
        .snapshot()
        .unwrap()
        .get(b"damaged")
        .unwrap()
        .unwrap()
        .offset;
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[offset as usize + 70] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = store.compact(None).unwrap_err();
    assert_eq!(
        (error.kind(), error.place().offset),
        (Kind::Checksum, Some(offset))
    );
    put(&store, b"damaged", &value(2, 1, 100));
    store.compact(None).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(get(&snapshot, b"damaged").unwrap(), value(2, 1, 100));
    assert_eq!(get(&snapshot, b"sound").unwrap(), value(1, 0, 100));
}

/// Each call fails or is the last one, with every image of the disk that can follow.
#[test]
fn whatever_fails_nothing_is_lost() {
    let options = StoreOptions {
        sync: SyncPolicy::Batch,
        ..options()
    };
    let disk = SimStorage::new();
    let store = Store::open_on(Arc::new(disk.clone()), Path::new(PATH), &options).unwrap();
    fill(&store, 60);
    let base = contents(&store.snapshot().unwrap());
    store.close();
    let images: Vec<_> = disk
        .names()
        .into_iter()
        .map(|name| (disk.contents(&name).unwrap(), name))
        .collect();
    let wrote = Cell::new(false);
    let findings = explore(
        |disk| {
            wrote.set(false);
            for (bytes, name) in &images {
                disk.put_durable(name, bytes);
            }
        },
        |storage: Arc<dyn Storage>| -> Result<(), Error> {
            let store = Store::open_on(storage, Path::new(PATH), &options)?;
            let compacted = store.compact(None);
            // After an error the handle goes on, but where it says that it can't.
            match store.put(b"after", region(b"acknowledged")) {
                Ok(_) => wrote.set(true),
                Err(error) if compacted.is_ok() => return Err(error),
                Err(_) => {}
            }
            // A process that is dead can't look.
            let snapshot = store.snapshot()?;
            for (key, value) in &base {
                let found = snapshot.get(key)?.map(|found| bytes(found.region));
                assert_eq!(found.as_ref(), Some(value));
            }
            compacted
        },
        |image, outcome| {
            let store = Store::open_on(Arc::new(image.clone()), Path::new(PATH), &options);
            let store = store.map_err(|error| format!("it can't be opened: {error}"))?;
            let mut found = contents(&store.snapshot().map_err(|error| error.to_string())?);
            let after = found.remove(&b"after"[..]);
            ensure(found == base, || "other entries than before".to_owned())?;
            let is_right = match &after {
                None => !wrote.get(),
                Some(value) => value == b"acknowledged",
            };
            ensure(is_right, || format!("lost after {}", outcome.disturbed()))
        },
    );
    findings.assert_sound();
    assert!(findings.calls > 10, "{}", findings.calls);
}

#[test]
fn real_storage_keeps_no_temporaries() {
    let folder = Folder::new();
    let path = folder.join("store");
    let storage: Arc<dyn Storage> = Arc::new(RealStorage);
    let store = Store::open_on(storage, &path, &options()).unwrap();
    fill(&store, 9000);
    store.compact(None).unwrap();
    assert_eq!(folder.names(), ["store", "store.idx", "store.lock"]);
    store.close();
    assert_eq!(folder.names(), ["store", "store.idx", "store.lock"]);
}
