//! What a caller makes of each record.

use crate::tensor::Lent;

/// A record on its way into a batch.
#[derive(Debug)]
pub struct Sample<'a> {
    /// Its number in the set.
    pub record: u64,
    /// A number that follows from the seed, the epoch and the record alone: augmentation that
    /// draws from it is the same in every world.
    pub seed: u64,
    /// Its tensors: the fields asked for, in that order, until the call returns.
    pub tensors: &'a [Lent<'a>],
}

/// Makes a batch's row of a record's tensors.
pub trait Transform: Send + Sync {
    /// Fills the row of each output, which is zeros before. Runs on any of the loader's threads,
    /// several at a time perhaps; without workers on the caller's.
    ///
    /// # Errors
    /// Any number: the record counts as bad.
    fn apply(&self, sample: &Sample<'_>, outputs: &mut [&mut [u8]]) -> Result<(), i32>;
}
