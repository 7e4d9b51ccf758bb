//! A mapped stretch of a file.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use memmap2::{MmapOptions, MmapRaw};

use super::region::Region;

/// What a map lets its holder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapMode {
    /// Reading only.
    Read,
    /// Writing to private copies of the pages: the file never changes.
    CopyOnWrite,
    /// Writing to the file's own pages, for all who map it.
    ReadWrite,
}

/// A mapped stretch of a file, unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    memory: Memory,
    mode: MapMode,
    flush_failed: AtomicBool,
}

#[derive(Debug)]
enum Memory {
    File(MmapRaw),
    #[cfg(any(test, feature = "sim"))]
    Simulated(Vec<std::cell::UnsafeCell<u8>>),
}

// SAFETY: the simulated memory is only ever reached through raw pointers, like a real map's.
#[cfg(any(test, feature = "sim"))]
unsafe impl Sync for Memory {}

impl Mapping {
    /// Maps `len` bytes of `file` at `offset` (of any alignment).
    pub(super) fn of_file(file: &File, offset: u64, len: usize, mode: MapMode) -> io::Result<Self> {
        let mut options = MmapOptions::new();
        options.offset(offset).len(len);
        let memory = match mode {
            MapMode::Read => options.map_raw_read_only(file)?,
            MapMode::ReadWrite => options.map_raw(file)?,
            MapMode::CopyOnWrite => {
                // SAFETY: memmap2 asks that nobody changes the file, since it could hand out
                // slices; this map is turned raw at once and only read through Region.
                let private = unsafe { options.map_copy(file) }?;
                MmapRaw::from(private)
            }
        };
        Ok(Mapping {
            memory: Memory::File(memory),
            mode,
            flush_failed: AtomicBool::new(false),
        })
    }

    /// A stand-in for a map, by the simulated storage.
    #[cfg(any(test, feature = "sim"))]
    pub(super) fn simulated(bytes: Vec<u8>, mode: MapMode) -> Self {
        let bytes = bytes.into_iter().map(std::cell::UnsafeCell::new).collect();
        Mapping {
            memory: Memory::Simulated(bytes),
            mode,
            flush_failed: AtomicBool::new(false),
        }
    }

    /// What the map lets its holder do.
    #[must_use]
    pub fn mode(&self) -> MapMode {
        self.mode
    }

    /// The mapped bytes.
    #[must_use]
    pub fn region(&self) -> Region<'_> {
        let (ptr, len) = match &self.memory {
            Memory::File(map) => (map.as_ptr(), map.len()),
            #[cfg(any(test, feature = "sim"))]
            Memory::Simulated(bytes) => (bytes.as_ptr().cast(), bytes.len()),
        };
        // SAFETY: the bytes stay mapped readable until self is dropped, which the lifetime of the
        // result forbids; no map is longer than isize::MAX.
        unsafe { Region::new(ptr, len) }
    }

    /// The mapped bytes for writing, where the map has a mode for it.
    #[must_use]
    pub fn as_mut_ptr(&self) -> Option<*mut u8> {
        match self.mode {
            MapMode::Read => None,
            MapMode::CopyOnWrite | MapMode::ReadWrite => Some(self.region().as_ptr().cast_mut()),
        }
    }

    /// Hands the changed pages of a range to the file system and waits for the disk to have them.
    /// None where it failed before: the kernel then takes pages for clean that never were written.
    pub(super) fn flush(&self, offset: usize, len: usize) -> Option<io::Result<()>> {
        if self.flush_has_failed() {
            return None;
        }
        let result = match &self.memory {
            Memory::File(map) => map.flush_range(offset, len),
            #[cfg(any(test, feature = "sim"))]
            Memory::Simulated(_) => Ok(()),
        };
        if result.is_err() {
            self.fail_flushes();
        }
        Some(result)
    }

    pub(super) fn flush_has_failed(&self) -> bool {
        self.flush_failed.load(Ordering::Relaxed)
    }

    /// No later flush can say that all is well.
    pub(super) fn fail_flushes(&self) {
        self.flush_failed.store(true, Ordering::Relaxed);
    }
}
