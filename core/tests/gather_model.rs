//! Gathers and fills of random sets against plain loops over what was written.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(missing_docs, reason = "tests")]

mod arec_tools;
mod common;
mod gather_tools;

use adit_core::dtype::DType;
use adit_core::map::Io;
use adit_core::record::{
    ArecOptions, Check, Column, Field, FieldShape, FillOptions, Out, RecordReader, Schema, Verdict,
    WriterOptions,
};
use arec_tools::{ANY, Random, Record, Tensor, records, schema};
use common::{Folder, disk};
use gather_tools::{Got, IOS, MaybeBytes, converted, open, packed, padded};

/// Dtypes, and what each is converted to where it is.
const DTYPES: [(DType, DType); 6] = [
    (DType::U8, DType::F32),
    (DType::F16, DType::F32),
    (DType::I32, DType::F64),
    (DType::U16, DType::I64),
    (DType::F64, DType::F64),
    (DType::Bool, DType::Bool),
];

/// Elements of a field that is longer than what is read at once.
const LONG: i64 = 140_000;

fn random_schema(random: &mut Random) -> Schema {
    let count = 1 + random.below(4);
    let mut fields = Vec::new();
    for number in 0..count {
        let (dtype, _) = DTYPES[random.below(DTYPES.len() as u64) as usize];
        let is_fixed = random.below(2) == 0;
        let mut dims = Vec::new();
        for axis in 0..random.below(3) {
            // Ragged ones only in front: they can be padded.
            let is_own = axis == 0 && !is_fixed;
            dims.push(if is_own { ANY } else { random.below(5) as i64 });
        }
        // Longer than what is read at once, now and then.
        if random.below(12) == 0 {
            dims = vec![LONG];
        }
        fields.push(Field::new(&format!("field{number}"), dtype, &dims));
    }
    schema(&fields)
}

fn random_options(random: &mut Random, schema: &Schema) -> WriterOptions {
    WriterOptions {
        schema: Some(schema.clone()),
        arec: ArecOptions {
            align: [64, 256, 4096][random.below(3) as usize],
            pages: random.below(2) == 0,
            block_bytes: 16 << 10,
            ..ArecOptions::default()
        },
        ..WriterOptions::default()
    }
}

/// One file, or some as a set.
fn random_set(
    random: &mut Random,
    folder: &Folder,
    schema: &Schema,
) -> (RecordReader, Vec<Record>) {
    let mut count = 1 + random.below(120) as usize;
    let is_long = |field: &Field| field.shape == FieldShape::Dims(vec![LONG]);
    if schema.fields().iter().any(is_long) {
        count = count.min(6);
    }
    let all = records(random.number(), schema, count, 9);
    let shards = 1 + random.below(3) as usize;
    let options = random_options(random, schema);
    let mut paths = Vec::new();
    for (number, part) in all.chunks(count.div_ceil(shards)).enumerate() {
        let path = folder.join(&format!("{number}.arec"));
        arec_tools::write(&disk(), &path, &options, part).unwrap();
        paths.push(path);
    }
    (open(&paths), all)
}

fn random_rows(random: &mut Random, count: usize) -> Vec<u64> {
    let rows = random.below(600);
    let start = random.below(count as u64);
    (0..rows)
        .map(|row| match random.below(3) {
            // In order, as a loader without a shuffle asks.
            0 => (start + row) % count as u64,
            _ => random.below(count as u64),
        })
        .collect()
}

#[test]
fn fills_are_what_was_written() {
    for seed in 0..48 {
        let random = &mut Random::new(seed);
        let folder = Folder::new();
        let schema = random_schema(random);
        let (reader, all) = random_set(random, &folder, &schema);
        let mut rows = random_rows(random, all.len());
        if all[0].iter().any(|tensor| tensor.dims == [LONG]) {
            rows.truncate(12);
        }
        for io in IOS {
            for check in [None, Some(Check::Never)] {
                let how = FillOptions {
                    io,
                    check,
                    announced: random.below(2) == 0,
                };
                let what = format!("seed {seed}, {io:?}, {check:?}, {schema:?}");
                check_fill(random, &reader, &all, &rows, &how, &what);
            }
        }
    }
}

/// A column as it is asked for, and what it must become.
enum Asked {
    Fixed(Vec<u8>),
    Packed(Vec<u64>, Vec<u8>),
    Padded(u64, Vec<u64>, Vec<u8>),
}

fn check_fill(
    random: &mut Random,
    reader: &RecordReader,
    all: &[Record],
    rows: &[u64],
    how: &FillOptions,
    what: &str,
) {
    let fields = reader.schema().unwrap();
    let mut asked = Vec::new();
    for (field, row) in fields.fields().iter().enumerate() {
        if random.below(5) == 0 {
            continue;
        }
        let from = row.dtype.unwrap();
        let to = DTYPES.iter().find(|(dtype, _)| *dtype == from).unwrap().1;
        let dtype = if random.below(2) == 0 { to } else { from };
        let tensors: Vec<_> = rows.iter().map(|&row| &all[row as usize][field]).collect();
        let one = |tensor: &Tensor| converted(tensor, dtype);
        let is_fixed = !matches!(&row.shape,
            FieldShape::Dims(dims) if dims.iter().any(|&dim| dim < 0));
        let ndim = all[0][field].dims.len();
        let kind = match random.below(3) {
            0 if is_fixed => {
                let all = tensors.iter().flat_map(|tensor| one(tensor));
                Asked::Fixed(all.collect())
            }
            1 if ndim > 0 && is_fixed != (random.below(2) == 0) => {
                let size = random.below(12);
                let (lengths, bytes) = padded(&tensors, size, dtype);
                Asked::Padded(size, lengths, bytes)
            }
            _ => {
                let (offsets, bytes) = packed(&tensors, dtype);
                Asked::Packed(offsets, bytes)
            }
        };
        asked.push((field, dtype, kind));
    }
    let mut got: Vec<Got> = asked
        .iter()
        .map(|(_, _, kind)| match kind {
            Asked::Fixed(bytes) => Got::new(0, bytes.len()),
            Asked::Packed(offsets, bytes) => Got::new(offsets.len(), bytes.len()),
            Asked::Padded(_, lengths, bytes) => Got::new(lengths.len(), bytes.len()),
        })
        .collect();
    let mut rooms: Vec<&mut [MaybeBytes]> = Vec::new();
    let mut columns = Vec::new();
    let mut places: Vec<&mut [u64]> = Vec::new();
    for own in &mut got {
        places.push(&mut own.places);
        rooms.push(&mut own.bytes);
    }
    for (((field, dtype, kind), room), places) in asked.iter().zip(&mut rooms).zip(places) {
        let out = match kind {
            Asked::Fixed(_) => Out::Fixed(room),
            Asked::Packed(..) => Out::Packed {
                offsets: places,
                room,
            },
            Asked::Padded(size, ..) => Out::Padded {
                size: *size,
                cut: true,
                lengths: places,
                out: room,
            },
        };
        columns.push(Column {
            field: *field,
            dtype: *dtype,
            overflow: Default::default(),
            out,
        });
    }
    let counts = reader
        .fill(rows, &mut columns, how, &mut |row, error| {
            panic!("{what}: row {row}: {error}")
        })
        .unwrap();
    drop(columns);
    let mut stored = 0;
    for ((field, _, kind), got) in asked.iter().zip(&got) {
        match kind {
            Asked::Fixed(bytes) => assert_eq!(&got.bytes(), bytes, "{what}, field {field}"),
            Asked::Packed(offsets, bytes) => {
                assert_eq!(&got.places, offsets, "{what}, field {field}");
                assert_eq!(&got.bytes(), bytes, "{what}, field {field}");
            }
            Asked::Padded(_, lengths, bytes) => {
                assert_eq!(&got.places, lengths, "{what}, field {field}");
                assert_eq!(&got.bytes(), bytes, "{what}, field {field}");
            }
        }
        let of_row = |&row: &u64| all[row as usize][*field].bytes.len() as u64;
        stored += rows.iter().map(of_row).sum::<u64>();
    }
    assert_eq!(counts.bytes, stored, "{what}");
    let checked = if how.check.is_some() { 0 } else { stored };
    assert_eq!(counts.bytes_checked, checked, "{what}");
    if how.io == Io::Map {
        assert_eq!((counts.reads, counts.bytes_read), (0, 0), "{what}");
    }
    if how.io == Io::Read && stored > 0 {
        assert!(counts.reads > 0 && counts.bytes_read > 0, "{what}");
    }
}

#[test]
fn masks_and_replacements_are_told_by_row() {
    let folder = Folder::new();
    let schema = schema(&[
        Field::new("tokens", DType::U16, &[ANY]),
        Field::new("id", DType::U64, &[]),
    ]);
    let all = records(7, &schema, 40, 9);
    let path = folder.join("set.arec");
    let options = arec_tools::small(&schema);
    arec_tools::write(&disk(), &path, &options, &all).unwrap();
    // A bit of record 11's number, which no other has.
    let mut bytes = std::fs::read(&path).unwrap();
    let id = &all[11][1].bytes;
    let at = bytes.windows(8).position(|bytes| bytes == id).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let reader = open(&[path]);
    let rows = [3, 11, 5, 11, 40, 6];
    for io in IOS {
        for is_packed in [false, true] {
            let mut told = Vec::new();
            let mut got = [Got::new(7, 9 * 6 * 2), Got::new(0, 6 * 8)];
            let [tokens, ids] = &mut got;
            let mut room = &mut tokens.bytes[..];
            let out = if is_packed {
                Out::Packed {
                    offsets: &mut tokens.places,
                    room: &mut room,
                }
            } else {
                Out::Padded {
                    size: 9,
                    cut: false,
                    lengths: &mut tokens.places[..6],
                    out: room,
                }
            };
            let column = |field, dtype, out| Column {
                field,
                dtype,
                overflow: Default::default(),
                out,
            };
            let mut columns = [
                column(0, DType::U16, out),
                column(1, DType::U64, Out::Fixed(&mut ids.bytes)),
            ];
            let how = FillOptions {
                io,
                ..FillOptions::default()
            };
            reader
                .fill(&rows, &mut columns, &how, &mut |row, error| {
                    told.push((row, error.to_string()));
                    Ok(match row {
                        // Bad once more, then sound.
                        1 if told.len() < 3 => Verdict::Replace(11),
                        1 => Verdict::Replace(8),
                        4 => Verdict::Replace(9),
                        _ => Verdict::Mask,
                    })
                })
                .unwrap();
            let rows: Vec<_> = told.iter().map(|(row, _)| *row).collect();
            let mut distinct = rows.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct, [1, 3, 4], "{io:?}");
            assert!(rows.iter().filter(|&&row| row == 1).count() >= 2);
            for (row, error) in &told {
                let expected = match row {
                    4 => "record 40 of".to_owned(),
                    _ => format!("record 11: the bytes of field \"id\", at byte {at}"),
                };
                assert!(error.contains(&expected), "{io:?}: {error}");
            }
            let stands = [Some(3), Some(8), Some(5), None, Some(9), Some(6usize)];
            let expected: Vec<u8> = stands
                .iter()
                .flat_map(|own| own.map_or(vec![0; 8], |own| all[own][1].bytes.clone()))
                .collect();
            assert_eq!(got[1].bytes(), expected, "{io:?}");
            let empty = Tensor {
                dtype: DType::U16,
                dims: vec![0],
                bytes: Vec::new(),
            };
            let tensors: Vec<_> = stands
                .iter()
                .map(|own| own.map_or(&empty, |own| &all[own][0]))
                .collect();
            if is_packed {
                let (offsets, bytes) = packed(&tensors, DType::U16);
                assert_eq!(got[0].places, offsets, "{io:?}");
                assert_eq!(got[0].bytes()[..bytes.len()], bytes, "{io:?}");
            } else {
                let (lengths, bytes) = padded(&tensors, 9, DType::U16);
                assert_eq!(got[0].places[..6], lengths, "{io:?}");
                assert_eq!(got[0].bytes(), bytes, "{io:?}");
            }
        }
    }
}
