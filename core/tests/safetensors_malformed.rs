//! Safetensors files that break the rules: each is told by kind, place and words.
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

use adit_core::error::{Kind, Report};
use adit_core::map::Origin;
use adit_core::model::Error;
use safetensors_tools::*;

/// Fails to open a file of this header and so many bytes of data.
fn refused(header: &str, data: usize) -> Error {
    match from_bytes(&file(header, data)) {
        Ok(model) => panic!("{header}: {model:?}"),
        Err(error) => error,
    }
}

/// Where the `^` of a header stands in the file, and the header without it.
fn marked(header: &str) -> (String, Option<u64>) {
    let place = header.find('^').map(|at| 8 + at as u64);
    (header.replacen('^', "", 1), place)
}

/// Checks the error of a header, and that it is told at the `^`, where there is one.
fn check(header: &str, data: usize, words: &str) {
    let (text, place) = marked(header);
    let error = refused(&text, data);
    assert_eq!(error.kind(), Kind::Malformed, "{header}: {error}");
    let said = error.to_string();
    assert!(said.contains(words), "{header}: {said}");
    let start = format!("{} is broken at byte ", Origin::Memory);
    assert!(said.starts_with(&start), "{said}");
    let told = error.place().offset;
    let len = (8 + text.len() + data) as u64;
    assert!(told.is_some_and(|told| told <= len), "{header}");
    if place.is_some() {
        assert_eq!(told, place, "{header}: {said}");
    }
}

/// Name, dtype, shape, offsets, bytes of data, what is told.
const MEMBERS: &str = r#"
a | "^u8" | [1] | [0,1] | 1 | the dtype 'u8' isn't known
a | "^Q4_0" | [32] | [0,18] | 18 | 'Q4_0' isn't known
a | "" | [1] | [0,1] | 1 | the dtype '' isn't known
a | "\u0058" | [1] | [0,1] | 1 | the dtype 'X' isn't known
a | 4 | [1] | [0,1] | 1 | expected a string
a | null | [1] | [0,1] | 1 | expected a string
a | {"U8":null} | [1] | [0,1] | 1 | expected a string
a | "U8" | 1 | [0,1] | 1 | expected an array of dimensions
a | "U8" | null | [0,1] | 1 | expected an array of dimensions
a | "U8" | {} | [0,1] | 1 | expected an array of dimensions
a | "U8" | [-1] | [0,1] | 1 | invalid value: integer `-1`
a | "U8" | [-0] | [0,0] | 0 | floating point
a | "U8" | [1.0] | [0,1] | 1 | floating point
a | "U8" | [1e0] | [0,1] | 1 | floating point
a | "U8" | ["1"] | [0,1] | 1 | expected u64
a | "U8" | [[1]] | [0,1] | 1 | expected u64
a | "U8" | [01] | [0,1] | 1 | invalid number
a | "U8" | [1,] | [0,1] | 1 | trailing comma
a | "U8" | [0,9223372036854775808] | [0,0] | 0 | the dimension 9223372036854775808 passes 2^63 - 1
a | "U8" | [18446744073709551616] | [0,0] | 0 | floating point
^a | "F32" | [4611686018427387904] | [0,0] | 0 | more than 2^64 bits
^a | "U8" | [4611686018427387904,4,0] | [0,0] | 0 | more than 2^64 bits
^a | "U8" | [2305843009213693952] | [0,0] | 0 | more than 2^64 bits
^a | "F4" | [3] | [0,2] | 2 | makes 12 bits, which are no whole bytes
^a | "F6_E2M3" | [2] | [0,2] | 2 | makes 12 bits, which are no whole bytes
^a | "U8" | [2] | [0,1] | 1 | u8 of shape [2] needs 2 bytes, but its data_offsets give it 1
^a | "F64" | [] | [0,1] | 1 | f64 of shape [] needs 8 bytes
a | "U8" | [1] | [0] | 1 | invalid length 1
a | "U8" | [1] | [0,1,2] | 1 | trailing characters
a | "U8" | [1] | [-1,0] | 1 | invalid value: integer `-1`
a | "U8" | [1] | {"0":0} | 1 | invalid type: map
a | "U8" | [1] | [0,18446744073709551616] | 1 | floating point
^a | "U8" | [1] | [1,0] | 1 | start at 1 and end at 0
^a | "U8" | [1] | [1,2] | 2 | bytes 0 to 1 of the data belong to no tensor
^a | "U8" | [1] | [18446744073709551615,18446744073709551615] | 1 | belong to no tensor
^a | "U8" | [1] | [0,18446744073709551615] | 1 | give it 18446744073709551615
"#;

#[test]
fn members() {
    for row in MEMBERS.trim().lines() {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [name, dtype, shape, offsets, data, words] = cells[..] else {
            panic!("{row}");
        };
        let members = format!("\"dtype\":{dtype},\"shape\":{shape},\"data_offsets\":{offsets}");
        let header = format!("{{\"{name}\":{{{members}}}}}");
        check(&header, data.parse().unwrap(), words);
    }
}

/// A whole header, bytes of data, what is told.
const HEADERS: &str = r#"
{^ | 0 | EOF
{"a | 0 | EOF
{^x} | 0 | key must be a string
{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}^ | 1 | EOF
{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},^} | 1 | trailing comma
{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}^x | 1 | trailing characters
{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}^{} | 1 | trailing characters
{"a":{"dtype":"U8" "shape":[1],"data_offsets":[0,1]}} | 1 | expected `,` or `}`
{"\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}} | 1 | hex escape
{"\x":1} | 0 | invalid escape
{"a":^1} | 0 | expected a tensor: an object
{"a":null} | 0 | expected a tensor: an object
{"a":"F32"} | 0 | expected a tensor: an object
{"a":["U8",[1],[0,1]]} | 1 | expected a tensor: an object
{"^a":{}} | 0 | it has no 'dtype'
{"^a":{"shape":[1],"data_offsets":[0,1]}} | 1 | it has no 'dtype'
{"^a":{"dtype":"U8","data_offsets":[0,1]}} | 1 | it has no 'shape'
{"^a":{"dtype":"U8","shape":[1]}} | 1 | it has no 'data_offsets'
{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"^dtype":"U8"}} | 1 | 'dtype' twice
{"a":{"shape":[1],"dtype":"U8","^shape":[1],"data_offsets":[0,1]}} | 1 | 'shape' twice
{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"^data_offsets":[0,1]}} | 1 | 'data_offsets' twice
{"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"^a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}} | 3 | tensor before it ends at 2: they overlap
{"^b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}} | 3 | tensor before it ends at 2: they overlap
{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"^b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}} | 2 | they overlap
{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"^a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}} | 0 | tensor 'a': the header has this name twice
{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"^a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}} | 2 | tensor 'a': the header has this name twice
{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"^a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}} | 2 | tensor 'a': the header has this name twice
{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}} | 2 | tensor 'a': the header has this name twice
{"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"^":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}} | 2 | tensor '': the header has this name twice
{"__metadata__":1} | 0 | expected an object of strings as __metadata__
{"__metadata__":[]} | 0 | expected an object of strings as __metadata__
{"__metadata__":{"a":1}} | 0 | expected a string
{"__metadata__":{"a":null}} | 0 | expected a string
{"__metadata__":{"a":{}}} | 0 | expected a string
{"__metadata__":{"a":"1","^a":"1"}} | 0 | __metadata__ has the key 'a' twice
{"__metadata__":{"a":"1","\u0061":"2"}} | 0 | __metadata__ has the key 'a' twice
{"__metadata__":{},"^__metadata__":{}} | 0 | the header has __metadata__ twice
{"__metadata__":null,"\u005f_metadata__":{}} | 0 | the header has __metadata__ twice
{}^ | 1 | 1 bytes follow the last tensor
{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}^ | 0 | the file ends after 61 of 62 bytes: it is incomplete
"#;

#[test]
fn headers() {
    for row in HEADERS.trim().lines() {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [header, data, words] = cells[..] else {
            panic!("{row}");
        };
        check(header, data.parse().unwrap(), words);
    }
    check(
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}^\0",
        1,
        "trailing",
    );
    check("{\"a\n\":1}", 0, "control character");
}

#[test]
fn faults_of_other_members_are_seen_too() {
    let with = |value: &str| {
        format!(r#"{{"a":{{"x":{value},"dtype":"U8","shape":[1],"data_offsets":[0,1]}}}}"#)
    };
    for value in [
        "1",
        "-1",
        "1.5",
        "null",
        "true",
        "\"\\n\"",
        "[1,[2]]",
        "{\"y\":{}}",
    ] {
        assert_eq!(names(&from_bytes(&file(&with(value), 1)).unwrap()), ["a"]);
    }
    let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(from_bytes(&file(&with(&deep(100)), 1)).is_ok());
    for (value, words) in [
        (deep(200), "recursion limit"),
        ("1e999".to_owned(), "number out of range"),
        ("\"\\ud800\"".to_owned(), "hex escape"),
        ("[1,]".to_owned(), "trailing comma"),
    ] {
        let error = refused(&with(&value), 1);
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains("tensor 'a'"), "{error}");
    }
}

#[test]
fn text_that_is_not_utf_8() {
    let mut bytes = shard(&[("aaaa", 4)]);
    bytes[12] = 0xff;
    let error = from_bytes(&bytes).unwrap_err();
    assert_error(&error, Kind::Malformed, Some(12), &["isn't UTF-8"]);
}

/// A file cut at each byte is never taken for a whole one.
#[test]
fn cut_anywhere() {
    let whole = shard(&[("first", 3), ("second", 0), ("third", 5)]);
    let header = whole.len() - 8;
    assert!(from_bytes(&whole).is_ok());
    for len in 0..whole.len() {
        let error = from_bytes(&whole[..len]).unwrap_err();
        match len {
            0 => assert_error(&error, Kind::WrongFormat, Some(0), &["it is empty"]),
            1..8 => assert_error(&error, Kind::WrongFormat, Some(0), &["it has only"]),
            _ => {
                let words = match len < header {
                    true => "within its header",
                    false => "it is incomplete",
                };
                let ends = format!("the file ends after {len} ");
                assert_error(&error, Kind::Malformed, Some(len as u64), &[&ends, words]);
            }
        }
    }
}

#[test]
fn lengths_of_the_header() {
    let whole = shard(&[("a", 1)]);
    let with = |length: u64| {
        let mut bytes = whole.clone();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        from_bytes(&bytes).unwrap_err()
    };
    for length in [100_000_001, 1 << 32, 1 << 62, u64::MAX, 1 << 63] {
        let words = format!("the header's length is {length} bytes, but at most 100000000");
        assert_error(&with(length), Kind::Malformed, Some(0), &[&words]);
    }
    for length in [100_000_000, whole.len() as u64, whole.len() as u64 - 7] {
        let end = Some(whole.len() as u64);
        assert_error(&with(length), Kind::Malformed, end, &["within its header"]);
    }
    assert_error(&with(0), Kind::Malformed, Some(8), &["EOF"]);
    let shorter = with(whole.len() as u64 - 10);
    assert_error(&shorter, Kind::Malformed, Some(60), &["EOF"]);
}
