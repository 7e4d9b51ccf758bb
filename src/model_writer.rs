//! Models: writing
//!
//! An adit_model_writer makes safetensors files. All tensors are declared first, then
//! adit_model_writer_begin lays them out and makes the files with all their space, then their bytes
//! are written in any order and in pieces, straight from where they lie: nothing is kept in memory
//! but names and which bytes have been written.
//!
//! Layout. The format allows no gaps between tensors. The first starts at a multiple of 64 bytes in
//! the file, and the others follow by the largest power of two, up to 64, that divides their bytes,
//! the largest first and else as they were declared. So each tensor is aligned to its dtype at
//! least, and all whose bytes are multiples of 64 to 64; adit_model_writer_location tells which.
//!
//! Files. Everything is written under temporary names, `<name>.<16 hex digits>.adit-tmp`, in the
//! folder of the path. adit_model_writer_finish syncs it, gives the files their names, each in one
//! step, and syncs the folder. Closing an unfinished writer removes the temporaries; if the process
//! dies they stay, for the user to remove, and are no safetensors files unless they are whole. Who
//! has an older file open or mapped goes on with that, so that a model can be saved over the file
//! that it is mapped from. A symbolic link at a path is replaced, not followed; a file that is
//! replaced leaves its permissions to the new one, not its owner.
//!
//! Shards. With a limit on the bytes of a file that the model exceeds, it becomes a set:
//! `<stem>-00001-of-0000N.safetensors` and so on, filled with tensors in the order of their
//! declaration, and `<stem>.safetensors.index.json`, which names the file of each tensor and is
//! what is opened; `<stem>` is the path without `.safetensors`. A tensor that exceeds the limit by
//! itself has a file of its own. All files are open from begin to finish. The index gets its name
//! last, so that it names nothing that isn't there. Where a set replaces another, the old index is
//! removed before the first file gets its name: a crash, or a failure, in between leaves no index,
//! never one that mixes old and new files; up to then it leaves the old set. adit_model_open sees
//! whether the index was removed while it opened the files, and opens the new set then. Another
//! program that has read the old index but not yet opened the files that it names may open new ones:
//! for those, write a model that is in use under another name. Old files that the new ones don't
//! replace, because their number differs, stay.
//!
//! Two writers of one set, in one process or in several, give their files their names one after the
//! other: finish waits while the other one does, and what stands there then is all of the later
//! one. Meanwhile there is a file `<stem>.safetensors.adit-lock`, which a crash may leave behind: it
//! keeps nobody out and goes with the next set. Where the file system has no locks, as some network
//! file systems, nobody waits and the files may be mixed: let one process write a set.
//!
//! Sets beside single files. Other programs take a file at the path itself before an index, so
//! one that stands there is ADIT_ERR_EXISTS where a set is written, whatever the options say: from
//! begin, or from finish if it came later. The other way round, one file that is written where a set
//! of the same stem stands leaves that alone: who opens the index gets the old model, until somebody
//! removes it.
//!
//! After a failed write or sync the writer is poisoned: every call but close answers
//! ADIT_ERR_POISONED, and nothing new appears. What is refused (a name, a dtype, bytes outside of a
//! tensor) leaves the writer as it was; what can't be read where the caller has it is only missing.
//!
//! Threads: one at a time for each writer. Forks: a child can't write through a writer that had
//! begun when it inherited it (ADIT_ERR_FORKED, where it was forked by fork()); closing it there
//! leaves the parent's temporaries alone.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use adit_core::map::RealStorage;
use adit_core::model::{ModelWriter, ModelWriterOptions};

use crate::boundary::{
    Failure, Handle, Opaque, Options, Out, close, guard_handle, guard_handle_mut, guard_new,
    init_options, path_argument, peek, read_options, refuse_flags, refuse_reserved, region_of,
    slice, text_argument,
};
use crate::error::{adit_error, adit_status};
use crate::tensor::dtype_argument;

/// A model being written.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_model_writer(Handle<ModelWriter>);

// SAFETY: repr(transparent) over Handle<ModelWriter>.
unsafe impl Opaque for adit_model_writer {
    type Value = ModelWriter;
    const PARAMETER: &'static str = "writer";
}

/// In adit_model_writer_options.flags: never replace a file; one that stands where one of the
/// model's goes is ADIT_ERR_EXISTS, from begin, or from finish if it came later.
pub const ADIT_MODEL_WRITER_NO_REPLACE: u32 = 1;

/// How to write a model. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_model_writer_options {
    /// sizeof(adit_model_writer_options).
    pub struct_size: usize,
    /// The most bytes of tensors in a file; 0 for one file whatever its size.
    pub shard_bytes: u64,
    /// ADIT_MODEL_WRITER_... flags.
    pub flags: u32,
    /// Zero.
    pub reserved0: u32,
    /// Zeros.
    pub reserved: [u64; 4],
}

//@c-after
//@ /** The default options. */
//@ #define ADIT_MODEL_WRITER_OPTIONS_INIT \
//@     { sizeof(adit_model_writer_options), 0, 0, 0, { 0, 0, 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are numbers and flags.
unsafe impl Options for adit_model_writer_options {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_writer_options_init(
    options: *mut adit_model_writer_options,
    size: usize,
) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// A writer of a model that will stand at `path`, or in a set of shards beside it, once it is
/// finished. This call touches no file. `options` may be NULL. On success `*out` is a handle that
/// the caller closes with adit_model_writer_close.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_UNSUPPORTED (options of a later version).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_writer_create(
    path: *const c_char,
    options: *const adit_model_writer_options,
    out: *mut *mut adit_model_writer,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(path, "path") }?;
        // SAFETY: NULL or options, as the header asks.
        let own = unsafe { read_options(options, "options") }?;
        refuse_flags(own.flags, ADIT_MODEL_WRITER_NO_REPLACE, "options->flags")?;
        refuse_reserved(&own.reserved, "options")?;
        refuse_reserved(&[own.reserved0.into()], "options")?;
        let options = ModelWriterOptions {
            shard_bytes: Some(own.shard_bytes).filter(|&bytes| bytes > 0),
            replace: own.flags & ADIT_MODEL_WRITER_NO_REPLACE == 0,
        };
        let storage = Arc::new(RealStorage);
        Ok(ModelWriter::create(storage, path, &options)?)
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, body) }
}

/// Adds a tensor. `name` is UTF-8, and each name is there once; `shape` has `ndim` sizes, outermost
/// first, and may be NULL if `ndim` is 0. There may be more than 8 dimensions. `*index`, which may
/// be NULL, is the tensor's number: how many were declared before.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, a name that is taken, not UTF-8, or "__metadata__", a
/// writer that has begun or finished), ADIT_ERR_DTYPE (none, or one that the format doesn't have:
/// those of ggml and complex128), ADIT_ERR_SHAPE (a negative size, more bytes than there can be,
/// elements of less than a byte that don't fill their last one), ADIT_ERR_OUT_OF_MEMORY,
/// ADIT_ERR_POISONED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_writer_declare(
    writer: *mut adit_model_writer,
    name: *const c_char,
    dtype: i32,
    ndim: i32,
    shape: *const i64,
    index: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(index) };
    let body = |writer: &mut ModelWriter| {
        // SAFETY: NULL or a string, as the header asks.
        let name = unsafe { text_argument(name, "name") }?;
        let dtype = dtype_argument(dtype, "dtype")?;
        let Ok(ndim) = usize::try_from(ndim) else {
            let message = format_args!("ndim is {ndim}; a tensor has 0 dimensions or more");
            return Err(Failure::new(adit_status::ADIT_ERR_SHAPE, message));
        };
        // SAFETY: readable for ndim sizes, as the header asks.
        let dims = unsafe { slice(shape, ndim, "shape") }?;
        out.set(writer.declare(name, dtype, dims)?);
        Ok(())
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(writer, err, body) }
}

/// Sets a value of the metadata, which every file of the model gets; both strings are UTF-8. A key
/// that is there already gets the new value. transformers wants "format" to be "pt".
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, not UTF-8, a writer that has begun or finished),
/// ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_POISONED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_writer_set_metadata(
    writer: *mut adit_model_writer,
    key: *const c_char,
    value: *const c_char,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |writer: &mut ModelWriter| {
        // SAFETY: NULL or a string, as the header asks.
        let key = unsafe { text_argument(key, "key") }?;
        // SAFETY: NULL or a string, as the header asks.
        let value = unsafe { text_argument(value, "value") }?;
        Ok(writer.set_metadata(key, value)?)
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(writer, err, body) }
}

/// Lays out the tensors and makes the files with all their space: a full disk is ADIT_ERR_NO_SPACE
/// here. After this nothing can be declared. A failure leaves no file, and the writer as it was:
/// it can be tried again.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (a writer that has begun or finished; shards of a path that
/// isn't UTF-8), ADIT_ERR_NOT_FOUND (no such folder), ADIT_ERR_PERMISSION (more shards than files
/// may be open at once too), ADIT_ERR_EXISTS, ADIT_ERR_NOT_A_FILE, ADIT_ERR_NO_SPACE (also where a
/// file may not become that long, on this file system or in this process), ADIT_ERR_READ_ONLY,
/// ADIT_ERR_IO, ADIT_ERR_OUT_OF_RANGE (a header of more than 100 MB, which readers refuse; more bytes
/// than 63 bits count), ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_POISONED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_writer_begin(
    writer: *mut adit_model_writer,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |writer: &mut ModelWriter| Ok(writer.begin()?);
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(writer, err, body) }
}

/// Writes `len` bytes of tensor `index`, from its byte `offset` on: in any order, in pieces of any
/// length, and again where need be. Elements are little-endian and in C order. `bytes` may be
/// mapped from a file, also from one that is cut meanwhile: that is ADIT_ERR_IO with EFAULT, and
/// doesn't poison the writer: these bytes of the tensor count as never written, and can be written
/// again.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, a writer that hasn't begun or has finished),
/// ADIT_ERR_OUT_OF_RANGE (no such tensor, bytes outside of it, more than 4194304 pieces with gaps
/// between them), ADIT_ERR_NO_SPACE, ADIT_ERR_IO, ADIT_ERR_POISONED, ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_writer_write(
    writer: *mut adit_model_writer,
    index: usize,
    offset: u64,
    bytes: *const c_void,
    len: usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |writer: &mut ModelWriter| {
        // SAFETY: readable for len bytes during the call, as the header asks.
        let bytes = unsafe { region_of(bytes, len, "bytes") }?;
        Ok(writer.write_region(index, offset, bytes)?)
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(writer, err, body) }
}

/// Where tensor `index` lies, once the writer has begun: the number of its file (0 where there is
/// one file; otherwise file 0 is the one called 00001), the byte of that file where it starts, and
/// the largest power of two, up to 64, that divides that. Outputs may be NULL.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, a writer that hasn't begun), ADIT_ERR_OUT_OF_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_writer_location(
    writer: *const adit_model_writer,
    index: usize,
    file: *mut usize,
    offset: *mut u64,
    alignment: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let file = unsafe { Out::zeroed(file) };
    // SAFETY: NULL or writable, as the header asks.
    let offset = unsafe { Out::zeroed(offset) };
    // SAFETY: NULL or writable, as the header asks.
    let alignment = unsafe { Out::zeroed(alignment) };
    let body = |writer: &ModelWriter| {
        let found = writer.location(index)?;
        file.set(found.shard);
        offset.set(found.offset);
        alignment.set(found.alignment as usize);
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(writer, err, body) }
}

/// The tensors declared so far; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_writer_count(writer: *const adit_model_writer) -> usize {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(writer) }.map_or(0, ModelWriter::count)
}

/// The files of the model, an index aside; 0 for NULL and before the writer has begun.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_writer_files(writer: *const adit_model_writer) -> usize {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(writer) }.map_or(0, ModelWriter::shards)
}

/// Finishes the model: when this returns ADIT_OK, it stands whole and durable at its path, or as a
/// set whose index is `<stem>.safetensors.index.json`. ADIT_ERR_UNFINISHED names a tensor and its
/// first byte that was never written: nothing was published, and the bytes can be written still.
/// After any other status nothing new stands there and the writer is poisoned; with one exception:
/// ADIT_ERR_NOT_DURABLE, where only the last sync, of the folder, failed: the whole model stands
/// there, but a power cut may still undo that. What of an old set was replaced before a failure is
/// lost, as the head of this section says.
///
/// Finished or failed, the writer can only be closed.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, not begun, finished before), ADIT_ERR_UNFINISHED,
/// ADIT_ERR_NO_SPACE, ADIT_ERR_IO, ADIT_ERR_EXISTS, ADIT_ERR_PERMISSION, ADIT_ERR_NOT_FOUND
/// (somebody removed a temporary or the folder), ADIT_ERR_NOT_A_FILE (the path has become a
/// folder), ADIT_ERR_BUSY (thousands of others write the set, or a broken link stands where its lock
/// file goes), ADIT_ERR_NOT_DURABLE, ADIT_ERR_POISONED, ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_writer_finish(
    writer: *mut adit_model_writer,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |writer: &mut ModelWriter| Ok(writer.finish()?);
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(writer, err, body) }
}

/// Closes a writer; NULL is nothing. Unfinished, it leaves nothing behind: finish first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_writer_close(writer: *mut adit_model_writer) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(writer) };
}
