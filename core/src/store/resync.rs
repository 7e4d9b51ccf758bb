//! Records behind damage: found by what binds them to a neighbour.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::error::Result;
use super::format::{FIRST, HEAD, Head, Header, Slot, UNIT, round_up};
use super::log::Record;
use super::window::Window;
use crate::map::{Origin, StorageFile};

/// Where the chain stands in a record.
const CHAIN_AT: u64 = 32;

/// Looks for records where no chain leads to.
#[derive(Debug)]
pub(crate) struct Seeker<'a> {
    window: Window<'a>,
    header: &'a Header,
    /// Checkpoints know their last record and its chain.
    slots: [Option<Slot>; 2],
}

impl<'a> Seeker<'a> {
    pub(crate) fn new(
        file: &'a dyn StorageFile,
        origin: &'a Origin,
        header: &'a Header,
        limit: u64,
        slots: [Option<Slot>; 2],
    ) -> Seeker<'a> {
        Seeker {
            window: Window::new(file, origin, limit),
            header,
            slots,
        }
    }

    /// The first record at or behind `from` that starts before `to`, whose key fits and that either
    /// follows from the one before it, has another following from it, or is a checkpoint's last. Its value may be damaged.
    pub(crate) fn next(&mut self, from: u64, to: u64) -> Result<Option<Record>> {
        let to = to.min(self.window.limit());
        let mut offset = round_up(from.max(FIRST), UNIT);
        while offset < to {
            if let Some(record) = self.linked(offset)? {
                return Ok(Some(record));
            }
            offset = offset.saturating_add(UNIT);
        }
        Ok(None)
    }

    /// The greatest offset below which all was durable, as the records from `from` on have it. Only
    /// those that follow from the one before count: nothing else covers what they say.
    pub(crate) fn durable(&mut self, mut from: u64) -> Result<u64> {
        let mut durable = 0;
        while let Some(record) = self.next(from, u64::MAX)? {
            let then = record.head.durable_then(record.offset).unwrap_or(0);
            if then > durable && self.follows(&record, &record.head.encode())? {
                durable = then;
            }
            from = record.extent.end;
        }
        Ok(durable)
    }

    /// Records that have another following from them: few where the alignment isn't the log's.
    pub(crate) fn followed(&mut self) -> Result<u64> {
        let (mut from, mut followed) = (FIRST, 0_u64);
        while let Some(record) = self.next(from, u64::MAX)? {
            followed = followed.saturating_add(u64::from(self.is_followed(&record)?));
            from = record.extent.end;
        }
        Ok(followed)
    }

    fn linked(&mut self, offset: u64) -> Result<Option<Record>> {
        let Some(bytes) = self.window.array::<HEAD>(offset)? else {
            return Ok(None);
        };
        let Ok(head) = Head::decode(&bytes) else {
            return Ok(None);
        };
        let record = Record {
            offset,
            head,
            extent: head.extent(offset, self.header.align()),
        };
        let fits = record.extent.end <= self.window.limit() && head.prev < offset;
        if !fits || !self.has_key(&record)? {
            return Ok(None);
        }
        let is_linked = self.is_checkpoint(&record)
            || self.follows(&record, &bytes)?
            || self.is_followed(&record)?;
        Ok(is_linked.then_some(record))
    }

    fn is_checkpoint(&self, record: &Record) -> bool {
        let this = (record.offset, record.head.chain, record.extent.end);
        let mut slots = self.slots.iter().flatten();
        slots.any(|slot| (slot.end.last, slot.end.chain, slot.end.tail) == this)
    }

    fn has_key(&mut self, record: &Record) -> Result<bool> {
        let at = record.offset.saturating_add(HEAD as u64);
        let key = self.window.get(at, usize::from(record.head.key_len))?;
        Ok(key.is_some_and(|key| self.header.hash(key) == record.head.key_hash))
    }

    /// Whether the chain of the record before, whatever else of that is left, leads to this one.
    fn follows(&self, record: &Record, bytes: &[u8; HEAD]) -> Result<bool> {
        let before = match record.head.prev {
            0 => Some(self.header.chain_start()),
            prev => {
                let at = prev.saturating_add(CHAIN_AT);
                self.window.peek(at)?.map(u64::from_le_bytes)
            }
        };
        let chain = before.map(|before| self.header.chain(before, record.offset, bytes));
        Ok(chain == Some(record.head.chain))
    }

    fn is_followed(&self, record: &Record) -> Result<bool> {
        let at = record.extent.end;
        let Some(bytes) = self.window.peek::<HEAD>(at)? else {
            return Ok(false);
        };
        let Ok(head) = Head::decode(&bytes) else {
            return Ok(false);
        };
        let chain = self.header.chain(record.head.chain, at, &bytes);
        Ok(head.prev == record.offset && head.chain == chain)
    }
}
