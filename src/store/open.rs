//! Opening and closing.

use std::ffi::c_char;

use adit_core::store::Store;

use super::adit_store;
use super::options::{adit_store_options, store_options};
use crate::boundary::{close, guard_new, path_argument};
use crate::error::{adit_error, adit_status};

/// Opens the store at `path`, or makes one there: as a whole, or not at all. `options` may be NULL.
/// On success `*out` is a handle that the caller closes with adit_store_close.
///
/// A store that was closed opens without being read; one that wasn't is read from its last
/// checkpoint on, and what a crash has torn off its end is left out. A handle for writing then makes
/// durable what it found, before it returns.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_NOT_FOUND (no such store, no such folder),
/// ADIT_ERR_EXISTS (ADIT_STORE_NEW), ADIT_ERR_PERMISSION, ADIT_ERR_NOT_A_FILE, ADIT_ERR_BUSY (a second
/// handle for writing; the message names the process that has the first, where it can be told),
/// ADIT_ERR_WRONG_FORMAT (no store, an empty file too: it is left as it is), ADIT_ERR_MALFORMED (a
/// store that is damaged in what was durable: adit_error_offset says where), ADIT_ERR_UNSUPPORTED (a
/// later version, options of a later version, a network file system), ADIT_ERR_READ_ONLY,
/// ADIT_ERR_NO_SPACE, ADIT_ERR_IO, ADIT_ERR_TRUNCATED (cut while it was read), ADIT_ERR_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_open(
    path: *const c_char,
    options: *const adit_store_options,
    out: *mut *mut adit_store,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(path, "path") }?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { store_options(options) }?;
        Ok(Store::open(path, &options)?)
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, body) }
}

/// Closes a store; NULL is nothing. Snapshots and what they lent live on; streams end as if aborted.
/// But with ADIT_SYNC_NONE, everything written is made durable; a failure there is only told to the
/// log: call adit_store_sync before, to know.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_close(store: *mut adit_store) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(store) };
}
