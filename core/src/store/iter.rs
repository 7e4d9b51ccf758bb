//! Entries one by one, in the order of the log or the other way.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::sync::Arc;

use super::error::{Error, Result};
use super::format::{End, FIRST, HEAD, RecordType};
use super::log::Record;
use super::snapshot::{Seen, Snapshot};
use crate::map::{HeapBytes, Region, SystemAllocator};

/// In which order entries come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// What was written last comes first.
    #[default]
    Newest,
    /// What was written first comes first.
    Log,
}

/// What to go through: by default what is live, newest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct IterOptions<'a> {
    /// In which order.
    pub order: Order,
    /// Overwritten values and deletions too.
    pub all_versions: bool,
    /// Only keys that start with these bytes. All records are read all the same.
    pub prefix: Option<&'a [u8]>,
}

/// An entry.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Its key.
    pub key: Region<'a>,
    /// Its value; nothing for a deletion.
    pub value: Region<'a>,
    /// Where in the file its record starts.
    pub offset: u64,
    /// It is what its key has in the snapshot.
    pub is_live: bool,
    /// The key was deleted here.
    pub is_tombstone: bool,
    /// It was stored as a tensor, whose elements the value is.
    pub is_tensor: bool,
}

/// Goes through the entries of a snapshot, and keeps what it needs of it.
///
/// Each record is checked as recovery does it, by its chain, and its value as the options of the
/// store say. The first that is damaged is told as an error, and is the end.
#[derive(Debug)]
pub struct Iter {
    walk: Walk,
    all_versions: bool,
    prefix: Option<Vec<u8>>,
    key: Vec<u8>,
    value: HeapBytes,
}

/// Records one by one.
#[derive(Debug)]
struct Walk {
    seen: Arc<Seen>,
    order: Order,
    /// Of the last record by [`Order::Log`]; of the one before it by [`Order::Newest`].
    at: End,
    /// The record behind `at`, by [`Order::Newest`].
    later: Option<Record>,
    is_done: bool,
}

impl Snapshot {
    /// Goes through the entries.
    ///
    /// # Errors
    /// Out of memory.
    pub fn iter(&self, options: &IterOptions<'_>) -> Result<Iter> {
        let own = options
            .prefix
            .map(|bytes| copy(bytes, &self.seen))
            .transpose()?;
        Ok(Iter {
            walk: Walk::new(Arc::clone(&self.seen), options.order),
            all_versions: options.all_versions,
            prefix: own,
            key: Vec::new(),
            value: memory_for_value(&self.seen),
        })
    }

    /// The entry written last, of those that are live.
    ///
    /// # Errors
    /// As [`Snapshot::get`].
    pub fn last(&self) -> Result<Option<Item<'_>>> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut walk = Walk::new(Arc::clone(&self.seen), Order::Newest);
        let mut key = Vec::new();
        while let Some(record) = walk.next()? {
            if !record.head.kind.has_value() {
                continue;
            }
            self.seen.key(&record, &mut key)?;
            if !self.seen.is_live(&record, &key)? {
                continue;
            }
            let key = match self.seen.mapped_key(&record) {
                Some(key) => key,
                None => self.keep_copy(&key)?,
            };
            let value = self.lend(&record)?;
            return Ok(Some(item(&record, key, value.region, true)));
        }
        Ok(None)
    }
}

impl Iter {
    /// The next entry, which is good until the next call; none at the end.
    ///
    /// # Errors
    /// As [`Snapshot::get`], once.
    #[expect(
        clippy::should_implement_trait,
        reason = "what it lends ends with the next call"
    )]
    pub fn next(&mut self) -> Result<Option<Item<'_>>> {
        let found = self.find();
        if !matches!(found, Ok(Some(_))) {
            self.walk.is_done = true;
        }
        let Some((record, is_live)) = found? else {
            return Ok(None);
        };
        let seen = &*self.walk.seen;
        let value = match value(seen, &record, &mut self.value) {
            Ok(value) => value,
            Err(error) => {
                self.walk.is_done = true;
                return Err(error);
            }
        };
        let key = seen.mapped_key(&record);
        // SAFETY: the slice is readable for its own lifetime.
        let own = unsafe { Region::new(self.key.as_ptr(), self.key.len()) };
        let key = key.unwrap_or(own);
        Ok(Some(item(&record, key, value, is_live)))
    }

    /// The next record that is asked for, and whether it is live; its key is in `self.key`.
    fn find(&mut self) -> Result<Option<(Record, bool)>> {
        while let Some(record) = self.walk.next()? {
            let seen = &*self.walk.seen;
            let is_entry = record.head.kind != RecordType::Epoch;
            if !is_entry || !(self.all_versions || record.head.kind.has_value()) {
                continue;
            }
            seen.key(&record, &mut self.key)?;
            if let Some(prefix) = &self.prefix
                && !self.key.starts_with(prefix)
            {
                continue;
            }
            let is_live = record.head.kind.has_value() && seen.is_live(&record, &self.key)?;
            if is_live || self.all_versions {
                return Ok(Some((record, is_live)));
            }
        }
        Ok(None)
    }
}

impl Walk {
    fn new(seen: Arc<Seen>, order: Order) -> Walk {
        let at = match order {
            Order::Newest => seen.mark.end,
            Order::Log => End::start(&seen.header),
        };
        Walk {
            seen,
            order,
            at,
            later: None,
            is_done: false,
        }
    }

    /// The next record. After an error there is none.
    fn next(&mut self) -> Result<Option<Record>> {
        if self.is_done {
            return Ok(None);
        }
        let next = match self.order {
            Order::Newest => self.back(),
            Order::Log => self.forward(),
        };
        self.is_done = !matches!(next, Ok(Some(_)));
        next
    }

    fn forward(&mut self) -> Result<Option<Record>> {
        let Seen { view, header, .. } = &*self.seen;
        let offset = self.at.tail;
        if offset >= view.tail {
            return Ok(None);
        }
        let record = view.record(offset)?;
        if record.head.prev != self.at.last {
            return Err(view.damaged(offset, "it doesn't follow the one before"));
        }
        if header.chain(self.at.chain, offset, &record.head.encode()) != record.head.chain {
            return Err(view.damaged(offset, BAD_CHAIN));
        }
        self.at = End {
            tail: record.extent.end,
            last: offset,
            chain: record.head.chain,
            records: self.at.records.saturating_add(1),
        };
        Ok(Some(record))
    }

    fn back(&mut self) -> Result<Option<Record>> {
        let Seen { view, header, .. } = &*self.seen;
        let offset = self.at.last;
        if offset == 0 {
            return self.check_first().map(|()| None);
        }
        let behind = self.later.map_or(view.tail, |later| later.offset);
        let from = self.later.map_or(view.tail, |later| later.offset);
        if offset < FIRST || offset >= behind {
            return Err(view.damaged(from, BAD_LINK));
        }
        let record = view.record(offset)?;
        if record.extent.end != behind {
            return Err(view.damaged(from, BAD_LINK));
        }
        let is_chained = match &self.later {
            None => record.head.chain == self.at.chain,
            Some(later) => {
                let chain = header.chain(record.head.chain, later.offset, &later.head.encode());
                chain == later.head.chain
            }
        };
        if !is_chained {
            // Which of the two it is can't be told: the one whose chain it is.
            return Err(view.damaged(from.min(self.seen.mark.end.last), BAD_CHAIN));
        }
        self.at.last = record.head.prev;
        self.later = Some(record);
        Ok(Some(record))
    }

    /// Whether the record that says it is the first one is.
    fn check_first(&self) -> Result<()> {
        let Seen { view, header, .. } = &*self.seen;
        let Some(first) = &self.later else {
            return Ok(());
        };
        let chain = header.chain(header.chain_start(), first.offset, &first.head.encode());
        if first.offset != FIRST {
            return Err(view.damaged(first.offset, BAD_LINK));
        }
        if chain != first.head.chain {
            return Err(view.damaged(first.offset, BAD_CHAIN));
        }
        Ok(())
    }
}

const BAD_LINK: &str = "it names another place for the record before than there is one";
const BAD_CHAIN: &str = "its chain is wrong";

impl Seen {
    fn mapped_key(&self, record: &Record) -> Option<Region<'_>> {
        let at = record.offset.saturating_add(HEAD as u64);
        self.view.region(at, u64::from(record.head.key_len))
    }

    /// A copy of a record's key, which must be what it was when it was written.
    fn key(&self, record: &Record, key: &mut Vec<u8>) -> Result<()> {
        self.view.key(record, key)?;
        if self.header.hash(key) == record.head.key_hash {
            return Ok(());
        }
        let why = "its key doesn't fit its hash";
        Err(self.view.damaged(record.offset, why))
    }

    /// Whether a record is what its key has.
    fn is_live(&self, record: &Record, key: &[u8]) -> Result<bool> {
        let hash = record.head.key_hash;
        let found = self.index.find(&self.view, hash, key)?;
        Ok(found.is_some_and(|found| !found.is_deleted && found.record.offset == record.offset))
    }
}

/// The value of a record, mapped or read to `memory`.
fn value<'a>(seen: &'a Seen, record: &Record, memory: &'a mut HeapBytes) -> Result<Region<'a>> {
    if !record.head.kind.has_value() {
        return Ok(Region::EMPTY);
    }
    if let Some(region) = seen.mapped(record)? {
        return Ok(region);
    }
    memory.clear();
    seen.read_value(record, memory)?;
    Ok(memory.region())
}

fn item<'a>(record: &Record, key: Region<'a>, value: Region<'a>, is_live: bool) -> Item<'a> {
    Item {
        key,
        value,
        offset: record.offset,
        is_live,
        is_tombstone: record.head.kind == RecordType::Delete,
        is_tensor: record.head.kind == RecordType::Tensor,
    }
}

impl Snapshot {
    fn keep_copy(&self, key: &[u8]) -> Result<Region<'_>> {
        let mut bytes = HeapBytes::new(Arc::new(SystemAllocator));
        bytes.grow(key.len(), self.seen.view.origin())?;
        bytes.extend(key);
        self.keep(bytes)
    }
}

fn memory_for_value(seen: &Seen) -> HeapBytes {
    let align = usize::try_from(seen.view.align()).unwrap_or(usize::MAX);
    HeapBytes::aligned(Arc::new(SystemAllocator), align)
}

fn copy(bytes: &[u8], seen: &Seen) -> Result<Vec<u8>> {
    let mut own = Vec::new();
    let reserved = own.try_reserve_exact(bytes.len());
    reserved.map_err(|_| Error::out_of_memory(seen.view.origin(), bytes.len() as u64))?;
    own.extend_from_slice(bytes);
    Ok(own)
}
