//! Copies of a block that isn't full yet, which make its records durable.
//!
//! They stand where the next two blocks will, in turns: while one is written, the other is whole.
//! The block itself is written when it is full, and must be durable before what comes next is
//! written over its last copy.

use crate::map::Publication;
use crate::record::error::Result;
use crate::record::planted::{self, Bug};

#[derive(Debug, Default)]
pub(super) struct Copies {
    /// The records in the last copy of the block that is being filled; 0 where there is none.
    records: u32,
    /// Whether the next one goes to the second stride behind the block's.
    is_second: bool,
    /// Whether the block before this one has copies that may be all that is durable of it.
    owes_sync: bool,
    /// The furthest byte that a copy has reached.
    end: u64,
}

impl Copies {
    /// Before anything is written where a copy of the block before may stand.
    pub(super) fn before_write(&mut self, out: &mut Publication) -> Result<()> {
        if self.owes_sync && !planted::has(Bug::NoSync) {
            self.sync(out)?;
        }
        Ok(())
    }

    /// Makes all that is written durable.
    pub(super) fn sync(&mut self, out: &mut Publication) -> Result<()> {
        out.sync()?;
        self.owes_sync = false;
        Ok(())
    }

    /// Whether a block of so many records isn't durable without one more copy.
    pub(super) fn is_wanted(&self, records: u32) -> bool {
        records > self.records
    }

    /// The stride of the next copy of the block that will stand at `stride`.
    pub(super) fn next(&self, stride: u64) -> u64 {
        stride.saturating_add(if self.is_second { 2 } else { 1 })
    }

    /// A copy of so many records was written, up to byte `end`.
    pub(super) fn written(&mut self, records: u32, end: u64) {
        self.records = records;
        self.is_second = !self.is_second;
        self.end = self.end.max(end);
    }

    /// The block that was filled stands at its own place.
    pub(super) fn block_written(&mut self) {
        self.owes_sync = self.records > 0;
        self.records = 0;
    }

    /// The furthest byte that a copy has reached; 0 where there was none.
    pub(super) fn end(&self) -> u64 {
        self.end
    }
}
