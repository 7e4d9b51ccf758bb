//! The log for reading: records at offsets below a tail that is known to be whole.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::error::{Error, Result};
use super::format::{Extent, HEAD, Head, Header, MAX_LOG};
use super::touched::Touched;
use crate::map::{self, MapMode, Mapping, Origin, Region, StorageFile};

/// The least address space that a log is mapped with.
const LEAST_RESERVATION: u64 = 64 << 30;

/// One log file that is open: a compaction makes another.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) origin: Origin,
    pub(crate) header: Header,
    /// None where the file is read and not mapped.
    maps: Option<Maps>,
    touched: OnceLock<Option<Arc<Touched>>>,
}

#[derive(Debug)]
struct Maps {
    reservation: u64,
    newest: Mutex<Option<Arc<Mapping>>>,
}

/// The log as far as a tail, for as long as this lives: through appends, growth, compaction and
/// close.
#[derive(Clone, Debug)]
pub(crate) struct View {
    file: Arc<dyn StorageFile>,
    origin: Origin,
    map: Option<Arc<Mapping>>,
    /// Nothing is read from here on.
    pub(crate) tail: u64,
    align: u64,
}

/// A record that lies below a view's tail as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) offset: u64,
    pub(crate) head: Head,
    pub(crate) extent: Extent,
}

impl Record {
    /// Its bytes in the log, gaps included.
    pub(crate) fn bytes(&self) -> u64 {
        self.extent.end.saturating_sub(self.offset)
    }
}

impl Log {
    /// `reservation` is the options' (0 for the default); with `is_mapped` false the file is read.
    pub(crate) fn new(
        file: Arc<dyn StorageFile>,
        origin: Origin,
        header: Header,
        is_mapped: bool,
        reservation: u64,
    ) -> Log {
        // A simulated file's map doesn't show later writes.
        let is_mapped = is_mapped && file.os_file().is_some();
        let newest = Mutex::new(None);
        let maps = is_mapped.then_some(Maps {
            reservation,
            newest,
        });
        Log {
            file,
            origin,
            header,
            maps,
            touched: OnceLock::new(),
        }
    }

    /// The log below `tail`, which must not be above the file's end.
    pub(crate) fn view(&self, tail: u64) -> Result<View> {
        let map = match &self.maps {
            Some(maps) => Some(maps.reaching(tail, &*self.file, &self.origin)?),
            None => None,
        };
        Ok(View {
            file: Arc::clone(&self.file),
            origin: self.origin.clone(),
            map,
            tail,
            align: self.header.align(),
        })
    }

    /// As [`Log::view`], but never mapped: of a file that was cut all is an error, and no fault.
    pub(crate) fn unmapped_view(&self, tail: u64) -> View {
        View {
            file: Arc::clone(&self.file),
            origin: self.origin.clone(),
            map: None,
            tail,
            align: self.header.align(),
        }
    }

    /// The values that were found to be sound; none where there is no memory for the table.
    pub(crate) fn touched(&self) -> Option<Arc<Touched>> {
        let touched = self.touched.get_or_init(|| Touched::new().map(Arc::new));
        touched.clone()
    }

    /// The bytes mapped now, the reservation included.
    pub(crate) fn mapped_bytes(&self) -> u64 {
        let Some(maps) = &self.maps else { return 0 };
        let newest = maps.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.as_ref().map_or(0, |map| map.region().len() as u64)
    }
}

impl Maps {
    /// A map that reaches to `tail` at least: the newest, or a larger one beside it.
    fn reaching(&self, tail: u64, file: &dyn StorageFile, origin: &Origin) -> Result<Arc<Mapping>> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(map) = newest.as_ref()
            && map.region().len() as u64 >= tail
        {
            return Ok(Arc::clone(map));
        }
        let map = Arc::new(self.map(tail, file, origin)?);
        *newest = Some(Arc::clone(&map));
        Ok(map)
    }

    /// Maps as much as can be had, so that appends need no other map for long.
    fn map(&self, tail: u64, file: &dyn StorageFile, origin: &Origin) -> Result<Mapping> {
        let mut wanted = match self.reservation {
            0 => LEAST_RESERVATION.max(tail.saturating_mul(4)),
            // Twice: what has outgrown it must not be mapped anew at each append.
            given if given < tail => tail.saturating_mul(2),
            given => given,
        };
        loop {
            let len = usize::try_from(wanted.max(tail)).unwrap_or(usize::MAX >> 1);
            match file.map(0, len, MapMode::Read) {
                Ok(map) => return Ok(map),
                Err(error) if wanted <= tail => {
                    return Err(map::Error::io("map", origin)(error).into());
                }
                Err(_) => wanted = (wanted >> 1).max(tail),
            }
        }
    }
}

impl View {
    /// Whether it is one of this log.
    pub(crate) fn is_of(&self, log: &Log) -> bool {
        Arc::ptr_eq(&self.file, &log.file)
    }

    /// Whether its map, where it has one, goes as far.
    pub(crate) fn reaches(&self, tail: u64) -> bool {
        let map = self.map.as_ref();
        map.is_none_or(|map| map.region().len() as u64 >= tail)
    }

    /// The record at an offset that may be any number.
    #[inline]
    pub(crate) fn record(&self, offset: u64) -> Result<Record> {
        let damaged = |why| self.damaged(offset, why);
        if offset > MAX_LOG || offset.saturating_add(HEAD as u64) > self.tail {
            return Err(damaged("it would lie behind the tail"));
        }
        let words = self
            .map
            .as_ref()
            .and_then(|map| map.region().u64s_at(offset));
        let head = match words {
            Some(words) => Head::of_words(words),
            None => Head::decode(&self.head_in_file(offset)?),
        };
        let head = head.map_err(damaged)?;
        let extent = head.extent(offset, self.align);
        if extent.end > self.tail {
            return Err(damaged("it would end behind the tail"));
        }
        Ok(Record {
            offset,
            head,
            extent,
        })
    }

    #[cold]
    fn head_in_file(&self, offset: u64) -> Result<[u8; HEAD]> {
        let mut head = [0; HEAD];
        self.read(offset, &mut head)?;
        Ok(head)
    }

    /// The key of a record, as all that a buffer then has.
    pub(crate) fn key(&self, record: &Record, key: &mut Vec<u8>) -> Result<()> {
        key.clear();
        let len = usize::from(record.head.key_len);
        let reserved = key.try_reserve(len);
        reserved.map_err(|_| Error::out_of_memory(&self.origin, len as u64))?;
        key.resize(len, 0);
        self.read(record.offset.saturating_add(HEAD as u64), key)
    }

    /// Whether the records at two offsets have one key, for which `key` is room.
    pub(crate) fn have_same_key(&self, one: u64, other: u64, key: &mut Vec<u8>) -> Result<bool> {
        self.key(&self.record(one)?, key)?;
        self.has_key(&self.record(other)?, key)
    }

    /// Whether a record has this key.
    #[inline]
    pub(crate) fn has_key(&self, record: &Record, key: &[u8]) -> Result<bool> {
        if usize::from(record.head.key_len) != key.len() {
            return Ok(false);
        }
        let at = record.offset.saturating_add(HEAD as u64);
        if let Some(region) = self.region(at, key.len() as u64) {
            return Ok(region.is_equal_to(key));
        }
        self.has_key_in_file(at, key)
    }

    #[cold]
    fn has_key_in_file(&self, at: u64, key: &[u8]) -> Result<bool> {
        // Most keys are short: compared in pieces, so that nothing is allocated.
        let mut piece = [0; 64];
        for (number, part) in key.chunks(piece.len()).enumerate() {
            let Some(piece) = piece.get_mut(..part.len()) else {
                continue;
            };
            self.read(at.saturating_add((number as u64).saturating_mul(64)), piece)?;
            if piece != part {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Bytes of the log, where they are mapped.
    #[inline]
    pub(crate) fn region(&self, offset: u64, len: u64) -> Option<Region<'_>> {
        self.map.as_ref()?.region().slice(offset, len)
    }

    /// What offsets of values are multiples of.
    pub(crate) fn align(&self) -> u64 {
        self.align
    }

    /// Brings the cache line of an offset closer.
    #[inline]
    pub(crate) fn prefetch(&self, offset: u64) {
        if let Some(map) = &self.map {
            map.region().prefetch(offset);
        }
    }

    /// Copies bytes of the log that lie below the file's end, mapped or not.
    #[inline]
    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        // SAFETY: u8 and MaybeUninit<u8> have one layout, and read_raw only writes bytes there.
        let raw = unsafe { &mut *(std::ptr::from_mut(out) as *mut [MaybeUninit<u8>]) };
        self.read_raw(offset, raw)
    }

    /// As [`View::read`].
    #[inline]
    pub(crate) fn read_raw(&self, offset: u64, out: &mut [MaybeUninit<u8>]) -> Result<()> {
        if let Some(map) = &self.map
            && map.region().copy_to(offset, out)
        {
            return Ok(());
        }
        self.read_file(offset, out)
    }

    /// As [`View::read`], by a system call whether the file is mapped or not: of a file that was cut
    /// it is an error, not a fault.
    pub(crate) fn read_file(&self, offset: u64, out: &mut [MaybeUninit<u8>]) -> Result<()> {
        let got = map::read_full(&*self.file, out, offset);
        let got = got.map_err(map::Error::io_at("read", &self.origin, offset))?;
        if got < out.len() {
            return Err(Error::Map(map::Error::Truncated {
                origin: self.origin.clone(),
                offset,
                expected: offset.saturating_add(out.len() as u64),
                actual: offset.saturating_add(got as u64),
            }));
        }
        Ok(())
    }

    pub(crate) fn file(&self) -> &dyn StorageFile {
        &*self.file
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn damaged(&self, offset: u64, why: &'static str) -> Error {
        Error::Record {
            origin: self.origin.clone(),
            offset,
            why,
        }
    }
}
