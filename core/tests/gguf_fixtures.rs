//! GGUF files that others wrote behave as their sidecars say.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::path::{Path, PathBuf};

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Backend, DataOptions};
use adit_core::model::{Format, Metadata, MetadataKind, Model, ModelOptions, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};

mod gguf_tools;
use gguf_tools::read;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data/gguf")
        .join(name)
}

fn sidecars(expect: &str) -> Vec<Value> {
    let mut sidecars = Vec::new();
    for entry in std::fs::read_dir(fixture("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let sidecar: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            if sidecar["expect"] == expect {
                sidecars.push(sidecar);
            }
        }
    }
    sidecars
}

fn open(name: &str, backend: Backend) -> Result<Model> {
    let data = DataOptions {
        backend,
        ..DataOptions::default()
    };
    let options = ModelOptions {
        data,
        ..ModelOptions::default()
    };
    Model::open(&fixture(name), &options)
}

fn kind(name: &str) -> MetadataKind {
    match name {
        "UINT8" => MetadataKind::U8,
        "INT8" => MetadataKind::I8,
        "UINT16" => MetadataKind::U16,
        "INT16" => MetadataKind::I16,
        "UINT32" => MetadataKind::U32,
        "INT32" => MetadataKind::I32,
        "FLOAT32" => MetadataKind::F32,
        "BOOL" => MetadataKind::Bool,
        "STRING" => MetadataKind::String,
        "ARRAY" => MetadataKind::Array,
        "UINT64" => MetadataKind::U64,
        "INT64" => MetadataKind::I64,
        "FLOAT64" => MetadataKind::F64,
        other => panic!("{other}"),
    }
}

/// The bytes of a number, in this machine's order.
fn bytes_of(kind: MetadataKind, number: &Value) -> Vec<u8> {
    let unsigned = || number.as_u64().unwrap();
    let signed = || number.as_i64().unwrap();
    match kind {
        MetadataKind::U8 => vec![unsigned() as u8],
        MetadataKind::I8 => vec![signed() as u8],
        MetadataKind::Bool => vec![u8::from(number.as_bool().unwrap())],
        MetadataKind::U16 => (unsigned() as u16).to_ne_bytes().to_vec(),
        MetadataKind::I16 => (signed() as i16).to_ne_bytes().to_vec(),
        MetadataKind::U32 => (unsigned() as u32).to_ne_bytes().to_vec(),
        MetadataKind::I32 => (signed() as i32).to_ne_bytes().to_vec(),
        MetadataKind::F32 => (number.as_f64().unwrap() as f32).to_ne_bytes().to_vec(),
        MetadataKind::U64 => unsigned().to_ne_bytes().to_vec(),
        MetadataKind::I64 => signed().to_ne_bytes().to_vec(),
        MetadataKind::F64 => number.as_f64().unwrap().to_ne_bytes().to_vec(),
        MetadataKind::String | MetadataKind::Array => panic!("no number"),
    }
}

fn check(metadata: &Metadata, value: usize, kinds: &[MetadataKind], wanted: &Value, key: &str) {
    assert_eq!(metadata.kind(value), Some(kinds[0]), "{key}");
    match kinds[0] {
        MetadataKind::String => {
            let text = wanted.as_str().unwrap().as_bytes();
            assert_eq!(metadata.string(value).unwrap(), text, "{key}");
        }
        MetadataKind::Array => check_array(metadata, value, &kinds[1..], wanted, key),
        MetadataKind::Bool => assert_eq!(metadata.bool(value).ok(), wanted.as_bool(), "{key}"),
        MetadataKind::F32 | MetadataKind::F64 => {
            assert_eq!(metadata.f64(value).ok(), wanted.as_f64(), "{key}");
        }
        _ => {
            assert_eq!(metadata.u64(value).ok(), wanted.as_u64(), "{key}");
            assert_eq!(metadata.i64(value).ok(), wanted.as_i64(), "{key}");
        }
    }
}

fn check_array(
    metadata: &Metadata,
    value: usize,
    kinds: &[MetadataKind],
    wanted: &Value,
    key: &str,
) {
    let wanted = wanted.as_array().unwrap();
    let len = metadata.array_len(value).unwrap();
    assert_eq!(len, wanted.len() as u64, "{key}");
    assert_eq!(metadata.array_kind(value).unwrap(), kinds[0], "{key}");
    for (index, wanted) in (0..len).zip(wanted) {
        match kinds[0] {
            MetadataKind::String => assert_eq!(
                metadata.array_string(value, index).unwrap(),
                wanted.as_str().unwrap().as_bytes(),
                "{key}"
            ),
            MetadataKind::Array => {
                let nested = metadata.array_nested(value, index).unwrap();
                assert!(nested >= metadata.len());
                check(metadata, nested, kinds, wanted, key);
            }
            kind => assert_eq!(
                read(metadata, value, index, 1),
                bytes_of(kind, wanted),
                "{key}"
            ),
        }
    }
    if kinds[0].bytes().is_some() {
        let all: Vec<u8> = wanted
            .iter()
            .flat_map(|number| bytes_of(kinds[0], number))
            .collect();
        assert_eq!(read(metadata, value, 0, len), all, "{key}");
    }
}

fn check_tensor(model: &Model, name: &str, wanted: &Value) {
    let number = model.tensors().find(name.as_bytes()).unwrap();
    let entry = *model.entry(number).unwrap();
    let dtype = wanted["type"].as_str().unwrap().to_lowercase();
    assert_eq!(entry.dtype, DType::from_name(&dtype), "{name}");
    assert!(entry.dtype.is_some(), "{name}");
    assert_eq!(
        entry.offset,
        wanted["offset_abs"].as_u64().unwrap(),
        "{name}"
    );
    assert_eq!(entry.bytes, wanted["n_bytes"].as_u64().unwrap(), "{name}");
    let ne: Vec<i64> = wanted["ne"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|ne| ne.as_i64().unwrap())
        .collect();
    assert_eq!(model.tensors().dims(&entry), ne, "{name}");
    let region = model.data_of(&entry).unwrap().region();
    let bytes = region.to_vec(entry.offset, entry.bytes as usize).unwrap();
    let sum: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(sum, wanted["sha256"].as_str().unwrap(), "{name}");
    match model.tensor(number) {
        Ok(lent) => assert_eq!(lent.bytes.to_vec(0, bytes.len()).unwrap(), bytes),
        Err(error) => {
            assert!(model.big_endian() && entry.dtype.unwrap().is_swappable());
            assert_eq!(error.kind(), Kind::Unsupported);
        }
    }
}

#[test]
fn sound_files_give_their_contents() {
    let (mut files, mut values, mut tensors) = (0, 0, 0);
    for backend in [Backend::Auto, Backend::Read] {
        for sidecar in sidecars("ok") {
            let name = sidecar["file"].as_str().unwrap();
            let contents = &sidecar["contents"];
            let model = open(name, backend).unwrap();
            assert_eq!(model.format(), Format::Gguf);
            assert_eq!(model.big_endian(), name == "big_endian.gguf");
            let wanted = contents["kv"].as_object().unwrap();
            let metadata = model.metadata();
            assert_eq!(metadata.len(), wanted.len(), "{name}");
            for (key, wanted) in wanted {
                let value = metadata.find(key.as_bytes()).unwrap();
                assert_eq!(metadata.key(value).unwrap(), key.as_bytes());
                let kinds: Vec<MetadataKind> = wanted["types"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|name| kind(name.as_str().unwrap()))
                    .collect();
                check(metadata, value, &kinds, &wanted["value"], key);
                values += 1;
            }
            let wanted = contents["tensors"].as_object().unwrap();
            for (name, wanted) in wanted {
                check_tensor(&model, name, wanted);
                tensors += 1;
            }
            let split = model.files().len() > 1;
            assert_eq!(
                model.tensors().len(),
                wanted.len() + if split { 3 } else { 0 }
            );
            files += 1;
        }
    }
    assert!(
        (files, values, tensors) == (18, 236, 128),
        "{files} {values} {tensors}"
    );
}

/// The damaged ones: the class, the offset and words of the message.
const DAMAGED: &[(&str, Kind, Option<u64>, &str)] = &[
    (
        "bad_header_only",
        Kind::Malformed,
        Some(16),
        "8 bytes are needed here, but 4 follow",
    ),
    ("bad_magic", Kind::WrongFormat, Some(0), "no model file"),
    (
        "bad_n_kv_huge",
        Kind::Malformed,
        Some(16),
        "1152921504606846976 keys",
    ),
    (
        "bad_n_tensors_huge",
        Kind::Malformed,
        Some(8),
        "1152921504606846976 tensors",
    ),
    (
        "bad_ne_overflow",
        Kind::Malformed,
        Some(37),
        "4294967296 x 4294967296",
    ),
    (
        "bad_offset_past_eof",
        Kind::Malformed,
        Some(49),
        "offset 1099511627776 of the data",
    ),
    (
        "bad_offset_unaligned",
        Kind::Malformed,
        Some(49),
        "no multiple of 32",
    ),
    (
        "bad_string_len_huge",
        Kind::Malformed,
        Some(24),
        "a key of 4611686018427387904 bytes",
    ),
    (
        "bad_truncated_data",
        Kind::Malformed,
        None,
        "it is cut or the offset is wrong",
    ),
    (
        "bad_truncated_kv",
        Kind::Malformed,
        Some(16),
        "17 keys of 14 bytes or more each, but 176",
    ),
    (
        "bad_version_0",
        Kind::Unsupported,
        Some(4),
        "GGUF version 0; 2 and 3 are known",
    ),
    (
        "bad_version_99",
        Kind::Unsupported,
        Some(4),
        "GGUF version 99; 2 and 3 are known",
    ),
    (
        "split-00002-of-00003",
        Kind::InvalidArgument,
        None,
        "split-00001-of-00003.gguf'",
    ),
    (
        "split-00003-of-00003",
        Kind::InvalidArgument,
        None,
        "it is part 3 of 3 of a split model",
    ),
    (
        "split_aligned-00001-of-00002",
        Kind::Malformed,
        None,
        "start at byte 160, but its length",
    ),
    (
        "split_aligned-00002-of-00002",
        Kind::InvalidArgument,
        None,
        "open the first",
    ),
];

#[test]
fn damaged_files_are_refused() {
    let sidecars = sidecars("open_error");
    assert_eq!(sidecars.len(), DAMAGED.len());
    for (stem, kind, offset, words) in DAMAGED {
        let name = format!("{stem}.gguf");
        assert!(
            sidecars
                .iter()
                .any(|sidecar| sidecar["file"] == name.as_str())
        );
        let error = open(&name, Backend::Auto).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), *kind, "{text}");
        assert!(text.contains(words), "{text}");
        let place = error.place();
        assert!(
            text.contains(place.path.unwrap().to_str().unwrap()),
            "{text}"
        );
        if offset.is_some() {
            assert_eq!(place.offset, *offset, "{text}");
        }
    }
}
