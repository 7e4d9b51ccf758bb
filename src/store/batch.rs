//! Many writes as one.

use std::ffi::c_void;

use adit_core::store::{Batch, Store};

use super::tensor::Elements;
use super::{adit_store, guard_write, key_argument};
use crate::boundary::{
    Handle, Opaque, close, guard_handle_mut, guard_new, peek, region_of, with_other,
};
use crate::error::{adit_error, adit_status};
use crate::tensor::{adit_tensor, tensor_argument};

/// Puts and deletions that adit_store_write writes as one: after a crash all of them are there, or
/// none. In memory until then; it belongs to no store, and can be written several times, to several
/// stores. Of two entries with one key the later counts.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_store_batch(Handle<Batch>);

// SAFETY: repr(transparent) over Handle<Batch>.
unsafe impl Opaque for adit_store_batch {
    type Value = Batch;
    const PARAMETER: &'static str = "batch";
}

/// Makes an empty batch. On success `*out` is a handle that the caller frees with
/// adit_store_batch_free.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_batch_new(
    out: *mut *mut adit_store_batch,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, || Ok(Batch::new())) }
}

/// Adds a value under a key; both are copied, by the processor: bytes mapped from a file that was cut
/// are SIGBUS here. A failure leaves the batch as it was.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (a key or value that is too long),
/// ADIT_ERR_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_batch_put(
    batch: *mut adit_store_batch,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |batch: &mut Batch| {
        // SAFETY: readable for key_len bytes, as the header asks.
        let key = unsafe { key_argument(key, key_len) }?;
        // SAFETY: readable for value_len bytes during the call, as the header asks.
        let value = unsafe { region_of(value, value_len, "value") }?;
        Ok(batch.put(key, value)?)
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(batch, err, body) }
}

/// As adit_store_batch_put, but the value isn't copied: for large ones. It stays the caller's, who
/// keeps it as it is until the batch was written the last time, cleared or freed. The key is copied.
///
/// Statuses: as adit_store_batch_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_batch_put_lent(
    batch: *mut adit_store_batch,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |batch: &mut Batch| {
        // SAFETY: readable for key_len bytes, as the header asks.
        let key = unsafe { key_argument(key, key_len) }?;
        // SAFETY: readable for value_len bytes until the batch lets go of it, as the header asks.
        let value = unsafe { region_of(value, value_len, "value") }?;
        // SAFETY: as above.
        Ok(unsafe { batch.put_lent(key, value) }?)
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(batch, err, body) }
}

/// Adds a tensor under a key, as adit_store_put_tensor stores it; both are copied.
///
/// Statuses: as adit_store_batch_put, and those of adit_store_put_tensor on its tensor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_batch_put_tensor(
    batch: *mut adit_store_batch,
    key: *const c_void,
    key_len: usize,
    tensor: *const adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |batch: &mut Batch| {
        // SAFETY: readable for key_len bytes, as the header asks.
        let key = unsafe { key_argument(key, key_len) }?;
        // SAFETY: NULL or a tensor over readable memory, as the header asks.
        let view = unsafe { tensor_argument(tensor, "tensor") }?;
        let elements = Elements::of(&view)?;
        Ok(batch.put_tensor(key, view.dtype(), &view.shape(), elements.region())?)
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(batch, err, body) }
}

/// Adds the deletion of a key, one that isn't there too.
///
/// Statuses: as adit_store_batch_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_batch_delete(
    batch: *mut adit_store_batch,
    key: *const c_void,
    key_len: usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |batch: &mut Batch| {
        // SAFETY: readable for key_len bytes, as the header asks.
        let key = unsafe { key_argument(key, key_len) }?;
        Ok(batch.delete(key)?)
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(batch, err, body) }
}

/// The entries of the batch; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_batch_len(batch: *const adit_store_batch) -> usize {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(batch) }.map_or(0, Batch::len)
}

/// Empties the batch, and keeps its memory for the next entries.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_batch_clear(
    batch: *mut adit_store_batch,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |batch: &mut Batch| {
        batch.clear();
        Ok(())
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(batch, err, body) }
}

/// Writes the batch, which stays as it is and can be written again. An empty one writes nothing.
/// `*sequence`, which may be NULL, is the write's number; an empty one's is that of the write before.
///
/// Statuses: as adit_store_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_write(
    store: *const adit_store,
    batch: *mut adit_store_batch,
    sequence: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |store: &Store| {
        let write = |batch: &mut Batch| Ok(store.write(batch)?);
        // SAFETY: NULL or an open handle of the caller's alone, as the header asks.
        unsafe { with_other(batch, write) }
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_write(store, sequence, err, body) }
}

/// Frees a batch; NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_batch_free(batch: *mut adit_store_batch) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(batch) };
}
