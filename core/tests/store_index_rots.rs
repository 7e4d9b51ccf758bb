//! An index file that rots: the look-up that meets it fails, and nothing else is lost by it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod store_write;

use std::mem::MaybeUninit;

use adit_core::error::{Kind, Report};
use adit_core::map::sim::SimStorage;
use adit_core::store::{Batch, OpenMode, Snapshot, StoreOptions, SyncPolicy};
use store_write::{EIO, get, len, open, put, region, with};

#[test]
fn an_index_file_that_rots_costs_a_rebuild_and_no_key() {
    let options = with(SyncPolicy::Batch);
    let index = format!("{}.idx", store_write::PATH);
    let index = std::path::Path::new(&index);
    let key = |number: u64| number.to_le_bytes();
    let sim = SimStorage::new();
    let store = open(&sim, &options);
    let mut batch = Batch::new();
    for number in 0..5000 {
        batch.put(&key(number), region(&key(number))).unwrap();
        if batch.len() == 500 {
            store.write(&mut batch).unwrap();
            batch.clear();
        }
    }
    store.close();
    let mut bytes = sim.contents(index).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    sim.put_durable(index, &bytes);
    let wrong_in = |snapshot: &Snapshot| {
        let mut wrong: Vec<u64> = Vec::new();
        for number in 0..5000 {
            match snapshot.get(&key(number)) {
                Ok(value) => assert_eq!(value.unwrap().region.u64_at(0), Some(number)),
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Checksum);
                    assert_eq!(error.place().path.as_deref(), Some(index));
                    assert!(error.to_string().contains("a new snapshot"), "{error}");
                    wrong.push(number);
                }
            }
        }
        wrong
    };
    let wrong = wrong_in(&open(&sim.crash(1), &options).snapshot().unwrap());
    assert!(!wrong.is_empty());
    for mode in [OpenMode::Read, OpenMode::Write] {
        let options = StoreOptions { mode, ..options };
        // The next snapshot has it all; the one that found it stays as it is.
        let sim = sim.crash(1);
        let store = open(&sim, &options);
        let before = store.snapshot().unwrap();
        assert_eq!(wrong_in(&before), wrong);
        let after = store.snapshot().unwrap();
        assert!(wrong_in(&after).is_empty());
        assert_eq!((before.len(), after.len()), (5000, 5000));
        assert_eq!(wrong_in(&before), wrong);
        drop(store);
        assert!(wrong_in(&after).is_empty());
        let is_there = sim.contents(index).is_some_and(|now| now == bytes);
        assert_eq!(is_there, mode == OpenMode::Read, "a reader writes nothing");
        if mode == OpenMode::Write {
            assert!(wrong_in(&open(&sim, &options).snapshot().unwrap()).is_empty());
        }
        // What is copied is there at once.
        let sim = sim.crash(1);
        sim.put_durable(index, &bytes);
        let store = open(&sim, &options);
        let mut out = [MaybeUninit::new(0); 8];
        for &number in &wrong {
            assert_eq!(store.read(&key(number), &mut out).unwrap(), Some(8));
        }
        // A store that can't be written is read all the same.
        if mode == OpenMode::Write {
            let sim = sim.crash(1);
            sim.put_durable(index, &bytes);
            let store = open(&sim, &options);
            sim.fail_at(sim.calls() + 2, EIO);
            assert!(put(&store, "more", b"").is_err());
            assert_eq!(put(&store, "more", b"").unwrap_err().kind(), Kind::Poisoned);
            assert_eq!(wrong_in(&store.snapshot().unwrap()), wrong);
            assert!(wrong_in(&store.snapshot().unwrap()).is_empty());
            assert_eq!(get(&store, b"more"), None);
        }
    }
}

#[test]
fn an_index_file_that_rots_is_built_again_by_the_next_write_or_opening() {
    let options = with(SyncPolicy::Batch);
    let index = format!("{}.idx", store_write::PATH);
    let index = std::path::Path::new(&index);
    let key = |number: u64| number.to_le_bytes();
    let sim = SimStorage::new();
    let store = open(&sim, &options);
    let mut batch = Batch::new();
    for number in 0..5000 {
        batch.put(&key(number), region(&key(number))).unwrap();
        if batch.len() == 500 {
            store.write(&mut batch).unwrap();
            batch.clear();
        }
    }
    store.close();
    let mut bytes = sim.contents(index).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    sim.put_durable(index, &bytes);
    for write in [true, false] {
        let sim = sim.crash(1);
        let store = open(&sim, &options);
        let mut wrong = 0;
        for number in 0..5000 {
            match store.snapshot().unwrap().get(&key(number)) {
                Ok(value) => assert_eq!(value.unwrap().region.u64_at(0), Some(number)),
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Checksum);
                    wrong += 1;
                }
            }
        }
        assert!(wrong > 0);
        let store = match write {
            true => {
                store.put(&key(1), region(&key(1))).unwrap();
                store
            }
            false => {
                drop(store);
                open(&sim, &options)
            }
        };
        for number in 0..5000 {
            assert_eq!(get(&store, &key(number)).unwrap(), key(number));
        }
        assert_eq!(len(&store), 5000);
    }
}
