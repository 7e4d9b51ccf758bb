//! Parts of an array that are asked for: by half, where nothing is, to buffers that are too small.
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

use std::mem::MaybeUninit;

use adit_core::array::ReadOptions;
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::Io;
use array_tools::*;
use common::Folder;

#[test]
fn parts_that_are_not_there() {
    let array = from_bytes(&npy("<f4", false, &[3, 4], &noise(48))).unwrap();
    for (start, counts) in [
        (&[0, 0][..], &[3, 5][..]),
        (&[1, 0], &[3, 4]),
        (&[4, 0], &[0, 4]),
        (&[0, 5], &[3, 0]),
        (&[-1, 0], &[1, 1]),
        (&[0, 0], &[-1, 4]),
        (&[1, 0], &[-1, 4]),
        (&[i64::MAX, 0], &[1, 1]),
        (&[1, 0], &[i64::MAX, 1]),
        (&[i64::MAX, 0], &[i64::MAX, 1]),
        (&[i64::MIN, 0], &[i64::MIN, 1]),
        (&[0], &[3]),
        (&[0, 0, 0], &[1, 1, 1]),
        (&[0, 0], &[3]),
        (&[0], &[3, 4]),
        (&[], &[]),
    ] {
        for io in [Io::Map, Io::Read] {
            let options = ReadOptions {
                start: Some(start),
                counts: Some(counts),
                io,
                ..ReadOptions::default()
            };
            let mut out = [MaybeUninit::new(0xAAu8); 256];
            let error = array.read(&options, &mut out).unwrap_err();
            assert_eq!(
                error.kind(),
                Kind::OutOfRange,
                "{start:?} {counts:?} {error}"
            );
        }
    }
    // At the very end there is nothing, but it is there.
    for (start, counts) in [([3, 0], [0, 4]), ([0, 4], [3, 0]), ([3, 4], [0, 0])] {
        let options = ReadOptions {
            start: Some(&start),
            counts: Some(&counts),
            ..ReadOptions::default()
        };
        assert!(read(&array, &options).unwrap().is_empty());
    }
}

#[test]
fn a_part_given_by_half() {
    let array = from_bytes(&npy("|u1", false, &[3, 4], &noise(12))).unwrap();
    let all = noise(12);
    let read = |start, counts| {
        read(
            &array,
            &ReadOptions {
                start,
                counts,
                ..ReadOptions::default()
            },
        )
    };
    let first_columns: Vec<u8> = all.chunks(4).flat_map(|row| &row[..2]).copied().collect();
    assert_eq!(read(None, Some(&[3, 2])).unwrap(), first_columns);
    let mut out = [MaybeUninit::new(0u8); 12];
    for (start, dims) in [([1, 2], [2, 2]), ([0, 0], [3, 4]), ([3, 1], [0, 3])] {
        let options = ReadOptions {
            start: Some(&start),
            ..ReadOptions::default()
        };
        let copied = array.read(&options, &mut out).unwrap();
        assert_eq!((copied.dtype, &copied.dims[..]), (DType::U8, &dims[..]));
        let expected = part_of(&all, 1, &[4, 1], &start, &dims);
        assert_eq!(copied.bytes as usize, expected.len());
        // SAFETY: all bytes were initialised when `out` was made.
        let found = out.map(|byte| unsafe { byte.assume_init() });
        assert_eq!(found[..expected.len()], expected);
    }
    for start in [
        &[4, 0][..],
        &[0, -1],
        &[i64::MIN, 0],
        &[i64::MAX, 0],
        &[1],
        &[0, 0, 0],
    ] {
        let options = ReadOptions {
            start: Some(start),
            ..ReadOptions::default()
        };
        let error = array.read(&options, &mut out).unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfRange, "{start:?} {error}");
    }
}

#[test]
fn buffers_of_the_wrong_size() {
    let folder = Folder::new();
    let path = folder.file("a.npy", &npy("<f4", false, &[3, 4], &noise(48)));
    let array = open(&path).unwrap();
    for (dtype, needed) in [(None, 24), (Some(DType::F64), 48), (Some(DType::U8), 6)] {
        for io in [Io::Map, Io::Read] {
            let options = ReadOptions {
                start: Some(&[1, 1]),
                counts: Some(&[2, 3]),
                dtype,
                io,
                ..ReadOptions::default()
            };
            for given in [0, 1, needed - 1] {
                let mut out = vec![MaybeUninit::new(0xAAu8); given];
                let error = array.read(&options, &mut out).unwrap_err();
                assert_eq!(error.kind(), Kind::OutOfRange, "{error}");
                assert!(
                    error.to_string().contains(&format!("{needed} bytes")),
                    "{error}"
                );
                // SAFETY: all bytes were initialised when `out` was made.
                let touched = out.iter().any(|byte| unsafe { byte.assume_init() } != 0xAA);
                assert!(!touched);
            }
            let mut out = vec![MaybeUninit::uninit(); needed];
            assert_eq!(array.read(&options, &mut out).unwrap().bytes, needed as u64);
        }
    }
    let empty = from_bytes(&npy("<f4", false, &[0, 4], &[])).unwrap();
    let copied = empty.read(&ReadOptions::default(), &mut []).unwrap();
    assert_eq!((copied.bytes, &copied.dims[..]), (0, &[0, 4][..]));
}
