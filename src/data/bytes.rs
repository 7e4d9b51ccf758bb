//! The bytes themselves.

use std::ffi::{c_char, c_void};

use super::{ADIT_TO_END, SharedData, adit_data};
use crate::boundary::{buffer_of, close, guard_handle, peek};
use crate::error::{adit_error, adit_status};

/// The first byte; NULL if there are none, or for NULL. Good until the last handle to the bytes is
/// closed. Mapped bytes and heap bytes of the library start at a multiple of 64, those of
/// adit_data_open_fd with an offset and of a caller where they lie.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_bytes(data: *const adit_data) -> *const c_void {
    // SAFETY: NULL or an open handle, as the header asks.
    let shared = unsafe { peek(data) };
    shared.map_or(std::ptr::null(), |shared| {
        shared.data.region().as_ptr().cast()
    })
}

/// The number of bytes; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_len(data: *const adit_data) -> u64 {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(data) }.map_or(0, |shared| shared.data.len())
}

/// Whether the bytes are a map of a file; false for NULL and for an empty file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_is_mapped(data: *const adit_data) -> bool {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(data) }.is_some_and(|shared| shared.data.is_mapped())
}

/// The path that the file was opened by; NULL for descriptors and memory, and for NULL. Good until
/// this handle is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_path(data: *const adit_data) -> *const c_char {
    // SAFETY: NULL or an open handle, as the header asks.
    let shared = unsafe { peek(data) };
    shared
        .and_then(|shared| shared.path.as_ref())
        .map_or(std::ptr::null(), |path| path.as_ptr())
}

/// Copies `len` bytes from `offset` on to `buffer`. A mapped file is read by pread, so that one
/// that was cut, or a disk that fails, is a status and not a fault. On failure the contents of
/// `buffer` are undefined.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (past the bytes that were there at
/// open), ADIT_ERR_TRUNCATED, ADIT_ERR_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_read(
    data: *const adit_data,
    offset: u64,
    len: u64,
    buffer: *mut c_void,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |shared: &SharedData| {
        // ADIT_TO_END is no length here: nobody has a buffer of that.
        let (offset, len) = shared.data.range(offset, len.min(ADIT_TO_END - 1))?;
        // SAFETY: writable for len bytes, as the header asks.
        let out = unsafe { buffer_of(buffer, len) }?;
        Ok(shared.data.read(offset, out)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(data, err, body) }
}

/// Whether the file still has all its bytes: looks at its length now, and remembers what this and
/// every read before has seen. ADIT_OK also for bytes that no file stands behind.
///
/// Statuses: ADIT_ERR_TRUNCATED (for good, even if the file grows again), ADIT_ERR_IO,
/// ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_status(
    data: *const adit_data,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |shared: &SharedData| Ok(shared.data.still_whole()?);
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(data, err, body) }
}

/// Closes a handle; NULL is nothing. The bytes go with the last handle that shares them. Closing
/// a handle twice is a bug of the caller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_close(data: *mut adit_data) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(data) };
}
