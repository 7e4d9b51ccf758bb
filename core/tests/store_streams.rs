//! Values that are written piece by piece, and those of unusual sizes.
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

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::sim::SimStorage;
use adit_core::store::{Batch, MAX_KEY, Store, StoreOptions, SyncPolicy};
use adit_core::tensor::Shape;
use common::Folder;
use store_write::{POLICIES, get, len, open, put, region, with};

const EIO: i32 = 5;

fn value(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

#[test]
fn a_stream_is_a_put_of_all_its_pieces() {
    for sync in POLICIES {
        for align in [64, 4096] {
            let sim = SimStorage::new();
            let options = StoreOptions {
                align,
                ..with(sync)
            };
            let store = open(&sim, &options);
            let mut sequence = 0;
            for len in [0, 1, 64, 4095, 262_143, 262_144, 262_145, 700_001] {
                for piece in [1000, 100_000, 300_000] {
                    let value = value(len);
                    let key = format!("{len} by {piece}");
                    let mut stream = store.put_stream(key.as_bytes()).unwrap();
                    for piece in value.chunks(piece) {
                        stream.write(region(piece)).unwrap();
                        stream.write(region(b"")).unwrap();
                    }
                    assert_eq!(get(&store, key.as_bytes()), None);
                    sequence += 1;
                    assert_eq!(stream.commit().unwrap(), sequence);
                    store.sync(0).unwrap();
                    assert_eq!(get(&store, key.as_bytes()), Some(value.clone()));
                    put(&store, "between", &value[..len.min(9)]).unwrap();
                    sequence += 1;
                }
            }
            store.sync(0).unwrap();
            drop(store);
            let store = open(&sim.crash(0), &options);
            assert_eq!(len(&store), 25);
            for len in [0, 1, 64, 4095, 262_143, 262_144, 262_145, 700_001] {
                let key = format!("{len} by 1000");
                assert_eq!(get(&store, key.as_bytes()), Some(value(len)));
            }
        }
    }
}

#[test]
fn others_are_told_that_a_stream_is_under_way() {
    let sim = SimStorage::new();
    let store = open(&sim, &with(SyncPolicy::Batch));
    put(&store, "before", b"1").unwrap();
    let stream = store.put_stream(b"key").unwrap();
    let error = put(&store, "other", b"").unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    assert!(error.to_string().contains("a stream"), "{error}");
    assert_eq!(store.put_stream(b"other").unwrap_err().kind(), Kind::Busy);
    assert_eq!(store.delete(b"before").unwrap_err().kind(), Kind::Busy);
    assert_eq!(store.compact(None).unwrap_err().kind(), Kind::Busy);
    assert_eq!(get(&store, b"before").unwrap(), b"1");
    store.sync(0).unwrap();
    assert_eq!(stream.commit().unwrap(), 2);
    assert_eq!(put(&store, "other", b"2").unwrap(), 3);
}

#[test]
fn a_stream_that_ends_early_leaves_nothing() {
    let sim = SimStorage::new();
    let store = open(&sim, &with(SyncPolicy::Batch));
    put(&store, "key", b"old").unwrap();
    let tail = store.stats().unwrap().tail;
    for abort in [true, false] {
        let mut stream = store.put_stream(b"key").unwrap();
        stream.write(region(&value(1 << 20))).unwrap();
        match abort {
            true => stream.abort(),
            false => drop(stream),
        }
        assert_eq!(get(&store, b"key").unwrap(), b"old");
        assert_eq!(store.stats().unwrap().tail, tail);
    }
    let mut stream = store.put_stream(b"key").unwrap();
    sim.fail_at(sim.calls() + 1, EIO);
    let error = stream.write(region(&value(1 << 20))).unwrap_err();
    assert_eq!((error.kind(), error.os_code()), (Kind::Io, EIO));
    assert!(stream.write(region(b"more")).is_err());
    assert!(stream.commit().is_err());
    for seed in 0..20 {
        let store = open(&sim.crash(seed), &with(SyncPolicy::Batch));
        assert_eq!(get(&store, b"key").unwrap(), b"old");
    }
    // The commit's own write.
    let mut stream = store.put_stream(b"key").unwrap();
    stream.write(region(b"short")).unwrap();
    sim.fail_at(sim.calls() + 1, EIO);
    assert_eq!(stream.commit().unwrap_err().kind(), Kind::Io);
    assert_eq!(get(&store, b"key").unwrap(), b"old");
    assert_eq!(put(&store, "key", b"new").unwrap(), 2);
    assert_eq!(get(&store, b"key").unwrap(), b"new");
    assert_eq!(len(&store), 1);
}

#[test]
fn a_stream_whose_store_is_closed_cannot_commit() {
    let sim = SimStorage::new();
    let store = open(&sim, &with(SyncPolicy::Batch));
    let mut stream = store.put_stream(b"key").unwrap();
    stream.write(region(b"value")).unwrap();
    store.close();
    let error = stream.commit().unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
    assert_eq!(len(&open(&sim, &with(SyncPolicy::Batch))), 0);
}

#[test]
fn keys_and_values_have_limits() {
    let sim = SimStorage::new();
    let store = open(&sim, &with(SyncPolicy::None));
    let longest = vec![1; MAX_KEY];
    store.put(&longest, region(b"value")).unwrap();
    store.put(&longest[1..], region(b"")).unwrap();
    assert_eq!(get(&store, &longest).unwrap(), b"value");
    assert_eq!(get(&store, &longest[1..]).unwrap(), b"");
    let too_long = vec![1; MAX_KEY + 1];
    let mut batch = Batch::new();
    let errors = [
        store.put(&too_long, region(b"")).unwrap_err(),
        store.delete(&too_long).unwrap_err(),
        store.put_stream(&too_long).unwrap_err(),
        batch.put(&too_long, region(b"")).unwrap_err(),
        batch.delete(&too_long).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), Kind::OutOfRange);
        assert!(error.to_string().contains("65536"), "{error}");
    }
    assert!(batch.is_empty());
    // Never read: it is refused by its length.
    // SAFETY: as much is never readable, but nobody reads it.
    let endless = unsafe { adit_core::map::Region::new(std::ptr::dangling(), (1 << 48) + 1) };
    assert_eq!(
        batch.put(b"", endless).unwrap_err().kind(),
        Kind::OutOfRange
    );
    // SAFETY: as above.
    let lent = unsafe { batch.put_lent(b"", endless) };
    assert_eq!(lent.unwrap_err().kind(), Kind::OutOfRange);
}

#[test]
fn a_batch_mixes_lent_and_copied_values_and_can_be_written_again() {
    for align in [64, 512] {
        let sim = SimStorage::new();
        let options = StoreOptions {
            align,
            ..with(SyncPolicy::Batch)
        };
        let store = open(&sim, &options);
        let large = value(10_001);
        let floats = [1.5_f32, -2.0, 0.25].map(f32::to_le_bytes).concat();
        let shape = Shape::new(&[3, 1]).unwrap();
        let mut batch = Batch::new();
        batch.put(b"short", region(b"abc")).unwrap();
        // SAFETY: the value outlives the batch.
        unsafe { batch.put_lent(b"lent", region(&large)).unwrap() };
        batch
            .put_tensor(b"tensor", DType::F32, &shape, region(&floats))
            .unwrap();
        let refused = batch.put_tensor(b"tensor", DType::F32, &shape, region(b"1234"));
        assert!(refused.is_err());
        // SAFETY: as above.
        unsafe { batch.put_lent(b"empty", region(b"")).unwrap() };
        batch.delete(b"none").unwrap();
        assert_eq!(batch.len(), 5);
        for sequence in 1..4 {
            assert_eq!(store.write(&mut batch).unwrap(), sequence);
        }
        store
            .put_tensor(b"again", DType::F32, &shape, region(&floats))
            .unwrap();
        let check = |store: &Store| {
            assert_eq!(get(store, b"short").unwrap(), b"abc");
            assert_eq!(get(store, b"lent").unwrap(), large);
            assert_eq!(get(store, b"empty").unwrap(), b"");
            assert_eq!(get(store, b"none"), None);
            assert_eq!(len(store), 5);
            let snapshot = store.snapshot().unwrap();
            for key in ["tensor", "again"] {
                let tensor = snapshot.get_tensor(key.as_bytes()).unwrap().unwrap();
                assert_eq!(get(store, key.as_bytes()).unwrap(), floats);
                assert_eq!(tensor.dtype, DType::F32);
            }
        };
        check(&store);
        let counted = store.stats().unwrap();
        drop(store);
        let store = open(&sim, &options);
        check(&store);
        let again = store.stats().unwrap();
        assert_eq!(again.live_bytes, counted.live_bytes);
        assert_eq!((again.records, again.tail), (counted.records, counted.tail));
    }
}

#[test]
fn two_million_overwrites_of_one_key_cost_no_memory() {
    let folder = Folder::new();
    let path = folder.join("store");
    let options = StoreOptions {
        reservation: 4 << 30,
        ..with(SyncPolicy::None)
    };
    let store = Store::open(&path, &options).unwrap();
    let memory = store.stats().unwrap().index_memory_bytes;
    // One batch of many, and many batches.
    let mut batch = Batch::new();
    for number in 0..100_000_u64 {
        batch.put(b"key", region(&number.to_le_bytes())).unwrap();
    }
    for _ in 0..19 {
        store.write(&mut batch).unwrap();
    }
    let held = store.snapshot().unwrap();
    for number in 0..100_000_u64 {
        store.put(b"key", region(&number.to_le_bytes())).unwrap();
    }
    let last = 99_999_u64.to_le_bytes();
    assert_eq!(get(&store, b"key").unwrap(), last);
    let seen = held.get(b"key").unwrap().unwrap().region;
    assert_eq!(seen.to_vec(0, 8).unwrap(), last);
    let stats = store.stats().unwrap();
    assert_eq!((stats.live_keys, stats.live_bytes), (1, 128));
    assert_eq!(stats.records, 2_000_001);
    // The room for one batch whose keys might all have been others.
    assert!(stats.index_memory_bytes <= memory.max(16 << 20));
    drop(store);
    let store = Store::open(&path, &options).unwrap();
    assert_eq!(get(&store, b"key").unwrap(), last);
    assert_eq!(len(&store), 1);
}

#[test]
fn a_small_index_memory_merges_again_and_again() {
    for merge_thread in [false, true] {
        for real in [false, true] {
            let (sim, folder) = (SimStorage::new(), Folder::new());
            let options = StoreOptions {
                index_memory: 1,
                reservation: 1 << 30,
                merge_thread,
                ..with(SyncPolicy::Explicit)
            };
            let open = || match real {
                true => Store::open(&folder.join("store"), &options).unwrap(),
                false => open(&sim, &options),
            };
            let store = open();
            let mut held = Vec::new();
            for round in 0..40_u64 {
                let mut batch = Batch::new();
                for number in 0..400_u64 {
                    let key = (number * 7 + round * 131).to_le_bytes();
                    match (number + round) % 5 {
                        0 => batch.delete(&key).unwrap(),
                        _ => batch.put(&key, region(&round.to_le_bytes())).unwrap(),
                    }
                }
                store.write(&mut batch).unwrap();
                if round % 9 == 0 {
                    held.push((round, store.snapshot().unwrap()));
                }
            }
            let model = |rounds: u64| {
                let mut model = std::collections::BTreeMap::new();
                for round in 0..rounds {
                    for number in 0..400_u64 {
                        let key = number * 7 + round * 131;
                        match (number + round) % 5 {
                            0 => drop(model.remove(&key)),
                            _ => drop(model.insert(key, round)),
                        }
                    }
                }
                model
            };
            for (round, snapshot) in &held {
                let model = model(round + 1);
                assert_eq!(snapshot.len(), model.len() as u64);
                for key in (0..9000_u64).step_by(7) {
                    let found = snapshot.get(&key.to_le_bytes()).unwrap();
                    let found = found.map(|value| value.region.u64_at(0).unwrap());
                    assert_eq!(found, model.get(&key).copied());
                }
            }
            let stats = store.stats().unwrap();
            assert!(stats.merges > 0);
            store.close();
            let (store, model) = (open(), model(40));
            assert_eq!(len(&store), model.len() as u64);
            for key in (0..9000_u64).step_by(7) {
                let found = get(&store, &key.to_le_bytes());
                let expected = model.get(&key).map(|round| round.to_le_bytes().to_vec());
                assert_eq!(found, expected);
            }
        }
    }
}
