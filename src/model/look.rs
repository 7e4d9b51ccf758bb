//! What a model holds, and where.

use std::ffi::c_char;
use std::sync::Arc;

use adit_core::model::{Format, Model};

use super::{adit_model, adit_model_format, adit_model_info, adit_model_tensor_info};
use crate::boundary::{
    DimsOut, Failure, Out, SizedOut, bytes_argument, guard_derived, guard_handle, guard_text,
    guard_value, peek,
};
use crate::data::{SharedData, adit_data};
use crate::error::{adit_error, adit_status};
use crate::tensor::{ADIT_TENSOR_BIG_ENDIAN, adit_tensor};

fn byte_order(model: &Model) -> u32 {
    match model.big_endian() {
        true => ADIT_TENSOR_BIG_ENDIAN,
        false => 0,
    }
}

/// What the model is made of. The caller sets `info->struct_size`.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_get_info(
    model: *const adit_model,
    info: *mut adit_model_info,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(info) };
    let body = |model: &Model| {
        out.required("info")?;
        let format = match model.format() {
            Format::Safetensors => adit_model_format::ADIT_MODEL_FORMAT_SAFETENSORS,
            Format::Gguf => adit_model_format::ADIT_MODEL_FORMAT_GGUF,
            Format::Raw => adit_model_format::ADIT_MODEL_FORMAT_RAW,
        };
        out.set(adit_model_info {
            struct_size: 0,
            format: format as i32,
            flags: byte_order(model),
            tensors: model.tensors().len() as u64,
            files: model.files().len() as u64,
            nbytes: model.tensor_bytes(),
        });
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(model, err, body) }
}

/// How many tensors there are; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_len(model: *const adit_model) -> usize {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(model) }.map_or(0, |model| model.tensors().len())
}

/// The name of tensor `index`, with a NUL behind it; `*len`, which may be NULL, is its length
/// without the NUL. UTF-8 in safetensors files, any bytes in others. Good until the model is
/// closed.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_name(
    model: *const adit_model,
    index: usize,
    name: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| {
        model.entry(index)?;
        Ok(model.tensors().name(index).unwrap_or_default().into())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_text(model, name, "name", len, err, body) }
}

/// The number of the tensor called `name`, in constant time. A name that has a NUL in it can't be
/// asked for.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT; ADIT_ERR_NOT_FOUND without an error object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_find(
    model: *const adit_model,
    name: *const c_char,
    index: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| {
        // SAFETY: NULL or a string, as the header asks.
        let name = unsafe { bytes_argument(name, "name") }?;
        let found = model.tensors().find(name);
        found.ok_or(Failure::Quiet(adit_status::ADIT_ERR_NOT_FOUND))
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(model, index, "index", err, body) }
}

/// What and where tensor `index` is. The caller sets `info->struct_size`.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_get_tensor_info(
    model: *const adit_model,
    index: usize,
    info: *mut adit_model_tensor_info,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(info) };
    let body = |model: &Model| {
        out.required("info")?;
        let entry = model.entry(index)?;
        let dims = model.tensors().dims(entry);
        out.set(adit_model_tensor_info {
            struct_size: 0,
            dtype: entry.dtype.map_or(0, |dtype| dtype.number()),
            ggml_type: entry.ggml,
            ndim: u32::try_from(dims.len()).unwrap_or(u32::MAX),
            flags: byte_order(model),
            file: entry.file.into(),
            offset: entry.offset,
            nbytes: entry.bytes,
            alignment: model.alignment(entry)?,
        });
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(model, err, body) }
}

/// The dimensions of tensor `index`, outermost first (GGUF has them the other way round), however
/// many: their number is written to `*ndim`, and the first `cap` of them to `dims`, which may be
/// NULL if `cap` is 0. What `dims` has room for beyond them is set to 0.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_shape(
    model: *const adit_model,
    index: usize,
    dims: *mut i64,
    cap: usize,
    ndim: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let ndim = unsafe { Out::zeroed(ndim) };
    // SAFETY: NULL or room for cap sizes, as the header asks.
    let dims = unsafe { DimsOut::zeroed(dims, cap) };
    let body = |model: &Model| {
        ndim.required("ndim")?;
        dims.required("dims")?;
        let own = model.tensors().dims(model.entry(index)?);
        dims.set(own);
        ndim.set(own.len());
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(model, err, body) }
}

/// Lends tensor `index`, for reading: good until the model is closed (see the head of this
/// section). `align`, a power of two, is what its address must be a multiple of; 0 asks for what
/// the dtype needs, and 1 takes any address, for code that copies or loads unaligned. A tensor
/// without elements has NULL data.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE, ADIT_ERR_MISALIGNED (the message
/// says what the address is a multiple of), ADIT_ERR_UNSUPPORTED (a ggml type that isn't known,
/// big-endian elements, over 8 dimensions). In these cases adit_model_get_tensor_info tells where
/// the elements are, adit_model_file gives the bytes, and adit_model_read copies out what is only
/// misaligned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_tensor(
    model: *const adit_model,
    index: usize,
    align: usize,
    tensor: *mut adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or the caller's alone, as the header asks.
    let out = unsafe { Out::zeroed(tensor) };
    let body = |model: &Model| {
        out.required("tensor")?;
        if align != 0 && !align.is_power_of_two() {
            let why = format_args!("align is {align}, which is no power of two");
            return Err(Failure::invalid(why));
        }
        let lent = model.lend(index, align)?;
        // The caller's own is filled: copied from elsewhere, 192 bytes take most of the call.
        out.fill(|tensor| tensor.become_lent(&lent));
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(model, err, body) }
}

/// How many files the model is made of; 0 for NULL. The index of a sharded one doesn't count.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_file_count(model: *const adit_model) -> usize {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(model) }.map_or(0, |model| model.files().len())
}

/// The bytes of file `index`; adit_data_path tells its path. `*out` is a handle of its own, closed
/// with adit_data_close, before or after the model.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_file(
    model: *const adit_model,
    index: usize,
    out: *mut *mut adit_data,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| {
        let file = model.files().get(index).ok_or_else(|| {
            let count = model.files().len();
            let why = format_args!("file {index} was asked for, but the model has {count}");
            Failure::new(adit_status::ADIT_ERR_OUT_OF_RANGE, why)
        })?;
        Ok(SharedData::new(Arc::clone(file)))
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_derived(model, out, err, body) }
}
