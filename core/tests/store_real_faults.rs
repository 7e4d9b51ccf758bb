//! Writes, syncs and renames that fail on the real disk: each call of the C library once, a limit
//! on the file's size, a full file system.
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

use std::path::{Path, PathBuf};
use std::process::Command;

use adit_core::error::{Kind, Report};
use adit_core::store::{Store, StoreOptions, SyncPolicy};
use common::{Folder, region, skip};
use store_processes::child::{Running, say, spec};
use store_processes::work::Lane;
use store_processes::{Model, for_reading, get, open};

const EIO: i32 = 5;
const EFBIG: i32 = 27;
const ENOSPC: i32 = 28;
/// Batches of a run.
const BATCHES: u64 = 24;

/// A store in which something fails, by what its writer is told.
struct Subject {
    path: PathBuf,
    lane: Lane,
    options: StoreOptions,
    store: Option<Store>,
    /// What was acknowledged.
    model: Model,
    /// What may be there too once the store is opened again: one of the writes that have failed
    /// since the last that was acknowledged.
    maybe: Vec<Model>,
    failures: u64,
    /// What errors the fault gives.
    expected: &'static [Kind],
}

impl Subject {
    fn new(path: &Path, seed: u64, expected: &'static [Kind]) -> Subject {
        let policies = [SyncPolicy::Batch, SyncPolicy::Explicit, SyncPolicy::Group];
        let options = StoreOptions {
            sync: policies[(seed % 3) as usize],
            index_memory: 4 << 10,
            checkpoint_bytes: 16 << 10,
            reservation: 1 << 20,
            ..StoreOptions::default()
        };
        Subject {
            path: path.to_owned(),
            lane: Lane { seed, lane: 0 },
            options,
            store: None,
            model: Model::new(),
            maybe: Vec::new(),
            failures: 0,
            expected,
        }
    }

    fn failed(&mut self, what: &str, error: &adit_core::store::Error) {
        let kind = error.kind();
        assert!(self.expected.contains(&kind), "{what}: {kind:?}: {error}");
        self.failures += 1;
    }

    /// Opens the store; what fails once works then.
    fn open(&mut self) -> bool {
        match Store::open(&self.path, &self.options) {
            Ok(store) => {
                let found = contents(&store, &self.model, &self.maybe);
                self.model = found;
                self.maybe.clear();
                self.store = Some(store);
                true
            }
            Err(error) => {
                self.failed("open", &error);
                false
            }
        }
    }

    fn reopen(&mut self) {
        drop(self.store.take());
        if !self.open() {
            assert!(self.open(), "can't be opened a second time");
        }
    }

    fn batch(&mut self, number: u64) {
        let Some(store) = &self.store else { return };
        match self.lane.write(store, number) {
            Ok(_) => {
                self.lane.apply(number, &mut self.model);
                self.maybe.clear();
            }
            Err(error) if error.kind() == Kind::Poisoned => return self.reopen(),
            Err(error) => {
                let mut model = self.model.clone();
                self.lane.apply(number, &mut model);
                self.maybe.push(model);
                self.failed("write", &error);
            }
        }
        let Some(store) = &self.store else { return };
        // A failed write is not seen, but where it was seen before a checkpoint failed.
        let seen = match self.options.sync {
            SyncPolicy::Batch | SyncPolicy::Group => &[],
            SyncPolicy::Explicit | SyncPolicy::None => self.maybe.as_slice(),
        };
        contents(store, &self.model, seen);
        match self.lane.besides(store, number) {
            Err(error) if error.kind() == Kind::Poisoned => self.reopen(),
            Err(error) => self.failed("sync or compact", &error),
            Ok(()) => {}
        }
    }

    fn run(&mut self) {
        while !self.open() {
            assert_eq!(self.failures, 1, "can't be opened a second time");
        }
        for number in 1..=BATCHES {
            self.batch(number);
            if number % 8 == 5 {
                self.compact();
            }
            if number % 10 == 0 {
                self.reopen();
            }
        }
        self.reopen();
    }

    fn compact(&mut self) {
        let Some(store) = &self.store else { return };
        match store.compact(None) {
            Err(error) if error.kind() == Kind::Poisoned => self.reopen(),
            Err(error) => self.failed("compact", &error),
            Ok(_) => {}
        }
        let Some(store) = &self.store else { return };
        contents(store, &self.model, &self.maybe);
    }
}

/// What a store holds, which must be the model or one of the others.
fn contents(store: &Store, model: &Model, others: &[Model]) -> Model {
    let snapshot = store.snapshot().unwrap();
    let fits = |model: &Model| {
        let mut pairs = model.iter();
        snapshot.len() == model.len() as u64
            && pairs.all(|(key, value)| get(&snapshot, key).as_ref() == Some(value))
    };
    let mut all = std::iter::once(model).chain(others);
    let found = all.find(|model| fits(model));
    found.expect("lost, resurrected or wrong").clone()
}

/// Runs the child with something that fails and opens what it leaves; how often something failed.
fn run(path: &Path, words: &[&str], with: impl FnOnce(&mut Command)) -> u64 {
    let mut spec = vec![path.to_str().unwrap().to_owned()];
    spec.extend(words.iter().map(|&word| word.to_owned()));
    let mut child = Running::start_with("part_of_the_writer", &spec, with);
    let said = child.next().unwrap_or_default();
    assert!(child.finish(), "{words:?}: {said}");
    let said: Vec<&str> = said.split(' ').collect();
    let [keys, failures] = said[..] else {
        panic!("the child says {said:?}");
    };
    let store = open(path, &for_reading());
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.len().to_string(), keys);
    failures.parse().unwrap()
}

#[test]
#[ignore = "a child's part"]
fn part_of_the_writer() {
    let Some(spec) = spec() else { return };
    let path = Path::new(&spec[0]);
    let seed = spec[1].parse().unwrap();
    let expected: &[Kind] = match &*spec[2] {
        "5" => &[Kind::Io, Kind::NotDurable],
        "28" | "27" => &[Kind::NoSpace, Kind::NotDurable],
        _ => &[Kind::Io, Kind::NoSpace],
    };
    let mut subject = Subject::new(path, seed, expected);
    if let Some(limit) = spec.get(3) {
        limited(&mut subject, limit.parse().unwrap());
    } else {
        subject.run();
    }
    let (keys, failures) = (subject.model.len(), subject.failures);
    say(&format!("{keys} {failures}"));
}

/// Files can't grow beyond a limit for a while.
fn limited(subject: &mut Subject, limit: u64) {
    assert!(subject.open());
    // SAFETY: from here on the signal has no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    set_limit(limit);
    for number in 1..=BATCHES {
        subject.batch(number);
        if number % 8 == 5 {
            subject.compact();
        }
    }
    set_limit(libc::RLIM_INFINITY);
    let store = subject.store.as_ref().unwrap();
    store.put(b"after", region(b"all")).unwrap();
    subject.model.insert(b"after".to_vec(), b"all".to_vec());
    subject.maybe.clear();
    subject.reopen();
}

fn set_limit(bytes: u64) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: reads the struct.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) };
    assert_eq!(set, 0);
}

/// The library that makes calls fail; none where there is no compiler.
fn preloaded(folder: &Folder) -> Option<PathBuf> {
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/store_processes/faults.c"
    );
    let library = folder.join("faults.so");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let built = Command::new(compiler)
        .args([
            "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o",
        ])
        .args([library.as_os_str(), source.as_ref()])
        .status();
    match built {
        Ok(status) if status.success() => Some(library),
        Ok(status) => panic!("the faults aren't compiled: {status}"),
        Err(_) => {
            skip("calls of the C library that fail", "a C compiler");
            None
        }
    }
}

#[test]
fn each_call_may_fail_once() {
    let folder = Folder::new();
    let Some(library) = preloaded(&folder) else {
        return;
    };
    let mut tried = Vec::new();
    for call in ["pwritev", "pwrite", "fdatasync", "fsync", "rename"] {
        let before = tried.len();
        for errno in [EIO, ENOSPC] {
            for number in 1.. {
                let path = folder.join("store");
                let hit = folder.join("hit");
                let seed = (number + u64::from(errno.unsigned_abs())).to_string();
                let failures = run(&path, &[&seed, &errno.to_string()], |command| {
                    command
                        .env("LD_PRELOAD", &library)
                        .env("ADIT_FAULT", format!("{call} {number} {errno}"))
                        .env("ADIT_FAULT_HIT", &hit);
                });
                let was_hit = std::fs::remove_file(&hit).is_ok();
                for name in folder.names() {
                    if name != "faults.so" {
                        std::fs::remove_file(folder.join(&name)).unwrap();
                    }
                }
                if !was_hit {
                    assert_eq!(failures, 0, "nothing failed");
                    break;
                }
                tried.push((call, number, errno, failures));
            }
        }
        let count = tried.len() - before;
        println!("FAULTS {call}: {count} calls failed, none lost anything");
        assert!(count >= 4, "{call} is hardly called: {count}");
    }
    // Those of checkpoints, the index and the lock file need not be told, all others are.
    let told = tried.iter().filter(|(_, _, _, failures)| *failures > 0);
    assert!(told.count() * 4 > tried.len());
}

#[test]
fn files_may_not_grow() {
    let folder = Folder::new();
    for (seed, limit) in (0..12).zip([16_384, 16_448, 17_000, 20_000, 40_000, 100_000].repeat(2)) {
        let path = folder.join(&format!("store-{seed}"));
        let words = [&*seed.to_string(), &*EFBIG.to_string(), &*limit.to_string()];
        let failures = run(&path, &words, |_| {});
        assert!(failures > 0 || limit > 40_000);
    }
}

#[test]
fn a_file_system_may_be_full() {
    let mut child = Running::start("part_on_a_full_disk", &[]);
    match child.next().unwrap_or_default().as_str() {
        "no mount" => skip("a file system that is full", "the right to mount one"),
        said => assert_eq!(said, "mounted"),
    }
    assert!(child.finish());
}

#[test]
#[ignore = "a child's part"]
fn part_on_a_full_disk() {
    if spec().is_none() {
        return;
    }
    let folder = Folder::new();
    if !mounted_tmpfs(folder.path()) {
        return say("no mount");
    }
    say("mounted");
    for seed in 0..6 {
        let ballast = folder.file("ballast", &[1; 300 << 10]);
        let path = folder.join("store");
        let mut subject = Subject::new(&path, seed, &[Kind::NoSpace]);
        // In the first runs there isn't even the room to make it.
        let room = seed * 24 * 1024;
        let held = std::fs::OpenOptions::new()
            .write(true)
            .open(&ballast)
            .unwrap();
        fill(&folder);
        held.set_len((300 << 10) - room).unwrap();
        if subject.open() {
            for number in 1..=BATCHES {
                subject.batch(number);
                if number % 8 == 5 {
                    subject.compact();
                }
            }
        }
        assert!(subject.failures > 0, "it wasn't full");
        for name in folder.names() {
            if !name.starts_with("store") {
                std::fs::remove_file(folder.join(&name)).unwrap();
            }
        }
        if subject.store.is_none() {
            assert!(subject.open());
        }
        // There is room again: the handle goes on.
        subject.batch(BATCHES + 1);
        subject.reopen();
        assert!(!subject.model.is_empty());
        drop(subject);
        for name in folder.names() {
            std::fs::remove_file(folder.join(&name)).unwrap();
        }
    }
    // SAFETY: the string ends in NUL.
    unsafe { libc::umount2(c_path(folder.path()).as_ptr(), libc::MNT_DETACH) };
}

/// Writes until nothing more can be.
fn fill(folder: &Folder) {
    use std::io::Write;
    let mut filler = std::fs::File::create(folder.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
}

fn c_path(path: &Path) -> std::ffi::CString {
    std::ffi::CString::new(path.to_str().unwrap()).unwrap()
}

/// Mounts a tmpfs of a mebibyte that only this process sees.
fn mounted_tmpfs(at: &Path) -> bool {
    // SAFETY: works on this process alone.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return false;
    }
    let (none, tmpfs, at) = (c"none", c"tmpfs", c_path(at));
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: the strings end in NUL.
    let set = unsafe {
        libc::mount(
            none.as_ptr(),
            c"/".as_ptr(),
            none.as_ptr(),
            private,
            std::ptr::null(),
        )
    };
    if set != 0 {
        return false;
    }
    let size = c"size=1m";
    // SAFETY: the strings end in NUL.
    let mounted = unsafe {
        libc::mount(
            none.as_ptr(),
            at.as_ptr(),
            tmpfs.as_ptr(),
            0,
            size.as_ptr().cast(),
        )
    };
    mounted == 0
}
