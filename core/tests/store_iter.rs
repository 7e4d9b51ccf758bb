//! Going through the entries of a store, both ways.

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

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use adit_core::error::{Kind, Report};
use adit_core::store::{Batch, IterOptions, OpenMode, Order, Store, StoreOptions};
use common::Folder;
use store_read::{Entry, bytes, on_both, options, put, region, value, walk};

fn by(order: Order, all_versions: bool, prefix: Option<&[u8]>) -> IterOptions<'_> {
    IterOptions {
        order,
        all_versions,
        prefix,
    }
}

fn reversed(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.reverse();
    entries
}

/// Keys a0 to a9 and b0 to b9; the even ones overwritten, those with 5 deleted.
fn fill(store: &Store) {
    let mut batch = Batch::new();
    for name in ["a", "b"] {
        for number in 0..10u64 {
            let key = format!("{name}{number}");
            batch
                .put(key.as_bytes(), region(&value(number, 0, 100)))
                .unwrap();
        }
    }
    store.write(&mut batch).unwrap();
    for number in (0..10u64).step_by(2) {
        put(
            store,
            format!("a{number}").as_bytes(),
            &value(number, 1, 300),
        );
    }
    store.delete(b"a5").unwrap();
    store.delete(b"b5").unwrap();
    put(store, b"", b"");
}

#[test]
fn entries_come_in_the_order_of_the_log_and_back() {
    let folder = Folder::new();
    on_both(&folder.join("orders"), |storage, path| {
        let store = Store::open_on(storage, path, &options()).unwrap();
        fill(&store);
        let snapshot = store.snapshot().unwrap();
        put(&store, b"later", b"not seen");
        let live = walk(&snapshot, &by(Order::Log, false, None));
        let keys: Vec<String> = live
            .iter()
            .map(|entry| String::from_utf8(entry.key.clone()).unwrap())
            .collect();
        let wanted = "a1 a3 a7 a9 b0 b1 b2 b3 b4 b6 b7 b8 b9 a0 a2 a4 a6 a8 ";
        assert_eq!(keys.join(" "), wanted);
        assert_eq!(live.len() as u64, snapshot.len());
        assert!(
            live.iter()
                .all(|entry| entry.is_live && !entry.is_tombstone)
        );
        assert_eq!(live[0].value, value(1, 0, 100));
        assert_eq!(live[13].value, value(0, 1, 300));
        assert_eq!(live[18].value, b"");
        assert!(live.is_sorted_by_key(|entry| entry.offset));
        assert_eq!(reversed(walk(&snapshot, &IterOptions::default())), live);

        let all = walk(&snapshot, &by(Order::Log, true, None));
        assert_eq!(all.len(), 20 + 5 + 2 + 1);
        assert_eq!(all.iter().filter(|entry| entry.is_live).count(), live.len());
        let deleted: Vec<&[u8]> = all
            .iter()
            .filter(|entry| entry.is_tombstone)
            .map(|entry| &entry.key[..])
            .collect();
        assert_eq!(deleted, [b"a5", b"b5"]);
        assert_eq!(
            reversed(walk(&snapshot, &by(Order::Newest, true, None))),
            all
        );

        let some = walk(&snapshot, &by(Order::Newest, true, Some(b"a")));
        assert_eq!(some.len(), 10 + 5 + 1);
        assert!(some.iter().all(|entry| entry.key.starts_with(b"a")));
        assert_eq!(walk(&snapshot, &by(Order::Log, false, Some(b"c"))), []);
        assert_eq!(walk(&snapshot, &by(Order::Log, false, Some(b""))), live);

        let last = snapshot.last().unwrap().unwrap();
        assert_eq!((bytes(last.key), last.offset), (vec![], live[18].offset));
        assert!(last.is_live);
    });
}

#[test]
fn the_last_one_is_the_newest_that_is_live() {
    let folder = Folder::new();
    on_both(&folder.join("last"), |storage, path| {
        let store = Store::open_on(Arc::clone(&storage), path, &options()).unwrap();
        assert!(store.snapshot().unwrap().last().unwrap().is_none());
        put(&store, b"one", b"1");
        put(&store, b"two", b"2");
        store.delete(b"two").unwrap();
        store.delete(b"three").unwrap();
        let snapshot = store.snapshot().unwrap();
        store.close();
        let last = snapshot.last().unwrap().unwrap();
        assert_eq!(
            (bytes(last.key), bytes(last.value)),
            (b"one".to_vec(), b"1".to_vec())
        );
        let store = Store::open_on(storage, path, &options()).unwrap();
        store.delete(b"one").unwrap();
        assert!(store.snapshot().unwrap().last().unwrap().is_none());
        assert_eq!(bytes(last.value), b"1");
    });
}

#[test]
fn an_iterator_outlives_its_snapshot_and_store() {
    let folder = Folder::new();
    on_both(&folder.join("outlives"), |storage, path| {
        let store = Store::open_on(storage, path, &options()).unwrap();
        fill(&store);
        let snapshot = store.snapshot().unwrap();
        let mut iter = snapshot.iter(&IterOptions::default()).unwrap();
        drop(snapshot);
        store.close();
        let mut count = 0;
        while iter.next().unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, 19);
        assert!(iter.next().unwrap().is_none());
    });
}

/// Each byte of a record's head, and of its key, flipped in turn.
#[test]
fn damage_is_told_with_its_place_and_ends_it() {
    let folder = Folder::new();
    let path = folder.join("damaged");
    let store = Store::open(&path, &options()).unwrap();
    for number in 0..10u64 {
        put(
            &store,
            format!("key {number}").as_bytes(),
            &value(number, 0, 100),
        );
    }
    let offset = store
        .snapshot()
        .unwrap()
        .get(b"key 5")
        .unwrap()
        .unwrap()
        .offset;
    store.close();
    let sound = std::fs::read(&path).unwrap();
    for at in offset..offset + 48 + 5 {
        std::fs::write(&path, &sound).unwrap();
        let options = StoreOptions {
            mode: OpenMode::Read,
            ..options()
        };
        let store = Store::open(&path, &options).unwrap();
        let snapshot = store.snapshot().unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[sound[at as usize] ^ 4], at).unwrap();
        for order in [Order::Log, Order::Newest] {
            let mut iter = snapshot.iter(&by(order, true, None)).unwrap();
            let mut seen = 0;
            let error = loop {
                match iter.next() {
                    Ok(Some(_)) => seen += 1,
                    Ok(None) => panic!("byte {} isn't missed by {order:?}", at - offset),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), Kind::Checksum);
            let told = error.place().offset.unwrap();
            assert!(told.abs_diff(offset) <= 192, "{at} {offset} {told}");
            assert!(seen >= 4, "{order:?} {seen}");
            assert!(iter.next().unwrap().is_none());
        }
    }
}
