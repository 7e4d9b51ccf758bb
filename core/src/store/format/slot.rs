//! Checkpoints, and the ends of batches that they name.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::{FIRST, Header, MAX_LOG, UNIT, bytes_at, put, u64_at};
use crate::kernel::hash;

/// Offsets of the checkpoint slots, for even and odd sequences.
const SLOTS: [u64; 2] = [8192, 4096];
const SLOT_MAGIC: [u8; 8] = *b"ADITSLOT";
/// The bytes of a slot that are used.
pub(crate) const SLOT: usize = 128;

/// A checkpoint: everything below the tail is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) sequence: u64,
    pub(crate) end: End,
    pub(crate) live: u64,
    pub(crate) live_bytes: u64,
}

/// The end of a whole batch: all that is needed to go on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Where the next record goes.
    pub(crate) tail: u64,
    /// The offset of the last record, 0 where there is none.
    pub(crate) last: u64,
    /// The chain of the last record.
    pub(crate) chain: u64,
    /// Records so far, of all types.
    pub(crate) records: u64,
}

impl End {
    /// Before the first record.
    pub(crate) fn start(header: &Header) -> End {
        End {
            tail: FIRST,
            last: 0,
            chain: header.chain_start(),
            records: 0,
        }
    }
}

impl Slot {
    /// Where the slot of a sequence lies.
    pub(crate) fn offset(sequence: u64) -> u64 {
        let [even, odd] = SLOTS;
        if sequence & 1 == 0 { even } else { odd }
    }

    pub(crate) fn encode(&self, header: &Header) -> [u8; SLOT] {
        let mut slot = [0; SLOT];
        let numbers = [
            self.sequence,
            self.end.tail,
            self.end.last,
            self.end.chain,
            self.end.records,
            self.live,
            self.live_bytes,
        ];
        put(&mut slot, 0, &SLOT_MAGIC);
        for (at, number) in (8..).step_by(8).zip(numbers) {
            put(&mut slot, at, &number.to_le_bytes());
        }
        let hash = Slot::hash(&slot, header);
        put(&mut slot, SLOT - 8, &hash.to_le_bytes());
        slot
    }

    /// None where the bytes are no valid slot of this log.
    pub(crate) fn decode(slot: &[u8; SLOT], header: &Header) -> Option<Slot> {
        if bytes_at(slot, 0) != SLOT_MAGIC || u64_at(slot, SLOT - 8) != Slot::hash(slot, header) {
            return None;
        }
        let end = End {
            tail: u64_at(slot, 16),
            last: u64_at(slot, 24),
            chain: u64_at(slot, 32),
            records: u64_at(slot, 40),
        };
        let is_of_a_log = match end.last {
            0 => end == End::start(header),
            last => (FIRST..end.tail).contains(&last) && end.tail <= MAX_LOG,
        };
        let sequence = u64_at(slot, 8);
        if sequence == 0
            || !is_of_a_log
            || !end.tail.is_multiple_of(UNIT)
            || !end.last.is_multiple_of(UNIT)
        {
            return None;
        }
        Some(Slot {
            sequence,
            end,
            live: u64_at(slot, 48),
            live_bytes: u64_at(slot, 56),
        })
    }

    fn hash(slot: &[u8; SLOT], header: &Header) -> u64 {
        let mut bytes = [0; 16 + SLOT - 8];
        put(&mut bytes, 0, &header.uuid);
        put(&mut bytes, 16, slot.get(..SLOT - 8).unwrap_or_default());
        hash(&bytes, header.seed)
    }
}
