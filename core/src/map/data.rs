//! A file's bytes for reading, whatever they lie in.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{Error, Result};
use super::heap::{HeapBytes, SystemAllocator};
use super::inflate::inflate;
use super::mapping::{MapMode, Mapping};
use super::options::{Access, Backend, BytesOwner, DataOptions};
use super::origin::Origin;
use super::os::{self, MemoryAdvice};
use super::range::FileRange;
use super::region::Region;
use super::storage::{FileKind, RealStorage, Storage, StorageFile};
use super::{TO_END, storage};

/// A file's bytes: mapped, read, decompressed, copied or borrowed.
///
/// Pointers into the bytes are good for as long as the `Data` lives. If another process cuts a
/// mapped file, touching what is gone kills the process; [`Data::read`] doesn't.
pub struct Data {
    origin: Origin,
    bytes: Bytes,
    file: Option<FileRange>,
    locked: bool,
    /// The file's shortest length seen since open; below the range's end the data is truncated.
    shortest: AtomicU64,
}

enum Bytes {
    Empty,
    Mapped(Mapping),
    Heap(HeapBytes),
    Lent(Box<dyn BytesOwner>),
}

impl Data {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// The system's, [`Error::NotAFile`], [`Error::Compressed`], [`Error::OverCap`],
    /// [`Error::OutOfMemory`].
    pub fn open(path: &Path, options: &DataOptions) -> Result<Data> {
        Data::open_in(&RealStorage, path, options)
    }

    /// As [`Data::open`], from a storage.
    ///
    /// # Errors
    /// As [`Data::open`].
    pub fn open_in(storage: &dyn Storage, path: &Path, options: &DataOptions) -> Result<Data> {
        let origin = Origin::Path(path.to_owned());
        let file = match storage.open(path) {
            Ok(file) => file,
            // What can't even be opened may be no file: a socket, for one.
            Err(error) => match storage.kind(path) {
                Ok(Some(kind)) if kind != FileKind::Link => {
                    check_regular(kind, &origin)?;
                    return Err(Error::io("open", &origin)(error));
                }
                _ => return Err(Error::io("open", &origin)(error)),
            },
        };
        Data::from_file(file, origin, 0, TO_END, options)
    }

    /// Opens `len` bytes at `offset` of an open file, by a duplicate of its descriptor; `len` may
    /// be [`TO_END`].
    ///
    /// # Errors
    /// As [`Data::open`]; [`Error::OutOfRange`] where the file is shorter.
    pub fn open_descriptor(
        descriptor: i32,
        offset: u64,
        len: u64,
        options: &DataOptions,
    ) -> Result<Data> {
        let origin = Origin::Descriptor(descriptor);
        let file = os::duplicate(descriptor).map_err(Error::io("duplicate", &origin))?;
        Data::from_file(
            Arc::new(storage::RealFile(file)),
            origin,
            offset,
            len,
            options,
        )
    }

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

    fn in_memory(origin: Origin, bytes: Bytes) -> Data {
        Data {
            origin,
            bytes,
            file: None,
            locked: false,
            shortest: AtomicU64::new(u64::MAX),
        }
    }

    fn from_file(
        file: Arc<dyn StorageFile>,
        origin: Origin,
        offset: u64,
        len: u64,
        options: &DataOptions,
    ) -> Result<Data> {
        let info = file.info().map_err(Error::io("look at", &origin))?;
        check_regular(info.kind, &origin)?;
        let rest = info.len.checked_sub(offset);
        let len = match rest {
            Some(rest) if len == TO_END => rest,
            Some(rest) if len <= rest => len,
            _ => {
                return Err(Error::OutOfRange {
                    origin,
                    offset,
                    len,
                    size: info.len,
                });
            }
        };
        let range = FileRange { file, offset, len };
        range.check_length(info.len, &origin)?;
        let mut data = match range.compression(&origin, options)? {
            Some((compression, cap)) => {
                let bytes = inflate(range.reader(), compression, cap, options.heap(), &origin)?;
                Data::in_memory(origin, Bytes::Heap(bytes))
            }
            None => Data::from_range(range, origin, options)?,
        };
        data.prepare(options)?;
        Ok(data)
    }

    fn from_range(range: FileRange, origin: Origin, options: &DataOptions) -> Result<Data> {
        let size = usize::try_from(range.len).map_err(|_| Error::OutOfMemory {
            bytes: range.len,
            origin: origin.clone(),
        })?;
        let mode = match options.access {
            Access::ReadOnly => MapMode::Read,
            Access::CopyOnWrite => MapMode::CopyOnWrite,
        };
        let shortest = AtomicU64::new(u64::MAX);
        let data = |bytes, file| Data {
            origin: origin.clone(),
            bytes,
            file,
            locked: false,
            shortest,
        };
        if size == 0 {
            return Ok(data(Bytes::Empty, Some(range)));
        }
        if options.backend != Backend::Read {
            match range.file.map(range.offset, size, mode) {
                Ok(map) => return Ok(data(Bytes::Mapped(map), Some(range))),
                Err(error) if options.backend == Backend::Auto && os::cannot_map(&error) => {
                    log::info!("{origin} can't be mapped ({error}); reading it to the heap");
                }
                Err(error) => return Err(Error::io("map", &origin)(error)),
            }
        }
        let heap = range.read_all(size, options.heap(), &origin)?;
        Ok(data(Bytes::Heap(heap), None))
    }

    /// Does what the options ask for once the bytes are there.
    fn prepare(&mut self, options: &DataOptions) -> Result<()> {
        let region = self.region();
        let (ptr, len) = os_range(region);
        if len == 0 {
            return Ok(());
        }
        if options.huge_pages && self.is_mapped() {
            self.wish(os::advise(ptr, len, MemoryAdvice::HugePage), "huge pages");
        }
        if options.populate && self.is_mapped() {
            match os::advise(ptr, len, MemoryAdvice::PopulateRead) {
                // EFAULT: the file ends before the map does.
                Err(error) if error.raw_os_error() == Some(os::BAD_ADDRESS) => {
                    self.still_whole()?
                }
                result => self.wish(result, "populating"),
            }
        }
        if options.lock {
            os::lock(ptr, len).map_err(Error::io(
                "lock in memory (is the limit on locked memory, ulimit -l, high enough?)",
                &self.origin,
            ))?;
            self.locked = true;
        }
        Ok(())
    }

    fn wish(&self, result: io::Result<()>, what: &str) {
        if let Err(error) = result {
            log::info!("{}: no {what}: {error}", self.origin);
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
            Bytes::Mapped(map) => map.region(),
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

    /// Whether the bytes are a map of the file.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        matches!(self.bytes, Bytes::Mapped(_))
    }

    /// The bytes for writing, where they were opened copy-on-write.
    #[must_use]
    pub fn as_mut_ptr(&self) -> Option<*mut u8> {
        match &self.bytes {
            Bytes::Mapped(map) => map.as_mut_ptr(),
            _ => None,
        }
    }

    /// The map and its file, where pages may be dropped: they come back from the file unchanged.
    /// Locked ones may not.
    pub(super) fn droppable(&self) -> Option<(&Mapping, &FileRange)> {
        match (&self.bytes, &self.file) {
            (Bytes::Mapped(map), Some(range)) if map.mode() == MapMode::Read && !self.locked => {
                Some((map, range))
            }
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
        match self.file.as_ref().filter(|_| self.as_mut_ptr().is_none()) {
            Some(range) => match range.read(offset, out, &self.origin) {
                Err(Error::Truncated { actual, .. }) => {
                    self.shortest.fetch_min(actual, Ordering::Relaxed);
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

    fn truncated(&self, offset: u64, actual: u64) -> Error {
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

fn check_regular(kind: FileKind, origin: &Origin) -> Result<()> {
    if kind == FileKind::Regular {
        Ok(())
    } else {
        Err(Error::not_a_file(kind, origin.clone()))
    }
}
