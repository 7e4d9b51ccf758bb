#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use super::*;
use crate::dtype::DType;
use crate::error::Report;
use crate::map::Region;
use crate::record::schema::{Field, FieldShape};

const EXAMPLE: &str = r#"{
  "adit_record_set": 1,
  "records": 250,
  "fields": [
    {"name": "image", "dtype": "u8", "kind": "fixed", "shape": [28, 28]},
    {"name": "tokens", "dtype": "u16", "kind": "ragged", "shape": [null]},
    {"name": "jpeg", "dtype": "u8", "kind": "bytes", "shape": [null]}
  ],
  "shards": [
    {"file": "train-00000.arec", "uuid": "00112233445566778899aabbccddeeff", "records": 200, "bytes": 1048576, "footer": "0123456789abcdef"},
    {"file": "train-00001.arec", "uuid": "ff112233445566778899aabbccddeeff", "records": 50, "bytes": 65536, "footer": "fedcba9876543210"}
  ],
  "metadata": [
    {"key": "source", "text": "a \"quoted\"\nline"},
    {"key": "blob", "hex": "00ff"}
  ]
}
"#;

fn read(text: &[u8]) -> Result<Manifest> {
    // SAFETY: the bytes outlive the region, which is copied at once.
    let region = unsafe { Region::new(text.as_ptr(), text.len()) };
    Manifest::read(&Data::copy_of(region).unwrap())
}

fn example() -> Manifest {
    let field = |name: &str, dtype, dims: &[i64], is_bytes| Field {
        name: name.to_owned(),
        dtype: Some(dtype),
        shape: FieldShape::Dims(dims.to_vec()),
        is_bytes,
    };
    let mut schema = Schema::new();
    schema
        .add(field("image", DType::U8, &[28, 28], false))
        .unwrap();
    schema
        .add(field("tokens", DType::U16, &[-1], false))
        .unwrap();
    schema.add(field("jpeg", DType::U8, &[-1], true)).unwrap();
    let uuid = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128;
    let shards = vec![
        Shard {
            file: "train-00000.arec".to_owned(),
            uuid: uuid.to_be_bytes(),
            records: 200,
            bytes: 1 << 20,
            footer: 0x0123_4567_89ab_cdef,
        },
        Shard {
            file: "train-00001.arec".to_owned(),
            uuid: (uuid | 0xff << 120).to_be_bytes(),
            records: 50,
            bytes: 65536,
            footer: 0xfedc_ba98_7654_3210,
        },
    ];
    let metadata = vec![
        ("source".to_owned(), b"a \"quoted\"\nline".to_vec()),
        ("blob".to_owned(), vec![0, 0xff]),
    ];
    Manifest {
        schema,
        shards,
        metadata,
    }
}

#[test]
fn the_example_is_read_and_written() {
    let manifest = read(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(manifest, example());
    assert_eq!(manifest.records(), 250);
    assert_eq!(manifest.encode(), EXAMPLE);
}

#[test]
fn an_empty_set_and_odd_names_survive() {
    let mut manifest = example();
    manifest.shards.clear();
    manifest.metadata.clear();
    assert_eq!(read(manifest.encode().as_bytes()).unwrap(), manifest);
    let mut manifest = example();
    manifest.shards[0].file = "a \"b\" \u{1} ü \u{2028}.arec".to_owned();
    manifest.metadata[0] = ("k\u{0}".to_owned(), "\u{0}ß".as_bytes().to_vec());
    assert_eq!(read(manifest.encode().as_bytes()).unwrap(), manifest);
}

#[test]
fn unknown_members_are_passed_over() {
    let more = EXAMPLE
        .replace(
            "\"records\": 250,",
            "\"records\": 250, \"later\": [{\"x\": [1.5, null]}],",
        )
        .replace(
            "\"kind\": \"fixed\",",
            "\"unit\": \"px\", \"unit\": 1, \"kind\": \"fixed\",",
        )
        .replace("\"bytes\": 65536,", "\"bytes\": 65536, \"host\": {},");
    assert_eq!(read(more.as_bytes()).unwrap(), example());
    let without = EXAMPLE.replace("\"metadata\"", "\"other\"");
    assert_eq!(read(without.as_bytes()).unwrap().metadata, []);
}

/// What is wrong with the example once `from` is `to`.
fn refused(from: &str, to: &str) -> (Kind, String) {
    assert!(EXAMPLE.contains(from), "{from}");
    let error = read(EXAMPLE.replacen(from, to, 1).as_bytes()).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn what_is_wrong_is_told() {
    let long = "x".repeat(256);
    let cases: &[(&str, &str, &str)] = &[
        (
            "\"records\": 250",
            "\"records\": 251",
            "'records' is 251, but those of the shards are 250",
        ),
        (
            "\"records\": 200",
            "\"records\": 18446744073709551615",
            "more than can be counted",
        ),
        ("\"records\": 200", "\"records\": -1", "invalid value"),
        ("\"records\": 200", "\"records\": 200.0", "invalid type"),
        (
            "\"records\": 250,",
            "\"records\": 250, \"records\": 250,",
            "'records' stands there twice",
        ),
        ("\"records\": 250,", "", "'records' is missing"),
        ("\"fields\"", "\"felder\"", "'fields' is missing"),
        ("\"shards\"", "\"files\"", "'shards' is missing"),
        ("\"file\": \"train-00000.arec\", ", "", "'file' is missing"),
        (
            "\"uuid\": \"00112233445566778899aabbccddeeff\", ",
            "",
            "'uuid' is missing",
        ),
        ("\"bytes\": 1048576, ", "", "'bytes' is missing"),
        (
            ", \"footer\": \"0123456789abcdef\"",
            "",
            "'footer' is missing",
        ),
        ("train-00000.arec", "../train.arec", "a slash"),
        ("train-00000.arec", "/etc/passwd", "a slash"),
        ("train-00000.arec", "a\\\\b", "a slash"),
        ("train-00000.arec", "..", "a folder"),
        ("train-00000.arec", ".", "a folder"),
        ("train-00000.arec", "", "is empty"),
        ("train-00000.arec", "a\\u0000b", "a NUL"),
        ("train-00000.arec", &long, "more bytes than file names have"),
        (
            "train-00001.arec",
            "train-00000.arec",
            "'train-00000.arec' stands there twice",
        ),
        ("ff112233", "00112233", "it is a copy"),
        (
            "\"00112233445566778899aabbccddeeff\"",
            "\"0011\"",
            "'uuid' has 32 hexadecimal digits",
        ),
        (
            "ccddeeff\"",
            "CCDDEEFF\"",
            "'uuid' has 32 hexadecimal digits",
        ),
        (
            "0123456789abcdef",
            "+123456789abcdef",
            "'footer' has 16 hexadecimal digits",
        ),
        ("\"u16\"", "\"u15\"", "the dtype 'u15' isn't known"),
        ("\"ragged\"", "\"fixed\"", "'tokens' can't be 'fixed'"),
        ("\"fixed\"", "\"ragged\"", "'image' can't be 'ragged'"),
        ("\"fixed\"", "\"bytes\"", "'image' can't be 'bytes'"),
        ("\"fixed\"", "\"loose\"", "'image' can't be 'loose'"),
        ("[28, 28]", "[28, 9223372036854775808]", "over 2^63 - 1"),
        (
            "[28, 28]",
            "[1, 1, 1, 1, 1, 1, 1, 1, 1]",
            "more than 8 dimensions",
        ),
        (
            "\"tokens\"",
            "\"image\"",
            "there is a field \"image\" already",
        ),
        ("\"blob\"", "\"source\"", "'source' stands there twice"),
        ("\"blob\"", "\"\"", "is empty"),
        ("\"hex\": \"00ff\"", "\"hex\": \"00f\"", "half a byte"),
        (
            "\"hex\": \"00ff\"",
            "\"hex\": \"00FF\"",
            "other than hexadecimal",
        ),
        (
            "\"hex\": \"00ff\"",
            "\"hex\": \"00\", \"text\": \"\"",
            "either 'text' or 'hex'",
        ),
        (
            "\"adit_record_set\": 1,",
            "\"adit_record_set\": 1, \"adit_record_set\": 1,",
            "twice",
        ),
        ("\n  ]\n}", "\n  ]\n} x", "trailing characters"),
    ];
    for (from, to, what) in cases {
        let (kind, said) = refused(from, to);
        assert_eq!(kind, Kind::Malformed, "{to}: {said}");
        assert!(said.contains(what), "{to}: {said}");
        assert!(
            said.contains("bytes in memory is damaged at byte"),
            "{said}"
        );
    }
    let (kind, said) = refused("\"adit_record_set\": 1,", "\"adit_record_set\": 2,");
    assert_eq!(
        (kind, said.contains("version 2")),
        (Kind::Unsupported, true)
    );
    let (kind, said) = refused("\"adit_record_set\"", "\"weight_map\"");
    assert_eq!(kind, Kind::WrongFormat, "{said}");
    let error = read(b"{\"a\": \"\xff\"}").unwrap_err();
    assert_eq!(
        (error.kind(), error.place().offset),
        (Kind::Malformed, Some(7))
    );
}

#[test]
fn a_cut_manifest_is_never_taken() {
    for end in 0..EXAMPLE.len() - 2 {
        let error = read(&EXAMPLE.as_bytes()[..end]).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed, "{end}: {error}");
    }
}

#[test]
fn deep_and_wide_ones_are_refused_or_read() {
    let deep = format!("{{\"x\": {}", "[".repeat(100_000));
    assert_eq!(read(deep.as_bytes()).unwrap_err().kind(), Kind::Malformed);
    let field = |number: usize| {
        format!(
            "{{\"name\": \"f{number}\", \"dtype\": \"u8\", \"kind\": \"fixed\", \"shape\": []}}"
        )
    };
    for count in [0, 1, 1024, 1025] {
        let fields: Vec<String> = (0..count).map(field).collect();
        let text = format!(
            "{{\"adit_record_set\": 1, \"records\": 0, \"shards\": [], \"fields\": [{}]}}",
            fields.join(", ")
        );
        let read = read(text.as_bytes());
        assert_eq!(read.is_ok(), [1, 1024].contains(&count), "{count}");
    }
}

#[test]
fn manifests_have_as_much_metadata_as_files() {
    let text = |bytes: usize| {
        let value = "0".repeat(bytes);
        let metadata = format!("{{\"key\": \"a\", \"text\": \"{value}\"}}");
        format!("\n  \"metadata\": [{metadata}],\n  \"records\": 250")
    };
    let own = EXAMPLE.replace("\"metadata\"", "\"other\"");
    for (bytes, fits) in [((64 << 20) - 9, true), ((64 << 20) - 8, false)] {
        let with = own.replacen("\"records\": 250", &text(bytes), 1);
        match read(with.as_bytes()) {
            Ok(manifest) => assert!(fits && manifest.metadata[0].1.len() == bytes),
            Err(error) => {
                assert!(!fits && error.kind() == Kind::Malformed, "{error}");
                assert!(error.to_string().contains("over 67108864 bytes"), "{error}");
            }
        }
    }
}
