//! Copying out, converted.

use std::ffi::c_void;

use adit_core::array::{Array, ReadOptions};
use adit_core::tensor::{MAX_DIMS, Shape};

use super::adit_array;
use crate::boundary::{
    Failure, Options, Out, buffer_of, guard_handle, init_options, read_options, refuse_flags,
    refuse_reserved, slice,
};
use crate::data::io_argument;
use crate::error::{adit_error, adit_status};
use crate::kernel::{ADIT_CONVERT_SATURATE, overflow_of};
use crate::tensor::{adit_tensor, optional_dtype};

/// What to read of an array, and as what. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_array_read_options {
    /// sizeof(adit_array_read_options).
    pub struct_size: usize,
    /// The first position in each of `ndim` dimensions; NULL for 0 in all.
    pub start: *const i64,
    /// The number of positions in each of `ndim` dimensions; NULL for all from `start` on.
    pub shape: *const i64,
    /// The sizes that `start` and `shape` have: the array's number of dimensions. 0 if both are
    /// NULL.
    pub ndim: usize,
    /// The adit_dtype of the output; 0 for the array's. What adit_convert converts can be asked
    /// for.
    pub dtype: i32,
    /// An adit_io. ADIT_IO_AUTO reads the file, so that one that is cut meanwhile is
    /// ADIT_ERR_TRUNCATED; ADIT_IO_MAP copies from the map, which is faster, and SIGBUS where the
    /// file is cut during the call. An array open copy-on-write is always copied from memory, where
    /// its changes are, with the same risk.
    pub io: i32,
    /// ADIT_CONVERT_SATURATE.
    pub flags: u32,
    /// Zero.
    pub reserved0: u32,
    /// Zeros.
    pub reserved: [u64; 4],
}

//@c-after
//@ /** The default options: all of the array, as it is stored. */
//@ #define ADIT_ARRAY_READ_OPTIONS_INIT \
//@     { sizeof(adit_array_read_options), NULL, NULL, 0, 0, 0, 0, 0, { 0, 0, 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are null pointers and numbers.
unsafe impl Options for adit_array_read_options {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_read_options_init(
    options: *mut adit_array_read_options,
    size: usize,
) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// Copies elements of the array, all or a rectangular part of them, to the start of `buffer`, which
/// has `len` bytes: in C order, in this machine's byte order, converted if asked for. Any array
/// that opens can be read, big-endian, misaligned or of many dimensions as well. `buffer` must not
/// overlap the array's own memory. `options` may be NULL. `*tensor`, which may be NULL, describes
/// what was written, in `buffer`. On failure the contents of `buffer` are undefined.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (a part that isn't there, a buffer
/// that is too small), ADIT_ERR_DTYPE (no such conversion), ADIT_ERR_TRUNCATED, ADIT_ERR_IO,
/// ADIT_ERR_OUT_OF_MEMORY (working memory of about 1 MiB), ADIT_ERR_UNSUPPORTED (a `tensor` for
/// over 8 dimensions).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_read(
    array: *const adit_array,
    options: *const adit_array_read_options,
    buffer: *mut c_void,
    len: u64,
    tensor: *mut adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(tensor) };
    let body = |array: &Array| {
        // SAFETY: NULL or options, as the header asks.
        let own = unsafe { read_options(options, "options") }?;
        refuse_flags(own.flags, ADIT_CONVERT_SATURATE, "options->flags")?;
        refuse_reserved(&own.reserved, "options")?;
        refuse_reserved(&[own.reserved0.into()], "options")?;
        let array_ndim = array.dims().len();
        if (!own.start.is_null() || !own.shape.is_null()) && own.ndim != array_ndim {
            return Err(Failure::invalid(format_args!(
                "options->ndim is {}, but the array has {array_ndim} dimensions",
                own.ndim,
            )));
        }
        if out.is_wanted() && array_ndim > MAX_DIMS {
            let what = format_args!("tensor must be NULL: the array has {array_ndim} dimensions");
            return Err(Failure::new(adit_status::ADIT_ERR_UNSUPPORTED, what));
        }
        // SAFETY: NULL or readable for ndim sizes, as the header asks.
        let start = unsafe { sizes(own.start, own.ndim, "options->start") }?;
        // SAFETY: as above.
        let counts = unsafe { sizes(own.shape, own.ndim, "options->shape") }?;
        let how = ReadOptions {
            start: start.as_deref(),
            counts: counts.as_deref(),
            dtype: optional_dtype(own.dtype, "options->dtype")?,
            overflow: overflow_of(own.flags),
            io: io_argument(own.io, "options->io")?,
        };
        // SAFETY: NULL or writable for len bytes that nobody else uses, as the header asks.
        let room = unsafe { buffer_of(buffer, len) }?;
        let copied = array.read(&how, room)?;
        if out.is_wanted() {
            let shape = Shape::new(&copied.dims)?;
            out.set(adit_tensor::in_buffer(
                buffer,
                copied.bytes,
                Some(copied.dtype),
                shape,
            ));
        }
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(array, err, body) }
}

/// # Safety
/// `ptr` is null or readable for `ndim` sizes.
unsafe fn sizes(
    ptr: *const i64,
    ndim: usize,
    parameter: &str,
) -> Result<Option<Vec<i64>>, Failure> {
    if ptr.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { slice(ptr, ndim, parameter) }.map(|sizes| Some(sizes.to_vec()))
}
