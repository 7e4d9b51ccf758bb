//! The part of the index in memory: versions of keys that the index file doesn't have yet.
//!
//! One writer adds versions while readers look others up, without a lock. A version is never taken
//! out; one that no snapshot can see any more is written over by a newer one of its key. A reader
//! sees what lies below its tail: what is being added lies above all tails.

use super::index::{Entry, home};
use super::live::LiveTails;
use super::sync::{AtomicU64, Ordering, Words, prefetch};

/// Versions in a bucket, which fills a cache line.
const SLOTS: usize = 4;
/// Words of a bucket: a hash and a place each.
const WORDS: usize = 2 * SLOTS;

/// An open-addressing table of (hash, place). A place of 0 is empty, and ends a search.
pub(crate) struct Delta {
    words: Words,
    buckets: usize,
    len: AtomicU64,
}

/// A version and where it stands.
struct Slot<'a> {
    hash: &'a AtomicU64,
    place: &'a AtomicU64,
}

impl Delta {
    /// Room for about 0.6 x `slots` versions; none: out of memory.
    pub(crate) fn new(slots: usize) -> Option<Delta> {
        let buckets = slots.div_ceil(SLOTS).max(1);
        Some(Delta {
            words: Words::zeroed(buckets.checked_mul(WORDS)?)?,
            buckets,
            len: AtomicU64::new(0),
        })
    }

    /// Versions in it.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.len.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Versions that it takes.
    pub(crate) fn capacity(&self) -> usize {
        // One place at least stays empty, so that every search ends.
        (self.buckets * SLOTS) / 5 * 3 + 2
    }

    /// Its memory.
    pub(crate) fn bytes(&self) -> u64 {
        size_of_val::<[AtomicU64]>(&self.words) as u64
    }

    /// All versions of the keys with this hash below `tail`, in any order.
    #[inline]
    pub(crate) fn candidates(&self, hash: u64, tail: u64) -> impl Iterator<Item = Entry> {
        self.search(hash)
            .map(|(_, place)| Entry::of(place))
            .filter(move |entry| entry.offset < tail)
    }

    /// Adds a version; false where it is full. By the one writer.
    #[must_use]
    pub(crate) fn insert(&self, hash: u64, entry: Entry) -> bool {
        let len = self.len.load(Ordering::Relaxed);
        if len >= self.capacity() as u64 {
            return false;
        }
        let mut slots = self.slots(hash);
        let slot = loop {
            match slots.next() {
                Some(slot) if slot.place.load(Ordering::Relaxed) != 0 => {}
                Some(slot) => break slot,
                None => return false,
            }
        };
        // A reader that sees the place sees its hash.
        slot.hash.store(hash, Ordering::Relaxed);
        slot.place.store(entry.word(), Ordering::Release);
        self.len.store(len + 1, Ordering::Relaxed);
        true
    }

    /// Writes a version over another of the same key, which no snapshot can see any more. By the
    /// one writer; false where the other isn't there.
    pub(crate) fn replace(&self, hash: u64, old: Entry, new: Entry) -> bool {
        let mut found = self.search(hash);
        let slot = found.find(|&(_, place)| place == old.word());
        if let Some((slot, _)) = &slot {
            slot.place.store(new.word(), Ordering::Release);
        }
        slot.is_some()
    }

    /// Adds the newest version of a key, over one that no snapshot can see any more where there is
    /// one. `has_key` tells whether the record at an offset has the key; all snapshots to come have
    /// tails of `published` and above (`u64::MAX` while there can be none). False where it is full.
    /// By the one writer.
    pub(crate) fn enter<E>(
        &self,
        hash: u64,
        new: Entry,
        published: u64,
        live: &LiveTails,
        mut has_key: impl FnMut(u64) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let mut versions = Vec::new();
        for version in self.candidates(hash, u64::MAX) {
            // Without memory it takes a place of its own.
            if has_key(version.offset)? && versions.try_reserve(1).is_ok() {
                versions.push(version);
            }
        }
        Ok(match unseen(&mut versions, new, published, live) {
            Some(old) => self.replace(hash, old, new),
            None => self.insert(hash, new),
        })
    }

    /// Brings closer what a search for the hash looks at first.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        if let Some(first) = self.words.get(self.home(hash) * WORDS) {
            prefetch(first);
        }
    }

    /// All versions with their hashes, about in the order of the hashes.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u64, Entry)> {
        let (pairs, _) = self.words.as_chunks();
        let places = pairs.iter();
        let places = places.map(|[hash, place]| (place.load(Ordering::Acquire), hash));
        let taken = places.filter(|(place, _)| *place != 0);
        taken.map(|(place, hash)| (hash.load(Ordering::Relaxed), Entry::of(place)))
    }

    /// A copy with room for more; none: out of memory, or no room for what is here.
    pub(crate) fn grown(&self, slots: usize) -> Option<Delta> {
        let grown = Delta::new(slots)?;
        let mut entries = self.entries();
        entries
            .all(|(hash, entry)| grown.insert(hash, entry))
            .then_some(grown)
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        // Less than `buckets`.
        home(hash, self.buckets as u64) as usize
    }

    /// The slots with this hash, and their places: each loaded once.
    #[inline]
    fn search(&self, hash: u64) -> Search<'_> {
        Search {
            slots: self.slots(hash),
            hash,
        }
    }

    /// All slots, from where a search for the hash starts.
    #[inline]
    fn slots(&self, hash: u64) -> Slots<'_> {
        Slots {
            pairs: self.words.as_chunks().0,
            next: self.home(hash) * SLOTS,
            left: self.buckets * SLOTS,
        }
    }
}

/// Slots, in the order of a search.
struct Slots<'a> {
    pairs: &'a [[AtomicU64; 2]],
    next: usize,
    left: usize,
}

impl<'a> Iterator for Slots<'a> {
    type Item = Slot<'a>;

    #[inline]
    fn next(&mut self) -> Option<Slot<'a>> {
        self.left = self.left.checked_sub(1)?;
        if self.next >= self.pairs.len() {
            self.next = 0;
        }
        let [hash, place] = self.pairs.get(self.next)?;
        self.next += 1;
        Some(Slot { hash, place })
    }
}

/// Slots with a hash. What is found was inserted with it: its place was seen first.
struct Search<'a> {
    slots: Slots<'a>,
    hash: u64,
}

impl<'a> Iterator for Search<'a> {
    type Item = (Slot<'a>, u64);

    #[inline]
    fn next(&mut self) -> Option<(Slot<'a>, u64)> {
        loop {
            let slot = self.slots.next()?;
            match slot.place.load(Ordering::Acquire) {
                0 => return None,
                place if slot.hash.load(Ordering::Relaxed) == self.hash => {
                    return Some((slot, place));
                }
                _ => {}
            }
        }
    }
}

/// One of a key's versions that no snapshot can see: the next newer one was published before the
/// snapshots that are to come, and none that lives has its tail between the two.
fn unseen(versions: &mut [Entry], new: Entry, published: u64, live: &LiveTails) -> Option<Entry> {
    versions.sort_unstable_by_key(|version| version.offset);
    let newer = versions.iter().skip(1).chain([&new]);
    let mut pairs = versions.iter().zip(newer);
    let (old, _) = pairs
        .find(|(old, newer)| newer.offset < published && !live.any_in(old.offset, newer.offset))?;
    Some(*old)
}
