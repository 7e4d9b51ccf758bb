//! Files that another process cuts while they are open: an error, no fault and no zeros.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;

use std::fs::OpenOptions;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

use adit_core::error::{Kind, Report};
use adit_core::map::{Backend, DataOptions, Io};
use adit_core::record::{ReaderOptions, RecordReader, recover};
use common::{Folder, Pair, Tensor, disk, ends, gather_from, go_on, noise, write};

/// 1,500 records of 4,000 and some bytes.
fn records() -> Vec<Pair> {
    (0..1500)
        .map(|n| [noise(n, &[10, 100]), noise(n, &[])])
        .collect()
}

fn set(folder: &Folder) -> PathBuf {
    let path = folder.join("set.rrec");
    write(&path, &records());
    path
}

fn set_len(path: &Path, len: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(len).unwrap();
}

fn open(path: &Path, backend: Backend) -> RecordReader {
    let options = DataOptions {
        backend,
        ..DataOptions::default()
    };
    let options = ReaderOptions {
        data: options,
        ..ReaderOptions::default()
    };
    RecordReader::open(path, &options).unwrap()
}

fn read_all(reader: &RecordReader) -> Vec<Pair> {
    let all = (0..reader.len()).map(|index| reader.get(index).unwrap());
    all.map(|lent| [Tensor::of(&lent[0]), Tensor::of(&lent[1])])
        .collect()
}

fn check_truncated(error: &(impl Report + ?Sized), path: &Path) {
    assert_eq!(error.kind(), Kind::Truncated, "{error}");
    assert!(error.to_string().contains("set.rrec"), "{error}");
    assert_eq!(error.place().path.as_deref(), Some(path));
}

/// Every way to look at the records says that the file was cut, now and when it has grown again.
fn check_sticky(reader: &RecordReader, path: &Path, whole: u64) {
    for len in [None, Some(whole), Some(whole * 2)] {
        if let Some(len) = len {
            set_len(path, len);
        }
        check_truncated(&reader.data(0).unwrap().still_whole().unwrap_err(), path);
        for io in [Io::Auto, Io::Map, Io::Read] {
            // Record 0 is still there, but who knows of what.
            check_truncated(&gather_from(reader, 0, &[0], 4000, io).unwrap_err(), path);
            check_truncated(&gather_from(reader, 1, &[1499], 4, io).unwrap_err(), path);
        }
        check_truncated(&reader.verify(&mut go_on).unwrap_err(), path);
    }
}

/// A way to look at a set, which fails.
type Look = fn(&RecordReader) -> Box<dyn Report>;

#[test]
fn a_cut_file_is_an_error_that_stays() {
    let looks: [(&str, Look); 6] = [
        ("read", |reader| {
            let mut out = [MaybeUninit::uninit(); 100];
            let end = reader.data(0).unwrap().len();
            Box::new(
                reader
                    .data(0)
                    .unwrap()
                    .read(end - 100, &mut out)
                    .unwrap_err(),
            )
        }),
        ("still_whole", |reader| {
            Box::new(reader.data(0).unwrap().still_whole().unwrap_err())
        }),
        ("gather auto", |reader| {
            Box::new(gather_from(reader, 0, &[1], 4000, Io::Auto).unwrap_err())
        }),
        ("gather map", |reader| {
            Box::new(gather_from(reader, 0, &[1], 4000, Io::Map).unwrap_err())
        }),
        ("gather read", |reader| {
            Box::new(gather_from(reader, 0, &[1], 4000, Io::Read).unwrap_err())
        }),
        ("verify", |reader| {
            Box::new(reader.verify(&mut go_on).unwrap_err())
        }),
    ];
    let folder = Folder::new();
    for (how, look) in looks {
        let whole = std::fs::metadata(set(&folder)).unwrap().len();
        for cut in [0, 1, 64, 4096, 2_000_000, whole - 1] {
            let path = set(&folder);
            let reader = open(&path, Backend::Map);
            set_len(&path, cut);
            let error = look(&reader);
            check_truncated(&*error, &path);
            let (had, has) = (format!("had {whole} bytes"), format!("ends at {cut}"));
            let message = error.to_string();
            assert!(message.contains(&had), "{how}, {cut}: {message}");
            // A read knows that the file ends before it, not where.
            let exact = message.contains(&has) || how == "read";
            assert!(exact, "{how}, {cut}: {message}");
            if how == "read" || how == "verify" {
                check_sticky(&reader, &path, whole);
            } else {
                set_len(&path, whole);
                check_truncated(&reader.data(0).unwrap().still_whole().unwrap_err(), &path);
            }
        }
    }
}

/// What lies before the cut can still be read, byte for byte.
#[test]
fn bytes_before_the_cut_are_still_read() {
    let folder = Folder::new();
    let path = set(&folder);
    let bytes = std::fs::read(&path).unwrap();
    let reader = open(&path, Backend::Map);
    set_len(&path, 10_000);
    let mut out = [MaybeUninit::new(0); 10_000];
    reader.data(0).unwrap().read(0, &mut out).unwrap();
    // SAFETY: every byte was initialised when `out` was made.
    let out = out.map(|byte| unsafe { byte.assume_init() });
    assert_eq!(out[..], bytes[..10_000]);
    let mut one_more = [MaybeUninit::uninit(); 10_001];
    let error = reader.data(0).unwrap().read(0, &mut one_more).unwrap_err();
    check_truncated(&error, &path);
    let beyond = reader
        .data(0)
        .unwrap()
        .read(bytes.len() as u64, &mut out.map(MaybeUninit::new));
    assert_eq!(beyond.unwrap_err().kind(), Kind::OutOfRange);
}

#[test]
fn what_was_read_to_the_heap_stays_whole() {
    let folder = Folder::new();
    let path = set(&folder);
    let reader = open(&path, Backend::Read);
    set_len(&path, 0);
    reader.data(0).unwrap().still_whole().unwrap();
    assert!(read_all(&reader) == records());
    assert_eq!(reader.verify(&mut go_on).unwrap().bad_records, 0);
    let gathered = gather_from(&reader, 1, &[1499], 4, Io::Read).unwrap().1;
    assert_eq!(gathered, records()[1499][1].bytes);
}

#[test]
fn a_file_that_only_grew_is_whole() {
    let folder = Folder::new();
    let path = set(&folder);
    let reader = open(&path, Backend::Map);
    let whole = reader.data(0).unwrap().len();
    set_len(&path, whole + 100_000);
    reader.data(0).unwrap().still_whole().unwrap();
    set_len(&path, whole);
    reader.data(0).unwrap().still_whole().unwrap();
    assert_eq!(reader.verify(&mut go_on).unwrap().records, 1500);
    assert!(read_all(&reader) == records());
}

/// Cut while the walk is under way, by its progress callback.
#[test]
fn a_file_cut_under_a_verification_is_an_error() {
    let folder = Folder::new();
    let ends = ends(&records());
    // In the records that were not read yet, and in those that were.
    for cut in [ends[1400] - 5, ends[3]] {
        let path = set(&folder);
        let reader = open(&path, Backend::Map);
        let mut cut_late = |done, _| {
            if done >= 1024 {
                set_len(&path, cut);
            }
            true
        };
        check_truncated(&reader.verify(&mut cut_late).unwrap_err(), &path);
    }
}

#[test]
fn a_file_cut_under_a_recovery_leaves_no_file() {
    let folder = Folder::new();
    let path = set(&folder);
    let to = folder.join("saved.rrec");
    let mut cut_late = |done, _| {
        if done > 64 {
            set_len(&path, 5000);
        }
        true
    };
    let error = recover(&disk(), &path, &to, None, &mut cut_late).unwrap_err();
    check_truncated(&error, &path);
    assert_eq!(folder.names(), ["set.rrec"]);
}
