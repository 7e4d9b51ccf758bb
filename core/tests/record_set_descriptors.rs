//! Sets of more files than a process may have open.
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

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use adit_core::error::{Kind, Report};
use adit_core::record::{ReaderOptions, RecordReader};
use adit_core::tensor::Lent;
use common::Folder;
use set_tools::{check_error, is_record, many, open, set};

const FILES: usize = 10_000;
const LIMIT: u64 = 1024;
const THREADS: usize = 8;

/// Held by each test: the limit is the process's, and one of them takes all descriptors that there are.
static ALONE: Mutex<()> = Mutex::new(());

fn limit_descriptors() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: writable for the call.
    let got = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    assert_eq!(got, 0);
    limit.rlim_cur = LIMIT.min(limit.rlim_max);
    // SAFETY: readable for the call.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!(set, 0);
}

fn open_descriptors(folder: &Path) -> usize {
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    let target = |entry: std::io::Result<fs::DirEntry>| fs::read_link(entry.ok()?.path()).ok();
    let targets = entries.filter_map(target);
    targets.filter(|target| target.starts_with(folder)).count()
}

/// Reads a record from its file, by pread.
fn read_number(reader: &RecordReader, index: u64) -> u64 {
    let (shard, _) = reader.shard_of(index).unwrap();
    let data = reader.data(shard).unwrap();
    let lent = reader.get(index).unwrap();
    let base = data.region().as_ptr().addr();
    let at = (lent[0].bytes.as_ptr().addr() - base) as u64;
    let mut bytes = Vec::new();
    data.read_to(at, 8, &mut bytes).unwrap();
    u64::from_le_bytes(bytes.try_into().unwrap())
}

/// Touches every file from several threads, in orders of their own; what the first pass lent is
/// compared at the end.
fn touch_all(reader: &RecordReader) {
    let len = reader.len();
    std::thread::scope(|scope| {
        for thread in 0..THREADS as u64 {
            scope.spawn(move || {
                let mut lent: Vec<(u64, Vec<Lent<'_>>)> = Vec::new();
                for step in 0..len {
                    // 7919 is prime to 10,000: each file once.
                    let index = (step * 7919 + thread * len / 8) % len;
                    lent.push((index, reader.get(index).unwrap()));
                    if step % 4 == thread % 4 {
                        let number = read_number(reader, index);
                        assert_eq!(number, many::value_of(index as usize));
                    }
                }
                for (index, lent) in lent {
                    assert!(is_record(&lent, many::value_of(index as usize)), "{index}");
                }
            });
        }
    });
}

#[test]
fn ten_thousand_files_under_a_thousand_descriptors() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    limit_descriptors();
    let folder = Folder::new();
    let manifest = many::many(folder.path(), FILES);
    let folder = folder.path();
    let reader = open(&manifest);
    assert_eq!((reader.len(), reader.shards()), (FILES as u64, FILES));
    assert_eq!(open_descriptors(folder), 0);
    touch_all(&reader);
    let open_now = open_descriptors(folder);
    assert!((1..=256).contains(&open_now), "{open_now}");
    // More than the process may have: others are closed where one can't be opened.
    let greedy = ReaderOptions {
        most_descriptors: usize::MAX,
        ..ReaderOptions::default()
    };
    let greedy = RecordReader::open(&manifest, &greedy).unwrap();
    touch_all(&greedy);
    drop(greedy);
    // One at a time.
    let modest = ReaderOptions {
        most_descriptors: 1,
        ..ReaderOptions::default()
    };
    let modest = RecordReader::open(&manifest, &modest).unwrap();
    for index in (0..FILES as u64).step_by(97) {
        assert_eq!(read_number(&modest, index), many::value_of(index as usize));
    }
    drop((modest, reader));
    assert_eq!(open_descriptors(folder), 0);
}

#[test]
fn a_shard_replaced_behind_a_closed_descriptor_is_told() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Folder::new();
    let manifest = set(folder.path(), &[2, 2, 2]);
    let options = ReaderOptions {
        most_descriptors: 1,
        ..ReaderOptions::default()
    };
    let reader = RecordReader::open(&manifest, &options).unwrap();
    let before = reader.get(0).unwrap();
    reader.get(2).unwrap();
    reader.get(4).unwrap();
    let path = folder.join("0.arec");
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let data = reader.data(0).unwrap();
    let mut out = Vec::new();
    let error = data.read_to(0, 16, &mut out).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
    fs::write(&path, &bytes).unwrap();
    let error = adit_core::record::Error::from(data.read_to(0, 16, &mut out).unwrap_err());
    check_error(
        &error,
        Kind::Malformed,
        &path,
        &["another file stands at its path now"],
    );
    let error = adit_core::record::Error::from(data.still_whole().unwrap_err());
    check_error(
        &error,
        Kind::Malformed,
        &path,
        &["another file stands at its path now"],
    );
    // What was lent is the old file's, and stays.
    assert!(is_record(&before, 0));
    assert!(is_record(&reader.get(1).unwrap(), 1));
    // The others go on.
    reader.data(1).unwrap().read_to(0, 16, &mut out).unwrap();
    assert_eq!(out, bytes[..16]);
}
