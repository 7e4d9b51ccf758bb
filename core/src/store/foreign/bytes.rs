//! The file's bytes, copied before they are looked at.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::mem::MaybeUninit;

use crate::kernel;
use crate::map::Data;
use crate::store::error::{Error, Result};

/// Bytes that are read at a time.
const WINDOW: usize = 16 << 10;

/// A copy of some of the file's bytes, moved to where it is looked at.
pub(super) struct Window<'a> {
    data: &'a Data,
    at: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    pub(super) fn new(data: &'a Data) -> Result<Window<'a>> {
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(WINDOW)
            .map_err(|_| Error::out_of_memory(data.origin(), WINDOW as u64))?;
        Ok(Window { data, at: 0, bytes })
    }

    /// The `len` bytes before `end`, or all where there are fewer; for walks towards the start.
    #[inline]
    pub(super) fn before(&mut self, end: u64, len: u64) -> Result<&[u8]> {
        let from = end.saturating_sub(len);
        if !self.has(from, end) {
            self.load(end.saturating_sub(WINDOW as u64), end)?;
        }
        Ok(self.held(from, end))
    }

    /// All bytes before `end` that are at hand: `least` of them, or all that there are.
    #[inline]
    pub(super) fn up_to(&mut self, end: u64, least: u64) -> Result<&[u8]> {
        self.before(end, least)?;
        Ok(self.held(self.at, end))
    }

    /// The bytes from `from` that are at hand: `least` of them, or all below `limit`; for walks
    /// towards the end.
    #[inline]
    pub(super) fn after(&mut self, from: u64, least: u64, limit: u64) -> Result<&[u8]> {
        if !self.has(from, from.saturating_add(least).min(limit)) {
            self.load(from, from.saturating_add(WINDOW as u64).min(limit))?;
        }
        Ok(self.held(from, self.at.saturating_add(self.bytes.len() as u64)))
    }

    fn has(&self, from: u64, end: u64) -> bool {
        from >= self.at && end <= self.at.saturating_add(self.bytes.len() as u64)
    }

    fn held(&self, from: u64, end: u64) -> &[u8] {
        let place = |offset: u64| usize::try_from(offset.saturating_sub(self.at)).ok();
        let range = place(from).zip(place(end));
        range
            .and_then(|(from, end)| self.bytes.get(from..end))
            .unwrap_or_default()
    }

    fn load(&mut self, from: u64, end: u64) -> Result<()> {
        let len = usize::try_from(end.saturating_sub(from)).unwrap_or(0);
        self.bytes.clear();
        let room = self.bytes.spare_capacity_mut().get_mut(..len);
        let room = room.unwrap_or_default();
        let filled = room.len();
        self.data.read(from, room)?;
        // SAFETY: the read filled all of the room, which starts the spare capacity.
        unsafe { self.bytes.set_len(filled) };
        self.at = from;
        Ok(())
    }
}

/// CRC-32 of the bytes from `from` to `end`, after others whose sum is `seed`.
pub(super) fn crc32(data: &Data, seed: u32, from: u64, end: u64) -> Result<u32> {
    let mut piece = [MaybeUninit::<u8>::uninit(); WINDOW];
    let mut sum = seed;
    let mut at = from;
    while at < end {
        let len = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let bytes = len.min(piece.len());
        let room = piece.get_mut(..bytes).unwrap_or_default();
        data.read(at, room)?;
        // SAFETY: the read filled all of the room.
        sum = kernel::crc32_of(sum, unsafe { room.assume_init_ref() });
        at = at.saturating_add(bytes as u64);
    }
    Ok(sum)
}
