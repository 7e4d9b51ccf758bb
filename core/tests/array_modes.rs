//! Arrays open for writing: whose writes reach the file, whose don't, and what a flush promises.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod array_tools;
mod common;

use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use adit_core::array::{Array, Creation, Format, ReadOptions};
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Access, Backend, Data, DataOptions, Io, TO_END};
use adit_core::tensor::Shape;
use array_tools::faulty::FaultyDisk;
use array_tools::*;
use common::{Folder, disk, go_on, skip};

const EIO: i32 = 5;

/// An npy file of f32s, its path and elements.
fn sample(folder: &Folder, dims: &[i64]) -> (std::path::PathBuf, Vec<u8>) {
    let data = noise(dims.iter().product::<i64>() as usize * 4);
    let path = folder.file("a.npy", &npy("<f4", false, dims, &data));
    (path, data)
}

/// Writes through the pointer that the array lends.
fn write(array: &Array, at: usize, bytes: &[u8]) {
    let start = array.as_mut_ptr().unwrap();
    assert!(at + bytes.len() <= array.region().len());
    // SAFETY: the elements' bytes are writable, these lie inside, and no other thread uses them.
    unsafe { bytes.as_ptr().copy_to(start.wrapping_add(at), bytes.len()) };
}

/// The elements as the file has them, by a read of its own.
fn stored(path: &Path, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let file = std::fs::File::open(path).unwrap();
    file.read_exact_at(&mut bytes, offset).unwrap();
    bytes
}

#[test]
fn writes_reach_the_file_and_other_handles() {
    let folder = Folder::new();
    let (path, mut data) = sample(&folder, &[50, 100]);
    let array = open_as(&path, Access::ReadWrite).unwrap();
    let reader = open(&path).unwrap();
    let heap = on_the_heap(&path, Access::ReadOnly);
    for (at, len) in [(0, 1), (4095, 3), (19_999, 1), (7, 9000)] {
        let bytes: Vec<u8> = (0..len).map(|n| (n * 7 + at) as u8).collect();
        write(&array, at, &bytes);
        data[at..at + len].copy_from_slice(&bytes);
        assert_eq!(stored(&path, array.offset(), data.len()), data);
        for handle in [&array, &reader] {
            assert_eq!(all(handle), data);
            assert_eq!(raw(handle), data);
        }
    }
    assert_ne!(raw(&heap), data, "read to the heap, no later change shows");
    assert_eq!(array.data().access(), Access::ReadWrite);
    // The header is nobody's business.
    let start = npy("<f4", false, &[50, 100], &[]);
    assert_eq!(stored(&path, 0, start.len()), start);
    let lent = array.tensor().unwrap();
    assert_eq!(lent.bytes.as_ptr(), array.as_mut_ptr().unwrap());
}

fn on_the_heap(path: &Path, access: Access) -> Array {
    let mut options = options(access);
    options.data.backend = Backend::Read;
    Array::open(path, &options).unwrap()
}

#[test]
fn copy_on_write_never_reaches_the_file() {
    let folder = Folder::new();
    for heap in [false, true] {
        let (path, data) = sample(&folder, &[50, 100]);
        let file = std::fs::read(&path).unwrap();
        let array = if heap {
            on_the_heap(&path, Access::CopyOnWrite)
        } else {
            open_as(&path, Access::CopyOnWrite).unwrap()
        };
        let reader = open(&path).unwrap();
        let mut changed = data.clone();
        for at in [0, 5000, 19_990] {
            write(&array, at, &[0xEE; 10]);
            changed[at..at + 10].fill(0xEE);
        }
        assert_eq!(all(&array), changed);
        // Also where the part is small, as by pread it would be.
        let options = ReadOptions {
            start: Some(&[12, 50]),
            counts: Some(&[1, 3]),
            io: Io::Read,
            ..ReadOptions::default()
        };
        assert_eq!(read(&array, &options).unwrap(), changed[5000..5012]);
        assert_eq!(raw(&reader), data);
        assert_eq!(std::fs::read(&path).unwrap(), file);
        let error = array.flush(0, TO_END).unwrap_err();
        assert_eq!(error.kind(), Kind::ReadOnly, "{error}");
        // Published elsewhere, and over its own path while it is mapped.
        let other = folder.join("other.npy");
        for target in [&other, &path] {
            array
                .save_as(&disk(), target, None, false, &mut go_on)
                .unwrap();
            assert_eq!(all(&open(target).unwrap()), changed);
            assert_eq!(all(&array), changed);
            assert_eq!(raw(&reader), data, "old maps keep the old file");
        }
        let refused = array.save_as(&disk(), &other, None, true, &mut go_on);
        assert_eq!(refused.unwrap_err().kind(), Kind::Exists);
        // Further changes stay its own.
        write(&array, 0, &[1; 4]);
        assert_eq!(all(&open(&path).unwrap()), changed);
        assert_eq!(folder.names(), ["a.npy", "other.npy"]);
    }
}

#[test]
fn read_only_arrays_cannot_be_written() {
    let folder = Folder::new();
    let (path, data) = sample(&folder, &[3, 4]);
    for array in [
        open(&path).unwrap(),
        on_the_heap(&path, Access::ReadOnly),
        from_bytes(&std::fs::read(&path).unwrap()).unwrap(),
    ] {
        let error = array.as_mut_ptr().unwrap_err();
        assert_eq!(error.kind(), Kind::ReadOnly, "{error}");
        assert_eq!(array.flush(0, 4).unwrap_err().kind(), Kind::ReadOnly);
        assert_eq!(all(&array), data);
    }
    let mut options = options(Access::ReadWrite);
    options.data.backend = Backend::Read;
    let error = Array::open(&path, &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported, "{error}");
    let missing = open_as(&folder.join("none.npy"), Access::ReadWrite);
    assert_eq!(missing.unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn elements_that_are_not_there_have_no_address() {
    let folder = Folder::new();
    for dims in [&[0, 4][..], &[3, 0, 2]] {
        let (path, _) = sample(&folder, dims);
        let array = open_as(&path, Access::ReadWrite).unwrap();
        assert!(array.as_mut_ptr().unwrap().is_null());
        array.flush(0, TO_END).unwrap();
        array.flush(0, 0).unwrap();
        assert_eq!(array.flush(0, 1).unwrap_err().kind(), Kind::OutOfRange);
    }
}

#[test]
fn flushed_ranges_are_in_the_file() {
    let folder = Folder::new();
    let (path, mut data) = sample(&folder, &[64, 128]);
    let array = open_as(&path, Access::ReadWrite).unwrap();
    let end = data.len() as u64;
    for (at, len) in [(0, 4), (4096 - 128, 4096), (5, 9000), (end - 1, 1)] {
        write(&array, at as usize, &vec![0x5A; len as usize]);
        data[at as usize..][..len as usize].fill(0x5A);
        array.flush(at, len).unwrap();
        assert_eq!(stored(&path, array.offset(), data.len()), data);
    }
    array.flush(0, TO_END).unwrap();
    array.flush(end, TO_END).unwrap();
    array.flush(end, 0).unwrap();
    for (at, len) in [
        (end, 1),
        (end + 1, 0),
        (0, end + 1),
        (1, end),
        (u64::MAX, 2),
    ] {
        let error = array.flush(at, len).unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfRange, "{error}");
        let message = error.to_string();
        assert!(message.contains(&end.to_string()), "{message}");
    }
}

#[test]
fn after_a_failed_flush_none_succeeds() {
    let folder = Folder::new();
    let (path, _) = sample(&folder, &[64, 128]);
    let faulty = FaultyDisk::default();
    let storage = faulty.storage();
    let array = Array::open_in(&storage, &path, &options(Access::ReadWrite)).unwrap();
    array.flush(0, TO_END).unwrap();
    write(&array, 100, b"lost?");
    faulty.faults.sync.store(EIO, Ordering::Relaxed);
    let error = array.flush(96, 16).unwrap_err();
    assert_eq!((error.kind(), error.os_code()), (Kind::Io, EIO), "{error}");
    assert_eq!(error.place().offset, Some(array.offset() + 96));
    faulty.faults.sync.store(0, Ordering::Relaxed);
    for (at, len) in [(96, 16), (0, TO_END), (0, 0)] {
        let error = array.flush(at, len).unwrap_err();
        assert_eq!(error.kind(), Kind::Poisoned, "{error}");
    }
    // A saved copy is a way out, and so is the file opened again.
    let saved = folder.join("saved.npy");
    array
        .save_as(&storage, &saved, None, false, &mut go_on)
        .unwrap();
    assert_eq!(all(&open(&saved).unwrap()), all(&array));
    let again = open_as(&path, Access::ReadWrite).unwrap();
    again.flush(0, TO_END).unwrap();
}

/// Space for a write must be there before it: a map has no way to say that the disk is full.
#[test]
fn holes_are_filled_when_a_file_is_opened_for_writing() {
    let folder = Folder::new();
    let len = 1 << 20;
    let bytes = npy("|u1", false, &[len], &[]);
    let path = folder.file("sparse.npy", &bytes);
    let size = bytes.len() as u64 + len as u64;
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(size).unwrap();
    let blocks = || std::fs::metadata(&path).unwrap().blocks() * 512;
    assert!(blocks() < size);
    drop(open(&path).unwrap());
    assert!(blocks() < size, "a reader allocates nothing");
    let array = open_as(&path, Access::ReadWrite).unwrap();
    assert!(blocks() >= size);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), size);
    assert!(all(&array).iter().all(|&byte| byte == 0));
}

/// Blocks behind the end of a file say nothing of the holes in it.
#[cfg(target_os = "linux")]
#[test]
fn holes_are_found_beside_blocks_behind_the_end() {
    use std::os::fd::AsRawFd;
    let folder = Folder::new();
    let len = 1 << 20;
    let bytes = npy("|u1", false, &[len], &vec![7; len as usize]);
    let path = folder.file("punched.npy", &bytes);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let change = |mode: i32, offset: i64, len: i64| {
        // SAFETY: works on the descriptor alone.
        unsafe {
            libc::fallocate(
                file.as_raw_fd(),
                mode | libc::FALLOC_FL_KEEP_SIZE,
                offset,
                len,
            )
        }
    };
    if change(libc::FALLOC_FL_PUNCH_HOLE, 64 << 10, 256 << 10) != 0 {
        return skip(
            "holes beside blocks behind the end",
            "a file system that punches holes",
        );
    }
    assert_eq!(change(0, 2 << 20, 1 << 20), 0);
    let blocks = || std::fs::metadata(&path).unwrap().blocks() * 512;
    let before = blocks();
    assert!(before >= len as u64 + 128, "{before}");
    let array = open_as(&path, Access::ReadWrite).unwrap();
    assert!(blocks() >= before + (256 << 10), "{before} {}", blocks());
    assert_eq!(all(&array)[100 << 10], 0);
}

#[test]
fn a_file_that_is_refused_keeps_its_holes() {
    let folder = Folder::new();
    let none = folder.file("none.npy", b"no array");
    std::fs::File::options()
        .write(true)
        .open(&none)
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    let error = open_as(&none, Access::ReadWrite).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongFormat, "{error}");
    assert!(std::fs::metadata(&none).unwrap().blocks() * 512 < 1 << 20);
    let path = folder.file("sparse.gz", &[0x1F, 0x8B, 8, 0]);
    let size = 1 << 20;
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(size).unwrap();
    let blocks = || std::fs::metadata(&path).unwrap().blocks();
    let before = blocks();
    assert!(before * 512 < size);
    let mut options = options(Access::ReadWrite);
    options.data.decompress = Some(1 << 20);
    let error = Array::open(&path, &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported, "{error}");
    assert_eq!(blocks(), before);
}

#[test]
fn compressed_files_are_changed_in_memory_only() {
    let path = fixtures("compressed").join("f4_c.npy.gz");
    let plain = open(&fixtures("npy").join("f4_c.npy")).unwrap();
    let mut options = options(Access::CopyOnWrite);
    options.data.decompress = Some(1 << 20);
    let array = Array::open(&path, &options).unwrap();
    assert_eq!(all(&array), all(&plain));
    write(&array, 4, &[7; 4]);
    assert_eq!(all(&array)[4..8], [7; 4]);
    options.data.access = Access::ReadWrite;
    let error = Array::open(&path, &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported, "{error}");
}

#[test]
fn a_part_of_a_file_is_written_through_a_descriptor() {
    use std::os::fd::AsRawFd;
    let folder = Folder::new();
    let inner = npy("<f4", false, &[6], &noise(24));
    let path = folder.file("two.bin", &[b"four".to_vec(), inner.clone()].concat());
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let options = DataOptions {
        access: Access::ReadWrite,
        ..DataOptions::default()
    };
    let data = Data::open_descriptor(file.as_raw_fd(), 4, TO_END, &options).unwrap();
    let mut array = Array::from_data(Arc::new(data), None).unwrap();
    write(&array, 20, &[9; 4]);
    array.flush(20, 4).unwrap();
    let mut expected = noise(24);
    expected[20..].fill(9);
    assert_eq!(stored(&path, 4 + array.offset(), 24), expected);
    assert_eq!(all(&array), expected);
    // Rows would go to the wrong place.
    let row = [1u8; 4];
    let rows = common::strided(&row, DType::F32, &[1], &[1]).unwrap();
    let error = array.append_rows(&rows).unwrap_err();
    assert_eq!(error.kind(), Kind::ReadOnly, "{error}");
    let mut whole = [b"four".to_vec(), inner].concat();
    let end = whole.len();
    whole[end - 4..].fill(9);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
}

#[test]
fn mmap_files_are_written_in_place_too() {
    let folder = Folder::new();
    let path = folder.join("a.mmap");
    let how = Creation {
        format: Format::Mmap,
        ..Creation::default()
    };
    let shape = Shape::new(&[2, 3]).unwrap();
    let array = Array::create(&disk(), &path, &how, DType::I32, shape).unwrap();
    write(&array, 8, &[1, 2, 3, 4]);
    array.flush(8, 4).unwrap();
    let mut data = [0; 24];
    data[8..12].copy_from_slice(&[1, 2, 3, 4]);
    assert_eq!(std::fs::read(&path).unwrap(), mmap(3, &[2, 3], &data));
}
