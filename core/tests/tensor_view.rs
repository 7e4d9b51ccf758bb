//! Callers' tensors: what is refused, and that strides are followed to the byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::tensor::{Error, MAX_DIMS, Shape, TensorView};
use common::strided;
use proptest::prelude::*;

fn error(bytes: &[u8], dtype: DType, dims: &[i64], strides: &[i64]) -> Error {
    strided(bytes, dtype, dims, strides).unwrap_err()
}

#[test]
fn what_reaches_outside_is_refused() {
    let bytes = [0; 40];
    for (dims, strides, needed) in [
        (&[11][..], &[1][..], 44),
        (&[2, 3], &[8, 1], 44),
        (&[6], &[2], 44),
        (&[2, 2, 2], &[0, 8, 2], 44),
    ] {
        let error = error(&bytes, DType::F32, dims, strides);
        assert_eq!(error, Error::TooShort { needed, nbytes: 40 });
        assert_eq!(error.kind(), Kind::InvalidArgument);
    }
    for (dims, strides) in [
        (&[10][..], &[1][..]),
        (&[2, 2], &[8, 1]),
        (&[5], &[2]),
        (&[1_000_000, 10], &[0, 1]),
        (&[], &[]),
        (&[0, i64::MAX], &[i64::MIN, -1]),
    ] {
        assert!(
            strided(&bytes, DType::F32, dims, strides).is_ok(),
            "{dims:?}"
        );
    }
}

#[test]
fn what_cant_be_followed_is_refused() {
    let bytes = [0; 40];
    let backwards = error(&bytes, DType::F32, &[2, 3], &[3, -1]);
    assert_eq!(
        backwards,
        Error::Stride {
            axis: 1,
            stride: -1
        }
    );
    assert_eq!(backwards.kind(), Kind::InvalidArgument);
    for (dims, strides) in [
        (&[2][..], &[i64::MAX][..]),
        (&[3, 3], &[i64::MAX / 2, 1]),
        (&[1 << 32, 1 << 31], &[0, 0]),
        (&[i64::MAX], &[1]),
    ] {
        let error = error(&bytes, DType::F32, dims, strides);
        assert!(matches!(error, Error::TooLarge { .. }), "{dims:?}: {error}");
        assert_eq!(error.kind(), Kind::Shape);
    }
    let negative = error(&bytes, DType::F32, &[2, -3], &[1, 1]);
    assert_eq!(negative, Error::Negative { axis: 1, dim: -3 });
    assert_eq!(
        error(&bytes, DType::U8, &[1; 9], &[1; 9]),
        Error::Dimensions { ndim: 9 }
    );
    let blocks = error(&bytes, DType::Q8_0, &[33], &[0]);
    assert_eq!(blocks.kind(), Kind::Shape);

    let view = |nbytes, dims: &[i64]| {
        let shape = Shape::new(dims).unwrap();
        // SAFETY: the data is null, so that nothing may be read; where it must be, it is refused.
        unsafe { TensorView::new(std::ptr::null(), nbytes, DType::F32, shape, [1; MAX_DIMS]) }
    };
    assert_eq!(view(8, &[2]).unwrap_err(), Error::NoData { nbytes: 8 });
    assert_eq!(view(0, &[2]).unwrap_err().kind(), Kind::InvalidArgument);
    let empty = view(0, &[3, 0, 2]).unwrap();
    assert_eq!(empty.dense(), Some(&[][..]));
    assert_eq!(empty.row(2).unwrap().shape().dims(), [0, 2]);
    let mut out = vec![1];
    assert!(empty.append_to(&mut out));
    assert_eq!(out, [1]);
}

/// The elements in C order, one by one.
fn by_hand(bytes: &[u8], size: usize, dims: &[i64], strides: &[i64], from: usize) -> Vec<u8> {
    match dims.split_first() {
        None => bytes[from * size..][..size].to_vec(),
        Some((&dim, dims)) => (0..dim)
            .flat_map(|index| {
                let from = from + (index * strides[0]) as usize;
                by_hand(bytes, size, dims, &strides[1..], from)
            })
            .collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn strides_are_followed(
        axes in prop::collection::vec((0i64..4, 0i64..6), 0..=8),
        dtype in prop::sample::select(vec![DType::U8, DType::F16, DType::F32, DType::Complex128]),
        spare in 0usize..3,
    ) {
        let (dims, strides): (Vec<i64>, Vec<i64>) = axes.into_iter().unzip();
        let size = dtype.block_bytes() as usize;
        let far: i64 = dims.iter().zip(&strides).map(|(dim, stride)| (dim - 1).max(0) * stride).sum();
        let bytes: Vec<u8> = (0..(far as usize + 1) * size + spare).map(|n| (n * 7) as u8).collect();
        let view = strided(&bytes, dtype, &dims, &strides).unwrap();
        let expected = by_hand(&bytes, size, &dims, &strides, 0);
        prop_assert_eq!(view.bytes(), expected.len() as u64);
        let mut out = b"before".to_vec();
        prop_assert!(view.append_to(&mut out));
        prop_assert_eq!(&out[6..], &expected);
        if let Some(dense) = view.dense() {
            prop_assert_eq!(dense, &expected);
        }
        let rows = dims.first().copied().unwrap_or(0);
        let mut joined = Vec::new();
        for row in 0..rows {
            let row = view.row(row as u64).unwrap();
            let shape = row.shape();
            prop_assert_eq!(shape.dims(), &dims[1..]);
            prop_assert!(row.append_to(&mut joined));
        }
        if rows > 0 {
            prop_assert_eq!(joined, expected);
        }
        prop_assert!(view.row(rows as u64).is_none());
    }
}

#[test]
fn blocks_lie_side_by_side_whatever_the_strides_say() {
    let bytes: Vec<u8> = (0..3 * 2 * 34).map(|n| n as u8).collect();
    let view = strided(&bytes, DType::Q8_0, &[3, 64], &[-7, i64::MAX]).unwrap();
    assert_eq!(view.dense(), Some(&bytes[..]));
    let row = view.row(2).unwrap();
    assert_eq!(row.dense(), Some(&bytes[136..]));
    let mut out = Vec::new();
    assert!(view.append_to(&mut out));
    assert_eq!(out, bytes);
    // A row of blocks has no rows: an element alone has no address.
    assert!(row.row(0).is_none());
}

#[test]
fn packed_elements_run_on_across_rows() {
    let bytes: Vec<u8> = (0..6).collect();
    let view = strided(&bytes, DType::F4E2M1, &[4, 3], &[9, 9]).unwrap();
    assert_eq!((view.bytes(), view.dense()), (6, Some(&bytes[..])));
    let mut out = Vec::new();
    assert!(view.append_to(&mut out));
    assert_eq!(out, bytes);
    // A row of 3 elements doesn't end at a whole byte, nor do those from an odd one on begin at one.
    assert!(view.row(0).is_none() && view.row(2).is_none());
    let view = strided(&bytes, DType::F4E2M1, &[3, 2, 2], &[0, 0, 0]).unwrap();
    assert_eq!(view.row(1).and_then(|row| row.dense()), Some(&bytes[2..4]));
    assert!(strided(&bytes, DType::F4E2M1, &[3, 3], &[3, 1]).is_err());
}

#[test]
fn blocks_are_cut_in_pieces_whatever_their_rows() {
    let bytes: Vec<u8> = (0..102).collect();
    let shapes: [(DType, &[i64]); 5] = [
        (DType::Q8_0, &[96]),
        (DType::Q8_0, &[3, 32]),
        (DType::F4E2M1, &[4, 3, 17]),
        (DType::F6E2M3, &[136]),
        (DType::F6E3M2, &[8, 17]),
    ];
    for (dtype, dims) in shapes {
        let view = strided(&bytes, dtype, dims, &[0; 3][..dims.len()]).unwrap();
        for limit in [1, 34, 50, 101, 102] {
            let mut joined = Vec::new();
            let done: Result<(), ()> = view.pieces(limit, false, &mut |piece| {
                assert!(piece.bytes() <= limit.max(dtype.block_bytes().into()));
                assert!(piece.append_to(&mut joined));
                Ok(())
            });
            assert_eq!(
                (done, joined.as_slice()),
                (Ok(()), &bytes[..view.bytes() as usize])
            );
        }
    }
}
