//! What a store is made of, in numbers.

use adit_core::store::{Store, StoreStats};

use super::adit_store;
use crate::boundary::{SizedOut, Zeroable, guard_handle};
use crate::error::{adit_error, adit_status};

/// In adit_store_statistics.flags: there was no index that could be used when the store was opened.
pub const ADIT_STORE_INDEX_REBUILT: u32 = 1;

/// What a store is made of, and what its handle did. Bytes unless it says otherwise.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_store_statistics {
    /// sizeof(adit_store_statistics), set by the caller.
    pub struct_size: usize,
    /// The file's length.
    pub file_bytes: u64,
    /// Where the next record goes.
    pub tail: u64,
    /// Below this everything is known to be durable.
    pub durable_tail: u64,
    /// Keys that are there.
    pub live_keys: u64,
    /// Records that hold them.
    pub live_bytes: u64,
    /// What a compaction would free.
    pub dead_bytes: u64,
    /// Records of all kinds: a number.
    pub records: u64,
    /// What lay behind the last whole batch when it was opened: of a crash, a failed write, or a
    /// stream that was aborted. It is written over.
    pub torn_bytes: u64,
    /// Records that were read to open: a number.
    pub replayed_records: u64,
    /// The index's file, mapped.
    pub index_mapped_bytes: u64,
    /// The index in memory.
    pub index_memory_bytes: u64,
    /// The most that will be: twice options.index_memory.
    pub index_memory_cap: u64,
    /// Address space that the file is mapped with.
    pub mapped_bytes: u64,
    /// Writes through this handle: a number, as the following.
    pub commits: u64,
    /// Syncs of the log.
    pub syncs: u64,
    /// Checkpoints made.
    pub checkpoints: u64,
    /// Merges of the index.
    pub merges: u64,
    /// Compactions that came to their end.
    pub compactions: u64,
    /// Snapshots of this handle that are open, and iterators of those that are closed.
    pub snapshots: u64,
    /// How often the store was opened for writing since its lock file was made; 0 where that can't be
    /// told.
    pub openings: u64,
    /// The process that writes; 0 where none does or it can't be told.
    pub writer_pid: u64,
    /// ADIT_STORE_INDEX_REBUILT.
    pub flags: u32,
    /// Zero.
    pub reserved0: u32,
}

//@c-after
//@ /** To be filled. */
//@ #define ADIT_STORE_STATISTICS_INIT \
//@     { sizeof(adit_store_statistics), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
//@       0, 0, 0 }

// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_store_statistics {}

/// What the store is made of, and what this handle did. The caller sets `stats->struct_size`.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_IO, ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_stats(
    store: *const adit_store,
    stats: *mut adit_store_statistics,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(stats) };
    let body = |store: &Store| {
        out.required("stats")?;
        out.set(statistics_of(&store.stats()?));
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(store, err, body) }
}

fn statistics_of(stats: &StoreStats) -> adit_store_statistics {
    adit_store_statistics {
        struct_size: 0,
        file_bytes: stats.file_bytes,
        tail: stats.tail,
        durable_tail: stats.durable_tail,
        live_keys: stats.live_keys,
        live_bytes: stats.live_bytes,
        dead_bytes: stats.dead_bytes,
        records: stats.records,
        torn_bytes: stats.torn_bytes,
        replayed_records: stats.replayed_records,
        index_mapped_bytes: stats.index_mapped_bytes,
        index_memory_bytes: stats.index_memory_bytes,
        index_memory_cap: stats.index_memory_cap,
        mapped_bytes: stats.mapped_bytes,
        commits: stats.commits,
        syncs: stats.syncs,
        checkpoints: stats.checkpoints,
        merges: stats.merges,
        compactions: stats.compactions,
        snapshots: stats.snapshots,
        openings: stats.epoch,
        writer_pid: stats.writer_pid,
        flags: match stats.rebuilt_index {
            true => ADIT_STORE_INDEX_REBUILT,
            false => 0,
        },
        reserved0: 0,
    }
}
