#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;

fn told(head: &[u8]) -> std::result::Result<Content, String> {
    recognise(head, head.len() as u64)
}

#[test]
fn models_by_their_first_bytes() {
    for (head, content) in [
        (&b"GGUF\x03\0\0\0"[..], Content::Weights(Weights::Gguf)),
        (b"GGUF", Content::Weights(Weights::Gguf)),
        (
            b"\x02\0\0\0\0\0\0\0{}",
            Content::Weights(Weights::Safetensors),
        ),
        (
            b"\x08\0\0\0\0\0\0\0 \t\r\n  {}",
            Content::Weights(Weights::Safetensors),
        ),
        // Cut behind the length, or within leading blanks.
        (
            b"\x08\0\0\0\0\0\0\0",
            Content::Weights(Weights::Safetensors),
        ),
        (
            b"\x08\0\0\0\0\0\0\0  ",
            Content::Weights(Weights::Safetensors),
        ),
        // 123 is the brace too.
        (
            b"{\0\0\0\0\0\0\0{\"a\":",
            Content::Weights(Weights::Safetensors),
        ),
        // A damaged length.
        (
            b"\x02\0\0\0\0\0\0\x80{}",
            Content::Weights(Weights::Safetensors),
        ),
        (b"{\"weight_map\": {}}", Content::Index),
        (b" \r\n\t{\"weight_map\": {}}", Content::Index),
        // A brace as the ninth byte.
        (b"{\"abc\": {\"a\": 1}}", Content::Index),
        (b"{", Content::Index),
    ] {
        assert_eq!(told(head), Ok(content), "{}", head.escape_ascii());
    }
    let huge = recognise(b"{\"weight_map\": {", INDEX_MAX + 1).unwrap_err();
    assert!(huge.contains("at most 100000000"), "{huge}");
}

#[test]
fn other_files_are_told_by_name() {
    for (head, word) in [
        (&b""[..], "empty"),
        (b"PK\x03\x04....", "PyTorch"),
        (b"\x80\x02}q\0.....", "pickle"),
        (
            b"\x1f\x8b\x08\0....",
            "gzip: decompression can be asked for",
        ),
        (
            b"\x28\xb5\x2f\xfd....",
            "zstd: decompression can be asked for",
        ),
        (b"BZh91AY&SY", "isn't supported"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x93NUMPY\x01\0", "NumPy"),
        (b"tjgg\x03\0\0\0....", "before GGUF"),
        (b"lmgg\x03\0\0\0....", "before GGUF"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "git lfs pull",
        ),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"\n <HTML>", "HTML"),
        (b"<?xml version=\"1.0\"?><Error>", "refused the download"),
        (&[0; 64], "zeros"),
        (b"\0\0\0", "only 3 bytes, \"\\x00\\x00\\x00\""),
        (b"\x02\0\0\0\0\0\0\0[]", "neither GGUF"),
        (b"hello, world", "it begins with \"hello, w\""),
    ] {
        let why = told(head).unwrap_err();
        assert!(why.contains(word), "{}: {why}", head.escape_ascii());
    }
}
