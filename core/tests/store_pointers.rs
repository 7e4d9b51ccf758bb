//! Values that were lent stay what and where they were, whatever becomes of the store.

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

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use adit_core::store::{IterOptions, Store, StoreAccess, StoreOptions, ValueCheck};
use common::Folder;
use store_read::{bytes, get, options, put, value, walk};

const KEYS: u64 = 64;
const LEN: usize = 3000;

fn fill(store: &Store, version: u64) {
    for key in 0..KEYS {
        put(store, &key.to_le_bytes(), &value(key, version, LEN));
    }
}

/// Threads compare what was lent byte by byte while another appends, outgrows the reservation,
/// compacts, deletes and closes.
#[test]
fn through_all_that_can_happen() {
    let folder = Folder::new();
    for (access, index_memory) in [
        (StoreAccess::Mapped, 0),
        // The index is merged all the time.
        (StoreAccess::Mapped, 8192),
        (StoreAccess::Exclusive, 0),
    ] {
        let path = folder.join(&format!("{access:?} {index_memory}"));
        let options = StoreOptions {
            access,
            index_memory,
            reservation: 1 << 20,
            check: ValueCheck::Always,
            ..options()
        };
        let store = Store::open(&path, &options).unwrap();
        fill(&store, 0);
        let snapshot = store.snapshot().unwrap();
        let lent: Vec<_> = (0..KEYS)
            .map(|key| snapshot.get(&key.to_le_bytes()).unwrap().unwrap().region)
            .collect();
        let places: Vec<usize> = lent.iter().map(|region| region.as_ptr().addr()).collect();
        let done = AtomicBool::new(false);
        let started = Barrier::new(4);
        let looks = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    started.wait();
                    while !done.load(Ordering::Relaxed) {
                        for (key, region) in (0..KEYS).zip(&lent) {
                            assert!(bytes(*region) == value(key, 0, LEN));
                            let again = snapshot.get(&key.to_le_bytes()).unwrap().unwrap();
                            assert!(bytes(again.region) == value(key, 0, LEN));
                        }
                        looks.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            started.wait();
            let mapped = store.stats().unwrap().mapped_bytes;
            for version in 1..12 {
                fill(&store, version);
                let newer = store.snapshot().unwrap();
                assert!(get(&newer, &7u64.to_le_bytes()).unwrap() == value(7, version, LEN));
            }
            if access == StoreAccess::Mapped {
                assert!(store.stats().unwrap().mapped_bytes > mapped);
            }
            store.compact(None).unwrap();
            for key in 0..KEYS {
                store.delete(&key.to_le_bytes()).unwrap();
            }
            store.compact(None).unwrap();
            assert!(store.snapshot().unwrap().is_empty());
            store.close();
            std::fs::remove_file(&path).unwrap();
            // Until each thread has looked at it all after the end.
            let enough = looks.load(Ordering::Relaxed) + 6;
            while looks.load(Ordering::Relaxed) < enough {
                std::thread::yield_now();
            }
            done.store(true, Ordering::Relaxed);
        });
        let now: Vec<usize> = lent.iter().map(|region| region.as_ptr().addr()).collect();
        assert_eq!(places, now);
        assert_eq!(walk(&snapshot, &IterOptions::default()).len() as u64, KEYS);
    }
}

#[test]
fn appends_within_the_reservation_never_map_again() {
    let folder = Folder::new();
    let store = Store::open(&folder.join("reserved"), &options()).unwrap();
    put(&store, b"key", &value(1, 0, 100));
    let one = store.snapshot().unwrap();
    let place = one.get(b"key").unwrap().unwrap().region.as_ptr();
    for version in 0..100 {
        put(&store, b"other", &value(2, version, 10_000));
    }
    let two = store.snapshot().unwrap();
    assert_eq!(two.get(b"key").unwrap().unwrap().region.as_ptr(), place);
}
