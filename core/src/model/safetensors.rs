//! The bytes of safetensors files.
//!
//! Source: `src/tensor.rs` of the safetensors crate 0.8.0, whose `SafeTensors::deserialize` is the
//! measure. Eight bytes, the header's length, little-endian; the header, a JSON object in UTF-8,
//! which blanks may surround; the tensors' bytes, which cover the rest of the file without holes
//! or overlaps. Each key of the object is a tensor's name and its value an object of `dtype`,
//! `shape` and `data_offsets` (counted from the header's end, the second one past the tensor);
//! other keys in there are passed over. `__metadata__` is an object of strings, or null.
//!
//! What is read here the crate reads too, and as the same tensors. Refused here and not there are
//! the same name twice, in the header or in `__metadata__` (the crate keeps the last); dimensions
//! above 2^63 - 1; and two spellings that no writer uses and the format doesn't know: a tensor as
//! an array, `["F32",[2],[0,8]]`, and a dtype as an object, `{"F32":null}`.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod canonical;
mod header;
mod stream;

use std::mem::MaybeUninit;

use self::header::{Header, Pending};
use super::error::{Error, Result};
use super::fault::Fault;
use super::json::{self, no_memory};
use super::metadata::Metadata;
use super::names::Refusal;
use super::table::{Found, Tensors};
use crate::dtype::DType;
use crate::map::Data;

/// The bytes before the header: its length.
pub(super) const PREFIX: u64 = PREFIX_LEN as u64;

pub(super) const PREFIX_LEN: usize = 8;

/// The most bytes of a header, as in the crate.
pub(super) const HEADER_MAX: u64 = 100_000_000;

/// Why a file can't be added to a model.
#[derive(Debug)]
pub(super) enum Refused {
    /// It can't be read, or is broken.
    Broken(Error),
    /// A tensor of it is in a file before it too.
    Twice {
        /// The tensor's number there.
        number: usize,
    },
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        Refused::Broken(error)
    }
}

/// Adds the tensors of a file, in the order of their bytes, and its metadata; of keys that are
/// there already the value stays. It takes at most 16 times the header's bytes of memory, and 7
/// times stay.
pub(super) fn parse(
    data: &Data,
    file: u32,
    tensors: &mut Tensors,
    metadata: &mut Metadata,
) -> std::result::Result<(), Refused> {
    let len = header_len(data)?;
    match stream::read(data, len, file, tensors, metadata, stream::WINDOW) {
        Some(()) => Ok(()),
        None => parse_whole(data, len, file, tensors, metadata),
    }
}

/// As [`parse`], for a header of `len` bytes, which the file has, in any form and order.
fn parse_whole(
    data: &Data,
    len: u64,
    file: u32,
    tensors: &mut Tensors,
    metadata: &mut Metadata,
) -> std::result::Result<(), Refused> {
    let origin = data.origin();
    let bytes = json::copy_of(data, PREFIX, len)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let offset = PREFIX.saturating_add(error.valid_up_to() as u64);
        Fault::malformed(offset, "the header isn't UTF-8").of(origin)
    })?;
    let mut header = Header::read(text).map_err(|fault| fault.of(origin))?;
    header.sort();
    let first = tensors.len();
    let name_bytes = header.pending.iter().map(|tensor| tensor.name_len()).sum();
    tensors.reserve(header.pending.len(), name_bytes, header.dims.len());
    let start = PREFIX.saturating_add(bytes.len() as u64);
    let mut end = 0;
    for pending in &header.pending {
        let name = header.name(pending);
        let dims = header.dims_of(pending);
        if let Err(why) = check(pending.dtype, (pending.begin, pending.end), dims, end) {
            let fault = header.twice().unwrap_or_else(|| header.fault(pending, why));
            return Err(fault.of(origin).into());
        }
        end = pending.end;
        let found = Found {
            file,
            dtype: Some(pending.dtype),
            ggml: 0,
            dims,
            offset: start.saturating_add(pending.begin),
            bytes: pending.end.saturating_sub(pending.begin),
        };
        match tensors.add(name.as_bytes(), found) {
            Ok(_) => {}
            Err(Refusal::Taken(number)) if number < first => {
                return Err(Refused::Twice { number });
            }
            Err(Refusal::Taken(_)) => {
                let fault = header
                    .twice()
                    .unwrap_or_else(|| header.fault(pending, TWICE));
                return Err(fault.of(origin).into());
            }
            Err(Refusal::Full) => return Err(no_memory(bytes.len(), origin).into()),
        }
    }
    check_end(start.saturating_add(end), data).map_err(|fault| fault.of(origin))?;
    header
        .give_metadata(metadata)
        .map_err(|_| no_memory(bytes.len(), origin))?;
    Ok(())
}

const TWICE: &str = "the header has this name twice";

/// The header's length, which the file has.
fn header_len(data: &Data) -> Result<u64> {
    let (origin, len) = (data.origin(), data.len());
    let mut prefix = [MaybeUninit::new(0u8); PREFIX_LEN];
    if len < PREFIX {
        let why = format!("the file ends after {len} bytes, within the header's length of 8 bytes");
        return Err(Fault::malformed(len, why).of(origin));
    }
    data.read(0, &mut prefix)?;
    // SAFETY: every byte was initialised above, before the read wrote over it.
    let prefix = prefix.map(|byte| unsafe { byte.assume_init() });
    let claimed = u64::from_le_bytes(prefix);
    if claimed > HEADER_MAX {
        let why = format!(
            "the header's length is {claimed} bytes, but at most {HEADER_MAX} are allowed; this \
             isn't a safetensors file, or its first bytes are damaged"
        );
        return Err(Fault::malformed(0, why).of(origin));
    }
    let needed = PREFIX.saturating_add(claimed);
    if needed > len {
        let why = format!(
            "the file ends after {len} bytes, within its header, which needs {needed}: it is \
             incomplete, get it again"
        );
        return Err(Fault::malformed(len, why).of(origin));
    }
    Ok(claimed)
}

/// Checks that a tensor starts where the one before it ends, and has the bytes that its elements
/// need.
fn check(
    dtype: DType,
    (begin, end): (u64, u64),
    dims: &[i64],
    before: u64,
) -> std::result::Result<(), String> {
    if begin > end {
        return Err(format!(
            "its bytes start at {begin} and end at {end}, before their start"
        ));
    }
    if begin > before {
        return Err(format!(
            "its bytes start at {begin}, but bytes {before} to {begin} of the data belong to no \
             tensor; the format forbids holes"
        ));
    }
    if begin < before {
        return Err(format!(
            "its bytes start at {begin}, but the tensor before it ends at {before}: they overlap"
        ));
    }
    let needed = needed(dtype, dims)?;
    let given = end.saturating_sub(begin);
    if needed != given {
        return Err(format!(
            "{} of shape {dims:?} needs {needed} bytes, but its data_offsets give it {given}",
            dtype.name()
        ));
    }
    Ok(())
}

/// The bytes of a tensor, or what is wrong with its shape: as the crate counts them, in bits and
/// from the outermost dimension, so that a product that passes 64 bits is refused even where a
/// later dimension is 0.
fn needed(dtype: DType, dims: &[i64]) -> std::result::Result<u64, String> {
    let elements = dims.iter().try_fold(1u64, |product, &dim| {
        product.checked_mul(dim.unsigned_abs())
    });
    let bits_a_block = u64::from(dtype.block_bytes()).saturating_mul(8);
    let bits_an_element = bits_a_block.checked_div(u64::from(dtype.block_elements()));
    let bits = elements.and_then(|elements| elements.checked_mul(bits_an_element?));
    match bits {
        None => Err(format!(
            "{} of shape {dims:?} has more than 2^64 bits",
            dtype.name()
        )),
        Some(bits) if bits % 8 != 0 => Err(format!(
            "{} of shape {dims:?} makes {bits} bits, which are no whole bytes",
            dtype.name()
        )),
        Some(bits) => Ok(bits / 8),
    }
}

fn check_end(end: u64, data: &Data) -> std::result::Result<(), Fault> {
    let len = data.len();
    if end > len {
        let why =
            format!("the file ends after {len} of {end} bytes: it is incomplete, get it again");
        return Err(Fault::malformed(len, why));
    }
    if end < len {
        let extra = len.saturating_sub(end);
        let why = format!(
            "{extra} bytes follow the last tensor; the format allows none: the file is damaged, \
             or something was appended to it"
        );
        return Err(Fault::malformed(end, why));
    }
    Ok(())
}

impl Header<'_> {
    fn fault(&self, pending: &Pending, why: impl Into<String>) -> Fault {
        Fault::malformed(pending.offset(), why).in_tensor(self.name(pending).to_owned())
    }

    /// The first name that is there a second time: looked for where something else is wrong, of
    /// which it is then the cause.
    fn twice(&self) -> Option<Fault> {
        let mut names: Vec<&Pending> = Vec::new();
        let count = self.pending.len();
        if names.try_reserve_exact(count).is_err() {
            return Some(Fault::no_memory((count as u64).saturating_mul(8)));
        }
        names.extend(&self.pending);
        names.sort_unstable_by_key(|pending| (self.name(pending), pending.order()));
        let again = names
            .iter()
            .zip(names.iter().skip(1))
            .filter(|(one, two)| self.name(one) == self.name(two))
            .map(|(_, two)| *two)
            .min_by_key(|pending| pending.order())?;
        Some(self.fault(again, TWICE))
    }
}

#[cfg(test)]
mod tests;
