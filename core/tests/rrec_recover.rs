//! What recovery saves, and that it never invents a record.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;

use std::path::Path;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::DataOptions;
use adit_core::record::{
    Error, Field, FieldShape, Recovery, RrecReader, Schema, StopReason, recover,
};
use common::{Folder, Pair, Tensor, disk, encode, ends, fixture, go_on, noise, read};

fn schema(fields: [(Option<DType>, Option<&[i64]>); 2]) -> Schema {
    let mut schema = Schema::new();
    for (name, (dtype, dims)) in ["input", "target"].into_iter().zip(fields) {
        let shape = dims.map_or(FieldShape::Any, |dims| FieldShape::Dims(dims.to_vec()));
        let name = name.to_owned();
        let is_bytes = false;
        let field = Field {
            name,
            dtype,
            shape,
            is_bytes,
        };
        schema.add(field).unwrap();
    }
    schema
}

fn anything() -> Schema {
    schema([(None, None), (None, None)])
}

/// Recovers from bytes: what was saved, and the report. On an error there is no file.
fn saved(bytes: &[u8], schema: Option<&Schema>) -> Result<(Vec<Pair>, Recovery), Error> {
    let folder = Folder::new();
    let (from, to) = (folder.file("from", bytes), folder.join("to"));
    let recovery = recover(&disk(), &from, &to, schema, &mut go_on).inspect_err(|_| {
        assert_eq!(folder.names(), ["from"]);
    })?;
    assert_eq!(std::fs::read(&from).unwrap(), bytes);
    assert_eq!(folder.names(), ["from", "to"]);
    let reader = RrecReader::open(&to, &DataOptions::default()).unwrap();
    assert_eq!(reader.len(), recovery.records);
    assert_eq!(reader.verify(&mut go_on).unwrap().bad_records, 0);
    let records = read(&reader);
    assert_eq!(std::fs::read(&to).unwrap(), encode(&records));
    Ok((records, recovery))
}

fn records_of(name: &str) -> Vec<Pair> {
    read(&RrecReader::open(&fixture(name), &DataOptions::default()).unwrap())
}

/// The file as its writer left it before it patched the header.
fn unpatched(records: &[Pair]) -> Vec<u8> {
    let mut bytes = encode(records);
    bytes[8..24].fill(0);
    bytes
}

fn check_open_fails(bytes: &[u8]) {
    let folder = Folder::new();
    let path = folder.file("cut.rrec", bytes);
    let error = RrecReader::open(&path, &DataOptions::default()).unwrap_err();
    let kind = if bytes.len() < 64 {
        Kind::WrongFormat
    } else {
        Kind::Malformed
    };
    assert_eq!(error.kind(), kind, "at {}", bytes.len());
}

#[test]
fn unfinished_files_give_their_eight_records() {
    let finished = std::fs::read(fixture("basic_3x4.rrec")).unwrap();
    for (name, dropped_bytes, reason) in [
        ("unfinished_dropped.rrec", 0, StopReason::End),
        ("unfinished_zero_tail.rrec", 4096, StopReason::Zeros),
    ] {
        let folder = Folder::new();
        let to = folder.join("saved.rrec");
        let recovery = recover(&disk(), &fixture(name), &to, None, &mut go_on).unwrap();
        let expected = Recovery {
            records: 8,
            stop_offset: 704,
            dropped_bytes,
            reason,
        };
        assert_eq!(recovery, expected, "{name}");
        assert_eq!(std::fs::read(&to).unwrap(), finished, "{name}");
    }
}

#[test]
fn sound_files_are_copied_whole() {
    for name in [
        "basic_3x4.rrec",
        "dims_1_to_5.rrec",
        "f16_hand.rrec",
        "f16_nonzero_padding.rrec",
        "many_tiny_10k.rrec",
        "ragged.rrec",
        "scalars_0d.rrec",
        "special_values.rrec",
        "zero_size_dims.rrec",
    ] {
        let folder = Folder::new();
        let to = folder.join("saved.rrec");
        for schema in [None, Some(&anything())] {
            let recovery = recover(&disk(), &fixture(name), &to, schema, &mut go_on).unwrap();
            let bytes = std::fs::read(fixture(name)).unwrap();
            assert_eq!(recovery.reason, StopReason::End, "{name}");
            assert_eq!(recovery.dropped_bytes, 0, "{name}");
            let index = bytes.len() as u64 - recovery.records * 16;
            assert_eq!(recovery.stop_offset, index, "{name}");
            assert!(std::fs::read(&to).unwrap() == bytes, "{name}");
            std::fs::remove_file(&to).unwrap();
        }
    }
}

/// Records without a zero byte at their end: every cut has one right answer.
#[test]
fn a_cut_at_every_byte_saves_what_is_whole() {
    let alike: Vec<Pair> = (0..4)
        .map(|n| {
            let halves = noise(n + 9, &[3]).bytes[..10].to_vec();
            [noise(n, &[2, 3]), Tensor::new(DType::F16, &[5], halves)]
        })
        .collect();
    let ragged: Vec<Pair> = (1..5)
        .map(|n| [noise(n, &[n.into(), 2]), noise(n, &[])])
        .collect();
    let of_ragged = schema([(Some(DType::F32), Some(&[-1, 2])), (None, Some(&[]))]);
    // Its first label is 0, but the next record doesn't begin with zeros.
    let basic = records_of("basic_3x4.rrec");
    let cases = [
        (&basic, None),
        (&alike, None),
        (&alike, Some(anything())),
        (&ragged, Some(of_ragged)),
        (&ragged, Some(anything())),
    ];
    for (records, schema) in cases {
        for bytes in [encode(records), unpatched(records)] {
            for cut in 0..bytes.len() {
                check_cut(records, &bytes[..cut], schema.as_ref());
            }
        }
    }
}

fn check_cut(records: &[Pair], bytes: &[u8], schema: Option<&Schema>) {
    let cut = bytes.len() as u64;
    if bytes.len() < 64 || bytes[8..24].iter().any(|&byte| byte != 0) {
        check_open_fails(bytes);
    }
    let ends = ends(records);
    let whole = ends.iter().skip(1).filter(|&&end| end <= cut).count();
    let result = saved(bytes, schema);
    if whole == 0 {
        let error = result.unwrap_err();
        let kind = [Kind::WrongFormat, Kind::Malformed][usize::from(cut >= 64)];
        assert_eq!(error.kind(), kind, "cut at {cut}: {error}");
        let at = (cut >= 64).then_some(64);
        assert_eq!(error.place().offset, at, "cut at {cut}");
        return;
    }
    let (found, recovery) = result.unwrap();
    assert_eq!(found, records[..whole], "cut at {cut}");
    assert_eq!(recovery.stop_offset, ends[whole], "cut at {cut}");
    let in_index = whole == records.len();
    let (reason, dropped) = if cut == ends[whole] || in_index {
        (StopReason::End, 0)
    } else {
        (StopReason::Cut, cut - ends[whole])
    };
    assert_eq!((recovery.reason, recovery.dropped_bytes), (reason, dropped));
}

/// A file cut anywhere, with zeros behind it: the image after a power cut.
#[test]
fn zero_tails_invent_nothing() {
    let mut alike: Vec<Pair> = (0..3)
        .map(|n| [noise(n, &[2]), noise(n + 1, &[])])
        .collect();
    // The last one ends in zeros, and can't be told from one whose end was never written.
    alike.push([noise(7, &[2]), Tensor::f32(&[], &[0.0])]);
    let one = [noise(1, &[3]), Tensor::f32(&[200], &[0.0; 200])];
    let long = vec![[noise(2, &[3]), noise(3, &[200])], one];
    for records in [&alike, &long] {
        let bytes = unpatched(records);
        let ends = ends(records);
        let step = if bytes.len() > 1000 { 7 } else { 1 };
        for cut in (64..=ends[records.len()] as usize).step_by(step) {
            for zeros in [1, 3, 4, 12, 24, 511, 512, 513, 4096] {
                let mut image = bytes[..cut].to_vec();
                image.resize(cut + zeros, 0);
                if ends.contains(&(image.len() as u64)) {
                    // Nothing tells these zeros from a record's own.
                    continue;
                }
                let written = image.iter().rposition(|&byte| byte != 0).unwrap() as u64 + 1;
                let whole = ends.iter().filter(|&&end| end <= written).count().max(1) - 1;
                if whole == 0 {
                    let error = saved(&image, None).unwrap_err();
                    assert_eq!(error.kind(), Kind::Malformed);
                    assert_eq!(error.place().offset, Some(64));
                    continue;
                }
                let (found, recovery) = saved(&image, None).unwrap();
                assert_eq!(found, records[..whole], "cut at {cut}, {zeros} zeros");
                assert_eq!(recovery.stop_offset, ends[whole]);
                assert_eq!(recovery.dropped_bytes, image.len() as u64 - ends[whole]);
                assert_ne!(recovery.reason, StopReason::End);
                if written == ends[whole] {
                    assert_eq!(recovery.reason, StopReason::Zeros);
                }
            }
        }
    }
}

/// Zeros of records of their own are kept where the index has them, and only there.
#[test]
fn records_of_zeros_are_kept_where_the_index_vouches_for_them() {
    let zero = [Tensor::f32(&[], &[0.0]), Tensor::f32(&[], &[0.0])];
    let records = vec![zero.clone(), zero.clone(), zero];
    let mut bytes = encode(&records);
    assert_eq!(saved(&bytes, None).unwrap().0, records);
    let index = bytes.len() - 48;
    // Space for records, header and index written, the records lost: their lengths differ.
    let mut lost = encode(&[
        [noise(1, &[4]), noise(2, &[4])],
        [noise(3, &[4]), noise(4, &[4])],
    ]);
    let lost_index = lost.len() - 32;
    lost[64..lost_index].fill(0);
    assert_eq!(saved(&lost, None).unwrap_err().kind(), Kind::Malformed);
    bytes.truncate(index);
    bytes[8..24].fill(0);
    assert_eq!(saved(&bytes, None).unwrap_err().kind(), Kind::Malformed);
    assert_eq!(
        saved(&bytes, Some(&anything())).unwrap_err().kind(),
        Kind::Malformed
    );
}

/// An index after the records walks as records too, of 64 dimensions.
#[test]
fn an_index_is_not_taken_for_records() {
    let mut bytes = std::fs::read(fixture("many_tiny_10k.rrec")).unwrap();
    let records = records_of("many_tiny_10k.rrec");
    let index = bytes.len() - 160_000;
    bytes[8..24].fill(0);
    for cut in [index + 1, index + 5, index + 16, index + 4000, bytes.len()] {
        for schema in [None, Some(anything())] {
            let (found, recovery) = saved(&bytes[..cut], schema.as_ref()).unwrap();
            assert!(found == records, "cut at {cut}");
            assert_eq!(recovery.reason, StopReason::End);
            assert_eq!(
                (recovery.stop_offset, recovery.dropped_bytes),
                (index as u64, 0)
            );
        }
    }
}

#[test]
fn a_broken_index_or_header_costs_no_record() {
    let records = records_of("basic_3x4.rrec");
    for name in [
        "bad_index_beyond_eof.rrec",
        "bad_num_records_plus1.rrec",
        "bad_record_len_too_long.rrec",
        "bad_record_len_too_short.rrec",
        "bad_record_offset_past_eof.rrec",
        "bad_truncated_in_index.rrec",
    ] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let (found, recovery) = saved(&bytes, None).unwrap();
        assert_eq!(found, records, "{name}");
        assert_eq!(
            (recovery.reason, recovery.stop_offset),
            (StopReason::End, 704),
            "{name}"
        );
    }
    for (name, whole, reason) in [
        ("bad_truncated_in_data.rrec", 1, StopReason::Cut),
        ("bad_dims_too_big.rrec", 1, StopReason::Mismatch),
        ("bad_dims_overflow_u64.rrec", 1, StopReason::Mismatch),
        ("bad_ndim_huge.rrec", 1, StopReason::Mismatch),
    ] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let (found, recovery) = saved(&bytes, None).unwrap();
        assert_eq!(found, records[..whole], "{name}");
        assert_eq!(recovery.reason, reason, "{name}");
    }
    let bytes = std::fs::read(fixture("bad_dtype_7.rrec")).unwrap();
    assert_eq!(saved(&bytes, None).unwrap_err().kind(), Kind::Malformed);
}

#[test]
fn a_schema_decides_what_is_a_record() {
    let records = records_of("ragged.rrec");
    let bytes = unpatched(&records);
    let (f32, f16) = (Some(DType::F32), Some(DType::F16));
    // Without one, record 0's shape: record 1 has another.
    let (found, recovery) = saved(&bytes, None).unwrap();
    assert_eq!((found.len(), recovery.reason), (1, StopReason::Mismatch));
    let three = schema([(f32, Some(&[-1, -1, -1])), (f32, Some(&[2]))]);
    let (found, recovery) = saved(&bytes, Some(&three)).unwrap();
    assert_eq!((found.len(), recovery.reason), (2, StopReason::Mismatch));
    assert_eq!(saved(&bytes, Some(&anything())).unwrap().0, records);
    // A schema that was given holds for a finished file as well.
    let (found, _) = saved(&encode(&records), Some(&three)).unwrap();
    assert_eq!(found, records[..2]);
    for wrong in [
        schema([(f16, None), (f32, None)]),
        schema([(f32, None), (f16, None)]),
        schema([(Some(DType::I32), None), (f32, None)]),
        schema([(f32, Some(&[])), (f32, None)]),
        schema([(f32, Some(&[-1, -1, -1, -1])), (f32, None)]),
        schema([(f32, Some(&[-1, -1, 5])), (f32, None)]),
    ] {
        let error = saved(&bytes, Some(&wrong)).unwrap_err();
        assert!(
            matches!(error, Error::NothingToRecover { offset: 64, .. }),
            "{error}"
        );
        assert!(
            error.to_string().contains("don't fit the schema"),
            "{error}"
        );
    }
    assert_eq!(
        saved(&bytes, Some(&Schema::new())).unwrap_err().kind(),
        Kind::InvalidArgument
    );
}

#[test]
fn what_stands_at_the_target_is_left() {
    let folder = Folder::new();
    let from = fixture("basic_3x4.rrec");
    let to = folder.file("to", b"mine");
    let refused = |from: &Path, to: &Path| {
        recover(&disk(), from, to, None, &mut go_on)
            .unwrap_err()
            .kind()
    };
    assert_eq!(refused(&from, &to), Kind::Exists);
    assert_eq!(refused(&to, &to), Kind::WrongFormat);
    assert_eq!(
        refused(&folder.join("none"), &folder.join("new")),
        Kind::NotFound
    );
    assert_eq!(refused(folder.path(), &folder.join("new")), Kind::NotAFile);
    assert_eq!(refused(&from, folder.path()), Kind::NotAFile);
    assert_eq!(refused(&from, &folder.join("none/new")), Kind::NotFound);
    assert_eq!(
        refused(&fixture("bad_version_2.rrec"), &folder.join("new")),
        Kind::Unsupported
    );
    assert_eq!(
        refused(&fixture("empty_finished.rrec"), &folder.join("new")),
        Kind::Malformed
    );
    assert_eq!(std::fs::read(&to).unwrap(), b"mine");
    assert_eq!(folder.names(), ["to"]);
}

#[test]
fn cancelled_at_any_call_no_file_is_left() {
    let folder = Folder::new();
    let from = fixture("many_tiny_10k.rrec");
    let mut calls = Vec::new();
    let mut count = |done, all| {
        calls.push((done, all));
        true
    };
    recover(&disk(), &from, &folder.join("whole"), None, &mut count).unwrap();
    let all = 440_064 - 160_000;
    assert!(calls.len() >= 10 && calls.iter().all(|call| call.1 == all));
    assert!(calls.is_sorted() && calls[calls.len() - 1] == (all, all));
    for last in 0..calls.len() {
        let mut left = last;
        let mut stop = |_, _| {
            left = left.wrapping_sub(1);
            left != usize::MAX
        };
        let error = recover(&disk(), &from, &folder.join("to"), None, &mut stop).unwrap_err();
        assert_eq!(error.kind(), Kind::Cancelled);
        assert_eq!(folder.names(), ["whole"]);
    }
}
