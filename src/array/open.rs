//! Opening: by path, from open bytes.

use std::ffi::c_char;
use std::sync::Arc;

use adit_core::array::{Array, ArrayOptions};

use super::{ADIT_ARRAY_OVERWRITE_TRAILING, adit_array, adit_array_options, mode_of};
use crate::boundary::{
    Failure, guard_derived, guard_new, path_argument, read_options, refuse_flags, refuse_reserved,
};
use crate::data::{SharedData, adit_data, data_options};
use crate::error::{adit_error, adit_status};
use crate::tensor::optional_dtype;

/// The engine's options for the caller's.
///
/// # Safety
/// `ptr` is null or points to options as the header asks.
unsafe fn array_options(ptr: *const adit_array_options) -> Result<ArrayOptions, Failure> {
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, "options") }?;
    refuse_flags(own.flags, ADIT_ARRAY_OVERWRITE_TRAILING, "options->flags")?;
    refuse_reserved(&own.reserved, "options")?;
    refuse_reserved(&[own.reserved0.into()], "options")?;
    // SAFETY: the caller's promise.
    let mut data = unsafe { data_options(own.data) }?;
    data.access = mode_of(own.mode)?;
    Ok(ArrayOptions {
        data,
        dtype: optional_dtype(own.dtype, "options->dtype")?,
        overwrite_trailing: own.flags & ADIT_ARRAY_OVERWRITE_TRAILING != 0,
    })
}

/// Opens the array file at `path`. `options` may be NULL. On success `*out` is a handle that the
/// caller closes with adit_array_close.
///
/// Statuses: those of adit_data_open; ADIT_ERR_WRONG_FORMAT (neither .npy nor MMAP),
/// ADIT_ERR_MALFORMED (a header that NumPy refuses, whose fields don't fit one another, or fewer
/// elements than it says), ADIT_ERR_UNSUPPORTED (structured, object, string and time dtypes, void
/// ones without options->dtype), ADIT_ERR_DTYPE. In mode ADIT_ARRAY_READ_WRITE also
/// ADIT_ERR_PERMISSION, ADIT_ERR_READ_ONLY (the file system is), ADIT_ERR_NO_SPACE (see the head of
/// this section), ADIT_ERR_UNSUPPORTED (the file can't be mapped for writing).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_open(
    path: *const c_char,
    options: *const adit_array_options,
    out: *mut *mut adit_array,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(path, "path") }?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { array_options(options) }?;
        Ok(Array::open(path, &options)?)
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, body) }
}

/// Opens an array file whose bytes are open already. The array shares them; `data` may be closed
/// before it. Bytes that came from an array that can be written can be written through this one
/// too; rows can't be appended.
///
/// Statuses: as adit_array_open; ADIT_ERR_INVALID_ARGUMENT if options->data is set or the mode
/// isn't ADIT_ARRAY_READ.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_from_data(
    data: *const adit_data,
    options: *const adit_array_options,
    out: *mut *mut adit_array,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |shared: &SharedData| {
        // SAFETY: NULL or options, as the header asks.
        let given = unsafe { read_options(options, "options") }?;
        if !given.data.is_null() || given.mode != 0 {
            return Err(Failure::invalid(
                "options->data must be NULL and options->mode ADIT_ARRAY_READ: the bytes are open \
                 already",
            ));
        }
        // SAFETY: as above.
        let options = unsafe { array_options(options) }?;
        let data = Arc::clone(&shared.data);
        Ok(Array::from_data(data, options.dtype)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_derived(data, out, err, body) }
}
