//! Deltas by the memory that they take.

use std::sync::Arc;

use super::delta::Delta;
use super::error::{Error, Result};
use super::index::IndexSet;
use crate::map::Origin;

/// Bytes of a delta's slot.
const SLOT_BYTES: u64 = 16;
/// Slots of a delta at first.
pub(crate) const FEW_SLOTS: usize = 4096;
/// Records that are left to be replayed by the next opening, which takes it some 0.3 ms: an index
/// file is for more.
pub(crate) const FEW_RECORDS: u64 = 4096;

/// The slots in so much memory.
pub(crate) fn slots_in(bytes: u64) -> usize {
    usize::try_from(bytes / SLOT_BYTES).unwrap_or(usize::MAX)
}

/// The memory of a delta that takes so many versions, by doubling `at_least`.
pub(crate) fn bytes_for(versions: usize, at_least: u64) -> u64 {
    // Six of ten slots are taken.
    let needed = (versions as u64).saturating_mul(2 * SLOT_BYTES);
    let mut bytes = at_least.max(4096);
    while bytes < needed {
        bytes = bytes.saturating_mul(2);
    }
    bytes
}

/// An empty delta with so many slots.
pub(crate) fn delta(slots: usize, origin: &Origin) -> Result<Arc<Delta>> {
    let bytes = (slots as u64).saturating_mul(SLOT_BYTES);
    let made = Delta::new(slots).ok_or_else(|| Error::out_of_memory(origin, bytes))?;
    Ok(Arc::new(made))
}

impl Delta {
    /// An empty one of the same memory.
    pub(crate) fn emptied(&self, origin: &Origin) -> Result<Arc<Delta>> {
        delta(slots_in(self.bytes()), origin)
    }

    /// A copy in so much memory.
    pub(crate) fn grown_to(&self, bytes: u64, origin: &Origin) -> Result<Arc<Delta>> {
        let grown = self.grown(slots_in(bytes));
        let grown = grown.ok_or_else(|| Error::out_of_memory(origin, bytes))?;
        Ok(Arc::new(grown))
    }
}

impl IndexSet {
    /// Doubles the delta, where that takes no more than `most`: false where it does.
    pub(crate) fn double(&mut self, most: u64, origin: &Origin) -> Result<bool> {
        let doubled = self.active.bytes().saturating_mul(2);
        if doubled > most {
            return Ok(false);
        }
        self.active = self.active.grown_to(doubled, origin)?;
        Ok(true)
    }
}
