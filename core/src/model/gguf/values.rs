//! Typed values: numbers, strings, arrays of either, arrays of arrays.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::cursor::{Cursor, Result};
use crate::model::fault::Fault;
use crate::model::metadata::{Elements, Metadata, MetadataKind, Value};
use crate::model::names::Refusal;

/// How deep arrays may lie in one another. llama.cpp reads no arrays in arrays at all.
const DEEPEST: usize = 8;

/// An array's kind and length.
const ARRAY_HEAD: u64 = 12;

/// Reads the value of a key.
pub(super) fn value(cursor: &mut Cursor<'_>, metadata: &mut Metadata) -> Result<Value> {
    Ok(match kind(cursor)? {
        MetadataKind::Array => Value::Array(array(cursor, metadata)?),
        MetadataKind::String => {
            let len = cursor.u64()?;
            let start = cursor.item();
            cursor.pass(len)?;
            Value::String(start, counted(len))
        }
        kind => Value::Number(kind, number(cursor, kind)?),
    })
}

fn kind(cursor: &mut Cursor<'_>) -> Result<MetadataKind> {
    let at = cursor.at();
    let number = cursor.u32()?;
    MetadataKind::from_number(number).ok_or_else(|| {
        let why = format!("a value of kind {number}; there are 0 to 12");
        Fault::malformed(at, why)
    })
}

/// A number as the metadata keeps it.
fn number(cursor: &mut Cursor<'_>, kind: MetadataKind) -> Result<u64> {
    let at = cursor.at();
    let signed = |integer: i64| u64::from_ne_bytes(integer.to_ne_bytes());
    Ok(match kind {
        MetadataKind::U8 => u64::from(u8::from_le_bytes(cursor.bytes()?)),
        MetadataKind::I8 => signed(i64::from(i8::from_le_bytes(cursor.bytes()?))),
        MetadataKind::Bool => match cursor.bytes()? {
            [truth @ 0..=1] => u64::from(truth),
            [other] => return Err(no_bool(at, other)),
        },
        MetadataKind::U16 | MetadataKind::I16 => {
            let bytes = cursor.bytes()?;
            let bits = match cursor.big_endian {
                false => u16::from_le_bytes(bytes),
                true => u16::from_be_bytes(bytes),
            };
            match kind {
                MetadataKind::I16 => signed(i64::from(bits.cast_signed())),
                _ => u64::from(bits),
            }
        }
        MetadataKind::U32 => u64::from(cursor.u32()?),
        MetadataKind::I32 => signed(i64::from(cursor.u32()?.cast_signed())),
        MetadataKind::F32 => f64::from(f32::from_bits(cursor.u32()?)).to_bits(),
        MetadataKind::U64 | MetadataKind::I64 | MetadataKind::F64 => cursor.u64()?,
        // The caller reads these.
        MetadataKind::String | MetadataKind::Array => 0,
    })
}

fn no_bool(at: u64, byte: u8) -> Fault {
    Fault::malformed(at, format!("a bool of {byte}; it is 0 or 1"))
}

/// An array of arrays that is being read.
struct Open {
    left: u64,
    items: Vec<u32>,
}

/// Reads an array behind its kind, however deep.
fn array(cursor: &mut Cursor<'_>, metadata: &mut Metadata) -> Result<Elements> {
    let full = |_: Refusal| Fault::no_memory(4);
    let mut open: Vec<Open> = Vec::new();
    loop {
        let at = cursor.at();
        if open.len() >= DEEPEST {
            let what = format!("arrays in arrays deeper than {DEEPEST} aren't read");
            return Err(Fault::unsupported(at, what));
        }
        let (kind, len) = head(cursor)?;
        let mut done = match kind {
            MetadataKind::Array if len > 0 => {
                let items = Vec::new();
                open.push(Open { left: len, items });
                continue;
            }
            MetadataKind::Array | MetadataKind::String => strings(cursor, metadata, kind, len)?,
            _ => numbers(cursor, kind, len)?,
        };
        // The array is whole: so may be those around it.
        loop {
            let Some(around) = open.last_mut() else {
                return Ok(done);
            };
            around
                .items
                .try_reserve(1)
                .map_err(|_| full(Refusal::Full))?;
            around.items.push(metadata.add_nested(done).map_err(full)?);
            around.left = around.left.saturating_sub(1);
            if around.left > 0 {
                break;
            }
            let items = open.pop().map(|around| around.items).unwrap_or_default();
            done = Elements {
                kind: MetadataKind::Array,
                len: counted(items.len() as u64),
                start: metadata.items(),
            };
            metadata.add_items(&items).map_err(full)?;
        }
    }
}

/// The kind and the number of elements, which the file has room for.
fn head(cursor: &mut Cursor<'_>) -> Result<(MetadataKind, u64)> {
    let kind = kind(cursor)?;
    let at = cursor.at();
    let len = cursor.u64()?;
    let least = match kind {
        MetadataKind::String => 8,
        MetadataKind::Array => ARRAY_HEAD,
        kind => kind.bytes().map_or(1, |bytes| bytes as u64),
    };
    let rest = cursor.rest();
    if len > rest.checked_div(least).unwrap_or(0) {
        let why = format!(
            "an array of {len} elements of kind {}, of {least} bytes or more each, but {rest} \
             bytes follow",
            kind.name()
        );
        return Err(Fault::malformed(at, why));
    }
    Ok((kind, len))
}

/// An array of strings: where each has its length. Or one of no arrays.
fn strings(
    cursor: &mut Cursor<'_>,
    metadata: &mut Metadata,
    kind: MetadataKind,
    len: u64,
) -> Result<Elements> {
    let start = metadata.items();
    for _ in 0..len {
        if metadata.add_items(&[cursor.item()]).is_err() {
            return Err(Fault::no_memory(4));
        }
        let bytes = cursor.u64()?;
        cursor.pass(bytes)?;
    }
    let len = counted(len);
    Ok(Elements { kind, len, start })
}

fn numbers(cursor: &mut Cursor<'_>, kind: MetadataKind, len: u64) -> Result<Elements> {
    let (at, start) = (cursor.at(), cursor.item());
    let size = kind.bytes().map_or(0, |bytes| bytes as u64);
    let passed = cursor.pass(len.saturating_mul(size))?;
    let len = counted(len);
    if kind == MetadataKind::Bool {
        let bools = cursor.passed(passed, len as usize);
        if let Some((number, &byte)) = (0u64..).zip(bools).find(|(_, byte)| **byte > 1) {
            return Err(no_bool(at.saturating_add(number), byte));
        }
    }
    Ok(Elements { kind, len, start })
}

/// A number of bytes or elements that were passed: fewer than the longest header has.
fn counted(len: u64) -> u32 {
    u32::try_from(len).unwrap_or(0)
}
