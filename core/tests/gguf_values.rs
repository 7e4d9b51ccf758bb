//! What asking for a value of another kind, or for more than there is, answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::path::Path;

use adit_core::error::{Kind, Report};
use adit_core::model::{Error, Model, ModelOptions};

#[test]
fn values_of_other_kinds_are_told_apart() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/data/gguf/little_endian.gguf"
    );
    let model = Model::open(Path::new(path), &ModelOptions::default()).unwrap();
    let metadata = model.metadata();
    let value = |key: &str| metadata.find(key.as_bytes()).unwrap();
    let wrong = |error: Error| (error.kind(), error.to_string());
    let (number, string) = (value("one.uint64"), value("one.string"));
    let (numbers, strings) = (value("many.int16"), value("many.strings"));
    for (error, kind, words) in [
        (
            metadata.u64(string).unwrap_err(),
            Kind::DType,
            "'one.string' is of kind string, not an integer",
        ),
        (
            metadata.i64(value("one.float32")).unwrap_err(),
            Kind::DType,
            "is of kind f32, not an integer",
        ),
        (
            metadata.u64(value("one.bool")).unwrap_err(),
            Kind::DType,
            "is of kind bool, not an integer",
        ),
        (
            metadata.f64(string).unwrap_err(),
            Kind::DType,
            "not a number",
        ),
        (
            metadata.bool(number).unwrap_err(),
            Kind::DType,
            "is of kind u64, not a bool",
        ),
        (
            metadata.string(number).unwrap_err(),
            Kind::DType,
            "not a string",
        ),
        (
            metadata.array_kind(number).unwrap_err(),
            Kind::DType,
            "not an array",
        ),
        (
            metadata.array_len(string).unwrap_err(),
            Kind::DType,
            "not an array",
        ),
        (
            metadata.array_read(strings, 0, 1, &mut []).unwrap_err(),
            Kind::DType,
            "is an array of kind string, not of numbers",
        ),
        (
            metadata.array_read(numbers, 2, 2, &mut []).unwrap_err(),
            Kind::OutOfRange,
            "has 3 elements, but 2 from element 2 on",
        ),
        (
            metadata
                .array_read(numbers, u64::MAX, 2, &mut [])
                .unwrap_err(),
            Kind::OutOfRange,
            "has 3 elements",
        ),
        (
            metadata
                .array_read(numbers, 1, 2, &mut [std::mem::MaybeUninit::new(0); 3])
                .unwrap_err(),
            Kind::OutOfRange,
            "needs 4 bytes for 2 elements, but 3 were given",
        ),
        (
            metadata.array_string(numbers, 0).unwrap_err(),
            Kind::DType,
            "is an array of kind i16, not of strings",
        ),
        (
            metadata.array_string(strings, 4).unwrap_err(),
            Kind::OutOfRange,
            "has 4 elements, but 4 was asked for",
        ),
        (
            metadata.array_nested(strings, 0).unwrap_err(),
            Kind::DType,
            "not of arrays",
        ),
        (
            metadata.u64(usize::MAX).unwrap_err(),
            Kind::OutOfRange,
            "isn't there",
        ),
        (
            metadata.u64(metadata.len()).unwrap_err(),
            Kind::OutOfRange,
            "isn't there",
        ),
        (
            metadata.u64(value("one.int8")).unwrap_err(),
            Kind::OutOfRange,
            "is -1, which no u64 holds",
        ),
        (
            metadata.f64(number).unwrap_err(),
            Kind::OutOfRange,
            "is 72623859790382856, which no f64 holds",
        ),
        (
            metadata.f64(value("one.int64")).unwrap_err(),
            Kind::OutOfRange,
            "which no f64 holds",
        ),
    ] {
        let (is, text) = wrong(error);
        assert_eq!(is, kind, "{text}");
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(metadata.kind(usize::MAX), None);
    assert_eq!(metadata.find(b"none"), None);
    assert_eq!(metadata.f64(value("one.int8")).unwrap(), -1.0);
    assert_eq!(metadata.f64(value("one.uint16")).unwrap(), 258.0);
    assert_eq!(metadata.string(value("one.empty")).unwrap(), b"");
    assert!(metadata.array_read(numbers, 3, 0, &mut []).is_ok());
}
