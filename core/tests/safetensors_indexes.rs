//! Indexes of shards: the file names in them, and what is broken.
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
use common::Folder;
use safetensors_tools::*;

#[test]
fn shards_lie_beside_their_index() {
    let folder = two_shards();
    std::fs::create_dir(folder.join("sub")).unwrap();
    std::fs::copy(folder.join(ONE), folder.join("sub").join(ONE)).unwrap();
    for (name, words) in [
        ("", "it is empty"),
        (".", "it is a folder"),
        ("..", "it is a folder"),
        ("../x.safetensors", "it has a slash"),
        ("sub/model-00001-of-00002.safetensors", "it has a slash"),
        ("./model-00001-of-00002.safetensors", "it has a slash"),
        ("/etc/passwd", "it has a slash"),
        ("a\\\\b", "it has a slash"),
        ("C:\\\\x", "it has a slash"),
        ("a\\u0000b", "it has a NUL"),
        ("\\u002e\\u002e", "it is a folder"),
        ("\\u002e\\u002e\\u002fx", "it has a slash"),
        (&"x".repeat(256), "it has more bytes than file names have"),
    ] {
        let text = index(&[("a", name)]);
        let error = index_error(&folder, &text);
        let place = text.find("\"a\":\"").unwrap() as u64 + 5;
        let told = error.place().offset.unwrap();
        // What has escapes is told by where the reader stood behind it.
        assert!(
            told == place || name.contains('\\') && told > place,
            "{error}"
        );
        let words = [
            "tensor 'a' is said to be in the shard '",
            "no plain file name",
            words,
        ];
        assert_error(&error, Kind::Malformed, Some(told), &words);
    }
    // A name is never taken apart: this one is only long and odd.
    let odd = "..a b%2e%2e*.safetensors";
    folder.file(odd, &shard(&[("a", 1)]));
    folder.file(INDEX, index(&[("a", odd)]).as_bytes());
    assert_eq!(names(&open(&folder.join(INDEX)).unwrap()), ["a"]);
}

#[cfg(unix)]
#[test]
fn a_link_to_an_index_has_its_shards_beside_the_link() {
    let (blobs, folder) = (Folder::new(), Folder::new());
    let link = |name: &str, bytes: &[u8]| {
        let target = blobs.file(&format!("blob-{name}"), bytes);
        std::os::unix::fs::symlink(target.canonicalize().unwrap(), folder.join(name)).unwrap();
    };
    link(ONE, &shard(&[("a", 1)]));
    link(INDEX, index(&[("a", ONE)]).as_bytes());
    assert_eq!(names(&open(&folder.join(INDEX)).unwrap()), ["a"]);
}

#[test]
fn indexes_that_are_broken() {
    let folder = two_shards();
    for (text, place, words) in [
        (
            r#"{"weight_map":{"a":"x"},"weight_map":{}}"#,
            25,
            "the index has 'weight_map' twice",
        ),
        (
            r#"{"metadata":{},"weight_map":{},"metadata":{}}"#,
            32,
            "the index has 'metadata' twice",
        ),
        (
            r#"{"weight_map":{"a":"x","a":"x"}}"#,
            24,
            "the index has tensor 'a' twice",
        ),
        (
            r#"{"metadata":{"k":1,"k":1},"weight_map":{}}"#,
            20,
            "metadata has the key 'k' twice",
        ),
        (
            r#"{"weight_map":{"a":"x""#,
            22,
            "the index can't be read: EOF",
        ),
        (r#"{"weight_map":{"a":1}}"#, 19, "expected a string"),
        (r#"{"weight_map":{"a":null}}"#, 22, "expected a string"),
        (
            r#"{"weight_map":["a"]}"#,
            13,
            "expected an object of shards' file names",
        ),
        (
            r#"{"weight_map":null}"#,
            17,
            "expected an object of shards' file names",
        ),
        (
            r#"{"metadata":1,"weight_map":{}}"#,
            12,
            "expected an object as metadata",
        ),
        (r#"{"weight_map":{}} x"#, 18, "trailing characters"),
        (r#"{"weight_map":{},"x":[1,]}"#, 24, "trailing comma"),
        ("{weight_map:{}}", 1, "key must be a string"),
    ] {
        let error = index_error(&folder, text);
        assert_error(&error, Kind::Malformed, Some(place), &[words, INDEX]);
    }
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    assert!(
        index_error(&folder, &deep)
            .to_string()
            .contains("recursion")
    );
    let path = folder.file(INDEX, b"{\"weight_map\":{\"\xff\":\"x\"}}");
    let error = open(&path).unwrap_err();
    assert_error(&error, Kind::Malformed, Some(16), &["isn't UTF-8"]);
    for text in [
        "{}",
        r#"{"model_type":"llama"}"#,
        r#"{"error":"Entry not found"}"#,
    ] {
        let error = index_error(&folder, text);
        assert_error(
            &error,
            Kind::WrongFormat,
            Some(0),
            &["JSON without 'weight_map'"],
        );
    }
    // Of nothing.
    let path = folder.file(INDEX, br#" {"weight_map":{}}"#);
    assert!(open(&path).unwrap().tensors().is_empty());
}

#[test]
fn an_index_that_is_too_long() {
    let folder = Folder::new();
    let path = folder.file(INDEX, b"{\"weight_map\":{");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(100_000_001).unwrap();
    let error = open(&path).unwrap_err();
    assert_error(&error, Kind::WrongFormat, Some(0), &["at most 100000000"]);
}
