//! Types of five bits, of FP4 with finer scales, of grids, and the ternary ones.

use std::arch::x86_64::*;

use super::super::super::block::{Block, each, run};
use super::super::super::iq::Grid;
use super::super::super::legacy;
use super::super::bytes::*;
use super::{Floats, add, first, mul, put, second, splat};

/// The quants of Q5_0 and Q5_1: 4 bytes of fifth bits, 16 bytes of nibbles.
///
/// # Safety
/// `at` is readable for 20 bytes.
#[inline]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
unsafe fn five_bits(at: *const u8) -> [__m128i; 2] {
    // SAFETY: the first 4 of the caller's bytes, at any alignment.
    let fifths = unsafe { at.cast::<[u8; 4]>().read() };
    // SAFETY: the last 16 of the caller's bytes.
    let bytes = unsafe { load(at.wrapping_add(4)) };
    let fifths = u32::from_le_bytes(fifths);
    [
        _mm_or_si128(low_nibbles(bytes), sixteens(fifths as u16)),
        _mm_or_si128(high_nibbles(bytes), sixteens((fifths >> 16) as u16)),
    ]
}

/// # Safety
/// As `Loop`.
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
pub(super) unsafe fn q5_0(from: *const u8, to: *mut u8, count: usize) {
    let decode = |block: *const u8, to: *mut u8| {
        // SAFETY: a block of 22 bytes.
        let d = first(unsafe { scale(block) }?);
        // SAFETY: behind the scale there are 20 bytes.
        let [low, high] = unsafe { five_bits(block.wrapping_add(2)) };
        let q = [less(low, 16), less(high, 16)];
        let value = |q| mul(d, q);
        // SAFETY: room for 32 elements.
        unsafe { put_two(to, q, value) };
        Some(())
    };
    // SAFETY: the caller's promise.
    unsafe { each::<legacy::Q5_0, 32>(from, to, count, decode) };
}

/// # Safety
/// As `Loop`.
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
pub(super) unsafe fn q5_1(from: *const u8, to: *mut u8, count: usize) {
    let decode = |block: *const u8, to: *mut u8| {
        // SAFETY: a block of 24 bytes.
        let scales = unsafe { two_scales(block) }?;
        let (d, m) = (first(scales), second(scales));
        // SAFETY: behind the scales there are 20 bytes.
        let q = unsafe { five_bits(block.wrapping_add(4)) };
        let value = |q| add(mul(d, q), m);
        // SAFETY: room for 32 elements.
        unsafe { put_two(to, q, value) };
        Some(())
    };
    // SAFETY: the caller's promise.
    unsafe { each::<legacy::Q5_1, 32>(from, to, count, decode) };
}

/// # Safety
/// As `Loop`.
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
pub(super) unsafe fn nvfp4(from: *const u8, to: *mut u8, count: usize) {
    let decode = |block: *const u8, to: *mut u8| {
        // SAFETY: a block of 36 bytes starts with 4 scales.
        let scales = unsafe { block.cast::<[u8; 4]>().read() };
        for (i, scale) in scales.into_iter().enumerate() {
            let d = splat(legacy::half_of_ue4m3(scale));
            // SAFETY: 8 bytes, the last of which are 28 to 36; an unaligned load.
            let bytes = unsafe { _mm_loadl_epi64(block.wrapping_add(4 + 8 * i).cast()) };
            let q = _mm_unpacklo_epi64(low_nibbles(bytes), high_nibbles(bytes));
            let q = look_up(&legacy::FP4_DOUBLED, q);
            let value = |q| mul(d, q);
            // SAFETY: room for 64 elements; these are from 16 i on.
            unsafe { put(to.wrapping_add(64 * i), q, value) };
        }
        Some(())
    };
    // SAFETY: the caller's promise.
    unsafe { each::<legacy::Nvfp4, 64>(from, to, count, decode) };
}

/// Any of the IQ types that take rows of a grid.
///
/// # Safety
/// As `Loop`.
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
pub(super) unsafe fn grid<T: Grid>(from: *const u8, to: *mut u8, count: usize) {
    let decode = |block: *const u8, to: *mut u8| {
        // SAFETY: a block; any bytes are one.
        let block = unsafe { block.cast::<T>().read() };
        if !block.d().is_finite() {
            return None;
        }
        let d = block.d().get();
        for i in 0..16 {
            let group = block.group(i, d);
            let scale = splat(group.scale);
            let q = negate(from_array(group.values), group.signs);
            let value = |q| mul(scale, q);
            // SAFETY: room for 256 elements; these are from 16 i on.
            unsafe { put(to.wrapping_add(64 * i), q, value) };
        }
        Some(())
    };
    // SAFETY: the caller's promise.
    unsafe { each::<T, 256>(from, to, count, decode) };
}

/// The loop in plain Rust, which the compiler makes vectors of.
///
/// # Safety
/// As `Loop`.
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
pub(super) unsafe fn plain<T: Block<N>, const N: usize>(
    from: *const u8,
    to: *mut u8,
    count: usize,
) {
    // SAFETY: the caller's promise.
    unsafe { run::<T, N>(from, to, count) }
}

/// [`put`] twice, the results side by side.
///
/// # Safety
/// `to` is writable for 128 bytes.
#[inline]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
unsafe fn put_two(to: *mut u8, q: [__m128i; 2], value: impl Fn(Floats) -> Floats) {
    let [low, high] = q;
    // SAFETY: the first half of the caller's room.
    unsafe { put(to, low, &value) };
    // SAFETY: the second half.
    unsafe { put(to.wrapping_add(64), high, &value) };
}
