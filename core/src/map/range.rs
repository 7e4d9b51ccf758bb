//! A stretch of an open file, read by pread.

use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;

use super::error::{Error, Result};
use super::heap::{BulkAllocator, HeapBytes};
use super::inflate::Compression;
use super::options::DataOptions;
use super::origin::Origin;
use super::storage::StorageFile;

/// The file that mapped bytes come from.
#[derive(Clone, Debug)]
pub(super) struct FileRange {
    pub(super) file: Arc<dyn StorageFile>,
    /// Where the bytes start in the file.
    pub(super) offset: u64,
    pub(super) len: u64,
}

impl FileRange {
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.len)
    }

    /// Fills all of `out` from `offset` of the range.
    pub(super) fn read(
        &self,
        offset: u64,
        out: &mut [MaybeUninit<u8>],
        origin: &Origin,
    ) -> Result<()> {
        let mut at = self.offset.saturating_add(offset);
        let mut out = out;
        while !out.is_empty() {
            let got = self
                .file
                .read_at(out, at)
                .map_err(Error::io_at("read", origin, at))?;
            if got == 0 {
                let actual = self.file.info().map_or(at, |info| info.len.min(at));
                let expected = self.end();
                return Err(Error::Truncated {
                    origin: origin.clone(),
                    offset,
                    expected,
                    actual,
                });
            }
            at = at.saturating_add(got as u64);
            out = out.get_mut(got..).unwrap_or_default();
        }
        Ok(())
    }

    pub(super) fn read_all(
        &self,
        size: usize,
        allocator: Arc<dyn BulkAllocator>,
        origin: &Origin,
    ) -> Result<HeapBytes> {
        let mut heap = HeapBytes::new(allocator);
        heap.grow(size, origin)?;
        let room = heap.spare_mut().get_mut(..size).unwrap_or_default();
        self.read(0, room, origin)?;
        // SAFETY: the read filled all `size` bytes of the room, or failed.
        unsafe { heap.filled(size) };
        Ok(heap)
    }

    pub(super) fn compression(
        &self,
        origin: &Origin,
        options: &DataOptions,
    ) -> Result<Option<(Compression, u64)>> {
        let Some(cap) = options.decompress.filter(|_| self.len >= 4) else {
            return Ok(None);
        };
        let mut head = [MaybeUninit::new(0u8); 4];
        self.read(0, &mut head, origin)?;
        // SAFETY: every byte was initialised above, before the read wrote over it.
        let head = head.map(|byte| unsafe { byte.assume_init() });
        Ok(Compression::of(head).map(|compression| (compression, cap)))
    }

    pub(super) fn reader(&self) -> RangeReader<'_> {
        RangeReader { range: self, at: 0 }
    }
}

/// The bytes of a range in order, as `io::Read`.
pub(super) struct RangeReader<'a> {
    range: &'a FileRange,
    at: u64,
}

impl io::Read for RangeReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.range.len - self.at).unwrap_or(usize::MAX);
        let want = out.len().min(rest);
        let out = out.get_mut(..want).unwrap_or_default();
        // SAFETY: a slice of bytes is a slice of maybe-uninitialised bytes; read_at writes only
        // initialised ones to it.
        let out = unsafe { &mut *(std::ptr::from_mut(out) as *mut [MaybeUninit<u8>]) };
        let got = self
            .range
            .file
            .read_at(out, self.range.offset.saturating_add(self.at))?;
        self.at += got as u64;
        Ok(got)
    }
}
