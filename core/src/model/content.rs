//! What a file is, by its first bytes and not by its name.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::mem::MaybeUninit;

use super::error::{Error, Result};
use super::safetensors::{HEADER_MAX, PREFIX, PREFIX_LEN};
use crate::map::Data;

/// The kinds of files that have tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weights {
    Safetensors,
    Gguf,
}

/// The kinds of files that models are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Weights(Weights),
    /// `*.index.json`, which names the shards of a model.
    Index,
}

impl Content {
    pub(super) fn name(self) -> &'static str {
        match self {
            Content::Weights(Weights::Safetensors) => "a safetensors file",
            Content::Weights(Weights::Gguf) => "a GGUF file",
            Content::Index => "an index of shards",
        }
    }
}

/// The bytes that are looked at.
const HEAD: usize = 256;

/// The most bytes of an index.
pub(super) const INDEX_MAX: u64 = 100_000_000;

/// Tells the content; [`Error::WrongFormat`] says what else the file seems to be.
pub(super) fn content_of(data: &Data) -> Result<Content> {
    let mut room = [MaybeUninit::new(0u8); HEAD];
    let len = usize::try_from(data.len()).unwrap_or(usize::MAX).min(HEAD);
    data.read(0, room.get_mut(..len).unwrap_or_default())?;
    // SAFETY: every byte was initialised above, before the read wrote over some.
    let room = room.map(|byte| unsafe { byte.assume_init() });
    let head = room.get(..len).unwrap_or_default();
    recognise(head, data.len()).map_err(|why| Error::WrongFormat {
        origin: data.origin().clone(),
        why,
    })
}

fn recognise(head: &[u8], len: u64) -> std::result::Result<Content, String> {
    if head.is_empty() {
        return Err("it is empty: perhaps a download that never started".to_owned());
    }
    if head.starts_with(b"GGUF") {
        return Ok(Content::Weights(Weights::Gguf));
    }
    let after_length = head.get(PREFIX_LEN..).map(first_sign);
    let length = head.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    // A text has no such small number in its first bytes: they would be NULs.
    let has_length = length.is_some_and(|length| length <= HEADER_MAX);
    if has_length && matches!(after_length, Some(Some(b'{') | None)) {
        return Ok(Content::Weights(Weights::Safetensors));
    }
    if first_sign(head) == Some(b'{') {
        if len > INDEX_MAX {
            return Err(format!(
                "it begins like JSON, but of {len} bytes; an index of shards has at most \
                 {INDEX_MAX}"
            ));
        }
        return Ok(Content::Index);
    }
    match something_else(head) {
        Some(what) => Err(what.to_owned()),
        // Its length is damaged, which is then told.
        None if after_length == Some(Some(b'{')) => Ok(Content::Weights(Weights::Safetensors)),
        None => Err(unknown(head, len)),
    }
}

/// The first byte that is no blank of JSON.
fn first_sign(text: &[u8]) -> Option<u8> {
    let blank = |byte: &&u8| b" \t\r\n".contains(byte);
    text.iter().find(|byte| !blank(byte)).copied()
}

/// What files are that are often taken for models.
fn something_else(head: &[u8]) -> Option<&'static str> {
    let what = match head {
        [b'P', b'K', 3 | 5, ..] => {
            "it is a zip archive, as PyTorch's checkpoints (.bin, .pt) are: convert it to \
             safetensors first"
        }
        [0x80, 2..=5, ..] => {
            "it is a Python pickle, as PyTorch's old checkpoints are: convert it to safetensors \
             first"
        }
        [0x1f, 0x8b, ..] => "it is compressed with gzip: decompression can be asked for at open",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            "it is compressed with zstd: decompression can be asked for at open"
        }
        [b'B', b'Z', b'h', ..] | [0xfd, b'7', b'z', b'X', b'Z', ..] | [b'7', b'z', 0xbc, ..] => {
            "it is compressed in a way that isn't supported: decompress it first"
        }
        [0x89, b'H', b'D', b'F', ..] => "it is an HDF5 file, as Keras writes them",
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => {
            "it is a NumPy array (.npy): open it as an array"
        }
        [b't' | b'f', b'j' | b'm', b'g', b'g', ..] | [b'l', b'm', b'g', b'g', ..] => {
            "it is of a format of ggml from before GGUF: convert it with llama.cpp"
        }
        _ if head.starts_with(b"version https://git-lfs") => {
            "it is a Git LFS pointer and not the file itself: get that with `git lfs pull`"
        }
        _ if is_markup(head) => {
            "it is an HTML or XML page: perhaps the answer of a server that refused the download"
        }
        _ if head.len() >= 8 && head.iter().all(|&byte| byte == 0) => {
            "it begins with nothing but zeros: perhaps a download that isn't finished"
        }
        _ => return None,
    };
    Some(what)
}

fn is_markup(head: &[u8]) -> bool {
    let text = head.trim_ascii_start().to_ascii_lowercase();
    [&b"<!doctype"[..], b"<html", b"<?xml", b"<head"]
        .iter()
        .any(|start| text.starts_with(start))
}

fn unknown(head: &[u8], len: u64) -> String {
    if len < PREFIX {
        return format!("it has only {len} bytes, {}", shown(head));
    }
    let start = head.get(..PREFIX_LEN).unwrap_or(head);
    format!(
        "it begins with {}, which is neither GGUF, nor the length of a safetensors header with \
         that header behind it, nor the JSON of an index",
        shown(start)
    )
}

fn shown(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

#[cfg(test)]
mod tests;
