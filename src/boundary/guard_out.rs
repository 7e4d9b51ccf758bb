//! Guards for the bodies that give back one thing.

use std::ffi::{c_char, c_void};

use adit_core::map::Region;

use super::failure::Failure;
use super::guard::guard;
use super::handle::{Opaque, guard_handle, into_raw};
use super::out::{Out, Zeroable};
use crate::error::{adit_error, adit_status};

/// Guards a body that makes what a new handle, `*out`, holds.
///
/// # Safety
/// `out` and `err` are null or valid for writing a pointer.
pub(crate) unsafe fn guard_new<O: Opaque>(
    out: *mut *mut O,
    err: *mut *mut adit_error,
    body: impl FnOnce() -> Result<O::Value, Failure>,
) -> adit_status {
    // SAFETY: the caller's promise on `out`.
    let out = unsafe { Out::zeroed(out) };
    let body = || {
        out.required("out")?;
        out.set(into_raw(body()?));
        Ok(())
    };
    // SAFETY: the caller's promise on `err`.
    unsafe { guard(err, body) }
}

/// Guards a body that makes what a new handle holds from what a const handle does.
///
/// # Safety
/// As [`guard_handle`]; `out` is null or valid for writing a pointer.
pub(crate) unsafe fn guard_derived<O: Opaque, N: Opaque>(
    handle: *const O,
    out: *mut *mut N,
    err: *mut *mut adit_error,
    body: impl FnOnce(&O::Value) -> Result<N::Value, Failure>,
) -> adit_status {
    // SAFETY: the caller's promise on `out`.
    let out = unsafe { Out::zeroed(out) };
    let body = |value: &O::Value| {
        out.required("out")?;
        out.set(into_raw(body(value)?));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_handle(handle, err, body) }
}

/// Guards a body that looks one value up. `out` is what the header calls `parameter`.
///
/// # Safety
/// As [`guard_handle`]; `out` is null or valid for writing.
pub(crate) unsafe fn guard_value<O: Opaque, T: Zeroable>(
    handle: *const O,
    out: *mut T,
    parameter: &str,
    err: *mut *mut adit_error,
    body: impl FnOnce(&O::Value) -> Result<T, Failure>,
) -> adit_status {
    // SAFETY: the caller's promise on `out`.
    let out = unsafe { Out::zeroed(out) };
    let body = |value: &O::Value| {
        out.required(parameter)?;
        out.set(body(value)?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_handle(handle, err, body) }
}

/// Text that lives as long as the handle it was found behind, as C has it.
pub(crate) struct Text(*const c_char, usize);

impl From<&[u8]> for Text {
    fn from(text: &[u8]) -> Text {
        Text(text.as_ptr().cast(), text.len())
    }
}

/// Guards a body that looks up text; `len` may be null.
///
/// # Safety
/// As [`guard_handle`]; `text` and `len` are null or valid for writing.
pub(crate) unsafe fn guard_text<O: Opaque>(
    handle: *const O,
    text: *mut *const c_char,
    parameter: &str,
    len: *mut usize,
    err: *mut *mut adit_error,
    body: impl FnOnce(&O::Value) -> Result<Text, Failure>,
) -> adit_status {
    // SAFETY: the caller's promise on `len`.
    let len = unsafe { Out::zeroed(len) };
    let body = |value: &O::Value| {
        let Text(start, bytes) = body(value)?;
        len.set(bytes);
        Ok(start)
    };
    // SAFETY: the caller's promise.
    unsafe { guard_value(handle, text, parameter, err, body) }
}

/// Where values of no bytes are.
static NOTHING: u64 = 0;

/// Bytes that live as long as the handle they were found behind, as C has them; never NULL.
pub(crate) struct LentBytes(pub(crate) *const c_void, pub(crate) usize);

impl From<Region<'_>> for LentBytes {
    #[inline]
    fn from(bytes: Region<'_>) -> LentBytes {
        match bytes.is_empty() {
            true => LentBytes((&raw const NOTHING).cast(), 0),
            false => LentBytes(bytes.as_ptr().cast(), bytes.len()),
        }
    }
}

impl From<&[u8]> for LentBytes {
    fn from(bytes: &[u8]) -> LentBytes {
        match bytes.is_empty() {
            true => LentBytes((&raw const NOTHING).cast(), 0),
            false => LentBytes(bytes.as_ptr().cast(), bytes.len()),
        }
    }
}

/// Guards a body that looks bytes up.
///
/// # Safety
/// As [`guard_handle`]; `value` and `len` are null or valid for writing.
#[inline]
pub(crate) unsafe fn guard_bytes<O: Opaque>(
    handle: *const O,
    value: *mut *const c_void,
    len: *mut usize,
    err: *mut *mut adit_error,
    body: impl FnOnce(&O::Value) -> Result<LentBytes, Failure>,
) -> adit_status {
    // SAFETY: the caller's promise on `value`.
    let value = unsafe { Out::zeroed(value) };
    // SAFETY: the caller's promise on `len`.
    let len = unsafe { Out::zeroed(len) };
    let body = |own: &O::Value| {
        value.required("value")?;
        len.required("len")?;
        let LentBytes(start, bytes) = body(own)?;
        value.set(start);
        len.set(bytes);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_handle(handle, err, body) }
}
