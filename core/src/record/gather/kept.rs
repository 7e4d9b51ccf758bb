//! A file's tables by pread, kept on the heap: who reads records at random would else read each of
//! their rows anew.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::map::{self, Data, Fetch, Window};
use crate::record::arec::ArecFile;
use crate::record::slot::Slot;

/// Bytes that are read at once: what lies near is likely to be asked for.
const PART: u64 = 32 << 10;

/// The most that all readers of a process keep.
const MOST: u64 = 256 << 20;

/// Reads that aren't kept are no larger.
const WINDOW: usize = 512;

/// What all readers of this process keep.
static KEPT: AtomicU64 = AtomicU64::new(0);

/// The parts of a file, from some byte to its end, that were read so far.
#[derive(Debug, Default)]
pub(super) struct Kept {
    start: u64,
    parts: Vec<Slot<Vec<u8>>>,
    bytes: AtomicU64,
    /// The file was cut, and its tables were found whole since.
    is_mended: AtomicBool,
}

impl Kept {
    /// Nothing yet, of `data` from `start` on.
    pub(super) fn new(data: &Data, start: u64) -> Kept {
        let count = data.len().saturating_sub(start).div_ceil(PART);
        let mut parts = Vec::new();
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        // Without room for the list nothing is kept.
        if parts.try_reserve_exact(count).is_ok() {
            parts.resize_with(count, Slot::new);
        }
        Kept {
            start,
            parts,
            bytes: AtomicU64::new(0),
            is_mended: AtomicBool::new(false),
        }
    }

    /// Whether a file that was cut has its end again, and had its tables when it first had.
    pub(super) fn is_mended(&self, file: &ArecFile) -> bool {
        let is_mended =
            file.has_its_end() && (self.is_mended.load(Ordering::Relaxed) || file.has_its_tables());
        self.is_mended.store(is_mended, Ordering::Relaxed);
        is_mended
    }

    /// The bytes from `offset` on to the end of their part; none where they aren't kept.
    fn bytes(&self, data: &Data, offset: u64) -> map::Result<Option<&[u8]>> {
        let Some(behind) = offset.checked_sub(self.start) else {
            return Ok(None);
        };
        let number = behind / PART;
        let Some(part) = usize::try_from(number)
            .ok()
            .and_then(|at| self.parts.get(at))
        else {
            return Ok(None);
        };
        let bytes = match part.get() {
            Some(bytes) => bytes,
            None => {
                let start = self.start.saturating_add(number.saturating_mul(PART));
                let len = data.len().saturating_sub(start).min(PART);
                if !self.may_keep(len) {
                    return Ok(None);
                }
                let mut bytes = Vec::new();
                let len_in_memory = usize::try_from(len).unwrap_or(0);
                if let Err(error) = data.read_to(start, len_in_memory, &mut bytes) {
                    self.keep_no(len);
                    return Err(error);
                }
                part.set(bytes)
            }
        };
        let skip = usize::try_from(behind % PART).unwrap_or(usize::MAX);
        Ok(bytes.get(skip..))
    }

    fn keep_no(&self, len: u64) {
        self.bytes.fetch_sub(len, Ordering::Relaxed);
        KEPT.fetch_sub(len, Ordering::Relaxed);
    }

    /// Counts bytes that will be kept. Two threads that read the same part count it twice: less is
    /// kept then.
    fn may_keep(&self, len: u64) -> bool {
        let before = KEPT.fetch_add(len, Ordering::Relaxed);
        let fits = before.saturating_add(len) <= MOST;
        if fits {
            self.bytes.fetch_add(len, Ordering::Relaxed);
        } else {
            KEPT.fetch_sub(len, Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        KEPT.fetch_sub(self.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Fetches from what is kept of a file, and by pread.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    data: &'a Data,
    kept: &'a Kept,
    window: Window<'a>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(data: &'a Data, kept: &'a Kept) -> Reading<'a> {
        let window = Window::new(data, WINDOW);
        Reading { data, kept, window }
    }

    fn array_at<const N: usize>(&mut self, offset: u64) -> map::Result<Option<[u8; N]>> {
        let bytes = self.kept.bytes(self.data, offset)?;
        Ok(bytes.and_then(|bytes| bytes.first_chunk().copied()))
    }
}

impl Fetch for Reading<'_> {
    fn u32_at(&mut self, offset: u64) -> map::Result<u32> {
        match self.array_at(offset)? {
            Some(bytes) => Ok(u32::from_le_bytes(bytes)),
            None => self.window.u32_at(offset),
        }
    }

    fn u64_at(&mut self, offset: u64) -> map::Result<u64> {
        match self.array_at(offset)? {
            Some(bytes) => Ok(u64::from_le_bytes(bytes)),
            None => self.window.u64_at(offset),
        }
    }
}
