//! A file's bytes for reading, whatever they lie in.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{Error, Result};
use super::heap::{BulkAllocator, HeapBytes, SystemAllocator};
use super::inflate::{Compression, inflate};
use super::mapping::{MapMode, Mapping};
use super::origin::Origin;
use super::os::{self, MemoryAdvice};
use super::region::Region;
use super::storage::{FileKind, RealStorage, Storage, StorageFile};
use super::{TO_END, storage};

/// How a file's bytes come into memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// Mapped; read where the file system can't map.
    #[default]
    Auto,
    /// Mapped, or an error.
    Map,
    /// Read to the heap: no later change of the file shows.
    Read,
}

/// Whether the bytes can be written in memory. The file never changes either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    #[default]
    ReadOnly,
    /// A write copies its page; the others stay the file's.
    CopyOnWrite,
}

/// How to open a file's bytes. The default maps and does nothing else.
#[derive(Clone, Default)]
pub struct DataOptions {
    /// How they come into memory.
    pub backend: Backend,
    /// Whether they can be written in memory; `CopyOnWrite` needs a map.
    pub access: Access,
    /// Ask for huge pages.
    pub huge_pages: bool,
    /// Bring all pages into memory now.
    pub populate: bool,
    /// Keep all pages in memory; an error where the limit on locked memory is too low.
    pub lock: bool,
    /// Decompress gzip and zstd, up to so many bytes; other content is opened as it is.
    pub decompress: Option<u64>,
    /// Where heap memory comes from.
    pub allocator: Option<Arc<dyn BulkAllocator>>,
}

impl fmt::Debug for DataOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataOptions")
            .field("backend", &self.backend)
            .field("decompress", &self.decompress)
            .finish_non_exhaustive()
    }
}

/// Bytes that somebody else owns and lends.
///
/// # Safety
/// `region` gives the same readable bytes, unmoved, until the owner is dropped.
pub unsafe trait BytesOwner: Send + Sync {
    /// The bytes.
    fn region(&self) -> Region<'_>;
}

/// A file's bytes: mapped, read, decompressed, copied or borrowed.
///
/// Pointers into the bytes are good for as long as the `Data` lives. If another process cuts a
/// mapped file, touching what is gone kills the process; [`Data::read`] doesn't.
pub struct Data {
    origin: Origin,
    bytes: Bytes,
    file: Option<FileRange>,
    locked: bool,
    /// The file's shortest length seen since open; below `needed` the data is truncated.
    shortest: AtomicU64,
}

enum Bytes {
    Empty,
    Mapped(Mapping),
    Heap(HeapBytes),
    Lent(Box<dyn BytesOwner>),
}

/// The file that mapped bytes come from.
#[derive(Clone, Debug)]
pub(super) struct FileRange {
    pub(super) file: Arc<dyn StorageFile>,
    /// Where the bytes start in the file.
    pub(super) offset: u64,
    pub(super) len: u64,
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
        if bytes.copy_to(0, room) {
            // SAFETY: copy_to wrote bytes.len() bytes at the start of the spare memory.
            unsafe { heap.filled(bytes.len()) };
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
        let mut data = match range.compression(&origin, options)? {
            Some((compression, cap)) => {
                let bytes = inflate(
                    range.reader(),
                    compression,
                    cap,
                    allocator(options),
                    &origin,
                )?;
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
        let heap = range.read_all(size, allocator(options), &origin)?;
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
    pub(super) fn droppable(&self) -> Option<(&Mapping, &FileRange)> {
        match (&self.bytes, &self.file) {
            (Bytes::Mapped(map), Some(range)) if map.mode() == MapMode::Read => Some((map, range)),
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
            Err(self.truncated(0, seen))
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

fn allocator(options: &DataOptions) -> Arc<dyn BulkAllocator> {
    options
        .allocator
        .clone()
        .unwrap_or_else(|| Arc::new(SystemAllocator))
}

fn check_regular(kind: FileKind, origin: &Origin) -> Result<()> {
    let (what, os_code) = match kind {
        FileKind::Regular => return Ok(()),
        FileKind::Folder => ("a folder", os::IS_A_FOLDER),
        FileKind::Fifo => ("a named pipe", 0),
        FileKind::Socket => ("a socket", 0),
        FileKind::Device | FileKind::Link => ("a device", 0),
    };
    Err(Error::NotAFile {
        origin: origin.clone(),
        what,
        os_code,
    })
}

impl FileRange {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.len)
    }

    /// Fills all of `out` from `offset` of the range.
    fn read(&self, offset: u64, out: &mut [MaybeUninit<u8>], origin: &Origin) -> Result<()> {
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

    fn read_all(
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

    fn compression(
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

    fn reader(&self) -> RangeReader<'_> {
        RangeReader { range: self, at: 0 }
    }
}

/// The bytes of a range in order, as `io::Read`.
struct RangeReader<'a> {
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
