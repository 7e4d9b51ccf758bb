//! How a file's bytes are opened: the backends, what is no file, ranges of descriptors.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;

use std::ffi::CString;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use adit_core::error::{Kind, Report};
use adit_core::map::{
    Access, Backend, BytesOwner, Data, DataOptions, Error, Origin, Region, TO_END,
};
use common::{Folder, region, skip};

const BACKENDS: [Backend; 3] = [Backend::Auto, Backend::Map, Backend::Read];

fn backend(backend: Backend) -> DataOptions {
    DataOptions {
        backend,
        ..DataOptions::default()
    }
}

/// Bytes of which no page is like another.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

fn all(data: &Data) -> Vec<u8> {
    data.region().to_vec(0, data.region().len()).unwrap()
}

fn read(data: &Data, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
    let mut out = vec![MaybeUninit::new(0xAAu8); len];
    data.read(offset, &mut out)?;
    // SAFETY: every byte was initialised when `out` was made.
    let bytes = out.iter().map(|byte| unsafe { byte.assume_init() });
    Ok(bytes.collect())
}

#[test]
fn every_backend_gives_the_same_bytes() {
    let folder = Folder::new();
    for len in [1, 3, 4095, 4096, 4097, 1 << 20, (3 << 20) + 5] {
        let bytes = pattern(len);
        let path = folder.file("bytes", &bytes);
        for how in BACKENDS {
            let data = Data::open(&path, &backend(how)).unwrap();
            assert_eq!(data.len(), len as u64);
            assert!(!data.is_empty());
            assert_eq!(data.is_mapped(), how != Backend::Read);
            assert_eq!(data.origin(), &Origin::Path(path.clone()));
            assert_eq!(data.as_mut_ptr(), None);
            // Page or line: more than any dtype needs.
            assert_eq!(data.region().as_ptr().addr() % 64, 0);
            assert!(all(&data) == bytes);
            assert!(read(&data, 0, len).unwrap() == bytes);
            assert_eq!(read(&data, len as u64 - 1, 1).unwrap(), bytes[len - 1..]);
            assert_eq!(read(&data, len as u64, 0).unwrap(), [0u8; 0]);
            for (offset, wanted) in [(len as u64, 1), (0, len + 1), (u64::MAX, 2)] {
                let error = read(&data, offset, wanted).unwrap_err();
                assert_eq!(error.kind(), Kind::OutOfRange);
                assert_eq!(error.place().offset, Some(offset));
            }
            data.still_whole().unwrap();
        }
    }
}

#[test]
fn an_empty_file_has_no_bytes() {
    let folder = Folder::new();
    let path = folder.file("empty", b"");
    for how in BACKENDS {
        for access in [Access::ReadOnly, Access::CopyOnWrite] {
            let options = DataOptions {
                access,
                populate: true,
                lock: true,
                huge_pages: true,
                decompress: Some(100),
                ..backend(how)
            };
            let data = Data::open(&path, &options).unwrap();
            assert!(data.is_empty() && !data.is_mapped());
            assert!(data.region().as_ptr().is_null());
            assert_eq!(data.as_mut_ptr(), None);
            assert_eq!(read(&data, 0, 0).unwrap(), [0u8; 0]);
            assert_eq!(read(&data, 0, 1).unwrap_err().kind(), Kind::OutOfRange);
            assert_eq!(data.range(0, TO_END).unwrap(), (0, 0));
            assert_eq!(data.range(1, 0).unwrap_err().kind(), Kind::OutOfRange);
        }
    }
}

#[test]
fn ranges_lie_inside() {
    let folder = Folder::new();
    let data = Data::open(&folder.file("ten", &[7; 10]), &DataOptions::default()).unwrap();
    for (asked, given) in [
        ((0, 10), Some((0, 10))),
        ((0, TO_END), Some((0, 10))),
        ((4, TO_END), Some((4, 6))),
        ((10, TO_END), Some((10, 0))),
        ((10, 0), Some((10, 0))),
        ((4, 7), None),
        ((11, 0), None),
        ((11, TO_END), None),
        ((u64::MAX, 1), None),
        ((1, u64::MAX - 1), None),
    ] {
        assert_eq!(data.range(asked.0, asked.1).ok(), given, "{asked:?}");
    }
}

#[test]
fn what_is_no_regular_file_is_refused_and_never_waited_for() {
    let folder = Folder::new();
    let fifo = folder.join("fifo");
    let name = CString::new(fifo.as_os_str().as_bytes()).unwrap();
    // SAFETY: the name is NUL-terminated and lives through the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let cases = [
        (folder.join("missing"), Kind::NotFound, libc::ENOENT),
        (fifo.join("below"), Kind::NotFound, libc::ENOTDIR),
        (folder.path().to_owned(), Kind::NotAFile, libc::EISDIR),
        (fifo, Kind::NotAFile, 0),
        (Path::new("/dev/null").to_owned(), Kind::NotAFile, 0),
        (Path::new("").to_owned(), Kind::NotFound, libc::ENOENT),
    ];
    for (path, kind, os_code) in cases {
        for how in BACKENDS {
            let error = Data::open(&path, &backend(how)).unwrap_err();
            assert_eq!((error.kind(), error.os_code()), (kind, os_code), "{error}");
            assert_eq!(error.place().path, Some(path.clone()));
            let name = format!("'{}'", path.display());
            assert!(error.to_string().contains(&name), "{error}");
        }
    }
}

#[test]
fn unreadable_files_are_a_matter_of_permission() {
    let folder = Folder::new();
    let closed = folder.file("closed", b"secret");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read any file but these, which can only be written.
    let write_only = ["/proc/sys/vm/compact_memory", "/proc/sys/vm/drop_caches"];
    let mut seen = 0;
    for path in write_only.into_iter().map(Path::new).chain([&*closed]) {
        match Data::open(path, &DataOptions::default()) {
            Err(error) if error.kind() != Kind::NotFound => {
                assert_eq!(error.kind(), Kind::Permission, "{error}");
                assert_eq!(error.os_code(), libc::EACCES);
                seen += 1;
            }
            _ => {}
        }
    }
    if seen == 0 {
        skip("files without permission", "a user who may not read some");
    }
}

#[test]
fn a_sparse_file_of_5_gib_is_read_at_its_end() {
    const LEN: u64 = 5 << 30;
    let folder = Folder::new();
    let path = folder.join("sparse");
    let file = File::create(&path).unwrap();
    file.set_len(LEN).unwrap();
    file.write_all_at(b"the end.", LEN - 8).unwrap();
    let data = Data::open(&path, &backend(Backend::Map)).unwrap();
    assert_eq!(data.len(), LEN);
    let end = u64::from_le_bytes(*b"the end.");
    assert_eq!(data.region().u64_at(LEN - 8), Some(end));
    assert_eq!(data.region().u64_at(LEN - 7), None);
    assert_eq!(data.region().u64_at(4 << 30), Some(0));
    assert_eq!(read(&data, LEN - 8, 8).unwrap(), b"the end.");
    // A stretch of it, on the other side of 4 GiB.
    let file = File::open(&path).unwrap();
    let tail = Data::open_descriptor(file.as_raw_fd(), LEN - 7, TO_END, &DataOptions::default());
    assert_eq!(all(&tail.unwrap()), b"he end.");
}

#[test]
fn descriptors_give_ranges_of_their_file() {
    let folder = Folder::new();
    let bytes = pattern(100_000);
    let path = folder.file("bytes", &bytes);
    let mut file = File::open(&path).unwrap();
    file.seek(SeekFrom::Start(77)).unwrap();
    let number = file.as_raw_fd();
    let mut kept = Vec::new();
    for how in BACKENDS {
        for (offset, len) in [
            (0, TO_END),
            (0, 100_000),
            (4096, 4096),
            (1, 1),
            (5000, 90_001),
            (99_999, TO_END),
            (100_000, 0),
            (100_000, TO_END),
        ] {
            let data = Data::open_descriptor(number, offset, len, &backend(how)).unwrap();
            let end = if len == TO_END { 100_000 } else { offset + len };
            let expected = &bytes[offset as usize..end as usize];
            assert_eq!(
                data.is_mapped(),
                how != Backend::Read && !expected.is_empty()
            );
            assert_eq!(data.origin(), &Origin::Descriptor(number));
            assert!(all(&data) == expected, "{how:?}, {offset}, {len}");
            assert!(read(&data, 0, expected.len()).unwrap() == expected);
            kept.push((data, expected));
        }
        for (offset, len) in [(0, 100_001), (100_001, 0), (100_001, TO_END), (u64::MAX, 5)] {
            let error = Data::open_descriptor(number, offset, len, &backend(how)).unwrap_err();
            assert_eq!(error.kind(), Kind::OutOfRange, "{error}");
            assert!(
                error.to_string().contains(&format!("descriptor {number}")),
                "{error}"
            );
        }
    }
    // The caller's descriptor is left as it was, and isn't needed any more.
    assert_eq!(file.stream_position().unwrap(), 77);
    drop(file);
    std::fs::remove_file(&path).unwrap();
    for (data, expected) in kept {
        assert!(read(&data, 0, expected.len()).unwrap() == expected);
        data.still_whole().unwrap();
    }
}

#[test]
fn descriptors_that_cant_be_read_are_refused() {
    let folder = Folder::new();
    let file = File::create(folder.join("write only")).unwrap();
    file.set_len(10).unwrap();
    let open = |number, how| Data::open_descriptor(number, 0, TO_END, &backend(how));
    for how in [Backend::Auto, Backend::Map, Backend::Read] {
        let error = open(file.as_raw_fd(), how).unwrap_err();
        assert_eq!(
            (error.kind(), error.os_code()),
            (Kind::Permission, libc::EACCES)
        );
    }
    let folder = File::open(folder.path()).unwrap();
    let error = open(folder.as_raw_fd(), Backend::Auto).unwrap_err();
    assert_eq!(
        (error.kind(), error.os_code()),
        (Kind::NotAFile, libc::EISDIR)
    );
    for number in [-1, i32::MIN, i32::MAX] {
        let error = open(number, Backend::Auto).unwrap_err();
        assert_eq!((error.kind(), error.os_code()), (Kind::Io, libc::EBADF));
        assert_eq!(error.place().path, None);
    }
}

#[test]
fn memory_files_are_files() {
    // SAFETY: the name is NUL-terminated and lives through the call.
    let number = unsafe { libc::memfd_create(c"adit".as_ptr(), libc::MFD_CLOEXEC) };
    assert!(number >= 0);
    // SAFETY: the descriptor was opened just now and nobody else has it.
    let mut file = unsafe { File::from_raw_fd(number) };
    let bytes = pattern(9000);
    file.write_all(&bytes).unwrap();
    let data = Data::open_descriptor(number, 1000, 7000, &backend(Backend::Map)).unwrap();
    drop(file);
    assert!(data.is_mapped());
    assert!(all(&data) == bytes[1000..8000]);
    let found = data.residency(0, TO_END).unwrap();
    assert_eq!((found.total, found.cached), (8192, 8192));
}

struct Owner {
    bytes: Vec<u8>,
    dropped: Arc<AtomicBool>,
}

// SAFETY: the vector is never touched again, so its bytes stay where they are.
unsafe impl BytesOwner for Owner {
    fn region(&self) -> Region<'_> {
        region(&self.bytes)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::Relaxed);
    }
}

#[test]
fn bytes_are_lent_or_copied() {
    let bytes = pattern(100);
    let dropped = Arc::new(AtomicBool::new(false));
    let data = Data::lent(Box::new(Owner {
        bytes: bytes.clone(),
        dropped: Arc::clone(&dropped),
    }));
    assert_eq!(all(&data), bytes);
    assert_eq!(read(&data, 90, 10).unwrap(), bytes[90..]);
    assert_eq!(data.origin(), &Origin::Memory);
    data.still_whole().unwrap();
    assert!(!dropped.load(Ordering::Relaxed));
    drop(data);
    assert!(dropped.load(Ordering::Relaxed));

    let copy = Data::copy_of(region(&bytes)).unwrap();
    drop(bytes);
    assert_eq!(all(&copy), pattern(100));
    assert!(Data::copy_of(Region::EMPTY).unwrap().is_empty());
}
