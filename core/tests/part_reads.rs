//! Reading parts of tensors: every way gives the same, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod part_tools;

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::kernel::{Conversion, Overflow, Stores};
use adit_core::map::{Data, DataOptions, Io};
use adit_core::tensor::{Error, Part, PartOptions, ReadError, Shape, Slice};
use common::{Folder, data_of};
use part_tools::*;

#[test]
fn parts_of_other_tensors_are_refused() {
    let bytes = content(4096);
    let own = source(data_of(&bytes), DType::F32, &[4, 8]);
    let good = own.part(&Slice::default()).unwrap();
    let mut out = [MaybeUninit::uninit(); 4096];
    for part in [
        Part { offset: 0, ..good },
        Part {
            offset: u64::MAX,
            ..good
        },
        Part { runs: 2, ..good },
        Part {
            run_bytes: 64,
            ..good
        },
        Part {
            dtype: DType::F64,
            ..good
        },
        Part {
            run_bytes: 64,
            runs: 2,
            stride: 1,
            ..good
        },
        Part {
            run_bytes: 64,
            runs: 2,
            stride: u64::MAX,
            ..good
        },
        Part {
            shape: Shape::new(&[4, 9]).unwrap(),
            ..good
        },
    ] {
        let refused = own.read(&part, &PartOptions::default(), &mut out);
        assert!(
            matches!(refused, Err(ReadError::Tensor(Error::OtherPart))),
            "{part:?}: {refused:?}"
        );
    }
    let refused = own.read(&good, &PartOptions::default(), &mut out[..127]);
    let Err(ReadError::Tensor(error)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        error,
        Error::SmallBuffer {
            needed: 128,
            given: 127
        }
    );
    assert_eq!(error.kind(), Kind::OutOfRange);
    let to = PartOptions {
        dtype: Some(DType::Q8_0),
        ..PartOptions::default()
    };
    let refused = own.read(&good, &to, &mut out).unwrap_err();
    assert_eq!(refused.kind(), Kind::DType);
    assert_eq!(refused.to_string(), "no conversion from f32 to q8_0");
    assert!(good.bytes_as(DType::Q8_0).is_err());
}

/// Every way to read, of parts of every kind: short runs near and far from each other, long ones.
#[test]
fn every_way_gives_the_same() {
    let folder = Folder::new();
    let shapes: [(DType, [i64; 2], Range<u64>); 6] = [
        (DType::F32, [600, 700], 3..11),
        (DType::F32, [300, 5000], 4000..4100),
        (DType::BF16, [40, 100_000], 1000..60_000),
        (DType::F16, [3, 400_001], 1..400_001),
        (DType::Q8_0, [200, 4096], 1024..3072),
        (DType::Q4_0, [16, 64_000], 32..63_968),
    ];
    for (number, (dtype, dims, columns)) in shapes.into_iter().enumerate() {
        let total = Shape::new(&dims).unwrap().bytes(dtype).unwrap() as usize;
        let mut bytes = content(BEFORE + total + BEHIND);
        // Without NaNs of many kinds: the exponents' top bits off.
        bytes.iter_mut().for_each(|byte| *byte &= 0xbf);
        let path = folder.file(&format!("{number}"), &bytes);
        let source = source(
            Arc::new(Data::open(&path, &DataOptions::default()).unwrap()),
            dtype,
            &dims,
        );
        let slices = [
            Slice::default(),
            Slice {
                rows: Some(1..dims[0] as u64),
                columns: None,
            },
            Slice {
                rows: Some(1..dims[0] as u64 - 1),
                columns: Some(columns),
            },
        ];
        for slice in slices {
            let part = source.part(&slice).unwrap();
            let mut dense = Vec::new();
            for run in 0..part.runs {
                let at = (part.offset + run * part.stride) as usize;
                dense.extend_from_slice(&bytes[at..][..part.run_bytes as usize]);
            }
            let converted = |to: DType| {
                let conversion = Conversion::new(dtype, to, Overflow::Plain).unwrap();
                let count = dense.len() / dtype.block_bytes() as usize;
                let mut out = vec![0u8; count * conversion.bytes_out()];
                // SAFETY: `count` elements or blocks on both sides.
                unsafe {
                    conversion.run(dense.as_ptr(), out.as_mut_ptr(), count, Stores::Cached);
                }
                out
            };
            for to in [dtype, DType::F32, DType::BF16, DType::F64] {
                let expected = match to == dtype {
                    true => dense.clone(),
                    false => converted(to),
                };
                for io in [Io::Auto, Io::Map, Io::Read] {
                    let options = PartOptions {
                        dtype: Some(to),
                        io,
                        ..PartOptions::default()
                    };
                    let (done, out) = read(&source, &part, &options);
                    assert_eq!(done.dtype, to);
                    assert!(out == expected, "{dtype:?} {slice:?} to {to:?} by {io:?}");
                }
            }
        }
    }
}

#[test]
fn a_cut_file_is_an_error() {
    let folder = Folder::new();
    let bytes = content(BEFORE + 1_000_000);
    let path = folder.file("cut", &bytes);
    let data = Arc::new(Data::open(&path, &DataOptions::default()).unwrap());
    let source = source(data, DType::F32, &[500, 500]);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(500_000).unwrap();
    let mut out = vec![MaybeUninit::uninit(); 2_000_000];
    for to in [DType::F32, DType::F64] {
        for columns in [None, Some(0..100)] {
            let slice = Slice {
                rows: None,
                columns,
            };
            let part = source.part(&slice).unwrap();
            for io in [Io::Auto, Io::Read] {
                let options = PartOptions {
                    dtype: Some(to),
                    io,
                    ..PartOptions::default()
                };
                let error = source.read(&part, &options, &mut out).unwrap_err();
                assert_eq!(error.kind(), Kind::Truncated, "{error}");
                assert_eq!(error.place().path.as_deref(), Some(path.as_path()));
            }
        }
    }
}
