//! The files of a load, and a thread's window on them.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{Error, Result, list_of, no_books, reserve};
use super::item::Item;
use crate::map::{self, Access, BulkAllocator, Data, Direct, HeapBytes, Io, Origin};

/// The bytes of a file, and how they are read.
#[derive(Debug)]
pub(super) struct File {
    pub(super) data: Arc<Data>,
    /// Copied from memory instead of read.
    pub(super) from_map: bool,
    direct: Option<Direct>,
    /// Bytes that were read past the page cache.
    direct_bytes: AtomicU64,
}

/// The files of a load, each once.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) list: Vec<File>,
}

impl Files {
    /// The files of all items, and each item's number among them.
    pub(super) fn of(items: &[Item], io: Io, direct: bool) -> Result<(Files, Vec<usize>)> {
        let mut list: Vec<File> = Vec::new();
        let mut known: HashMap<*const Data, usize> = HashMap::new();
        let mut numbers = list_of(items.len())?;
        for item in items {
            let data = &item.source.data;
            let key = Arc::as_ptr(data);
            // Most items lie in the file of the one before, and many lists have one file.
            let last = list.len().wrapping_sub(1);
            let is_last = |file: &File| Arc::ptr_eq(&file.data, data);
            let number = if list.get(last).is_some_and(is_last) {
                last
            } else if let Some(&number) = known.get(&key) {
                number
            } else {
                reserve(&mut list, 1)?;
                list.push(File::new(data, io, direct));
                if items.len() > 1 {
                    let entry = size_of::<(*const Data, usize)>();
                    let room = known.try_reserve(1);
                    room.map_err(|_| no_books(list.len(), entry))?;
                    known.insert(key, list.len() - 1);
                }
                list.len() - 1
            };
            numbers.push(number);
        }
        Ok((Files { list }, numbers))
    }

    /// What the address of a window must be a multiple of.
    pub(super) fn window_align(&self) -> usize {
        let aligns = self.list.iter().filter_map(|file| file.direct.as_ref());
        aligns.map(Direct::window_align).max().unwrap_or(64)
    }

    pub(super) fn get(&self, file: usize) -> Result<&File> {
        let found = self.list.get(file);
        found.ok_or(Error::Internal("a piece of no file"))
    }

    /// Bytes of all files that were read past the page cache.
    pub(super) fn direct_bytes(&self) -> u64 {
        let each = self.list.iter().map(|file| &file.direct_bytes);
        each.map(|bytes| bytes.load(Ordering::Relaxed)).sum()
    }
}

impl File {
    fn new(data: &Arc<Data>, io: Io, direct: bool) -> File {
        // Where pages were changed in memory alone, the file has other bytes.
        let in_memory = !data.has_file() || data.access() == Access::CopyOnWrite;
        let from_map = in_memory || (io == Io::Map && !direct);
        File {
            data: Arc::clone(data),
            from_map,
            direct: if direct && !from_map {
                data.direct()
            } else {
                None
            },
            direct_bytes: AtomicU64::new(0),
        }
    }

    /// How many bytes fit into a window of `size` at once, wherever they start.
    pub(super) fn room_in(&self, size: usize) -> usize {
        let direct = self.direct.as_ref();
        direct.map_or(size, |direct| direct.room_in(size))
    }

    /// The `len` bytes at `offset`, no more than [`File::room_in`] gives: where they are in memory,
    /// or in the window.
    pub(super) fn fetch(&self, offset: u64, len: usize, window: &mut Window) -> Fetched<*const u8> {
        if self.from_map {
            let (offset, len) = self.data.range(offset, len as u64)?;
            let bytes = self.data.region().slice(offset, len);
            return Ok(bytes
                .ok_or(Wrong::OfOurs("bytes of a range that isn't there"))?
                .as_ptr());
        }
        let memory = window.memory()?;
        if let Some(direct) = &self.direct
            && let Some(skip) = direct.fetch(offset, len, memory)?
        {
            self.direct_bytes.fetch_add(len as u64, Ordering::Relaxed);
            return Ok(memory.as_ptr().wrapping_add(skip).cast());
        }
        let room = memory.get_mut(..len);
        let room = room.ok_or(Wrong::OfOurs("more bytes than a window has"))?;
        self.data.read(offset, room)?;
        Ok(room.as_ptr().cast())
    }

    /// Reads the bytes at `offset` to all of `out`.
    pub(super) fn read(
        &self,
        offset: u64,
        out: &mut [MaybeUninit<u8>],
        window: &mut Window,
    ) -> Fetched<()> {
        if let Some(direct) = &self.direct
            && direct.read(offset, out, window.memory()?)?
        {
            let bytes = out.len() as u64;
            self.direct_bytes.fetch_add(bytes, Ordering::Relaxed);
            return Ok(());
        }
        Ok(self.data.read(offset, out)?)
    }
}

/// Why bytes aren't there: because of the file, or of this library.
pub(super) enum Wrong {
    OfFile(map::Error),
    OfOurs(&'static str),
}

pub(super) type Fetched<T> = std::result::Result<T, Wrong>;

impl From<map::Error> for Wrong {
    fn from(error: map::Error) -> Wrong {
        Wrong::OfFile(error)
    }
}

impl Wrong {
    /// The error of the item whose bytes these are.
    pub(super) fn with_item(self, item: u64) -> Error {
        match self {
            Wrong::OfFile(source) => Error::Item { item, source },
            Wrong::OfOurs(what) => Error::Internal(what),
        }
    }
}

/// Memory that a thread reads into where bytes can't go to their place as they are.
pub(super) struct Window {
    heap: HeapBytes,
    size: usize,
}

impl Window {
    /// No memory yet.
    pub(super) fn new(allocator: Arc<dyn BulkAllocator>, align: usize, size: usize) -> Window {
        let heap = HeapBytes::aligned(allocator, align);
        Window { heap, size }
    }

    /// The bytes that it takes by now.
    pub(super) fn taken(&self) -> u64 {
        self.heap.capacity() as u64
    }

    /// All of its memory.
    pub(super) fn memory(&mut self) -> map::Result<&mut [MaybeUninit<u8>]> {
        self.heap.grow(self.size, &Origin::Memory)?;
        Ok(self
            .heap
            .spare_mut()
            .get_mut(..self.size)
            .unwrap_or_default())
    }
}
