//! JSON in files: copied to the heap once, read with serde_json, faults told by their place.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::error::{Error, Result as ModelResult};
use super::fault::Fault;
use crate::json::told;
pub(super) use crate::json::{NO_MEMORY, PassOver, Text, place};
use crate::map::{self, Data, Origin};

pub(super) fn no_memory(bytes: usize, origin: &Origin) -> Error {
    Error::Map(map::Error::OutOfMemory {
        bytes: bytes as u64,
        origin: origin.clone(),
    })
}

/// A copy of bytes of a file that it has.
pub(super) fn copy_of(data: &Data, offset: u64, len: u64) -> ModelResult<Vec<u8>> {
    let size = usize::try_from(len).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    data.read_to(offset, size, &mut bytes)?;
    Ok(bytes)
}

/// What is wrong by what serde_json says of `text`, and at which byte of it. `whole` is what the
/// text is of.
pub(super) fn fault(text: &str, error: &serde_json::Error, whole: &str) -> Fault {
    if error.is_data() && error.to_string().starts_with(NO_MEMORY) {
        return Fault::no_memory(text.len() as u64);
    }
    let (place, what) = told(text, error);
    Fault::malformed(place as u64, format!("{whole} can't be read: {what}"))
}
