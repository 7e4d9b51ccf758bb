//! The pages that tensors lie in: fetched ahead, let go, kept in memory.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::collections::{HashMap, TryReserveError};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use super::error::{Error, Result};
use super::table::Tensors;
use super::weights::Model;
use crate::map::{self, LockedRange, Origin, Owner, Release, Residency};

/// Neighbours with no more between them are fetched as one.
const NEAR: u64 = 64 << 10;

/// What a model knows of its pages: made when it is first asked for.
///
/// A forked child has only the thread that forked: what another one was at here stays undone there.
#[derive(Debug)]
pub(super) struct Pages {
    layout: OnceLock<Layout>,
    /// The locks of each tensor that has any.
    locks: Mutex<Locks>,
    owner: Owner,
}

type Locks = HashMap<usize, Vec<LockedRange>>;

/// What takes memory by the number of tensors, which a file says.
type Reserved<T> = std::result::Result<T, TryReserveError>;

impl Default for Pages {
    fn default() -> Pages {
        Pages {
            layout: OnceLock::new(),
            locks: Mutex::default(),
            owner: Owner::this_process(),
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // Nobody else has it, so that only a thread that isn't in this process can hold the locks,
        // in the midst of changing them.
        if matches!(self.locks.try_lock(), Err(TryLockError::WouldBlock)) {
            let locks = self.locks.get_mut();
            let locks = locks.unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(std::mem::take(locks));
        }
    }
}

/// Where the tensors lie, in the order of their bytes; those without bytes aren't among them.
#[derive(Debug)]
struct Layout {
    places: Vec<Place>,
    /// The tensor of each place.
    indices: Vec<usize>,
    /// The place of each tensor; none where it has no bytes.
    places_of: Vec<Option<u32>>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    file: u32,
    start: u64,
    /// Where it ends, before the next starts: files with tensors that overlap don't open.
    end: u64,
    /// Whether it is known where it ends: of a type that isn't, it may reach up to the next.
    known: bool,
}

impl Layout {
    fn of(tensors: &Tensors) -> Reserved<Layout> {
        let mut order: Vec<(Place, usize)> = Vec::new();
        order.try_reserve_exact(tensors.len())?;
        for index in 0..tensors.len() {
            let entry = tensors.get(index);
            let Some(entry) = entry.filter(|entry| !tensors.dims(entry).contains(&0)) else {
                continue;
            };
            let place = Place {
                file: entry.file,
                start: entry.offset,
                end: entry.offset.saturating_add(entry.bytes),
                known: entry.dtype.is_some(),
            };
            order.push((place, index));
        }
        order.sort_unstable_by_key(|(place, _)| (place.file, place.start));
        let mut places_of: Vec<Option<u32>> = Vec::new();
        places_of.try_reserve_exact(tensors.len())?;
        places_of.resize(tensors.len(), None);
        let (mut places, mut indices) = (Vec::new(), Vec::new());
        places.try_reserve_exact(order.len())?;
        indices.try_reserve_exact(order.len())?;
        for (number, (place, index)) in order.into_iter().enumerate() {
            if let Some(own) = places_of.get_mut(index) {
                *own = u32::try_from(number).ok();
            }
            places.push(place);
            indices.push(index);
        }
        Ok(Layout {
            places,
            indices,
            places_of,
        })
    }

    /// The stretches of files whose bytes are given tensors' and nobody else's; between two given
    /// neighbours what pads them too.
    fn alone(&self, indices: &[usize]) -> Reserved<Vec<(u32, Range<u64>)>> {
        let mut given: Vec<u32> = Vec::new();
        given.try_reserve_exact(indices.len())?;
        given.extend(
            indices
                .iter()
                .filter_map(|&index| self.places_of.get(index).copied().flatten()),
        );
        given.sort_unstable();
        given.dedup();
        let mut stretches = Vec::new();
        stretches.try_reserve(given.len())?;
        let follows = |a: &u32, b: &u32| {
            let same = self.at(*a).zip(self.at(*b));
            a.checked_add(1) == Some(*b) && same.is_some_and(|(a, b)| a.file == b.file)
        };
        for run in given.chunk_by(follows) {
            let (Some(&first), Some(&last)) = (run.first(), run.last()) else {
                continue;
            };
            let (Some(begin), Some(end)) = (self.at(first), self.at(last)) else {
                continue;
            };
            if begin.start < end.end {
                stretches.push((begin.file, begin.start..end.end));
            }
        }
        Ok(stretches)
    }

    fn at(&self, number: u32) -> Option<&Place> {
        self.places.get(usize::try_from(number).ok()?)
    }
}

impl Model {
    fn with_layout<T>(&self, work: impl FnOnce(&Layout) -> Reserved<T>) -> Result<T> {
        self.reserved(|| {
            let layout = &self.pages.layout;
            if let Some(layout) = layout.get() {
                return work(layout);
            }
            let made = Layout::of(&self.tensors)?;
            if self.pages.owner.is_this_process() {
                return work(layout.get_or_init(|| made));
            }
            // Not kept: a thread of the parent may have been about to, and would be waited for.
            work(&made)
        })
    }

    fn reserved<T>(&self, work: impl FnOnce() -> Reserved<T>) -> Result<T> {
        work().map_err(|_| self.no_memory(self.tensors.len()))
    }

    /// The locks of this process's own model.
    fn locks(&self) -> Result<MutexGuard<'_, Locks>> {
        if !self.pages.owner.is_this_process() {
            let origin = self.any_origin();
            return Err(map::Error::Forked { origin }.into());
        }
        // Changed by code that doesn't panic.
        let locks = self.pages.locks.lock();
        Ok(locks.unwrap_or_else(PoisonError::into_inner))
    }

    /// Every tensor that has bytes and where they lie in its file, in the order of the files; those
    /// of a type that isn't known end where the next begins.
    pub(super) fn stretches(&self) -> Result<Vec<(usize, Range<u64>)>> {
        self.with_layout(|layout| self.stretches_in(layout))
    }

    fn stretches_in(&self, layout: &Layout) -> Reserved<Vec<(usize, Range<u64>)>> {
        let mut stretches = Vec::new();
        stretches.try_reserve_exact(layout.places.len())?;
        for (number, (place, &index)) in layout.places.iter().zip(&layout.indices).enumerate() {
            let next = layout.places.get(number.saturating_add(1));
            let end = match next.filter(|next| next.file == place.file) {
                _ if place.known => place.end,
                Some(next) => next.start,
                None => {
                    let file = self.files.get(place.file as usize);
                    file.map_or(place.end, |data| data.len().max(place.end))
                }
            };
            stretches.push((index, place.start..end));
        }
        Ok(stretches)
    }

    /// Starts reading these tensors from the disk, neighbours together, and returns at once.
    ///
    /// # Errors
    /// [`Error::NoTensor`], before anything is read.
    pub fn prefetch(&self, indices: &[usize]) -> Result<()> {
        let (mut ranges, mut joined) = (Vec::new(), Vec::<(u32, Range<u64>)>::new());
        self.reserved(|| ranges.try_reserve_exact(indices.len()))?;
        for &index in indices {
            let entry = self.entry(index)?;
            if entry.bytes > 0 {
                ranges.push((entry.file, entry.offset, entry.bytes));
            }
        }
        ranges.sort_unstable();
        self.reserved(|| joined.try_reserve_exact(ranges.len()))?;
        for (file, start, bytes) in ranges {
            let end = start.saturating_add(bytes);
            match joined.last_mut() {
                Some((last, range)) if *last == file && start <= range.end.saturating_add(NEAR) => {
                    range.end = range.end.max(end);
                }
                _ => joined.push((file, start..end)),
            }
        }
        for (file, range) in joined {
            let Some(data) = self.files.get(file as usize) else {
                continue;
            };
            data.prefetch(range.start, range.end.saturating_sub(range.start))?;
        }
        Ok(())
    }

    /// Lets go of the pages that belong to these tensors alone and tells how many bytes were freed.
    /// A page that another tensor or the header shares stays, and so do locked ones; one that only
    /// given tensors share goes. The kernel drops its cache of a file by the pieces in which it
    /// was read or written, of up to 2 MiB, whole: give tensors together.
    ///
    /// # Errors
    /// [`Error::NoTensor`], before anything is let go; the system's.
    pub fn release(&self, indices: &[usize], what: Release) -> Result<u64> {
        for &index in indices {
            self.entry(index)?;
        }
        let mut freed: u64 = 0;
        for (file, range) in self.with_layout(|layout| layout.alone(indices))? {
            let Some(data) = self.files.get(file as usize) else {
                continue;
            };
            let len = range.end.saturating_sub(range.start);
            freed = freed.saturating_add(data.release(range.start, len, what)?);
        }
        Ok(freed)
    }

    /// Which bytes of these tensors are in memory, in whole pages: a page that two of them share
    /// counts twice.
    ///
    /// # Errors
    /// [`Error::NoTensor`], the system's.
    pub fn residency(&self, indices: &[usize]) -> Result<Residency> {
        let mut sum = Residency::default();
        for &index in indices {
            let entry = self.entry(index)?;
            if entry.bytes == 0 {
                continue;
            }
            let found = self.data_of(entry)?.residency(entry.offset, entry.bytes)?;
            sum.total = sum.total.saturating_add(found.total);
            sum.resident = sum.resident.saturating_add(found.resident);
            sum.cached = sum.cached.saturating_add(found.cached);
        }
        Ok(sum)
    }

    /// Brings the pages of these tensors into memory and keeps them there until they are unlocked
    /// as often as they were locked, or the model goes. Where one can't be locked, none of this
    /// call is.
    ///
    /// # Errors
    /// [`Error::NoTensor`]; [`Error::Bytes`], mostly for a limit on locked memory that is too low;
    /// [`map::Error::Forked`] in a child that inherited the model.
    pub fn lock(&self, indices: &[usize]) -> Result<()> {
        for &index in indices {
            self.entry(index)?;
        }
        // Refused before anything is locked.
        drop(self.locks()?);
        let mut taken = Vec::new();
        self.reserved(|| taken.try_reserve_exact(indices.len()))?;
        for &index in indices {
            let entry = self.entry(index)?;
            let data = Arc::clone(self.data_of(entry)?);
            // Of no bytes nothing is locked, and they lie nowhere.
            let (offset, len) = match entry.bytes {
                0 => (0, 0),
                bytes => (entry.offset, bytes),
            };
            let lock = LockedRange::new(data, offset, len);
            let lock = lock.map_err(|source| self.bytes_error(index, source))?;
            taken.push((index, lock));
        }
        let mut locks = self.locks()?;
        self.reserved(|| locks.try_reserve(taken.len()))?;
        for (index, lock) in taken {
            locks.entry(index).or_default().push(lock);
        }
        Ok(())
    }

    /// Takes back one [`Model::lock`] of each of these tensors. A page that another locked tensor
    /// shares stays locked.
    ///
    /// # Errors
    /// [`Error::NoTensor`], [`Error::NotLocked`], [`map::Error::Forked`]: then nothing is unlocked.
    pub fn unlock(&self, indices: &[usize]) -> Result<()> {
        let mut locks = self.locks()?;
        let mut given: HashMap<usize, usize> = HashMap::new();
        self.reserved(|| given.try_reserve(indices.len()))?;
        for &index in indices {
            self.entry(index)?;
            let times = given.entry(index).or_default();
            *times = times.saturating_add(1);
            if locks.get(&index).map_or(0, Vec::len) < *times {
                return Err(Error::NotLocked {
                    index: index as u64,
                    name: self.name_for_messages(index),
                });
            }
        }
        for &index in indices {
            if let Some(own) = locks.get_mut(&index) {
                own.pop();
                if own.is_empty() {
                    locks.remove(&index);
                }
            }
        }
        Ok(())
    }

    fn no_memory(&self, tensors: usize) -> Error {
        let bytes = tensors.saturating_mul(size_of::<(usize, LockedRange)>());
        let (bytes, origin) = (bytes as u64, self.any_origin());
        map::Error::OutOfMemory { bytes, origin }.into()
    }

    fn any_origin(&self) -> Origin {
        let file = self.files.first();
        file.map_or(Origin::Memory, |data| data.origin().clone())
    }
}

#[cfg(test)]
mod tests;
