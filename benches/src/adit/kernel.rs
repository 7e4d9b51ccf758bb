//! Loops over elements.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

use super::{RawError, check};
use crate::Result;

/// A conversion without flags, between two dtypes that its name has.
type RawConvert = unsafe extern "C" fn(*const c_void, *mut c_void, u64, *mut *mut RawError) -> i32;

#[link(name = "adit", kind = "dylib")]
unsafe extern "C" {
    fn adit_dtype_block_bytes(dtype: i32) -> u32;
    fn adit_dtype_block_elems(dtype: i32) -> u32;
    fn adit_copy(
        from: *const c_void,
        to: *mut c_void,
        len: usize,
        flags: u32,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_convert(
        from: *const c_void,
        from_dtype: i32,
        to: *mut c_void,
        to_dtype: i32,
        count: u64,
        flags: u32,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_f16_to_f32(f: *const c_void, t: *mut c_void, n: u64, e: *mut *mut RawError) -> i32;
    fn adit_f32_to_f16(f: *const c_void, t: *mut c_void, n: u64, e: *mut *mut RawError) -> i32;
    fn adit_bf16_to_f32(f: *const c_void, t: *mut c_void, n: u64, e: *mut *mut RawError) -> i32;
    fn adit_f32_to_bf16(f: *const c_void, t: *mut c_void, n: u64, e: *mut *mut RawError) -> i32;
    fn adit_dequantize(
        from: *const c_void,
        dtype: i32,
        to: *mut c_void,
        count: u64,
        flags: u32,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_gather(
        rows: *const *const u8,
        n: usize,
        row_elements: u64,
        from_dtype: i32,
        to: *mut c_void,
        len: u64,
        to_dtype: i32,
        flags: u32,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_crc32c(crc: u32, bytes: *const c_void, len: usize) -> u32;
}

/// The bytes of a block of a dtype, and its elements.
#[must_use]
pub fn block(dtype: i32) -> (usize, usize) {
    // SAFETY: any number may be asked for.
    let bytes = unsafe { adit_dtype_block_bytes(dtype) };
    // SAFETY: as above.
    let elements = unsafe { adit_dtype_block_elems(dtype) };
    (bytes as usize, elements as usize)
}

/// Copies `from` to `to`.
///
/// # Errors
/// The library's, and lengths that differ.
#[inline]
pub fn copy(from: &[u8], to: &mut [u8]) -> Result<()> {
    if from.len() != to.len() {
        return Err("a copy between different lengths".into());
    }
    let (mut err, len) = (null_mut(), from.len());
    let (from, to) = (from.as_ptr().cast(), to.as_mut_ptr().cast());
    // SAFETY: both have `len` live bytes, and can't overlap as one is unique.
    let status = unsafe { adit_copy(from, to, len, 0, &raw mut err) };
    check(status, err)
}

/// How many elements `from` has, if as many fit `to`.
#[inline]
fn count(from: &[u8], from_size: usize, to: &[u8], to_size: usize) -> Result<u64> {
    let count = from.len() / from_size;
    if to.len() / to_size < count {
        return Err(format!("{count} elements don't fit {} bytes", to.len()).into());
    }
    Ok(count as u64)
}

macro_rules! named_conversion {
    ($name:ident, $raw:ident, $from_size:literal, $to_size:literal) => {
        /// The conversion of this name.
        ///
        /// # Errors
        /// The library's, and a target that is too small.
        #[inline]
        pub fn $name(from: &[u8], to: &mut [u8]) -> Result<()> {
            const RAW: RawConvert = $raw;
            let (mut err, n) = (null_mut(), count(from, $from_size, to, $to_size)?);
            let (from, to) = (from.as_ptr().cast(), to.as_mut_ptr().cast());
            // SAFETY: `n` elements can be read and written, at any alignment, and the slices can't
            // overlap.
            let status = unsafe { RAW(from, to, n, &raw mut err) };
            check(status, err)
        }
    };
}

named_conversion!(f16_to_f32, adit_f16_to_f32, 2, 4);
named_conversion!(f32_to_f16, adit_f32_to_f16, 4, 2);
named_conversion!(bf16_to_f32, adit_bf16_to_f32, 2, 4);
named_conversion!(f32_to_bf16, adit_f32_to_bf16, 4, 2);

/// Converts elements to f32.
///
/// # Errors
/// The library's, and a target that is too small.
#[inline]
pub fn to_f32(from: &[u8], dtype: i32, to: &mut [u8]) -> Result<()> {
    let (bytes, elements) = block(dtype);
    let blocks = count(from, bytes.max(1), to, 4 * elements)?;
    let (mut err, n) = (null_mut(), blocks * elements as u64);
    let (from, to) = (from.as_ptr().cast(), to.as_mut_ptr().cast());
    // SAFETY: as for the named conversions.
    let status = unsafe { adit_convert(from, dtype, to, super::F32, n, 0, &raw mut err) };
    check(status, err)
}

/// Makes f32 of blocks.
///
/// # Errors
/// The library's, and a target that is too small.
#[inline]
pub fn dequantize(from: &[u8], dtype: i32, to: &mut [u8]) -> Result<()> {
    let (bytes, elements) = block(dtype);
    let blocks = count(from, bytes.max(1), to, 4 * elements)?;
    let (mut err, n) = (null_mut(), blocks * elements as u64);
    let (from, to) = (from.as_ptr().cast(), to.as_mut_ptr().cast());
    // SAFETY: as for the named conversions.
    let status = unsafe { adit_dequantize(from, dtype, to, n, 0, &raw mut err) };
    check(status, err)
}

/// Puts rows of equal lengths into `to`, converted.
///
/// # Errors
/// The library's.
#[inline]
pub fn gather(
    rows: &[&[u8]],
    from_dtype: i32,
    to: &mut [MaybeUninit<u8>],
    to_dtype: i32,
    pointers: &mut Vec<*const u8>,
) -> Result<()> {
    let size = block(from_dtype).0.max(1);
    let len = rows.first().map_or(0, |row| row.len());
    if rows.iter().any(|row| row.len() != len) {
        return Err("rows of different lengths".into());
    }
    pointers.clear();
    pointers.extend(rows.iter().map(|row| row.as_ptr()));
    let (mut err, n, elements) = (null_mut(), rows.len(), (len / size) as u64);
    let (from, room) = (pointers.as_ptr(), to.len() as u64);
    let to = to.as_mut_ptr().cast();
    // SAFETY: `n` live pointers, each to `elements` live elements; `room` bytes can be written.
    let status = unsafe {
        adit_gather(
            from,
            n,
            elements,
            from_dtype,
            to,
            room,
            to_dtype,
            0,
            &raw mut err,
        )
    };
    check(status, err)
}

/// The CRC-32C of bytes.
#[must_use]
#[inline]
pub fn crc32c(bytes: &[u8]) -> u32 {
    // SAFETY: live bytes.
    unsafe { adit_crc32c(0, bytes.as_ptr().cast(), bytes.len()) }
}
