//! Readers in other processes beside a writer: each snapshot is the state after some whole batch,
//! never goes back, and has nothing that isn't durable where the policy says so.
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

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use adit_core::error::{Kind, Report};
use adit_core::store::{Batch, Snapshot, Store, StoreOptions, SyncPolicy};
use common::{Folder, region};
use store_processes::child::{Running, hear, say, spec};
use store_processes::work::{Entry, Lane};
use store_processes::{Chance, Model, for_reading, get, open, options};

/// Where each batch says its number.
const NUMBER: &[u8] = b"number";

fn write(store: &Store, lane: Lane, number: u64) {
    let mut batch = Batch::new();
    for entry in lane.entries(number) {
        match entry {
            Entry::Put(key, value) => batch.put(&key, region(&value)).unwrap(),
            Entry::Delete(key) => batch.delete(&key).unwrap(),
        }
    }
    batch.put(NUMBER, region(&number.to_le_bytes())).unwrap();
    store.write(&mut batch).unwrap();
}

/// The batch that a snapshot is the state after.
fn number_of(snapshot: &Snapshot) -> u64 {
    let bytes = get(snapshot, NUMBER).unwrap_or_default();
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// A reader's own knowledge of what it must see.
struct Follower {
    lane: Lane,
    number: u64,
    model: Model,
}

impl Follower {
    fn new(seed: u64) -> Follower {
        Follower {
            lane: Lane { seed, lane: 0 },
            number: 0,
            model: Model::new(),
        }
    }

    /// Checks a snapshot and gives its number.
    fn check(&mut self, snapshot: &Snapshot) -> u64 {
        let number = number_of(snapshot);
        assert!(number >= self.number, "{number} after {}", self.number);
        for number in self.number + 1..=number {
            self.lane.apply(number, &mut self.model);
        }
        self.number = number;
        for (key, value) in &self.model {
            let found = get(snapshot, key);
            assert_eq!(found.as_ref(), Some(value), "batch {number}");
        }
        let own = u64::from(number > 0);
        assert_eq!(
            snapshot.len(),
            self.model.len() as u64 + own,
            "batch {number}"
        );
        number
    }
}

#[test]
fn a_reader_sees_whole_batches_in_their_order() {
    let batches = match std::env::var("ADIT_TORTURE_FOLLOWED") {
        Ok(batches) => batches.parse().unwrap(),
        Err(_) => 250,
    };
    let mut snapshots = 0;
    for seed in 0..6 {
        snapshots += followed(seed, batches);
    }
    println!(
        "FOLLOWED {snapshots} snapshots of {} batches, all whole",
        batches * 6
    );
    assert!(snapshots > 60);
}

fn followed(seed: u64, batches: u64) -> u64 {
    let folder = Folder::new();
    let path = folder.join("store");
    let lane = Lane { seed, lane: 0 };
    let mut store = open(&path, &options(seed));
    write(&store, lane, 1);
    store.sync(0).unwrap();
    let words = [path.to_str().unwrap().to_owned(), seed.to_string()];
    let mut readers = [0, 1].map(|_| Running::start("part_of_a_reader", &words));
    for reader in &mut readers {
        reader.expect("open");
    }
    for number in 2..=batches {
        write(&store, lane, number);
        let mut chance = Chance::of(&[seed, number, 5]);
        if chance.once_in(9) {
            store.sync(0).unwrap();
        }
        if chance.once_in(50) {
            store.compact(None).unwrap();
        }
        if chance.once_in(40) {
            store.close();
            store = open(&path, &options(seed ^ number));
        }
    }
    store.sync(0).unwrap();
    let mut snapshots = 0;
    for mut reader in readers {
        // The next snapshot sees all that was written before it was asked for.
        reader.tell("last");
        let said = reader.next().unwrap();
        let numbers: Vec<u64> = said.split(' ').map(|word| word.parse().unwrap()).collect();
        assert_eq!(numbers[0], batches);
        snapshots += numbers[1];
        assert!(reader.finish());
    }
    // And without a writer.
    store.close();
    let reader = open(&path, &for_reading());
    assert_eq!(
        Follower::new(seed).check(&reader.snapshot().unwrap()),
        batches
    );
    snapshots
}

#[test]
#[ignore = "a child's part"]
fn part_of_a_reader() {
    let Some(spec) = spec() else { return };
    let path = Path::new(&spec[0]);
    let seed: u64 = spec[1].parse().unwrap();
    let mut store = open(path, &for_reading());
    let mut follower = Follower::new(seed);
    // Kept while others come and go, and looked at again.
    let mut kept: Option<(Snapshot, Follower)> = None;
    let snapshots = AtomicU64::new(0);
    say("open");
    std::thread::scope(|scope| {
        let asked = scope.spawn(hear);
        while !asked.is_finished() {
            let snapshot = store.snapshot().unwrap();
            follower.check(&snapshot);
            let count = snapshots.fetch_add(1, Ordering::Relaxed);
            if count.is_multiple_of(13) {
                let mut fresh = Follower::new(seed);
                fresh.check(&snapshot);
                if let Some((old, mut as_it_was)) = kept.replace((snapshot, fresh)) {
                    let number = as_it_was.number;
                    assert_eq!(as_it_was.check(&old), number);
                }
            }
            if count.is_multiple_of(31) {
                store = open(path, &for_reading());
            }
        }
        assert_eq!(asked.join().unwrap(), "last");
    });
    let last = follower.check(&store.snapshot().unwrap());
    say(&format!("{last} {}", snapshots.load(Ordering::Relaxed)));
    hear();
}

mod slow {
    //! The disk, with syncs that something happens before.

    use std::fmt;
    use std::io;
    use std::mem::MaybeUninit;
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Mutex};

    use adit_core::map::{
        FileInfo, FileKind, MapMode, Mapping, OsFile, RealStorage, Region, Storage, StorageFile,
    };

    type Action = Box<dyn FnMut() + Send>;

    /// The disk, and what happens before each sync of a file's bytes.
    #[derive(Clone, Default)]
    pub struct SlowDisk {
        pub before_sync: Arc<Mutex<Option<Action>>>,
    }

    impl fmt::Debug for SlowDisk {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("SlowDisk")
        }
    }

    #[derive(Debug)]
    struct SlowFile(Arc<dyn StorageFile>, SlowDisk);

    impl SlowDisk {
        fn wrap(&self, file: io::Result<Arc<dyn StorageFile>>) -> io::Result<Arc<dyn StorageFile>> {
            Ok(Arc::new(SlowFile(file?, self.clone())))
        }
    }

    impl Storage for SlowDisk {
        fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
            self.wrap(RealStorage.open(path))
        }
        fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
            self.wrap(RealStorage.open_to_write(path))
        }
        fn create_new(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
            self.wrap(RealStorage.create_new(path))
        }
        fn kind(&self, path: &Path) -> io::Result<Option<FileKind>> {
            RealStorage.kind(path)
        }
        fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
            RealStorage.resolve(path)
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            RealStorage.rename(from, to)
        }
        fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
            RealStorage.rename_new(from, to)
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            RealStorage.remove(path)
        }
        fn sync_folder(&self, folder: &Path) -> io::Result<()> {
            RealStorage.sync_folder(folder)
        }
        fn is_shared(&self) -> bool {
            true
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
            if let Some(action) = &mut *self.1.before_sync.lock().unwrap() {
                action();
            }
            self.0.sync_data()
        }
        fn try_lock(&self) -> io::Result<bool> {
            self.0.try_lock()
        }
        fn lock(&self) -> io::Result<()> {
            self.0.lock()
        }
        fn unlock(&self) -> io::Result<()> {
            self.0.unlock()
        }
        fn map(&self, offset: u64, len: usize, mode: MapMode) -> io::Result<Mapping> {
            self.0.map(offset, len, mode)
        }
        fn os_file(&self) -> Option<OsFile<'_>> {
            self.0.os_file()
        }
    }
}

/// Every sync waits until readers, old and new ones, have looked; how often they looked, and how
/// often they saw what isn't durable.
fn watched(options: StoreOptions) -> (u64, u64) {
    let folder = Folder::new();
    let path = folder.join("store");
    let disk = slow::SlowDisk::default();
    let store = Store::open_on(Arc::new(disk.clone()), &path, &options).unwrap();
    let lane = Lane { seed: 3, lane: 0 };
    write(&store, lane, 1);
    let words = [path.to_str().unwrap().to_owned()];
    let mut reader = Running::start("part_of_a_watcher", &words);
    let counts = Arc::new([0, 0].map(AtomicU64::new));
    let written = Arc::new(AtomicU64::new(1));
    let (seen, count) = (Arc::clone(&written), Arc::clone(&counts));
    *disk.before_sync.lock().unwrap() = Some(Box::new(move || {
        let durable = seen.load(Ordering::Relaxed);
        reader.tell("look");
        let said = reader.next().unwrap();
        count[0].fetch_add(1, Ordering::Relaxed);
        if said != format!("{durable} {durable}") {
            count[1].fetch_add(1, Ordering::Relaxed);
        }
    }));
    for number in 2..40 {
        write(&store, lane, number);
        written.store(number, Ordering::Relaxed);
    }
    *disk.before_sync.lock().unwrap() = None;
    let [looks, early] = &*counts;
    (looks.load(Ordering::Relaxed), early.load(Ordering::Relaxed))
}

#[test]
fn nobody_sees_what_is_not_durable() {
    for sync in [SyncPolicy::Batch, SyncPolicy::Group] {
        let options = StoreOptions {
            sync,
            checkpoint_bytes: 4 << 10,
            ..StoreOptions::default()
        };
        let (looks, early) = watched(options);
        assert!(looks >= 38);
        assert_eq!(early, 0);
    }
}

/// A watch that finds nothing proves nothing.
#[cfg(feature = "sim")]
#[test]
fn a_writer_that_publishes_first_is_caught() {
    let options = StoreOptions {
        planted: Some(adit_core::store::planted::Bug::PublishFirst),
        ..StoreOptions::default()
    };
    let (looks, early) = watched(options);
    assert!(early >= 38 && looks >= early);
}

#[test]
#[ignore = "a child's part"]
fn part_of_a_watcher() {
    let Some(spec) = spec() else { return };
    let path = Path::new(&spec[0]);
    let store = open(path, &for_reading());
    while hear() == "look" {
        let old = number_of(&store.snapshot().unwrap());
        let new = number_of(&open(path, &for_reading()).snapshot().unwrap());
        say(&format!("{old} {new}"));
    }
}

/// Under the other policies a write is seen at once.
#[test]
fn what_need_not_be_durable_is_seen_at_once() {
    for sync in [SyncPolicy::Explicit, SyncPolicy::None] {
        let folder = Folder::new();
        let path = folder.join("store");
        let options = StoreOptions {
            sync,
            ..StoreOptions::default()
        };
        let store = open(&path, &options);
        let reader = open(&path, &for_reading());
        let lane = Lane { seed: 3, lane: 0 };
        for number in 1..30 {
            write(&store, lane, number);
            assert_eq!(number_of(&reader.snapshot().unwrap()), number);
            assert_eq!(
                number_of(&open(&path, &for_reading()).snapshot().unwrap()),
                number
            );
        }
    }
}

/// A reader outlives the file: a store that is removed or replaced by another.
#[test]
fn a_reader_goes_on_with_what_stands_at_the_path() {
    let folder = Folder::new();
    let path = folder.join("store");
    let store = open(&path, &StoreOptions::default());
    store.put(b"key", region(b"first")).unwrap();
    let reader = open(&path, &for_reading());
    let old = reader.snapshot().unwrap();
    drop(store);
    for name in folder.names() {
        std::fs::remove_file(folder.join(&name)).unwrap();
    }
    assert_eq!(
        get(&reader.snapshot().unwrap(), b"key").as_deref(),
        Some(&b"first"[..])
    );
    let store = open(&path, &StoreOptions::default());
    store.put(b"key", region(b"second")).unwrap();
    assert_eq!(
        get(&reader.snapshot().unwrap(), b"key").as_deref(),
        Some(&b"second"[..])
    );
    assert_eq!(get(&old, b"key").as_deref(), Some(&b"first"[..]));
    let refused = reader.put(b"key", region(b"third")).unwrap_err();
    assert_eq!(refused.kind(), Kind::ReadOnly);
}

/// What a writer has published and the log doesn't have is said to be damaged, and what was seen
/// before is still there.
#[test]
fn damage_below_the_published_tail_is_told() {
    let folder = Folder::new();
    let path = folder.join("store");
    let store = open(&path, &StoreOptions::default());
    store.put(b"key", region(b"first")).unwrap();
    let reader = open(&path, &for_reading());
    let old = reader.snapshot().unwrap();
    let end = std::fs::metadata(&path).unwrap().len();
    store.put(b"key", region(b"second")).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"X", end + 64).unwrap();
    let error = reader.snapshot().unwrap_err();
    assert_eq!(error.kind(), Kind::Malformed);
    assert_eq!(error.place().offset, Some(end));
    assert_eq!(get(&old, b"key").as_deref(), Some(&b"first"[..]));
}
