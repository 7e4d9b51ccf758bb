//! Single writes, copies out, and sync.

use std::ffi::c_void;

use adit_core::store::Store;

use super::{adit_store, guard_write, key_argument, missing};
use crate::boundary::{Out, buffer_of, guard_handle, region_of};
use crate::error::{adit_error, adit_status};

/// Stores a value under a key, in place of an older one. `value` may be NULL if `value_len` is 0, and
/// `key` likewise. Bytes of a value that are mapped from a file which was cut are ADIT_ERR_IO with
/// EFAULT, and leave the store as it was. `*sequence`, which may be NULL, is the write's number for
/// adit_store_sync.
///
/// Many small values are faster in a batch, which shares one write and one sync.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (a key or value that is too long),
/// ADIT_ERR_READ_ONLY (a handle for reading), ADIT_ERR_BUSY (a stream is open), ADIT_ERR_NO_SPACE,
/// ADIT_ERR_IO, ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_POISONED, ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_put(
    store: *const adit_store,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
    sequence: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |store: &Store| {
        // SAFETY: readable for key_len bytes, as the header asks.
        let key = unsafe { key_argument(key, key_len) }?;
        // SAFETY: readable for value_len bytes during the call, as the header asks.
        let value = unsafe { region_of(value, value_len, "value") }?;
        Ok(store.put(key, value)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_write(store, sequence, err, body) }
}

/// Deletes a key; one that isn't there too, which is no error. `*sequence`, which may be NULL, is
/// the write's number.
///
/// Statuses: as adit_store_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_delete(
    store: *const adit_store,
    key: *const c_void,
    key_len: usize,
    sequence: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |store: &Store| {
        // SAFETY: readable for key_len bytes, as the header asks.
        let key = unsafe { key_argument(key, key_len) }?;
        Ok(store.delete(key)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_write(store, sequence, err, body) }
}

/// Copies the newest value of a key to `buffer`, which has `cap` bytes, and its length to `*len`. It
/// is read by system calls, so that a file which is cut meanwhile is a status. With a `cap` of 0
/// nothing is copied, whatever the length: that asks for it. Of a tensor the elements are copied.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT; ADIT_ERR_NOT_FOUND without an error object;
/// ADIT_ERR_OUT_OF_RANGE (more than `cap` bytes: the message says how many), ADIT_ERR_CHECKSUM (as
/// options.check says; a record that isn't what it was), ADIT_ERR_TRUNCATED, ADIT_ERR_IO,
/// ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_read(
    store: *const adit_store,
    key: *const c_void,
    key_len: usize,
    buffer: *mut c_void,
    cap: u64,
    len: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(len) };
    let body = |store: &Store| {
        out.required("len")?;
        // SAFETY: readable for key_len bytes, as the header asks.
        let key = unsafe { key_argument(key, key_len) }?;
        // SAFETY: NULL or writable for cap bytes that nobody else uses, as the header asks.
        let room = unsafe { buffer_of(buffer, cap) }?;
        out.set(store.read(key, room)?.ok_or_else(missing)?);
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(store, err, body) }
}

/// Returns when write number `sequence` of this handle, and all before it, are durable; 0, and a number
/// that no write has had yet, stand for all so far. Nothing is synced that is durable already.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_READ_ONLY, ADIT_ERR_NO_SPACE, ADIT_ERR_IO (the sync
/// failed: what isn't known to be durable may be lost, and the store can't be written any more),
/// ADIT_ERR_POISONED, ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_sync(
    store: *const adit_store,
    sequence: u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |store: &Store| Ok(store.sync(sequence)?);
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(store, err, body) }
}
