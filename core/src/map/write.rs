//! Bytes that are written in memory, and how they reach their file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::TO_END;
use super::data::{Bytes, Data, os_range};
use super::error::{Error, Result};
use super::mapping::{MapMode, Mapping};
use super::options::{Access, DataOptions};
use super::origin::Origin;
use super::os;
use super::range::FileRange;
use super::storage::StorageFile;

/// The least address space that a grown map takes beyond the file: a file that grows by small
/// steps is mapped anew only now and then.
const RESERVE: usize = 64 << 20;

impl Data {
    /// The bytes of a file that was opened for reading and writing, mapped for writing.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn of_writable(file: Arc<dyn StorageFile>, origin: Origin) -> Result<Data> {
        let options = DataOptions {
            access: Access::ReadWrite,
            ..DataOptions::default()
        };
        Data::from_file(file, origin, 0, TO_END, &options)
    }

    /// The bytes for writing, where they were opened for it.
    #[must_use]
    pub fn as_mut_ptr(&self) -> Option<*mut u8> {
        match &self.bytes {
            Bytes::Mapped(map, _) => map.as_mut_ptr(),
            Bytes::Heap(heap) if self.access == Access::CopyOnWrite => {
                Some(heap.region().as_ptr().cast_mut())
            }
            _ => None,
        }
    }

    /// Whether the bytes can be written, and how.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// The file, where writes to the bytes reach it.
    pub(crate) fn writable_file(&self, why: &'static str) -> Result<&Arc<dyn StorageFile>> {
        let mode = match self.access {
            Access::ReadWrite => match &self.file {
                Some(range) => return Ok(&range.file),
                None => "in memory",
            },
            Access::CopyOnWrite => "open copy-on-write",
            Access::ReadOnly => "open for reading",
        };
        Err(Error::ReadOnly {
            origin: self.origin.clone(),
            mode,
            why,
        })
    }

    /// As [`Data::writable_file`], where the bytes start with the file's: rows can go behind them.
    pub(crate) fn growing_file(&self, why: &'static str) -> Result<&Arc<dyn StorageFile>> {
        match &self.file {
            Some(range) if range.offset != 0 => Err(Error::ReadOnly {
                origin: self.origin.clone(),
                mode: "open from a byte inside it on",
                why,
            }),
            _ => self.writable_file(why),
        }
    }

    /// Gives the holes before `end` their space, where the file system can: a write to one is a
    /// fault where the disk is full.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], the system's.
    pub(crate) fn fill_holes(&self, end: u64) -> Result<()> {
        let file = self.writable_file("it gets no space")?;
        let filled = file.fill_holes(end);
        filled.map_err(Error::io("allocate space for", &self.origin))
    }

    /// Makes what was written to a range durable; `len` may be [`TO_END`]. After a failure no later
    /// flush succeeds.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::OutOfRange`], [`Error::FlushFailed`], [`Error::Truncated`], the
    /// system's.
    pub fn flush(&self, offset: u64, len: u64) -> Result<()> {
        let file = self.writable_file("its changes never reach the file, so there is no flush")?;
        let (offset, len) = self.range(offset, len)?;
        let Some(map) = self.mapping() else {
            return Ok(());
        };
        // Both fit: the range lies in memory.
        let (start, len) = (offset as usize, len as usize);
        let flushed = map.flush(start, len).ok_or_else(|| Error::FlushFailed {
            origin: self.origin.clone(),
        })?;
        flushed
            .and_then(|()| file.sync_data().inspect_err(|_| map.fail_flushes()))
            .map_err(Error::io_at("flush", &self.origin, offset))?;
        // The system drops what was written past the end of a file that was cut, and says nothing.
        self.still_whole()
    }

    /// Lets every later flush fail: a sync of the file has failed otherwise.
    pub(crate) fn fail_flushes(&self) {
        if let Some(map) = self.mapping() {
            map.fail_flushes();
        }
    }

    /// Whether the bytes of both lie in one map.
    pub(crate) fn shares_map(&self, other: &Data) -> bool {
        match (self.mapping(), other.mapping()) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            _ => false,
        }
    }

    /// The bytes of a file that has grown since this was opened for writing: this one's stay where
    /// they are, and the map is shared where it reaches far enough.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], the system's.
    pub(crate) fn grown(&self) -> Result<Data> {
        let file = self.growing_file("it doesn't grow")?;
        let len = file.info().map_err(Error::io("look at", &self.origin))?.len;
        let size = usize::try_from(len).map_err(|_| Error::OutOfMemory {
            bytes: len,
            origin: self.origin.clone(),
        })?;
        let shared = self.mapping().filter(|map| map.region().len() >= size);
        let map = match shared {
            Some(map) => Arc::clone(map),
            None => {
                let reserved = size.saturating_add(size.max(RESERVE));
                let map = |size| file.map(0, size, MapMode::ReadWrite);
                let map: Mapping = map(reserved)
                    .or_else(|_| map(size))
                    .map_err(Error::io("map", &self.origin))?;
                if self.mapping().is_some_and(|map| map.flush_has_failed()) {
                    map.fail_flushes();
                }
                Arc::new(map)
            }
        };
        // A length that was seen before the file grew cuts nothing off; one below that does.
        let seen = self.shortest.load(Ordering::Relaxed);
        let shortest = if seen < self.len() { seen } else { u64::MAX };
        let grown = Data {
            origin: self.origin.clone(),
            bytes: Bytes::Mapped(map, size),
            file: Some(FileRange {
                file: Arc::clone(file),
                offset: 0,
                len,
            }),
            access: Access::ReadWrite,
            locked: self.locked,
            shortest: AtomicU64::new(shortest),
        };
        if grown.locked {
            let (ptr, len) = os_range(grown.region());
            // The file has grown already: too late to refuse.
            if let Err(error) = os::lock(ptr, len) {
                log::warn!(
                    "{} has grown but can't be locked in memory: {error}",
                    self.origin
                );
            }
        }
        Ok(grown)
    }
}
