//! Records gathered as elements of another dtype.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(missing_docs, reason = "tests")]

mod common;

use std::mem::MaybeUninit;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{DataOptions, Io};
use adit_core::record::{Error, GatherOptions, Gathered, Result, RrecReader};
use common::{Folder, Pair, Tensor, encode, in_any_format};
use half::f16;

const IOS: [Io; 3] = [Io::Auto, Io::Map, Io::Read];

fn value(record: usize, element: usize) -> f32 {
    (record as f32 - 20.0) * 8.0 + (element % 1021) as f32 * 0.25
}

/// Inputs of f16, targets of f32, all exact in both.
fn records(count: usize, dims: &[i64]) -> Vec<Pair> {
    let elements = dims.iter().product::<i64>() as usize;
    let pair = |record: usize| {
        let values: Vec<f32> = (0..elements)
            .map(|element| value(record, element))
            .collect();
        let halves = values
            .iter()
            .flat_map(|&value| f16::from_f32(value).to_le_bytes());
        [
            Tensor::new(DType::F16, dims, halves.collect()),
            Tensor::f32(dims, &values),
        ]
    };
    (0..count).map(pair).collect()
}

fn open(folder: &Folder, records: &[Pair]) -> RrecReader {
    let path = folder.file("set.rrec", &encode(records));
    RrecReader::open(&path, &DataOptions::default()).unwrap()
}

/// Gathers to a buffer of `room` bytes, beyond which nothing may be written.
fn gather_as(
    reader: &RrecReader,
    field: usize,
    indices: &[u64],
    room: usize,
    dtype: DType,
    io: Io,
) -> Result<(Gathered, Vec<u8>)> {
    let mut out = vec![MaybeUninit::new(0xA5u8); room + 16];
    let how = GatherOptions {
        io,
        dtype: Some(dtype),
        ..GatherOptions::default()
    };
    let reader = in_any_format(reader)?;
    let gathered = reader.gather(field, indices, &mut out[..room], &how)?;
    // SAFETY: every byte was initialised when `out` was made.
    let bytes = out.iter().map(|byte| unsafe { byte.assume_init() });
    let mut bytes: Vec<u8> = bytes.collect();
    let beyond = bytes.split_off(gathered.bytes as usize);
    assert!(beyond.iter().all(|&byte| byte == 0xA5));
    Ok((gathered, bytes))
}

fn expected(indices: &[u64], elements: usize, bytes: impl Fn(f32) -> Vec<u8>) -> Vec<u8> {
    let values = indices.iter().flat_map(|&index| {
        let record = index as usize;
        (0..elements).map(move |element| value(record, element))
    });
    values.flat_map(bytes).collect()
}

#[test]
fn fields_come_converted_by_every_io() {
    for dims in [&[3][..], &[7, 5], &[31, 41], &[6144], &[5, 8_001]] {
        let elements = dims.iter().product::<i64>() as usize;
        let folder = Folder::new();
        let reader = open(&folder, &records(41, dims));
        // More than are worked on together, with repeats.
        let indices: Vec<u64> = (0..70).map(|number| number * 17 % 41).collect();
        for io in IOS {
            let cases = [
                (
                    0,
                    DType::F32,
                    4,
                    expected(&indices, elements, |v| v.to_le_bytes().into()),
                ),
                (
                    0,
                    DType::F64,
                    8,
                    expected(&indices, elements, |v| f64::from(v).to_le_bytes().into()),
                ),
                (
                    1,
                    DType::F16,
                    2,
                    expected(&indices, elements, |v| {
                        f16::from_f32(v).to_le_bytes().into()
                    }),
                ),
                (
                    1,
                    DType::I32,
                    4,
                    expected(&indices, elements, |v| (v as i32).to_le_bytes().into()),
                ),
                (
                    0,
                    DType::F16,
                    2,
                    expected(&indices, elements, |v| {
                        f16::from_f32(v).to_le_bytes().into()
                    }),
                ),
            ];
            for (field, dtype, size, expected) in cases {
                let room = indices.len() * elements * size;
                let what = (dims, io, field, dtype);
                let (found, bytes) = gather_as(&reader, field, &indices, room, dtype, io).unwrap();
                assert_eq!(found.dtype, Some(dtype), "{what:?}");
                assert_eq!(found.bytes, room as u64, "{what:?}");
                assert_eq!(found.shape.dims(), [&[indices.len() as i64], dims].concat());
                assert!(bytes == expected, "{what:?}");
                let error = gather_as(&reader, field, &indices, room - 1, dtype, io).unwrap_err();
                let Error::SmallBuffer { needed, given } = error else {
                    panic!("{error}");
                };
                assert_eq!((needed, given), (room as u64, room as u64 - 1), "{what:?}");
            }
        }
    }
}

#[test]
fn a_pair_without_sense_is_refused() {
    let folder = Folder::new();
    let reader = open(&folder, &records(3, &[4]));
    for io in IOS {
        let error = gather_as(&reader, 0, &[2, 0], 1 << 10, DType::Q4_0, io).unwrap_err();
        assert_eq!(error.kind(), Kind::DType, "{error}");
        assert_eq!(error.place().index, Some(2));
        assert_eq!(error.place().path, Some(folder.join("set.rrec")));
        let told = error.to_string();
        assert!(told.contains("f16") && told.contains("q4_0"), "{told}");
    }
}

#[test]
fn nothing_gathered_has_the_dtype_asked_for() {
    let folder = Folder::new();
    let reader = open(&folder, &records(3, &[4]));
    let empty = open(&Folder::new(), &[]);
    for io in IOS {
        let (found, _) = gather_as(&reader, 0, &[], 0, DType::F32, io).unwrap();
        assert_eq!((found.dtype, found.bytes), (Some(DType::F32), 0));
        assert_eq!(found.shape.dims(), [0, 4]);
        let (found, _) = gather_as(&empty, 0, &[], 0, DType::F32, io).unwrap();
        assert_eq!((found.dtype, found.bytes), (Some(DType::F32), 0));
    }
    // Records of no elements, however many.
    let reader = open(&folder, &records(3, &[0, 9]));
    for io in IOS {
        let (found, _) = gather_as(&reader, 0, &[1, 1, 2], 0, DType::F64, io).unwrap();
        assert_eq!(found.shape.dims(), [3, 0, 9]);
        assert_eq!((found.dtype, found.bytes), (Some(DType::F64), 0));
    }
}
