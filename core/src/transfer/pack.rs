//! Pieces side by side in slots.

use super::cut::Cursor;
use super::error::{Error, Result, reserve};
use super::job::{Job, Piece};
use super::sink::Part;

/// The most parts that a slot carries.
pub const MAX_PARTS: usize = 4096;

/// An item that would fit into the next slot, or most of it, isn't cut for less than this.
pub(super) const WORTH_A_CUT: u64 = 64 << 10;

/// What a slot carries: pieces, and where each lies in it.
#[derive(Debug, Default)]
pub(super) struct Cargo {
    pub(super) pieces: Vec<Piece>,
    pub(super) parts: Vec<Part>,
}

impl Cargo {
    /// What comes first in the slot.
    pub(super) fn first(&self) -> Result<Piece> {
        let first = self.pieces.first().copied();
        first.ok_or(Error::Internal("a slot without a piece"))
    }
}

/// How slots are filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    pub(super) count: usize,
    pub(super) bytes: usize,
    /// What parts' starts and offsets are multiples of: a power of two.
    pub(super) align: usize,
    /// Whether one carries pieces of several items.
    pub(super) packs: bool,
}

impl Slots {
    /// The fewest units between two cuts of a job.
    fn quantum(self, job: &Job) -> u64 {
        // For a power of two and any number, the least common multiple is a matter of shifts.
        let twos = job.unit_out.trailing_zeros();
        self.align as u64 >> twos.min(self.align.trailing_zeros())
    }

    /// How many units of a job fit into so many bytes, where it is cut behind them.
    fn units_in(self, job: &Job, bytes: u64) -> u64 {
        let units = bytes / job.unit_out as u64;
        units - units % self.quantum(job)
    }

    /// Refuses an item that has to be cut, and can't be.
    pub(super) fn check(self, jobs: &[Job]) -> Result<()> {
        let fits = |job: &Job| {
            let bytes = self.bytes as u64;
            job.output.bytes <= bytes || self.units_in(job, bytes) > 0
        };
        let Some(job) = jobs.iter().find(|job| !fits(job)) else {
            return Ok(());
        };
        let why = format!(
            "item {} can't be cut at multiples of the sink's alignment, {}: its elements or blocks \
             take {} bytes, and a slot has {}",
            job.item, self.align, job.unit_out, self.bytes
        );
        let item = Some(job.item);
        Err(Error::Arguments { why, item })
    }
}

/// Gives out what the slots carry, one after the other.
#[derive(Debug)]
pub(super) struct Packer<'a> {
    cursor: Cursor<'a>,
    slots: Slots,
}

impl<'a> Packer<'a> {
    pub(super) fn new(jobs: &'a [Job], order: &'a [usize], slots: Slots) -> Packer<'a> {
        Packer {
            cursor: Cursor::new(jobs, order),
            slots,
        }
    }

    /// Replaces `cargo` by what the next slot carries: nothing at the end. `empty` is told the
    /// pieces of items without units, which no slot carries.
    pub(super) fn next(
        &mut self,
        cargo: &mut Cargo,
        empty: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<()> {
        let Cargo { pieces, parts } = cargo;
        pieces.clear();
        parts.clear();
        let most = if self.slots.packs { MAX_PARTS } else { 1 };
        let mut end = 0usize;
        while parts.len() < most
            && let Some((job, left)) = self.cursor.next()
        {
            let start = end.checked_next_multiple_of(self.slots.align);
            let start = start.unwrap_or(self.slots.bytes);
            let room = self.slots.bytes.saturating_sub(start) as u64;
            let Some(count) = self.fitting(job, left, room, parts.is_empty()) else {
                break;
            };
            let piece = self.cursor.take(count.max(1));
            let piece = piece.ok_or(Error::Internal("no piece of a job with units"))?;
            if piece.count == 0 {
                empty(piece)?;
                continue;
            }
            let bytes = job.bytes_out(&piece) as usize;
            reserve(pieces, 1)?;
            reserve(parts, 1)?;
            pieces.push(piece);
            parts.push(Part {
                item: piece.job,
                offset: job.place_of(&piece),
                start,
                bytes,
            });
            end = start + bytes;
        }
        Ok(())
    }

    /// How many of the units that are left go into `room` bytes of a slot, which is `empty` or not;
    /// none where they go to the next.
    fn fitting(&self, job: &Job, left: u64, room: u64, empty: bool) -> Option<u64> {
        let unit = job.unit_out as u64;
        if left.checked_mul(unit).is_some_and(|bytes| bytes <= room) {
            return Some(left);
        }
        let count = self.slots.units_in(job, room);
        let least = WORTH_A_CUT.min(self.slots.bytes as u64 / 4);
        let worth = empty || count.saturating_mul(unit) >= least;
        (count > 0 && worth).then_some(count)
    }
}
