//! Small fields of a file, from its map or by pread: parsers are written once for both.

use std::mem::MaybeUninit;

use super::data::Data;
use super::error::{Error, Result};
use super::region::Region;

impl Data {
    /// As [`Data::read`], to all that a buffer then has; on failure it has nothing.
    ///
    /// # Errors
    /// As [`Data::read`], [`Error::OutOfMemory`].
    pub fn read_to(&self, offset: u64, len: usize, buffer: &mut Vec<u8>) -> Result<()> {
        buffer.clear();
        self.read_behind(offset, len, buffer)
    }

    /// As [`Data::read`], behind what a buffer has; on failure it has that.
    ///
    /// # Errors
    /// As [`Data::read`], [`Error::OutOfMemory`].
    pub fn read_behind(&self, offset: u64, len: usize, buffer: &mut Vec<u8>) -> Result<()> {
        let out_of_memory = |_| Error::OutOfMemory {
            bytes: len as u64,
            origin: self.origin().clone(),
        };
        buffer.try_reserve_exact(len).map_err(out_of_memory)?;
        let room: &mut [MaybeUninit<u8>] = buffer
            .spare_capacity_mut()
            .get_mut(..len)
            .unwrap_or_default();
        let more = room.len();
        self.read(offset, room)?;
        // SAFETY: the read filled all of the room, which starts at the buffer's end and lies within
        // its capacity, or failed.
        unsafe { buffer.set_len(buffer.len().saturating_add(more)) };
        Ok(())
    }
}

/// Little-endian integers at byte offsets.
pub trait Fetch {
    /// The u32 at `offset`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`]; for a window also what [`Data::read`] gives.
    fn u32_at(&mut self, offset: u64) -> Result<u32>;

    /// Fills `out` with the u32s from `offset` on.
    ///
    /// # Errors
    /// As [`Fetch::u32_at`].
    fn u32s_at(&mut self, offset: u64, out: &mut [u32]) -> Result<()> {
        for (number, word) in (0u64..).zip(out) {
            *word = self.u32_at(offset.saturating_add(number.saturating_mul(4)))?;
        }
        Ok(())
    }

    /// The u64 at `offset`.
    ///
    /// # Errors
    /// As [`Fetch::u32_at`].
    fn u64_at(&mut self, offset: u64) -> Result<u64>;

    /// Says that `offset` will be fetched; false where that makes nothing faster.
    #[inline]
    fn soon(&mut self, _offset: u64) -> bool {
        false
    }
}

/// Fetches from the mapped bytes: fast, and a fault where the file was cut.
#[derive(Clone, Copy, Debug)]
pub struct Mapped<'a> {
    region: Region<'a>,
    data: &'a Data,
}

impl<'a> Mapped<'a> {
    /// The bytes of `data`.
    #[must_use]
    pub fn new(data: &'a Data) -> Mapped<'a> {
        Mapped {
            region: data.region(),
            data,
        }
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn region(&self) -> Region<'a> {
        self.region
    }

    #[cold]
    fn outside(&self, offset: u64, len: u64) -> Error {
        let size = self.data.len();
        Error::OutOfRange {
            origin: self.data.origin().clone(),
            offset,
            len,
            size,
        }
    }
}

impl Fetch for Mapped<'_> {
    #[inline]
    fn soon(&mut self, offset: u64) -> bool {
        self.region.prefetch(offset);
        true
    }

    #[inline]
    fn u32_at(&mut self, offset: u64) -> Result<u32> {
        self.region
            .u32_at(offset)
            .ok_or_else(|| self.outside(offset, 4))
    }

    #[inline]
    fn u32s_at(&mut self, offset: u64, out: &mut [u32]) -> Result<()> {
        if self.region.u32s_at(offset, out) {
            return Ok(());
        }
        Err(self.outside(offset, (out.len() as u64).saturating_mul(4)))
    }

    #[inline]
    fn u64_at(&mut self, offset: u64) -> Result<u64> {
        self.region
            .u64_at(offset)
            .ok_or_else(|| self.outside(offset, 8))
    }
}

/// What a window reads where it doesn't simply move on.
const ASIDE: usize = 8 << 10;

/// Fetches by pread through a window that moves along: a cut file is an error.
#[derive(Debug)]
pub struct Window<'a> {
    data: &'a Data,
    bytes: Vec<u8>,
    start: u64,
    size: usize,
}

impl<'a> Window<'a> {
    /// A window of `size` bytes on `data`; nothing is read yet.
    #[must_use]
    pub fn new(data: &'a Data, size: usize) -> Window<'a> {
        Window {
            data,
            bytes: Vec::new(),
            start: 0,
            size,
        }
    }

    /// The `len` bytes at `offset`, moving the window there if they don't lie in it. Longer than
    /// the window, they come in pieces: at least one byte, and at most `len`.
    ///
    /// # Errors
    /// As [`Data::read`].
    pub fn some_bytes(&mut self, offset: u64, len: u64) -> Result<&[u8]> {
        let (offset, len) = self.data.range(offset, len)?;
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(self.size);
        if self.inside(offset, len).is_none() {
            self.move_to(offset, len)?;
        }
        Ok(self.inside(offset, len).unwrap_or_default())
    }

    fn inside(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.bytes.get(from..from.checked_add(len)?)
    }

    /// Moves on by a whole window, but to and fro by little more than what is asked for: else
    /// fields in no order would each cost a window.
    fn move_to(&mut self, offset: u64, least: usize) -> Result<()> {
        let onward = self.start.saturating_add(self.bytes.len() as u64) == offset;
        let size = if onward {
            self.size
        } else {
            self.size.min(least.max(ASIDE))
        };
        let rest = usize::try_from(self.data.len() - offset).unwrap_or(usize::MAX);
        self.start = offset;
        self.data.read_to(offset, rest.min(size), &mut self.bytes)
    }

    fn array_at<const N: usize>(&mut self, offset: u64) -> Result<[u8; N]> {
        let mut out = [0; N];
        let bytes = self.some_bytes(offset, N as u64)?;
        out.copy_from_slice(bytes);
        Ok(out)
    }
}

impl Fetch for Window<'_> {
    fn u32_at(&mut self, offset: u64) -> Result<u32> {
        self.array_at(offset).map(u32::from_le_bytes)
    }

    fn u64_at(&mut self, offset: u64) -> Result<u64> {
        self.array_at(offset).map(u64::from_le_bytes)
    }
}
