//! What a snapshot looks into.

use std::sync::Arc;

use super::super::delta::Delta;
use super::super::error::Result;
use super::super::format::Header;
use super::super::log::{Record, View};
use super::{Base, Entry};

/// The index of a log as far as a tail: the index file, a delta that is being merged into a new
/// one, and the delta that grows.
#[derive(Clone)]
pub(crate) struct IndexSet {
    pub(crate) base: Arc<Base>,
    pub(crate) frozen: Option<Arc<Delta>>,
    pub(crate) active: Arc<Delta>,
}

/// The newest record of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) record: Record,
    pub(crate) is_deleted: bool,
}

/// Keys that are looked for at the same time.
const GROUP: usize = 32;

impl IndexSet {
    /// The newest record below the view's tail with this key, a delete too.
    ///
    /// An [`Error::Index`](super::super::Error::Index) says that the index file is worthless; after
    /// an `Error::Record` it may be.
    #[inline]
    pub(crate) fn find(&self, view: &View, hash: u64, key: &[u8]) -> Result<Option<Found>> {
        let newest = self.newest(view, hash)?;
        self.check(view, hash, key, newest)
    }

    /// The newest record below the view's tail whose key has this hash: nearly always that of the
    /// key.
    #[inline]
    fn newest(&self, view: &View, hash: u64) -> Result<Option<Entry>> {
        let newest = newest_in(&self.active, view, hash);
        let newest = newest.or_else(|| newest_in(self.frozen.as_deref()?, view, hash));
        if newest.is_some() {
            return Ok(newest);
        }
        let first = self.base.first(hash)?;
        Ok(first.map(|candidate| Entry {
            offset: candidate.offset,
            is_deleted: false,
        }))
    }

    /// Of the newest record with the key's hash to that of the key.
    #[inline]
    fn check(
        &self,
        view: &View,
        hash: u64,
        key: &[u8],
        newest: Option<Entry>,
    ) -> Result<Option<Found>> {
        let Some(entry) = newest else {
            return Ok(None);
        };
        let record = view.record(entry.offset);
        let entry = match record {
            Ok(record) if record.head.key_hash == hash && view.has_key(&record, key)? => {
                return Ok(Some(Found {
                    record,
                    is_deleted: entry.is_deleted,
                }));
            }
            _ => self.search(view, hash, key)?,
        };
        let Some(entry) = entry else { return Ok(None) };
        Ok(Some(Found {
            record: view.record(entry.offset)?,
            is_deleted: entry.is_deleted,
        }))
    }

    /// Looks at all records with this hash.
    #[cold]
    fn search(&self, view: &View, hash: u64, key: &[u8]) -> Result<Option<Entry>> {
        for delta in [Some(&self.active), self.frozen.as_ref()]
            .into_iter()
            .flatten()
        {
            let mut newest: Option<Entry> = None;
            for entry in delta.candidates(hash, view.tail) {
                let is_newer = newest.is_none_or(|newest| newest.offset < entry.offset);
                if is_newer && has_key(view, entry.offset, hash, key)? {
                    newest = Some(entry);
                }
            }
            if newest.is_some() {
                return Ok(newest);
            }
        }
        for candidate in self.base.candidates(hash) {
            let candidate = candidate?;
            if has_key(view, candidate.offset, hash, key)? {
                return Ok(Some(Entry {
                    offset: candidate.offset,
                    is_deleted: false,
                }));
            }
            let record = view.record(candidate.offset)?;
            if record.head.key_hash != candidate.hash {
                let why = "an entry names a record that has another hash";
                return Err(self.base.bad(candidate.at, why));
            }
        }
        Ok(None)
    }

    /// As [`IndexSet::find`], of the keys that `key` gives for the numbers of `found`'s places:
    /// many at a time, so that their cache misses are waited for together.
    pub(crate) fn find_many<'k>(
        &self,
        view: &View,
        header: &Header,
        mut key: impl FnMut(usize) -> &'k [u8],
        found: &mut [Option<Found>],
    ) -> Result<()> {
        let mut first = 0;
        for group in found.chunks_mut(GROUP) {
            let mut keys = [(0, &[][..], None); GROUP];
            let keys = keys.get_mut(..group.len()).unwrap_or_default();
            for (number, (hash, bytes, _)) in keys.iter_mut().enumerate() {
                *bytes = key(first + number);
                *hash = header.hash(bytes);
                self.prefetch(*hash);
            }
            for (hash, _, newest) in keys.iter_mut() {
                *newest = self.newest(view, *hash)?;
                if let Some(newest) = newest {
                    view.prefetch(newest.offset);
                }
            }
            for (found, (hash, key, newest)) in group.iter_mut().zip(keys) {
                *found = self.check(view, *hash, key, *newest)?;
            }
            first += group.len();
        }
        Ok(())
    }

    /// Brings closer what a look-up for the hash looks at first.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        self.active.prefetch(hash);
        if let Some(frozen) = &self.frozen {
            frozen.prefetch(hash);
        }
        self.base.prefetch(hash);
    }
}

/// The newest version below the view's tail in a delta.
#[inline]
fn newest_in(delta: &Delta, view: &View, hash: u64) -> Option<Entry> {
    if delta.len() == 0 {
        return None;
    }
    let candidates = delta.candidates(hash, view.tail);
    candidates.max_by_key(|entry| entry.offset)
}

/// Whether the record at an offset, which may be any number, has this key.
fn has_key(view: &View, offset: u64, hash: u64, key: &[u8]) -> Result<bool> {
    let record = view.record(offset)?;
    Ok(record.head.key_hash == hash && view.has_key(&record, key)?)
}
