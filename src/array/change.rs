//! Writing to an array: in place, durably, and behind its end.

use std::ffi::c_void;

use adit_core::array::Array;
use adit_core::map::Advice;

use super::adit_array;
use crate::boundary::{Out, guard_handle, guard_handle_mut};
use crate::data::{advice_argument, release_argument};
use crate::error::{adit_error, adit_status};
use crate::tensor::{adit_tensor, tensor_argument};

/// Lends the elements for writing, in the order, byte order and alignment that the file has them
/// in: good as long as the tensor of adit_array_tensor, whose place they have. `*nbytes`, which may
/// be NULL, is their number of bytes; without elements `*data` is NULL.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_READ_ONLY (mode ADIT_ARRAY_READ; an array of
/// adit_array_from_data has the mode of the array whose bytes it shares).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_data_mut(
    array: *mut adit_array,
    data: *mut *mut c_void,
    nbytes: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(data) };
    // SAFETY: NULL or writable, as the header asks.
    let nbytes = unsafe { Out::zeroed(nbytes) };
    let body = |array: &mut Array| {
        out.required("data")?;
        out.set(array.as_mut_ptr()?.cast());
        nbytes.set(array.region().len() as u64);
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(array, err, body) }
}

/// Makes what was written to `len` bytes from byte `offset` of the elements on durable; `len` may
/// be ADIT_TO_END. Returns when the disk has them. After a failure the array is poisoned for
/// flushes, since the kernel forgets what it couldn't write: save what is in memory with
/// adit_array_save_as.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE, ADIT_ERR_READ_ONLY (another mode
/// than ADIT_ARRAY_READ_WRITE), ADIT_ERR_IO, ADIT_ERR_NO_SPACE, ADIT_ERR_TRUNCATED (the file was
/// cut: what was written behind its end is lost), ADIT_ERR_POISONED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_flush(
    array: *const adit_array,
    offset: u64,
    len: u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |array: &Array| Ok(array.flush(offset, len)?);
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(array, err, body) }
}

/// Appends the rows of a tensor (its first dimension counts them; the others and the dtype are
/// those of the array) to a .npy file open in mode ADIT_ARRAY_READ_WRITE. When the call returns
/// they are durable, and a crash at any point leaves the file readable with the old number of rows
/// or the new one.
///
/// Pointers into the array stay good and show the old rows; adit_array_tensor and
/// adit_array_data_mut then give all of them, perhaps elsewhere. Rows are written behind the
/// elements, then the header is overwritten within one sector of the disk. Where that can't be (no
/// room for the longer number) the whole array is published anew in place of the file, and other
/// handles go on with the old one. So do older pointers: what is written through them reaches no
/// file any more. After an append ask for adit_array_data_mut again before you write.
///
/// The rows go to the file that was opened, by the path that it was opened by. A path that is a
/// symbolic link is resolved when the array is opened, so that the link stays and the file behind
/// it grows.
///
/// One handle at a time can append to a file: it holds the file's lock (flock) from its first
/// append until it is closed or an append fails for good. Bytes that lie behind the elements before
/// the first append are ADIT_ERR_UNFINISHED unless ADIT_ARRAY_OVERWRITE_TRAILING was set at open:
/// an append was interrupted there, or somebody keeps something. The lock has a descriptor of its
/// own, opened by a handle's first append and closed where that is refused, later with the lock;
/// POSIX (fcntl) locks of this process on the file are lost then, as whenever a process closes any
/// descriptor of a file.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_READ_ONLY (another mode; the file system is),
/// ADIT_ERR_UNSUPPORTED (MMAP; Fortran order, unless all dimensions but the first are 1; an array
/// of adit_array_from_data: open it by its path), ADIT_ERR_DTYPE, ADIT_ERR_SHAPE,
/// ADIT_ERR_UNFINISHED, ADIT_ERR_BUSY (another handle appends, or the file has been replaced, moved
/// or appended to since it was opened here), ADIT_ERR_FORKED (opened by the parent of this
/// process), ADIT_ERR_TRUNCATED, ADIT_ERR_WRONG_FORMAT and ADIT_ERR_MALFORMED (the header, which is
/// read again, isn't what it was), ADIT_ERR_PERMISSION and ADIT_ERR_NOT_FOUND (of the file or its
/// folder, where a new file must be made), ADIT_ERR_NO_SPACE and ADIT_ERR_IO (repeat the call once
/// there is space; after a failed sync it answers ADIT_ERR_POISONED), ADIT_ERR_NOT_DURABLE
/// (appended, but a power cut may bring the old file back), ADIT_ERR_OUT_OF_MEMORY. What a failed
/// append has written stays behind the elements: this handle's next append goes over it, another
/// handle needs ADIT_ARRAY_OVERWRITE_TRAILING.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_append_rows(
    array: *mut adit_array,
    rows: *const adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |array: &mut Array| {
        // SAFETY: NULL or a tensor over readable memory, as the header asks.
        let rows = unsafe { tensor_argument(rows, "rows") }?;
        Ok(array.append_rows(&rows)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(array, err, body) }
}

/// As adit_data_advise, for `len` bytes from byte `offset` of the elements on.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_advise(
    array: *const adit_array,
    offset: u64,
    len: u64,
    advice: i32,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |array: &Array| {
        let advice: Advice = advice_argument(advice)?;
        let (offset, len) = array.range(offset, len)?;
        Ok(array.data().advise(offset, len, advice)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(array, err, body) }
}

/// As adit_data_prefetch, for `len` bytes from byte `offset` of the elements on.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_prefetch(
    array: *const adit_array,
    offset: u64,
    len: u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |array: &Array| {
        let (offset, len) = array.range(offset, len)?;
        Ok(array.data().prefetch(offset, len)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(array, err, body) }
}

/// As adit_data_release, for `len` bytes from byte `offset` of the elements on. Arrays that can be
/// written keep every page: 0 bytes are freed.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE, ADIT_ERR_IO,
/// ADIT_ERR_UNSUPPORTED (unknown flags).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_release(
    array: *const adit_array,
    offset: u64,
    len: u64,
    flags: u32,
    freed: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let freed = unsafe { Out::zeroed(freed) };
    let body = |array: &Array| {
        let what = release_argument(flags)?;
        let (offset, len) = array.range(offset, len)?;
        freed.set(array.data().release(offset, len, what)?);
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(array, err, body) }
}
