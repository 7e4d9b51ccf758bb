//! A new index from an old one and what came since: a merge of two sorted streams.

#![deny(clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::path::Path;
use std::sync::Arc;

use super::super::delta::Delta;
use super::super::error::{Error, Result};
use super::super::format::{End, Header, PAGE};
use super::base::{Base, Candidate};
use super::pages::{BUCKET_SLOTS, BUCKETS, FirstPage, SLOTS, seal_page, write_entry};
use super::{Entry, home};
use crate::map::{HeapBytes, Origin, Progress, Publication, Storage, SystemAllocator};

/// Pages that are written at a time: 1 MiB.
const PAGES: usize = 256;
/// Entries for each home bucket, of the four that it has room for.
const LOAD: u64 = 3;

/// What a new index is made from.
pub(crate) struct Build<'a> {
    pub(crate) header: &'a Header,
    /// All versions in `base` and `deltas` lie below its tail.
    pub(crate) covered: End,
    /// Live keys, as far as is known: where it is wrong, the work is done twice.
    pub(crate) live: u64,
    /// Bytes of their records: only passed on.
    pub(crate) live_bytes: u64,
    pub(crate) base: &'a Base,
    pub(crate) deltas: &'a [&'a Delta],
}

/// Whether the records at two offsets have the same key: asked only where their hashes are equal.
pub(crate) type SameKey<'a> = &'a mut dyn FnMut(u64, u64) -> Result<bool>;

/// Writes the index to `path`, whole or not at all. The log is synced up to the covered tail by the
/// caller. Memory is taken for the deltas' versions and a piece of the output.
pub(crate) fn publish_index(
    storage: &Arc<dyn Storage>,
    path: &Path,
    build: &Build<'_>,
    same_key: SameKey<'_>,
    progress: Progress<'_>,
) -> Result<()> {
    let origin = Origin::Path(path.to_owned());
    let made = build.run(&origin, same_key, progress, &mut |_| {
        Publication::create(Arc::clone(storage), path, true).map_err(Error::Map)
    });
    let (first, mut file) = made?;
    file.write(&first.encode(), 0)?;
    file.publish()?;
    Ok(())
}

/// The index in memory, for those who can't or mustn't write a file. `path` is what it is called in
/// messages.
pub(crate) fn build_on_heap(
    path: &Path,
    build: &Build<'_>,
    same_key: SameKey<'_>,
    progress: Progress<'_>,
) -> Result<Base> {
    let origin = Origin::Path(path.to_owned());
    let (first, heap) = build.run(&origin, same_key, progress, &mut |pages| {
        let mut heap = HeapBytes::new(Arc::new(SystemAllocator));
        // Overflow and the last page; what is more makes it grow.
        let pages = pages.saturating_add(pages / 64).saturating_add(2);
        let bytes = pages.saturating_mul(PAGE as u64);
        heap.grow(usize::try_from(bytes).unwrap_or(usize::MAX), &origin)?;
        // Nobody reads page 0 of an index in memory.
        heap.extend(&[0; PAGE]);
        Ok(heap)
    })?;
    Base::on_heap(origin, first, heap)
}

/// Where pages go, in their order.
trait Sink {
    fn write_pages(&mut self, pages: &[u8], offset: u64, origin: &Origin) -> Result<()>;
}

impl Sink for Publication {
    fn write_pages(&mut self, pages: &[u8], offset: u64, _: &Origin) -> Result<()> {
        Ok(self.write(pages, offset)?)
    }
}

impl Sink for HeapBytes {
    fn write_pages(&mut self, pages: &[u8], _: u64, origin: &Origin) -> Result<()> {
        let len = self.len().saturating_add(pages.len());
        if len > self.capacity() {
            self.grow(len.saturating_add(len / 8), origin)?;
        }
        self.extend(pages);
        Ok(())
    }
}

impl Build<'_> {
    /// Merges into what `make` gives for so many pages.
    fn run<S: Sink>(
        &self,
        origin: &Origin,
        same_key: SameKey<'_>,
        progress: Progress<'_>,
        make: &mut dyn FnMut(u64) -> Result<S>,
    ) -> Result<(FirstPage, S)> {
        let delta = self.sorted(origin)?;
        let most = self.base.live().saturating_add(delta.len() as u64);
        let mut live = self.live.min(most);
        loop {
            let buckets = live.div_ceil(LOAD).max(1);
            let mut merge = Merge {
                base: self.base,
                pages: Pages::new(self, buckets, make(buckets.div_ceil(BUCKETS))?, origin)?,
                same_key: &mut *same_key,
                progress: &mut *progress,
                group: Vec::new(),
                kept: Vec::new(),
                done: 0,
                all: most,
            };
            merge.run(&delta)?;
            let (first, sink) = merge.pages.finish()?;
            if first.live == live {
                return Ok((first, sink));
            }
            ::log::debug!(
                "{origin} has {} entries, not {live}: built again",
                first.live
            );
            live = first.live;
        }
    }

    /// All versions of the deltas in the order of (hash, offset).
    fn sorted(&self, origin: &Origin) -> Result<Vec<(u64, u64)>> {
        let mut versions: Vec<(u64, u64)> = Vec::new();
        let count = self.deltas.iter().map(|delta| delta.len()).sum();
        if versions.try_reserve_exact(count).is_err() {
            return Err(Error::out_of_memory(origin, count as u64 * 16));
        }
        for delta in self.deltas {
            for (hash, entry) in delta.entries() {
                if entry.offset >= self.covered.tail {
                    return Err(self.base.bad(
                        entry.offset,
                        "a version in memory lies behind the tail that the index is to cover",
                    ));
                }
                // Within what was reserved: a delta that is merged doesn't change.
                versions.push((hash, entry.word()));
            }
        }
        // One delta gives them nearly in order.
        if self.deltas.len() > 1 || !insert_in_order(&mut versions) {
            versions.sort_unstable();
        }
        Ok(versions)
    }
}

/// Sorts what is nearly sorted; false, and not sorted, where it wasn't: so that the time that this
/// takes doesn't grow faster than what there is.
fn insert_in_order(versions: &mut [(u64, u64)]) -> bool {
    let mut steps = versions.len().saturating_mul(16);
    for end in 1..versions.len() {
        let (Some(sorted), Some(left)) = (versions.get_mut(..=end), steps.checked_sub(1)) else {
            return false;
        };
        steps = left;
        let mut at = end;
        while let Some([before, new]) = sorted.get_mut(at.saturating_sub(1)..=at)
            && *before > *new
        {
            std::mem::swap(before, new);
            let Some(left) = steps.checked_sub(1) else {
                return false;
            };
            steps = left;
            at = at.saturating_sub(1);
        }
    }
    true
}

struct Merge<'a, S> {
    base: &'a Base,
    pages: Pages<'a, S>,
    same_key: SameKey<'a>,
    progress: Progress<'a>,
    /// Versions with one hash.
    group: Vec<Entry>,
    kept: Vec<Entry>,
    done: u64,
    all: u64,
}

impl<S: Sink> Merge<'_, S> {
    fn run(&mut self, delta: &[(u64, u64)]) -> Result<()> {
        let mut entries = self.base.entries();
        let mut from_base = entries.next().transpose()?;
        let mut groups = delta.chunk_by(|(one, _), (other, _)| one == other);
        let mut from_delta = groups.next();
        loop {
            let hash = match (from_base, from_delta.and_then(|group| group.first())) {
                (None, None) => return Ok(()),
                (Some(candidate), Some(&(hash, _))) if hash <= candidate.hash => hash,
                (None, Some(&(hash, _))) => hash,
                (Some(candidate), _) => {
                    self.put(candidate.hash, candidate.offset)?;
                    from_base = entries.next().transpose()?;
                    continue;
                }
            };
            let versions = from_delta.unwrap_or_default();
            from_delta = groups.next();
            let is_in_base = |entry: &Candidate| entry.hash == hash;
            if let [(_, word)] = versions
                && !from_base.as_ref().is_some_and(is_in_base)
            {
                let entry = Entry::of(*word);
                if !entry.is_deleted {
                    self.put(hash, entry.offset)?;
                }
                continue;
            }
            self.group.clear();
            for (_, word) in versions {
                self.add_to_group(Entry::of(*word))?;
            }
            while let Some(candidate) = from_base.filter(is_in_base) {
                self.add_to_group(Entry {
                    offset: candidate.offset,
                    is_deleted: false,
                })?;
                from_base = entries.next().transpose()?;
            }
            self.put_group(hash)?;
        }
    }

    fn add_to_group(&mut self, entry: Entry) -> Result<()> {
        reserve(&mut self.group, self.base)?;
        self.group.push(entry);
        Ok(())
    }

    /// Of each key with this hash its newest version, unless that takes it away.
    fn put_group(&mut self, hash: u64) -> Result<()> {
        self.group.sort_unstable_by_key(|entry| entry.word());
        self.kept.clear();
        for entry in self.group.iter().rev() {
            let mut is_older = false;
            for newer in &self.kept {
                is_older =
                    newer.offset == entry.offset || (self.same_key)(newer.offset, entry.offset)?;
                if is_older {
                    break;
                }
            }
            if !is_older {
                reserve(&mut self.kept, self.base)?;
                self.kept.push(*entry);
            }
        }
        while let Some(entry) = self.kept.pop() {
            if !entry.is_deleted {
                self.put(hash, entry.offset)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, hash: u64, offset: u64) -> Result<()> {
        self.pages.put(hash, offset)?;
        self.done += 1;
        if self.done.is_multiple_of(1 << 16) && !(self.progress)(self.done.min(self.all), self.all)
        {
            return Err(Error::Cancelled);
        }
        Ok(())
    }
}

fn reserve(entries: &mut Vec<Entry>, base: &Base) -> Result<()> {
    let reserved = entries.try_reserve(1);
    reserved.map_err(|_| Error::out_of_memory(base.origin(), entries.len() as u64 * 16))
}

/// The pages of an index as they are written, one after the other.
struct Pages<'a, S> {
    sink: S,
    origin: &'a Origin,
    first: FirstPage,
    /// The pages that aren't written yet.
    buffer: Vec<[u8; PAGE]>,
    /// The number of the first of them.
    number: u64,
    /// The first place that is free.
    next: u64,
}

impl<'a, S: Sink> Pages<'a, S> {
    fn new(build: &Build<'_>, buckets: u64, sink: S, origin: &'a Origin) -> Result<Pages<'a, S>> {
        let mut buffer = Vec::new();
        let reserved = buffer.try_reserve_exact(PAGES);
        reserved.map_err(|_| Error::out_of_memory(origin, (PAGES * PAGE) as u64))?;
        Ok(Pages {
            sink,
            origin,
            first: FirstPage {
                uuid: build.header.uuid,
                covered: build.covered,
                live: 0,
                live_bytes: build.live_bytes,
                buckets,
                pages: 0,
            },
            buffer,
            number: 1,
            next: 0,
        })
    }

    /// Entries come in the order of (hash, offset).
    #[inline]
    fn put(&mut self, hash: u64, offset: u64) -> Result<()> {
        let home = home(hash, self.first.buckets).saturating_mul(BUCKET_SLOTS);
        let place = self.next.max(home);
        self.next = place + 1;
        self.first.live += 1;
        let slot = usize::try_from(place % SLOTS as u64).unwrap_or(0);
        self.reach(place / SLOTS as u64 + 1)?;
        if let Some(page) = self.buffer.last_mut() {
            write_entry(page, slot, hash, offset);
        }
        Ok(())
    }

    /// Goes on until the page with this number is the last one.
    fn reach(&mut self, number: u64) -> Result<()> {
        while self.number + self.buffer.len() as u64 <= number {
            if self.buffer.len() == PAGES {
                self.flush()?;
            }
            self.buffer.push([0; PAGE]);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        for (page, number) in self.buffer.iter_mut().zip(self.number..) {
            seal_page(page, number, &self.first);
        }
        let offset = self.number * PAGE as u64;
        let pages = self.buffer.as_flattened();
        self.sink.write_pages(pages, offset, self.origin)?;
        self.number += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// All home buckets are there, even where nothing is in them.
    fn finish(mut self) -> Result<(FirstPage, S)> {
        self.reach(self.first.buckets.div_ceil(BUCKETS))?;
        self.flush()?;
        self.first.pages = self.number - 1;
        Ok((self.first, self.sink))
    }
}
