//! The four layouts: how an entry ends, and where it starts.
//!
//! An entry is a value and the metadata behind it: the key's hash u64, the previous entry's end u64,
//! the value's CRC-32, all little-endian. The first layout keeps the CRC's low three bytes only.
//! Later ones round the value's start up. A deletion is a value of one byte 00, never rounded up.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::fmt;

/// How a store of simd-r-drive is laid out. Nothing in the file says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignLayout {
    /// 0.15 to 0.17.5: 20 bytes of metadata, values at multiples of 64.
    Aligned64,
    /// 0.14: 20 bytes of metadata, values at multiples of 16.
    Aligned16,
    /// 0.1.0-alpha3 to 0.13: 20 bytes of metadata, values at any byte.
    Packed20,
    /// 0.1.0-alpha to alpha2: 19 bytes of metadata, values at any byte.
    Packed19,
}

/// CRC-32 of the one byte 00 that stands for a deletion.
const DELETED: u32 = 0xD202_EF8D;

/// The most bytes that [`ForeignLayout::entry`] wants to see before an entry's end.
pub(super) const ENDING: u64 = 21;

/// One entry, checked to lie where its chain says; its value isn't checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) hash: u64,
    /// Where the value starts.
    pub(super) start: u64,
    /// Where the metadata ends.
    pub(super) end: u64,
    pub(super) crc: u32,
    pub(super) is_deletion: bool,
}

impl ForeignLayout {
    /// All, in the order in which they are taken where several read a file alike.
    pub(super) const ALL: [ForeignLayout; 4] = [
        ForeignLayout::Aligned64,
        ForeignLayout::Aligned16,
        ForeignLayout::Packed20,
        ForeignLayout::Packed19,
    ];

    /// What offsets of values are multiples of.
    #[must_use]
    pub fn alignment(self) -> u64 {
        match self {
            ForeignLayout::Aligned64 => 64,
            ForeignLayout::Aligned16 => 16,
            ForeignLayout::Packed20 | ForeignLayout::Packed19 => 1,
        }
    }

    /// The bytes behind each value.
    #[must_use]
    pub fn metadata_bytes(self) -> u64 {
        self.metadata_len() as u64
    }

    pub(super) fn metadata_len(self) -> usize {
        match self {
            ForeignLayout::Packed19 => 19,
            _ => 20,
        }
    }

    /// Which of a CRC's bits there are.
    fn crc_mask(self) -> u32 {
        match self {
            ForeignLayout::Packed19 => 0x00FF_FFFF,
            _ => u32::MAX,
        }
    }

    /// Whether `crc`, of all 32 bits, is what an entry has.
    pub(super) fn is_crc(self, crc: u32, entry: &Entry) -> bool {
        crc & self.crc_mask() == entry.crc
    }

    /// Where a value starts that comes after an entry that ends at `prev`.
    pub(super) fn start_after(self, prev: u64) -> Option<u64> {
        prev.checked_next_multiple_of(self.alignment())
    }

    /// The entry that ends at `end`, and where the one before it ends: none if `bytes`, the last of
    /// the file before `end` (21 or all that there are), can't be an entry's. The previous entry
    /// ends below this one, so that a walk comes to an end.
    #[inline]
    pub(super) fn entry(self, bytes: &[u8], end: u64) -> Option<(Entry, u64)> {
        let split = bytes.len().checked_sub(self.metadata_len())?;
        let (value, metadata) = bytes.split_at_checked(split)?;
        let (hash, rest) = metadata.split_first_chunk::<8>()?;
        let (prev, sum) = rest.split_first_chunk::<8>()?;
        let prev = u64::from_le_bytes(*prev);
        let value_end = end.checked_sub(self.metadata_bytes())?;
        if prev > value_end || (prev != 0 && prev < self.metadata_bytes()) {
            return None;
        }
        // A file that grew and was never written: no key's entry, whatever it would lead to.
        if metadata.iter().all(|&byte| byte == 0) {
            return None;
        }
        let crc = sum
            .iter()
            .rev()
            .fold(0, |crc, &byte| (crc << 8) | u32::from(byte));
        let hash = u64::from_le_bytes(*hash);
        let is_deletion = value_end == prev.checked_add(1)?
            && value.last() == Some(&0)
            && crc == DELETED & self.crc_mask();
        let start = if is_deletion {
            prev
        } else {
            self.start_after(prev).filter(|start| *start <= value_end)?
        };
        let entry = Entry {
            hash,
            start,
            end,
            crc,
            is_deletion,
        };
        Some((entry, prev))
    }
}

impl Entry {
    pub(super) fn value_end(&self, layout: ForeignLayout) -> u64 {
        self.end.saturating_sub(layout.metadata_bytes())
    }

    pub(super) fn len(&self, layout: ForeignLayout) -> u64 {
        self.value_end(layout).saturating_sub(self.start)
    }
}

impl fmt::Display for ForeignLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ForeignLayout::Aligned64 => "simd-r-drive 0.15 to 0.17",
            ForeignLayout::Aligned16 => "simd-r-drive 0.14",
            ForeignLayout::Packed20 => "simd-r-drive 0.1.0-alpha3 to 0.13",
            ForeignLayout::Packed19 => "simd-r-drive 0.1.0-alpha to alpha2",
        })
    }
}
