//! Numbers that tell whether two readers have the same records in the same order.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use crate::kernel;
use crate::map::Origin;
use crate::record::error::Result;
use crate::record::rrec::RrecReader;
use crate::record::set::manifest::no_memory;

/// What an index is read in.
const PIECE: u64 = 1 << 20;

/// Of arec files: XXH3-64 over each one's uuid and count of records (u64, little-endian), in their
/// order, with the seeds 0 and 1: the low half and the high one. A file alone has the number of a
/// set of it.
pub(crate) fn of_shards(shards: impl IntoIterator<Item = ([u8; 16], u64)>) -> Result<u128> {
    let mut bytes: Vec<u8> = Vec::new();
    for (uuid, records) in shards {
        bytes
            .try_reserve(24)
            .map_err(|_| no_memory(bytes.len() as u64, &Origin::Memory))?;
        bytes.extend_from_slice(&uuid);
        bytes.extend_from_slice(&records.to_le_bytes());
    }
    Ok(twice(&bytes))
}

/// Of an rrec file, which has no uuid: the same hashes over its length, its count of records and a
/// hash of its index. That one starts as 0; each MiB of the index is hashed with it as the seed.
pub(crate) fn of_rrec(file: &RrecReader) -> Result<u128> {
    let data = file.data();
    let (mut at, end) = file.index_range();
    let (mut hash, mut piece) = (0, Vec::new());
    while at < end {
        let len = end.saturating_sub(at).min(PIECE);
        data.read_to(at, usize::try_from(len).unwrap_or(0), &mut piece)?;
        hash = kernel::hash(&piece, hash);
        at = at.saturating_add(len);
    }
    let mut bytes = Vec::new();
    for number in [data.len(), file.len(), hash] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    Ok(twice(&bytes))
}

fn twice(bytes: &[u8]) -> u128 {
    let (low, high) = (kernel::hash(bytes, 0), kernel::hash(bytes, 1));
    u128::from(high) << 64 | u128::from(low)
}
