//! Array files that are cut while they are open: a status, never a fault.
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

use std::fs::File;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

use adit_core::array::{Array, ReadOptions};
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Access, Backend, Io, TO_END};
use array_tools::*;
use common::{Folder, disk, go_on, strided};

/// 40 MiB of zeros, mostly holes.
fn large(folder: &Folder) -> PathBuf {
    let bytes = npy("<f4", false, &[10 << 20], &[]);
    let path = folder.file("large.npy", &bytes);
    cut(&path, bytes.len() as u64 + (40 << 20));
    path
}

fn cut(path: &Path, len: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(len).unwrap();
}

#[test]
fn reads_of_a_cut_file_are_a_status() {
    let folder = Folder::new();
    let data = noise(64 << 10);
    for (access, big_endian) in [
        (Access::ReadOnly, false),
        (Access::ReadOnly, true),
        (Access::ReadWrite, false),
        (Access::CopyOnWrite, false),
    ] {
        let dims = [128, 128];
        let bytes = npy(&descr(DType::F32, big_endian), false, &dims, &data);
        for len in [0, 100, 128, 129, 5000, bytes.len() as u64 - 1] {
            let path = folder.file("a.npy", &bytes);
            let array = open_as(&path, access).unwrap();
            cut(&path, len);
            for io in [Io::Read, Io::Auto, Io::Map] {
                for dtype in [None, Some(DType::F64)] {
                    for (start, counts) in [
                        (None, None),
                        (None, Some(&[1, 1][..])),
                        (Some(&[0, 1][..]), Some(&[128, 3])),
                    ] {
                        let options = ReadOptions {
                            start,
                            counts,
                            dtype,
                            io,
                            ..ReadOptions::default()
                        };
                        let mut out = vec![MaybeUninit::uninit(); 128 << 10];
                        let error = array.read(&options, &mut out).unwrap_err();
                        assert_eq!(error.kind(), Kind::Truncated, "{error}");
                        assert!(error.to_string().contains("a.npy"), "{error}");
                    }
                }
            }
            let target = folder.join("b.npy");
            let saved = array.save_as(&disk(), &target, None, false, &mut go_on);
            assert_eq!(saved.unwrap_err().kind(), Kind::Truncated);
            assert!(!target.exists());
            // It stays so, though the file has its length again.
            cut(&path, bytes.len() as u64);
            let mut out = vec![MaybeUninit::uninit(); 128 << 10];
            let error = array.read(&ReadOptions::default(), &mut out).unwrap_err();
            assert_eq!(error.kind(), Kind::Truncated);
            drop(array);
            std::fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn a_heap_copy_does_not_care() {
    let folder = Folder::new();
    let data = noise(4096);
    let path = folder.file("a.npy", &npy("<f4", false, &[1024], &data));
    let mut options = options(Access::ReadOnly);
    options.data.backend = Backend::Read;
    let array = Array::open(&path, &options).unwrap();
    cut(&path, 10);
    assert_eq!(all(&array), data);
    let saved = folder.join("b.npy");
    array
        .save_as(&disk(), &saved, None, false, &mut go_on)
        .unwrap();
    assert_eq!(all(&open(&saved).unwrap()), data);
}

#[test]
fn a_file_cut_while_it_is_saved_is_a_status() {
    let folder = Folder::new();
    let target = folder.join("copy.npy");
    for at in [0, 16 << 20] {
        for left in [0, 4096, 17 << 20, (40 << 20) + 127] {
            for access in [Access::ReadOnly, Access::CopyOnWrite] {
                let path = large(&folder);
                let array = open_as(&path, access).unwrap();
                let saved = array.save_as(&disk(), &target, None, false, &mut |done, _| {
                    if done == at {
                        cut(&path, left);
                    }
                    true
                });
                let error = saved.unwrap_err();
                assert_eq!(error.kind(), Kind::Truncated, "{error}");
                assert_eq!(folder.names(), ["large.npy"]);
                std::fs::remove_file(&path).unwrap();
            }
        }
    }
}

#[test]
fn a_cut_file_gets_no_rows_and_no_new_file() {
    let folder = Folder::new();
    let data = noise(99 * 400);
    let rows = strided(&data, DType::F32, &[1, 100], &[100, 1]).unwrap();
    for tight in [false, true] {
        let dims = [99, 100];
        let bytes = match tight {
            false => npy("<f4", false, &dims, &data),
            true => tight_npy("<f4", &dims, &data),
        };
        for len in [50, 4096, bytes.len() as u64 - 1] {
            let path = folder.file("a.npy", &bytes);
            let mut array = open_as(&path, Access::ReadWrite).unwrap();
            cut(&path, len);
            let error = array.append_rows(&rows).unwrap_err();
            assert_eq!(error.kind(), Kind::Truncated, "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), bytes[..len as usize]);
            assert_eq!(folder.names(), ["a.npy"]);
            drop(array);
            std::fs::remove_file(&path).unwrap();
        }
    }
}

/// The system drops what was written to pages that are gone; a flush neither faults on them nor says
/// that they are safe.
#[test]
fn a_flush_of_a_cut_file_is_a_status() {
    let folder = Folder::new();
    let path = folder.file("a.npy", &npy("<f4", false, &[1 << 14], &noise(1 << 16)));
    let array = open_as(&path, Access::ReadWrite).unwrap();
    // SAFETY: the elements' bytes are writable, and nobody uses them meanwhile.
    unsafe { array.as_mut_ptr().unwrap().write(1) };
    cut(&path, 5000);
    for (offset, len) in [(0, TO_END), (0, 1), (1 << 15, 4096)] {
        let error = array.flush(offset, len).unwrap_err();
        assert_eq!(error.kind(), Kind::Truncated, "{error}");
        assert!(error.to_string().contains("a.npy"), "{error}");
    }
}
