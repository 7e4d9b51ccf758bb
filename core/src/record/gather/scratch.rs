//! Memory and handles that one call leaves to the next.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::kept::Kept;
use crate::map::{self, Data, Direct, Flights, HeapBytes, Origin, SystemAllocator};
use crate::record::slot::Slot;

/// What calls at the same time may leave; more is freed.
const POOLED: usize = 16;

/// Files that are open for direct reads, of one scratch.
const DIRECT_FILES: usize = 32;

/// What window memory is aligned to at least: what direct reads usually ask for.
const ALIGN: usize = 4096;

/// What all gathers of a reader share. Nothing in it is waited for: a child forked in the middle
/// would wait for ever.
#[derive(Debug, Default)]
pub(in crate::record) struct Tools {
    pool: Mutex<Vec<Scratch>>,
    /// Of each file.
    kept: Slot<Vec<Slot<Kept>>>,
    /// Stands in where there is no memory for the list.
    nothing: Kept,
    /// The last records asked for weren't in memory.
    was_cold: AtomicBool,
    /// Files that are open for direct reads, in all scratches.
    direct_files: Arc<AtomicUsize>,
    most_direct: usize,
}

impl Tools {
    /// Where the reader has at most so many descriptors; 0 where it has few files.
    pub(in crate::record) fn new(most_descriptors: usize) -> Tools {
        Tools {
            most_direct: match most_descriptors {
                0 => DIRECT_FILES * POOLED,
                most => most,
            },
            ..Tools::default()
        }
    }

    pub(super) fn take(&self) -> Scratch {
        let pooled = self.pool.try_lock().ok().and_then(|mut pool| pool.pop());
        pooled.unwrap_or_default()
    }

    pub(super) fn give_back(&self, mut scratch: Scratch) {
        // Each of many calls may have opened one more.
        if self.direct_files.load(Ordering::Relaxed) > self.most_direct {
            scratch.direct.clear();
        }
        if let Ok(mut pool) = self.pool.try_lock()
            && pool.len() < POOLED
        {
            pool.push(scratch);
        }
    }

    /// What is kept of a file, which `new` makes.
    pub(super) fn kept(&self, shards: usize, shard: usize, new: impl FnOnce() -> Kept) -> &Kept {
        let list = match self.kept.get() {
            Some(list) => list,
            None => {
                let mut list = Vec::new();
                if list.try_reserve_exact(shards).is_ok() {
                    list.resize_with(shards, Slot::new);
                }
                self.kept.set(list)
            }
        };
        match list.get(shard) {
            Some(slot) => slot.get().unwrap_or_else(|| slot.set(new())),
            None => &self.nothing,
        }
    }

    pub(super) fn was_cold(&self) -> bool {
        self.was_cold.load(Ordering::Relaxed)
    }

    pub(super) fn set_cold(&self, is_cold: bool) {
        self.was_cold.store(is_cold, Ordering::Relaxed);
    }
}

/// What one call works with.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    window: Window,
    pub(super) flights: Flights,
    direct: VecDeque<OpenFile>,
}

/// A file of a set, opened for direct reads; none where it can't be.
#[derive(Debug)]
struct OpenFile {
    shard: usize,
    direct: Option<Arc<Direct>>,
    _counted: Counted,
}

/// One of the files that all scratches have open.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Scratch {
    /// The file opened for direct reads; none where it can't be. Of files so open there are at most
    /// as many as the reader has descriptors else, and one more for each call under way.
    pub(super) fn direct(
        &mut self,
        tools: &Tools,
        shard: usize,
        data: &Arc<Data>,
    ) -> Option<Arc<Direct>> {
        if let Some(known) = self.direct.iter().find(|known| known.shard == shard) {
            return known.direct.clone();
        }
        let files = &tools.direct_files;
        while self.direct.len() >= DIRECT_FILES
            || files.load(Ordering::Relaxed) >= tools.most_direct
        {
            if self.direct.pop_front().is_none() {
                break;
            }
        }
        files.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(files));
        let direct = data.direct().map(Arc::new);
        self.direct.push_back(OpenFile {
            shard,
            direct: direct.clone(),
            _counted: counted,
        });
        direct
    }

    /// `size` bytes at an address that is a multiple of `align`, a power of two.
    pub(super) fn window(
        &mut self,
        size: usize,
        align: usize,
    ) -> map::Result<(&mut [MaybeUninit<u8>], &mut Flights)> {
        Ok((self.window.memory(size, align)?, &mut self.flights))
    }
}

#[derive(Debug, Default)]
struct Window {
    heap: Option<HeapBytes>,
    align: usize,
}

impl Window {
    fn memory(&mut self, size: usize, align: usize) -> map::Result<&mut [MaybeUninit<u8>]> {
        let align = align.max(ALIGN);
        if align > self.align {
            self.heap = None;
            self.align = align;
        }
        let new = || HeapBytes::aligned(Arc::new(SystemAllocator), align);
        let heap = self.heap.get_or_insert_with(new);
        heap.grow(size, &Origin::Memory)?;
        Ok(heap.spare_mut().get_mut(..size).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn files_open_for_direct_reads_are_counted_over_all_calls() {
        let data = Data::copy_of(crate::map::Region::EMPTY).unwrap();
        let data = Arc::new(data);
        let tools = Tools::new(3);
        let mut scratches: Vec<_> = (0..4).map(|_| tools.take()).collect();
        let open = || tools.direct_files.load(Ordering::Relaxed);
        for shard in 0..50 {
            scratches[0].direct(&tools, shard, &data);
        }
        assert_eq!(open(), 3);
        for scratch in &mut scratches {
            for shard in 50..60 {
                scratch.direct(&tools, shard, &data);
            }
        }
        // One for each call where there are no more.
        assert!(open() <= 3 + 3, "{}", open());
        for scratch in scratches {
            tools.give_back(scratch);
        }
        assert!(open() <= 3, "{}", open());
        drop(tools.take());
        assert!(open() <= 3);
    }
}
