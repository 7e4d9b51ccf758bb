//! Writes that fail: a failed write leaves the store as it was, a failed sync ends its writing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod store_write;

use std::collections::BTreeMap;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::sim::SimStorage;
use adit_core::map::{MapMode, RealStorage, Storage};
use adit_core::store::{Batch, Store, StoreOptions, SyncPolicy};
use adit_core::tensor::Shape;
use common::Folder;
use store_write::{EIO, POLICIES, calls, get, len, open, put, try_open, with};

const ENOSPC: i32 = 28;
const EFBIG: i32 = 27;

/// Puts until `until`, what is acknowledged in `model`; the number of the first that failed.
fn puts(store: &Store, until: usize, model: &mut BTreeMap<String, Vec<u8>>) -> Vec<(usize, Kind)> {
    let mut failed = Vec::new();
    for number in 0..until {
        let key = format!("key {}", number % 5);
        let value = vec![number as u8; 100 * number];
        match put(store, &key, &value) {
            Ok(_) => drop(model.insert(key, value)),
            Err(error) => failed.push((number, error.kind())),
        }
    }
    failed
}

fn check(store: &Store, model: &BTreeMap<String, Vec<u8>>) {
    for (key, value) in model {
        assert_eq!(get(store, key.as_bytes()).as_ref(), Some(value));
    }
    assert_eq!(len(store), model.len() as u64);
}

#[test]
fn each_write_and_sync_fails_once() {
    for sync in POLICIES {
        let options = with(sync);
        let count = {
            let sim = SimStorage::new();
            let store = open(&sim, &options);
            let start = sim.calls();
            puts(&store, 12, &mut BTreeMap::new());
            store.sync(0).unwrap();
            sim.calls() - start
        };
        for call in 1..=count {
            for errno in [EIO, ENOSPC, EFBIG] {
                let sim = SimStorage::new();
                let store = open(&sim, &options);
                sim.fail_at(sim.calls() + call, errno);
                let mut model = BTreeMap::new();
                let failed = puts(&store, 12, &mut model);
                let synced = store.sync(0);
                let trace = sim.trace();
                let disturbed = trace.get((trace.len() as u64).min(5 + call) as usize - 1);
                let (writes, poisoned) = (
                    failed
                        .iter()
                        .filter(|(_, kind)| *kind != Kind::Poisoned)
                        .count(),
                    synced.as_ref().is_err(),
                );
                if poisoned {
                    // A sync failed, in a put or by itself: nothing can be written any more.
                    assert_eq!(put(&store, "more", b"").unwrap_err().kind(), Kind::Poisoned);
                    assert_eq!(store.sync(0).unwrap_err().kind(), Kind::Poisoned);
                    assert!(writes <= 1, "{disturbed:?}");
                    drop(store);
                    // What was acknowledged is on the disk, or in the page cache that wasn't lost.
                    let store = open(&sim, &options);
                    if matches!(sync, SyncPolicy::Batch | SyncPolicy::Group) {
                        for (key, value) in &model {
                            let got = get(&store, key.as_bytes());
                            let is_next = failed.iter().any(|&(number, _)| {
                                got.as_ref()
                                    .is_some_and(|got| *got == vec![number as u8; 100 * number])
                                    && *key == format!("key {}", number % 5)
                            });
                            assert!(got.as_ref() == Some(value) || is_next);
                        }
                    }
                } else {
                    // A write failed, and only that one.
                    assert_eq!(failed.len(), 1, "{disturbed:?} {sync:?} {call}");
                    check(&store, &model);
                    store.close();
                    check(&open(&sim, &options), &model);
                }
            }
        }
    }
}

#[test]
fn a_failed_write_says_where_and_why() {
    let sim = SimStorage::new();
    let store = open(&sim, &with(SyncPolicy::None));
    put(&store, "key", b"value").unwrap();
    sim.fail_at(sim.calls() + 1, ENOSPC);
    let error = put(&store, "other", b"value").unwrap_err();
    assert_eq!((error.kind(), error.os_code()), (Kind::NoSpace, ENOSPC));
    let place = error.place();
    assert_eq!(place.path.unwrap().to_str(), Some(store_write::PATH));
    assert_eq!(place.offset, Some(16384 + 64 + 128));
    assert_eq!(get(&store, b"other"), None);
    put(&store, "other", b"again").unwrap();
    assert_eq!(get(&store, b"other").unwrap(), b"again");
}

#[test]
fn what_a_failed_sync_left_in_the_page_cache_is_written_again() {
    let sim = SimStorage::new();
    let options = with(SyncPolicy::Batch);
    let store = open(&sim, &options);
    put(&store, "safe", b"1").unwrap();
    // The write, then its sync.
    sim.fail_at(sim.calls() + 2, EIO);
    let error = put(&store, "doubtful", b"2").unwrap_err();
    assert_eq!((error.kind(), error.os_code()), (Kind::Io, EIO));
    let error = put(&store, "later", b"3").unwrap_err();
    assert_eq!(error.kind(), Kind::Poisoned);
    assert!(error.to_string().contains("open it again"), "{error}");
    assert_eq!(get(&store, b"safe").unwrap(), b"1");
    assert_eq!(get(&store, b"doubtful"), None);
    let before = sim.calls();
    drop(store);
    assert_eq!(sim.calls(), before, "a store that failed is left alone");
    let store = open(&sim, &options);
    let seen = get(&store, b"doubtful");
    assert_eq!(get(&store, b"safe").unwrap(), b"1");
    drop(store);
    // What was seen once stays.
    for seed in 0..30 {
        let store = open(&sim.crash(seed), &options);
        assert_eq!(get(&store, b"safe").unwrap(), b"1");
        assert_eq!(get(&store, b"doubtful"), seen);
    }
}

#[test]
fn followers_of_a_failed_group_sync_fail_too() {
    let sim = SimStorage::new();
    let store = open(&sim, &with(SyncPolicy::Group));
    sim.fail_at(sim.calls() + 2, EIO);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let store = &store;
                scope.spawn(move || put(store, &format!("{number}"), b"").map_err(|e| e.kind()))
            })
            .collect();
        let results: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        // The failing call may be another thread's write, which fails alone.
        let io = results
            .iter()
            .filter(|result| **result == Err(Kind::Io))
            .count();
        assert_eq!(io, 1, "{results:?}");
        for (number, result) in results.iter().enumerate() {
            let found = get(&store, format!("{number}").as_bytes());
            assert_eq!(found.is_some(), result.is_ok());
        }
    });
}

#[test]
fn a_checkpoint_that_fails_costs_nothing_but_time() {
    let options = StoreOptions {
        checkpoint_bytes: 1,
        ..with(SyncPolicy::Batch)
    };
    for call in 1..=30 {
        let sim = SimStorage::new();
        let store = open(&sim, &options);
        let from = sim.calls();
        sim.fail_at(from + call, EIO);
        for number in 0..10 {
            let _ = put(&store, &format!("{number}"), b"value");
        }
        let disturbed = sim.trace().get((from + call) as usize - 1).cloned();
        let Some(disturbed) = disturbed.filter(|call| {
            call.starts_with("write 128 bytes at 4096")
                || call.starts_with("write 128 bytes at 8192")
        }) else {
            continue;
        };
        assert_eq!(len(&store), 10, "{disturbed}");
        for seed in 0..20 {
            assert_eq!(len(&open(&sim.crash(seed), &options)), 10);
        }
    }
}

#[test]
fn a_value_in_a_map_that_was_cut_is_an_error() {
    let folder = Folder::new();
    let bytes = vec![3; 1 << 20];
    let source = folder.file("source", &bytes);
    let file = RealStorage.open(&source).unwrap();
    let map = file.map(0, bytes.len(), MapMode::Read).unwrap();
    let store = Store::open(
        &folder.join("store"),
        &StoreOptions {
            reservation: 1 << 30,
            ..StoreOptions::default()
        },
    )
    .unwrap();
    assert_eq!(store.put(b"whole", map.region()).unwrap(), 1);
    std::fs::OpenOptions::new()
        .write(true)
        .open(&source)
        .unwrap()
        .set_len(4096)
        .unwrap();
    let before = store.stats().unwrap().tail;
    let behind = map.region().slice(8192, 1 << 18).unwrap();
    // Short ones are copied, others are written from where they lie.
    for value in [behind.slice(0, 100).unwrap(), behind, map.region()] {
        let error = store.put(b"cut", value).unwrap_err();
        assert_eq!((error.kind(), error.os_code()), (Kind::Io, 14));
        assert!(error.to_string().contains("it was cut"), "{error}");
    }
    let (dtype, shape) = (DType::U8, Shape::new(&[100]).unwrap());
    let tensor = store.put_tensor(b"cut", dtype, &shape, behind.slice(0, 100).unwrap());
    assert_eq!(tensor.unwrap_err().kind(), Kind::Io);
    let mut batch = Batch::new();
    // SAFETY: mapped as long as the batch; what can't be read is an error.
    let lent = unsafe { batch.put_lent(b"cut", map.region()) };
    assert!(lent.is_err() && batch.is_empty());
    let mut stream = store.put_stream(b"cut").unwrap();
    let error = stream.write(behind.slice(0, 100).unwrap()).unwrap_err();
    assert_eq!((error.kind(), error.os_code()), (Kind::Io, 14));
    stream.abort();
    let mut stream = store.put_stream(b"cut").unwrap();
    assert!(stream.write(map.region()).is_err());
    assert_eq!(stream.commit().unwrap_err().kind(), Kind::Poisoned);
    assert_eq!(store.stats().unwrap().tail, before);
    assert_eq!(get(&store, b"cut"), None);
    assert_eq!(put(&store, "next", b"value").unwrap(), 2);
    assert_eq!(get(&store, b"whole").unwrap(), bytes);
}

#[test]
fn the_path_of_a_folder_makes_no_store() {
    let folder = Folder::new();
    for end in ["", "/", "/."] {
        let mut path = folder.join("store").into_os_string();
        path.push(end);
        let options = StoreOptions {
            reservation: 1 << 30,
            ..StoreOptions::default()
        };
        let opened = Store::open(path.as_ref(), &options);
        match end {
            "" => drop(opened.unwrap()),
            _ => drop(opened.unwrap_err()),
        }
        if end.is_empty() {
            for name in ["store", "store.lock"] {
                std::fs::remove_file(folder.join(name)).unwrap();
            }
        }
        assert_eq!(std::fs::read_dir(folder.join(".")).unwrap().count(), 0);
    }
    let mut path = folder.join("store").into_os_string();
    path.push("/");
    let error = Store::open(path.as_ref(), &StoreOptions::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(error.to_string().contains("as a folder's does"), "{error}");
}

#[test]
fn opening_that_fails_at_any_call_can_be_repeated() {
    let options = with(SyncPolicy::Batch);
    let sim = SimStorage::new();
    let mut model = BTreeMap::new();
    let store = open(&sim, &options);
    assert!(puts(&store, 9, &mut model).is_empty());
    let killed = || sim.kill(1);
    let count = {
        let sim = killed();
        drop(open(&sim, &options));
        sim.calls()
    };
    assert!(count >= 3, "written again, synced, a checkpoint");
    assert_eq!(calls(&killed(), 0, ""), 0);
    for call in 1..=count {
        for errno in [EIO, ENOSPC] {
            let sim = killed();
            sim.fail_at(call, errno);
            if let Ok(store) = try_open(&sim, &options) {
                check(&store, &model);
            }
            check(&open(&sim, &options), &model);
            for seed in 0..10 {
                check(&open(&sim.crash(seed), &options), &model);
            }
        }
    }
}
