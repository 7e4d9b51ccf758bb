//! Layouts of random models: every row once, where it may lie.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "tests"
)]

use super::*;
use crate::map::{BytesOwner, Region};

struct Nothing;

// SAFETY: there are no bytes.
unsafe impl BytesOwner for Nothing {
    fn region(&self) -> Region<'_> {
        Region::EMPTY
    }
}

fn file() -> Arc<Data> {
    Arc::new(Data::lent(Box::new(Nothing)))
}

fn tensor(data: &Arc<Data>, offset: u64, from: DType, dims: &[i64], to: DType) -> Wanted {
    Wanted {
        source: Source {
            data: Arc::clone(data),
            offset,
            dtype: from,
            shape: Shape::new(dims).unwrap(),
        },
        dtype: to,
    }
}

fn roll(state: &mut u64, end: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % end
}

/// What must hold of any layout.
fn check(tensors: &[Wanted], rules: Rules, layout: &Layout) {
    let mut ends = vec![0u64; layout.buffers.len()];
    let mut last = 0;
    for part in &layout.parts {
        let place = part.place;
        assert_eq!(place.offset % rules.align, 0);
        assert!(place.buffer >= last, "a buffer is left for good");
        last = place.buffer;
        if place.bytes > 0 {
            assert!(place.offset >= ends[place.buffer]);
            ends[place.buffer] = place.offset + place.bytes;
        }
        assert_eq!(place.bytes, place.shape.bytes(place.dtype).unwrap());
        assert_eq!(place.shape, part.source.shape);
    }
    assert_eq!(ends, layout.buffers);
    assert!(ends.iter().all(|&end| end <= rules.limit));
    for (number, wanted) in tensors.iter().enumerate() {
        let mut own: Vec<&Part> = layout
            .parts
            .iter()
            .filter(|part| part.tensor == number)
            .collect();
        own.sort_by_key(|part| part.place.row_start);
        let dims = wanted.source.shape.dims();
        let rows = dims.first().map_or(1, |&rows| rows as u64);
        let mut row = 0;
        let mut at = wanted.source.offset;
        for part in &own {
            assert_eq!((part.place.row_start, part.source.offset), (row, at));
            assert_eq!(
                (part.place.dtype, part.source.dtype),
                (wanted.dtype, wanted.source.dtype)
            );
            assert_eq!(part.place.shape.dims().get(1..), dims.get(1..));
            row += part
                .place
                .shape
                .dims()
                .first()
                .map_or(1, |&rows| rows as u64);
            at += part.source.shape.bytes(part.source.dtype).unwrap();
        }
        assert_eq!(row, rows);
        let whole = wanted.source.shape.bytes(wanted.dtype).unwrap() <= rules.limit;
        assert_eq!(own.len() == 1, whole, "{own:?}");
    }
}

#[test]
fn every_row_once() {
    use DType::{F6E2M3, F16, F32, I8, Q4_0, Q8_0};
    let mut state = 0x9E37_79B9;
    let (mut split, mut refused, mut several) = (0, 0, 0);
    for _ in 0..3000 {
        let files = [file(), file()];
        let count = roll(&mut state, 12);
        let tensors: Vec<Wanted> = (0..count)
            .map(|number| {
                let pairs = [
                    (F16, F32),
                    (F32, F32),
                    (I8, I8),
                    (Q8_0, F32),
                    (Q4_0, Q4_0),
                    (F6E2M3, F6E2M3),
                ];
                let (from, to) = pairs[roll(&mut state, 6) as usize];
                let block = i64::from(from.block_elements());
                let mut dim = |most: u64| roll(&mut state, most) as i64;
                let dims = match dim(4) {
                    0 => vec![dim(30) * block],
                    1 => vec![dim(20), dim(9) * block],
                    2 => vec![dim(5), dim(5), dim(3) * block],
                    _ if block == 1 => vec![],
                    // Blocks on across rows, where there are such.
                    _ => vec![4, 2 * block],
                };
                let place = (number * 7 % 5) * 100_000 + number;
                tensor(&files[roll(&mut state, 2) as usize], place, from, &dims, to)
            })
            .collect();
        let rules = Rules {
            limit: 4 * (64 + roll(&mut state, 900)),
            align: 4 << roll(&mut state, 7),
            split: roll(&mut state, 3) > 0,
        };
        match Layout::new(&tensors, rules) {
            Ok(layout) => {
                check(&tensors, rules, &layout);
                split += layout.parts.len() - tensors.len();
                several += usize::from(layout.buffers.len() > 1);
            }
            Err(Refusal::TooLarge(large)) => {
                refused += 1;
                let shape = tensors[large.tensor].source.shape;
                let all = shape.bytes(tensors[large.tensor].dtype).unwrap();
                assert!(large.bytes > rules.limit && large.bytes <= all);
                assert_eq!(large.row, rules.split);
                assert!(large.row || large.bytes == all);
            }
            Err(Refusal::Other(error)) => panic!("{error}"),
        }
    }
    assert!(
        split > 1000 && refused > 100 && several > 500,
        "{split} {refused} {several}"
    );
}

#[test]
fn files_are_read_in_order() {
    let files = [file(), file()];
    let tensors = [
        tensor(&files[1], 500, DType::U8, &[10], DType::U8),
        tensor(&files[0], 900, DType::U8, &[300], DType::U8),
        tensor(&files[0], 100, DType::U8, &[0], DType::U8),
        tensor(&files[1], 0, DType::U8, &[10], DType::U8),
        tensor(&files[0], 0, DType::U8, &[100], DType::U8),
    ];
    let rules = Rules {
        limit: 512,
        align: 256,
        split: false,
    };
    let layout = Layout::new(&tensors, rules).unwrap();
    let found: Vec<_> = layout
        .parts
        .iter()
        .map(|part| (part.tensor, part.place.buffer, part.place.offset))
        .collect();
    assert_eq!(
        found,
        [(3, 0, 0), (0, 0, 256), (4, 1, 0), (2, 1, 0), (1, 2, 0)]
    );
    assert_eq!(layout.buffers, [266, 100, 300]);
}

#[test]
fn rows_are_split_at_blocks() {
    let data = file();
    // 3 blocks of 18 bytes a row, as f32 of 384.
    let rows = [tensor(&data, 1000, DType::Q4_0, &[10, 96], DType::F32)];
    let rules = Rules {
        limit: 1000,
        align: 256,
        split: true,
    };
    let layout = Layout::new(&rows, rules).unwrap();
    let found: Vec<_> = layout
        .parts
        .iter()
        .map(|part| {
            (
                part.place.row_start,
                part.place.shape.dims()[0],
                part.source.offset,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (0, 2, 1000),
            (2, 2, 1108),
            (4, 2, 1216),
            (6, 2, 1324),
            (8, 2, 1432)
        ]
    );
    assert_eq!(layout.buffers, [768; 5]);
    // One dimension: its elements, by whole blocks.
    let flat = [tensor(&data, 0, DType::Q4_0, &[320], DType::Q4_0)];
    let layout = Layout::new(&flat, Rules { limit: 60, ..rules }).unwrap();
    assert_eq!(layout.buffers, [54, 54, 54, 18]);
    assert_eq!(layout.parts[3].place.row_start, 288);
    let error = Layout::new(
        &rows,
        Rules {
            limit: 380,
            ..rules
        },
    )
    .unwrap_err();
    let Refusal::TooLarge(large) = error else {
        panic!("{error:?}");
    };
    let wanted = TooLarge {
        tensor: 0,
        bytes: 384,
        row: true,
    };
    assert_eq!(large, wanted);
}
