//! The bytes of GGUF files, versions 2 and 3, of either byte order.
//!
//! Source: ggml's `docs/gguf.md`; `ggml/src/gguf.cpp` of llama.cpp and `gguf_reader.py` of the gguf
//! package 0.19.0 for what readers really take. `GGUF`, the version (u32), the number of tensors and
//! of keys (u64); each key with the kind of its value and the value; for each tensor its name, its
//! dimensions (innermost first), ggml's number of its type and where its elements start in the data,
//! which follows at the next multiple of the alignment. Strings are a u64 length and bytes. Where
//! the version has its significant byte first, so have all numbers, of the tensors too.
//!
//! llama.cpp is stricter in some points: it takes names of 63 bytes at most, no arrays in arrays, no
//! type that it doesn't know, and tensors only in the order of their data with no gaps. It is laxer
//! in others: any byte is a bool, and names may hold NUL bytes. Duplicates both refuse.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::sync::Arc;

use super::error::Result;
use super::fault::{Class, Fault};
use super::metadata::{Metadata, MetadataKind, Value};
use super::names::Refusal;
use super::table::Tensors;
use crate::map::Data;

mod cursor;
mod place;
mod values;

use cursor::Cursor;
use place::Place;

/// The first bytes of every file.
pub(super) const MAGIC: &[u8; 4] = b"GGUF";

/// The least bytes of a key with its value: the key's length, a byte, the kind, a value.
const KEY_LEAST: u64 = 14;

/// The least bytes that describe a tensor: the name's length, the number of dimensions, the type,
/// the offset.
const TENSOR_LEAST: u64 = 24;

/// The longest key or name. The specification allows names of 64 bytes; files have longer ones.
const NAME_MAX: u64 = 65_535;

/// The most dimensions, as in ggml.
const DIMS_MAX: usize = 4;

/// The key of the data's alignment.
const ALIGNMENT_KEY: &[u8] = b"general.alignment";

/// The alignment where the file has no key for it.
const USUAL_ALIGNMENT: u64 = 32;

/// What a file says beside its tensors.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) metadata: Metadata,
    pub(super) big_endian: bool,
    /// As a key says.
    alignment: Option<u64>,
    infos_end: u64,
    /// From where the data start to the end of the last tensor.
    data_len: u64,
}

impl Header {
    /// Where the data start, and where they would by the alignment of the first part of the model,
    /// which alone fits the length of this one. So the gguf package 0.19.0 writes parts: it aligns
    /// the data of all, but gives the key to the first.
    pub(super) fn other_start(&self, first: &Header, len: u64) -> Option<(u64, u64)> {
        let theirs = first.alignment.filter(|_| self.alignment.is_none())?;
        let own = self.infos_end.next_multiple_of(USUAL_ALIGNMENT);
        let other = self.infos_end.next_multiple_of(theirs);
        let end = other.checked_add(self.data_len.checked_next_multiple_of(theirs)?)?;
        (own != other && end == len).then_some((own, other))
    }
}

/// Reads the header of `data`, which is file number `file` of `files`, and adds its tensors to those
/// of the files before.
pub(super) fn read(
    files: &[Arc<Data>],
    file: u32,
    data: &Data,
    tensors: &mut Tensors,
) -> Result<Header> {
    let mut cursor = Cursor::new(data);
    let Keys {
        mut metadata,
        alignment,
        tensors: count,
    } = keys(&mut cursor).map_err(|fault| fault.of(data.origin()))?;
    let infos = cursor.at();
    for _ in 0..count {
        info(&mut cursor)?;
    }
    let infos_end = cursor.at();
    let aligned = alignment.unwrap_or(USUAL_ALIGNMENT);
    let start = infos_end.next_multiple_of(aligned);
    let mut place = Place::new(files, file, data, start, aligned, tensors.len());
    cursor.back_to(infos);
    for _ in 0..count {
        let info = info(&mut cursor)?;
        let name = cursor.passed(info.name.0, info.name.1);
        place.add(name, &info, tensors)?;
    }
    place.check_overlaps(tensors)?;
    let data_len = place.len();
    let big_endian = cursor.big_endian;
    metadata.adopt(cursor.into_text(), big_endian);
    Ok(Header {
        metadata,
        big_endian,
        alignment,
        infos_end,
        data_len,
    })
}

/// The metadata of `data` alone.
pub(super) fn metadata_of(data: &Data) -> Result<Metadata> {
    let mut cursor = Cursor::new(data);
    let keys = keys(&mut cursor).map_err(|fault| fault.of(data.origin()))?;
    let mut metadata = keys.metadata;
    let big_endian = cursor.big_endian;
    metadata.adopt(cursor.into_text(), big_endian);
    Ok(metadata)
}

/// What stands before the tensors.
struct Keys {
    /// Whose text the cursor still has.
    metadata: Metadata,
    alignment: Option<u64>,
    tensors: u64,
}

fn keys(cursor: &mut Cursor<'_>) -> std::result::Result<Keys, Fault> {
    let counts = counts(cursor)?;
    let mut metadata = Metadata::default();
    let mut alignment = None;
    for _ in 0..counts.keys {
        alignment = alignment.or(key(cursor, &mut metadata)?);
    }
    Ok(Keys {
        metadata,
        alignment,
        tensors: counts.tensors,
    })
}

struct Counts {
    tensors: u64,
    keys: u64,
}

/// What stands before the keys; learns the byte order.
fn counts(cursor: &mut Cursor<'_>) -> std::result::Result<Counts, Fault> {
    let seen = cursor.rest().min(MAGIC.len() as u64);
    let start = cursor.pass(seen)?;
    let magic = cursor.passed(start, MAGIC.len());
    if magic != MAGIC {
        let why = match magic {
            [] => "it is empty".to_owned(),
            _ => format!("it begins with \"{}\", not \"GGUF\"", magic.escape_ascii()),
        };
        return Err(Fault::new(Class::WrongFormat, 0, why));
    }
    let at = cursor.at();
    let mut version = cursor.u32()?;
    // Versions are small: one that seems to be a multiple of 65536 is in the other order.
    if version != 0 && version.trailing_zeros() >= 16 {
        version = version.swap_bytes();
        cursor.big_endian = true;
    }
    match version {
        2 | 3 => {}
        1 => {
            let what = "GGUF version 1, which nobody writes any more; convert it with an older \
                        llama.cpp";
            return Err(Fault::unsupported(at, what));
        }
        _ => {
            let what = format!("GGUF version {version}; 2 and 3 are known");
            return Err(Fault::unsupported(at, what));
        }
    }
    let at = cursor.at();
    let (tensors, keys) = (cursor.u64()?, cursor.u64()?);
    let rest = cursor.rest();
    for (at, what, count, least) in [
        (at, "tensors", tensors, TENSOR_LEAST),
        (at.saturating_add(8), "keys", keys, KEY_LEAST),
    ] {
        if count > rest.checked_div(least).unwrap_or(0) {
            let why = format!(
                "{count} {what} of {least} bytes or more each, but {rest} bytes follow: the file \
                 is cut or the number is wrong"
            );
            return Err(Fault::malformed(at, why));
        }
    }
    Ok(Counts { tensors, keys })
}

/// A key with its value; the alignment, where it is that key.
fn key(
    cursor: &mut Cursor<'_>,
    metadata: &mut Metadata,
) -> std::result::Result<Option<u64>, Fault> {
    let at = cursor.at();
    let (start, len) = name(cursor, "a key")?;
    if len == 0 {
        return Err(Fault::malformed(at, "an empty key"));
    }
    let value_at = cursor.at();
    let value = match values::value(cursor, metadata) {
        Ok(value) => value,
        Err(fault) => {
            let key = cursor.passed(start, len);
            let why = format!("key '{}': {}", String::from_utf8_lossy(key), fault.why);
            return Err(Fault { why, ..fault });
        }
    };
    let key = cursor.passed(start, len);
    match metadata.add(key, value) {
        Ok(()) => {}
        Err(Refusal::Taken(_)) => {
            let why = format!("key '{}' is there twice", String::from_utf8_lossy(key));
            return Err(Fault::malformed(at, why));
        }
        Err(Refusal::Full) => return Err(Fault::no_memory(len as u64)),
    }
    if key != ALIGNMENT_KEY {
        return Ok(None);
    }
    match value {
        Value::Number(MetadataKind::U32, alignment) if alignment.is_power_of_two() => {
            Ok(Some(alignment))
        }
        Value::Number(MetadataKind::U32, alignment) => {
            let why = format!("an alignment of {alignment}, which is no power of two");
            Err(Fault::malformed(value_at, why))
        }
        _ => Err(Fault::malformed(value_at, "an alignment that is no u32")),
    }
}

/// Where a key's or tensor's name starts in the text, and its bytes.
fn name(cursor: &mut Cursor<'_>, whose: &str) -> std::result::Result<(usize, usize), Fault> {
    let at = cursor.at();
    let len = cursor.u64()?;
    if len > NAME_MAX {
        let why = format!("{whose} of {len} bytes; {NAME_MAX} at most are read");
        return Err(Fault::malformed(at, why));
    }
    let start = cursor.pass(len)?;
    let len = usize::try_from(len).unwrap_or(0);
    if cursor.passed(start, len).contains(&0) {
        return Err(Fault::malformed(
            at,
            format!("{whose} with a NUL byte in it"),
        ));
    }
    Ok((start, len))
}

/// What a file says of a tensor.
struct Info {
    name: (usize, usize),
    /// Outermost first; the last `ndim` count.
    dims: [i64; DIMS_MAX],
    ndim: usize,
    /// Where the file gives the dimensions.
    dims_at: u64,
    ggml: u32,
    /// Where the elements start in the data, and where the file says so.
    offset: u64,
    offset_at: u64,
}

impl Info {
    fn dims(&self) -> &[i64] {
        let unused = DIMS_MAX.saturating_sub(self.ndim);
        self.dims.get(unused..).unwrap_or_default()
    }
}

fn info(cursor: &mut Cursor<'_>) -> Result<Info> {
    let data = cursor.data();
    let name = name(cursor, "a tensor's name").map_err(|fault| fault.of(data.origin()))?;
    described(cursor, name).map_err(|fault| {
        let name = cursor.passed(name.0, name.1);
        let name = String::from_utf8_lossy(name).into_owned();
        fault.in_tensor(name).of(data.origin())
    })
}

fn described(cursor: &mut Cursor<'_>, name: (usize, usize)) -> std::result::Result<Info, Fault> {
    let at = cursor.at();
    let ndim = usize::try_from(cursor.u32()?).unwrap_or(usize::MAX);
    if ndim > DIMS_MAX {
        let why = format!("{ndim} dimensions; there are {DIMS_MAX} at most");
        return Err(Fault::malformed(at, why));
    }
    let dims_at = cursor.at();
    let mut dims = [0; DIMS_MAX];
    for dim in dims.iter_mut().rev().take(ndim) {
        let at = cursor.at();
        let claimed = cursor.u64()?;
        *dim = i64::try_from(claimed)
            .map_err(|_| Fault::malformed(at, format!("a dimension of {claimed}")))?;
    }
    let ggml = cursor.u32()?;
    let offset_at = cursor.at();
    Ok(Info {
        name,
        dims,
        ndim,
        dims_at,
        ggml,
        offset: cursor.u64()?,
        offset_at,
    })
}
