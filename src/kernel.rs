//! Kernels: copy, convert, dequantise, gather, checksum
//!
//! Loops over elements in memory, by the best instructions that the CPU has (adit_build_info names
//! them): the results are the same bits with all of them, whatever rounding mode or flushing of
//! subnormals the host has set. Source and destination may have any alignment and must not overlap.
//! Nothing outside them is read or written, and nothing is allocated.
//!
//! - A dtype to itself is a copy of the bytes.
//! - Values are rounded once, to nearest, a tie to even. What is too large becomes an infinity, or
//!   NaN where the dtype has none.
//! - With ADIT_CONVERT_SATURATE it becomes the largest finite value with its sign, infinities too,
//!   unless the target holds all finite values of the source: then they stay infinities.
//! - A NaN stays a NaN, quiet, with its sign and as many high bits of its payload as there is room
//!   for: f8_e4m3fn has one payload, f8_e8m0 one payload and no sign.
//! - f8_e8m0 has powers of two alone, no zero and nothing negative: the nearest power is taken, the
//!   higher one from the middle on, and for anything between the two smallest (as ml_dtypes has
//!   it); zero and negative values become NaN, or with ADIT_CONVERT_SATURATE the smallest power.
//! - Floats become integers by truncation, clamped to the integer's range, NaN becoming 0. Integers
//!   wrap in narrower ones, or are clamped with ADIT_CONVERT_SATURATE.
//! - Whatever isn't 0, a NaN too, is true; a bool that isn't 0 reads as 1.
//! - A real number becomes a complex one with an imaginary part of 0; the way back is none.
//! - Block dtypes become f32, f16, bf16 or f64, each operation of their dequantisation rounded to
//!   f32 as in the gguf package 0.19; where a result is NaN it is the quiet one without a payload.
//!
//! Threads: any, at the same time, on different destinations.

use std::ffi::c_void;

use adit_core::dtype::DType;
use adit_core::kernel::{self, Conversion, CpuPath, Overflow, SHORT_COPY, Stores, overlaps};

use crate::boundary::{Failure, guard, refuse_flags, settle};
use crate::error::{adit_error, adit_status};
use crate::tensor::dtype_argument;

/// In the flags of conversions: values that the target can't hold become its nearest finite one.
pub const ADIT_CONVERT_SATURATE: u32 = 1;
/// In the flags of copies and conversions: store past the caches, for output that is larger than
/// they are or that nobody reads soon. By default that is done from the size on where it pays.
pub const ADIT_STORE_STREAMING: u32 = 2;
/// In the flags of copies and conversions: store through the caches, whatever the size.
pub const ADIT_STORE_CACHED: u32 = 4;

const STORES: u32 = ADIT_STORE_STREAMING | ADIT_STORE_CACHED;

pub(crate) fn overflow_of(flags: u32) -> Overflow {
    match flags & ADIT_CONVERT_SATURATE {
        0 => Overflow::Plain,
        _ => Overflow::Saturate,
    }
}

fn stores_of(flags: u32) -> Result<Stores, Failure> {
    match flags & STORES {
        0 => Ok(Stores::Auto),
        ADIT_STORE_STREAMING => Ok(Stores::Streaming),
        ADIT_STORE_CACHED => Ok(Stores::Cached),
        _ => Err(Failure::invalid(
            "flags has both ADIT_STORE_STREAMING and ADIT_STORE_CACHED",
        )),
    }
}

/// The path that all of this section takes.
pub(crate) fn path_name() -> &'static str {
    CpuPath::best().name()
}

/// Whether `from` and `to` are good for so many bytes.
fn check_ranges(
    from: *const c_void,
    from_bytes: u64,
    to: *mut c_void,
    to_bytes: u64,
) -> Result<(), Failure> {
    let size = |bytes: u64| {
        usize::try_from(bytes)
            .ok()
            .filter(|&bytes| isize::try_from(bytes).is_ok())
            .ok_or_else(|| Failure::invalid("the elements are more than memory can hold"))
    };
    let (from_bytes, to_bytes) = (size(from_bytes)?, size(to_bytes)?);
    if from.is_null() && from_bytes > 0 {
        return Err(Failure::null("from"));
    }
    if to.is_null() && to_bytes > 0 {
        return Err(Failure::null("to"));
    }
    if overlaps(from.cast(), from_bytes, to.cast_const().cast(), to_bytes) {
        return Err(Failure::invalid("from and to overlap"));
    }
    Ok(())
}

fn bytes_of(elements: u64, dtype: DType) -> Result<u64, Failure> {
    let block = u64::from(dtype.block_elements());
    if !elements.is_multiple_of(block) {
        let message = format_args!(
            "{elements} elements are no whole number of {} blocks, which have {block}",
            dtype.name()
        );
        return Err(Failure::new(adit_status::ADIT_ERR_SHAPE, message));
    }
    (elements / block)
        .checked_mul(dtype.block_bytes().into())
        .ok_or_else(|| Failure::invalid("the elements are more than memory can hold"))
}

/// The conversion between two dtypes, and the bytes of `elements` on both sides.
fn conversion(
    from: DType,
    to: DType,
    elements: u64,
    flags: u32,
) -> Result<(Conversion, u64, u64), Failure> {
    let Some(conversion) = Conversion::new(from, to, overflow_of(flags)) else {
        let message = format_args!("no conversion from {} to {}", from.name(), to.name());
        return Err(Failure::new(adit_status::ADIT_ERR_DTYPE, message));
    };
    Ok((
        conversion,
        bytes_of(elements, from)?,
        bytes_of(elements, to)?,
    ))
}

/// # Safety
/// `from` is readable and `to` writable for `elements`, as far as they aren't NULL.
unsafe fn convert(
    from: *const c_void,
    from_dtype: DType,
    to: *mut c_void,
    to_dtype: DType,
    elements: u64,
    flags: u32,
) -> Result<(), Failure> {
    let stores = stores_of(flags)?;
    let (conversion, from_bytes, to_bytes) = conversion(from_dtype, to_dtype, elements, flags)?;
    check_ranges(from, from_bytes, to, to_bytes)?;
    // It fits: the bytes do.
    let count = (elements / u64::from(from_dtype.block_elements())) as usize;
    if count > 0 {
        // SAFETY: neither is NULL, they don't overlap, and by the caller's promise they are good
        // for that many elements.
        unsafe { conversion.run(from.cast(), to.cast(), count, stores) };
    }
    Ok(())
}

/// Copies `len` bytes. Ranges that overlap are ADIT_ERR_INVALID_ARGUMENT: that's memmove's work.
/// `flags` is 0, ADIT_STORE_STREAMING or ADIT_STORE_CACHED: the latter for a large destination that
/// was never touched, whose pages come into the caches anyway.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, ranges that overlap or are longer than memory, both
/// flags), ADIT_ERR_UNSUPPORTED (unknown flags).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_copy(
    from: *const c_void,
    to: *mut c_void,
    len: usize,
    flags: u32,
    err: *mut *mut adit_error,
) -> adit_status {
    // So short that the guard would be dearer than the copy.
    if flags == 0 && len <= SHORT_COPY && !from.is_null() && !to.is_null() {
        let (start, end) = (from.cast::<u8>(), to.cast::<u8>());
        if !overlaps(start, len, end, len) {
            // SAFETY: neither is NULL, they don't overlap, and the header asks that they are good
            // for len bytes.
            unsafe { start.copy_to_nonoverlapping(end, len) };
            // SAFETY: NULL or writable, as the header asks.
            return unsafe { settle(err, Ok(())) };
        }
    }
    let body = || {
        refuse_flags(flags, STORES, "flags")?;
        let stores = stores_of(flags)?;
        check_ranges(from, len as u64, to, len as u64)?;
        if len > 0 {
            // SAFETY: neither is NULL, they don't overlap, and the header asks that they are good
            // for len bytes.
            unsafe { kernel::copy(from.cast(), to.cast(), len, stores) };
        }
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// Converts `count` elements of `from_dtype` to as many of `to_dtype` (adit_dtype); of a block
/// dtype, `count` must be whole blocks. `flags` are ADIT_CONVERT_SATURATE and one of
/// ADIT_STORE_STREAMING and ADIT_STORE_CACHED. A dtype to itself is a copy.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, ranges that overlap or are longer than memory, both
/// store flags), ADIT_ERR_DTYPE (no such dtype or conversion), ADIT_ERR_SHAPE (broken blocks),
/// ADIT_ERR_UNSUPPORTED (unknown flags).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_convert(
    from: *const c_void,
    from_dtype: i32,
    to: *mut c_void,
    to_dtype: i32,
    count: u64,
    flags: u32,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        refuse_flags(flags, ADIT_CONVERT_SATURATE | STORES, "flags")?;
        let from_dtype = dtype_argument(from_dtype, "from_dtype")?;
        let to_dtype = dtype_argument(to_dtype, "to_dtype")?;
        // SAFETY: as the header asks.
        unsafe { convert(from, from_dtype, to, to_dtype, count, flags) }
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// adit_convert from f16 to f32, without flags.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, ranges that overlap or are longer than memory).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_f16_to_f32(
    from: *const c_void,
    to: *mut f32,
    count: u64,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: as the header asks.
    let body = || unsafe { convert(from, DType::F16, to.cast(), DType::F32, count, 0) };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// adit_convert from f32 to f16, without flags.
///
/// Statuses: as adit_f16_to_f32.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_f32_to_f16(
    from: *const f32,
    to: *mut c_void,
    count: u64,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: as the header asks.
    let body = || unsafe { convert(from.cast(), DType::F32, to, DType::F16, count, 0) };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// adit_convert from bf16 to f32, without flags.
///
/// Statuses: as adit_f16_to_f32.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_bf16_to_f32(
    from: *const c_void,
    to: *mut f32,
    count: u64,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: as the header asks.
    let body = || unsafe { convert(from, DType::BF16, to.cast(), DType::F32, count, 0) };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// adit_convert from f32 to bf16, without flags.
///
/// Statuses: as adit_f16_to_f32.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_f32_to_bf16(
    from: *const f32,
    to: *mut c_void,
    count: u64,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: as the header asks.
    let body = || unsafe { convert(from.cast(), DType::F32, to, DType::BF16, count, 0) };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// Turns `count` elements of a block dtype, whole blocks, into f32: adit_convert for those who know
/// that they have blocks. `flags` is 0, ADIT_STORE_STREAMING or ADIT_STORE_CACHED.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (as adit_convert), ADIT_ERR_DTYPE (no block dtype, or one
/// that the gguf package 0.19 doesn't dequantise), ADIT_ERR_SHAPE (broken blocks),
/// ADIT_ERR_UNSUPPORTED (unknown flags).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_dequantize(
    from: *const c_void,
    dtype: i32,
    to: *mut f32,
    count: u64,
    flags: u32,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        refuse_flags(flags, STORES, "flags")?;
        let dtype = dtype_argument(dtype, "dtype")?;
        if !dtype.is_block() {
            let message = format_args!("{} has no blocks: adit_convert converts it", dtype.name());
            return Err(Failure::new(adit_status::ADIT_ERR_DTYPE, message));
        }
        // SAFETY: as the header asks.
        unsafe { convert(from, dtype, to.cast(), DType::F32, count, flags) }
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// Copies `n` rows from anywhere into one buffer, one after the other, converted: row i has
/// `row_elements` elements of `from_dtype` at `rows[i]`, whole blocks where it has them. `to` has
/// `len` bytes; `n` times a row of `to_dtype` are needed. The next rows are fetched while one is
/// copied, so this is faster than a loop of adit_copy. `flags` are those of adit_convert. No row
/// may overlap the buffer. Of a record file, adit_record_reader_gather does this by record numbers.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, a row in the buffer or longer than memory, both store
/// flags), ADIT_ERR_DTYPE, ADIT_ERR_SHAPE
/// (broken blocks), ADIT_ERR_OUT_OF_RANGE (a buffer too small), ADIT_ERR_UNSUPPORTED (unknown
/// flags).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gather(
    rows: *const *const c_void,
    n: usize,
    row_elements: u64,
    from_dtype: i32,
    to: *mut c_void,
    len: u64,
    to_dtype: i32,
    flags: u32,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        refuse_flags(flags, ADIT_CONVERT_SATURATE | STORES, "flags")?;
        let stores = stores_of(flags)?;
        let from_dtype = dtype_argument(from_dtype, "from_dtype")?;
        let to_dtype = dtype_argument(to_dtype, "to_dtype")?;
        let (conversion, row, row_out) = conversion(from_dtype, to_dtype, row_elements, flags)?;
        // SAFETY: readable for n pointers, as the header asks.
        let rows = unsafe { crate::boundary::slice(rows, n, "rows") }?;
        let needed = row_out.saturating_mul(n as u64);
        if needed > len {
            let message = format_args!("{n} rows take {needed} bytes, but the buffer has {len}");
            return Err(Failure::new(adit_status::ADIT_ERR_OUT_OF_RANGE, message));
        }
        for (number, &from) in rows.iter().enumerate() {
            if from.is_null() && row > 0 {
                return Err(Failure::null(&format!("rows[{number}]")));
            }
            check_ranges(from, row, to, needed)?;
        }
        if row == 0 || n == 0 {
            return Ok(());
        }
        let count = (row_elements / u64::from(from_dtype.block_elements())) as usize;
        let (starts, to) = (rows.iter().map(|row| row.cast()), to.cast());
        if from_dtype == to_dtype {
            // It fits: the rows do.
            let bytes = row as usize;
            // SAFETY: as the header asks; no row overlaps the buffer, which has room for all.
            unsafe { kernel::gather(starts, bytes, to, stores) };
        } else {
            // SAFETY: as above.
            unsafe { kernel::gather_converted(starts, &conversion, count, to, stores) };
        }
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// The CRC-32C (Castagnoli; RFC 3720) of `len` bytes, going on from `crc`, the value of what went
/// before; 0 at the start. NULL is no bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_crc32c(crc: u32, bytes: *const c_void, len: usize) -> u32 {
    if bytes.is_null() {
        return crc;
    }
    // SAFETY: readable for len bytes, as the header asks.
    unsafe { kernel::crc32c(crc, bytes.cast(), len) }
}
