//! Parts of arrays copied out, against an oracle that follows one index at a time.
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
use std::path::Path;

use adit_core::array::{Array, ReadOptions};
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::kernel::{Conversion, Overflow, Stores};
use adit_core::map::{Access, Backend, Io};
use array_tools::*;
use common::Folder;
use proptest::prelude::*;

/// The array at `path`, mapped and on the heap, for reading and for writing.
fn every_way(path: &Path, dtype: DType) -> Vec<Array> {
    [
        (Backend::Map, Access::ReadOnly),
        (Backend::Read, Access::ReadOnly),
        (Backend::Map, Access::ReadWrite),
        (Backend::Map, Access::CopyOnWrite),
    ]
    .into_iter()
    .map(|(backend, access)| {
        let mut options = options(access);
        options.data.backend = backend;
        options.dtype = Some(dtype);
        Array::open(path, &options).unwrap()
    })
    .collect()
}

/// What a part should be as another dtype: elements gathered one by one, swapped, then converted by
/// the kernel, whose own tests say that it is right.
fn expected(
    file: &[u8],
    dtype: DType,
    strides: &[i64],
    (start, counts): (&[i64], &[i64]),
    is_swapped: bool,
    to: DType,
) -> Vec<u8> {
    let mut part = part_of(file, size_of(dtype), strides, start, counts);
    if is_swapped {
        part = swapped(&part, dtype);
    }
    if to == dtype {
        return part;
    }
    let count = part.len() / size_of(dtype);
    let mut out = vec![0; count * size_of(to)];
    let conversion = Conversion::new(dtype, to, Overflow::Plain).unwrap();
    // SAFETY: both buffers have `count` elements of their dtypes.
    unsafe { conversion.run(part.as_ptr(), out.as_mut_ptr(), count, Stores::Cached) };
    out
}

/// Checks a part by every way, as every dtype of `to`.
fn check(path: &Path, file: &[u8], dtype: DType, (start, counts): (&[i64], &[i64]), to: &[DType]) {
    for array in every_way(path, dtype) {
        let order = strides(array.dims(), array.fortran_order());
        for &to in to {
            let big_endian = array.big_endian();
            let expected = expected(file, dtype, &order, (start, counts), big_endian, to);
            for io in [Io::Auto, Io::Map, Io::Read] {
                let options = ReadOptions {
                    start: Some(start),
                    counts: Some(counts),
                    dtype: Some(to),
                    io,
                    ..ReadOptions::default()
                };
                let found = read(&array, &options).unwrap();
                let dims = array.dims();
                assert!(
                    found == expected,
                    "{dtype:?} to {to:?}, {start:?} {counts:?} of {dims:?}, {io:?}, {array:?}"
                );
            }
        }
    }
}

/// Which conversions there are from a dtype: itself, and a few of all kinds.
fn targets(dtype: DType) -> Vec<DType> {
    let few = [
        DType::F32,
        DType::F16,
        DType::F64,
        DType::I16,
        DType::U8,
        DType::Complex64,
        DType::Complex128,
    ];
    let possible = |&to: &DType| Conversion::new(dtype, to, Overflow::Plain).is_some();
    let mut targets: Vec<DType> = few.into_iter().filter(possible).collect();
    if !targets.contains(&dtype) {
        targets.push(dtype);
    }
    targets
}

/// A part of an array, and which.
fn part(dims: &[i64], chance: &mut Chance) -> (Vec<i64>, Vec<i64>) {
    dims.iter()
        .map(|&dim| {
            // Whole dimensions and single positions are what programs ask for.
            let count = match chance.up_to(3) {
                0 => dim,
                1 => dim.min(1),
                _ => chance.up_to(dim),
            };
            (chance.up_to(dim - count), count)
        })
        .unzip()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn any_part_of_small_arrays(
        number in 0..18usize,
        dims in prop::collection::vec(0i64..7, 0..=5),
        fortran_order: bool,
        big_endian: bool,
        seed: u64,
    ) {
        let dtype = plain_dtypes().nth(number).unwrap();
        let size = size_of(dtype);
        let big_endian = big_endian && size > 1 && dtype.npy().is_some();
        let mut chance = Chance::new(seed);
        let data = chance.bytes(dims.iter().product::<i64>() as usize * size);
        let folder = Folder::new();
        let bytes = npy(&descr(dtype, big_endian), fortran_order, &dims, &data);
        let path = folder.file("a.npy", &bytes);
        for _ in 0..3 {
            let (start, counts) = part(&dims, &mut chance);
            check(&path, &data, dtype, (&start, &counts), &targets(dtype));
        }
    }
}

#[test]
fn parts_of_arrays_larger_than_a_window() {
    let folder = Folder::new();
    let mut chance = Chance::new(7);
    for (dtype, dims) in [
        (DType::F32, &[421, 669][..]),
        (DType::U8, &[3, 400_003]),
        (DType::U8, &[400_003, 3]),
        (DType::Complex128, &[27, 41, 61]),
        (DType::F16, &[11, 13, 17, 19, 23]),
        (DType::F64, &[140_009]),
    ] {
        let data = noise(dims.iter().product::<i64>() as usize * size_of(dtype));
        for (fortran_order, big_endian) in
            [(false, false), (true, false), (false, true), (true, true)]
        {
            if big_endian && size_of(dtype) == 1 {
                continue;
            }
            let bytes = npy(&descr(dtype, big_endian), fortran_order, dims, &data);
            let path = folder.file("a.npy", &bytes);
            let (start, counts) = part(dims, &mut chance);
            let all_but_edges: (Vec<i64>, Vec<i64>) = dims.iter().map(|&dim| (1, dim - 2)).unzip();
            let whole = vec![0; dims.len()];
            let wide = Conversion::new(dtype, DType::F64, Overflow::Plain).map(|_| DType::F64);
            for (start, counts) in [
                (&start, &counts),
                (&all_but_edges.0, &all_but_edges.1),
                (&whole, &dims.to_vec()),
            ] {
                let mut to = vec![dtype];
                to.extend(wide);
                check_large(&path, &data, dtype, (start, counts), &to);
            }
            std::fs::remove_file(&path).unwrap();
        }
    }
}

/// As [`check`], for files too large for every way: the mapped one for reading.
fn check_large(
    path: &Path,
    file: &[u8],
    dtype: DType,
    (start, counts): (&[i64], &[i64]),
    to: &[DType],
) {
    let array = open(path).unwrap();
    let order = strides(array.dims(), array.fortran_order());
    for &to in to {
        let expected = expected(file, dtype, &order, (start, counts), array.big_endian(), to);
        for io in [Io::Map, Io::Read] {
            let options = ReadOptions {
                start: Some(start),
                counts: Some(counts),
                dtype: Some(to),
                io,
                ..ReadOptions::default()
            };
            let found = read(&array, &options).unwrap();
            assert!(
                found == expected,
                "{dtype:?} to {to:?}, {start:?} {counts:?}, {io:?} of {array:?}"
            );
        }
    }
}

#[test]
fn twelve_dimensions() {
    let folder = Folder::new();
    let dims = [2, 3, 1, 2, 4, 1, 3, 2, 2, 1, 3, 5];
    let mut chance = Chance::new(12);
    for dtype in [DType::U16, DType::F32, DType::Complex64] {
        let data = chance.bytes(dims.iter().product::<i64>() as usize * size_of(dtype));
        for (fortran_order, big_endian) in [(false, false), (true, false), (true, true)] {
            let bytes = npy(&descr(dtype, big_endian), fortran_order, &dims, &data);
            let path = folder.file("a.npy", &bytes);
            assert_eq!(
                open(&path).unwrap().tensor().unwrap_err().kind(),
                Kind::Unsupported
            );
            for _ in 0..4 {
                let (start, counts) = part(&dims, &mut chance);
                check(&path, &data, dtype, (&start, &counts), &targets(dtype));
            }
            check(&path, &data, dtype, (&[0; 12], &dims), &[dtype]);
        }
    }
}

#[test]
fn fixtures_of_either_byte_order_are_the_same_numbers() {
    let mut seen = 0;
    for (path, sidecar) in sidecars("npy") {
        if sidecar["expect"] != "ok" {
            continue;
        }
        let array = open(&path).unwrap();
        let contents = &sidecar["contents"];
        let sum = contents["data_sha256_c_order"].as_str().unwrap();
        let found = all(&array);
        // The sidecar has the file's byte order.
        let in_file_order = match array.big_endian() {
            true => swapped(&found, array.dtype()),
            false => found,
        };
        assert_eq!(sha256(&in_file_order), sum, "{path:?}");
        seen += usize::from(array.big_endian());
    }
    assert_eq!(seen, 8);
}

#[test]
fn conversions_that_make_no_sense() {
    let array = from_bytes(&npy("<c8", false, &[2], &noise(16))).unwrap();
    for asked in [DType::F32, DType::U8, DType::Q8_0, DType::Q4K] {
        let options = ReadOptions {
            dtype: Some(asked),
            ..ReadOptions::default()
        };
        let mut out = [MaybeUninit::new(0xAAu8); 256];
        let error = array.read(&options, &mut out).unwrap_err();
        assert_eq!(error.kind(), Kind::DType, "{error}");
        assert!(error.to_string().contains(asked.name()), "{error}");
    }
    // A size in the file, but no size that a converted copy could have.
    let array = from_bytes(&npy("|u1", false, &[1 << 60, 0], &[])).unwrap();
    let options = ReadOptions {
        dtype: Some(DType::Complex128),
        ..ReadOptions::default()
    };
    assert_eq!(array.read(&options, &mut []).unwrap().bytes, 0);
}

#[test]
fn values_that_do_not_fit() {
    let values = [1.5f32, 70000.0, -1e9, f32::INFINITY];
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let array = from_bytes(&npy("<f4", false, &[4], &bytes)).unwrap();
    let halves = |overflow| {
        let options = ReadOptions {
            dtype: Some(DType::F16),
            overflow,
            ..ReadOptions::default()
        };
        let bytes = read(&array, &options).unwrap();
        bytes
            .chunks(2)
            .map(|half| u16::from_le_bytes([half[0], half[1]]))
            .collect::<Vec<_>>()
    };
    assert_eq!(halves(Overflow::Plain), [0x3E00, 0x7C00, 0xFC00, 0x7C00]);
    assert_eq!(halves(Overflow::Saturate)[..3], [0x3E00, 0x7BFF, 0xFBFF]);
}
