//! Values by their keys: lent, or copied.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::mem::MaybeUninit;
use std::sync::Arc;

use super::error::{Error, Result};
use super::format::RecordType;
use super::log::Record;
use super::options::ValueCheck;
use super::snapshot::{Seen, Snapshot, Through};
use super::store::Store;
use super::tensor::{self, PREFIX};
use crate::kernel::{crc32c, crc32c_of};
use crate::map::{HeapBytes, Region, SystemAllocator};
use crate::tensor::Lent;

/// Keys that are looked up at a time: as many as the index does.
const MANY: usize = 32;
/// A value that doesn't fit its checksum.
const BAD_VALUE: &str = "its value doesn't fit its checksum";

/// A value that is lent.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    /// Its bytes: at an address that is a multiple of the store's alignment, where there are any.
    pub region: Region<'a>,
    /// Where in the file its record starts.
    pub offset: u64,
    /// It was stored as a tensor, whose elements these are.
    pub is_tensor: bool,
}

impl Snapshot {
    /// The value of a key, as long as the snapshot lives.
    ///
    /// # Errors
    /// [`Error::Record`] for a record, or by the options a value, that isn't what was written, and
    /// [`Error::Index`]. Where the log isn't mapped also the system's, and out of memory.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Result<Option<Value<'_>>> {
        match self.seen.find(key)? {
            Some(found) => self.lend(&found.record).map(Some),
            None => Ok(None),
        }
    }

    /// The values of many keys, in less time than one by one: memory is fetched for many at once.
    /// `out` has as many places as there are keys, or the keys behind its end are left out.
    ///
    /// # Errors
    /// As [`Snapshot::get`]; what is in `out` then is of no account.
    pub fn get_many<'a>(&'a self, keys: &[&[u8]], out: &mut [Option<Value<'a>>]) -> Result<()> {
        let Seen {
            view,
            index,
            header,
            ..
        } = &*self.seen;
        for (keys, out) in keys.chunks(MANY).zip(out.chunks_mut(MANY)) {
            let mut found = [const { None }; MANY];
            let found = found.get_mut(..keys.len().min(out.len()));
            let found = found.unwrap_or_default();
            let key = |number| keys.get(number).copied().unwrap_or_default();
            index.find_many(view, header, key, found)?;
            for (out, found) in out.iter_mut().zip(found) {
                *out = match found {
                    Some(found) if !found.is_deleted => Some(self.lend(&found.record)?),
                    _ => None,
                };
            }
        }
        Ok(())
    }

    /// The tensor of a key, with the dtype and shape that it was stored with.
    ///
    /// # Errors
    /// As [`Snapshot::get`]; [`Error::NoTensor`] for a value that wasn't stored as one, or has a
    /// dtype that this version doesn't know; [`Error::Record`] for one whose shape is wrong.
    pub fn get_tensor(&self, key: &[u8]) -> Result<Option<Lent<'_>>> {
        let Some(found) = self.seen.find(key)? else {
            return Ok(None);
        };
        let record = found.record;
        let no_tensor = |why: String| Error::NoTensor {
            origin: self.seen.view.origin().clone(),
            offset: record.offset,
            why,
        };
        if record.head.kind != RecordType::Tensor {
            return Err(no_tensor("it wasn't stored as one".to_owned()));
        }
        let mut prefix = [0; PREFIX];
        self.seen.view.read(record.extent.prefix, &mut prefix)?;
        let described = tensor::decode(&prefix, record.head.value_len);
        let (dtype, shape) = described.map_err(|why| no_tensor(why.to_owned()))?;
        let value = self.lend(&record)?;
        let lent = Lent::new(value.region, dtype, shape, record.extent.value);
        lent.map(Some).map_err(|error| no_tensor(error.to_string()))
    }

    /// Lends the value of a record that this snapshot sees.
    #[inline]
    pub(super) fn lend(&self, record: &Record) -> Result<Value<'_>> {
        let region = match self.seen.mapped(record)? {
            Some(region) => region,
            None => self.read_and_keep(record)?,
        };
        Ok(Value {
            region,
            offset: record.offset,
            is_tensor: record.head.kind == RecordType::Tensor,
        })
    }

    #[cold]
    fn read_and_keep(&self, record: &Record) -> Result<Region<'_>> {
        let align = usize::try_from(self.seen.view.align()).unwrap_or(usize::MAX);
        let mut bytes = HeapBytes::aligned(Arc::new(SystemAllocator), align);
        self.seen.read_value(record, &mut bytes)?;
        self.keep(bytes)
    }

    pub(super) fn keep(&self, bytes: HeapBytes) -> Result<Region<'_>> {
        let len = bytes.len() as u64;
        let kept = self.kept.keep(bytes);
        kept.ok_or_else(|| Error::out_of_memory(self.seen.view.origin(), len))
    }
}

impl Store {
    /// Copies the value of a key to the start of `out` and returns its length; without room for
    /// anything it only returns the length. The log is read by system calls: where it was cut meanwhile, that is an
    /// error and never a fault.
    ///
    /// # Errors
    /// As [`Snapshot::get`]; [`Error::NoRoom`]; the system's; [`Error::Forked`].
    pub fn read(&self, key: &[u8], out: &mut [MaybeUninit<u8>]) -> Result<Option<u64>> {
        match self.read_once(key, out) {
            // Found just now: the next snapshot has it built again.
            Err(Error::Index { .. }) => self.read_once(key, out),
            read => read,
        }
    }

    fn read_once(&self, key: &[u8], out: &mut [MaybeUninit<u8>]) -> Result<Option<u64>> {
        let seen = Seen::mended(&self.inner, Through::File)?;
        let Some(found) = seen.find(key)? else {
            return Ok(None);
        };
        let record = found.record;
        let len = record.head.value_len;
        if out.is_empty() {
            return Ok(Some(len));
        }
        let room = out.len() as u64;
        let own = usize::try_from(len).ok().and_then(|len| out.get_mut(..len));
        seen.read_to(&record, own.ok_or(Error::NoRoom { len, room })?)?;
        Ok(Some(len))
    }
}

impl Seen {
    /// The value, where the log is mapped.
    #[inline]
    pub(super) fn mapped(&self, record: &Record) -> Result<Option<Region<'_>>> {
        let value = self.view.region(record.extent.value, record.head.value_len);
        if value.is_some() && self.check != ValueCheck::Never && self.is_unchecked(record) {
            self.check_mapped(record)?;
        }
        Ok(value)
    }

    #[inline]
    fn is_unchecked(&self, record: &Record) -> bool {
        match (self.check, &self.touched) {
            (ValueCheck::Never, _) => false,
            (_, Some(touched)) => !touched.has(record.offset),
            (_, None) => true,
        }
    }

    #[inline(never)]
    fn check_mapped(&self, record: &Record) -> Result<()> {
        let prefix = record.head.kind.prefix();
        let len = record.head.value_len.saturating_add(prefix);
        let covered = self.view.region(record.extent.prefix, len);
        let covered = covered.unwrap_or(Region::EMPTY);
        // SAFETY: a region's bytes are readable.
        let crc = unsafe { crc32c(0, covered.as_ptr(), covered.len()) };
        self.settle(record, crc)
    }

    /// Remembers a value that is sound.
    fn settle(&self, record: &Record, crc: u32) -> Result<()> {
        if crc != record.head.crc {
            return Err(self.view.damaged(record.offset, BAD_VALUE));
        }
        if let Some(touched) = &self.touched {
            touched.add(record.offset);
        }
        Ok(())
    }

    /// Reads the value into memory that has nothing in it.
    pub(super) fn read_value(&self, record: &Record, bytes: &mut HeapBytes) -> Result<()> {
        let origin = self.view.origin();
        // At most the file's length: the record ends below the tail.
        let len = usize::try_from(record.head.value_len).unwrap_or(usize::MAX);
        bytes.grow(len, origin)?;
        let room = bytes.spare_mut().get_mut(..len).unwrap_or_default();
        self.read_to(record, room)?;
        // SAFETY: read_to filled the room, which is the first `len` bytes of the spare memory.
        unsafe { bytes.filled(len) };
        Ok(())
    }

    fn read_to(&self, record: &Record, out: &mut [MaybeUninit<u8>]) -> Result<()> {
        self.view.read_raw(record.extent.value, out)?;
        if !self.is_unchecked(record) {
            return Ok(());
        }
        let mut crc = 0;
        if record.head.kind == RecordType::Tensor {
            let mut prefix = [0; PREFIX];
            self.view.read(record.extent.prefix, &mut prefix)?;
            crc = crc32c_of(crc, &prefix);
        }
        // SAFETY: `read_raw` filled all of it.
        let crc = unsafe { crc32c(crc, out.as_ptr().cast(), out.len()) };
        self.settle(record, crc)
    }
}
