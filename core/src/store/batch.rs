//! Writes that count together or not at all.

use super::error::{Error, Result};
use super::format::{
    End, Extent, HEAD, Head, Header, MAX_KEY, MAX_VALUE, RecordType, UNIT, durable_distance, put,
    round_up,
};
use super::tensor::encode;
use crate::dtype::DType;
use crate::kernel::{crc32c, crc32c_of};
use crate::map::{self, Origin, Region};
use crate::tensor::Shape;

/// Puts and deletes that are written together: after a crash all of them are there, or none.
///
/// Later entries for a key win.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records one after the other, as they lie in a log that aligns values at 64 bytes, but
    /// for values that are lent.
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    lent: Vec<Region<'static>>,
    /// That the hashes were made with.
    seed: Option<u64>,
}

/// A record to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Where its head stands in `bytes`: a multiple of 64.
    at: usize,
    pub(super) value_len: u64,
    pub(super) hash: u64,
    crc: u32,
    pub(super) kind: RecordType,
    key_len: u16,
    is_lent: bool,
    /// Where it goes in the log, once that is known.
    pub(super) offset: u64,
    /// Its bytes there, gaps included.
    pub(super) len: u64,
    /// The bytes of the record that it takes the place of, where that holds a live key.
    pub(super) replaced: u64,
}

/// From here on a single put is written from where it lies.
const WORTH_LENDING: usize = 4096;

/// Gaps are cut from this.
static ZEROS: [u8; 4096] = [0; 4096];

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Entries so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets all entries and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.lent.clear();
        self.seed = None;
    }

    /// Gives a key a value, which is copied.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::ValueTooLong`]; out of memory. The batch stays as it was.
    pub fn put(&mut self, key: &[u8], value: Region<'_>) -> Result<()> {
        self.copy(RecordType::Put, key, &[], value)
    }

    /// As [`Batch::put`], but the value stays the caller's.
    ///
    /// # Errors
    /// As [`Batch::put`]; [`map::Error::Unreadable`] where it is mapped from a file that was cut.
    ///
    /// # Safety
    /// The value's bytes stay readable and as they are until the batch is cleared or dropped.
    pub unsafe fn put_lent(&mut self, key: &[u8], value: Region<'_>) -> Result<()> {
        // SAFETY: as the caller promises.
        unsafe { self.lend(RecordType::Put, key, &[], value) }
    }

    /// Gives a key a tensor, which is copied: its elements in C order.
    ///
    /// # Errors
    /// As [`Batch::put`]; [`Error::Tensor`].
    pub fn put_tensor(
        &mut self,
        key: &[u8],
        dtype: DType,
        shape: &Shape,
        elements: Region<'_>,
    ) -> Result<()> {
        let prefix = encode(dtype, shape, elements.len() as u64)?;
        self.copy(RecordType::Tensor, key, &prefix, elements)
    }

    /// Takes a key away, whether it is there or not.
    ///
    /// # Errors
    /// As [`Batch::put`].
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.copy(RecordType::Delete, key, &[], Region::EMPTY)
    }

    /// A batch of one put, whose value is only copied where it is short.
    pub(super) fn of_put(key: &[u8], value: Region<'_>) -> Result<Batch> {
        Batch::of_one(RecordType::Put, key, &[], value)
    }

    /// As [`Batch::of_put`], of a tensor.
    pub(super) fn of_tensor(
        key: &[u8],
        dtype: DType,
        shape: &Shape,
        elements: Region<'_>,
    ) -> Result<Batch> {
        let prefix = encode(dtype, shape, elements.len() as u64)?;
        Batch::of_one(RecordType::Tensor, key, &prefix, elements)
    }

    fn of_one(kind: RecordType, key: &[u8], prefix: &[u8], value: Region<'_>) -> Result<Batch> {
        let mut batch = Batch::new();
        if value.len() < WORTH_LENDING {
            if !value.is_readable() {
                return Err(Error::Map(map::Error::unreadable(Origin::Memory, 0)));
            }
            batch.copy(kind, key, prefix, value)?;
        } else {
            // SAFETY: the batch is written and dropped by the call that has the value.
            unsafe { batch.lend(kind, key, prefix, value)? };
        }
        Ok(batch)
    }

    /// A batch of one put without its value, which is in the log already.
    pub(super) fn of_streamed(key: &[u8], value_len: u64, crc: u32) -> Result<Batch> {
        let mut batch = Batch::new();
        let (entry, extent) = batch.begin(RecordType::Put, key, Region::EMPTY)?;
        batch.open(&entry, &extent, key, &[], 0)?;
        batch.entries.push(Entry {
            value_len,
            crc,
            is_lent: true,
            ..entry
        });
        Ok(batch)
    }

    fn copy(
        &mut self,
        kind: RecordType,
        key: &[u8],
        prefix: &[u8],
        value: Region<'_>,
    ) -> Result<()> {
        let (entry, extent) = self.begin(kind, key, value)?;
        let start = self.open(&entry, &extent, key, prefix, value.len())?;
        let Some(room) = self.bytes.spare_capacity_mut().get_mut(..value.len()) else {
            return Err(self.give_up(&entry));
        };
        if !value.copy_to(0, room) {
            return Err(self.give_up(&entry));
        }
        let filled = self.bytes.len() + value.len();
        // SAFETY: `room` is the spare capacity's start, and copy_to wrote all of it.
        unsafe { self.bytes.set_len(filled) };
        let crc = crc32c_of(0, self.bytes.get(start..).unwrap_or_default());
        self.bytes.resize(round_up(filled as u64, UNIT) as usize, 0);
        self.entries.push(Entry { crc, ..entry });
        Ok(())
    }

    /// # Safety
    /// As for [`Batch::put_lent`].
    unsafe fn lend(
        &mut self,
        kind: RecordType,
        key: &[u8],
        prefix: &[u8],
        value: Region<'_>,
    ) -> Result<()> {
        let (entry, extent) = self.begin(kind, key, value)?;
        if !value.is_readable() {
            return Err(Error::Map(map::Error::unreadable(Origin::Memory, 0)));
        }
        let reserved = self.lent.try_reserve(1);
        reserved.map_err(|_| Error::out_of_memory(&Origin::Memory, 0))?;
        self.open(&entry, &extent, key, prefix, 0)?;
        // SAFETY: a region's bytes are readable.
        let crc = unsafe { crc32c(crc32c_of(0, prefix), value.as_ptr(), value.len()) };
        // SAFETY: the caller promises that they are as long as the batch has them.
        let value = unsafe { Region::new(value.as_ptr(), value.len()) };
        self.lent.push(value);
        let is_lent = true;
        self.entries.push(Entry {
            crc,
            is_lent,
            ..entry
        });
        Ok(())
    }

    /// The entry that comes next, and where its parts would lie in a log that starts with it.
    fn begin(&self, kind: RecordType, key: &[u8], value: Region<'_>) -> Result<(Entry, Extent)> {
        let key_len = check_key(key)?;
        let value_len = value.len() as u64;
        if value_len > MAX_VALUE {
            return Err(Error::ValueTooLong { len: value_len });
        }
        let entry = Entry {
            at: self.bytes.len(),
            value_len,
            hash: 0,
            crc: 0,
            kind,
            key_len,
            is_lent: false,
            offset: 0,
            len: 0,
            replaced: 0,
        };
        let extent = entry.head().extent(0, UNIT);
        Ok((entry, extent))
    }

    /// Adds what comes before a value, with room for `room` bytes of it; where its prefix starts.
    #[inline]
    fn open(
        &mut self,
        entry: &Entry,
        extent: &Extent,
        key: &[u8],
        prefix: &[u8],
        room: usize,
    ) -> Result<usize> {
        // A few bytes each but for the value, whose length is that of memory that is there.
        let before = extent.value as usize;
        let whole = before.saturating_add(room).saturating_add(UNIT as usize);
        let bytes = self.bytes.try_reserve(whole);
        if bytes.is_err() || self.entries.try_reserve(1).is_err() {
            return Err(Error::out_of_memory(&Origin::Memory, whole as u64));
        }
        self.seed = None;
        self.bytes.extend_from_slice(&[0; HEAD]);
        self.bytes.extend_from_slice(key);
        let start = entry.at + extent.prefix as usize;
        self.bytes.resize(start, 0);
        self.bytes.extend_from_slice(prefix);
        Ok(start)
    }

    #[cold]
    fn give_up(&mut self, entry: &Entry) -> Error {
        self.bytes.truncate(entry.at);
        Error::out_of_memory(&Origin::Memory, entry.value_len)
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    /// The key of one of the entries.
    #[inline]
    pub(super) fn key(&self, entry: &Entry) -> &[u8] {
        let start = entry.at + HEAD;
        let key = self.bytes.get(start..start + usize::from(entry.key_len));
        key.unwrap_or_default()
    }

    /// Hashes the keys, where that wasn't done for this log.
    pub(super) fn hash_keys(&mut self, header: &Header) {
        if self.seed == Some(header.seed) {
            return;
        }
        let Batch { bytes, entries, .. } = self;
        for entry in entries {
            let start = entry.at + HEAD;
            let key = bytes.get(start..start + usize::from(entry.key_len));
            entry.hash = header.hash(key.unwrap_or_default());
        }
        self.seed = Some(header.seed);
    }

    /// Bytes that the batch takes at most, with one gap before each value.
    pub(super) fn most_bytes(&self, align: u64) -> u64 {
        let gaps = (self.entries.len() as u64).saturating_mul(align.saturating_add(UNIT));
        let lent = self.entries.iter().filter(|entry| entry.is_lent);
        let lent = lent.map(|entry| entry.value_len);
        let lent = lent.fold(0, u64::saturating_add);
        gaps.saturating_add(self.bytes.len() as u64)
            .saturating_add(lent)
    }

    /// Fills in the heads for a log that ends with `end`, and returns where it ends then.
    pub(super) fn seal(&mut self, header: &Header, end: End, durable: u64) -> End {
        let Batch { bytes, entries, .. } = self;
        let (mut end, mut left) = (end, entries.len());
        for entry in entries {
            left -= 1;
            let offset = end.tail;
            let mut head = entry.head();
            head.is_last = left == 0;
            head.durable_distance = durable_distance(offset, durable);
            head.prev = end.last;
            let (sealed, next) = seal(header, end, &head);
            put(bytes, entry.at, &sealed);
            entry.offset = offset;
            entry.len = next.tail - offset;
            end = next;
        }
        end
    }

    /// Adds the bytes of the sealed records, in their order, to `pieces`.
    pub(super) fn gather<'a>(&'a self, align: u64, pieces: &mut Vec<Region<'a>>) -> Result<()> {
        let refused = |_| Error::out_of_memory(&Origin::Memory, 0);
        if self.lent.is_empty() && align == UNIT {
            pieces.try_reserve(1).map_err(refused)?;
            pieces.push(region(&self.bytes));
            return Ok(());
        }
        // Up to the value, a gap, what is here of the value, what is lent, a gap.
        let most = self.entries.len().saturating_mul(5);
        pieces.try_reserve(most).map_err(refused)?;
        let mut lent = self.lent.iter();
        let ends = self.entries.iter().skip(1).map(|next| next.at);
        for (entry, end) in self.entries.iter().zip(ends.chain([self.bytes.len()])) {
            let head = entry.head();
            let here = head.extent(0, UNIT).prefix as usize;
            let there = (head.extent(entry.offset, align).prefix - entry.offset) as usize;
            let bytes = self.bytes.get(entry.at..end).unwrap_or_default();
            let (before, value) = bytes.split_at_checked(here).unwrap_or((bytes, &[]));
            pieces.push(region(before));
            pieces.push(zeros(there.saturating_sub(here)));
            pieces.push(region(value));
            if entry.is_lent
                && let Some(&value) = lent.next()
            {
                pieces.push(value);
                let gap = round_up(entry.value_len, UNIT) - entry.value_len;
                pieces.push(zeros(gap as usize));
            }
        }
        Ok(())
    }
}

impl Entry {
    #[inline]
    fn head(&self) -> Head {
        Head {
            kind: self.kind,
            is_last: false,
            key_len: self.key_len,
            value_len: self.value_len,
            key_hash: self.hash,
            crc: self.crc,
            durable_distance: 0,
            chain: 0,
            prev: 0,
        }
    }
}

/// The bytes of a head behind `end`, with its chain, and the end behind its record.
#[inline]
pub(super) fn seal(header: &Header, end: End, head: &Head) -> ([u8; HEAD], End) {
    let mut bytes = head.encode();
    let chain = header.chain(end.chain, end.tail, &bytes);
    put(&mut bytes, 32, &chain.to_le_bytes());
    let next = End {
        tail: head.extent(end.tail, header.align()).end,
        last: end.tail,
        chain,
        records: end.records.saturating_add(1),
    };
    (bytes, next)
}

/// # Errors
/// [`Error::KeyTooLong`].
pub(super) fn check_key(key: &[u8]) -> Result<u16> {
    let len = key.len();
    debug_assert!(MAX_KEY == usize::from(u16::MAX));
    u16::try_from(len).map_err(|_| Error::KeyTooLong { len: len as u64 })
}

pub(super) fn region(bytes: &[u8]) -> Region<'_> {
    // SAFETY: the slice is readable for its own lifetime.
    unsafe { Region::new(bytes.as_ptr(), bytes.len()) }
}

/// Zeros for a gap of up to a page.
pub(super) fn zeros(len: usize) -> Region<'static> {
    debug_assert!(len <= ZEROS.len());
    region(ZEROS.get(..len).unwrap_or_default())
}
