//! The store as it was after one write.

use std::ffi::c_void;

use adit_core::store::{Snapshot, Store};

use super::iter::{adit_store_entry, entry_of};
use super::{adit_store, key_argument, missing};
use crate::boundary::{
    Handle, LentBytes, ManyOut, Opaque, Out, SizedOut, close, guard_bytes, guard_derived,
    guard_handle, guard_value, peek, slice,
};
use crate::error::{adit_error, adit_status};
use crate::tensor::adit_tensor;

/// A store as it was after one write. What it lends is good until it is closed.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_snapshot(Handle<Snapshot>);

// SAFETY: repr(transparent) over Handle<Snapshot>.
unsafe impl Opaque for adit_snapshot {
    type Value = Snapshot;
    const PARAMETER: &'static str = "snapshot";
}

/// The keys that are looked up at once: as many misses of the cache overlap.
const MANY: usize = 64;

/// Takes a snapshot of what is published: by ADIT_SYNC_BATCH and ADIT_SYNC_GROUP what is durable, by
/// others all that was written. It never shows a part of a batch. On a handle for reading it is what
/// the writer, in whichever process, has published by now. On success `*out` is a handle that the
/// caller closes with adit_snapshot_close, before or after the store.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_MEMORY (address space too), ADIT_ERR_FORKED;
/// on a handle for reading also those of adit_store_open for what the writer has appended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_snapshot(
    store: *const adit_store,
    out: *mut *mut adit_snapshot,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_derived(store, out, err, |store: &Store| Ok(store.snapshot()?)) }
}

/// Lends the value of a key. `*value` is never NULL where there is one, though `*len` may be 0, and a
/// multiple of the store's align where it isn't. Of a tensor it is the elements. Good until the
/// snapshot is closed.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT; ADIT_ERR_NOT_FOUND without an error object; ADIT_ERR_CHECKSUM (as
/// options.check says; a record or a page of the index that isn't what it was: adit_error_offset says
/// where). With ADIT_STORE_EXCLUSIVE also ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_TRUNCATED and ADIT_ERR_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_snapshot_get(
    snapshot: *const adit_snapshot,
    key: *const c_void,
    key_len: usize,
    value: *mut *const c_void,
    len: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |snapshot: &Snapshot| {
        // SAFETY: readable for key_len bytes, as the header asks.
        let key = unsafe { key_argument(key, key_len) }?;
        Ok(snapshot.get(key)?.ok_or_else(missing)?.region.into())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_bytes(snapshot, value, len, err, body) }
}

/// Lends the values of `n` keys, in less time than one by one: memory is fetched for many at once.
/// `keys` has `n` pointers and `key_lens` their lengths; `values` and `lens` have room for `n`. A key
/// that isn't there gets NULL and 0, an empty value an address and 0. `*found`, which may be NULL, is
/// how many are there. On failure all are NULL and 0.
///
/// Statuses: as adit_snapshot_get, but that a key which isn't there is no failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_snapshot_get_many(
    snapshot: *const adit_snapshot,
    n: usize,
    keys: *const *const c_void,
    key_lens: *const usize,
    values: *mut *const c_void,
    lens: *mut usize,
    found: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let found = unsafe { Out::zeroed(found) };
    // SAFETY: NULL or room for n addresses, as the header asks.
    let values = unsafe { ManyOut::zeroed(values, n) };
    // SAFETY: NULL or room for n lengths, as the header asks.
    let lens = unsafe { ManyOut::zeroed(lens, n) };
    let body = |snapshot: &Snapshot| {
        // SAFETY: NULL or n pointers, as the header asks.
        let keys = unsafe { slice(keys, n, "keys") }?;
        // SAFETY: NULL or n lengths, as the header asks.
        let key_lens = unsafe { slice(key_lens, n, "key_lens") }?;
        values.required("values")?;
        lens.required("lens")?;
        let chunks = keys.chunks(MANY).zip(key_lens.chunks(MANY));
        let mut there = 0;
        for (at, (keys, key_lens)) in (0..).step_by(MANY).zip(chunks) {
            let mut own: [&[u8]; MANY] = [&[]; MANY];
            for ((own, &key), &len) in own.iter_mut().zip(keys).zip(key_lens) {
                // SAFETY: readable for len bytes, as the header asks.
                *own = unsafe { key_argument(key, len) }?;
            }
            let mut told = [None; MANY];
            let (own, told) = (own.get(..keys.len()), told.get_mut(..keys.len()));
            let (own, told) = (own.unwrap_or_default(), told.unwrap_or_default());
            snapshot.get_many(own, told)?;
            for (at, value) in (at..).zip(told) {
                if let Some(value) = value {
                    let LentBytes(start, len) = value.region.into();
                    values.set(at, start);
                    lens.set(at, len);
                    there += 1;
                }
            }
        }
        found.set(there);
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    let status = unsafe { guard_handle(snapshot, err, body) };
    if status != adit_status::ADIT_OK {
        values.zero();
        lens.zero();
    }
    status
}

/// Lends the tensor of a key, with the dtype and shape that it was stored with, for reading. Good until
/// the snapshot is closed. One without elements has NULL data.
///
/// Statuses: as adit_snapshot_get; ADIT_ERR_DTYPE (a value that wasn't stored as a tensor),
/// ADIT_ERR_MALFORMED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_snapshot_get_tensor(
    snapshot: *const adit_snapshot,
    key: *const c_void,
    key_len: usize,
    tensor: *mut adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |snapshot: &Snapshot| {
        // SAFETY: readable for key_len bytes, as the header asks.
        let key = unsafe { key_argument(key, key_len) }?;
        let lent = snapshot.get_tensor(key)?.ok_or_else(missing)?;
        Ok(adit_tensor::lent(&lent, false))
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(snapshot, tensor, "tensor", err, body) }
}

/// Whether a key is there. Its value isn't looked at.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, and those of adit_snapshot_get for what is damaged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_snapshot_contains(
    snapshot: *const adit_snapshot,
    key: *const c_void,
    key_len: usize,
    is_there: *mut bool,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |snapshot: &Snapshot| {
        // SAFETY: readable for key_len bytes, as the header asks.
        let key = unsafe { key_argument(key, key_len) }?;
        Ok(snapshot.contains(key)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(snapshot, is_there, "is_there", err, body) }
}

/// The entry written last, of those that are live. The caller sets `entry->struct_size`. Key and value
/// are good until the snapshot is closed.
///
/// Statuses: as adit_snapshot_get; ADIT_ERR_NOT_FOUND where there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_snapshot_last(
    snapshot: *const adit_snapshot,
    entry: *mut adit_store_entry,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(entry) };
    let body = |snapshot: &Snapshot| {
        out.required("entry")?;
        out.set(entry_of(&snapshot.last()?.ok_or_else(missing)?));
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(snapshot, err, body) }
}

/// The keys that are there; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_snapshot_len(snapshot: *const adit_snapshot) -> u64 {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(snapshot) }.map_or(0, Snapshot::len)
}

/// Closes a snapshot; NULL is nothing. What it lent ends here, iterators aside: they keep what they
/// need.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_snapshot_close(snapshot: *mut adit_snapshot) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(snapshot) };
}
