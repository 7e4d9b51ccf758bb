//! Stores that simd-r-drive wrote, for reading.
//!
//! Such a file is a chain of entries, each of which names the end of the one before it. It has no
//! magic and no keys, only their hashes; nothing in it says which of four layouts it has. The
//! layout and the store's end are found as [`ForeignStore::open`] says. The file is never written,
//! locked or cut.

mod bytes;
mod chain;
mod copy;
mod iter;
mod layout;
mod search;

use std::cmp::Reverse;
use std::path::Path;

pub use copy::Copied;
pub use iter::{ForeignEntry, ForeignIter, ForeignOrder};
pub use layout::ForeignLayout;

use self::bytes::crc32;
use self::chain::Chain;
use self::layout::Entry;
use super::error::{Error, Result};
use crate::kernel;
use crate::map::{Data, DataOptions, RealStorage, Region, Storage};

/// A file of simd-r-drive, as it was when it was opened.
///
/// Values are lent from the map of the file for as long as this lives. They lie as the layout has
/// them: at multiples of 64 bytes at best, at any address in stores of before 0.14; who needs them
/// aligned copies them.
#[derive(Debug)]
pub struct ForeignStore {
    data: Data,
    layout: ForeignLayout,
    end: u64,
    /// Oldest first.
    entries: Vec<Entry>,
    /// The newest entry of each hash, by hash.
    newest: Vec<usize>,
    live: u64,
}

impl ForeignStore {
    /// Opens the file at `path`. An empty file is an empty store.
    ///
    /// Where several layouts fit, the one is taken in which the most values of a sample are what
    /// was written; where they are alike, the latest: then all of them have the same values at the
    /// same places. A chain that starts at the file's end is preferred if its newest value is what
    /// was written, or no other end keeps more such values; else the nearest earlier end with a
    /// sound newest value. What lies behind that end ([`ForeignStore::valid_bytes`]) was torn, and
    /// isn't read.
    ///
    /// # Errors
    /// [`Error::WrongFormat`] where there isn't one sound entry; the system's, out of memory, cut.
    pub fn open(path: &Path) -> Result<ForeignStore> {
        ForeignStore::open_on(&RealStorage, path)
    }

    /// As [`ForeignStore::open`], on a storage.
    ///
    /// # Errors
    /// As [`ForeignStore::open`].
    pub fn open_on(storage: &dyn Storage, path: &Path) -> Result<ForeignStore> {
        ForeignStore::from_data(Data::open_in(storage, path, &DataOptions::default())?)
    }

    /// As [`ForeignStore::open`], of bytes.
    ///
    /// # Errors
    /// As [`ForeignStore::open`].
    pub fn from_data(data: Data) -> Result<ForeignStore> {
        let chain = match data.len() {
            0 => Chain {
                layout: ForeignLayout::ALL[0],
                end: 0,
                entries: 0,
            },
            _ => search::find(&data)?.ok_or_else(|| Error::WrongFormat {
                origin: data.origin().clone(),
                why: "no entry of simd-r-drive in any of its four layouts".to_owned(),
            })?,
        };
        let entries = chain::collect(&data, &chain)?;
        let newest = newest_of(&entries, &data)?;
        let live = newest
            .iter()
            .filter(|number| entries.get(**number).is_some_and(|e| !e.is_deletion));
        let live = live.count() as u64;
        Ok(ForeignStore {
            data,
            layout: chain.layout,
            end: chain.end,
            entries,
            newest,
            live,
        })
    }

    /// How the file is laid out. Of stores that several layouts read alike, and of empty ones, it
    /// is the latest.
    #[must_use]
    pub fn layout(&self) -> ForeignLayout {
        self.layout
    }

    /// The bytes of the file that are the store's, from its start on.
    #[must_use]
    pub fn valid_bytes(&self) -> u64 {
        self.end
    }

    /// The file's length.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.data.len()
    }

    /// The number of entries, older versions and deletions included.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The number of keys that aren't deleted. Keys with one hash are one.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.live
    }

    /// Whether there is no key that isn't deleted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The newest value of a key, where there is one that isn't deleted; its checksum is compared
    /// each time. Stores of 0.1.0-alpha know no deletions: a value of one byte 00 there is told
    /// from one by nothing, and taken for one.
    ///
    /// # Errors
    /// [`Error::Record`] where the value isn't what was written; the system's, cut.
    pub fn get(&self, key: &[u8]) -> Result<Option<Region<'_>>> {
        self.get_hash(kernel::hash(key, 0))
    }

    /// As [`ForeignStore::get`], of the key with a hash: XXH3-64, of no seed.
    ///
    /// # Errors
    /// As [`ForeignStore::get`].
    pub fn get_hash(&self, hash: u64) -> Result<Option<Region<'_>>> {
        match self
            .newest(hash)
            .and_then(|number| self.entries.get(number))
        {
            Some(entry) if !entry.is_deletion => self.checked(entry).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether a key is there and not deleted. Its value isn't looked at.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        let newest = self.newest(kernel::hash(key, 0));
        newest
            .and_then(|number| self.entries.get(number))
            .is_some_and(|entry| !entry.is_deletion)
    }

    /// The number of the newest entry with a hash.
    fn newest(&self, hash: u64) -> Option<usize> {
        let place = self.newest.binary_search_by_key(&hash, |number| {
            self.entries.get(*number).map_or(0, |entry| entry.hash)
        });
        self.newest.get(place.ok()?).copied()
    }

    fn checked(&self, entry: &Entry) -> Result<Region<'_>> {
        let damaged = |why| Error::Record {
            origin: self.data.origin().clone(),
            offset: entry.start,
            why,
        };
        // By reading the file: of one that was cut it is an error, not a fault.
        let sum = crc32(&self.data, 0, entry.start, entry.value_end(self.layout))?;
        if !self.layout.is_crc(sum, entry) {
            return Err(damaged("its value isn't what its checksum says"));
        }
        let region = self.data.region();
        region
            .slice(entry.start, entry.len(self.layout))
            .ok_or_else(|| damaged("it doesn't lie in the file"))
    }
}

/// The newest of the entries of each hash, by hash.
fn newest_of(entries: &[Entry], data: &Data) -> Result<Vec<usize>> {
    let mut newest: Vec<usize> = Vec::new();
    newest.try_reserve_exact(entries.len()).map_err(|_| {
        let bytes = (entries.len() as u64).saturating_mul(size_of::<usize>() as u64);
        Error::out_of_memory(data.origin(), bytes)
    })?;
    newest.extend(0..entries.len());
    let hash = |number: usize| entries.get(number).map_or(0, |entry| entry.hash);
    newest.sort_unstable_by_key(|number| (hash(*number), Reverse(*number)));
    newest.dedup_by_key(|number| hash(*number));
    newest.shrink_to_fit();
    Ok(newest)
}
