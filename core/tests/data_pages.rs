//! How pages come and go: copy-on-write, residency, release, advice, locks, heap memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;

use std::fs::File;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use adit_core::error::{Kind, Report};
use adit_core::map::{
    Access, Advice, Backend, BulkAllocator, Data, DataOptions, Release, Residency, SystemAllocator,
    TO_END, page_size,
};
use common::{Folder, region, skip};

const ADVICES: [Advice; 5] = [
    Advice::Normal,
    Advice::Sequential,
    Advice::Random,
    Advice::WillNeed,
    Advice::HugePage,
];

/// A file on the disk, with nothing left to be written.
fn synced(folder: &Folder, len: usize) -> PathBuf {
    let path = folder.join("synced");
    let mut file = File::create(&path).unwrap();
    let chunk: Vec<u8> = (0..4 << 20).map(|n: u32| (n >> 4) as u8 | 1).collect();
    for start in (0..len).step_by(chunk.len()) {
        file.write_all(&chunk[..chunk.len().min(len - start)])
            .unwrap();
    }
    file.sync_all().unwrap();
    path
}

/// The bytes of the file that the page cache holds, by a map and mincore of the test's own.
fn cached(path: &Path) -> u64 {
    let file = File::open(path).unwrap();
    let len = file.metadata().unwrap().len() as usize;
    // SAFETY: a new map of an open file, for reading; nobody cuts the file.
    let map = unsafe { memmap2::Mmap::map(&file) }.unwrap();
    let mut pages = vec![0u8; len.div_ceil(page_size())];
    // SAFETY: the range is mapped, and `pages` has a byte for each of its pages.
    let result = unsafe { libc::mincore(map.as_ptr().cast_mut().cast(), len, pages.as_mut_ptr()) };
    assert_eq!(result, 0);
    let in_memory = pages.iter().filter(|&&page| page & 1 == 1).count();
    (in_memory * page_size()) as u64
}

fn is_on_disk(path: &Path) -> bool {
    let file = File::open(path).unwrap();
    let mut found = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `found` has room for a statfs, which the call fills.
    let result = unsafe { libc::fstatfs(file.as_raw_fd(), found.as_mut_ptr()) };
    assert_eq!(result, 0);
    // SAFETY: the call above succeeded.
    let found = unsafe { found.assume_init() };
    found.f_type != libc::TMPFS_MAGIC
}

/// Reads a byte of every page through the map.
fn touch(data: &Data) {
    for offset in (0..data.len()).step_by(page_size()) {
        assert!(
            data.region()
                .slice(offset, 1)
                .unwrap()
                .to_vec(0, 1)
                .unwrap()[0]
                != 0
        );
    }
}

#[test]
fn released_pages_leave_the_process_and_then_the_cache() {
    const LEN: u64 = 64 << 20;
    let folder = Folder::new();
    let path = synced(&folder, LEN as usize);
    let populate = DataOptions {
        populate: true,
        backend: Backend::Map,
        ..DataOptions::default()
    };
    let data = Data::open(&path, &populate).unwrap();
    let all = Residency {
        total: LEN,
        resident: LEN,
        cached: LEN,
    };
    assert_eq!(data.residency(0, TO_END).unwrap(), all);
    assert_eq!(data.release(0, TO_END, Release::Resident).unwrap(), LEN);
    let found = data.residency(0, TO_END).unwrap();
    assert_eq!((found.resident, found.cached), (0, LEN));
    assert_eq!(cached(&path), LEN);
    // Nothing more to release; touched, they are back.
    assert_eq!(data.release(0, TO_END, Release::Resident).unwrap(), 0);
    touch(&data);
    assert_eq!(data.residency(0, TO_END).unwrap(), all);

    if !is_on_disk(&path) {
        return skip(
            "release from the page cache",
            "a target folder whose files are on a disk",
        );
    }
    // Whole 4 MiB windows, as they were written: the kernel can drop each folio.
    let half = data.release(0, LEN / 2, Release::PageCache).unwrap();
    assert!(half > LEN / 2 - (1 << 20), "{half} of {}", LEN / 2);
    let found = data.residency(0, LEN / 2).unwrap();
    assert_eq!((found.resident, found.cached), (0, LEN / 2 - half));
    assert_eq!(data.residency(LEN / 2, TO_END).unwrap().cached, LEN / 2);
    assert_eq!(cached(&path), LEN - half);
    let rest = data.release(0, TO_END, Release::PageCache).unwrap();
    let found = data.residency(0, TO_END).unwrap();
    assert_eq!(found.resident, 0);
    assert!(found.cached < 1 << 20, "{found:?}");
    assert_eq!(half + rest + found.cached, LEN);
    assert_eq!(cached(&path), found.cached);
    // From the disk again, byte for byte.
    touch(&data);
    assert!(data.region().to_vec(0, LEN as usize).unwrap() == std::fs::read(&path).unwrap());
}

#[test]
fn only_whole_pages_inside_a_range_are_released() {
    let page = page_size() as u64;
    let folder = Folder::new();
    let path = synced(&folder, 10 * page as usize + 100);
    let populate = DataOptions {
        populate: true,
        ..DataOptions::default()
    };
    let file = File::open(&path).unwrap();
    // The second time the bytes start in the middle of a page.
    for start in [0, 1000] {
        let data = Data::open_descriptor(file.as_raw_fd(), start, TO_END, &populate).unwrap();
        let resident = |offset, len| data.residency(offset, len).unwrap().resident;
        assert_eq!(resident(0, TO_END), 11 * page);
        for (offset, len) in [
            (1, page - 1),
            (page - start - 1, 1),
            (5, 0),
            (page / 2, page - start),
        ] {
            assert_eq!(
                data.release(offset, len, Release::Resident).unwrap(),
                0,
                "{offset} {len}"
            );
        }
        // From the middle of page 1 to the middle of page 4: pages 2 and 3.
        let (offset, len) = (page + page / 2 - start, 3 * page);
        assert_eq!(
            data.release(offset, len, Release::Resident).unwrap(),
            2 * page
        );
        let (offset, len) = (2 * page - start, 2 * page);
        assert_eq!(data.residency(offset, len).unwrap().total, 2 * page);
        assert_eq!(resident(offset, len), 0);
        assert_eq!(resident(0, TO_END), 9 * page);
        // A byte of a page counts the page, at both ends of a range.
        assert_eq!(resident(offset - 1, len + 2), 2 * page);
        let error = data
            .release(0, data.len() + 1, Release::Resident)
            .unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfRange);
        let error = data.residency(data.len() + 1, 0).unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfRange);
        assert_eq!(data.residency(5, 0).unwrap(), Residency::default());
    }
}

#[test]
fn private_changes_are_seen_and_kept() {
    let page = page_size();
    let folder = Folder::new();
    let path = synced(&folder, 8 * page);
    let options = DataOptions {
        access: Access::CopyOnWrite,
        ..DataOptions::default()
    };
    let data = Data::open(&path, &options).unwrap();
    let other = Data::open(&path, &options).unwrap();
    let at = 3 * page + 5;
    let mine = data.as_mut_ptr().unwrap();
    assert_eq!(mine.cast_const(), data.region().as_ptr());
    let old = std::fs::read(&path).unwrap();
    // SAFETY: the map is private and writable, and nobody else reads it meanwhile.
    unsafe { mine.wrapping_add(at).write(!old[at]) };

    let changed = |data: &Data| {
        let mut byte = [MaybeUninit::new(0u8)];
        data.read(at as u64, &mut byte).unwrap();
        // SAFETY: it was initialised above.
        let read = unsafe { byte[0].assume_init() };
        let seen = data.region().to_vec(at as u64, 1).unwrap()[0];
        assert_eq!(read, seen);
        seen != old[at]
    };
    assert!(changed(&data) && !changed(&other));
    for what in [Release::Resident, Release::PageCache] {
        assert_eq!(data.release(0, TO_END, what).unwrap(), 0);
        assert!(changed(&data));
    }
    for advice in ADVICES {
        data.advise(0, TO_END, advice).unwrap();
    }
    assert!(changed(&data) && !changed(&other));
    drop(data);
    assert!(std::fs::read(&path).unwrap() == old);
}

#[test]
fn advice_is_taken_or_passed_over() {
    let folder = Folder::new();
    let path = synced(&folder, 1 << 20);
    let mapped = Data::open(&path, &DataOptions::default()).unwrap();
    let heap = Data::copy_of(region(&[1; 100])).unwrap();
    let empty = Data::open(&folder.file("empty", b""), &DataOptions::default()).unwrap();
    for data in [&mapped, &heap, &empty] {
        let len = data.len();
        for advice in ADVICES {
            data.advise(0, TO_END, advice).unwrap();
            data.advise(len / 2, len / 3, advice).unwrap();
            data.advise(len, 0, advice).unwrap();
            let error = data.advise(0, len + 1, advice).unwrap_err();
            assert_eq!(error.kind(), Kind::OutOfRange);
        }
        data.prefetch(0, TO_END).unwrap();
        data.prefetch(len / 2, len / 3).unwrap();
        assert_eq!(data.prefetch(1, len).unwrap_err().kind(), Kind::OutOfRange);
    }
    for what in [Release::Resident, Release::PageCache] {
        assert_eq!(heap.release(0, TO_END, what).unwrap(), 0);
        assert_eq!(empty.release(0, TO_END, what).unwrap(), 0);
    }
    let found = heap.residency(10, 50).unwrap();
    assert_eq!((found.total, found.resident, found.cached), (50, 50, 50));
    assert_eq!(heap.region().to_vec(0, 100).unwrap(), [1; 100]);
}

/// Kibibytes that this process has locked.
fn locked() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmLck:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn locked_pages_are_in_memory_until_the_data_is_closed() {
    const LEN: usize = 256 << 10;
    let folder = Folder::new();
    let path = synced(&folder, LEN);
    for backend in [Backend::Map, Backend::Read] {
        let options = DataOptions {
            backend,
            lock: true,
            ..DataOptions::default()
        };
        let data = match Data::open(&path, &options) {
            Ok(data) => data,
            Err(error) => {
                assert!(error.to_string().contains("ulimit -l"), "{error}");
                return skip("locked pages", "a higher `ulimit -l`");
            }
        };
        assert!(locked() >= LEN / 1024, "{backend:?}: {}", locked());
        let found = data.residency(0, TO_END).unwrap();
        assert_eq!(found.resident, LEN as u64);
        drop(data);
        assert_eq!(locked(), 0, "{backend:?}");
    }

    // Small ones on the heap share no page: closing one unlocks nothing of the other.
    let small = folder.file("small", &[1; 100]);
    let options = DataOptions {
        backend: Backend::Read,
        lock: true,
        ..DataOptions::default()
    };
    let one = Data::open(&small, &options).unwrap();
    let alone = locked();
    let other = Data::open(&small, &options).unwrap();
    assert_eq!(locked(), 2 * alone);
    drop(one);
    assert_eq!(locked(), alone);
    drop(other);
    assert_eq!(locked(), 0);
}

/// Counts what is taken and given back.
#[derive(Default)]
struct Counting {
    taken: AtomicUsize,
    given_back: AtomicUsize,
    bytes: AtomicUsize,
    refuse_from: Option<usize>,
}

// SAFETY: SystemAllocator does the work.
unsafe impl BulkAllocator for Counting {
    fn allocate(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        assert!(size > 0 && align.is_power_of_two() && align >= 64);
        if self.refuse_from.is_some_and(|least| size >= least) {
            return None;
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(size, Ordering::Relaxed);
        SystemAllocator.allocate(size, align)
    }

    unsafe fn free(&self, ptr: NonNull<u8>, size: usize, align: usize) {
        self.given_back.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_sub(size, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { SystemAllocator.free(ptr, size, align) };
    }
}

#[test]
fn heap_memory_comes_from_the_callers_allocator_and_goes_back() {
    let folder = Folder::new();
    let path = synced(&folder, 3 << 20);
    let bytes = std::fs::read(&path).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes).unwrap();
    let packed = folder.file("packed", &encoder.finish().unwrap());
    for (path, backend, decompress) in [
        (&path, Backend::Read, None),
        (&packed, Backend::Map, Some(u64::MAX)),
    ] {
        let allocator = Arc::new(Counting::default());
        let options = DataOptions {
            backend,
            decompress,
            allocator: Some(allocator.clone()),
            ..DataOptions::default()
        };
        let data = Data::open(path, &options).unwrap();
        assert!(data.region().to_vec(0, bytes.len()).unwrap() == bytes);
        let held = allocator.bytes.load(Ordering::Relaxed);
        assert!(held >= bytes.len() && held <= 2 * bytes.len(), "{held}");
        assert!(allocator.taken.load(Ordering::Relaxed) > 0);
        drop(data);
        let given_back = allocator.given_back.load(Ordering::Relaxed);
        assert_eq!(given_back, allocator.taken.load(Ordering::Relaxed));
        assert_eq!(allocator.bytes.load(Ordering::Relaxed), 0);

        let refusing = Arc::new(Counting {
            refuse_from: Some(1 << 20),
            ..Counting::default()
        });
        let options = DataOptions {
            allocator: Some(refusing.clone()),
            ..options
        };
        let error = Data::open(path, &options).unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfMemory, "{error}");
        assert_eq!(error.place().path.as_ref(), Some(path));
        assert_eq!(refusing.bytes.load(Ordering::Relaxed), 0);
    }
    let unused = Arc::new(Counting::default());
    let options = DataOptions {
        allocator: Some(unused.clone()),
        huge_pages: true,
        ..DataOptions::default()
    };
    assert!(Data::open(&path, &options).unwrap().is_mapped());
    assert_eq!(unused.taken.load(Ordering::Relaxed), 0);
}
