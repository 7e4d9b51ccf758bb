//! Many records' field copied into one buffer.

use std::ffi::c_void;

use adit_core::record::{GatherOptions, RecordReader};

use super::adit_record_reader;
use crate::boundary::{
    Options, Out, buffer_of, guard_handle, init_options, read_options, refuse_flags,
    refuse_reserved, slice,
};
use crate::data::io_argument;
use crate::error::{adit_error, adit_status};
use crate::kernel::{ADIT_CONVERT_SATURATE, overflow_of};
use crate::tensor::{adit_tensor, optional_dtype};

/// How to gather. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_gather_options {
    /// sizeof(adit_gather_options).
    pub struct_size: usize,
    /// An adit_io.
    pub io: i32,
    /// The adit_dtype of the output; 0 for the records'. What adit_convert converts can be asked
    /// for.
    pub dtype: i32,
    /// ADIT_CONVERT_SATURATE.
    pub flags: u32,
    /// Zero.
    pub reserved0: u32,
    /// Zeros.
    pub reserved: [u64; 4],
}

//@c-after
//@ /** The default options. */
//@ #define ADIT_GATHER_OPTIONS_INIT { sizeof(adit_gather_options), 0, 0, 0, 0, { 0, 0, 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are numbers.
unsafe impl Options for adit_gather_options {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gather_options_init(options: *mut adit_gather_options, size: usize) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// Copies field `field` of the `n` records `indices`, in that order, repeats allowed, to the start
/// of `buffer`, which has `len` bytes: the elements of `n` records are needed, as options->dtype
/// has them. All of the records must have the same dtype and shape in this field. `options` may be
/// NULL; `tensor`, which may be NULL, is filled to describe what is in the buffer: n, then a
/// record's dimensions.
///
/// The records need not lie aligned in the file. On failure the contents of `buffer` are undefined.
/// From the map, a file that another process cuts during the call is SIGBUS; ADIT_IO_READ answers
/// ADIT_ERR_TRUNCATED at any time.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such record or field, a buffer
/// too small), ADIT_ERR_DTYPE (options->dtype is none, or no such conversion), ADIT_ERR_SHAPE
/// (records that differ; the error's index is the record's number), ADIT_ERR_MALFORMED,
/// ADIT_ERR_TRUNCATED, ADIT_ERR_IO, ADIT_ERR_UNSUPPORTED (a record with over 7 dimensions, options
/// of a later version).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_gather(
    reader: *const adit_record_reader,
    field: usize,
    indices: *const u64,
    n: usize,
    buffer: *mut c_void,
    len: u64,
    options: *const adit_gather_options,
    tensor: *mut adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(tensor) };
    let body = |reader: &RecordReader| {
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { read_options(options, "options") }?;
        refuse_reserved(&options.reserved, "options")?;
        refuse_reserved(&[options.reserved0.into()], "options")?;
        refuse_flags(options.flags, ADIT_CONVERT_SATURATE, "options->flags")?;
        let how = GatherOptions {
            io: io_argument(options.io, "options->io")?,
            dtype: optional_dtype(options.dtype, "options->dtype")?,
            overflow: overflow_of(options.flags),
        };
        // SAFETY: readable for n numbers, as the header asks.
        let indices = unsafe { slice(indices, n, "indices") }?;
        // SAFETY: writable for len bytes, as the header asks.
        let room = unsafe { buffer_of(buffer, len) }?;
        let found = reader.gather(field, indices, room, &how)?;
        out.set(adit_tensor::in_buffer(
            buffer,
            found.bytes,
            found.dtype,
            found.shape,
        ));
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(reader, err, body) }
}
