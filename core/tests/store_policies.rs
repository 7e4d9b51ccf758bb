//! When writes are durable and when they are seen, by policy.
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

use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use adit_core::map::sim::SimStorage;
use adit_core::map::{FileInfo, FileKind, MapMode, Mapping, OsFile, Region, Storage, StorageFile};
use adit_core::store::{Batch, OpenMode, Store, StoreOptions, SyncPolicy};
use common::Folder;
use store_write::{PATH, POLICIES, calls, get, len, open, put, region, with};

fn fill(store: &Store) {
    assert_eq!(put(store, "one", b"1").unwrap(), 1);
    assert_eq!(put(store, "two", &[2; 5000]).unwrap(), 2);
    assert_eq!(put(store, "", b"").unwrap(), 3);
    assert_eq!(put(store, "one", b"uno").unwrap(), 4);
    assert_eq!(store.delete(b"two").unwrap(), 5);
    assert_eq!(store.delete(b"never there").unwrap(), 6);
    let mut batch = Batch::new();
    batch.put(b"a", region(b"first")).unwrap();
    batch.put(b"b", region(&[7; 9000])).unwrap();
    batch.put(b"a", region(b"second")).unwrap();
    batch.delete(b"one").unwrap();
    assert_eq!(batch.len(), 4);
    assert_eq!(store.write(&mut batch).unwrap(), 7);
    batch.clear();
    assert_eq!(store.write(&mut batch).unwrap(), 7);
}

fn check(store: &Store) {
    assert_eq!(get(store, b"a").unwrap(), b"second");
    assert_eq!(get(store, b"b").unwrap(), [7; 9000]);
    assert_eq!(get(store, b"").unwrap(), b"");
    for gone in ["one", "two", "never there"] {
        assert_eq!(get(store, gone.as_bytes()), None);
    }
    assert_eq!(len(store), 3);
}

#[test]
fn what_is_written_is_there_under_every_policy() {
    let folder = Folder::new();
    for sync in POLICIES {
        for align in [0, 256, 4096] {
            let sim = SimStorage::new();
            let path = folder.join(&format!("{sync:?}-{align}"));
            let options = StoreOptions {
                align,
                reservation: 1 << 30,
                ..with(sync)
            };
            let again = |mode| StoreOptions { mode, ..options };
            let reopen = [OpenMode::Read, OpenMode::Write, OpenMode::Create];
            let store = open(&sim, &options);
            fill(&store);
            check(&store);
            store.sync(0).unwrap();
            store.close();
            for mode in reopen {
                check(&open(&sim, &again(mode)));
            }
            let store = Store::open(&path, &again(OpenMode::New)).unwrap();
            fill(&store);
            check(&store);
            drop(store);
            for mode in reopen {
                check(&Store::open(&path, &again(mode)).unwrap());
            }
        }
    }
}

#[test]
fn acknowledged_writes_outlive_a_power_cut() {
    for sync in POLICIES {
        let sim = SimStorage::new();
        let store = open(&sim, &with(sync));
        fill(&store);
        if matches!(sync, SyncPolicy::Explicit | SyncPolicy::None) {
            assert_eq!(calls(&sim, 0, "sync file"), 1, "that of the new file");
            store.sync(7).unwrap();
        }
        for seed in 0..20 {
            let image = sim.crash(seed);
            check(&open(&image, &with(sync)));
        }
    }
}

#[test]
fn a_sync_has_nothing_to_do_where_all_is_durable() {
    let sim = SimStorage::new();
    let store = open(&sim, &with(SyncPolicy::Batch));
    put(&store, "key", b"value").unwrap();
    let before = sim.calls();
    store.sync(0).unwrap();
    store.sync(1).unwrap();
    assert_eq!(sim.calls(), before);
}

#[test]
fn checkpoints_come_by_bytes_and_at_the_end_but_for_policy_none() {
    for sync in POLICIES {
        let sim = SimStorage::new();
        let options = StoreOptions {
            checkpoint_bytes: 10_000,
            ..with(sync)
        };
        let store = open(&sim, &options);
        let start = sim.calls();
        for number in 0..33 {
            put(&store, &format!("key {number}"), &[1; 1000]).unwrap();
        }
        let checkpoints = store.stats().unwrap().checkpoints;
        match sync {
            SyncPolicy::None => assert_eq!((checkpoints, calls(&sim, start, "sync")), (0, 0)),
            _ => assert_eq!(checkpoints, 3),
        }
        let before = sim.calls();
        store.close();
        let calls = sim.calls() - before;
        assert_eq!(calls > 0, sync != SyncPolicy::None);
        assert_eq!(len(&open(&sim, &options)), 33);
    }
}

/// The simulated disk, on which a sync of the store waits until so many batches are written.
#[derive(Debug)]
struct Slow {
    sim: SimStorage,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    writes: Mutex<u64>,
    more: Condvar,
    /// Writes that the next sync waits for.
    wanted: AtomicU64,
}

#[derive(Debug)]
struct SlowFile(Arc<dyn StorageFile>, Arc<Gate>);

impl Slow {
    fn file(&self, file: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(SlowFile(file, Arc::clone(&self.gate)))
    }
}

impl Storage for Slow {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.sim.open(path)
    }
    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.file(self.sim.open_to_write(path)?))
    }
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.sim.create_new(path)
    }
    fn kind(&self, path: &Path) -> io::Result<Option<FileKind>> {
        self.sim.kind(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.sim.rename(from, to)
    }
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.sim.rename_new(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.sim.remove(path)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.sim.sync_folder(folder)
    }
    fn is_shared(&self) -> bool {
        self.sim.is_shared()
    }
}

impl StorageFile for SlowFile {
    fn info(&self) -> io::Result<FileInfo> {
        self.0.info()
    }
    fn read_at(&self, out: &mut [MaybeUninit<u8>], offset: u64) -> io::Result<usize> {
        self.0.read_at(out, offset)
    }
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
    fn write_region_at(&self, bytes: Region<'_>, offset: u64) -> io::Result<()> {
        self.0.write_region_at(bytes, offset)
    }
    fn write_vectored_at(&self, pieces: &[Region<'_>], offset: u64) -> io::Result<()> {
        self.0.write_vectored_at(pieces, offset)?;
        *self.1.writes.lock().unwrap() += 1;
        self.1.more.notify_all();
        Ok(())
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.0.allocate(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
    fn fill_holes(&self, len: u64) -> io::Result<()> {
        self.0.fill_holes(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        let mut writes = self.1.writes.lock().unwrap();
        while *writes < self.1.wanted.load(Ordering::SeqCst) {
            writes = self.1.more.wait(writes).unwrap();
        }
        drop(writes);
        self.0.sync_data()
    }
    fn try_lock(&self) -> io::Result<bool> {
        self.0.try_lock()
    }
    fn lock(&self) -> io::Result<()> {
        self.0.lock()
    }
    fn map(&self, offset: u64, len: usize, mode: MapMode) -> io::Result<Mapping> {
        self.0.map(offset, len, mode)
    }
    fn os_file(&self) -> Option<OsFile<'_>> {
        None
    }
}

#[test]
fn threads_that_commit_at_a_time_share_syncs() {
    const THREADS: u64 = 16;
    const EACH: u64 = 20;
    let (sim, gate) = (SimStorage::new(), Arc::new(Gate::default()));
    let slow = Slow {
        sim: sim.clone(),
        gate: Arc::clone(&gate),
    };
    let options = with(SyncPolicy::Group);
    let store = Store::open_on(Arc::new(slow), Path::new(PATH), &options).unwrap();
    for round in 0..EACH {
        // The first sync of a round ends when all are written. Another makes them durable, and a
        // third what was written but not entered yet when that began.
        gate.wanted.store((round + 1) * THREADS, Ordering::SeqCst);
        let before = store.stats().unwrap().syncs;
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let store = &store;
                scope.spawn(move || {
                    let key = format!("{round} {thread}");
                    let sequence = put(store, &key, key.as_bytes()).unwrap();
                    // Seen by the one who is told that it is durable.
                    assert_eq!(get(store, key.as_bytes()).unwrap(), key.as_bytes());
                    assert!(store.snapshot().unwrap().sequence() >= sequence);
                });
            }
        });
        assert!(store.stats().unwrap().syncs - before <= 3);
    }
    let stats = store.stats().unwrap();
    assert_eq!(stats.commits, THREADS * EACH);
    assert!(stats.syncs <= 3 * EACH, "{} syncs", stats.syncs);
    assert_eq!(len(&store), THREADS * EACH);
    for seed in 0..10 {
        let image = sim.crash(seed);
        let store = open(&image, &options);
        for round in 0..EACH {
            for thread in 0..THREADS {
                let key = format!("{round} {thread}");
                assert_eq!(get(&store, key.as_bytes()).unwrap(), key.as_bytes());
            }
        }
    }
}

#[test]
fn a_group_commit_is_not_seen_before_it_is_durable() {
    let (sim, gate) = (SimStorage::new(), Arc::new(Gate::default()));
    let slow = Slow {
        sim,
        gate: Arc::clone(&gate),
    };
    let options = with(SyncPolicy::Group);
    let store = Store::open_on(Arc::new(slow), Path::new(PATH), &options).unwrap();
    gate.wanted.store(2, Ordering::SeqCst);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| put(&store, "first", b"1").unwrap());
        let mut writes = gate.writes.lock().unwrap();
        while *writes < 1 {
            writes = gate.more.wait(writes).unwrap();
        }
        drop(writes);
        assert_eq!(get(&store, b"first"), None);
        assert_eq!(put(&store, "second", b"2").unwrap(), 2);
        assert_eq!(first.join().unwrap(), 1);
    });
    assert_eq!(get(&store, b"first").unwrap(), b"1");
    assert_eq!(get(&store, b"second").unwrap(), b"2");
}
