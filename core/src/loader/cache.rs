//! What of the kernel's cache a loader lets go of.

use std::sync::atomic::{AtomicU32, Ordering};

use super::options::Cache;
use super::ring::Epoch;
use super::source::Source;
use crate::map::memory_limit;
use crate::record::Announced;

/// The most blocks of an epoch that are kept count of, a bit each.
const MOST_BLOCKS: u64 = 1 << 28;

/// Whether a set of so many bytes is to be let go of.
pub(super) fn drops(cache: Cache, bytes: u64) -> bool {
    drops_beyond(cache, bytes, memory_limit)
}

fn drops_beyond(cache: Cache, bytes: u64, limit: impl FnOnce() -> Option<u64>) -> bool {
    match cache {
        Cache::Keep => false,
        Cache::Drop => true,
        Cache::Auto => limit().is_some_and(|limit| bytes > limit),
    }
}

/// Steps in a row that were found in memory, after which the next ones are taken for that too.
const WARM: u32 = 8;

/// Of steps that are taken to be in memory, the one in so many that is looked at.
const LOOK: u64 = 8;

/// Whether what is read lies in memory: then announcing it is work for nothing.
#[derive(Debug, Default)]
pub(super) struct Heat {
    warm: AtomicU32,
}

impl Heat {
    /// Whether a step is to be announced.
    pub(super) fn is_due(&self, step: u64) -> bool {
        self.warm.load(Ordering::Relaxed) < WARM || step.is_multiple_of(LOOK)
    }

    pub(super) fn saw(&self, announced: &Announced) {
        let warm = if announced.pages > 0 && announced.cold_pages == 0 {
            self.warm.load(Ordering::Relaxed).saturating_add(1)
        } else {
            0
        };
        self.warm.store(warm, Ordering::Relaxed);
    }
}

/// The blocks of an epoch that were delivered for good.
#[derive(Debug)]
pub(super) struct Done {
    block: u64,
    records: u64,
    epoch: Option<u64>,
    /// A bit a block; none where there are too many.
    blocks: Vec<u64>,
}

impl Done {
    pub(super) fn new(records: u64, block: u64) -> Done {
        Done {
            block: block.max(1),
            records,
            epoch: None,
            blocks: Vec::new(),
        }
    }

    fn begin(&mut self, epoch: u64) {
        if self.epoch == Some(epoch) {
            return;
        }
        self.epoch = Some(epoch);
        self.blocks.clear();
        let blocks = self.records.div_ceil(self.block);
        let words = usize::try_from(blocks.div_ceil(64)).unwrap_or(usize::MAX);
        if blocks <= MOST_BLOCKS && self.blocks.try_reserve_exact(words).is_ok() {
            self.blocks.resize(words, 0);
        }
    }

    fn word(&self, block: u64) -> Option<(usize, u64)> {
        Some((usize::try_from(block / 64).ok()?, 1 << (block % 64)))
    }

    /// Whether a block was delivered; what lies outside of the set is as good.
    fn has(&self, block: Option<u64>) -> bool {
        let Some(block) = block.filter(|block| *block < self.records.div_ceil(self.block)) else {
            return true;
        };
        let word = self.word(block);
        word.is_some_and(|(at, bit)| self.blocks.get(at).is_some_and(|word| word & bit != 0))
    }

    fn mark(&mut self, block: u64) {
        if let Some((at, bit)) = self.word(block)
            && let Some(word) = self.blocks.get_mut(at)
        {
            *word |= bit;
        }
    }

    /// Lets go of the windows that end between two positions, and tells how many bytes that freed.
    /// Blocks share pages with their neighbours: these go with the later one.
    pub(super) fn pass(&mut self, source: &dyn Source, epoch: &Epoch, from: u64, to: u64) -> u64 {
        self.begin(epoch.number);
        // Twice, rather than with a list: a window may have all of the epoch's blocks.
        let order = &epoch.order;
        order.each_window_done(from, to, |window| {
            for records in order.blocks_of(window) {
                self.mark(records.start / self.block);
            }
        });
        let mut freed: u64 = 0;
        order.each_window_done(from, to, |window| {
            for records in order.blocks_of(window) {
                let block = records.start / self.block;
                let before = self.has(block.checked_sub(1));
                let after = self.has(block.checked_add(1));
                freed = freed.saturating_add(source.release(records, before, after));
            }
        });
        freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_memory_is_looked_at_now_and_then() {
        let heat = Heat::default();
        let told = |cold_pages| Announced {
            pages: 10,
            cold_pages,
            ..Announced::default()
        };
        for step in 0..8 {
            assert!(heat.is_due(step));
            heat.saw(&told(0));
        }
        let due: Vec<u64> = (8..33).filter(|step| heat.is_due(*step)).collect();
        assert_eq!(due, [8, 16, 24, 32]);
        heat.saw(&told(1));
        assert!((33..50).all(|step| heat.is_due(step)));
        // Where nobody can tell, all is announced.
        for _ in 0..20 {
            heat.saw(&Announced::default());
        }
        assert!(heat.is_due(1));
    }

    #[test]
    fn what_the_options_say_goes() {
        let limit = || Some(1000);
        assert!(drops_beyond(Cache::Drop, 0, limit));
        assert!(!drops_beyond(Cache::Keep, u64::MAX, limit));
        assert!(!drops_beyond(Cache::Auto, 1000, limit));
        assert!(drops_beyond(Cache::Auto, 1001, limit));
        // Where nothing tells how much memory there is, all is kept.
        assert!(!drops_beyond(Cache::Auto, u64::MAX, || None));
    }
}
