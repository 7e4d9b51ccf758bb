//! A stretch of an open file, read by pread.

use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;

use super::error::{Error, Result};
use super::heap::HeapBytes;
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
            let got = self.file.read_at(out, at).map_err(Error::io_at(
                "read",
                origin,
                at.saturating_sub(self.offset),
            ))?;
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

    /// Refuses files that have bytes but no length, such as those of /proc.
    pub(super) fn check_length(&self, len: u64, origin: &Origin) -> Result<()> {
        let mut byte = [MaybeUninit::new(0u8)];
        if len == 0 && matches!(self.file.read_at(&mut byte, 0), Ok(1)) {
            let what = "a file without a length, made up as it is read";
            return Err(Error::NotAFile {
                origin: origin.clone(),
                what,
                os_code: 0,
            });
        }
        Ok(())
    }

    pub(super) fn read_all(
        &self,
        size: usize,
        mut heap: HeapBytes,
        origin: &Origin,
    ) -> Result<HeapBytes> {
        heap.grow(size, origin)?;
        let room = heap.spare_mut().get_mut(..size).unwrap_or_default();
        self.read(0, room, origin)?;
        let filled = room.len();
        // SAFETY: the read filled all of the room, or failed.
        unsafe { heap.filled(filled) };
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
        RangeReader {
            range: self,
            at: 0,
            failure: None,
        }
    }
}

impl Failure {
    pub(super) fn into_error(self, range: &FileRange, origin: &Origin) -> Error {
        match self {
            Failure::Io(at, error) => Error::io_at("read", origin, at)(error),
            Failure::Cut(at) => Error::Truncated {
                origin: origin.clone(),
                offset: at,
                expected: range.end(),
                actual: range.offset.saturating_add(at),
            },
        }
    }
}

/// The bytes of a range in order, as `io::Read`.
pub(super) struct RangeReader<'a> {
    pub(super) range: &'a FileRange,
    at: u64,
    /// Why reading failed, for whoever asks a decoder that can only say that it did.
    pub(super) failure: Option<Failure>,
}

/// Why a range can't be read on.
pub(super) enum Failure {
    Io(u64, io::Error),
    Cut(u64),
}

impl io::Read for RangeReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.range.len - self.at).unwrap_or(usize::MAX);
        let want = out.len().min(rest);
        let out = out.get_mut(..want).unwrap_or_default();
        // SAFETY: a slice of bytes is a slice of maybe-uninitialised bytes; read_at writes only
        // initialised ones to it.
        let out = unsafe { &mut *(std::ptr::from_mut(out) as *mut [MaybeUninit<u8>]) };
        let wanted = out.len();
        let got = match self
            .range
            .file
            .read_at(out, self.range.offset.saturating_add(self.at))
        {
            Ok(0) if wanted > 0 => {
                self.failure = Some(Failure::Cut(self.at));
                0
            }
            Ok(got) => got,
            Err(error) => {
                let kind = error.kind();
                self.failure = Some(Failure::Io(self.at, error));
                return Err(kind.into());
            }
        };
        self.at += got as u64;
        Ok(got)
    }
}
