//! A file's bytes for reading, whatever they lie in.

use std::fmt;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::TO_END;
use super::error::{Error, Result};
use super::heap::{HeapBytes, SystemAllocator};
use super::mapping::{MapMode, Mapping};
use super::options::{Access, BytesOwner};
use super::origin::Origin;
use super::os;
use super::range::FileRange;
use super::region::Region;

/// A file's bytes: mapped, read, decompressed, copied or borrowed.
///
/// Pointers into the bytes are good for as long as the `Data` lives. If another process cuts a
/// mapped file, touching what is gone kills the process; [`Data::read`] doesn't.
pub struct Data {
    pub(super) origin: Origin,
    pub(super) bytes: Bytes,
    pub(super) file: Option<FileRange>,
    pub(super) access: Access,
    pub(super) locked: bool,
    /// The file's shortest length seen since open; below the range's end the data is truncated.
    pub(super) shortest: AtomicU64,
}

pub(super) enum Bytes {
    Empty,
    /// So many bytes from the start of a map, which may reach past the end of the file.
    Mapped(Arc<Mapping>, usize),
    Heap(HeapBytes),
    Lent(Box<dyn BytesOwner>),
}

impl Data {
    /// A copy of `bytes`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn copy_of(bytes: Region<'_>) -> Result<Data> {
        let mut heap = HeapBytes::new(Arc::new(SystemAllocator));
        heap.grow(bytes.len(), &Origin::Memory)?;
        let room = heap.spare_mut().get_mut(..bytes.len()).unwrap_or_default();
        let filled = room.len();
        if bytes.copy_to(0, room) {
            // SAFETY: copy_to wrote all of the room, which starts the spare memory.
            unsafe { heap.filled(filled) };
        }
        Ok(Data::in_memory(Origin::Memory, Bytes::Heap(heap)))
    }

    /// Bytes that `owner` lends until this is dropped.
    #[must_use]
    pub fn lent(owner: Box<dyn BytesOwner>) -> Data {
        Data::in_memory(Origin::Memory, Bytes::Lent(owner))
    }

    pub(super) fn in_memory(origin: Origin, bytes: Bytes) -> Data {
        Data {
            origin,
            bytes,
            file: None,
            access: Access::ReadOnly,
            locked: false,
            shortest: AtomicU64::new(u64::MAX),
        }
    }

    /// What the bytes are called in messages.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The bytes.
    #[must_use]
    pub fn region(&self) -> Region<'_> {
        match &self.bytes {
            Bytes::Empty => Region::EMPTY,
            Bytes::Mapped(map, len) => map.region().first(*len),
            Bytes::Heap(heap) => heap.region(),
            Bytes::Lent(owner) => owner.region(),
        }
    }

    /// Their number.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.region().len() as u64
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is a file to read the bytes from.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Whether the bytes are a map of the file.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        matches!(self.bytes, Bytes::Mapped(..))
    }

    /// The map and its file, where pages may be dropped: they come back from the file unchanged.
    /// Locked ones may not.
    pub(super) fn droppable(&self) -> Option<(&Mapping, &FileRange)> {
        match (&self.bytes, &self.file) {
            (Bytes::Mapped(map, _), Some(range)) if map.mode() == MapMode::Read && !self.locked => {
                Some((map, range))
            }
            _ => None,
        }
    }

    pub(super) fn mapping(&self) -> Option<&Arc<Mapping>> {
        match &self.bytes {
            Bytes::Mapped(map, _) => Some(map),
            _ => None,
        }
    }

    pub(super) fn file(&self) -> Option<&FileRange> {
        self.file.as_ref()
    }

    /// The `offset` and `len` of a range inside the bytes; `len` may be [`TO_END`].
    ///
    /// # Errors
    /// [`Error::OutOfRange`].
    pub fn range(&self, offset: u64, len: u64) -> Result<(u64, u64)> {
        let size = self.len();
        match size.checked_sub(offset) {
            Some(rest) if len == TO_END => Ok((offset, rest)),
            Some(rest) if len <= rest => Ok((offset, len)),
            _ => Err(Error::OutOfRange {
                origin: self.origin.clone(),
                offset,
                len,
                size,
            }),
        }
    }

    /// Copies the bytes at `offset` to all of `out`. A mapped file is read by pread, so that a
    /// file cut in the meantime is an error and not a fault; copy-on-write data is copied from its
    /// map, where the changed pages are.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::Truncated`], the system's.
    pub fn read(&self, offset: u64, out: &mut [MaybeUninit<u8>]) -> Result<()> {
        let (offset, _) = self.range(offset, out.len() as u64)?;
        // Where a private page was changed, the file has other bytes than the map.
        match self
            .file
            .as_ref()
            .filter(|_| self.access != Access::CopyOnWrite)
        {
            Some(range) => match range.read(offset, out, &self.origin) {
                Err(Error::Truncated { actual, .. }) => {
                    self.saw_end(actual);
                    Err(self.truncated(offset, actual))
                }
                result => result,
            },
            None => {
                let copied = self.region().copy_to(offset, out);
                debug_assert!(copied);
                Ok(())
            }
        }
    }

    /// Whether the file was ever seen to be shorter than its map since it was opened: a sticky
    /// answer, from a look at its length now and from all reads before.
    ///
    /// # Errors
    /// [`Error::Truncated`], the system's.
    pub fn still_whole(&self) -> Result<()> {
        let Some(range) = &self.file else {
            return Ok(());
        };
        let len = range
            .file
            .info()
            .map_err(Error::io("look at", &self.origin))?
            .len;
        let seen = self.shortest.fetch_min(len, Ordering::Relaxed).min(len);
        if seen < range.end() {
            Err(self.truncated(seen.saturating_sub(range.offset), seen))
        } else {
            Ok(())
        }
    }

    /// Remembers that the file was seen to end at byte `end`.
    pub(super) fn saw_end(&self, end: u64) {
        self.shortest.fetch_min(end, Ordering::Relaxed);
    }

    pub(super) fn truncated(&self, offset: u64, actual: u64) -> Error {
        let expected = self.file.as_ref().map_or(0, FileRange::end);
        Error::Truncated {
            origin: self.origin.clone(),
            offset,
            expected,
            actual,
        }
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        // A map's pages are unlocked with the map; the heap's memory goes on being used.
        if self.locked && !self.is_mapped() {
            let (ptr, len) = os_range(self.region());
            let _ = os::unlock(ptr, len);
        }
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Data({}, {} bytes)", self.origin, self.len())
    }
}

/// The page-aligned range that covers a region.
pub(super) fn os_range(region: Region<'_>) -> (*const u8, usize) {
    let before = region.as_ptr().addr() % os::page_size();
    (
        region.as_ptr().wrapping_sub(before),
        if region.is_empty() {
            0
        } else {
            region.len() + before
        },
    )
}
