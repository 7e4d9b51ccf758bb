//! The entries of a foreign store, one after the other.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::ops::Deref;

use super::ForeignStore;
use crate::map::Region;
use crate::store::error::Result;

/// The order of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForeignOrder {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first: as they lie in the file.
    Oldest,
}

/// An entry of a foreign store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignEntry {
    /// Its number, from 0 for the oldest.
    pub number: u64,
    /// The hash of its key, XXH3-64.
    pub hash: u64,
    /// Where its value starts in the file.
    pub offset: u64,
    /// The bytes of its value.
    pub len: u64,
    /// Whether it says that its key is deleted; its value is one byte 00.
    pub is_deletion: bool,
    /// Whether it is what its key has now: the newest with its hash, and no deletion.
    pub is_live: bool,
}

/// The entries of a [`ForeignStore`], which `S` borrows or shares.
#[derive(Clone, Debug)]
pub struct ForeignIter<S> {
    store: S,
    order: ForeignOrder,
    has_all: bool,
    /// The numbers that are left.
    left: std::ops::Range<u64>,
}

impl ForeignStore {
    /// The live entries, or all with older versions and deletions.
    #[must_use]
    pub fn iter(&self, order: ForeignOrder, has_all: bool) -> ForeignIter<&ForeignStore> {
        ForeignIter::new(self, order, has_all)
    }

    /// The entry with a number.
    #[must_use]
    pub fn entry(&self, number: u64) -> Option<ForeignEntry> {
        let place = usize::try_from(number).ok()?;
        let entry = self.entries.get(place)?;
        Some(ForeignEntry {
            number,
            hash: entry.hash,
            offset: entry.start,
            len: entry.len(self.layout),
            is_deletion: entry.is_deletion,
            is_live: !entry.is_deletion && self.newest(entry.hash) == Some(place),
        })
    }

    /// The value of the entry with a number, whether it is live or not; its checksum is compared.
    ///
    /// # Errors
    /// As [`ForeignStore::get`].
    pub fn value(&self, number: u64) -> Result<Option<Region<'_>>> {
        let place = usize::try_from(number).ok();
        match place.and_then(|place| self.entries.get(place)) {
            Some(entry) => self.checked(entry).map(Some),
            None => Ok(None),
        }
    }
}

impl<S: Deref<Target = ForeignStore>> ForeignIter<S> {
    /// As [`ForeignStore::iter`].
    pub fn new(store: S, order: ForeignOrder, has_all: bool) -> ForeignIter<S> {
        let left = 0..store.entries();
        ForeignIter {
            store,
            order,
            has_all,
            left,
        }
    }
}

impl<S: Deref<Target = ForeignStore>> Iterator for ForeignIter<S> {
    type Item = ForeignEntry;

    fn next(&mut self) -> Option<ForeignEntry> {
        loop {
            let number = match self.order {
                ForeignOrder::Newest => self.left.next_back(),
                ForeignOrder::Oldest => self.left.next(),
            };
            let entry = self.store.entry(number?)?;
            if self.has_all || entry.is_live {
                return Some(entry);
            }
        }
    }
}
