//! Copying out, converted or dequantised.

use std::ffi::c_void;

use adit_core::model::{Model, ModelReadOptions};

use super::adit_model;
use crate::boundary::{
    Failure, Options, Out, buffer_of, guard_handle, guard_value, init_options, read_options,
    refuse_flags, refuse_reserved,
};
use crate::data::io_argument;
use crate::error::{adit_error, adit_status};
use crate::kernel::{ADIT_CONVERT_SATURATE, overflow_of};
use crate::tensor::{adit_tensor, optional_dtype, slice_of};

/// What to read of a tensor, and as what. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_model_read_options {
    /// sizeof(adit_model_read_options).
    pub struct_size: usize,
    /// The first position of the first dimension.
    pub row_start: u64,
    /// How many positions of it; 0 for all from row_start on, so that none can't be asked for by a
    /// count that happens to be 0: only row_start at the very end gives no rows.
    pub row_count: u64,
    /// The first position of the last dimension, where there are two or more.
    pub column_start: u64,
    /// How many positions of it; 0 for all from column_start on, as for rows. Columns of block
    /// dtypes begin and end at blocks.
    pub column_count: u64,
    /// The adit_dtype of the output; 0 for the tensor's. What adit_convert converts can be asked
    /// for.
    pub dtype: i32,
    /// An adit_io. ADIT_IO_AUTO reads the file, so that one that is cut meanwhile is
    /// ADIT_ERR_TRUNCATED; ADIT_IO_MAP copies from the map, and is SIGBUS where the file is cut
    /// during the call.
    pub io: i32,
    /// ADIT_CONVERT_SATURATE.
    pub flags: u32,
    /// Zero.
    pub reserved0: u32,
    /// Zeros.
    pub reserved: [u64; 4],
}

//@c-after
//@ /** The default options: all of the tensor, as it is stored. */
//@ #define ADIT_MODEL_READ_OPTIONS_INIT \
//@     { sizeof(adit_model_read_options), 0, 0, 0, 0, 0, 0, 0, 0, { 0, 0, 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are numbers.
unsafe impl Options for adit_model_read_options {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_read_options_init(
    options: *mut adit_model_read_options,
    size: usize,
) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// Copies the elements of tensor `index`, all or some rows and columns of them, to the start of
/// `buffer`, which has `len` bytes: in C order, converted or dequantised if asked for. Misaligned
/// tensors can be read as well. `options` may be NULL. `*tensor`, which may be NULL, describes what
/// was written, in `buffer`. On failure the contents of `buffer` are undefined.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such tensor, rows or columns, a
/// buffer that is too small), ADIT_ERR_SHAPE (rows or columns of a tensor that has none, columns
/// that cut blocks), ADIT_ERR_DTYPE (no such conversion), ADIT_ERR_UNSUPPORTED (a ggml type that
/// isn't known, big-endian elements, over 8 dimensions), ADIT_ERR_TRUNCATED, ADIT_ERR_IO,
/// ADIT_ERR_OUT_OF_MEMORY (working memory of about 1 MiB).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_read(
    model: *const adit_model,
    index: usize,
    options: *const adit_model_read_options,
    buffer: *mut c_void,
    len: u64,
    tensor: *mut adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(tensor) };
    let body = |model: &Model| {
        // SAFETY: NULL or options, as the header asks.
        let own = unsafe { read_options(options, "options") }?;
        let dims = model.tensors().dims(model.entry(index)?);
        let how = read_how(&own, dims)?;
        // SAFETY: NULL or writable for len bytes that nobody else uses, as the header asks.
        let room = unsafe { buffer_of(buffer, len) }?;
        let copied = model.read(index, &how, room)?;
        out.set(adit_tensor::in_buffer(
            buffer,
            copied.bytes,
            Some(copied.dtype),
            copied.shape,
        ));
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(model, err, body) }
}

/// How many bytes adit_model_read would write, without reading any.
///
/// Statuses: as adit_model_read, but for those of buffer, file and memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_read_size(
    model: *const adit_model,
    index: usize,
    options: *const adit_model_read_options,
    nbytes: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| {
        // SAFETY: NULL or options, as the header asks.
        let own = unsafe { read_options(options, "options") }?;
        let dims = model.tensors().dims(model.entry(index)?);
        Ok(model.read_size(index, &read_how(&own, dims)?)?.bytes)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(model, nbytes, "nbytes", err, body) }
}

fn read_how(own: &adit_model_read_options, dims: &[i64]) -> Result<ModelReadOptions, Failure> {
    refuse_flags(own.flags, ADIT_CONVERT_SATURATE, "options->flags")?;
    refuse_reserved(&own.reserved, "options")?;
    refuse_reserved(&[own.reserved0.into()], "options")?;
    Ok(ModelReadOptions {
        slice: slice_of(
            dims,
            (own.row_start, own.row_count),
            (own.column_start, own.column_count),
        ),
        dtype: optional_dtype(own.dtype, "options->dtype")?,
        overflow: overflow_of(own.flags),
        io: io_argument(own.io, "options->io")?,
    })
}
