//! A batch's memory, used again for batch after batch.

use super::columns::Columns;
use super::error::{Error, Result};
use super::faults::{NO_RECORD, PADDING, Rows};

/// A batch, or memory for one.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) columns: Columns,
    pub(super) rows: Rows,
    /// The rows that count: padding stands behind them.
    pub(super) valid: usize,
    pub(super) epoch: u64,
    pub(super) step: u64,
}

impl Slot {
    pub(super) fn new(columns: Columns) -> Slot {
        Slot {
            columns,
            rows: Rows::default(),
            valid: 0,
            epoch: 0,
            step: 0,
        }
    }

    /// Names no record in the rows behind the last, up to so many.
    pub(super) fn fill_up(&mut self, rows: usize) -> Result<()> {
        let Rows { records, flags, .. } = &mut self.rows;
        let more = |len: usize| rows.saturating_sub(len);
        let reserved = records.try_reserve(more(records.len()));
        let reserved = reserved.and_then(|()| flags.try_reserve(more(flags.len())));
        reserved.map_err(|_| Error::no_memory(rows, "a batch's rows"))?;
        records.resize(rows, NO_RECORD);
        flags.resize(rows, PADDING);
        Ok(())
    }
}
