//! What a writer does with records.

use std::ffi::{c_char, c_void};

use adit_core::tensor::TensorView;

use super::{Writing, adit_record_writer};
use crate::boundary::{
    Failure, Out, close, guard_handle_mut, path_to_c, peek, slice, text_argument,
};
use crate::error::{adit_error, adit_status};
use crate::tensor::adit_tensor;

/// Appends one record of `n` tensors, one for each field: 2 for rrec, input and target. The tensors
/// may be strided; they are written in C order. Where a field has sizes of each record's own, its
/// tensor's shape tells them. Their bytes are copied before the call returns.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (another `n`, a finished writer, `nbytes` too small for
/// shape and strides), ADIT_ERR_DTYPE (other than the field's; rrec: other than f32 and f16),
/// ADIT_ERR_SHAPE (other than the field's, over 8 dimensions, a size over 32 bits),
/// ADIT_ERR_UNSUPPORTED (big-endian), ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_NO_SPACE, ADIT_ERR_IO,
/// ADIT_ERR_POISONED, ADIT_ERR_FORKED; with shards, when one is finished, those of
/// adit_record_writer_finish.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_append(
    writer: *mut adit_record_writer,
    tensors: *const adit_tensor,
    n: usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |own: &mut Writing| {
        // SAFETY: readable for n tensors whose data is readable, as the header asks.
        let views = unsafe { views(tensors, n, own.fields, "tensors") }?;
        Ok(own.writer.append(&views)?)
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(writer, err, body) }
}

/// Appends a batch of records from `n` columns, one for each field: record i consists of row i of
/// each column, a column's first dimension being the number of records. The columns are checked
/// before the first record is written; a failure after that poisons the writer.
///
/// Statuses: as adit_record_writer_append; ADIT_ERR_SHAPE also for columns without dimensions or
/// of different lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_append_batch(
    writer: *mut adit_record_writer,
    columns: *const adit_tensor,
    n: usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |own: &mut Writing| {
        // SAFETY: readable for n tensors whose data is readable, as the header asks.
        let views = unsafe { views(columns, n, own.fields, "columns") }?;
        Ok(own.writer.append_batch(&views)?)
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(writer, err, body) }
}

/// More fields than any format has: a larger `n` is a mistake, and nothing is read.
const MOST_FIELDS: usize = 1024;

/// # Safety
/// `tensors` is null or readable for `n` tensors, and their data for their `nbytes`, for `'a`.
unsafe fn views<'a>(
    tensors: *const adit_tensor,
    n: usize,
    fields: Option<usize>,
    parameter: &str,
) -> Result<Vec<TensorView<'a>>, Failure> {
    if let Some(fields) = fields.filter(|&fields| fields != n) {
        return Err(Failure::invalid(format_args!(
            "n is {n}, but records have {fields} tensors"
        )));
    }
    if n > MOST_FIELDS {
        return Err(Failure::invalid(format_args!(
            "n is {n}; no format has so many fields"
        )));
    }
    // SAFETY: the caller's promise.
    let tensors = unsafe { slice(tensors, n, parameter) }?;
    let mut views = Vec::with_capacity(n);
    for (number, tensor) in tensors.iter().enumerate() {
        // SAFETY: the caller's promise.
        views.push(unsafe { tensor.view(&format!("{parameter}[{number}]")) }?);
    }
    Ok(views)
}

/// Sets metadata that the file, or the manifest of a set, will carry: `len` bytes under `key`, UTF-8
/// and not empty; `value` may be NULL if `len` is 0. A key set before gets the new value. Both are
/// copied.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, a key that is empty or not UTF-8, a finished writer),
/// ADIT_ERR_UNSUPPORTED (rrec has none), ADIT_ERR_OUT_OF_RANGE (a value of over 4 GiB, metadata of
/// over 64 MiB together), ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_POISONED, ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_set_metadata(
    writer: *mut adit_record_writer,
    key: *const c_char,
    value: *const c_void,
    len: usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |own: &mut Writing| {
        // SAFETY: NULL or a string, as the header asks.
        let key = unsafe { text_argument(key, "key") }?;
        // SAFETY: readable for len bytes, as the header asks.
        let value = unsafe { slice(value.cast::<u8>(), len, "value") }?;
        Ok(own.writer.set_metadata(key, value)?)
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(writer, err, body) }
}

/// The records appended so far; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_count(writer: *const adit_record_writer) -> u64 {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(writer) }.map_or(0, |own| own.writer.count())
}

/// The path of the temporary that is being written, or was last; with shards, the current shard's. `*path` is
/// the writer's and good until the next call on it.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_NOT_FOUND (with shards, before the first record).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_temporary(
    writer: *mut adit_record_writer,
    path: *mut *const c_char,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let path = unsafe { Out::zeroed(path) };
    let body = |own: &mut Writing| {
        path.required("path")?;
        let temporary = own.writer.temporary().and_then(path_to_c);
        let temporary = temporary.ok_or_else(|| {
            Failure::new(
                adit_status::ADIT_ERR_NOT_FOUND,
                "no temporary is being written",
            )
        })?;
        path.set(own.temporary.insert(temporary).as_ptr());
        Ok(())
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(writer, err, body) }
}

/// Makes every record appended so far recoverable: when this returns ADIT_OK, they survive a crash of
/// the process, and a power cut, in the temporary, from which adit_record_recover takes them. It
/// writes what is in memory of the current block and syncs; the block is written again once it is
/// full.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, a finished writer), ADIT_ERR_UNSUPPORTED (rrec),
/// ADIT_ERR_NO_SPACE, ADIT_ERR_IO, ADIT_ERR_POISONED, ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_sync(
    writer: *mut adit_record_writer,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |own: &mut Writing| Ok(own.writer.sync()?);
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(writer, err, body) }
}

/// Finishes the file, or the last shard and then the manifest: when this returns ADIT_OK, it stands
/// whole and durable at its path. After
/// any other status nothing new stands there and the writer is poisoned; with one exception:
/// ADIT_ERR_NOT_DURABLE, where only the last sync, of the folder, failed: the whole file stands
/// there, but a power cut may still undo that.
///
/// Finished or failed, the writer can only be closed.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, finished before), ADIT_ERR_NO_SPACE, ADIT_ERR_IO,
/// ADIT_ERR_EXISTS, ADIT_ERR_PERMISSION, ADIT_ERR_NOT_FOUND (somebody removed the temporary or
/// the folder), ADIT_ERR_NOT_A_FILE (the path has become a folder), ADIT_ERR_NOT_DURABLE,
/// ADIT_ERR_BUSY (a set that was appended to meanwhile), ADIT_ERR_POISONED, ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_finish(
    writer: *mut adit_record_writer,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |own: &mut Writing| Ok(own.writer.finish()?);
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(writer, err, body) }
}

/// Closes a writer; NULL is nothing. Unfinished, it leaves nothing at its path, and no temporary
/// without ADIT_RECORD_WRITER_KEEP_UNFINISHED: finish first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_close(writer: *mut adit_record_writer) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(writer) };
}
