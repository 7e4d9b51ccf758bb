//! Records: writing
//!
//! A writer collects records in a temporary file beside the path it was given, called
//! `<name>.<16 hex digits>.adit-tmp`. adit_record_writer_finish syncs it, gives it its name in one
//! step and syncs the folder: at the path there is always the whole old file, the whole new one,
//! or none. Closing an unfinished writer removes the temporary. If the process dies, the temporary
//! stays, for the user to remove, and adit_record_recover saves the whole records that were written
//! out by then: up to 8 MiB of the latest are still in memory.
//!
//! A symbolic link at the path is replaced, not followed; a file that is replaced leaves its
//! permissions to the new one, not its owner. The index is kept in memory, 16 bytes a record.
//!
//! After a failed write or sync the writer is poisoned: every call but close answers
//! ADIT_ERR_POISONED, and nothing appears at the path. A record that is refused (dtype, shape,
//! NULL) leaves the writer as it was.
//!
//! Threads: one at a time for each writer. Forks: a child can't write through a writer that it
//! inherited (ADIT_ERR_FORKED, where it was forked by fork()); closing it there leaves the parent's
//! temporary alone.

use std::ffi::c_char;
use std::sync::Arc;

use adit_core::map::RealStorage;
use adit_core::record::RecordWriter;
use adit_core::tensor::TensorView;

use crate::boundary::{
    Failure, Handle, Opaque, Options, Out, choose, close, guard, guard_handle_mut, init_options,
    into_raw, path_argument, peek, read_options, refuse_flags, refuse_reserved, slice,
};
use crate::error::{adit_error, adit_status};
use crate::tensor::adit_tensor;

/// A record file being written.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_record_writer(Handle<RecordWriter>);

// SAFETY: repr(transparent) over Handle<RecordWriter>.
unsafe impl Opaque for adit_record_writer {
    type Value = RecordWriter;
    const PARAMETER: &'static str = "writer";
}

/// The formats of record files.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_record_format {
    /// By the path's extension: .rrec is rrec version 1.
    ADIT_RECORD_FORMAT_AUTO = 0,
    /// rrec version 1, byte for byte as rumus 0.3.1 writes it.
    ADIT_RECORD_FORMAT_RREC1 = 1,
}

/// In adit_record_writer_options.flags: never replace a file; one at the path is ADIT_ERR_EXISTS,
/// from create, or from finish if it came later.
pub const ADIT_RECORD_WRITER_NO_REPLACE: u32 = 1;

/// How to write a record file. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_record_writer_options {
    /// sizeof(adit_record_writer_options).
    pub struct_size: usize,
    /// An adit_record_format.
    pub format: i32,
    /// ADIT_RECORD_WRITER_... flags.
    pub flags: u32,
    /// Zeros.
    pub reserved: [u64; 4],
}

//@c-after
//@ /** The default options. */
//@ #define ADIT_RECORD_WRITER_OPTIONS_INIT \
//@     { sizeof(adit_record_writer_options), 0, 0, { 0, 0, 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are numbers and flags.
unsafe impl Options for adit_record_writer_options {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_options_init(
    options: *mut adit_record_writer_options,
    size: usize,
) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// Starts a record file that will stand at `path` once it is finished; a file that stands there
/// already is read as before until then. `options` may be NULL. On success `*out` is a handle that
/// the caller closes with adit_record_writer_close.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_UNSUPPORTED (an extension that names no format,
/// options of a later version), ADIT_ERR_NOT_FOUND (no such folder), ADIT_ERR_PERMISSION,
/// ADIT_ERR_EXISTS, ADIT_ERR_NOT_A_FILE, ADIT_ERR_NO_SPACE, ADIT_ERR_READ_ONLY, ADIT_ERR_IO,
/// ADIT_ERR_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_create(
    path: *const c_char,
    options: *const adit_record_writer_options,
    out: *mut *mut adit_record_writer,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = || {
        out.required("out")?;
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(path, "path") }?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { read_options(options, "options") }?;
        refuse_flags(
            options.flags,
            ADIT_RECORD_WRITER_NO_REPLACE,
            "options->flags",
        )?;
        refuse_reserved(&options.reserved, "options")?;
        let table = [
            (adit_record_format::ADIT_RECORD_FORMAT_AUTO as i32, true),
            (adit_record_format::ADIT_RECORD_FORMAT_RREC1 as i32, false),
        ];
        let by_name = choose(
            options.format,
            "options->format",
            "adit_record_format",
            &table,
        )?;
        if by_name && path.extension().is_none_or(|extension| extension != "rrec") {
            let message = format_args!(
                "'{}': the extension names no record format; call it .rrec or set options->format",
                path.display()
            );
            return Err(Failure::new(adit_status::ADIT_ERR_UNSUPPORTED, message));
        }
        let replace = options.flags & ADIT_RECORD_WRITER_NO_REPLACE == 0;
        let writer = RecordWriter::create(Arc::new(RealStorage), path, replace)?;
        out.set(into_raw(writer));
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// Appends one record of `n` tensors: 2 for rrec, input and target. The tensors may be strided;
/// they are written in C order. Their bytes are copied before the call returns.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (another `n`, a finished writer, `nbytes` too small for
/// shape and strides), ADIT_ERR_DTYPE (rrec: other than f32 and f16), ADIT_ERR_SHAPE (over 8
/// dimensions; rrec: a size over 32 bits), ADIT_ERR_UNSUPPORTED (big-endian),
/// ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_NO_SPACE, ADIT_ERR_IO, ADIT_ERR_POISONED, ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_append(
    writer: *mut adit_record_writer,
    tensors: *const adit_tensor,
    n: usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |writer: &mut RecordWriter| {
        // SAFETY: readable for n tensors whose data is readable, as the header asks.
        let views = unsafe { views(tensors, n, "tensors") }?;
        Ok(writer.append(&views)?)
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
    let body = |writer: &mut RecordWriter| {
        // SAFETY: readable for n tensors whose data is readable, as the header asks.
        let views = unsafe { views(columns, n, "columns") }?;
        Ok(writer.append_batch(&views)?)
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(writer, err, body) }
}

/// More fields than any format has: a larger `n` is a mistake, and nothing is read.
const MOST_FIELDS: usize = 64;

/// # Safety
/// `tensors` is null or readable for `n` tensors, and their data for their `nbytes`, for `'a`.
unsafe fn views<'a>(
    tensors: *const adit_tensor,
    n: usize,
    parameter: &str,
) -> Result<Vec<TensorView<'a>>, Failure> {
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

/// The records appended so far; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_count(writer: *const adit_record_writer) -> u64 {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(writer) }.map_or(0, RecordWriter::count)
}

/// Finishes the file: when this returns ADIT_OK, it stands whole and durable at its path. After
/// any other status nothing new stands there and the writer is poisoned; with one exception:
/// ADIT_ERR_NOT_DURABLE, where only the last sync, of the folder, failed: the whole file stands
/// there, but a power cut may still undo that.
///
/// Finished or failed, the writer can only be closed.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, finished before), ADIT_ERR_NO_SPACE, ADIT_ERR_IO,
/// ADIT_ERR_EXISTS, ADIT_ERR_PERMISSION, ADIT_ERR_NOT_FOUND (somebody removed the temporary or
/// the folder), ADIT_ERR_NOT_A_FILE (the path has become a folder), ADIT_ERR_NOT_DURABLE,
/// ADIT_ERR_POISONED, ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_finish(
    writer: *mut adit_record_writer,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |writer: &mut RecordWriter| Ok(writer.finish()?);
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(writer, err, body) }
}

/// Closes a writer; NULL is nothing. Unfinished, it leaves nothing behind: finish first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_close(writer: *mut adit_record_writer) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(writer) };
}
