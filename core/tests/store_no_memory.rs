//! Memory that runs out while a store is opened, written or closed is an error that leaves it as it
//! was: allocations of 1 KiB or more, one after the other, fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod refusing;
mod store_write;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use adit_core::error::{Kind, Report};
use adit_core::store::{Batch, Result, Store, StoreOptions};
use common::Folder;
use refusing::UNTIL;
use store_write::{get, len, region};

static VALUE: [u8; 3000] = [5; 3000];

/// What is acknowledged goes to the model, which must not need memory in large pieces.
fn work(store: &Store, model: &mut BTreeMap<Vec<u8>, &'static [u8]>) -> Result<()> {
    let large = &VALUE;
    let mut batch = Batch::new();
    for number in 0..300_u64 {
        batch.put(&number.to_le_bytes(), region(&large[..100]))?;
    }
    store.write(&mut batch)?;
    let entries = (0..300_u64).map(|number| (number.to_le_bytes().to_vec(), &large[..100]));
    model.extend(entries);
    store.put(b"large", region(large))?;
    model.insert(b"large".to_vec(), large);
    let mut stream = store.put_stream(b"stream")?;
    stream.write(region(large))?;
    stream.commit()?;
    model.insert(b"stream".to_vec(), large);
    // More than the index has room for.
    for round in 1..20_u64 {
        batch.clear();
        for number in 0..300_u64 {
            batch.put(&(round << 32 | number).to_le_bytes(), region(b"v"))?;
        }
        store.write(&mut batch)?;
        let key = |number: u64| (round << 32 | number).to_le_bytes().to_vec();
        model.extend((0..300_u64).map(|number| (key(number), &b"v"[..])));
    }
    Ok(())
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn memory_that_runs_out_leaves_the_store_as_it_was() {
    let options = StoreOptions {
        reservation: 1 << 30,
        index_memory: 1 << 16,
        ..StoreOptions::default()
    };
    let mut failures = 0;
    for nth in 1.. {
        let folder = Folder::new();
        let path = folder.join("store");
        let mut model = BTreeMap::new();
        UNTIL.store(nth, Ordering::SeqCst);
        let opened = Store::open(&path, &options);
        let result = match &opened {
            Ok(store) => work(store, &mut model),
            Err(_) => Ok(()),
        };
        drop(opened.map_err(|error| assert_eq!(error.kind(), Kind::OutOfMemory)));
        let left = UNTIL.swap(0, Ordering::SeqCst);
        if let Err(error) = result {
            assert_eq!(error.kind(), Kind::OutOfMemory, "{error}");
        }
        let store = Store::open(&path, &options).unwrap();
        assert_eq!(len(&store), model.len() as u64, "allocation {nth}");
        for (key, value) in &model {
            assert_eq!(get(&store, key).as_deref(), Some(*value));
        }
        if left > 0 {
            break;
        }
        failures += 1;
    }
    assert!(failures > 20, "{failures}");
}
