//! What a store is made of, and what its handle did.

use std::sync::atomic::Ordering;

use super::error::Result;
use super::format::FIRST;
use super::lock_file::Board;
use super::store::{Inner, Store};
use crate::map;

/// What a store is made of, and what this handle did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// The file's length.
    pub file_bytes: u64,
    /// Where the next record goes, as snapshots see it.
    pub tail: u64,
    /// Everything below is known to be durable.
    pub durable_tail: u64,
    /// Keys that are there.
    pub live_keys: u64,
    /// Bytes of the records that hold them, gaps included.
    pub live_bytes: u64,
    /// What a compaction would free.
    pub dead_bytes: u64,
    /// Records of all types.
    pub records: u64,
    /// Bytes behind the tail when the store was opened: of a crash, a failed write, or a stream that
    /// was aborted.
    pub torn_bytes: u64,
    /// Records that were read to open it.
    pub replayed_records: u64,
    /// Whether opening it built the index anew.
    pub rebuilt_index: bool,
    /// The index's file, mapped.
    pub index_mapped_bytes: u64,
    /// The index in memory.
    pub index_memory_bytes: u64,
    /// The most that will be of what came since the index's file.
    pub index_memory_cap: u64,
    /// Address space that the file is mapped with.
    pub mapped_bytes: u64,
    /// Writes through this handle.
    pub commits: u64,
    /// Syncs of the log.
    pub syncs: u64,
    /// Checkpoints that were written.
    pub checkpoints: u64,
    /// Merges of the index.
    pub merges: u64,
    /// Compactions that came to their end.
    pub compactions: u64,
    /// Snapshots of this handle that live, their iterators counted with them.
    pub snapshots: u64,
    /// How often the store was opened for writing on this machine since the lock file was made; 0
    /// where that can't be told.
    pub epoch: u64,
    /// The process that writes; 0 where none does or it can't be told.
    pub writer_pid: u64,
}

impl Store {
    /// What the store is made of now, as snapshots would see it, and what this handle did.
    ///
    /// # Errors
    /// The system's; [`super::Error::Forked`].
    pub fn stats(&self) -> Result<StoreStats> {
        let inner = &*self.inner;
        inner.check_process()?;
        let (log, index, mark) = {
            let shared = inner.lock_shared();
            (shared.log.clone(), shared.index.clone(), shared.published)
        };
        let info = log.file.info();
        let info = info.map_err(map::Error::io("look at", &inner.origin))?;
        let board = Board::read(&*inner.storage, &inner.path, &*log.file);
        let frozen = index.frozen.as_ref().map_or(0, |delta| delta.bytes());
        let memory = index.active.bytes().saturating_add(frozen);
        let counters = &inner.counters;
        let tail = mark.end.tail;
        Ok(StoreStats {
            file_bytes: info.len,
            tail,
            durable_tail: inner.syncs.durable().min(tail),
            live_keys: mark.live,
            live_bytes: mark.live_bytes,
            dead_bytes: tail.saturating_sub(FIRST).saturating_sub(mark.live_bytes),
            records: mark.end.records,
            torn_bytes: counters.torn_bytes.load(Ordering::Relaxed),
            replayed_records: counters.replayed.load(Ordering::Relaxed),
            rebuilt_index: counters.rebuilt_index.load(Ordering::Relaxed),
            index_mapped_bytes: index.base.mapped_bytes(),
            index_memory_bytes: memory.saturating_add(index.base.heap_bytes()),
            index_memory_cap: inner.options.index_memory().saturating_mul(2),
            mapped_bytes: log.mapped_bytes(),
            commits: counters.commits.load(Ordering::Relaxed),
            syncs: counters.syncs.load(Ordering::Relaxed),
            checkpoints: counters.checkpoints.load(Ordering::Relaxed),
            merges: counters.merges.load(Ordering::Relaxed),
            compactions: counters.compactions.load(Ordering::Relaxed),
            snapshots: counters.snapshots.load(Ordering::Relaxed),
            epoch: board.words.map_or(0, |words| words.epoch),
            writer_pid: writer_pid(inner, &board),
        })
    }
}

fn writer_pid(inner: &Inner, board: &Board) -> u64 {
    if inner.is_writable {
        return u64::from(std::process::id());
    }
    match board.is_writer_alive {
        true => board.pid.unwrap_or(0),
        false => 0,
    }
}
