//! Safetensors files that others wrote behave as their sidecars say.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod safetensors_tools;

use std::path::{Path, PathBuf};

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Backend, DataOptions};
use adit_core::model::{Format, Model, ModelOptions};
use safetensors_tools::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data/safetensors")
        .join(name)
}

/// Every sidecar.
fn sidecars() -> Vec<Value> {
    let mut sidecars = Vec::new();
    for entry in std::fs::read_dir(fixture("")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            sidecars.push(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap());
        }
    }
    sidecars
}

/// The dtype of a name, NumPy's and torch's or the format's own.
fn dtype(name: &str) -> DType {
    let own = match name {
        "float64" => "F64",
        "float32" => "F32",
        "float16" => "F16",
        "bfloat16" => "BF16",
        "float8_e4m3fn" => "F8_E4M3",
        "float8_e5m2" => "F8_E5M2",
        "int64" => "I64",
        "int32" => "I32",
        "int16" => "I16",
        "int8" => "I8",
        "uint64" => "U64",
        "uint32" => "U32",
        "uint16" => "U16",
        "uint8" => "U8",
        "bool" => "BOOL",
        "complex64" => "C64",
        other => other,
    };
    DType::from_safetensors(own).unwrap_or_else(|| panic!("{name}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn dims(value: &Value) -> Vec<i64> {
    let list = value.as_array().unwrap();
    list.iter().map(|dim| dim.as_i64().unwrap()).collect()
}

fn check(model: &Model, sidecar: &Value) {
    let contents = &sidecar["contents"];
    let tensors = contents["tensors"].as_object().unwrap();
    assert_eq!(model.format(), Format::Safetensors);
    assert_eq!(model.tensors().len(), tensors.len());
    let header_len = contents["header_bytes"].as_u64();
    let mut last = 0;
    for (index, (name, found, shape, file, offset, bytes)) in rows(model).into_iter().enumerate() {
        let expected = &tensors[&name];
        assert_eq!(found, dtype(expected["dtype"].as_str().unwrap()), "{name}");
        assert_eq!(shape, dims(&expected["shape"]), "{name}");
        if let Some(expected) = expected["bytes"].as_u64() {
            assert_eq!(bytes, expected, "{name}");
        }
        let sum = hex(&Sha256::digest(bytes_of(model, index)));
        assert_eq!(sum, expected["sha256"].as_str().unwrap(), "{name}");
        if let Some(said) = contents["header"].get(&name) {
            assert_eq!(found.safetensors(), said["dtype"].as_str());
            let offsets = dims(&said["data_offsets"]);
            let start = 8 + header_len.unwrap();
            assert_eq!(offset - start, offsets[0] as u64, "{name}");
            assert_eq!(offset - start + bytes, offsets[1] as u64, "{name}");
        }
        assert!(offset >= last && file == 0, "{name}");
        last = offset;
    }
    let mut expected: Vec<(String, String)> = contents["metadata"]
        .as_object()
        .map(|map| {
            map.iter()
                .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
                .collect()
        })
        .unwrap_or_default();
    let mut found = strings(model);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn files_are_read_as_their_sidecars_say() {
    let (mut good, mut bad) = (0, 0);
    for sidecar in sidecars() {
        let name = sidecar["file"].as_str().unwrap();
        let path = fixture(name);
        let sum = hex(&Sha256::digest(std::fs::read(&path).unwrap()));
        assert_eq!(sum, sidecar["sha256"].as_str().unwrap(), "{name}");
        for backend in [Backend::Map, Backend::Read] {
            let options = ModelOptions {
                data: DataOptions {
                    backend,
                    ..DataOptions::default()
                },
                ..ModelOptions::default()
            };
            match (
                sidecar["expect"].as_str().unwrap(),
                Model::open(&path, &options),
            ) {
                ("ok", Ok(model)) => {
                    check(&model, &sidecar);
                    good += 1;
                }
                ("open_error", Err(error)) => {
                    assert_eq!(error.place().path, Some(path.clone()));
                    bad += 1;
                }
                (_, result) => panic!("{name}: {result:?}"),
            }
        }
    }
    assert_eq!((good, bad), (12, 26));
}

#[test]
fn bad_files_are_told_why() {
    for (name, kind, offset, words) in [
        (
            "begin_after_end",
            Kind::Malformed,
            10,
            "tensor 'a': its bytes start at",
        ),
        (
            "dtype",
            Kind::Malformed,
            23,
            "tensor 'a': the dtype 'F33' isn't known",
        ),
        (
            "duplicate_names",
            Kind::Malformed,
            63,
            "tensor 'a': the header has this name twice",
        ),
        (
            "header_len_huge",
            Kind::Malformed,
            0,
            "the header's length is 9223372036854775808",
        ),
        (
            "header_len_past_eof",
            Kind::Malformed,
            66,
            "the file ends after 66 bytes, within its",
        ),
        (
            "hole",
            Kind::Malformed,
            63,
            "tensor 'b': its bytes start at 8, but bytes 4 to 8",
        ),
        (
            "not_json",
            Kind::Malformed,
            9,
            "the header can't be read: key must be a string",
        ),
        (
            "offsets_past_eof",
            Kind::Malformed,
            71,
            "the file ends after 71 of 79 bytes",
        ),
        (
            "overlap",
            Kind::Malformed,
            63,
            "tensor 'b': its bytes start at 4, but the tensor before",
        ),
        (
            "shape_overflow",
            Kind::Malformed,
            10,
            "tensor 'a': f32 of shape [4294967296, 4294967296]",
        ),
        (
            "size_mismatch",
            Kind::Malformed,
            10,
            "needs 12 bytes, but its data_offsets give it 8",
        ),
        ("too_short", Kind::WrongFormat, 0, "only 7 bytes"),
        (
            "trailing_data",
            Kind::Malformed,
            66,
            "8 bytes follow the last tensor",
        ),
    ] {
        let path = fixture(&format!("bad_{name}.safetensors"));
        let error = open(&path).unwrap_err();
        let file = format!("'{}'", path.display());
        assert_error(&error, kind, Some(offset), &[words, &file]);
    }
}
