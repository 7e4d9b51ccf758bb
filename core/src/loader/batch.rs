//! A batch in the caller's hands.

use std::fmt;
use std::sync::Arc;

use super::faults::{MASKED, REPLACED};
use super::fields::{Plan, TensorOf};
use super::slot::Slot;
use super::worker::Shared;
use crate::tensor::Lent;

/// Tensors of some records, with the records' numbers. It keeps its memory until it is dropped, on
/// any thread, whether its loader still lives or not.
pub struct Batch {
    /// None only while it is dropped.
    slot: Option<Slot>,
    home: Arc<Shared>,
}

impl Batch {
    pub(super) fn new(slot: Slot, home: &Arc<Shared>) -> Batch {
        Batch {
            slot: Some(slot),
            home: Arc::clone(home),
        }
    }

    fn plan(&self) -> &Plan {
        self.home.plan()
    }

    /// The number of tensors: one a field, and for packed and padded fields one more behind it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plan().tensors().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A tensor's name: its field's; that of a packed field's offsets has ".offsets" behind it,
    /// that of a padded one's lengths ".lengths".
    #[must_use]
    pub fn name(&self, index: usize) -> Option<&str> {
        let (name, _) = self.plan().tensors().get(index)?;
        Some(name)
    }

    /// The tensor of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        let mut tensors = self.plan().tensors().iter();
        tensors.position(|(own, _)| own == name)
    }

    /// A tensor, good until the batch is dropped. A field has its records in the first dimension;
    /// packed, its records' elements back to back. Offsets (u64, one more than records) count
    /// elements, lengths (u64) positions of the first dimension.
    #[must_use]
    pub fn tensor(&self, index: usize) -> Option<Lent<'_>> {
        let (_, which): &(String, TensorOf) = self.plan().tensors().get(index)?;
        let slot = self.slot.as_ref()?;
        slot.columns.tensor(self.plan().columns(), *which)
    }

    /// Whether a tensor has a field's elements, which the batch's owner may write: no offsets or
    /// lengths.
    #[must_use]
    pub fn is_elements(&self, index: usize) -> bool {
        let tensor = self.plan().tensors().get(index);
        matches!(tensor, Some((_, TensorOf::Elements(_))))
    }

    /// The record in each row; [`super::NO_RECORD`] where there is none.
    #[must_use]
    pub fn records(&self) -> &[u64] {
        self.slot.as_ref().map_or(&[], |slot| &slot.rows.records)
    }

    /// What became of each row: 0, or a sum of [`REPLACED`], [`MASKED`] and [`super::PADDING`].
    #[must_use]
    pub fn flags(&self) -> &[u8] {
        self.slot.as_ref().map_or(&[], |slot| &slot.rows.flags)
    }

    /// The rows: as many in every batch of a loader.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.records().len()
    }

    /// The rows that count; what stands behind them is padding.
    #[must_use]
    pub fn valid(&self) -> usize {
        self.slot.as_ref().map_or(0, |slot| slot.valid)
    }

    /// The rows that count over all ranks in this step.
    #[must_use]
    pub fn global_valid(&self) -> u64 {
        let course = &self.home.course;
        let before = course.partition.batch.saturating_mul(self.step());
        let left = course.records.saturating_sub(before);
        left.min(course.partition.batch)
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.slot.as_ref().map_or(0, |slot| slot.epoch)
    }

    /// The step in the epoch.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.slot.as_ref().map_or(0, |slot| slot.step)
    }

    /// The bytes of all tensors.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let tensors = (0..self.len()).filter_map(|index| self.tensor(index));
        tensors.map(|tensor| tensor.bytes.len() as u64).sum()
    }

    /// Rows that other records stand in, and rows of zeros.
    pub(super) fn faults(&self) -> (u64, u64) {
        let count = |flag| self.flags().iter().filter(|own| **own & flag != 0).count() as u64;
        (count(REPLACED), count(MASKED))
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            if self.home.owner.is_this_process() {
                self.home.take_back(slot);
            } else {
                // Another thread may have been at the ring, or in the allocator, at the fork: in the
                // child nothing is freed, the loader's memory neither.
                std::mem::forget(slot);
                std::mem::forget(Arc::clone(&self.home));
            }
        }
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (epoch, step, rows) = (self.epoch(), self.step(), self.rows());
        write!(f, "Batch(epoch {epoch}, step {step}, {rows} rows)")
    }
}
