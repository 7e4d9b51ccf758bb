//! Snapshots: what they show, what they lend, and that it stays.

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

use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;

use adit_core::error::{Kind, Report};
use adit_core::map::{RealStorage, Storage};
use adit_core::store::{
    Batch, Error, OpenMode, Store, StoreAccess, StoreOptions, SyncPolicy, ValueCheck,
};
use common::Folder;
use store_read::{bytes, get, on_both, options, put, region, value};

fn open(storage: &Arc<dyn Storage>, path: &Path, options: &StoreOptions) -> Store {
    Store::open_on(Arc::clone(storage), path, options).unwrap()
}

fn read(store: &Store, key: &[u8], room: usize) -> (Option<u64>, Vec<u8>) {
    let mut out = vec![MaybeUninit::new(0xEE); room];
    let len = store.read(key, &mut out).unwrap();
    // SAFETY: all were initialised above, and reads write nothing but bytes.
    let out = out
        .iter()
        .map(|byte| unsafe { byte.assume_init() })
        .collect();
    (len, out)
}

#[test]
fn values_of_all_lengths_come_back() {
    let folder = Folder::new();
    on_both(&folder.join("lengths"), |storage, path| {
        for align in [0, 4096] {
            let path = path.with_extension(align.to_string());
            let store = open(&storage, &path, &StoreOptions { align, ..options() });
            let lengths = [
                0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 4095, 4096, 4097, 70_000,
            ];
            for (number, len) in lengths.into_iter().enumerate() {
                let key = format!("key {number}");
                put(&store, key.as_bytes(), &value(number as u64, 0, len));
            }
            put(&store, b"", b"of the empty key");
            put(&store, &[7; 65535], b"of the longest key");
            let snapshot = store.snapshot().unwrap();
            assert_eq!(snapshot.len(), 16);
            for (number, len) in lengths.into_iter().enumerate() {
                let key = format!("key {number}");
                let found = snapshot.get(key.as_bytes()).unwrap().unwrap();
                assert_eq!(bytes(found.region), value(number as u64, 0, len));
                let align = if align == 0 { 64 } else { 4096 };
                assert_eq!(found.region.as_ptr().addr() % align, 0);
                assert!(!found.is_tensor);
                assert!(snapshot.contains(key.as_bytes()).unwrap());
            }
            assert_eq!(get(&snapshot, b"").unwrap(), b"of the empty key");
            assert_eq!(get(&snapshot, &[7; 65535]).unwrap(), b"of the longest key");
            assert_eq!(get(&snapshot, &[7; 65534]), None);
            assert_eq!(get(&snapshot, &[7; 65536]), None);
            assert_eq!(get(&snapshot, b"key 99"), None);
            assert!(!snapshot.contains(b"key 99").unwrap());
        }
    });
}

#[test]
fn a_snapshot_shows_what_was_there_when_it_was_taken() {
    let folder = Folder::new();
    on_both(&folder.join("isolation"), |storage, path| {
        let store = open(&storage, path, &options());
        let before = store.snapshot().unwrap();
        assert!(before.is_empty());
        assert_eq!(before.sequence(), 0);
        let mut snapshots = Vec::new();
        for version in 0..100 {
            put(&store, b"often", &value(1, version, 100));
            match version % 3 {
                0 => put(&store, b"sometimes", &value(2, version, 50)),
                1 => drop(store.delete(b"sometimes").unwrap()),
                _ => {}
            }
            snapshots.push((version, store.snapshot().unwrap()));
        }
        for (version, snapshot) in &snapshots {
            assert_eq!(get(snapshot, b"often").unwrap(), value(1, *version, 100));
            let sometimes = (version % 3 == 0).then(|| value(2, *version, 50));
            assert_eq!(get(snapshot, b"sometimes"), sometimes);
            assert_eq!(snapshot.len(), 1 + u64::from(version % 3 == 0));
        }
        assert!(get(&before, b"often").is_none());
        store.close();
        for (version, snapshot) in &snapshots {
            assert_eq!(get(snapshot, b"often").unwrap(), value(1, *version, 100));
        }
    });
}

#[test]
fn many_keys_at_once_are_found_as_one_by_one() {
    let folder = Folder::new();
    on_both(&folder.join("many"), |storage, path| {
        let store = open(&storage, path, &options());
        let mut batch = Batch::new();
        for number in 0..3000u64 {
            let len = (number % 7) as usize * 40;
            batch
                .put(&number.to_le_bytes(), region(&value(number, 0, len)))
                .unwrap();
        }
        store.write(&mut batch).unwrap();
        for number in (0..3000u64).step_by(5) {
            store.delete(&number.to_le_bytes()).unwrap();
        }
        let snapshot = store.snapshot().unwrap();
        // Some that never were, some twice.
        let keys: Vec<[u8; 8]> = (0..4000u64)
            .map(|n| (n * 37 % 4000).to_le_bytes())
            .collect();
        let mut keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
        keys.push(keys[17]);
        let mut out = vec![None; keys.len()];
        snapshot.get_many(&keys, &mut out).unwrap();
        let mut missing = 0;
        for (key, found) in keys.iter().zip(&out) {
            let found = found.map(|found| bytes(found.region));
            assert_eq!(found, get(&snapshot, key));
            let number = u64::from_le_bytes((*key).try_into().unwrap());
            let is_there = number < 3000 && number % 5 != 0;
            assert_eq!(found.is_some(), is_there);
            missing += usize::from(!is_there);
        }
        assert_eq!(missing, 1600 + usize::from(out[4000].is_none()));
        let mut few = [None; 2];
        snapshot.get_many(&keys, &mut few).unwrap();
        assert_eq!(
            few.map(|found| found.is_some()),
            [out[0].is_some(), out[1].is_some()]
        );
        snapshot.get_many(&[], &mut []).unwrap();
    });
}

#[test]
fn reading_copies_what_there_is_room_for() {
    let folder = Folder::new();
    on_both(&folder.join("read"), |storage, path| {
        let store = open(&storage, path, &options());
        put(&store, b"key", b"0123456789");
        put(&store, b"empty", b"");
        assert_eq!(
            read(&store, b"key", 12),
            (Some(10), b"0123456789\xee\xee".to_vec())
        );
        assert_eq!(read(&store, b"key", 10), (Some(10), b"0123456789".to_vec()));
        let mut short = [MaybeUninit::new(0xEE); 9];
        let error = store.read(b"key", &mut short).unwrap_err();
        assert!(matches!(error, Error::NoRoom { len: 10, room: 9 }));
        assert_eq!(error.kind(), Kind::OutOfRange);
        // SAFETY: all were initialised above, and reads write nothing but bytes.
        let untouched = |byte: &MaybeUninit<u8>| unsafe { byte.assume_init() } == 0xEE;
        assert!(short.iter().all(untouched));
        assert_eq!(read(&store, b"key", 0), (Some(10), vec![]));
        assert_eq!(read(&store, b"empty", 1), (Some(0), vec![0xEE]));
        assert_eq!(read(&store, b"missing", 1), (None, vec![0xEE]));
    });
}

#[test]
fn without_a_map_values_live_as_long_as_the_snapshot() {
    let folder = Folder::new();
    let exclusive = StoreOptions {
        access: StoreAccess::Exclusive,
        ..options()
    };
    let store = Store::open(&folder.join("exclusive"), &exclusive).unwrap();
    for number in 0..50u64 {
        put(&store, &number.to_le_bytes(), &value(number, 0, 1000));
    }
    let snapshot = store.snapshot().unwrap();
    let regions: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let snapshot = &snapshot;
                scope.spawn(move || {
                    let get = |n: u64| snapshot.get(&n.to_le_bytes()).unwrap().unwrap().region;
                    (0..50).map(get).collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    store.close();
    for (place, region) in regions.iter().enumerate() {
        assert_eq!(bytes(*region), value(place as u64 % 50, 0, 1000));
        assert_eq!(region.as_ptr().addr() % 64, 0);
    }
}

/// Changes a byte of a value below the checkpoint, behind everybody's back.
fn damage(path: &Path, at: u64) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

#[test]
fn damaged_values_are_told_as_the_options_say() {
    let folder = Folder::new();
    for access in [StoreAccess::Mapped, StoreAccess::Exclusive] {
        let path = folder.join(&format!("damaged {access:?}"));
        let store = Store::open(
            &path,
            &StoreOptions {
                access,
                ..options()
            },
        )
        .unwrap();
        put(&store, b"sound", &value(1, 0, 500));
        put(&store, b"damaged", &value(2, 0, 500));
        let offset = store
            .snapshot()
            .unwrap()
            .get(b"damaged")
            .unwrap()
            .unwrap()
            .offset;
        store.close();
        damage(&path, offset + 64 + 250);
        let open = |check| {
            let options = StoreOptions {
                check,
                access,
                mode: OpenMode::Read,
                ..options()
            };
            Store::open(&path, &options).unwrap()
        };
        let never = open(ValueCheck::Never).snapshot().unwrap();
        assert_ne!(get(&never, b"damaged").unwrap(), value(2, 0, 500));
        for check in [ValueCheck::FirstTouch, ValueCheck::Always] {
            let store = open(check);
            let snapshot = store.snapshot().unwrap();
            for _ in 0..2 {
                let error = snapshot.get(b"damaged").unwrap_err();
                assert_eq!(error.kind(), Kind::Checksum);
                assert_eq!(error.place().offset, Some(offset));
                assert_eq!(error.place().path.as_deref(), Some(&*path));
                assert!(error.to_string().contains("checksum"), "{error}");
                let mut out = [None; 2];
                let error = snapshot
                    .get_many(&[b"sound", b"damaged"], &mut out)
                    .unwrap_err();
                assert_eq!(error.kind(), Kind::Checksum);
                let mut room = [MaybeUninit::new(0); 500];
                assert_eq!(
                    store.read(b"damaged", &mut room).unwrap_err().kind(),
                    Kind::Checksum
                );
                assert_eq!(get(&snapshot, b"sound").unwrap(), value(1, 0, 500));
            }
            assert!(snapshot.contains(b"damaged").unwrap());
        }
    }
}

#[test]
fn the_first_touch_is_remembered_and_always_is_always() {
    let folder = Folder::new();
    let path = folder.join("touch");
    let store = Store::open(&path, &options()).unwrap();
    put(&store, b"key", &value(2, 0, 500));
    let offset = store
        .snapshot()
        .unwrap()
        .get(b"key")
        .unwrap()
        .unwrap()
        .offset;
    store.close();
    let open = |check| {
        let options = StoreOptions {
            check,
            mode: OpenMode::Read,
            ..options()
        };
        Store::open(&path, &options).unwrap()
    };
    let (first, always) = (open(ValueCheck::FirstTouch), open(ValueCheck::Always));
    let (first, always) = (first.snapshot().unwrap(), always.snapshot().unwrap());
    assert!(first.get(b"key").is_ok());
    assert!(always.get(b"key").is_ok());
    damage(&path, offset + 64);
    assert!(first.get(b"key").is_ok());
    assert_eq!(always.get(b"key").unwrap_err().kind(), Kind::Checksum);
}

#[test]
fn a_file_that_was_cut_is_an_error_for_copies() {
    let folder = Folder::new();
    let path = folder.join("cut");
    let store = Store::open(&path, &options()).unwrap();
    put(&store, b"first", &value(1, 0, 100));
    put(&store, b"key", &value(2, 0, 100_000));
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(20_000).unwrap();
    let mut room = vec![MaybeUninit::new(0); 100_000];
    assert_eq!(store.read(b"first", &mut room).unwrap(), Some(100));
    let error = store.read(b"key", &mut room).unwrap_err();
    assert_eq!(error.kind(), Kind::Truncated);
    assert_eq!(error.place().path.as_deref(), Some(&*path));
}

#[test]
fn by_batch_only_what_is_durable_is_seen() {
    let folder = Folder::new();
    for sync in [
        SyncPolicy::Batch,
        SyncPolicy::Group,
        SyncPolicy::Explicit,
        SyncPolicy::None,
    ] {
        let path = folder.join(&format!("policy {sync:?}"));
        let storage: Arc<dyn Storage> = Arc::new(RealStorage);
        let store = open(&storage, &path, &StoreOptions { sync, ..options() });
        let mut batch = Batch::new();
        batch.put(b"a", region(b"1")).unwrap();
        batch.put(b"b", region(b"2")).unwrap();
        batch.put(b"a", region(b"3")).unwrap();
        batch.delete(b"b").unwrap();
        assert_eq!(store.write(&mut batch).unwrap(), 1);
        let snapshot = store.snapshot().unwrap();
        assert_eq!(snapshot.sequence(), 1);
        assert_eq!(snapshot.len(), 1);
        assert_eq!(get(&snapshot, b"a").unwrap(), b"3");
        assert_eq!(get(&snapshot, b"b"), None);
    }
}
