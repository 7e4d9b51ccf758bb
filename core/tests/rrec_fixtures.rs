//! Files that rumus 0.3.1 wrote, and hostile variants of them: each behaves as its sidecar says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Backend, DataOptions, Io};
use adit_core::record::{Error, RrecReader};
use common::{Pair, Tensor, data_of, fixture, gather, go_on, read};
use serde_json::Value;
use sha2::{Digest, Sha256};

const IOS: [Io; 3] = [Io::Auto, Io::Map, Io::Read];

fn hex(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes))
}

/// Every fixture with its sidecar, of one expectation.
fn fixtures(expect: &str) -> Vec<(PathBuf, Value)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(fixture(".")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "json") {
            let sidecar: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let file = path.with_extension("");
            let bytes = std::fs::read(&file).unwrap();
            assert_eq!(sidecar["sha256"], sha256(&bytes), "{}", file.display());
            if sidecar["expect"] == expect {
                found.push((file, sidecar));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

/// The ways to open a file: mapped, read, copied.
fn openings(path: &Path) -> Vec<(&'static str, Result<RrecReader, Error>)> {
    let backend = |backend| DataOptions {
        backend,
        ..DataOptions::default()
    };
    let bytes = std::fs::read(path).unwrap();
    vec![
        ("auto", RrecReader::open(path, &DataOptions::default())),
        ("map", RrecReader::open(path, &backend(Backend::Map))),
        ("read", RrecReader::open(path, &backend(Backend::Read))),
        ("copy", RrecReader::from_data(data_of(&bytes))),
    ]
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

fn check_tensor(tensor: &Tensor, says: &Value, what: &str) {
    let dims: Vec<i64> = serde_json::from_value(says["shape"].clone()).unwrap();
    assert_eq!(tensor.dims, dims, "{what}");
    let (dtype, size) = match says["dtype"].as_str().unwrap() {
        "F32" => (DType::F32, 4),
        "F16" => (DType::F16, 2),
        other => panic!("{what}: {other}"),
    };
    assert_eq!(tensor.dtype, dtype, "{what}");
    assert_eq!(says["sha256"], sha256(&tensor.bytes), "{what}");
    if let Some(bits) = says["bits"].as_array() {
        let own: Vec<String> = tensor
            .bytes
            .chunks(size)
            .map(|element| hex(element.iter().rev().copied().collect::<Vec<u8>>()))
            .collect();
        assert_eq!(bits, &own, "{what}");
    }
}

/// Gathers each record alone, and where all are alike all of them backwards, twice.
fn check_gather(reader: &RrecReader, records: &[Pair], what: &str) {
    for field in 0..2 {
        let column: Vec<&Tensor> = records.iter().map(|record| &record[field]).collect();
        for io in IOS {
            for (index, tensor) in column.iter().enumerate() {
                let size = tensor.bytes.len();
                let (found, bytes) = gather(reader, field, &[index as u64], size, io).unwrap();
                assert_eq!(found.dtype, Some(tensor.dtype), "{what}");
                assert_eq!(found.shape.dims(), [&[1], &tensor.dims[..]].concat());
                assert_eq!(bytes, tensor.bytes, "{what}, record {index}, {io:?}");
            }
            let Some(first) = column.first() else {
                continue;
            };
            let count = records.len() as u64;
            let indices: Vec<u64> = (0..count).rev().chain(0..count).collect();
            let room = column[column.len() - 1].bytes.len() * indices.len();
            let gathered = gather(reader, field, &indices, room, io);
            if column
                .iter()
                .any(|other| (other.dtype, &other.dims) != (first.dtype, &first.dims))
            {
                assert_eq!(gathered.unwrap_err().kind(), Kind::Shape, "{what}");
                continue;
            }
            let (found, bytes) = gathered.unwrap();
            let count = indices.len() as i64;
            assert_eq!(found.shape.dims(), [&[count], &first.dims[..]].concat());
            let expected = column.iter().rev().chain(&column);
            assert_eq!(
                bytes,
                expected.flat_map(|t| t.bytes.clone()).collect::<Vec<_>>()
            );
        }
    }
}

fn check_good(path: &Path, sidecar: &Value) {
    let contents = &sidecar["contents"];
    for (how, opened) in openings(path) {
        let what = format!("{} by {how}", name(path));
        let reader = opened.unwrap();
        assert_eq!(contents["num_records"], reader.len(), "{what}");
        assert_eq!(reader.is_empty(), contents["num_records"] == 0);
        let records = read(&reader);
        for says in contents["records"].as_array().unwrap() {
            let [input, target] = &records[says["i"].as_u64().unwrap() as usize];
            check_tensor(
                input,
                &says["input"],
                &format!("{what}, input {}", says["i"]),
            );
            check_tensor(
                target,
                &says["target"],
                &format!("{what}, target {}", says["i"]),
            );
        }
        for (field, key) in ["all_inputs_sha256", "all_targets_sha256"]
            .into_iter()
            .enumerate()
        {
            let all: Vec<u8> = records
                .iter()
                .flat_map(|record| record[field].bytes.clone())
                .collect();
            assert_eq!(contents[key], sha256(&all), "{what}, {key}");
        }
        for (index, record) in records.iter().enumerate().take(40) {
            for (field, tensor) in record.iter().enumerate() {
                assert_eq!(reader.dims(index as u64, field).unwrap(), tensor.dims);
            }
        }
        check_gather(&reader, &records[..records.len().min(300)], &what);
        let found = reader.verify(&mut go_on).unwrap();
        assert_eq!((found.records, found.bad_records), (reader.len(), 0));
        let index = reader.data().len() - reader.len() * 16;
        assert_eq!(found.bytes, index - 64, "{what}");
        assert!(found.first_bad.is_none(), "{what}");
        let error = reader.get(reader.len()).unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfRange, "{what}");
        assert_eq!(error.place().index, Some(reader.len()));
    }
}

#[test]
fn good_files_give_what_their_sidecars_say() {
    let all = fixtures("ok");
    assert_eq!(all.len(), 10);
    for (path, sidecar) in all {
        check_good(&path, &sidecar);
    }
}

#[test]
fn reserved_header_bytes_are_passed_over() {
    let all = fixtures("either");
    assert_eq!(all.len(), 1);
    for (path, sidecar) in all {
        check_good(&path, &sidecar);
    }
}

#[test]
fn schemas_are_record_0s() {
    let reader = RrecReader::open(&fixture("f16_hand.rrec"), &DataOptions::default()).unwrap();
    let schema = reader.schema().unwrap();
    let [input, target] = schema.fields() else {
        panic!("{schema:?}")
    };
    assert_eq!(
        (input.name.as_str(), input.dtype),
        ("input", Some(DType::F16))
    );
    assert_eq!(
        (target.name.as_str(), target.dtype),
        ("target", Some(DType::F32))
    );
    assert!(input.takes(DType::F16, &[15]) && !input.takes(DType::F16, &[5]));
    let path = fixture("empty_finished.rrec");
    let reader = RrecReader::open(&path, &DataOptions::default()).unwrap();
    let schema = reader.schema().unwrap();
    assert!(
        schema
            .fields()
            .iter()
            .all(|field| field.takes(DType::F16, &[1, 2]))
    );
    for io in IOS {
        let (found, bytes) = gather(&reader, 1, &[], 0, io).unwrap();
        assert_eq!(
            (found.dtype, found.shape.dims(), bytes.len()),
            (None, &[0][..], 0)
        );
    }
}

#[test]
fn broken_files_are_refused_at_open() {
    let kinds = [
        ("bad_index_beyond_eof.rrec", Kind::Malformed),
        ("bad_magic.rrec", Kind::WrongFormat),
        ("bad_num_records_plus1.rrec", Kind::Malformed),
        ("bad_short_header.rrec", Kind::WrongFormat),
        ("bad_truncated_in_data.rrec", Kind::Malformed),
        ("bad_truncated_in_index.rrec", Kind::Malformed),
        ("bad_version_0.rrec", Kind::Unsupported),
        ("bad_version_2.rrec", Kind::Unsupported),
        ("bad_zero_bytes.rrec", Kind::WrongFormat),
    ];
    let all = fixtures("open_error");
    assert_eq!(all.len(), kinds.len());
    for ((path, _), (expected, kind)) in all.iter().zip(kinds) {
        assert_eq!(name(path), expected);
        check_refused(path, kind);
    }
}

#[test]
fn unfinished_files_are_told_from_empty_ones() {
    let all = fixtures("unfinished");
    assert_eq!(all.len(), 2);
    for (path, sidecar) in all {
        check_refused(&path, Kind::Unfinished);
        let error = RrecReader::open(&path, &DataOptions::default()).unwrap_err();
        let bytes = sidecar["bytes"].as_u64().unwrap() - 64;
        assert!(
            error.to_string().contains(&format!("{bytes} bytes")),
            "{error}"
        );
    }
}

fn check_refused(path: &Path, kind: Kind) {
    for (how, opened) in openings(path) {
        let error = opened.unwrap_err();
        assert_eq!(error.kind(), kind, "{how}: {error}");
        assert_eq!(error.os_code(), 0);
        if how == "copy" {
            assert!(error.to_string().contains("bytes in memory"), "{error}");
            assert_eq!(error.place().path, None);
        } else {
            assert!(error.to_string().contains(name(path)), "{error}");
            assert_eq!(error.place().path.as_deref(), Some(path));
        }
    }
}

#[test]
fn one_bad_record_leaves_the_others_good() {
    let all = fixtures("record_error");
    assert_eq!(all.len(), 7);
    for (path, sidecar) in all {
        let bad: Vec<u64> =
            serde_json::from_value(sidecar["contents"]["bad_records"].clone()).unwrap();
        for (how, opened) in openings(&path) {
            let what = format!("{} by {how}", name(&path));
            check_one_bad(&opened.unwrap(), &sidecar, &bad, &what);
        }
    }
}

fn check_one_bad(reader: &RrecReader, sidecar: &Value, bad: &[u64], what: &str) {
    assert_eq!(sidecar["contents"]["num_records"], reader.len(), "{what}");
    let mut inputs = Vec::new();
    for index in 0..reader.len() {
        if !bad.contains(&index) {
            let [input, target] = reader.get(index).unwrap().map(|lent| Tensor::of(&lent));
            for io in IOS {
                let gathered = gather(reader, 0, &[index], 1 << 10, io).unwrap().1;
                assert_eq!(gathered, input.bytes, "{what}");
                let gathered = gather(reader, 1, &[index], 1 << 10, io).unwrap().1;
                assert_eq!(gathered, target.bytes, "{what}");
            }
            inputs.extend(input.bytes);
            continue;
        }
        let errors = IOS
            .into_iter()
            .flat_map(|io| [0, 1].map(|field| (io, field)))
            .map(|(io, field)| gather(reader, field, &[index], 1 << 20, io).unwrap_err())
            .chain([
                reader.get(index).unwrap_err(),
                reader.dims(index, 0).unwrap_err(),
                gather(reader, 0, &[reader.len() - 1, index], 1 << 20, Io::Auto).unwrap_err(),
            ]);
        for error in errors {
            assert_eq!(error.kind(), Kind::Malformed, "{what}: {error}");
            assert_eq!(error.place().index, Some(index), "{what}");
            let record = format!("record {index}");
            assert!(error.to_string().contains(&record), "{error}");
            if let Some(path) = reader.data().origin().path() {
                assert!(error.to_string().contains(name(path)), "{error}");
            }
        }
    }
    if let Some(sum) = sidecar["peer_observed"]["rumus 0.3.1"]["all_inputs_sha256"].as_str() {
        assert_eq!(sha256(&inputs), sum, "{what}");
    }
    let found = reader.verify(&mut go_on).unwrap();
    assert_eq!(found.records, reader.len(), "{what}");
    assert_eq!(found.bad_records, bad.len() as u64, "{what}");
    let first = found.first_bad.unwrap();
    assert_eq!(first.place().index, bad.first().copied(), "{what}: {first}");
}

/// A record at an odd byte: gathered, not lent, since its elements lie misaligned.
#[test]
fn misaligned_records_are_copied_only() {
    let good = std::fs::read(fixture("basic_3x4.rrec")).unwrap();
    let index = u64::from_le_bytes(good[16..24].try_into().unwrap()) as usize;
    let mut bytes = good[..64].to_vec();
    bytes.push(0);
    bytes.extend(&good[64..]);
    bytes[16] += 1;
    for entry in bytes[index + 1..].chunks_mut(16) {
        let offset = u64::from_le_bytes(entry[..8].try_into().unwrap()) + 1;
        entry[..8].copy_from_slice(&offset.to_le_bytes());
    }
    let reader = RrecReader::from_data(data_of(&bytes)).unwrap();
    let aligned = RrecReader::from_data(Arc::clone(&data_of(&good))).unwrap();
    let records = read(&aligned);
    let error = reader.get(3).unwrap_err();
    assert_eq!(error.kind(), Kind::Misaligned, "{error}");
    assert_eq!(error.place().index, Some(3));
    check_gather(&reader, &records, "misaligned");
    assert_eq!(reader.verify(&mut go_on).unwrap().bad_records, 0);
}
