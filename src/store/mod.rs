//! Stores
//!
//! An adit_store keeps values under keys in one file that is only ever appended to: a log. A write
//! that was acknowledged is there after a crash or a power cut, whole; a batch is there as a whole or
//! not at all. Values lie at multiples of 64 bytes (or more, see adit_store_options.align) in the
//! file and in memory, so that they are lent where they lie, and a tensor stored is a tensor lent.
//!
//! Keys and values are any bytes: keys of 0 to ADIT_STORE_MAX_KEY bytes, values of 0 to
//! ADIT_STORE_MAX_VALUE. An empty value is not a missing one. A record takes 48 bytes, its key and
//! its value, with padding before and behind the value: 128 bytes for a key of 16 and a value of 64.
//! What is overwritten or deleted stays in the file until adit_store_compact.
//!
//! Files. Beside the store at P stand `P.idx`, its index, and `P.lock`. The index is a cache: without
//! it, or with a damaged or foreign one, opening reads the log once and makes another. `P.lock` says
//! who writes; it may stay behind, of an open that failed too, and is never in the way. A compaction
//! or a merge of the index whose process dies leaves a `P.<16 hex digits>.adit-tmp` or
//! `P.idx.<16 hex digits>.adit-tmp`, which may be removed while nobody writes. To copy or move a store that nobody has
//! open, P alone is enough.
//!
//! Writing. Each write has a sequence number, from 1 on for each handle. When it is durable, which
//! is what survives a power cut, the store's adit_sync says:
//!
//! - ADIT_SYNC_BATCH: when the call returns. Nobody sees it before.
//! - ADIT_SYNC_GROUP: the same, but threads that write at the same time share one sync.
//! - ADIT_SYNC_EXPLICIT: once adit_store_sync has returned, or close. It is seen at once, so that what
//!   was seen may be gone after a power cut; a killed process loses nothing of it.
//! - ADIT_SYNC_NONE: as EXPLICIT, but close doesn't sync.
//!
//! Whatever is lost is lost from the end: what is left is what was there after some batch. A
//! failed write, a full disk say, leaves the store as it was, and may be tried again. A failed sync
//! doesn't: the disk may have lost what it had said it had, so that the handle only reads from then
//! on (ADIT_ERR_POISONED); what was acknowledged before is safe, and opening again goes on from there.
//!
//! Reading. An adit_snapshot is the store as it was after one write. Values that it lends stay where
//! and what they are until it is closed: through writes, deletions, growth, compaction, also the
//! close of the store. It costs a few hundred nanoseconds and holds no lock, but keeps address space,
//! and the old file where a compaction has replaced it: close it when it is done with. A value comes
//! from memory that is mapped from the file, for which these limits hold:
//!
//! - A file that another program cuts while it is mapped: touching a lent value that is gone is
//!   SIGBUS. The library itself never cuts a store. adit_store_read copies by system calls and
//!   answers ADIT_ERR_TRUNCATED instead.
//! - Network file systems don't show a map what others write, and are ADIT_ERR_UNSUPPORTED but with
//!   ADIT_STORE_EXCLUSIVE, which reads values into the snapshot's memory, or ADIT_STORE_ANYWHERE. So
//!   are all of FUSE, which may be one: where it is a disk of this machine (the fuse-overlayfs of a
//!   container without root, say), ADIT_STORE_ANYWHERE is right.
//! - Bytes that rot on the disk: checked when options.check asks for it, and by adit_store_verify.
//!
//! Threads. Stores and snapshots are synchronised inside: all calls but close take const handles, and
//! any threads may put, sync, read, take snapshots and compact at the same time. Closing needs the
//! caller's exclusion. A batch, a stream or an iterator belongs to one thread at a time.
//!
//! Processes. One handle writes: opening another for writing, in this process or another one, is
//! ADIT_ERR_BUSY, whose message names the process where it can be told. A killed writer is in nobody's
//! way. Any number read (ADIT_STORE_READ), beside the writer too: each new snapshot shows what is
//! published by then. They must be on the same machine.
//!
//! Forks. A child may read through snapshots that it inherited and close everything, which does
//! nothing to the files; every other call on an inherited handle is ADIT_ERR_FORKED: open the store
//! again. The parent is not disturbed.
//!
//! Damage. A file that isn't a store is ADIT_ERR_WRONG_FORMAT and never touched. An end that was torn
//! by a crash is left out when the store is opened, counted in adit_store_stats, and written over by
//! what comes next. Damage further in is ADIT_ERR_MALFORMED with the offset: nothing is overwritten
//! then, adit_store_verify_file lists it, and adit_store_salvage copies what is sound. Damage within
//! the last two batches behind the last checkpoint looks as an end does that was torn. A damaged page
//! of `P.idx` costs a rebuild: what meets it is ADIT_ERR_CHECKSUM once, the next snapshot has it all.
//!
//! Costs. A look-up reads the index and the record, about two misses of the cache; listing keys by a
//! prefix reads all records, since nothing is sorted. A put takes longer with the versions of its key
//! that snapshots see: 5,000 snapshots of 5,000 versions of one key make it 0.2 ms.

mod options;
mod open;
mod write;
mod batch;
mod stream;
mod tensor;
mod snapshot;
mod iter;
mod stats;
mod care;

pub use self::iter::{
    ADIT_ENTRY_LIVE, ADIT_ENTRY_TOMBSTONE, ADIT_STORE_ITER_ALL, adit_store_order,
};

use std::ffi::c_void;

use adit_core::store::Store;

use crate::boundary::{Failure, Handle, Opaque, Out, guard_handle, slice};
use crate::error::{adit_error, adit_status};

/// A store.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_store(Handle<Store>);

// SAFETY: repr(transparent) over Handle<Store>.
unsafe impl Opaque for adit_store {
    type Value = Store;
    const PARAMETER: &'static str = "store";
}

/// The longest key.
pub const ADIT_STORE_MAX_KEY: u32 = 65535;
/// The longest value.
pub const ADIT_STORE_MAX_VALUE: u64 = 1u64 << 48;

const _: () = {
    use adit_core::store::{MAX_KEY, MAX_VALUE};
    assert!(MAX_KEY == ADIT_STORE_MAX_KEY as usize && MAX_VALUE == ADIT_STORE_MAX_VALUE);
};

/// The caller's key; with `len` 0 the pointer is never read.
///
/// # Safety
/// `key` is null or readable for `len` bytes for `'a`, and nobody writes there meanwhile.
#[inline]
pub(crate) unsafe fn key_argument<'a>(key: *const c_void, len: usize) -> Result<&'a [u8], Failure> {
    // SAFETY: the caller's promise.
    unsafe { slice(key.cast(), len, "key") }
}

/// Guards a body that writes; `*sequence`, where it isn't null, becomes its number.
///
/// # Safety
/// As [`guard_handle`]; `sequence` is null or valid for writing.
unsafe fn guard_write(
    store: *const adit_store,
    sequence: *mut u64,
    err: *mut *mut adit_error,
    body: impl FnOnce(&Store) -> Result<u64, Failure>,
) -> adit_status {
    // SAFETY: the caller's promise on `sequence`.
    let out = unsafe { Out::zeroed(sequence) };
    let body = |store: &Store| {
        out.set(body(store)?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_handle(store, err, body) }
}

/// What a look-up answers, in passing, where nothing has the key.
pub(crate) fn missing() -> Failure {
    Failure::Quiet(adit_status::ADIT_ERR_NOT_FOUND)
}
