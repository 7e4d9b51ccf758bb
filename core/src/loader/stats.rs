//! What a loader did so far.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a loader did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoaderStats {
    /// Batches delivered.
    pub steps: u64,
    /// Records in them, without padding.
    pub records: u64,
    /// Bytes of their tensors.
    pub bytes: u64,
    /// Nanoseconds that `next` waited for workers, or filled batches itself.
    pub wait_ns: u64,
    /// Bytes read from the set for batches, delivered or not.
    pub read_bytes: u64,
    /// Pages that weren't in memory when they were announced.
    pub cold_pages: u64,
    /// Records that others stand for, in delivered batches.
    pub replaced: u64,
    /// Records that zeros stand for, in delivered batches.
    pub masked: u64,
    /// Bytes let go of in the kernel's cache.
    pub dropped_bytes: u64,
    /// Batches that there is memory for.
    pub slots: u64,
    /// Bytes of memory now: for batches, and for what a transform is given.
    pub memory: u64,
    /// Threads that fill batches.
    pub workers: u64,
    /// This process's rank, as it was given or the environment said.
    pub rank: u32,
    /// The number of ranks.
    pub world: u32,
}

/// Counted by workers as they go.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) read_bytes: AtomicU64,
    pub(super) cold_pages: AtomicU64,
    pub(super) dropped_bytes: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

pub(super) fn value(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
