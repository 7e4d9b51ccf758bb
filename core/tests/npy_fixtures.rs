//! `.npy` files that others wrote behave as their sidecars say, and no bytes make the reader panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_core::array::{Array, ArrayOptions, Error, Result};
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Access, Backend, Data, DataOptions, Region};
use adit_core::tensor::{self, Lent};
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data/npy")
        .join(name)
}

/// The sidecars of all fixtures.
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

fn named(sidecar: &Value) -> (&str, PathBuf) {
    let name = sidecar["file"].as_str().unwrap();
    (name, fixture(name))
}

fn open(path: &Path) -> Result<Array> {
    Array::open(path, &ArrayOptions::default())
}

fn from_bytes(bytes: &[u8]) -> Result<Array> {
    // SAFETY: the slice outlives the region, which is copied at once.
    let region = unsafe { Region::new(bytes.as_ptr(), bytes.len()) };
    Array::from_data(Arc::new(Data::copy_of(region).unwrap()), None)
}

/// A file with this header, padded as NumPy pads it, and `data` zeros.
fn file(version: u8, header: &str, data: usize) -> Vec<u8> {
    let prefix = if version == 1 { 10 } else { 12 };
    let len = (prefix + header.len() + 1).next_multiple_of(64) - prefix;
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    bytes.extend(&(len as u32).to_le_bytes()[..prefix - 8]);
    bytes.extend(header.as_bytes());
    bytes.resize(prefix + len - 1, b' ');
    bytes.push(b'\n');
    bytes.resize(bytes.len() + data, 0);
    bytes
}

/// A header as NumPy writes it.
fn numpy_header(descr: &str, fortran_order: bool, dims: &[i64]) -> String {
    let order = if fortran_order { "True" } else { "False" };
    let shape = match dims {
        [dim] => format!("({dim},)"),
        dims => format!(
            "({})",
            dims.iter()
                .map(i64::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}")
}

fn raw(array: &Array) -> Vec<u8> {
    let region = array.region();
    region.to_vec(0, region.len()).unwrap()
}

/// The elements in C order, by the strides.
fn in_c_order(lent: &Lent<'_>) -> Vec<u8> {
    let size = lent.dtype.block_bytes() as usize;
    let dims = lent.shape.dims();
    let mut out = Vec::new();
    for number in 0..dims.iter().product::<i64>() {
        let (mut rest, mut element) = (number, 0);
        for (axis, dim) in dims.iter().enumerate().rev() {
            element += rest % dim * lent.strides()[axis];
            rest /= dim;
        }
        out.extend(
            lent.bytes
                .to_vec(element as u64 * size as u64, size)
                .unwrap(),
        );
    }
    out
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn sound_files_give_their_elements() {
    let mut seen = 0;
    for sidecar in sidecars()
        .iter()
        .filter(|sidecar| sidecar["expect"] == "ok")
    {
        let (name, path) = named(sidecar);
        let contents = &sidecar["contents"];
        let array = open(&path).unwrap();
        let dims: Vec<i64> = contents["shape"]
            .as_array()
            .unwrap()
            .iter()
            .map(|dim| dim.as_i64().unwrap())
            .collect();
        let dtype = contents["dtype"].as_str().unwrap();
        let fortran_order = contents["fortran_order"].as_bool().unwrap_or(false);
        assert_eq!(array.dims(), dims, "{name}");
        assert_eq!(array.dtype().npy(), Some(&dtype[1..]), "{name}");
        assert_eq!(array.big_endian(), dtype.starts_with('>'), "{name}");
        assert_eq!(array.fortran_order(), fortran_order, "{name}");
        if let Some(sum) = contents["raw_data_sha256"].as_str() {
            assert_eq!(sha256(&raw(&array)), sum, "{name}");
        }
        let sum = contents["data_sha256_c_order"].as_str().unwrap();
        if array.big_endian() {
            assert_eq!(sha256(&raw(&array)), sum, "{name}");
            assert_eq!(array.tensor().unwrap_err().kind(), Kind::Unsupported);
        } else if name == "hand_unaligned_data.npy" {
            assert_eq!(sha256(&raw(&array)), sum, "{name}");
        } else {
            let lent = array.tensor().unwrap();
            assert_eq!(lent.dtype, array.dtype());
            assert_eq!(lent.shape.dims(), dims);
            assert_eq!(sha256(&in_c_order(&lent)), sum, "{name}");
            assert_eq!(array.source().is_ok(), !fortran_order, "{name}");
        }
        seen += 1;
    }
    assert!(seen >= 45, "{seen} fixtures");
}

#[test]
fn sound_files_without_a_tensor_are_unsupported() {
    let mut seen = 0;
    for sidecar in &sidecars() {
        if sidecar["expect"] == "unsupported_dtype" {
            assert_refused(sidecar, Kind::Unsupported);
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen} fixtures");
}

#[test]
fn unsound_files_are_refused() {
    let mut seen = 0;
    for sidecar in &sidecars() {
        if sidecar["expect"] != "open_error" {
            continue;
        }
        let kind = match named(sidecar).0 {
            "bad_magic.npy" => Kind::WrongFormat,
            "bad_object.npy" | "bad_version_9.npy" => Kind::Unsupported,
            _ => Kind::Malformed,
        };
        assert_refused(sidecar, kind);
        seen += 1;
    }
    assert!(seen >= 12, "{seen} fixtures");
}

fn assert_refused(sidecar: &Value, kind: Kind) {
    let (name, path) = named(sidecar);
    let error = open(&path).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(name), "{error}");
    let place = error.place();
    assert_eq!(place.path, Some(path));
    assert!(
        place.offset.unwrap() <= sidecar["bytes"].as_u64().unwrap(),
        "{error}"
    );
}

#[test]
fn every_backend_reads_the_same() {
    let path = fixture("f4_c.npy");
    let read = DataOptions {
        backend: Backend::Read,
        ..DataOptions::default()
    };
    let copied = DataOptions {
        access: Access::CopyOnWrite,
        ..DataOptions::default()
    };
    let expected = raw(&open(&path).unwrap());
    for data in [read, copied] {
        let options = ArrayOptions {
            data,
            ..ArrayOptions::default()
        };
        let array = Array::open(&path, &options).unwrap();
        assert_eq!(raw(&array), expected);
        assert_eq!(array.tensor().unwrap().shape.dims(), [3, 4]);
    }
    let missing = Array::open(&fixture("none.npy"), &ArrayOptions::default()).unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
    assert_ne!(missing.os_code(), 0);
}

#[test]
fn elements_where_they_cannot_be_lent() {
    let path = fixture("hand_unaligned_data.npy");
    let array = open(&path).unwrap();
    let error = array.tensor().unwrap_err();
    assert!(matches!(
        &error,
        Error::Tensor {
            source: tensor::Error::Misaligned { .. },
            ..
        }
    ));
    assert_eq!(error.kind(), Kind::Misaligned);
    assert_eq!(error.place().offset, Some(71));
    assert_eq!(error.place().path, Some(path));
    assert!(
        error.to_string().contains("hand_unaligned_data.npy"),
        "{error}"
    );
    // Where they lie is enough for whoever copies.
    assert_eq!(array.source().unwrap().offset, 71);
}

#[test]
fn a_file_cut_after_it_was_opened() {
    let path = std::env::temp_dir().join(format!("adit-npy-cut-{}.npy", std::process::id()));
    std::fs::copy(fixture("f4_c.npy"), &path).unwrap();
    let data = Arc::new(Data::open(&path, &DataOptions::default()).unwrap());
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(20).unwrap();
    let error = Array::from_data(data, None).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(error.kind(), Kind::Truncated);
}

#[test]
fn what_bytes_are_not_npy() {
    for (bytes, why) in [
        (&b""[..], "empty"),
        (b"\x93NUMP", "begins with"),
        (b"\x93NUMPYX", "ends before its header"),
        (b"PK\x03\x04\x14\x00\x00\x00", "npz"),
    ] {
        let error = from_bytes(bytes).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn more_dimensions_than_a_tensor_has() {
    let dims = [1, 2, 1, 2, 1, 2, 1, 2, 1, 2];
    let bytes = file(1, &numpy_header("<u2", false, &dims), 64);
    let array = from_bytes(&bytes).unwrap();
    assert_eq!(array.dims(), dims);
    assert_eq!(array.region().len(), 64);
    for error in [array.tensor().unwrap_err(), array.source().unwrap_err()] {
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(error.to_string().contains("10 dimensions"), "{error}");
    }
}

#[test]
fn fortran_order_without_a_choice_is_c_order() {
    for (dims, data) in [(&[5][..], 20), (&[], 4), (&[1, 5, 1], 20), (&[3, 0, 2], 0)] {
        let array = from_bytes(&file(1, &numpy_header("<f4", true, dims), data)).unwrap();
        assert!(array.fortran_order());
        assert_eq!(array.source().unwrap().shape.dims(), dims);
        let lent = array.tensor().unwrap();
        assert_eq!(lent.strides(), lent.shape.c_strides());
    }
}

#[test]
fn empty_arrays_have_no_address() {
    let header = numpy_header("<f8", false, &[0, 7]);
    let array = from_bytes(&file(1, &header, 0)).unwrap();
    assert!(array.tensor().unwrap().bytes.as_ptr().is_null());
    // The data need not be aligned where there is none.
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    assert!(from_bytes(&bytes).unwrap().tensor().is_ok());
}

#[test]
fn claims_cost_nothing() {
    for shape in [
        "(4611686018427387904,)",
        "(9223372036854775807, 9223372036854775807)",
    ] {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        let error = from_bytes(&file(2, &header, 0)).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed, "{error}");
    }
    let mut bytes = file(1, &numpy_header("<f4", false, &[1]), 4);
    bytes.resize(20_000, b' ');
    bytes[8..10].copy_from_slice(&10_001u16.to_le_bytes());
    assert_eq!(from_bytes(&bytes).unwrap_err().kind(), Kind::Unsupported);
    let header = format!("{:9900}", numpy_header("<f4", false, &[1]));
    assert!(from_bytes(&file(1, &header, 4)).is_ok());
}

/// Opens bytes and asks for all there is; the answer doesn't matter.
fn exercise(bytes: &[u8]) {
    if let Ok(array) = from_bytes(bytes) {
        assert!(array.region().len() <= bytes.len());
        assert!(array.dims().iter().all(|&dim| dim >= 0));
        let _ = array.source();
        if let Ok(lent) = array.tensor() {
            assert_eq!(
                lent.bytes.len() as u64,
                lent.shape.bytes(lent.dtype).unwrap()
            );
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(rest in prop::collection::vec(any::<u8>(), 0..300)) {
        exercise(&rest);
        exercise(&[b"\x93NUMPY", &rest[..]].concat());
    }

    #[test]
    fn no_header_panics(
        version in 1u8..=3,
        pieces in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "(", ")", "[", "]", "'", "\"", ":", ",", "'descr'", "'fortran_order'",
            "'shape'", "'<f4'", "False", "(2, 3)", "\\", "#", "\n", "-", "99999999999999999999",
            "0", "L", "\u{e9}", "{'descr': '<f4', 'fortran_order': False, 'shape': (",
        ]), 0..40),
    ) {
        exercise(&file(version, &pieces.concat(), 64));
    }

    #[test]
    fn numpy_headers_round_trip(
        version in 1u8..=3,
        number in 0..DType::ALL.len(),
        big_endian: bool,
        fortran_order: bool,
        dims in prop::collection::vec(0i64..6, 0..6),
        trailing in 0usize..9,
    ) {
        let dtype = DType::ALL[number];
        let Some(name) = dtype.npy() else { return Ok(()) };
        let bytes = dims.iter().product::<i64>() as usize * dtype.block_bytes() as usize;
        let order = match (dtype.block_bytes(), big_endian) {
            (1, _) => '|',
            (_, true) => '>',
            (_, false) => '<',
        };
        let header = numpy_header(&format!("{order}{name}"), fortran_order, &dims);
        let sound = file(version, &header, bytes + trailing);
        let array = from_bytes(&sound).unwrap();
        prop_assert_eq!(array.dtype(), dtype);
        prop_assert_eq!(array.big_endian(), order == '>');
        prop_assert_eq!(array.fortran_order(), fortran_order);
        prop_assert_eq!(array.dims(), &dims[..]);
        prop_assert_eq!(array.region().len(), bytes);
        prop_assert_eq!(array.offset() % 64, 0);
        prop_assert_eq!(array.tensor().is_ok(), order != '>');
        if bytes > 0 {
            let short = &sound[..sound.len() - trailing - 1];
            prop_assert_eq!(from_bytes(short).unwrap_err().kind(), Kind::Malformed);
        }
    }
}
