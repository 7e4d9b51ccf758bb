//! What the files say beside their tensors.

use std::ffi::{c_char, c_void};

use adit_core::model::{Metadata, Model};

use super::adit_model;
use crate::boundary::{
    Failure, Text, buffer_of, bytes_argument, guard_handle, guard_text, guard_value, peek,
};
use crate::error::{adit_error, adit_status};

/// The type of a value of metadata. The numbers are GGUF's.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[allow(
    dead_code,
    reason = "only C programs name its numbers; Rust has MetadataKind"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_metadata_type {
    /// Unsigned, 8 bits.
    ADIT_METADATA_U8 = 0,
    /// Signed, 8 bits.
    ADIT_METADATA_I8 = 1,
    /// Unsigned, 16 bits.
    ADIT_METADATA_U16 = 2,
    /// Signed, 16 bits.
    ADIT_METADATA_I16 = 3,
    /// Unsigned, 32 bits.
    ADIT_METADATA_U32 = 4,
    /// Signed, 32 bits.
    ADIT_METADATA_I32 = 5,
    /// IEEE 754 single.
    ADIT_METADATA_F32 = 6,
    /// True or false.
    ADIT_METADATA_BOOL = 7,
    /// Bytes with a length; UTF-8 in safetensors files, and mostly in others.
    ADIT_METADATA_STRING = 8,
    /// Values of one type.
    ADIT_METADATA_ARRAY = 9,
    /// Unsigned, 64 bits.
    ADIT_METADATA_U64 = 10,
    /// Signed, 64 bits.
    ADIT_METADATA_I64 = 11,
    /// IEEE 754 double.
    ADIT_METADATA_F64 = 12,
}

/// How many keys there are; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_metadata_count(model: *const adit_model) -> usize {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(model) }.map_or(0, |model| model.metadata().len())
}

/// The key of value `value`, with a NUL behind it; `*len`, which may be NULL, is its length without
/// the NUL. Good until the model is closed.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such key; arrays inside of arrays
/// have none).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_metadata_key(
    model: *const adit_model,
    value: usize,
    key: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| {
        model.metadata().key(value).map(Text::from).ok_or_else(|| {
            let count = model.metadata().len();
            let why = format_args!("key {value} was asked for, but the metadata has {count}");
            Failure::new(adit_status::ADIT_ERR_OUT_OF_RANGE, why)
        })
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_text(model, key, "key", len, err, body) }
}

/// The number of the value of `key`, in constant time.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT; ADIT_ERR_NOT_FOUND without an error object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_metadata_find(
    model: *const adit_model,
    key: *const c_char,
    value: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| {
        // SAFETY: NULL or a string, as the header asks.
        let key = unsafe { bytes_argument(key, "key") }?;
        let found = model.metadata().find(key);
        found.ok_or(Failure::Quiet(adit_status::ADIT_ERR_NOT_FOUND))
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(model, value, "value", err, body) }
}

/// The adit_metadata_type of a value. A failure leaves 0, which is ADIT_METADATA_U8: look at the
/// status.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such value).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_metadata_type(
    model: *const adit_model,
    value: usize,
    out: *mut i32,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| match model.metadata().kind(value) {
        Some(kind) => Ok(kind as i32),
        None => {
            let why = format_args!("the metadata has no value {value}");
            Err(Failure::new(adit_status::ADIT_ERR_OUT_OF_RANGE, why))
        }
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(model, out, "out", err, body) }
}

/// A value of any integer type.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such value, or one that a
/// uint64_t can't hold), ADIT_ERR_DTYPE (another type).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_metadata_u64(
    model: *const adit_model,
    value: usize,
    out: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| Ok(model.metadata().u64(value)?);
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(model, out, "out", err, body) }
}

/// A value of any integer type.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such value, or one that an
/// int64_t can't hold), ADIT_ERR_DTYPE (another type).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_metadata_i64(
    model: *const adit_model,
    value: usize,
    out: *mut i64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| Ok(model.metadata().i64(value)?);
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(model, out, "out", err, body) }
}

/// A value of a float type, or of an integer type where a double holds it exactly.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such value, or an integer beyond
/// 2^53), ADIT_ERR_DTYPE (another type).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_metadata_f64(
    model: *const adit_model,
    value: usize,
    out: *mut f64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| Ok(model.metadata().f64(value)?);
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(model, out, "out", err, body) }
}

/// A value of type ADIT_METADATA_BOOL.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such value), ADIT_ERR_DTYPE
/// (another type).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_metadata_bool(
    model: *const adit_model,
    value: usize,
    out: *mut bool,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| Ok(model.metadata().bool(value)?);
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(model, out, "out", err, body) }
}

/// A value of type ADIT_METADATA_STRING: `*len` bytes at `*text`, with no NUL behind them, good
/// until the model is closed.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such value), ADIT_ERR_DTYPE
/// (another type).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_metadata_string(
    model: *const adit_model,
    value: usize,
    text: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |metadata: &Metadata| Ok(metadata.string(value)?.into());
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { unterminated(model, text, len, err, body) }
}

/// Guards a body that looks up text without a NUL: its length must be asked for.
///
/// # Safety
/// As [`guard_text`].
unsafe fn unterminated(
    model: *const adit_model,
    text: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut adit_error,
    body: impl FnOnce(&Metadata) -> Result<Text, Failure>,
) -> adit_status {
    let missing = len.is_null();
    let body = |model: &Model| match missing {
        true => Err(Failure::null("len")),
        false => body(model.metadata()),
    };
    // SAFETY: the caller's promise.
    unsafe { guard_text(model, text, "text", len, err, body) }
}

/// The adit_metadata_type of an array's elements. A failure leaves 0, which is ADIT_METADATA_U8:
/// look at the status.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such value), ADIT_ERR_DTYPE (no
/// array).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_metadata_array_type(
    model: *const adit_model,
    value: usize,
    out: *mut i32,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| Ok(model.metadata().array_kind(value)? as i32);
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(model, out, "out", err, body) }
}

/// How many elements an array has.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such value), ADIT_ERR_DTYPE (no
/// array).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_metadata_array_len(
    model: *const adit_model,
    value: usize,
    out: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| Ok(model.metadata().array_len(value)?);
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(model, out, "out", err, body) }
}

/// Copies `count` elements from element `start` on to `buffer`, which has `len` bytes: numbers as
/// this machine has them, bools as bytes of 0 or 1.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such value or elements, a buffer
/// that is too small), ADIT_ERR_DTYPE (no array, or one of strings or arrays).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_metadata_array_read(
    model: *const adit_model,
    value: usize,
    start: u64,
    count: u64,
    buffer: *mut c_void,
    len: u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| {
        // SAFETY: NULL or writable for len bytes that nobody else uses, as the header asks.
        let room = unsafe { buffer_of(buffer, len) }?;
        Ok(model.metadata().array_read(value, start, count, room)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(model, err, body) }
}

/// String `index` of an array of strings, in constant time: `*len` bytes at `*text`, with no NUL
/// behind them, good until the model is closed.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such value or element),
/// ADIT_ERR_DTYPE (no array of strings).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_metadata_array_string(
    model: *const adit_model,
    value: usize,
    index: u64,
    text: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |metadata: &Metadata| Ok(metadata.array_string(value, index)?.into());
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { unterminated(model, text, len, err, body) }
}

/// The number of array `index` of an array of arrays.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such value or element),
/// ADIT_ERR_DTYPE (no array of arrays).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_metadata_array_nested(
    model: *const adit_model,
    value: usize,
    index: u64,
    nested: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| Ok(model.metadata().array_nested(value, index)?);
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(model, nested, "nested", err, body) }
}
