//! A file's bytes brought into memory.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::data::{Bytes, Data, os_range};
use super::error::{Error, Result};
use super::inflate::inflate;
use super::mapping::MapMode;
use super::options::{Access, Backend, DataOptions};
use super::origin::Origin;
use super::os::{self, MemoryAdvice};
use super::range::FileRange;
use super::storage::{DescriptorPool, FileKind, RealStorage, Storage, StorageFile};
use super::{TO_END, storage};

impl Data {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// The system's, [`Error::NotAFile`], [`Error::Compressed`], [`Error::OverCap`],
    /// [`Error::OutOfMemory`], [`Error::NotWritable`].
    pub fn open(path: &Path, options: &DataOptions) -> Result<Data> {
        Data::open_in(&RealStorage, path, options)
    }

    /// As [`Data::open`], from a storage.
    ///
    /// # Errors
    /// As [`Data::open`].
    pub fn open_in(storage: &dyn Storage, path: &Path, options: &DataOptions) -> Result<Data> {
        let origin = Origin::Path(path.to_owned());
        let opened = match options.access {
            Access::ReadWrite => storage.open_to_write(path),
            _ => storage.open(path),
        };
        let file = opened.map_err(|error| not_opened(storage, path, &origin, error))?;
        Data::from_file(file, origin, 0, TO_END, options)
    }

    /// As [`Data::open_in`], for reading, with a descriptor that may be closed and opened again.
    ///
    /// # Errors
    /// As [`Data::open_in`].
    pub(crate) fn open_pooled(
        pool: &Arc<DescriptorPool>,
        storage: &Arc<dyn Storage>,
        path: &Path,
        options: &DataOptions,
    ) -> Result<Data> {
        let origin = Origin::Path(path.to_owned());
        if options.access == Access::ReadWrite {
            let why = "the files of a set are only read";
            return Err(Error::NotWritable { origin, why });
        }
        let absolute = std::path::absolute(path).map_err(Error::io("find", &origin))?;
        let opened = pool.open(storage, absolute);
        let file = opened.map_err(|error| not_opened(&**storage, path, &origin, error))?;
        Data::from_file(Arc::new(file), origin, 0, TO_END, options)
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

    pub(super) fn from_file(
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
        if options.access == Access::ReadWrite && options.backend == Backend::Read {
            let why = "it is to be read to the heap, not mapped";
            return Err(Error::NotWritable { origin, why });
        }
        let range = FileRange { file, offset, len };
        range.check_length(info.len, &origin)?;
        let mut data = match range.compression(&origin, options)? {
            Some(_) if options.access == Access::ReadWrite => {
                let why = "what is written to it would not be compressed again";
                return Err(Error::NotWritable { origin, why });
            }
            Some((compression, cap)) => {
                let bytes = inflate(range.reader(), compression, cap, options.heap(), &origin)?;
                let mut data = Data::in_memory(origin, Bytes::Heap(bytes));
                data.access = options.access;
                data
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
            Access::ReadWrite => MapMode::ReadWrite,
        };
        let shortest = AtomicU64::new(u64::MAX);
        let data = |bytes, file| Data {
            origin: origin.clone(),
            bytes,
            file,
            access: options.access,
            locked: false,
            shortest,
        };
        if size == 0 {
            return Ok(data(Bytes::Empty, Some(range)));
        }
        let may_read = options.backend == Backend::Auto && options.access != Access::ReadWrite;
        if options.backend != Backend::Read {
            match range.file.map(range.offset, size, mode) {
                Ok(map) => return Ok(data(Bytes::Mapped(Arc::new(map), size), Some(range))),
                Err(error) if may_read && os::cannot_map(&error) => {
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
}

/// What can't even be opened may be no file: a socket, for one.
fn not_opened(storage: &dyn Storage, path: &Path, origin: &Origin, error: io::Error) -> Error {
    match storage.kind(path) {
        Ok(Some(kind)) if kind != FileKind::Link && kind != FileKind::Regular => {
            Error::not_a_file(kind, origin.clone())
        }
        _ => Error::io("open", origin)(error),
    }
}

fn check_regular(kind: FileKind, origin: &Origin) -> Result<()> {
    if kind == FileKind::Regular {
        Ok(())
    } else {
        Err(Error::not_a_file(kind, origin.clone()))
    }
}
