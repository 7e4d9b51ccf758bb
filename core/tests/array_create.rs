//! New arrays on the disk: what stands there afterwards, and what doesn't where it can't.
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

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use adit_core::array::{Array, Creation, Error, Format, Result};
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Access, TO_END};
use adit_core::tensor::Shape;
use array_tools::faulty::FaultyDisk;
use array_tools::*;
use common::{Folder, disk, go_on, strided};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

fn create(path: &Path, how: &Creation, dtype: DType, dims: &[i64]) -> Result<Array> {
    Array::create(&disk(), path, how, dtype, Shape::new(dims).unwrap())
}

const FORTRAN: Creation = Creation {
    format: Format::Npy,
    fortran_order: true,
    no_replace: false,
};

const NEW: Creation = Creation {
    format: Format::Npy,
    fortran_order: false,
    no_replace: true,
};

#[test]
fn zeros_with_all_their_space() {
    let folder = Folder::new();
    let path = folder.join("a.npy");
    let how = Creation::default();
    let array = create(&path, &how, DType::F64, &[1000, 1000]).unwrap();
    let meta = std::fs::metadata(&path).unwrap();
    assert_eq!(meta.len(), 128 + 8_000_000);
    assert!(
        meta.blocks() * 512 >= meta.len(),
        "{} blocks",
        meta.blocks()
    );
    assert!(raw(&array).iter().all(|&byte| byte == 0));
    assert_eq!(array.data().access(), Access::ReadWrite);
    assert_eq!(
        (array.dtype(), array.dims()),
        (DType::F64, &[1000, 1000][..])
    );
    // SAFETY: the elements' bytes are writable, and nobody uses them meanwhile.
    unsafe { array.as_mut_ptr().unwrap().write_bytes(0x3F, 8) };
    array.flush(0, 8).unwrap();
    assert_eq!(
        all(&open(&path).unwrap())[..9],
        [63, 63, 63, 63, 63, 63, 63, 63, 0]
    );
    assert_eq!(folder.names(), ["a.npy"]);
}

#[test]
fn shapes_and_orders() {
    let folder = Folder::new();
    let path = folder.join("a.npy");
    for dims in [
        &[][..],
        &[0],
        &[7],
        &[3, 0, 2],
        &[2, 3, 4],
        &[1; 8],
        &[1, 5, 1],
    ] {
        for fortran_order in [false, true] {
            for dtype in plain_dtypes() {
                let how = if fortran_order {
                    FORTRAN
                } else {
                    Creation::default()
                };
                let array = create(&path, &how, dtype, dims).unwrap();
                assert_eq!((array.dtype(), array.dims()), (dtype, dims));
                assert_eq!(array.fortran_order(), fortran_order);
                let zeros = vec![0; dims.iter().product::<i64>() as usize * size_of(dtype)];
                let expected = npy(&descr(dtype, false), fortran_order, dims, &zeros);
                assert_eq!(std::fs::read(&path).unwrap(), expected);
                assert_eq!(array.as_mut_ptr().unwrap().is_null(), zeros.is_empty());
                array.flush(0, TO_END).unwrap();
            }
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = Folder::new();
    let path = folder.join("a.npy");
    let how = Creation::default();
    for dims in [
        &[i64::MAX][..],
        &[1 << 32, 1 << 32],
        &[i64::MAX, 2],
        &[1 << 61],
    ] {
        let error = create(&path, &how, DType::F32, dims).unwrap_err();
        assert_eq!(error.kind(), Kind::Shape, "{error}");
        assert!(error.to_string().contains("a.npy"), "{error}");
    }
    // It has a size, but no file system and no memory has room for it.
    for dims in [&[i64::MAX][..], &[i64::MAX - 128], &[1 << 55]] {
        let error = create(&path, &how, DType::U8, dims).unwrap_err();
        let kind = error.kind();
        assert!(matches!(kind, Kind::NoSpace | Kind::OutOfMemory), "{error}");
    }
    // Nothing, of any size.
    let array = create(&path, &how, DType::F64, &[i64::MAX, 0, i64::MAX]).unwrap();
    assert!(array.region().is_empty());
    std::fs::remove_file(&path).unwrap();
    for (bad, kind) in [
        (folder.join("none").join("a.npy"), Kind::NotFound),
        (folder.path().to_owned(), Kind::NotAFile),
        (folder.join(".."), Kind::InvalidArgument),
    ] {
        let error = create(&bad, &how, DType::F32, &[2]).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    assert!(folder.names().is_empty());
}

#[test]
fn a_file_that_stands_there() {
    let folder = Folder::new();
    let path = folder.file("a.npy", b"old");
    let bytes = [1, 2];
    let view = strided(&bytes, DType::U8, &[2], &[1]).unwrap();
    let refused = [
        create(&path, &NEW, DType::U8, &[2]).unwrap_err(),
        Array::create_from(&disk(), &path, &NEW, &view, &mut go_on).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), Kind::Exists, "{error}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    let array = create(&path, &Creation::default(), DType::U8, &[2]).unwrap();
    assert_eq!(raw(&array), [0, 0]);
    let how = Creation::default();
    let newer = Array::create_from(&disk(), &path, &how, &view, &mut go_on).unwrap();
    assert_eq!((raw(&array), raw(&newer)), (vec![0, 0], vec![1, 2]));
    let other = folder.join("b.npy");
    create(&other, &NEW, DType::U8, &[2]).unwrap();
    assert_eq!(folder.names(), ["a.npy", "b.npy"]);
}

#[test]
fn a_disk_that_fails_leaves_nothing() {
    let folder = Folder::new();
    let path = folder.join("a.npy");
    let bytes = noise(24);
    let view = strided(&bytes, DType::F32, &[2, 3], &[3, 1]).unwrap();
    let source = from_bytes(&npy("<f4", false, &[2, 3], &bytes)).unwrap();
    for old in [None, Some(b"old")] {
        for (errno, kind) in [(ENOSPC, Kind::NoSpace), (EIO, Kind::Io)] {
            for call in 0..4 {
                let faulty = FaultyDisk::default();
                let faults = &faulty.faults;
                let fault = [&faults.allocate, &faults.write, &faults.sync, &faults.map][call];
                fault.store(errno, Ordering::Relaxed);
                if let Some(old) = old {
                    std::fs::write(&path, old).unwrap();
                }
                let storage = faulty.storage();
                let how = Creation::default();
                let mut results = vec![
                    Array::create(&storage, &path, &how, DType::F32, view.shape()).map(|_| ()),
                    Array::create_from(&storage, &path, &how, &view, &mut go_on).map(|_| ()),
                ];
                if call < 3 {
                    results.push(source.save_as(&storage, &path, None, false, &mut go_on));
                }
                for result in results {
                    let error = result.unwrap_err();
                    assert_eq!((error.kind(), error.os_code()), (kind, errno), "{error}");
                    assert_eq!(
                        std::fs::read(&path).ok().as_deref(),
                        old.map(|old| &old[..])
                    );
                    assert_eq!(folder.names().len(), usize::from(old.is_some()));
                }
            }
        }
    }
    let faulty = FaultyDisk::default();
    faulty.faults.sync_folder.store(EIO, Ordering::Relaxed);
    let shape = view.shape();
    let how = Creation::default();
    let made = Array::create(&faulty.storage(), &path, &how, DType::F32, shape);
    let error = made.unwrap_err();
    assert_eq!(error.kind(), Kind::NotDurable, "{error}");
    assert_eq!(open(&path).unwrap().dims(), [2, 3]);
}

/// A limit on the size of files, in a child: what is past it is refused by the system itself.
#[test]
fn a_file_past_the_limit_leaves_nothing() {
    let folder = Folder::new();
    let path = folder.join("a.npy");
    let status = in_child(|| {
        let limit = libc::rlimit {
            rlim_cur: 1 << 20,
            rlim_max: 1 << 20,
        };
        // SAFETY: the child alone ignores the signal, which would end it.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        // SAFETY: the limit is the child's alone, and `limit` lives through the call.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) };
        let refused = create(&path, &Creation::default(), DType::U8, &[2 << 20]);
        let kind = refused.map_err(|error| error.kind()).err();
        let fits = create(&folder.join("b.npy"), &NEW, DType::U8, &[1 << 19]).is_ok();
        set == 0 && kind == Some(Kind::NoSpace) && fits
    });
    assert_eq!(status, 0);
    assert_eq!(folder.names(), ["b.npy"]);
}

#[test]
fn copies_of_any_strides() {
    let folder = Folder::new();
    let path = folder.join("a.npy");
    let views: [(&[i64], &[i64]); 10] = [
        (&[4, 6], &[6, 1]),
        (&[6, 4], &[1, 6]),
        (&[4, 3], &[6, 2]),
        (&[3, 5], &[0, 1]),
        (&[3, 5], &[1, 0]),
        (&[2, 3], &[0, 0]),
        (&[2, 3, 4], &[1, 8, 2]),
        (&[2, 0, 4], &[5, 5, 5]),
        (&[], &[]),
        (&[1, 6, 1, 2], &[99, 2, 99, 1]),
    ];
    for dtype in plain_dtypes() {
        let size = size_of(dtype);
        let bytes = Chance::new(size as u64).bytes(30 * size);
        for (dims, view_strides) in views {
            let view = strided(&bytes, dtype, dims, view_strides).unwrap();
            let start = vec![0; dims.len()];
            let expected = part_of(&bytes, size, view_strides, &start, dims);
            for how in [Creation::default(), FORTRAN] {
                let made = Array::create_from(&disk(), &path, &how, &view, &mut go_on).unwrap();
                assert_eq!(all(&made), expected, "{dtype:?} {dims:?} {view_strides:?}");
                assert_eq!(made.fortran_order(), how.fortran_order);
                let order = strides(dims, how.fortran_order);
                assert_eq!(part_of(&raw(&made), size, &order, &start, dims), expected);
                let file = npy(&descr(dtype, false), how.fortran_order, dims, &raw(&made));
                assert_eq!(std::fs::read(&path).unwrap(), file);
            }
        }
    }
}

#[test]
fn large_copies_in_either_order() {
    let folder = Folder::new();
    let path = folder.join("a.npy");
    let dims = [1100, 1300];
    let bytes = noise(1100 * 1300 * 4);
    for view_strides in [[1300, 1], [1, 1100]] {
        let view = strided(&bytes, DType::F32, &dims, &view_strides).unwrap();
        for how in [Creation::default(), FORTRAN] {
            let mut told = Vec::new();
            let made = Array::create_from(&disk(), &path, &how, &view, &mut |done, total| {
                told.push((done, total));
                true
            });
            let made = made.unwrap();
            let order = strides(&dims, how.fortran_order);
            let file = raw(&made);
            for (i, j) in [(0, 0), (1099, 1299), (0, 1299), (1099, 0), (517, 1011)] {
                let at = |strides: &[i64]| ((i * strides[0] + j * strides[1]) * 4) as usize;
                let (found, wanted) = (at(&order), at(&view_strides));
                assert_eq!(file[found..found + 4], bytes[wanted..wanted + 4]);
            }
            let is_same = view_strides.as_slice() == order;
            assert!(!is_same || file == bytes);
            assert!(is_same || file == transposed(&bytes, view_strides));
            let total = bytes.len() as u64;
            assert!(told.is_sorted() && told.len() > 2, "{told:?}");
            assert_eq!(
                (told[0], told[told.len() - 1]),
                ((0, total), (total, total))
            );
        }
    }
}

/// The 1100 by 1300 f32s in the other order.
fn transposed(bytes: &[u8], strides: [i64; 2]) -> Vec<u8> {
    let (outer, inner) = match strides {
        [1300, 1] => (1300, 1100),
        _ => (1100, 1300),
    };
    let mut out = Vec::with_capacity(bytes.len());
    for a in 0..outer {
        for b in 0..inner {
            out.extend(&bytes[(b * outer + a) * 4..][..4]);
        }
    }
    out
}

#[test]
fn a_copy_that_is_cancelled_leaves_nothing() {
    let folder = Folder::new();
    let path = folder.join("a.npy");
    let bytes = noise(9 << 20);
    let view = strided(&bytes, DType::U8, &[9 << 20], &[1]).unwrap();
    let source = from_bytes(&npy("|u1", false, &[9 << 20], &bytes)).unwrap();
    for at in 0..3u64 {
        let mut calls = 0;
        let mut stop = |_, _| {
            calls += 1;
            calls <= at
        };
        let how = Creation::default();
        let made = Array::create_from(&disk(), &path, &how, &view, &mut stop);
        let error = made.unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. }), "{error}");
        assert_eq!((error.kind(), calls), (Kind::Cancelled, at + 1));
        assert!(folder.names().is_empty());
    }
    for at in 0..2u64 {
        let mut calls = 0;
        let mut stop = |done, total| {
            assert!(done <= total && total == 9 << 20);
            calls += 1;
            calls <= at
        };
        let saved = source.save_as(&disk(), &path, None, false, &mut stop);
        assert_eq!(saved.unwrap_err().kind(), Kind::Cancelled);
        assert!(folder.names().is_empty());
    }
}
