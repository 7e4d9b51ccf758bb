//! New files: of zeros, of a tensor, of an array as it is now.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use adit_core::array::{Array, Creation};
use adit_core::map::{RealStorage, Storage};

use super::{adit_array, format_of};
use crate::boundary::{
    Failure, Options, Out, guard, guard_handle, init_options, into_raw, path_argument, progress_of,
    read_options, refuse_flags, refuse_reserved, slice,
};
use crate::callbacks::adit_progress_fn;
use crate::error::{adit_error, adit_status};
use crate::tensor::{adit_tensor, dtype_argument, shape_argument, tensor_argument};

/// In adit_array_create_options.flags: never replace a file; one at the path is ADIT_ERR_EXISTS.
pub const ADIT_ARRAY_CREATE_NO_REPLACE: u32 = 1;
/// In adit_array_create_options.flags: Fortran order, in which the first dimension varies fastest.
/// For adit_array_save_as it doesn't matter: the array keeps its order.
pub const ADIT_ARRAY_CREATE_FORTRAN_ORDER: u32 = 2;

/// How to make an array's file. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_array_create_options {
    /// sizeof(adit_array_create_options).
    pub struct_size: usize,
    /// An adit_array_format.
    pub format: i32,
    /// ADIT_ARRAY_CREATE_... flags.
    pub flags: u32,
    /// Zeros.
    pub reserved: [u64; 4],
}

//@c-after
//@ /** The default options. */
//@ #define ADIT_ARRAY_CREATE_OPTIONS_INIT \
//@     { sizeof(adit_array_create_options), 0, 0, { 0, 0, 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are numbers.
unsafe impl Options for adit_array_create_options {}

/// # Safety
/// `ptr` is null or points to options as the header asks.
unsafe fn own_options(
    ptr: *const adit_array_create_options,
) -> Result<adit_array_create_options, Failure> {
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, "options") }?;
    let known = ADIT_ARRAY_CREATE_NO_REPLACE | ADIT_ARRAY_CREATE_FORTRAN_ORDER;
    refuse_flags(own.flags, known, "options->flags")?;
    refuse_reserved(&own.reserved, "options")?;
    Ok(own)
}

fn creation(own: &adit_array_create_options) -> Result<Creation, Failure> {
    Ok(Creation {
        format: format_of(own.format, "options->format")?.unwrap_or_default(),
        fortran_order: own.flags & ADIT_ARRAY_CREATE_FORTRAN_ORDER != 0,
        no_replace: own.flags & ADIT_ARRAY_CREATE_NO_REPLACE != 0,
    })
}

fn storage() -> Arc<dyn Storage> {
    Arc::new(RealStorage)
}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_create_options_init(
    options: *mut adit_array_create_options,
    size: usize,
) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// Makes a file of zeros for an array at `path` and opens it in mode ADIT_ARRAY_READ_WRITE. All its
/// space is allocated: a full disk is ADIT_ERR_NO_SPACE here and not SIGBUS when the array is
/// filled. `shape` has `ndim` sizes, outermost first, and may be NULL if `ndim` is 0. `options` may
/// be NULL. On success `*out` is a handle that the caller closes with adit_array_close.
///
/// The file appears at `path` whole, in one step, and replaces what stood there for those who open
/// it from then on: a symbolic link is replaced, not followed; a file leaves its permissions to the
/// new one, not its owner. Until then it is called `<name>.<16 hex digits>.adit-tmp`, which stays
/// if the process dies. bf16 and fp8 elements are written to .npy files as the void types that
/// NumPy with ml_dtypes makes of them.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_DTYPE, ADIT_ERR_SHAPE (over 8 dimensions, a
/// negative one, more than memory can hold), ADIT_ERR_UNSUPPORTED (what the format doesn't have:
/// block dtypes; in MMAP others than f32, f64, i32, i64, over 6 dimensions, Fortran order),
/// ADIT_ERR_NOT_FOUND (no such folder), ADIT_ERR_PERMISSION, ADIT_ERR_EXISTS, ADIT_ERR_NOT_A_FILE,
/// ADIT_ERR_NO_SPACE, ADIT_ERR_READ_ONLY, ADIT_ERR_IO, ADIT_ERR_OUT_OF_MEMORY,
/// ADIT_ERR_NOT_DURABLE (the file is there).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_create(
    path: *const c_char,
    dtype: i32,
    ndim: i32,
    shape: *const i64,
    options: *const adit_array_create_options,
    out: *mut *mut adit_array,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = || {
        out.required("out")?;
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(path, "path") }?;
        let dtype = dtype_argument(dtype, "dtype")?;
        let count = usize::try_from(ndim).unwrap_or(0);
        // SAFETY: readable for ndim sizes, as the header asks.
        let dims = unsafe { slice(shape, count, "shape") }?;
        let shape = shape_argument(ndim, dims, "shape")?;
        // SAFETY: NULL or options, as the header asks.
        let how = creation(&unsafe { own_options(options) }?)?;
        out.set(into_raw(Array::create(
            &storage(),
            path,
            &how,
            dtype,
            shape,
        )?));
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// As adit_array_create, with a tensor's elements, of any strides. The tensor must not be written
/// to during the call. `progress`, which may be NULL, is told bytes; a call that is cancelled
/// leaves nothing at `path`. `out` may be NULL: then only the file is made.
///
/// Statuses: as adit_array_create; ADIT_ERR_UNSUPPORTED also for a big-endian tensor,
/// ADIT_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_create_from(
    path: *const c_char,
    tensor: *const adit_tensor,
    options: *const adit_array_create_options,
    progress: adit_progress_fn,
    ctx: *mut c_void,
    out: *mut *mut adit_array,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = || {
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(path, "path") }?;
        // SAFETY: NULL or a tensor over readable memory, as the header asks.
        let view = unsafe { tensor_argument(tensor, "tensor") }?;
        // SAFETY: NULL or options, as the header asks.
        let how = creation(&unsafe { own_options(options) }?)?;
        // SAFETY: the header's contract of adit_progress_fn, during the call.
        let mut progress = unsafe { progress_of(progress, ctx) };
        let array = Array::create_from(&storage(), path, &how, &view, &mut progress)?;
        if out.is_wanted() {
            out.set(into_raw(array));
        }
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// Publishes the array as it is in memory at `path`, copy-on-write changes and all, byte order and
/// element order kept. `path` may be the array's own: the handle, and whoever has the old file
/// mapped, go on with that. `options` may be NULL; with ADIT_ARRAY_FORMAT_AUTO the format is the
/// array's, whatever the path's extension says. `progress`, which may be NULL, is told bytes; a
/// call that is cancelled leaves `path` as it was.
///
/// Statuses: as adit_array_create; ADIT_ERR_TRUNCATED and ADIT_ERR_IO where the array's own file
/// was cut, ADIT_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_save_as(
    array: *const adit_array,
    path: *const c_char,
    options: *const adit_array_create_options,
    progress: adit_progress_fn,
    ctx: *mut c_void,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |array: &Array| {
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(path, "path") }?;
        // SAFETY: NULL or options, as the header asks.
        let own = unsafe { own_options(options) }?;
        let format = format_of(own.format, "options->format")?;
        let no_replace = own.flags & ADIT_ARRAY_CREATE_NO_REPLACE != 0;
        // SAFETY: the header's contract of adit_progress_fn, during the call.
        let mut progress = unsafe { progress_of(progress, ctx) };
        Ok(array.save_as(&storage(), path, format, no_replace, &mut progress)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(array, err, body) }
}
