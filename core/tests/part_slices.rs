//! Parts of tensors, against a walk over every index; and what is no part.
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

use std::ops::Range;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::tensor::{Error, PartOptions, Shape, Slice};
use common::data_of;
use part_tools::*;
use proptest::prelude::*;

/// The bytes of the chosen elements, element by element; none where one isn't whole bytes or blocks.
fn by_hand(bytes: &[u8], dtype: DType, dims: &[i64], slice: &Slice) -> Option<Vec<u8>> {
    let (size, block) = (
        dtype.block_bytes() as usize,
        dtype.block_elements() as usize,
    );
    let last = dims.len().wrapping_sub(1);
    let all = |axis: usize| 0..dims.get(axis).copied().unwrap_or(0) as u64;
    let rows = slice.rows.clone().unwrap_or_else(|| all(0));
    let columns = slice.columns.clone().unwrap_or_else(|| all(last));
    let total = dims.iter().product::<i64>() as usize;
    let chosen: Vec<usize> = (0..total)
        .filter(|&number| {
            let (mut rest, mut inside) = (number, true);
            for axis in (0..dims.len()).rev() {
                let at = (rest % dims[axis] as usize) as u64;
                rest /= dims[axis] as usize;
                inside &= axis != last || last == 0 || columns.contains(&at);
                inside &= axis != 0 || rows.contains(&at);
            }
            inside
        })
        .collect();
    let (blocks, rest) = chosen.as_chunks::<1>();
    assert!(rest.is_empty() && blocks.len() == chosen.len());
    let mut out = Vec::new();
    for block_of in chosen.chunks(block) {
        let first = block_of[0];
        let whole = block_of.len() == block
            && first % block == 0
            && block_of.windows(2).all(|pair| pair[1] == pair[0] + 1);
        if !whole {
            return None;
        }
        out.extend_from_slice(&bytes[first / block * size..][..size]);
    }
    Some(out)
}

fn ranges(dim: i64) -> impl Strategy<Value = Option<Range<u64>>> {
    let dim = dim as u64;
    prop::option::of((0..=dim, 0..=dim).prop_map(|(a, b)| a.min(b)..a.max(b)))
}

/// A dtype, dimensions that are good for it, and a slice that may not be.
fn cases() -> impl Strategy<Value = (DType, Vec<i64>, Slice)> {
    let dtypes = vec![
        DType::U8,
        DType::F16,
        DType::F32,
        DType::Complex128,
        DType::Q8_0,
        DType::Mxfp4,
        DType::F4E2M1,
        DType::F6E3M2,
    ];
    (
        prop::sample::select(dtypes),
        prop::collection::vec(0i64..5, 0..=8),
        1i64..4,
    )
        .prop_filter_map("whole blocks", |(dtype, mut dims, blocks)| {
            let last = dims.last_mut();
            if dtype.is_block() && !dtype.is_packed() {
                *last? = i64::from(dtype.block_elements()) * blocks;
            }
            Shape::new(&dims).ok()?.bytes(dtype).ok()?;
            Some((dtype, dims))
        })
        .prop_flat_map(|(dtype, dims)| {
            let step = match dtype.is_packed() {
                true => 1,
                false => i64::from(dtype.block_elements()),
            };
            let first = dims.first().copied().unwrap_or(0);
            let last = dims.last().copied().unwrap_or(0);
            let rows = match dims.len() {
                0 => Just(None).boxed(),
                1 => ranges(first / step).boxed(),
                _ => ranges(first).boxed(),
            };
            let columns = match dims.len() {
                0 | 1 => Just(None).boxed(),
                _ => ranges(last / step).boxed(),
            };
            let single = dims.len() == 1;
            (rows, columns).prop_map(move |(rows, columns)| {
                let times =
                    |range: Range<u64>, by: i64| range.start * by as u64..range.end * by as u64;
                let slice = Slice {
                    rows: rows.map(|rows| times(rows, if single { step } else { 1 })),
                    columns: columns.map(|columns| times(columns, step)),
                };
                (dtype, dims.clone(), slice)
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 2000,
        max_global_rejects: 1 << 20,
        ..Default::default()
    })]

    #[test]
    fn every_element_in_its_place((dtype, dims, slice) in cases()) {
        let total = Shape::new(&dims).unwrap().bytes(dtype).unwrap() as usize;
        let bytes = content(BEFORE + total + BEHIND);
        let source = source(data_of(&bytes), dtype, &dims);
        let expected = by_hand(&bytes[BEFORE..][..total], dtype, &dims, &slice);
        let part = match source.part(&slice) {
            Ok(part) => part,
            Err(error) => {
                // Refused where columns aren't whole bytes, or rows where these aren't.
                let block = u64::from(dtype.block_elements());
                let odd = |range: &Option<Range<u64>>| {
                    let whole = |at: u64| at.is_multiple_of(block);
                    range.as_ref().is_some_and(|range| !whole(range.start) || !whole(range.end))
                };
                let odd_rows = dims.last().is_some_and(|&dim| !(dim as u64).is_multiple_of(block));
                prop_assert!(dtype.is_packed(), "{}", error);
                prop_assert!(odd_rows || odd(&slice.rows) || odd(&slice.columns), "{}", error);
                let known = matches!(error, Error::InBlock { .. } | Error::Packed { .. });
                prop_assert!(known, "{}", error);
                return Ok(());
            }
        };
        let expected = expected.unwrap();
        prop_assert_eq!(part.bytes(), expected.len() as u64);
        prop_assert!(part.offset >= BEFORE as u64);
        prop_assert!(part.offset + part.span() <= (BEFORE + total) as u64);
        prop_assert!(part.runs >= 1 && part.stride >= part.run_bytes);
        let mut walked = Vec::new();
        for run in 0..part.runs {
            let at = (part.offset + run * part.stride) as usize;
            walked.extend_from_slice(&bytes[at..][..part.run_bytes as usize]);
        }
        prop_assert_eq!(&walked, &expected);
        let mut shape = dims.clone();
        if let Some(rows) = &slice.rows {
            shape[0] = (rows.end - rows.start) as i64;
        }
        if let Some(columns) = &slice.columns {
            *shape.last_mut().unwrap() = (columns.end - columns.start) as i64;
        }
        prop_assert_eq!(part.shape.dims(), &shape);
        let (done, out) = read(&source, &part, &PartOptions::default());
        prop_assert_eq!((done.dtype, done.shape), (dtype, part.shape));
        prop_assert_eq!(out, expected);
    }
}

#[test]
fn what_is_no_part() {
    let bytes = content(4096);
    let at = |dtype, dims: &[i64], rows, columns| {
        let slice = Slice { rows, columns };
        source(data_of(&bytes), dtype, dims)
            .part(&slice)
            .unwrap_err()
    };
    let scalar = at(DType::F32, &[], Some(0..1), None);
    assert_eq!(
        scalar,
        Error::NoAxis {
            what: "rows",
            ndim: 0
        }
    );
    let vector = at(DType::F32, &[8], None, Some(0..4));
    assert_eq!(
        vector,
        Error::NoAxis {
            what: "columns",
            ndim: 1
        }
    );
    assert_eq!(vector.kind(), Kind::Shape);
    for (rows, columns) in [
        (Some(3..5), None),
        (Some(u64::MAX..u64::MAX), None),
        (None, Some(0..9)),
        (Some(0..2), Some(7..u64::MAX)),
    ] {
        let error = at(DType::F32, &[4, 8], rows, columns);
        assert_eq!(error.kind(), Kind::OutOfRange, "{error}");
    }
    #[allow(clippy::reversed_empty_ranges, reason = "what is to be refused")]
    let backward = at(DType::F32, &[4, 8], Some(3..1), None);
    assert_eq!(
        backward.to_string(),
        "rows 3 to 1 were asked for, but the tensor has 4"
    );
    let inside = at(DType::Q8_0, &[2, 64], None, Some(32..40));
    assert_eq!(
        inside.to_string(),
        "columns 32 to 40 don't begin and end at q8_0's blocks of 32 elements"
    );
    let inside = at(DType::Q8_0, &[64], Some(0..33), None);
    assert_eq!(inside.kind(), Kind::Shape);
    let inside = at(DType::F4E2M1, &[4, 3], Some(1..3), None);
    assert!(inside.to_string().starts_with("rows 1 to 3"), "{inside}");
    let inside = at(DType::F4E2M1, &[4, 3], None, Some(0..2));
    assert!(inside.to_string().starts_with("columns 0 to 2"), "{inside}");
}
