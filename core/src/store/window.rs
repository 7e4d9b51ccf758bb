//! A file read forward through a buffer: a file that was cut is an error and not a fault.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::error::{Error, Result};
use crate::kernel::crc32c_of;
use crate::map::{self, Origin, StorageFile};

/// The most that is read at once, but for pieces that are longer.
const LARGE: usize = 1 << 20;
/// What is read after a jump: there may be another jump.
const SMALL: usize = 16 << 10;

/// Some bytes of a file, and the way to more of them.
#[derive(Debug)]
pub(crate) struct Window<'a> {
    file: &'a dyn StorageFile,
    origin: &'a Origin,
    bytes: Vec<u8>,
    /// Where in the file `bytes` start.
    start: u64,
    /// Nothing is read from here on, which is the file's end or before it.
    limit: u64,
    /// What the next read takes.
    size: usize,
}

impl<'a> Window<'a> {
    pub(crate) fn new(file: &'a dyn StorageFile, origin: &'a Origin, limit: u64) -> Window<'a> {
        Window {
            file,
            origin,
            bytes: Vec::new(),
            start: 0,
            limit,
            size: SMALL,
        }
    }

    pub(crate) fn origin(&self) -> &'a Origin {
        self.origin
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// The `len` bytes at `offset`; None where they'd reach behind the limit.
    #[inline]
    pub(crate) fn get(&mut self, offset: u64, len: usize) -> Result<Option<&[u8]>> {
        if self.held(offset, len).is_none() {
            let end = offset.checked_add(len as u64);
            if end.is_none_or(|end| end > self.limit) {
                return Ok(None);
            }
            self.fill(offset, len)?;
        }
        Ok(self.held(offset, len))
    }

    /// The same, of bytes that the last call brought.
    #[inline]
    pub(crate) fn held(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let at = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.bytes.get(at..)?.get(..len)
    }

    /// The first `N` bytes at `offset`.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, offset: u64) -> Result<Option<[u8; N]>> {
        let bytes = self.get(offset, N)?;
        Ok(bytes.and_then(|bytes| bytes.first_chunk::<N>()).copied())
    }

    /// As [`Window::array`], without leaving the place where the window is.
    pub(crate) fn peek<const N: usize>(&self, offset: u64) -> Result<Option<[u8; N]>> {
        if let Some(bytes) = self.held(offset, N) {
            return Ok(bytes.first_chunk::<N>().copied());
        }
        let end = offset.checked_add(N as u64);
        if end.is_none_or(|end| end > self.limit) {
            return Ok(None);
        }
        let mut one = Window::new(self.file, self.origin, self.limit);
        one.size = 0;
        one.array(offset)
    }

    /// The CRC of the bytes at `offset`; None where they'd reach behind the limit.
    pub(crate) fn crc(&mut self, mut offset: u64, len: u64) -> Result<Option<u32>> {
        let end = offset.checked_add(len);
        let Some(end) = end.filter(|&end| end <= self.limit) else {
            return Ok(None);
        };
        let mut crc = 0;
        while offset < end {
            let rest = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
            let Some(piece) = self.get(offset, rest.min(LARGE))? else {
                return Ok(None);
            };
            crc = crc32c_of(crc, piece);
            offset = offset.saturating_add(piece.len() as u64);
        }
        Ok(Some(crc))
    }

    #[cold]
    fn fill(&mut self, offset: u64, len: usize) -> Result<()> {
        let end = self.start.saturating_add(self.bytes.len() as u64);
        let goes_on = (self.start..=end).contains(&offset);
        if goes_on {
            self.size = self.size.saturating_mul(4).min(LARGE);
        } else if !self.bytes.is_empty() {
            self.size = SMALL;
        }
        let rest = usize::try_from(self.limit.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = self.size.max(len).min(rest);
        self.bytes.clear();
        self.start = offset;
        let reserved = self.bytes.try_reserve_exact(wanted);
        reserved.map_err(|_| Error::out_of_memory(self.origin, wanted as u64))?;
        let room = self.bytes.spare_capacity_mut().get_mut(..wanted);
        let room = room.unwrap_or_default();
        let got = map::read_full(self.file, room, offset);
        let got = got.map_err(map::Error::io_at("read", self.origin, offset))?;
        // SAFETY: `read_full` filled `got` bytes of the room, which starts the buffer.
        unsafe { self.bytes.set_len(got) };
        if got < wanted {
            return Err(Error::Map(map::Error::Truncated {
                origin: self.origin.clone(),
                offset,
                expected: self.limit,
                actual: offset.saturating_add(got as u64),
            }));
        }
        Ok(())
    }
}
