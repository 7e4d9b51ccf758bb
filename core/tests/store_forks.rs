//! Handles that a forked child inherits: reading goes on, all else is refused, the parent is
//! unharmed.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod store_processes;

use std::sync::atomic::{AtomicBool, Ordering};

use adit_core::error::{Kind, Report};
use adit_core::store::{Batch, Result, Store, StoreOptions, SyncPolicy};
use common::{Folder, region};
use store_processes::{for_reading, get, open};

const SECONDS: u32 = 30;

/// Runs `check` in a forked child; 0 where it held. A child that hangs is ended.
fn in_child(check: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the child does what it does and ends by _exit; it has one thread, and the C
    // library's allocator works in a forked child.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        // SAFETY: ends the child where it waits for what nobody lets go.
        unsafe { libc::alarm(SECONDS) };
        let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
        let code = i32::from(!matches!(held, Ok(true)));
        // SAFETY: ends the child at once, with none of the parent's destructors.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: waits for the child just forked; `status` is writable.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child);
    status
}

fn is_forked<T>(result: Result<T>) -> bool {
    match result {
        Ok(_) => false,
        Err(error) => error.kind() == Kind::Forked && error.to_string().contains("store"),
    }
}

/// Whether every call but reading is refused in a forked child.
fn all_is_refused(store: &Store) -> bool {
    let mut batch = Batch::new();
    batch.put(b"key", region(b"child's")).unwrap();
    let calls: [fn(&Store, &mut Batch) -> bool; 8] = [
        |store, _| is_forked(store.put(b"key", region(b"child's"))),
        |store, _| is_forked(store.delete(b"key")),
        |store, batch| is_forked(store.write(batch)),
        |store, _| is_forked(store.sync(0)),
        |store, _| is_forked(store.snapshot()),
        |store, _| is_forked(store.compact(None)),
        |store, _| is_forked(store.put_stream(b"key")),
        |store, batch| {
            batch.clear();
            is_forked(store.write(batch))
        },
    ];
    calls.iter().all(|call| call(store, &mut batch))
}

fn sample(folder: &Folder, sync: SyncPolicy) -> Store {
    let options = StoreOptions {
        sync,
        ..StoreOptions::default()
    };
    let store = open(&folder.join("store"), &options);
    store.put(b"key", region(b"parent's")).unwrap();
    store
}

#[test]
fn a_child_may_read_what_it_has_and_nothing_else() {
    for sync in [SyncPolicy::Batch, SyncPolicy::Group, SyncPolicy::Explicit] {
        let folder = Folder::new();
        let store = sample(&folder, sync);
        let snapshot = store.snapshot().unwrap();
        let value = snapshot.get(b"key").unwrap().unwrap();
        let lent = value.region;
        let status = in_child(|| {
            let reads = get(&snapshot, b"key").as_deref() == Some(b"parent's")
                && lent.to_vec(0, lent.len()).as_deref() == Some(b"parent's");
            reads && all_is_refused(&store)
        });
        assert_eq!(status, 0);
        store.put(b"key", region(b"after")).unwrap();
        drop(store);
        let store = open(&folder.join("store"), &for_reading());
        let now = store.snapshot().unwrap();
        assert_eq!(get(&now, b"key").as_deref(), Some(&b"after"[..]));
        assert_eq!(now.len(), 1);
    }
}

/// Dropped or closed by a child, a handle changes nothing: no checkpoint, no index, no lock.
#[test]
fn what_a_child_closes_stays_open() {
    for by_close in [false, true] {
        let folder = Folder::new();
        let path = folder.join("store");
        let mut store = Some(sample(&folder, SyncPolicy::Explicit));
        let before = std::fs::read(&path).unwrap();
        let names = folder.names();
        let status = in_child(|| {
            let store = store.take().unwrap();
            if by_close {
                store.close();
            } else {
                drop(store);
            }
            Store::open(&path, &StoreOptions::default())
                .is_err_and(|error| error.kind() == Kind::Busy)
        });
        assert_eq!(status, 0);
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(folder.names(), names);
        let store = store.unwrap();
        store.put(b"other", region(b"parent's")).unwrap();
        store.sync(0).unwrap();
        store.close();
        let store = open(&path, &for_reading());
        assert_eq!(store.snapshot().unwrap().len(), 2);
    }
}

/// A stream that a child inherits is the parent's.
#[test]
fn a_childs_stream_writes_nothing() {
    let folder = Folder::new();
    let store = sample(&folder, SyncPolicy::Batch);
    let mut stream = Some(store.put_stream(b"streamed").unwrap());
    stream
        .as_mut()
        .unwrap()
        .write(region(b"parent's "))
        .unwrap();
    let status = in_child(|| {
        let mut stream = stream.take().unwrap();
        let refused = is_forked(stream.write(region(b"child's")));
        refused && is_forked(stream.commit())
    });
    assert_eq!(status, 0);
    let mut stream = stream.unwrap();
    let status = in_child(|| {
        // SAFETY: the child's copy, used no more: it ends.
        drop(unsafe { std::ptr::read(&raw const stream) });
        true
    });
    assert_eq!(status, 0);
    stream.write(region(b"own")).unwrap();
    stream.commit().unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(
        get(&snapshot, b"streamed").as_deref(),
        Some(&b"parent's own"[..])
    );
}

/// Forked while other threads write, and hold whatever locks there are.
#[test]
fn a_child_waits_for_nobody() {
    for sync in [SyncPolicy::Explicit, SyncPolicy::Group] {
        let folder = Folder::new();
        let store = sample(&folder, sync);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for thread in 0..2u8 {
                let (store, done) = (&store, &done);
                scope.spawn(move || {
                    let mut number = 0u64;
                    while !done.load(Ordering::Relaxed) {
                        let key = [&[thread], &number.to_le_bytes()[..]].concat();
                        store.put(&key, region(&[7; 900])).unwrap();
                        drop(store.snapshot().unwrap());
                        number = (number + 1) % 500;
                    }
                });
            }
            let mut status = 0;
            for _ in 0..40 {
                let snapshot = store.snapshot().unwrap();
                status |= in_child(|| {
                    let reads = get(&snapshot, b"key").as_deref() == Some(b"parent's");
                    drop(snapshot);
                    reads && all_is_refused(&store)
                });
            }
            done.store(true, Ordering::Relaxed);
            assert_eq!(status, 0);
        });
        assert_eq!(
            get(&store.snapshot().unwrap(), b"key").as_deref(),
            Some(&b"parent's"[..])
        );
    }
}

/// A child is a process as any other: it may open the store itself once the parent has closed it.
#[test]
fn a_child_may_open_it_again() {
    let folder = Folder::new();
    let path = folder.join("store");
    let store = sample(&folder, SyncPolicy::Batch);
    let reader = open(&path, &for_reading());
    let status = in_child(|| {
        let own = open(&path, &for_reading());
        let snapshot = own.snapshot().unwrap();
        get(&snapshot, b"key").as_deref() == Some(b"parent's") && is_forked(reader.snapshot())
    });
    assert_eq!(status, 0);
    drop(store);
    let status = in_child(|| {
        let own = open(&path, &StoreOptions::default());
        own.put(b"key", region(b"child's")).unwrap();
        own.close();
        true
    });
    assert_eq!(status, 0);
    assert_eq!(
        get(&reader.snapshot().unwrap(), b"key").as_deref(),
        Some(&b"child's"[..])
    );
}
