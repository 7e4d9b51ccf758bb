//! Values written piece by piece.

use std::ffi::c_void;

use adit_core::store::{PutStream, Store};

use super::{adit_store, key_argument};
use crate::boundary::{
    Failure, Handle, Opaque, Out, close, guard_derived, guard_handle_mut, region_of,
};
use crate::error::{adit_error, adit_status};

/// A value on its way into a store, whose length isn't known before its end: it may be larger than
/// memory. Nobody sees anything of it before it is committed.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_store_put_stream(Handle<Option<PutStream>>);

// SAFETY: repr(transparent) over Handle<Option<PutStream>>.
unsafe impl Opaque for adit_store_put_stream {
    type Value = Option<PutStream>;
    const PARAMETER: &'static str = "stream";
}

fn ended() -> Failure {
    Failure::invalid("the stream has been committed, or failed to be: only aborting it is left")
}

/// Begins a value under a key. Until the stream ends, by commit or abort, every other write to the
/// store is ADIT_ERR_BUSY; reading goes on. On success `*out` is a handle that the caller frees with
/// adit_store_put_stream_abort.
///
/// Statuses: as adit_store_put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_put_stream_begin(
    store: *const adit_store,
    key: *const c_void,
    key_len: usize,
    out: *mut *mut adit_store_put_stream,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |store: &Store| {
        // SAFETY: readable for key_len bytes, as the header asks.
        let key = unsafe { key_argument(key, key_len) }?;
        Ok(Some(store.put_stream(key)?))
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_derived(store, out, err, body) }
}

/// Writes the value's next `len` bytes. After a failure the stream can only be aborted.
///
/// Statuses: as adit_store_put; ADIT_ERR_INVALID_ARGUMENT for a stream that has ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_put_stream_write(
    stream: *mut adit_store_put_stream,
    bytes: *const c_void,
    len: usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |stream: &mut Option<PutStream>| {
        // SAFETY: readable for len bytes during the call, as the header asks.
        let bytes = unsafe { region_of(bytes, len, "bytes") }?;
        Ok(stream.as_mut().ok_or_else(ended)?.write(bytes)?)
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(stream, err, body) }
}

/// Ends the value: it is stored now, and durable as after adit_store_put. `*sequence`, which may be
/// NULL, is the write's number. The handle is still to be freed, by adit_store_put_stream_abort, which
/// then undoes nothing.
///
/// Statuses: as adit_store_put_stream_write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_put_stream_commit(
    stream: *mut adit_store_put_stream,
    sequence: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(sequence) };
    let body = |stream: &mut Option<PutStream>| {
        out.set(stream.take().ok_or_else(ended)?.commit()?);
        Ok(())
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(stream, err, body) }
}

/// Frees a stream; NULL is nothing. A value that wasn't committed leaves nothing behind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_put_stream_abort(stream: *mut adit_store_put_stream) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(stream) };
}
