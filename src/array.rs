//! Arrays
//!
//! An adit_array is a whole file that holds one array: a NumPy `.npy` file of version 1.0, 2.0 or
//! 3.0 with a numeric dtype, mapped read-only. Its header and length are checked when it is
//! opened, so the tensor that it lends lies inside the file.
//!
//! Ownership: the tensor is good until the array and all adit_data handles to the same bytes are
//! closed. What the section on data says of files that are cut holds for it.
//!
//! Threads: functions that take a `const adit_array *` may run at the same time on any threads;
//! closing needs the caller's exclusion.

use std::ffi::c_char;
use std::sync::Arc;

use adit_core::array::Array;

use crate::boundary::{
    DimsOut, Failure, Handle, Opaque, Options, Out, SizedOut, Zeroable, close, guard, guard_handle,
    init_options, into_raw, path_argument, read_options, refuse_reserved,
};
use crate::data::{SharedData, adit_data, adit_data_options, data_options};
use crate::error::{adit_error, adit_status};
use crate::tensor::{ADIT_TENSOR_BIG_ENDIAN, ADIT_TENSOR_CONTIGUOUS, adit_tensor};

/// An array file.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_array(Handle<Array>);

// SAFETY: repr(transparent) over Handle<Array>.
unsafe impl Opaque for adit_array {
    type Value = Array;
    const PARAMETER: &'static str = "array";
}

/// How to open an array. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_array_options {
    /// sizeof(adit_array_options).
    pub struct_size: usize,
    /// How to open the file's bytes; NULL for the default. Must be NULL where the bytes are open.
    pub data: *const adit_data_options,
    /// Zeros.
    pub reserved: [u64; 4],
}

/// The formats of array files.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_array_format {
    /// NumPy's .npy.
    ADIT_ARRAY_FORMAT_NPY = 1,
}

/// What an array file holds, also where no tensor can be lent from it.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_array_info {
    /// sizeof(adit_array_info), set by the caller.
    pub struct_size: usize,
    /// An adit_array_format.
    pub format: i32,
    /// An adit_dtype.
    pub dtype: i32,
    /// The number of dimensions.
    pub ndim: u32,
    /// ADIT_TENSOR_BIG_ENDIAN, ADIT_TENSOR_CONTIGUOUS (C order).
    pub flags: u32,
    /// Where the elements start in the file's bytes.
    pub offset: u64,
    /// The bytes of all elements.
    pub nbytes: u64,
}

//@c-after
//@ /** The default options. */
//@ #define ADIT_ARRAY_OPTIONS_INIT { sizeof(adit_array_options), NULL, { 0, 0, 0, 0 } }
//@ /** To be filled. */
//@ #define ADIT_ARRAY_INFO_INIT { sizeof(adit_array_info), 0, 0, 0, 0, 0, 0 }

// SAFETY: repr(C), a usize first, no padding, and zeros are a null pointer and numbers.
unsafe impl Options for adit_array_options {}
// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_array_info {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_options_init(options: *mut adit_array_options, size: usize) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// Opens the array file at `path`. `options` may be NULL. On success `*out` is a handle that the
/// caller closes with adit_array_close.
///
/// Statuses: those of adit_data_open; ADIT_ERR_WRONG_FORMAT (no .npy file), ADIT_ERR_MALFORMED (a
/// header that NumPy refuses, or fewer elements than it says), ADIT_ERR_UNSUPPORTED (structured,
/// object, string, time and void dtypes).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_open(
    path: *const c_char,
    options: *const adit_array_options,
    out: *mut *mut adit_array,
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
        refuse_reserved(&options.reserved, "options")?;
        // SAFETY: NULL or options, as the header asks.
        let data = unsafe { data_options(options.data) }?;
        out.set(into_raw(Array::open(path, &data)?));
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// Opens an array file whose bytes are open already. The array shares them; `data` may be closed
/// before it.
///
/// Statuses: as adit_array_open; ADIT_ERR_INVALID_ARGUMENT if options->data is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_from_data(
    data: *const adit_data,
    options: *const adit_array_options,
    out: *mut *mut adit_array,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = |shared: &SharedData| {
        out.required("out")?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { read_options(options, "options") }?;
        refuse_reserved(&options.reserved, "options")?;
        if !options.data.is_null() {
            return Err(Failure::invalid(
                "options->data must be NULL: the bytes are open already",
            ));
        }
        out.set(into_raw(Array::from_data(Arc::clone(&shared.data))?));
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(data, err, body) }
}

/// What the file holds. The caller sets `info->struct_size`.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_get_info(
    array: *const adit_array,
    info: *mut adit_array_info,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(info) };
    let body = |array: &Array| {
        out.required("info")?;
        let big_endian = if array.big_endian() {
            ADIT_TENSOR_BIG_ENDIAN
        } else {
            0
        };
        let c_order = if array.is_c_order() {
            ADIT_TENSOR_CONTIGUOUS
        } else {
            0
        };
        out.set(adit_array_info {
            struct_size: 0,
            format: adit_array_format::ADIT_ARRAY_FORMAT_NPY as i32,
            dtype: array.dtype().number(),
            ndim: u32::try_from(array.dims().len()).unwrap_or(u32::MAX),
            flags: big_endian | c_order,
            offset: array.offset(),
            nbytes: array.region().len() as u64,
        });
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(array, err, body) }
}

/// Lends the array: good until the handle is closed (see the head of this section), and not to be
/// written to. Fortran order shows in the strides. An array without elements has NULL data.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_MISALIGNED (the elements lie at addresses that
/// their dtype can't have), ADIT_ERR_UNSUPPORTED (big-endian elements, over 8 dimensions). In these
/// cases adit_array_get_info tells where the elements are, and adit_array_data gives the bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_tensor(
    array: *const adit_array,
    tensor: *mut adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(tensor) };
    let body = |array: &Array| {
        out.required("tensor")?;
        out.set(adit_tensor::lent(&array.tensor()?));
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(array, err, body) }
}

/// The dimensions, however many: their number is written to `*ndim`, and the first `cap` of them
/// to `dims`, which may be NULL if `cap` is 0. What `dims` has room for beyond them is
/// set to 0.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_shape(
    array: *const adit_array,
    dims: *mut i64,
    cap: usize,
    ndim: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let ndim = unsafe { Out::zeroed(ndim) };
    // SAFETY: NULL or room for cap sizes, as the header asks.
    let dims = unsafe { DimsOut::zeroed(dims, cap) };
    let body = |array: &Array| {
        ndim.required("ndim")?;
        dims.required("dims")?;
        dims.set(array.dims());
        ndim.set(array.dims().len());
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(array, err, body) }
}

/// The file's bytes. `*out` is a handle of its own, closed with adit_data_close, before or after
/// the array.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_data(
    array: *const adit_array,
    out: *mut *mut adit_data,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = |array: &Array| {
        out.required("out")?;
        out.set(into_raw(SharedData::new(Arc::clone(array.data()))));
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(array, err, body) }
}

/// Closes an array; NULL is nothing. The tensor lent by it ends here, unless an adit_data handle
/// still holds the same bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_close(array: *mut adit_array) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(array) };
}
