//! What goes out next to a file: bytes in order, gathered so that writes are large and aligned.

use std::mem::MaybeUninit;
use std::sync::Arc;

use crate::kernel::{self, Stores};
use crate::map::{self, HeapBytes, Origin, Publication, SystemAllocator};

/// Bytes that are copied, then summed while they are in the first cache: with 16 KiB, or with the C
/// library's memcpy, a block that came from memory took a tenth longer.
const PIECE: usize = 8 << 10;

/// The first memory that a buffer takes, where it may become larger.
const FIRST: usize = 4 << 20;

/// Bytes for a file from one place on, in memory that is written out when it is full.
#[derive(Debug)]
pub(super) struct Stage {
    heap: HeapBytes,
    /// So many bytes of the heap's memory are initialised: always all up to here.
    len: usize,
    /// What goes out at once.
    most: usize,
    /// Where in the file the memory's first byte goes.
    at: u64,
}

impl Stage {
    /// Nothing yet, of writes of `most` bytes.
    pub(super) fn new(most: usize) -> Stage {
        Stage {
            heap: HeapBytes::in_pages(Arc::new(SystemAllocator)),
            len: 0,
            most,
            at: 0,
        }
    }

    /// Forgets what it has; the next byte goes to `at`.
    pub(super) fn start(&mut self, at: u64) {
        self.at = at;
        self.len = 0;
    }

    /// Where in the file the first byte that isn't written yet goes.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Where in the file the next byte goes.
    pub(super) fn position(&self) -> u64 {
        self.at.saturating_add(self.len as u64)
    }

    /// The bytes that it has, which aren't written yet.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Forgets what comes after the first `len` bytes.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Puts bytes, and gives the checksum of what came before them, `sum`, and them.
    pub(super) fn put_summed(
        &mut self,
        out: &mut Publication,
        bytes: &[u8],
        sum: u32,
    ) -> map::Result<u32> {
        let (mut sum, mut rest) = (sum, bytes);
        while !rest.is_empty() {
            let room = self.room(out, rest.len())?;
            let (room, _) = room.split_at_mut(room.len().min(rest.len()));
            let (now, later) = rest.split_at(room.len());
            for (from, to) in now.chunks(PIECE).zip(room.chunks_mut(PIECE)) {
                let len = from.len().min(to.len());
                // SAFETY: `from` is readable and `to` writable for `len` bytes, and as `to` is
                // borrowed alone, the two don't overlap.
                unsafe {
                    kernel::copy(from.as_ptr(), to.as_mut_ptr().cast(), len, Stores::Cached);
                };
                // SAFETY: the copy wrote `len` bytes, and `to` is no longer than `from`, which is
                // as long: `room` was cut to the length of `now`.
                sum = kernel::crc32c_of(sum, unsafe { to.assume_init_ref() });
            }
            self.len = self.len.saturating_add(now.len());
            rest = later;
        }
        Ok(sum)
    }

    /// Puts bytes.
    pub(super) fn put(&mut self, out: &mut Publication, bytes: &[u8]) -> map::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.room(out, rest.len())?;
            let (now, later) = rest.split_at(room.len().min(rest.len()));
            if let Some(room) = room.get_mut(..now.len()) {
                room.write_copy_of_slice(now);
            }
            self.len = self.len.saturating_add(now.len());
            rest = later;
        }
        Ok(())
    }

    /// Puts zeros up to the file's byte `end`.
    pub(super) fn pad_to(&mut self, out: &mut Publication, end: u64) -> map::Result<()> {
        loop {
            let gap = end.saturating_sub(self.position());
            if gap == 0 {
                return Ok(());
            }
            let gap = usize::try_from(gap).unwrap_or(usize::MAX);
            let room = self.room(out, gap)?;
            let zeros = room.len().min(gap);
            let zeroed = room.get_mut(..zeros).unwrap_or_default();
            zeroed.fill(MaybeUninit::new(0));
            self.len = self.len.saturating_add(zeros);
        }
    }

    /// Puts other bytes over some that aren't written yet.
    pub(super) fn patch(&mut self, at: usize, bytes: &[u8]) {
        let end = at.saturating_add(bytes.len()).min(self.len);
        if let Some(room) = self.heap.spare_mut().get_mut(at..end)
            && room.len() == bytes.len()
        {
            room.write_copy_of_slice(bytes);
        }
    }

    /// Writes what it has, and goes on behind it.
    pub(super) fn flush(&mut self, out: &mut Publication) -> map::Result<()> {
        let at = self.at;
        self.write_at(out, at)?;
        self.start(self.position());
        Ok(())
    }

    /// Writes what it has at another place too, and keeps it.
    pub(super) fn write_at(&mut self, out: &mut Publication, at: u64) -> map::Result<()> {
        let filled = self.heap.spare_mut().get(..self.len).unwrap_or_default();
        // SAFETY: all bytes below `len` were written: each step that raises it has written just
        // those that it adds, and memory that grows is copied that far.
        let filled = unsafe { filled.assume_init_ref() };
        if filled.is_empty() {
            return Ok(());
        }
        out.write(filled, at)
    }

    /// Memory for at least one and at best `wanted` more bytes, after a write where it is full.
    fn room(
        &mut self,
        out: &mut Publication,
        wanted: usize,
    ) -> map::Result<&mut [MaybeUninit<u8>]> {
        if self.len >= self.most {
            self.flush(out)?;
        }
        let end = self.len.saturating_add(wanted).min(self.most);
        if end > self.heap.capacity() {
            self.grow(end, out)?;
        }
        let (start, end) = (self.len, self.most.min(self.heap.capacity()));
        Ok(self
            .heap
            .spare_mut()
            .get_mut(start..end)
            .unwrap_or_default())
    }

    fn grow(&mut self, end: usize, out: &Publication) -> map::Result<()> {
        let doubled = self.heap.capacity().saturating_mul(2);
        let size = end.max(doubled.max(FIRST).min(self.most));
        let mut heap = HeapBytes::in_pages(Arc::new(SystemAllocator));
        heap.grow(size, &Origin::Path(out.path().to_owned()))?;
        let old = self.heap.spare_mut().get(..self.len).unwrap_or_default();
        if let Some(room) = heap.spare_mut().get_mut(..old.len()) {
            room.copy_from_slice(old);
        }
        self.heap = heap;
        Ok(())
    }
}
