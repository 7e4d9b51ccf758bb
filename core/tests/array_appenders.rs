//! Who may append to a file, and for how long: locks, forks, links, bytes that are shared.
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

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use adit_core::array::{Array, Creation};
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Access, Data, DataOptions, TO_END};
use adit_core::tensor::Shape;
use array_tools::faulty::FaultyDisk;
use array_tools::rows::*;
use array_tools::*;
use common::{Folder, disk};

type Make = fn(&Folder) -> PathBuf;

fn opened(disk: &FaultyDisk, path: &Path) -> Array {
    Array::open_in(&disk.storage(), path, &options(Access::ReadWrite)).unwrap()
}

fn inode(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().ino()
}

#[test]
fn a_closed_array_keeps_nobody_out_though_its_bytes_live_on() {
    let folder = Folder::new();
    for make in [sample as Make, tight] {
        let path = make(&folder);
        let mut array = writable(&path);
        append(&mut array, 1).unwrap();
        let bytes = Arc::clone(array.data());
        drop(array);
        append(&mut writable(&path), 1).unwrap();
        check(&path, ROWS + 2);
        assert_eq!(bytes.len() as usize % 64, (ROWS + 1) * ROW % 64);
    }
}

/// A process that has forked workers closes its arrays as any other.
#[test]
fn a_closed_array_keeps_nobody_out_though_a_child_lives_on() {
    let folder = Folder::new();
    for make in [sample as Make, tight] {
        let path = make(&folder);
        let mut array = writable(&path);
        append(&mut array, 1).unwrap();
        let (mut read, write) = std::io::pipe().unwrap();
        // SAFETY: the child waits and ends by _exit.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            drop(write);
            let _ = read.read(&mut [0]);
            // SAFETY: ends the child at once, with none of the parent's destructors.
            unsafe { libc::_exit(0) };
        }
        drop(array);
        let appended = append(&mut writable(&path), 1);
        drop(write);
        // SAFETY: waits for the child just forked; nobody wants its status.
        let waited = unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        assert_eq!(waited, child);
        appended.unwrap();
        check(&path, ROWS + 2);
    }
}

#[test]
fn a_child_may_not_append() {
    let folder = Folder::new();
    for started in [false, true] {
        let path = sample(&folder);
        let mut array = writable(&path);
        if started {
            append(&mut array, 1).unwrap();
        }
        let rows = array.dims()[0] as usize;
        let mut own = Some(array);
        let status = in_child(|| {
            let mut array = own.take().unwrap();
            let error = refused(&mut array);
            let told = error.kind() == Kind::Forked && error.to_string().contains("a.npy");
            // The lock stays the parent's.
            drop(array);
            let others = append(&mut writable(&path), 1).map_err(|error| error.kind());
            told && (!started || others.err() == Some(Kind::Busy))
        });
        assert_eq!(status, 0);
        if started {
            append(own.as_mut().unwrap(), 1).unwrap();
        }
        check(&path, rows + 1);
    }
}

#[test]
fn bytes_that_are_shared_are_written_but_get_no_rows() {
    let folder = Folder::new();
    let path = sample(&folder);
    let mut array = writable(&path);
    let mut second = Array::from_data(Arc::clone(array.data()), None).unwrap();
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let options = DataOptions {
        access: Access::ReadWrite,
        ..DataOptions::default()
    };
    let data = Data::open_descriptor(file.as_raw_fd(), 0, TO_END, &options).unwrap();
    let mut third = Array::from_data(Arc::new(data), None).unwrap();
    for other in [&mut second, &mut third] {
        let error = refused(other);
        assert_eq!(error.kind(), Kind::Unsupported, "{error}");
        assert!(error.to_string().contains("open it by its path"), "{error}");
    }
    append(&mut array, 1).unwrap();
    for other in [&mut second, &mut third] {
        assert_eq!(refused(other).kind(), Kind::Unsupported);
    }
    append(&mut array, 1).unwrap();
    check(&path, ROWS + 2);
    for (number, other) in [&second, &third].into_iter().enumerate() {
        let element = other.as_mut_ptr().unwrap().wrapping_add(number);
        // SAFETY: the elements' bytes are writable, and nobody uses them meanwhile.
        unsafe { element.write(0x42) };
        other.flush(0, TO_END).unwrap();
    }
    assert_eq!(raw(&array)[..2], [0x42, 0x42]);
}

/// Something comes between the look at the file and the lock.
#[test]
fn a_refusal_after_the_lock_gives_it_back() {
    let folder = Folder::new();
    let path = sample(&folder);
    let len = std::fs::metadata(&path).unwrap().len();
    let disk = FaultyDisk::default();
    let mut array = opened(&disk, &path);
    let others = path.clone();
    disk.faults.at_lock.set(move || {
        let mut file = std::fs::File::options().append(true).open(others).unwrap();
        file.write_all(b"!").unwrap();
    });
    assert_eq!(refused(&mut array).kind(), Kind::Unfinished);
    assert_eq!(refused(&mut array).kind(), Kind::Unfinished);
    append(&mut overwriting(&path), 1).unwrap();
    check(&path, ROWS + 1);

    let path = sample(&folder);
    let mut array = opened(&disk, &path);
    let (others, aside) = (path.clone(), folder.join("b.npy"));
    disk.faults.at_lock.set(move || {
        std::fs::copy(&others, &aside).unwrap();
        std::fs::rename(&aside, &others).unwrap();
    });
    let error = refused(&mut array);
    assert!(error.to_string().contains("was replaced"), "{error}");
    append(&mut writable(&path), 1).unwrap();
    check(&path, ROWS + 1);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), len + ROW as u64);
}

/// Somebody's new file comes to the path while the array is copied to a new file of its own.
#[test]
fn a_file_that_comes_while_an_array_is_copied_is_left() {
    let folder = Folder::new();
    let path = tight(&folder);
    let disk = FaultyDisk::default();
    let mut array = opened(&disk, &path);
    let (others, aside) = (path.clone(), folder.join("b.npy"));
    disk.faults.at_region.set(move || {
        std::fs::write(&aside, b"somebody's").unwrap();
        std::fs::rename(&aside, &others).unwrap();
    });
    let error = refused(&mut array);
    assert_eq!(error.kind(), Kind::Busy);
    assert!(error.to_string().contains("was replaced"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"somebody's");
    assert_eq!(folder.names(), ["a.npy"]);
}

#[test]
fn a_failed_array_keeps_nobody_out() {
    const EIO: i32 = 5;
    let folder = Folder::new();
    let path = sample(&folder);
    let disk = FaultyDisk::default();
    let mut array = opened(&disk, &path);
    append(&mut array, 1).unwrap();
    disk.faults.sync.store(EIO, Ordering::Relaxed);
    assert_eq!(refused(&mut array).kind(), Kind::Io);
    append(&mut overwriting(&path), 1).unwrap();
    assert_eq!(refused(&mut array).kind(), Kind::Poisoned);
    check(&path, ROWS + 2);
}

#[test]
fn files_that_nobody_can_tell_apart_get_no_rows() {
    let folder = Folder::new();
    let path = sample(&folder);
    let disk = FaultyDisk::default();
    let mut array = opened(&disk, &path);
    for started in [false, true] {
        if started {
            append(&mut array, 1).unwrap();
        }
        disk.faults.no_ids.store(true, Ordering::Relaxed);
        let error = refused(&mut array);
        assert_eq!(error.kind(), Kind::Unsupported, "{error}");
        let message = error.to_string();
        assert!(message.contains("still stands at its path"), "{message}");
        disk.faults.no_ids.store(false, Ordering::Relaxed);
    }
    check(&path, ROWS + 1);
}

#[test]
fn rows_go_to_the_file_behind_a_link() {
    let folder = Folder::new();
    let link = folder.join("link.npy");
    for (make, anew) in [(sample as Make, false), (tight, true)] {
        let path = make(&folder);
        symlink("a.npy", &link).unwrap();
        let before = inode(&path);
        let mut array = writable(&link);
        append(&mut array, 1).unwrap();
        append(&mut array, 1).unwrap();
        assert_eq!(inode(&path) != before, anew);
        for path in [&path, &link] {
            check(path, ROWS + 2);
        }
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new("a.npy"));
        assert_eq!(folder.names(), ["a.npy", "link.npy"]);
        // Another handle finds the same lock by the other name.
        assert_eq!(refused(&mut writable(&path)).kind(), Kind::Busy);
        // Where the link leads by now doesn't matter.
        std::fs::copy(&path, folder.join("b.npy")).unwrap();
        std::fs::remove_file(&link).unwrap();
        symlink("b.npy", &link).unwrap();
        append(&mut array, 1).unwrap();
        check(&path, ROWS + 3);
        check(&link, ROWS + 2);
        for name in ["a.npy", "b.npy", "link.npy"] {
            std::fs::remove_file(folder.join(name)).unwrap();
        }
    }
}

/// A new file takes the link's place, so it is the one that grows.
#[test]
fn a_file_made_in_place_of_a_link_gets_the_rows() {
    let folder = Folder::new();
    let path = sample(&folder);
    let link = folder.join("link.npy");
    symlink("a.npy", &link).unwrap();
    let shape = Shape::new(&[0, 2]).unwrap();
    let how = Creation::default();
    let mut array = Array::create(&disk(), &link, &how, DType::F32, shape).unwrap();
    append(&mut array, 3).unwrap();
    assert!(std::fs::read_link(&link).is_err());
    check(&link, 3);
    check(&path, ROWS);
}

/// As a file in memory that is passed on by its descriptor.
#[test]
fn a_file_without_a_name_of_its_own_grows_by_its_descriptors() {
    let folder = Folder::new();
    let path = sample(&folder);
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let mut array = writable(&path);
    append(&mut array, 1).unwrap();
    append(&mut array, 1).unwrap();
    check(&path, ROWS + 2);
}
