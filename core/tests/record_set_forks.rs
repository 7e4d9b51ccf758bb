//! A set that a forked child inherits: it reads on, whatever other threads of the parent did.
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
mod set_tools;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use adit_core::record::{ReaderOptions, RecordReader};
use common::Folder;
use set_tools::{is_record, set};

const SECONDS: u32 = 60;

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

fn reads_on(reader: &RecordReader) -> bool {
    (0..reader.len()).all(|index| {
        let (shard, _) = reader.shard_of(index).unwrap();
        let mut start = Vec::new();
        let read = reader.data(shard).unwrap().read_to(0, 8, &mut start);
        read.is_ok() && start == b"\x89ADITREC" && is_record(&reader.get(index).unwrap(), index)
    })
}

/// The numbers of descriptors of files in this folder.
fn descriptors(folder: &Path) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let own = entries.filter_map(|entry| {
        let entry = entry.unwrap();
        let target = std::fs::read_link(entry.path()).ok()?;
        let name = entry.file_name().into_string().unwrap();
        target.starts_with(folder).then(|| name.parse().unwrap())
    });
    own.collect()
}

/// A fork copies descriptors before memory: what another thread did in between makes a number that the
/// child knows as a file's that of another one, or of none.
#[test]
fn a_child_reads_where_descriptors_are_not_what_they_were() {
    let folder = Folder::new();
    let manifest = set(folder.path(), &[1; 5]);
    let options = ReaderOptions {
        most_descriptors: 3,
        ..ReaderOptions::default()
    };
    let reader = RecordReader::open(&manifest, &options).unwrap();
    assert!(reads_on(&reader));
    let own = descriptors(folder.path());
    assert_eq!(own.len(), 3);
    let (zeros, others) = (File::open("/dev/zero").unwrap(), &own[..2]);
    let status = in_child(|| {
        for &number in others {
            // SAFETY: both are open descriptors; the first one's file is lost to this child, on purpose.
            unsafe { libc::dup2(zeros.as_raw_fd(), number) };
        }
        // SAFETY: as above.
        unsafe { libc::close(own[2]) };
        let reads = reads_on(&reader) && reads_on(&reader);
        drop(reader);
        let is_zeros = |number: &i32| {
            let link = std::fs::read_link(format!("/proc/self/fd/{number}"));
            link.is_ok_and(|link| link == Path::new("/dev/zero"))
        };
        reads && others.iter().all(is_zeros) && descriptors(folder.path()).is_empty()
    });
    assert_eq!(status, 0);
}

#[test]
fn a_child_reads_what_the_parents_threads_are_at() {
    let folder = Folder::new();
    let manifest = set(folder.path(), &[1; 40]);
    // So few that files are closed and opened all the time, under the pool's lock.
    let options = ReaderOptions {
        most_descriptors: 2,
        ..ReaderOptions::default()
    };
    for _ in 0..20 {
        let reader = RecordReader::open(&manifest, &options).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        assert!(reads_on(&reader));
                    }
                });
            }
            let status = in_child(|| reads_on(&reader));
            stop.store(true, Ordering::Relaxed);
            assert_eq!(status, 0);
        });
        assert!(reads_on(&reader));
    }
}
