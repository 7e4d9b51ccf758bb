//! The text of a safetensors file's header, and of the index of a sharded model.
//!
//! Sources: `safetensors/src/tensor.rs` of the safetensors crate 0.8.0 (eight bytes of length, then
//! JSON: `__metadata__` first, then the tensors by their places, without spaces between tokens,
//! padded by spaces behind); for the index what `transformers` writes: `metadata` with `total_size`
//! and `weight_map`, keys sorted, indented by 2, a newline at the end.

use std::io::Write;

use super::error::{Result, WriteError};
use super::layout::ALIGN;
use crate::dtype::DType;
use crate::map::Origin;
use crate::model::safetensors::HEADER_MAX;

pub(super) use crate::model::safetensors::PREFIX;

/// What a header says of a tensor.
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) dtype: DType,
    pub(super) dims: &'a [i64],
    /// From the first element of the file on.
    pub(super) start: u64,
    pub(super) end: u64,
}

/// The header that follows the prefix, padded so that the elements behind it are aligned.
pub(super) fn header<'a>(
    metadata: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
    lines: impl Iterator<Item = Line<'a>>,
    origin: &Origin,
) -> Result<Vec<u8>> {
    let mut text = Text::new(origin);
    text.raw("{")?;
    let has_metadata = metadata.len() > 0;
    if has_metadata {
        text.raw("\"__metadata__\":{")?;
        for (number, (key, value)) in metadata.enumerate() {
            text.raw(if number == 0 { "" } else { "," })?;
            text.string(key)?;
            text.raw(":")?;
            text.string(value)?;
        }
        text.raw("}")?;
    }
    for (number, line) in lines.enumerate() {
        text.raw(if !has_metadata && number == 0 {
            ""
        } else {
            ","
        })?;
        text.string(line.name)?;
        text.raw(":{\"dtype\":")?;
        text.string(line.dtype.safetensors().unwrap_or_default())?;
        text.raw(",\"shape\":[")?;
        for (axis, dim) in line.dims.iter().enumerate() {
            text.raw(if axis == 0 { "" } else { "," })?;
            text.raw(dim)?;
        }
        text.raw(format_args!(
            "],\"data_offsets\":[{},{}]}}",
            line.start, line.end
        ))?;
    }
    text.raw("}")?;
    let used = PREFIX.saturating_add(text.bytes.len() as u64);
    let padding = used.wrapping_neg() % ALIGN;
    text.raw(format_args!("{:1$}", "", padding as usize))?;
    let bytes = text.bytes.len() as u64;
    if bytes > HEADER_MAX {
        return Err(WriteError::HeaderTooLong {
            origin: origin.clone(),
            bytes,
            most: HEADER_MAX,
        });
    }
    Ok(text.bytes)
}

/// The index: the file of each tensor, by name in alphabetical order.
pub(super) fn index_text(
    total_size: u64,
    mut files: Vec<(&str, &str)>,
    origin: &Origin,
) -> Result<Vec<u8>> {
    files.sort_unstable();
    let mut text = Text::new(origin);
    text.raw("{\n  \"metadata\": {\n    \"total_size\": ")?;
    text.raw(total_size)?;
    text.raw("\n  },\n  \"weight_map\": {")?;
    for (number, (tensor, file)) in files.into_iter().enumerate() {
        text.raw(if number == 0 { "\n    " } else { ",\n    " })?;
        text.string(tensor)?;
        text.raw(": ")?;
        text.string(file)?;
    }
    text.raw("\n  }\n}\n")?;
    Ok(text.bytes)
}

/// JSON in the making.
struct Text<'a> {
    bytes: Vec<u8>,
    origin: &'a Origin,
}

impl<'a> Text<'a> {
    fn new(origin: &'a Origin) -> Text<'a> {
        Text {
            bytes: Vec::new(),
            origin,
        }
    }

    fn raw(&mut self, text: impl std::fmt::Display) -> Result<()> {
        self.reserve(64)?;
        write!(self.bytes, "{text}").map_err(|_| self.full())
    }

    fn string(&mut self, text: &str) -> Result<()> {
        // A control character takes six letters.
        self.reserve(text.len().saturating_mul(6).saturating_add(2))?;
        serde_json::to_writer(&mut self.bytes, text).map_err(|_| self.full())
    }

    fn reserve(&mut self, more: usize) -> Result<()> {
        self.bytes.try_reserve(more).map_err(|_| self.full())
    }

    fn full(&self) -> WriteError {
        WriteError::OutOfMemory {
            origin: self.origin.clone(),
            bytes: self.bytes.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(name: &'a str, dtype: DType, dims: &'a [i64], start: u64, end: u64) -> Line<'a> {
        Line {
            name,
            dtype,
            dims,
            start,
            end,
        }
    }

    fn text(metadata: &[(&str, &str)], lines: Vec<Line<'_>>) -> String {
        let metadata = metadata.iter().copied();
        let bytes = header(metadata, lines.into_iter(), &Origin::Memory).unwrap_or_default();
        assert_eq!((bytes.len() + 8) % 64, 0);
        String::from_utf8(bytes).unwrap_or_default()
    }

    #[test]
    fn headers() {
        assert_eq!(text(&[], vec![]), format!("{{}}{:54}", ""));
        assert_eq!(
            text(
                &[("b", "\u{7f}\u{1}\"é"), ("a", "")],
                vec![
                    line("w\\", DType::BF16, &[2, 3], 0, 12),
                    line("", DType::F8E4M3FN, &[], 12, 13)
                ]
            )
            .trim_end(),
            "{\"__metadata__\":{\"b\":\"\u{7f}\\u0001\\\"é\",\"a\":\"\"},\
             \"w\\\\\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[0,12]},\
             \"\":{\"dtype\":\"F8_E4M3\",\"shape\":[],\"data_offsets\":[12,13]}}"
        );
    }

    /// Without a place for the padding, none is made.
    #[test]
    fn padding_has_no_more_than_63_spaces() {
        for length in 0..130 {
            let name = "n".repeat(length);
            let text = text(&[], vec![line(&name, DType::U8, &[0], 0, 0)]);
            assert!(text.len() - text.trim_end().len() < 64);
        }
    }

    #[test]
    fn an_index() {
        let files = vec![("b", "m-2"), ("a\"", "m-1")];
        let bytes = index_text(12, files, &Origin::Memory).unwrap_or_default();
        let expected = "{\n  \"metadata\": {\n    \"total_size\": 12\n  },\n  \"weight_map\": {\n    \
                        \"a\\\"\": \"m-1\",\n    \"b\": \"m-2\"\n  }\n}\n";
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }
}
