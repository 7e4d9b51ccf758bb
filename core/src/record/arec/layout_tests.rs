//! The arithmetic of layouts against the specification's sentences, followed literally.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "tests"
)]

use super::*;
use crate::dtype::DType;
use crate::record::{ArecOptions, Field, Schema};

fn schema(fields: &[Field]) -> Schema {
    let mut schema = Schema::new();
    for field in fields {
        schema.add(field.clone()).unwrap();
    }
    schema
}

fn plan(fields: &[Field], options: &ArecOptions) -> Layout {
    Layout::plan(&schema(fields), options).unwrap()
}

fn digits() -> [Field; 2] {
    [
        Field::new("image", DType::U8, &[28, 28]),
        Field::new("label", DType::I32, &[]),
    ]
}

#[test]
fn fixed_fields_lie_at_their_alignment() {
    let layout = plan(
        &[
            Field::new("a", DType::U8, &[3]),
            Field::new("b", DType::F64, &[2]),
            Field::new("c", DType::U8, &[]),
            Field::new("d", DType::F16, &[0, 7]),
            Field::new("e", DType::Q8_0, &[2, 32]),
        ],
        &ArecOptions::default(),
    );
    let offsets: Vec<_> = layout.fields.iter().map(|row| row.offset).collect();
    assert_eq!(offsets, [0, 8, 24, 26, 26]);
    let bytes: Vec<_> = layout.fields.iter().map(|row| row.unit).collect();
    assert_eq!(bytes, [3, 16, 1, 0, 68]);
    assert_eq!((layout.fixed_end, layout.record_bytes), (94, 128));
    assert!(layout.is_fixed && layout.own_sizes == 0);
    let wide = ArecOptions {
        field_align: 32,
        align: 256,
        ..ArecOptions::default()
    };
    let layout = plan(&digits(), &wide);
    assert_eq!(layout.fields[1].offset, 800);
    assert_eq!((layout.record_bytes, layout.head), (1024, 256));
}

#[test]
fn blocks_are_chosen_as_told() {
    let layout = plan(&digits(), &ArecOptions::default());
    assert_eq!((layout.stride, layout.data_start), (4 << 20, 4 << 20));
    assert_eq!((layout.header_len, layout.head), (4096, 64));
    assert_eq!((layout.record_bytes, layout.record_stride), (832, 832));
    // (4 MiB - 64) / (832 + 2 x 4)
    assert_eq!(layout.per_block, 4993);
    let small = ArecOptions {
        block_bytes: 1,
        ..ArecOptions::default()
    };
    let layout = plan(&digits(), &small);
    assert_eq!((layout.stride, layout.data_start), (16 << 10, 16 << 10));
    assert_eq!(layout.per_block, (16384 - 64) / 840);
    // A record of more than a block, and one of more than 4 MiB.
    let layout = plan(&[Field::new("a", DType::U8, &[20_000])], &small);
    assert_eq!((layout.stride, layout.per_block), (20_480, 1));
    assert_eq!(layout.data_start, 20_480);
    let layout = plan(&[Field::new("a", DType::U8, &[4 << 20])], &small);
    assert_eq!((layout.stride, layout.per_block), (6 << 20, 1));
    assert_eq!(layout.data_start, 4 << 20);
}

/// Record `index` by the specification's formula.
fn place(layout: &Layout, index: u64) -> u64 {
    let (r, stride) = (layout.per_block, layout.record_stride);
    let j = index % r;
    let place = if layout.pages && stride <= 4096 {
        let p = 4096 / stride;
        (j / p) * 4096 + (j % p) * stride
    } else {
        j * stride
    };
    layout.data_start + (index / r) * layout.stride + layout.head + place
}

#[test]
fn fixed_records_lie_where_the_formula_says() {
    for len in [1, 64, 100, 1000, 1365, 2000, 2100, 4096, 4097, 9000] {
        for pages in [false, true] {
            for align in [64, 256, 4096] {
                let options = ArecOptions {
                    align,
                    pages,
                    block_bytes: 64 << 10,
                    ..ArecOptions::default()
                };
                let layout = plan(&[Field::new("a", DType::U8, &[len])], &options);
                let r = layout.per_block;
                assert!(layout.fixed_block_bytes(r) <= layout.stride);
                assert!(
                    layout.fixed_block_bytes(r + 1) > layout.stride,
                    "{len} {pages}"
                );
                let mut end = layout.head;
                for index in 0..3 * r + 2 {
                    let at = layout.known_place(index);
                    assert_eq!(at, place(&layout, index), "{len} {pages} {align} {index}");
                    // The rule for records of any length gives the same place.
                    let in_block = layout.place_in_block(index % r);
                    if index % r == 0 {
                        end = layout.head;
                    }
                    assert_eq!(in_block, layout.next_place(end, layout.record_bytes));
                    end = in_block + layout.record_bytes;
                    let touched = (at + layout.record_bytes - 1) / 4096 - at / 4096;
                    assert!(!pages || touched == (layout.record_bytes - 1) / 4096);
                    assert_eq!(layout.fixed_table_at(index % r + 1), end);
                    assert_eq!(
                        layout.fixed_bytes(index + 1).unwrap(),
                        (index / r) * layout.stride + end + 4 * (index % r + 1)
                    );
                }
            }
        }
    }
}

#[test]
fn ragged_fields_come_behind_the_fixed_ones() {
    let layout = plan(
        &[
            Field::bytes("jpeg"),
            Field::new("label", DType::I32, &[]),
            Field::new("tokens", DType::U16, &[-1]),
            Field::new("boxes", DType::F64, &[-1, 4, -1]),
        ],
        &ArecOptions::default(),
    );
    assert!(!layout.is_fixed);
    assert_eq!((layout.per_block, layout.record_stride), (0, 0));
    assert_eq!((layout.own_sizes, layout.fixed_end), (4, 4));
    assert_eq!(layout.table_row_bytes(), 4 * (2 + 4 + 4));
    let sizes = [5, 3, 2, 1];
    let span = |field| layout.field_span(&sizes, field).unwrap();
    assert_eq!(span(1), (0, 4));
    assert_eq!(span(0), (4, 5));
    assert_eq!(span(2), (10, 6));
    assert_eq!(span(3), (16, 64));
    assert_eq!(layout.record_len(&sizes).unwrap(), 128);
    assert_eq!(layout.record_len(&[0; 4]).unwrap(), 64);
    assert_eq!(layout.field_span(&[0, 0, 0, u32::MAX], 3).unwrap(), (8, 0));
    assert_eq!(
        layout.fields[3].shape_of(&sizes[2..]).dims(),
        [2, 4, 1],
        "own sizes in their places"
    );
    let most = u32::MAX;
    assert!(matches!(
        layout.record_len(&[0, 0, most, most]),
        Err(Error::LongRecord { .. })
    ));
    assert!(matches!(
        layout.field_span(&[0, 0, most, most], 3),
        Err(Error::LongRecord { .. })
    ));
    assert!(matches!(
        layout.field_span(&sizes, 4),
        Err(Error::NoField { .. })
    ));
}

#[test]
fn ragged_records_touch_no_more_pages_than_they_must() {
    let options = ArecOptions {
        pages: true,
        ..ArecOptions::default()
    };
    let layout = plan(&[Field::bytes("a")], &options);
    assert_eq!(layout.head, 4096);
    assert_eq!(layout.next_place(4096, 64), 4096);
    assert_eq!(layout.next_place(8192 - 64, 64), 8192 - 64);
    assert_eq!(layout.next_place(8192 - 64, 128), 8192);
    assert_eq!(layout.next_place(8192 - 64, 4096), 8192);
    // Two pages it touches anyway: it may start anywhere from which it touches no third.
    assert_eq!(layout.next_place(8192 - 64, 4160), 8192 - 64);
    assert_eq!(layout.next_place(8192 - 64, 8192), 8192);
}

#[test]
fn division_is_exact() {
    let numbers = [
        0,
        1,
        2,
        3,
        63,
        64,
        4992,
        4993,
        4994,
        1 << 40,
        u64::MAX - 1,
        u64::MAX,
    ];
    for by in [
        1,
        2,
        3,
        7,
        64,
        4993,
        1 << 40,
        (1 << 40) - 1,
        u64::MAX / 2,
        u64::MAX,
    ] {
        for number in numbers {
            let expected = (number / by, number % by);
            assert_eq!(Divisor::new(by).divide(number), expected, "{number} / {by}");
        }
    }
}

#[test]
fn schemas_that_cannot_be_are_refused() {
    let any = Field {
        shape: crate::record::FieldShape::Any,
        ..Field::new("a", DType::U8, &[])
    };
    let none = Field {
        dtype: None,
        ..Field::new("a", DType::U8, &[])
    };
    let bytes = Field {
        dtype: Some(DType::I8),
        ..Field::bytes("a")
    };
    for (field, what) in [
        (any, "dimensions"),
        (none, "dtype"),
        (bytes, "bytes are u8"),
        (Field::new("a", DType::U8, &[1; 9]), "9 dimensions"),
        (Field::new("a\0b", DType::U8, &[]), "no zero"),
        (Field::new("a", DType::Q4_0, &[33]), "multiple"),
        (Field::new("a", DType::Q4_0, &[-1]), "multiple"),
        (Field::new("a", DType::Q4_0, &[-1, 33]), "multiple"),
        (Field::new("a", DType::F4E2M1, &[-1, 3]), "multiple"),
        (Field::new("a", DType::U8, &[1 << 40, 2]), "too long"),
        (Field::new("a", DType::U8, &[1 << 40]), "2^40"),
        (Field::new("a", DType::F64, &[1 << 61]), "memory"),
    ] {
        let error = Layout::plan(&schema(&[field]), &ArecOptions::default()).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
    let odd = [
        ArecOptions {
            align: 128,
            ..ArecOptions::default()
        },
        ArecOptions {
            field_align: 3,
            ..ArecOptions::default()
        },
        ArecOptions {
            field_align: 128,
            ..ArecOptions::default()
        },
        ArecOptions {
            block_bytes: (1 << 40) + 1,
            ..ArecOptions::default()
        },
    ];
    for options in odd {
        assert!(
            Layout::plan(&schema(&digits()), &options).is_err(),
            "{options:?}"
        );
    }
    assert!(Layout::plan(&Schema::new(), &ArecOptions::default()).is_err());
}
