//! What becomes of records that can't be had.

use std::ops::Range;

use super::error::Error;
use super::options::BadRecord;
use crate::error::{Kind, Report};
use crate::map::Origin;
use crate::record::Verdict;

/// The record of a row is as the set has it.
pub const SOUND: u8 = 0;
/// Another record stands in the row.
pub const REPLACED: u8 = 1;
/// Zeros stand in the row.
pub const MASKED: u8 = 2;
/// The row is padding: its record counts elsewhere, or there is none.
pub const PADDING: u8 = 4;

/// How many other records are tried: 1, 2, 4, ... places on, so that the last lie far outside of
/// what may be damaged together.
pub(super) const TRIES: u32 = 16;

/// The number that stands for no record.
pub const NO_RECORD: u64 = u64::MAX;

/// The rows of a batch, and what became of them.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The record that stands in each.
    pub(super) records: Vec<u64>,
    pub(super) flags: Vec<u8>,
    /// Rows that were replaced: the row, the record that the order has there, and how many tries
    /// were made.
    tries: Vec<(usize, u64, u32)>,
    /// Memory for a copy of some of `records`, which may change while they are read.
    numbers: Vec<u64>,
}

impl Rows {
    /// Takes what is in `records` for the rows of a batch, of which the first so many count.
    pub(super) fn begin(&mut self, valid: usize) -> Result<(), Error> {
        self.tries.clear();
        self.flags.clear();
        let rows = self.records.len();
        let reserved = self.flags.try_reserve(rows);
        reserved.map_err(|_| Error::no_memory(rows, "a batch"))?;
        self.flags.resize(self.records.len(), SOUND);
        for flag in self.flags.iter_mut().skip(valid) {
            *flag = PADDING;
        }
        Ok(())
    }

    /// The records of some rows, in memory that is to be given back.
    pub(super) fn lend_numbers(&mut self, part: Range<usize>) -> Result<Vec<u64>, Error> {
        let mut numbers = std::mem::take(&mut self.numbers);
        let records = self.records.get(part).unwrap_or_default();
        numbers.clear();
        let reserved = numbers.try_reserve(records.len());
        reserved.map_err(|_| Error::no_memory(size_of_val(records), "a batch's rows"))?;
        numbers.extend_from_slice(records);
        Ok(numbers)
    }

    pub(super) fn take_back(&mut self, numbers: Vec<u64>) {
        self.numbers = numbers;
    }

    /// Says what is to stand in a row that has a fault; for none, the error to give.
    pub(super) fn judge(
        &mut self,
        row: usize,
        error: Error,
        bad: BadRecord,
        (origin, len): (&Origin, u64),
    ) -> Result<Verdict, Error> {
        let (Some(record), Some(flag)) = (self.records.get_mut(row), self.flags.get_mut(row))
        else {
            return Err(Error::Internal("a fault in a row that isn't the batch's"));
        };
        let tried = self
            .tries
            .iter_mut()
            .rev()
            .find(|(other, ..)| *other == row);
        let tries = tried.as_ref().map_or(0, |tried| tried.2);
        let first = tried.as_ref().map_or(*record, |tried| tried.1);
        let bad = if is_of_record(&error) {
            bad
        } else {
            BadRecord::Fail
        };
        match bad {
            BadRecord::Mask => {
                *flag = *flag & PADDING | MASKED;
                return Ok(Verdict::Mask);
            }
            BadRecord::Replace if tries < TRIES => {
                let other = u128::from(first) + (1 << tries);
                let other = other.checked_rem(u128::from(len)).unwrap_or(0);
                *record = u64::try_from(other).unwrap_or(0);
                *flag = *flag & PADDING | REPLACED;
                match tried {
                    Some(tried) => tried.2 += 1,
                    None => {
                        let reserved = self.tries.try_reserve(1);
                        reserved.map_err(|_| Error::no_memory(1, "a batch's replaced rows"))?;
                        self.tries.push((row, first, 1));
                    }
                }
                return Ok(Verdict::Replace(*record));
            }
            BadRecord::Replace | BadRecord::Fail => {}
        }
        // The transform's errors say which.
        if let Error::Transform { .. } = error
            && tries == 0
        {
            return Err(error);
        }
        Err(Error::BadRecord {
            origin: origin.clone(),
            record: first,
            tried: tries,
            source: Box::new(error),
        })
    }
}

/// Whether another record might do better: what is wrong with the process, or may be better at the
/// next try, would make the order depend on when it happened.
fn is_of_record(error: &Error) -> bool {
    !matches!(
        error.kind(),
        Kind::OutOfMemory
            | Kind::Forked
            | Kind::Internal
            | Kind::Cancelled
            | Kind::Permission
            | Kind::InvalidArgument
            | Kind::Poisoned
    )
}
