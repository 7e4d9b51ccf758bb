//! Gathers of one field: what they tell, too small buffers, cut files, damage, announcements.

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

use std::fs::OpenOptions;
use std::path::PathBuf;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::Io;
use adit_core::record::{
    Announced, Check, Column, Field, FillOptions, GatherOptions, Out, RecordReader, Schema,
};
use arec_tools::{ANY, Record, Tensor, records, schema};
use common::{Folder, disk};
use gather_tools::{Got, IOS, open, packed, padded};

fn fields() -> Schema {
    schema(&[
        Field::new("tokens", DType::U16, &[ANY]),
        Field::new("image", DType::U8, &[40, 50]),
        Field::new("label", DType::I32, &[]),
        Field::new("boxes", DType::F32, &[ANY, 4]),
        Field::new("eight", DType::U8, &[1; 8]),
    ])
}

/// A set of three files.
fn set(folder: &Folder) -> (RecordReader, Vec<Record>, Vec<PathBuf>) {
    let all = records(3, &fields(), 90, 7);
    let paths: Vec<_> = all
        .chunks(30)
        .enumerate()
        .map(|(number, part)| {
            let path = folder.join(&format!("{number}.arec"));
            arec_tools::write(&disk(), &path, &arec_tools::small(&fields()), part).unwrap();
            path
        })
        .collect();
    (open(&paths), all, paths)
}

fn how(io: Io) -> GatherOptions {
    GatherOptions {
        io,
        ..GatherOptions::default()
    }
}

fn of<'a>(all: &'a [Record], rows: &[u64], field: usize) -> Vec<&'a Tensor> {
    rows.iter().map(|&row| &all[row as usize][field]).collect()
}

const ROWS: [u64; 7] = [89, 0, 31, 31, 30, 7, 60];

#[test]
fn a_gather_tells_dtype_shape_and_bytes() {
    let folder = Folder::new();
    let (reader, all, _) = set(&folder);
    for io in IOS {
        let mut got = Got::new(0, 7 * 2000 + 5);
        let gathered = reader.gather(1, &ROWS, &mut got.bytes, &how(io)).unwrap();
        assert_eq!(gathered.dtype, Some(DType::U8));
        assert_eq!(gathered.shape.dims(), [7, 40, 50]);
        assert_eq!(gathered.bytes, 14_000);
        let (_, expected) = packed(&of(&all, &ROWS, 1), DType::U8);
        assert_eq!(got.bytes()[..14_000], expected);
        assert_eq!(got.bytes()[14_000..], [0xA5; 5]);

        let as_f64 = GatherOptions {
            dtype: Some(DType::F64),
            ..how(io)
        };
        let mut got = Got::new(0, 7 * 8);
        let gathered = reader.gather(2, &ROWS, &mut got.bytes, &as_f64).unwrap();
        assert_eq!((gathered.dtype, gathered.bytes), (Some(DType::F64), 56));
        assert_eq!(gathered.shape.dims(), [7]);
        assert_eq!(got.bytes(), packed(&of(&all, &ROWS, 2), DType::F64).1);

        let to_pad = GatherOptions {
            pad: Some(6),
            ..how(io)
        };
        let mut got = Got::new(0, 7 * 6 * 16);
        let gathered = reader.gather(3, &ROWS, &mut got.bytes, &to_pad).unwrap();
        assert_eq!(gathered.shape.dims(), [7, 6, 4]);
        assert_eq!(got.bytes(), padded(&of(&all, &ROWS, 3), 6, DType::F32).1);

        // Nothing asked for is nothing given, of the field's dtype and shape.
        let gathered = reader.gather(1, &[], &mut [], &how(io)).unwrap();
        assert_eq!(gathered.shape.dims(), [0, 40, 50]);
        assert_eq!((gathered.dtype, gathered.bytes), (Some(DType::U8), 0));
    }
}

#[test]
fn a_ragged_gather_tells_where_records_start() {
    let folder = Folder::new();
    let (reader, all, _) = set(&folder);
    for io in IOS {
        for field in [0, 3, 2] {
            let tensors = of(&all, &ROWS, field);
            let dtype = tensors[0].dtype;
            let (offsets, bytes) = packed(&tensors, dtype);
            let mut got = Got::new(8, bytes.len() + 3);
            let gathered = reader
                .gather_ragged(field, &ROWS, &mut got.places, &mut got.bytes, &how(io))
                .unwrap();
            assert_eq!(got.places, offsets);
            assert_eq!(got.bytes()[..bytes.len()], bytes);
            assert_eq!(got.bytes()[bytes.len()..], [0xA5; 3]);
            assert_eq!(gathered.dtype, Some(dtype));
            assert_eq!(gathered.shape.dims(), [offsets[7] as i64]);
            assert_eq!(gathered.bytes, bytes.len() as u64);
        }
        let mut none = [7];
        let gathered = reader
            .gather_ragged(0, &[], &mut none, &mut [], &how(io))
            .unwrap();
        assert_eq!((none, gathered.shape.dims()), ([0], &[0i64][..]));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = Folder::new();
    let (reader, all, paths) = set(&folder);
    for io in IOS {
        let how = how(io);
        let mut got = Got::new(8, 13_999);
        let error = reader.gather(1, &ROWS, &mut got.bytes, &how).unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfRange, "{error}");
        assert!(error.to_string().contains("13999 bytes, but 14000"));

        // The offsets come all the same.
        let tensors = of(&all, &ROWS, 0);
        let (offsets, bytes) = packed(&tensors, DType::U16);
        let room = bytes.len() - 1;
        let error = reader
            .gather_ragged(0, &ROWS, &mut got.places, &mut got.bytes[..room], &how)
            .unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfRange, "{error}");
        assert_eq!(got.places, offsets);
        let error = reader
            .gather_ragged(0, &ROWS, &mut got.places[..7], &mut got.bytes, &how)
            .unwrap_err();
        assert!(error.to_string().contains("56 bytes, but 64"), "{error}");

        // Records that aren't alike.
        let rows: Vec<u64> = (0..90).collect();
        let error = reader.gather(0, &rows, &mut got.bytes, &how).unwrap_err();
        assert_eq!(error.kind(), Kind::Shape, "{error}");
        let first = all
            .iter()
            .position(|record| record[0].dims != all[0][0].dims);
        assert_eq!(error.place().index, Some(first.unwrap() as u64));
        assert_eq!(error.place().path, Some(paths[0].clone()));

        // Longer than what they are padded to.
        let to_pad = GatherOptions {
            pad: Some(2),
            ..how
        };
        let error = reader
            .gather(0, &rows, &mut got.bytes, &to_pad)
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Shape, "{error}");
        let first = all.iter().position(|record| record[0].dims[0] > 2);
        assert_eq!(error.place().index, Some(first.unwrap() as u64));
        let error = reader
            .gather(2, &rows, &mut got.bytes, &to_pad)
            .unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument, "{error}");

        let error = reader.gather(5, &ROWS, &mut got.bytes, &how).unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfRange, "{error}");
        let error = reader
            .gather(1, &[3, 90], &mut got.bytes, &how)
            .unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfRange, "{error}");
        assert_eq!(error.place().index, Some(90));
        let error = reader.gather(4, &ROWS, &mut got.bytes, &how).unwrap_err();
        assert!(error.to_string().contains("dimensions"), "{error}");
        let to_bool = GatherOptions {
            dtype: Some(DType::Q4_0),
            ..how
        };
        let error = reader
            .gather(1, &ROWS, &mut got.bytes, &to_bool)
            .unwrap_err();
        assert_eq!(error.kind(), Kind::DType, "{error}");
    }
}

#[test]
fn damage_is_told_by_record_and_field_where_it_is_looked_for() {
    let folder = Folder::new();
    let (_, all, paths) = set(&folder);
    let image = &all[40][1].bytes;
    let mut bytes = std::fs::read(&paths[1]).unwrap();
    let windows = &mut bytes.windows(image.len());
    let at = windows.position(|bytes| bytes == image).unwrap();
    bytes[at + 1999] ^= 0x10;
    std::fs::write(&paths[1], &bytes).unwrap();
    let reader = open(&paths);
    for io in IOS {
        let mut got = Got::new(0, 6000 * 4);
        let rows = [39, 40, 41];
        for dtype in [DType::U8, DType::F32] {
            let how = GatherOptions {
                dtype: Some(dtype),
                ..how(io)
            };
            let error = reader.gather(1, &rows, &mut got.bytes, &how).unwrap_err();
            assert_eq!(error.kind(), Kind::Checksum, "{error}");
            assert_eq!(error.place().index, Some(40));
            assert_eq!(error.place().offset, Some(at as u64));
            assert_eq!(error.place().path, Some(paths[1].clone()));
            assert!(error.to_string().contains("\"image\""), "{error}");
            let unchecked = GatherOptions {
                check: Some(Check::Never),
                ..how
            };
            reader.gather(1, &rows, &mut got.bytes, &unchecked).unwrap();
        }
        // Another field of the record is sound.
        let label = reader.gather(2, &rows, &mut got.bytes, &how(io)).unwrap();
        assert_eq!(label.bytes, 12);
    }
}

#[test]
fn a_cut_file_is_an_error() {
    for io in [Io::Read, Io::Direct] {
        for keep in [0, 5000, 100_000] {
            let folder = Folder::new();
            let (reader, all, paths) = set(&folder);
            let mut got = Got::new(0, 2000);
            // All files are opened.
            for row in [0, 30, 60] {
                reader.gather(1, &[row], &mut got.bytes, &how(io)).unwrap();
            }
            // In the middle of a fill, at its first fault.
            let cut = || {
                let file = OpenOptions::new().write(true).open(&paths[1]).unwrap();
                let len = file.metadata().unwrap().len();
                file.set_len(keep.min(len - 1)).unwrap();
            };
            let mut rows = vec![90];
            rows.extend([59; 400]);
            let mut got = Got::new(0, rows.len() * 2000);
            let mut columns = [Column {
                field: 1,
                dtype: DType::U8,
                overflow: Default::default(),
                out: Out::Fixed(&mut got.bytes),
            }];
            let options = FillOptions {
                io,
                ..FillOptions::default()
            };
            let error = reader
                .fill(&rows, &mut columns, &options, &mut |row, error| {
                    if row == 0 && error.kind() == Kind::OutOfRange {
                        cut();
                        return Ok(adit_core::record::Verdict::Replace(58));
                    }
                    Err(error)
                })
                .unwrap_err();
            assert_eq!(error.kind(), Kind::Truncated, "{io:?}, {keep}: {error}");
            assert_eq!(error.place().path, Some(paths[1].clone()));
            // And from then on, also from the map, which isn't touched.
            for io in IOS {
                let rows = &rows[1..];
                let error = reader.gather(1, rows, &mut got.bytes, &how(io));
                assert_eq!(error.unwrap_err().kind(), Kind::Truncated, "{io:?}");
            }
            // The other files are as they were.
            let mut got = Got::new(0, 2000);
            reader.gather(1, &[89], &mut got.bytes, &how(io)).unwrap();
            assert_eq!(got.bytes(), all[89][1].bytes);
        }
    }
}

#[test]
fn announcements_are_counted_in_stretches() {
    let folder = Folder::new();
    let schema = schema(&[Field::new("page", DType::U8, &[4096])]);
    let all = records(5, &schema, 600, 1);
    let path = folder.join("set.arec");
    let mut options = arec_tools::small(&schema);
    options.arec.pages = true;
    arec_tools::write(&disk(), &path, &options, &all).unwrap();
    let reader = open(&[path]);
    let data = reader.data(0).unwrap();
    data.read_to(0, data.len() as usize, &mut Vec::new())
        .unwrap();
    if data
        .cold_pages(0, data.len())
        .unwrap()
        .is_none_or(|(_, cold)| cold > 0)
    {
        common::skip("announcements", "a file system that keeps files in memory");
        return;
    }
    let warm = reader.announce(&[7, 1, 2, 5, 1], &[0]).unwrap();
    let expected = Announced {
        bytes: 5 * 4096,
        ranges: 0,
        pages: 4,
        cold_pages: 0,
    };
    assert_eq!(warm, expected);
    assert_eq!(reader.announce(&[], &[0]).unwrap(), Announced::default());
    let error = reader.announce(&[600], &[0]).unwrap_err();
    assert_eq!(error.kind(), Kind::OutOfRange, "{error}");
    let error = reader.announce(&[0], &[1]).unwrap_err();
    assert_eq!(error.kind(), Kind::OutOfRange, "{error}");
}
