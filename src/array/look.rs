//! What an array holds, and where.

use std::sync::Arc;

use adit_core::array::{Array, Format};
use adit_core::map::Access;

use super::{adit_array, adit_array_format, adit_array_info, adit_array_mode};
use crate::boundary::{DimsOut, Out, SizedOut, guard_derived, guard_handle};
use crate::data::{SharedData, adit_data};
use crate::error::{adit_error, adit_status};
use crate::tensor::{ADIT_TENSOR_BIG_ENDIAN, ADIT_TENSOR_CONTIGUOUS, adit_tensor};

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
        let format = match array.format() {
            Format::Npy => adit_array_format::ADIT_ARRAY_FORMAT_NPY,
            Format::Mmap => adit_array_format::ADIT_ARRAY_FORMAT_MMAP,
        };
        let mode = match array.data().access() {
            Access::ReadOnly => adit_array_mode::ADIT_ARRAY_READ,
            Access::ReadWrite => adit_array_mode::ADIT_ARRAY_READ_WRITE,
            Access::CopyOnWrite => adit_array_mode::ADIT_ARRAY_COPY_ON_WRITE,
        };
        out.set(adit_array_info {
            struct_size: 0,
            format: format as i32,
            dtype: array.dtype().number(),
            ndim: u32::try_from(array.dims().len()).unwrap_or(u32::MAX),
            flags: big_endian | c_order,
            offset: array.offset(),
            nbytes: array.region().len() as u64,
            mode: mode as i32,
            reserved0: 0,
        });
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(array, err, body) }
}

/// Lends the array: good until the handle is closed (see the head of this section). Without
/// ADIT_TENSOR_READ_ONLY in its flags its elements may be written, which is what the pointer of
/// adit_array_data_mut is for. Fortran order shows in the strides. An array without elements has
/// NULL data.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_MISALIGNED (the elements lie at addresses that
/// their dtype can't have), ADIT_ERR_UNSUPPORTED (big-endian elements, over 8 dimensions). In these
/// cases adit_array_get_info tells where the elements are, adit_array_read copies them out, and
/// adit_array_data gives the bytes.
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
        let writable = array.data().access() != Access::ReadOnly;
        out.set(adit_tensor::lent(&array.tensor()?, writable));
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
    let body = |array: &Array| Ok(SharedData::new(Arc::clone(array.data())));
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_derived(array, out, err, body) }
}
