//! GGUF files at the edges: odd but sound ones, cut ones, long headers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Data, DataOptions};
use adit_core::model::{Error, MetadataKind, Model, ModelOptions};

#[path = "common/mod.rs"]
mod common;
mod gguf_tools;
use common::Folder;
use gguf_tools::{Value, decoded, file, nest, open};

#[test]
fn odd_files_are_read() {
    let at_most = Value::Numbers(MetadataKind::U8, vec![]);
    let bytes = file(8, 2, |file| {
        file.key(&[b'k'; 65_535], &nest(8)).key(b"e", &at_most);
        file.tensor(&[b'n'; 65_535], &[2, 3, 1, 4], 24, 96)
            .tensor(b"", &[], 0, 0)
            .tensor(b"none", &[0, 7], 0, 128)
            .tensor(b"none behind", &[7, 0], 0, 96 + 32)
            .tensor(b"unknown", &[1 << 62, 1 << 62], 4, 64)
            .tensor(b"removed", &[5], 31, 32)
            .tensor(b"far", &[0], 99, 128)
            .tensor(b"\xFF\xFE", &[0, 1 << 62, 1 << 62], 24, 0);
        file.pad(32).data(&[7; 128]);
    });
    let start = bytes.len() as u64 - 128;
    let model = open(&bytes).unwrap();
    assert_eq!(decoded(model.metadata(), 0), nest(8));
    assert_eq!(decoded(model.metadata(), 1), at_most);
    type Wanted<'a> = (&'a [u8], Option<DType>, u32, u64, u64, &'a [i64]);
    let wanted: [Wanted<'_>; 8] = [
        (&[b'n'; 65_535], Some(DType::I8), 24, 96, 24, &[4, 1, 3, 2]),
        (b"", Some(DType::F32), 0, 0, 4, &[]),
        (b"none", Some(DType::F32), 0, 128, 0, &[7, 0]),
        (b"none behind", Some(DType::F32), 0, 128, 0, &[0, 7]),
        (b"unknown", None, 4, 64, 0, &[1 << 62, 1 << 62]),
        (b"removed", None, 31, 32, 0, &[5]),
        (b"far", None, 99, 128, 0, &[0]),
        (
            b"\xFF\xFE",
            Some(DType::I8),
            24,
            0,
            0,
            &[1 << 62, 1 << 62, 0],
        ),
    ];
    for (number, (name, dtype, ggml, offset, bytes, dims)) in wanted.into_iter().enumerate() {
        let entry = *model.entry(number).unwrap();
        assert_eq!(model.tensors().name(number), Some(name));
        assert_eq!(model.tensors().find(name), Some(number));
        assert_eq!((entry.dtype, entry.ggml, entry.bytes), (dtype, ggml, bytes));
        assert_eq!(entry.offset, start + offset);
        assert_eq!(model.tensors().dims(&entry), dims);
    }
    assert_eq!(
        model.tensor(0).unwrap().bytes.to_vec(0, 24).unwrap(),
        [7; 24]
    );
    let error = model.tensor(4).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(
        error.to_string().contains("ggml type 4 isn't known"),
        "{error}"
    );
}

#[test]
fn files_without_tensors_may_end_anywhere() {
    let model = open(&file(0, 0, |_| {})).unwrap();
    assert!(model.tensors().is_empty() && model.metadata().is_empty());
    let bytes = file(0, 1, |file| {
        file.key(b"k", &Value::Number(MetadataKind::U8, 9));
    });
    assert_eq!(open(&bytes).unwrap().metadata().u64(0).unwrap(), 9);
}

/// Cut anywhere before the last tensor's end, a file is refused; behind, there is only padding.
#[test]
fn cut_files_are_refused() {
    for name in [
        "align_64",
        "all_kv_types",
        "kv_only",
        "big_endian",
        "nested",
        "every_type",
    ] {
        let path = format!(
            "{}/../tests/data/gguf/{name}.gguf",
            env!("CARGO_MANIFEST_DIR")
        );
        let bytes = std::fs::read(path).unwrap();
        let model = open(&bytes).unwrap();
        let count = model.tensors().len();
        let needed = (0..count)
            .map(|number| model.entry(number).unwrap())
            .map(|entry| entry.offset + entry.bytes)
            .max();
        for len in 0..bytes.len() {
            match (open(&bytes[..len]), needed) {
                (Ok(_), Some(needed)) => assert!(len as u64 >= needed, "{name} {len}"),
                (Ok(model), None) => assert!(model.metadata().len() > 2, "{name} {len}"),
                (Err(error), needed) => {
                    assert!(
                        needed.is_none_or(|needed| (len as u64) < needed),
                        "{name} {len}"
                    );
                    let kind = if len < 4 {
                        Kind::WrongFormat
                    } else {
                        Kind::Malformed
                    };
                    assert_eq!(error.kind(), kind, "{name} {len}: {error}");
                    let offset = error.place().offset.unwrap();
                    assert!(offset <= len as u64, "{name} {len}: {error}");
                }
            }
        }
    }
}

/// A header over several pieces, read from a file.
#[test]
fn long_headers_come_in_pieces() {
    let words: Vec<Vec<u8>> = (0..50_000)
        .map(|n| format!("word {n}").into_bytes())
        .collect();
    let scores: Vec<u64> = (0..50_000)
        .map(|n: u32| u64::from((n as f32).to_bits()))
        .collect();
    let wanted = [
        Value::Strings(words),
        Value::Numbers(MetadataKind::F32, scores),
    ];
    let bytes = file(1, 2, |file| {
        file.key(b"words", &wanted[0]).key(b"scores", &wanted[1]);
        file.tensor(b"t", &[1000], 0, 0).pad(32).data(&[7; 4000]);
    });
    let folder = Folder::new();
    let path = folder.file("long.gguf", &bytes);
    let model = Model::open(&path, &ModelOptions::default()).unwrap();
    for (value, wanted) in wanted.iter().enumerate() {
        assert_eq!(decoded(model.metadata(), value), *wanted);
    }
    assert_eq!(model.entry(0).unwrap().bytes, 4000);
    let far = model.metadata().array_string(0, 49_999).unwrap();
    assert_eq!(far, b"word 49999");
}

#[test]
fn files_cut_after_opening_are_an_error() {
    let bytes = file(0, 1, |file| {
        file.key(b"k", &Value::String(vec![b'x'; 100_000]));
    });
    let folder = Folder::new();
    let path = folder.file("cut.gguf", &bytes);
    let data = Data::open(&path, &DataOptions::default()).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(70_000).unwrap();
    let error = Model::from_data(vec![data.into()], &ModelOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Map(_)), "{error}");
    assert_eq!(error.kind(), Kind::Truncated);
}

#[test]
fn headers_over_a_gibibyte_are_not_read() {
    let bytes = file(0, 1, |file| {
        file.string(b"k").u32(9).u32(0).u64(1 << 30);
    });
    let folder = Folder::new();
    let path = folder.file("long.gguf", &bytes);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(2 << 30).unwrap();
    let error = Model::open(&path, &ModelOptions::default()).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), Kind::Unsupported, "{text}");
    assert_eq!(error.place().offset, Some(24 + 8 + 1 + 4 + 12), "{text}");
    assert!(
        text.contains("key 'k': the header has more than 1073741824 bytes"),
        "{text}"
    );
}
