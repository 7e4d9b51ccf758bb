//! The reader of the usual form against serde_json, its oracle.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use proptest::prelude::*;

use super::header::Header;
use super::{PREFIX_LEN, canonical, parse_whole, stream};
use crate::map::{Data, Region};
use crate::model::metadata::Metadata;
use crate::model::table::Tensors;

/// All that a header was read as.
fn told(header: &Header<'_>) -> Vec<String> {
    let tensors = header.pending.iter().map(|pending| {
        let (begin, end) = (pending.begin, pending.end);
        format!(
            "{:?} {:?} {:?} {begin} {end} at {}",
            header.name(pending),
            pending.dtype,
            header.dims_of(pending),
            pending.offset()
        )
    });
    let values = header.values.iter().enumerate();
    let metadata = values.map(|(number, value)| {
        let key = header.keys.get(number).unwrap();
        format!("{} = {value:?}", key.escape_ascii())
    });
    tensors.chain(metadata).collect()
}

/// Whether the reader of the usual form takes a header; serde_json then takes it as the same.
fn is_canonical(text: &str) -> bool {
    let mut header = Header::new(text);
    if canonical::read(&mut header).is_none() {
        return false;
    }
    let json = Header::read_json(text);
    let json = json.unwrap_or_else(|fault| unreachable!("{text}: {fault:?}"));
    assert_eq!(told(&header), told(&json), "{text}");
    true
}

const USUAL: &str = r#"{"__metadata__":{"format":"pt","":""},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"":{"dtype":"BOOL","shape":[],"data_offsets":[24,25]},"größe":{"dtype":"U8","shape":[0],"data_offsets":[25,25]}}   "#;

#[test]
fn what_the_crate_writes_needs_no_parser() {
    assert!(is_canonical(USUAL));
    let without = USUAL.replace(r#""__metadata__":{"format":"pt","":""},"#, "");
    assert!(is_canonical(&without));
    assert!(is_canonical(
        r#"{"x":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615]}}"#
    ));
}

#[test]
fn what_is_not_usual_is_left_to_the_parser() {
    for (from, to) in [
        ("{\"__", " {\"__"),
        ("\"a\":", "\"a\" :"),
        ("\"a\":", "\"\\u0061\":"),
        ("\"a\":", "\"\t\":"),
        ("\"a\":", "\"__metadata__\":"),
        ("\"format\"", "\"\""),
        ("\"pt\"", "1"),
        ("\"pt\"", "\"\\n\""),
        ("F32", "F33"),
        ("2,3", "2, 3"),
        ("2,3", "02,3"),
        ("2,3", "-2,3"),
        ("2,3", "2,3,"),
        ("2,3", "2.0,3"),
        ("2,3", "2e0,3"),
        ("2,3", "9223372036854775808"),
        ("24]", "18446744073709551616]"),
        ("[0,24]", "[0,24,1]"),
        ("[0,24]", "[0]"),
        ("\"shape\"", "\"form\""),
        ("}}   ", "}}\n"),
        ("}}   ", "}},"),
        ("}}   ", "}"),
    ] {
        assert!(USUAL.contains(from));
        let text = USUAL.replacen(from, to, 1);
        assert!(!is_canonical(&text), "{text}");
    }
    assert!(!is_canonical("{}"));
    assert!(!is_canonical(r#"{"__metadata__":{}}"#));
}

/// Quotes, backslashes and control characters at each place of a name of each length.
#[test]
fn strings_end_where_they_end() {
    for len in 0..40 {
        let name = "n".repeat(len);
        assert!(is_canonical(
            &USUAL.replace("\"a\"", &format!("\"{name}\""))
        ));
        for at in 0..len {
            for other in [
                "\\\\", "\\\"", "\u{1f}", "\u{0}", " ", "\u{7f}", "!", "#", "ü", "\u{ffff}",
            ] {
                let name = format!("{}{other}{}", &name[..at], &name[at + 1..]);
                let text = USUAL.replace("\"a\"", &format!("\"{name}\""));
                let plain = !other.starts_with('\\') && other >= " ";
                assert_eq!(is_canonical(&text), plain, "{name:?}");
            }
        }
    }
}

/// A file of this header and as many bytes of tensors.
fn file(header: &str, bytes: usize) -> Data {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    assert_eq!(file.len(), PREFIX_LEN);
    file.extend_from_slice(header.as_bytes());
    file.resize(file.len() + bytes, 7);
    // SAFETY: a live vector's bytes.
    Data::copy_of(unsafe { Region::new(file.as_ptr(), file.len()) }).unwrap()
}

/// What the tables have.
fn tables(tensors: &Tensors, metadata: &Metadata) -> Vec<String> {
    let tensors = (0..tensors.len()).map(|number| {
        let (entry, name) = (tensors.get(number).unwrap(), tensors.name(number).unwrap());
        assert_eq!(tensors.find(name), Some(number));
        let (file, offset, bytes) = (entry.file, entry.offset, entry.bytes);
        let (name, dims) = (name.escape_ascii(), tensors.dims(entry));
        format!(
            "{name} {:?} {dims:?} {bytes} at {file}:{offset}",
            entry.dtype
        )
    });
    let strings = (0..metadata.len()).map(|key| {
        let (key, value) = (metadata.key(key).unwrap(), metadata.string(key).unwrap());
        format!("{} = {}", key.escape_ascii(), value.escape_ascii())
    });
    tensors.chain(strings).collect()
}

/// Whether a header is read through a window of so many bytes; it is then read as the same as in
/// one piece, and otherwise nothing is added to a model that has a tensor already.
fn is_streamed(header: &str, bytes: usize, window: usize) -> bool {
    let data = file(header, bytes);
    let (mut own, mut metadata) = (Tensors::default(), Metadata::default());
    let before = r#"{"before":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    parse_whole(
        &file(before, 1),
        before.len() as u64,
        0,
        &mut own,
        &mut metadata,
    )
    .unwrap();
    let (mut whole, mut strings) = (own.clone(), Metadata::default());
    let len = header.len() as u64;
    if stream::read(&data, len, 1, &mut own, &mut metadata, window).is_none() {
        assert_eq!(tables(&own, &metadata), tables(&whole, &strings));
        return false;
    }
    parse_whole(&data, len, 1, &mut whole, &mut strings).unwrap();
    assert_eq!(tables(&own, &metadata), tables(&whole, &strings));
    true
}

#[test]
fn windows_end_anywhere() {
    let longest = r#""größe":{"dtype":"U8","shape":[0],"data_offsets":[25,25]}}"#.len();
    for window in 0..USUAL.len() + 10 {
        // The brace and the metadata are one piece too.
        assert_eq!(
            is_streamed(USUAL, 25, window),
            window >= longest,
            "{window}"
        );
    }
    let many: Vec<String> = (0..300)
        .map(|n| {
            format!(
                "\"t{n}\":{{\"dtype\":\"F16\",\"shape\":[{n},1],\"data_offsets\":[{},{}]}}",
                n * (n - 1).max(0),
                n * (n + 1)
            )
        })
        .collect();
    let many = format!("{{{}}}{:99}", many.join(","), "");
    for window in [90, 91, 92, 93, 500, 4096, stream::WINDOW] {
        assert!(is_streamed(&many, 299 * 300, window), "{window}");
    }
}

#[test]
fn what_breaks_a_rule_is_left_to_the_other_reader() {
    for (from, to) in [
        ("[24,25]", "[25,26]"),
        ("[24,25]", "[23,24]"),
        ("[24,25]", "[24,24]"),
        ("[2,3]", "[2,4]"),
        ("\"größe\"", "\"a\""),
        ("\"größe\"", "\"before\""),
        ("}}   ", "}}  x"),
        ("}}   ", "}   "),
        ("F32", "f32"),
    ] {
        assert!(USUAL.contains(from));
        assert!(!is_streamed(&USUAL.replacen(from, to, 1), 25, 4096), "{to}");
    }
    assert!(!is_streamed(USUAL, 24, 4096) && !is_streamed(USUAL, 26, 4096));
    let swapped = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    assert!(!is_streamed(swapped, 2, 4096));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..Default::default() })]

    /// A few bytes changed, cut or moved: still the same as serde_json, or left to it.
    #[test]
    fn changed_headers_are_read_as_serde_json_reads_them(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..4, any::<u8>()), 1..4),
    ) {
        let mut text = USUAL.as_bytes().to_vec();
        for (index, how, byte) in changes {
            let at = index.index(text.len());
            let signs = b"\"\\{}[]:,0123456789-.eE \n\x01aFU_";
            let sign = signs[usize::from(byte) % signs.len()];
            match how {
                0 => text[at] = sign,
                1 => text.insert(at, sign),
                2 => { text.remove(at); }
                _ => {
                    let end = (at + usize::from(byte) % 40).min(text.len());
                    let piece = text[at..end].to_vec();
                    text.splice(at..at, piece);
                }
            }
            if text.is_empty() { break; }
        }
        if let Ok(text) = std::str::from_utf8(&text) {
            is_canonical(text);
            is_streamed(text, 25, 100);
        }
    }
}
