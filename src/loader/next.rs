//! A loader's steps.

use adit_core::loader::{Loader, LoaderStats};

use super::adit_loader;
use super::batch::adit_batch;
use crate::boundary::{
    Failure, Out, SizedOut, Zeroable, guard_handle, guard_handle_mut, into_raw, peek,
};
use crate::error::{adit_error, adit_status};

/// Waits for the next step's batch. On success `*batch` is a handle that the caller gives back with
/// adit_batch_release, before or after closing the loader. ADIT_END, without an error object, ends the
/// epoch; the call after that begins the next one.
///
/// Statuses: ADIT_END, ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_BUSY (max_held batches are held),
/// ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_OUT_OF_RANGE (ragged records that make a batch larger than the
/// budget), ADIT_ERR_FORKED; of a bad record what is wrong with it: ADIT_ERR_MALFORMED,
/// ADIT_ERR_CHECKSUM, ADIT_ERR_TRUNCATED, ADIT_ERR_IO, ADIT_ERR_SHAPE, ADIT_ERR_CALLBACK, with the
/// record's number as the error's index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_loader_next(
    loader: *mut adit_loader,
    batch: *mut *mut adit_batch,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(batch) };
    let body = |loader: &mut Loader| {
        out.required("batch")?;
        let batch = loader.next()?;
        out.set(into_raw(
            batch.ok_or(Failure::Quiet(adit_status::ADIT_END))?,
        ));
        Ok(())
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(loader, err, body) }
}

/// The steps of an epoch, the same for every rank; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_loader_steps(loader: *const adit_loader) -> u64 {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(loader) }.map_or(0, Loader::steps)
}

/// What a loader has done since it was opened.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_loader_stats {
    /// sizeof(adit_loader_stats), set by the caller.
    pub struct_size: usize,
    /// Batches delivered.
    pub steps: u64,
    /// Records in them, without padding.
    pub records: u64,
    /// Bytes of their tensors.
    pub bytes: u64,
    /// Nanoseconds that adit_loader_next waited for its threads, or filled batches itself: what the
    /// loader costs whoever trains.
    pub wait_nanos: u64,
    /// Bytes read from the set for batches, delivered or not.
    pub read_bytes: u64,
    /// Pages that weren't in memory when they were announced.
    pub cold_pages: u64,
    /// Rows in which another record stands for a bad one.
    pub replaced: u64,
    /// Rows in which zeros do.
    pub masked: u64,
    /// Bytes that were let go of from the page cache.
    pub dropped_bytes: u64,
    /// Batches that there is memory for.
    pub slots: u64,
    /// Bytes of memory now: for batches, and for the records that a transform is given.
    pub memory: u64,
    /// Threads that fill batches.
    pub workers: u64,
    /// This process's rank, as the options or the environment gave it.
    pub rank: u32,
    /// The number of ranks.
    pub world: u32,
}

//@c-after
//@ /** To be filled. */
//@ #define ADIT_LOADER_STATS_INIT \
//@     { sizeof(adit_loader_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_loader_stats {}

impl adit_loader_stats {
    fn of(stats: &LoaderStats) -> adit_loader_stats {
        adit_loader_stats {
            struct_size: 0,
            steps: stats.steps,
            records: stats.records,
            bytes: stats.bytes,
            wait_nanos: stats.wait_ns,
            read_bytes: stats.read_bytes,
            cold_pages: stats.cold_pages,
            replaced: stats.replaced,
            masked: stats.masked,
            dropped_bytes: stats.dropped_bytes,
            slots: stats.slots,
            memory: stats.memory,
            workers: stats.workers,
            rank: stats.rank,
            world: stats.world,
        }
    }
}

/// Tells what a loader has done. The caller sets `stats->struct_size`.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_loader_get_stats(
    loader: *const adit_loader,
    stats: *mut adit_loader_stats,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(stats) };
    let body = |loader: &Loader| {
        out.required("stats")?;
        out.set(adit_loader_stats::of(&loader.stats()?));
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(loader, err, body) }
}
