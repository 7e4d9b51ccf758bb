//! Compaction while the store is in use: what is written and deleted meanwhile is so afterwards, and
//! what can't go on beside it is refused.

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

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use adit_core::error::{Kind, Report};
use adit_core::store::{Store, StoreOptions, SyncPolicy};
use common::Folder;
use store_read::{entries, fill, get, on_both, options, put, value};

#[test]
fn streams_compactions_and_readers_are_kept_apart() {
    let folder = Folder::new();
    let path = folder.join("apart");
    let store = Store::open(&path, &options()).unwrap();
    put(&store, b"key", b"value");
    let stream = store.put_stream(b"streamed").unwrap();
    assert_eq!(store.compact(None).unwrap_err().kind(), Kind::Busy);
    drop(stream);
    // The last calls come with the writer's lock held: only the first one asks.
    let mut told = None;
    let mut progress = |_, _| {
        told.get_or_insert_with(|| {
            // From another thread, as a callback doesn't re-enter.
            let ask = || {
                let second = store.compact(None).unwrap_err().kind();
                (second, store.put_stream(b"streamed").unwrap_err().kind())
            };
            std::thread::scope(|scope| scope.spawn(ask).join().unwrap())
        });
        true
    };
    store.compact(Some(&mut progress)).unwrap();
    assert_eq!(told, Some((Kind::Busy, Kind::Busy)));
    drop(store.put_stream(b"streamed").unwrap());
}

#[test]
fn writes_go_on_meanwhile() {
    let folder = Folder::new();
    for sync in [SyncPolicy::Explicit, SyncPolicy::Group, SyncPolicy::Batch] {
        let path = folder.join(&format!("writes {sync:?}"));
        let options = StoreOptions { sync, ..options() };
        let store = Store::open(&path, &options).unwrap();
        fill(&store, 2000);
        let stop = AtomicBool::new(false);
        let rounds: Vec<AtomicU64> = (0..3).map(|_| AtomicU64::new(0)).collect();
        std::thread::scope(|scope| {
            for (thread, rounds) in rounds.iter().enumerate() {
                let (store, stop) = (&store, &stop);
                scope.spawn(move || {
                    // Each thread has keys of its own, and looks at what it wrote.
                    let key = |number: u64| {
                        [thread as u64 + 1_000_000, number % 50]
                            .map(u64::to_le_bytes)
                            .concat()
                    };
                    let mut number = 0;
                    while !stop.load(Ordering::Relaxed) || number < 200 {
                        if number % 7 == 6 {
                            store.delete(&key(number)).unwrap();
                            assert_eq!(get(&store.snapshot().unwrap(), &key(number)), None);
                        } else {
                            put(store, &key(number), &value(number, 9, 90));
                            let found = get(&store.snapshot().unwrap(), &key(number));
                            assert_eq!(found, Some(value(number, 9, 90)));
                        }
                        number += 1;
                        rounds.store(number, Ordering::Relaxed);
                    }
                });
            }
            for _ in 0..4 {
                store.compact(None).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
        });
        let check = |store: &Store| {
            let snapshot = store.snapshot().unwrap();
            for (thread, rounds) in rounds.iter().enumerate() {
                let rounds = rounds.load(Ordering::Relaxed);
                for number in rounds - 50..rounds {
                    let key = [thread as u64 + 1_000_000, number % 50]
                        .map(u64::to_le_bytes)
                        .concat();
                    let wanted = (number % 7 != 6).then(|| value(number, 9, 90));
                    assert_eq!(get(&snapshot, &key), wanted);
                }
            }
            for key in 0..2000u64 {
                let wanted = (key % 3 != 0).then(|| value(key, key % 3, (key * 37 % 700) as usize));
                assert_eq!(get(&snapshot, &key.to_le_bytes()), wanted);
            }
            assert_eq!(snapshot.len(), entries(&snapshot).len() as u64);
        };
        check(&store);
        assert_eq!(store.stats().unwrap().compactions, 4);
        store.sync(0).unwrap();
        store.close();
        check(&Store::open(&path, &options).unwrap());
    }
}

#[test]
fn what_is_deleted_meanwhile_stays_so_when_the_index_has_forgotten_it() {
    let folder = Folder::new();
    on_both(&folder.join("forgotten"), |storage, path| {
        let options = StoreOptions {
            // Deleted keys have no entry any more once it is merged.
            index_memory: 1 << 16,
            sync: SyncPolicy::None,
            ..options()
        };
        let store = Store::open_on(Arc::clone(&storage), path, &options).unwrap();
        for key in [&b"once"[..], b"often", b"again", b"kept"] {
            put(&store, key, b"old");
        }
        let mut told = false;
        let mut progress = |done, of| {
            if done == of && !told {
                told = true;
                store.delete(b"once").unwrap();
                for _ in 0..3 {
                    put(&store, b"often", b"between");
                    store.delete(b"often").unwrap();
                    store.delete(b"often").unwrap();
                }
                store.delete(b"again").unwrap();
                let merges = store.stats().unwrap().merges;
                for number in 0..6000u64 {
                    put(&store, &number.to_le_bytes(), b"x");
                }
                assert!(store.stats().unwrap().merges > merges);
                put(&store, b"again", b"new");
            }
            true
        };
        store.compact(Some(&mut progress)).unwrap();
        let check = |store: &Store| {
            let snapshot = store.snapshot().unwrap();
            assert_eq!(get(&snapshot, b"once"), None);
            assert_eq!(get(&snapshot, b"often"), None);
            assert_eq!(get(&snapshot, b"again").as_deref(), Some(&b"new"[..]));
            assert_eq!(get(&snapshot, b"kept").as_deref(), Some(&b"old"[..]));
            let live = entries(&snapshot);
            assert_eq!(live.len(), 6002);
            assert_eq!(snapshot.len(), 6002);
            let stats = store.stats().unwrap();
            // A record of 64 bytes with its key, and 64 for its value.
            assert_eq!((stats.live_keys, stats.live_bytes), (6002, 6002 * 128));
        };
        check(&store);
        store.close();
        check(&Store::open_on(storage, path, &options).unwrap());
    });
}
