//! GGUF files that break the rules, one by one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use adit_core::error::{Kind, Report};
use adit_core::model::MetadataKind;

mod gguf_tools;
use gguf_tools::{Value, file, nest, open};

/// Where the first key or tensor starts.
const BEHIND_COUNTS: u64 = 24;

/// As `file`, of tensors of F32, with `data` bytes behind.
fn tensors(tensors: &[(&[u8], &[u64], u32, u64)], data: usize) -> Vec<u8> {
    file(tensors.len() as u64, 0, |file| {
        for (name, ne, ggml, offset) in tensors {
            file.tensor(name, ne, *ggml, *offset);
        }
        file.pad(32).data(&vec![7; data]);
    })
}

/// As `file`, of one key with a value of these bytes.
fn value(kind: u32, bytes: &[u8]) -> Vec<u8> {
    file(0, 1, |file| {
        file.string(b"k").u32(kind).data(bytes);
    })
}

/// Where the value of `value` starts.
const VALUE: u64 = BEHIND_COUNTS + 8 + 1 + 4;

#[test]
fn each_rule_has_its_message() {
    let string = |text: &[u8]| [&(text.len() as u64).to_le_bytes()[..], text].concat();
    let array = |kind: u32, len: u64, rest: &[u8]| {
        [&kind.to_le_bytes()[..], &len.to_le_bytes(), rest].concat()
    };
    let alignment = |value: &Value| {
        file(0, 1, |file| {
            file.key(b"general.alignment", value);
        })
    };
    let u32_alignment = |number| alignment(&Value::Number(MetadataKind::U32, number));
    let long = vec![b'n'; 65_536];
    let (malformed, unsupported) = (Kind::Malformed, Kind::Unsupported);
    let alignment_at = BEHIND_COUNTS + 8 + 17;
    // With a name of one byte: the number of dimensions, the first dimension.
    let (ndim_at, ne_at) = (BEHIND_COUNTS + 9, BEHIND_COUNTS + 13);
    // With one dimension too.
    let offset_at = ne_at + 8 + 4;
    let cases: Vec<(Vec<u8>, Kind, u64, &str)> = vec![
        (
            b"GGUF".to_vec(),
            malformed,
            4,
            "4 bytes are needed here, but 0 follow",
        ),
        (
            b"GGUF\x03\0\0".to_vec(),
            malformed,
            4,
            "4 bytes are needed here, but 3 follow",
        ),
        (b"GGUF\x01\0\0\0".to_vec(), unsupported, 4, "GGUF version 1"),
        (b"GGUF\0\0\0\x01".to_vec(), unsupported, 4, "GGUF version 1"),
        (
            b"GGUF\0\0\0\x04".to_vec(),
            unsupported,
            4,
            "GGUF version 4;",
        ),
        (
            b"GGUF\0\0\x03\0".to_vec(),
            unsupported,
            4,
            "GGUF version 768;",
        ),
        (
            file(1, 0, |_| {}),
            malformed,
            8,
            "1 tensors of 24 bytes or more each, but 0 bytes",
        ),
        (
            file(0, 1, |_| {}),
            malformed,
            16,
            "1 keys of 14 bytes or more each, but 0 bytes",
        ),
        (
            file(0, u64::MAX, |_| {}),
            malformed,
            16,
            "18446744073709551615 keys",
        ),
        (
            file(0, 1, |file| {
                file.key(b"", &Value::String(b"twelve bytes".to_vec()));
            }),
            malformed,
            BEHIND_COUNTS,
            "an empty key",
        ),
        (
            file(0, 1, |file| {
                file.key(&long, &Value::String(vec![]));
            }),
            malformed,
            BEHIND_COUNTS,
            "a key of 65536 bytes; 65535 at most",
        ),
        (
            file(0, 1, |file| {
                file.key(b"a\0b", &Value::String(b"text".to_vec()));
            }),
            malformed,
            BEHIND_COUNTS,
            "a key with a NUL byte",
        ),
        (
            file(0, 2, |file| {
                file.key(b"a", &Value::String(vec![]))
                    .key(b"a", &Value::String(vec![]));
            }),
            malformed,
            BEHIND_COUNTS + 21,
            "key 'a' is there twice",
        ),
        (
            value(13, &[0; 8]),
            malformed,
            VALUE - 4,
            "key 'k': a value of kind 13",
        ),
        (value(7, &[2]), malformed, VALUE, "key 'k': a bool of 2"),
        (
            value(8, &(1u64 << 62).to_le_bytes()),
            malformed,
            VALUE + 8,
            "4611686018427387904 bytes are needed here, but 0 follow",
        ),
        (
            value(8, &u64::MAX.to_le_bytes()),
            malformed,
            VALUE + 8,
            "18446744073709551615 bytes",
        ),
        (
            value(12, &[0; 7]),
            malformed,
            VALUE,
            "8 bytes are needed here, but 7 follow",
        ),
        (
            value(9, &array(0, 1 << 62, b"x")),
            malformed,
            VALUE + 4,
            "an array of 4611686018427387904 elements of kind u8, of 1 bytes or more each, but 1 bytes follow",
        ),
        (
            value(9, &array(8, 2, &string(b"1234567"))),
            malformed,
            VALUE + 4,
            "an array of 2 elements of kind string",
        ),
        (
            value(9, &array(8, 2, &string(b"12345678"))),
            malformed,
            VALUE + 28,
            "8 bytes are needed here, but 0 follow",
        ),
        (
            value(9, &array(9, 1 << 62, &[])),
            malformed,
            VALUE + 4,
            "elements of kind array, of 12 bytes",
        ),
        (
            value(9, &array(10, u64::MAX / 8 + 1, &[])),
            malformed,
            VALUE + 4,
            "elements of kind u64",
        ),
        (
            value(9, &array(7, 3, &[0, 1, 9])),
            malformed,
            VALUE + 14,
            "key 'k': a bool of 9",
        ),
        (
            value(9, &array(13, 0, &[])),
            malformed,
            VALUE,
            "a value of kind 13",
        ),
        (
            file(0, 1, |file| {
                file.key(b"k", &nest(9));
            }),
            unsupported,
            VALUE + 8 * 12,
            "deeper than 8",
        ),
        (
            u32_alignment(0),
            malformed,
            alignment_at,
            "an alignment of 0, which is no power",
        ),
        (
            u32_alignment(48),
            malformed,
            alignment_at,
            "an alignment of 48",
        ),
        (
            alignment(&Value::Number(MetadataKind::U64, 64)),
            malformed,
            alignment_at,
            "no u32",
        ),
        (
            alignment(&Value::String(b"64".to_vec())),
            malformed,
            alignment_at,
            "no u32",
        ),
        (
            file(1, 0, |file| {
                file.tensor(&long, &[1], 0, 0);
            }),
            malformed,
            BEHIND_COUNTS,
            "a tensor's name of 65536 bytes",
        ),
        (
            tensors(&[(b"a\0", &[1], 0, 0)], 4),
            malformed,
            BEHIND_COUNTS,
            "a tensor's name with a NUL",
        ),
        (
            tensors(&[(b"t", &[1; 5], 0, 0)], 4),
            malformed,
            ndim_at,
            "tensor 't': 5 dimensions",
        ),
        (
            tensors(&[(b"t", &[1 << 63], 24, 0)], 4),
            malformed,
            ne_at,
            "tensor 't': a dimension of 9223372036854775808",
        ),
        (
            tensors(&[(b"t", &[1 << 40, 1 << 40], 0, 0)], 4),
            malformed,
            ne_at,
            "tensor 't': a shape of 1099511627776 x 1099511627776 f32",
        ),
        (
            tensors(&[(b"t", &[33], 8, 0)], 99),
            malformed,
            ne_at,
            "tensor 't': ",
        ),
        (
            tensors(&[(b"t", &[], 2, 0)], 99),
            malformed,
            ne_at,
            "tensor 't': ",
        ),
        (
            tensors(&[(b"t", &[1], 0, 1)], 99),
            malformed,
            offset_at,
            "an offset of 1, which is no multiple of 32",
        ),
        (
            tensors(&[(b"t", &[1], 0, 32)], 35),
            malformed,
            offset_at,
            "tensor 't': 4 bytes or more at offset 32 of the data, which starts at 64, but the file has 99",
        ),
        (
            tensors(&[(b"t", &[1], 0, (1 << 63) + (1 << 62))], 4),
            malformed,
            offset_at,
            "13835058055282163712",
        ),
        (
            tensors(&[(b"t", &[1], 0, u64::MAX - 31)], 4),
            malformed,
            offset_at,
            "18446744073709551584",
        ),
        (
            tensors(&[(b"t", &[1], 4, 64)], 64),
            malformed,
            offset_at,
            "1 bytes or more at offset 64",
        ),
        (
            tensors(&[(b"t", &[1], 0, 0), (b"t", &[1], 0, 32)], 36),
            malformed,
            BEHIND_COUNTS + 33 + 9,
            "tensor 't': it is there twice",
        ),
        (
            tensors(&[(b"a", &[9], 0, 0), (b"b", &[1], 0, 32)], 36),
            malformed,
            96 + 32,
            "tensor 'b': it starts inside of tensor 'a', which has bytes 96 to 132",
        ),
        (
            tensors(
                &[(b"a", &[1], 0, 0), (b"b", &[1], 0, 0), (b"c", &[1], 0, 32)],
                36,
            ),
            malformed,
            128,
            "tensor 'b': it starts inside of tensor 'a'",
        ),
        (
            tensors(&[(b"a", &[1], 0, 0), (b"b", &[1], 0, 0)], 36),
            malformed,
            96,
            "tensor 'b': it starts inside of tensor 'a'",
        ),
        (
            tensors(&[(b"a", &[8], 0, 32), (b"b", &[9], 0, 0)], 64),
            malformed,
            96 + 32,
            "tensor 'a': it starts inside of tensor 'b'",
        ),
        (
            tensors(&[(b"a", &[16], 0, 0), (b"b", &[1], 5, 32)], 64),
            malformed,
            96 + 32,
            "tensor 'b': it starts inside of tensor 'a'",
        ),
    ];
    for (bytes, kind, offset, words) in cases {
        let error = open(&bytes).expect_err(words);
        let text = error.to_string();
        assert_eq!(
            (error.kind(), error.place().offset),
            (kind, Some(offset)),
            "{text}"
        );
        assert!(text.contains(words), "{text}");
    }
}
