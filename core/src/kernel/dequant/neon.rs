//! Loops with the 128-bit vectors of AArch64.

use std::arch::aarch64::*;

use super::block::{Scale, each};
use super::{Loops, legacy};
use crate::dtype::DType;

/// The loops of a type; none where the path has none.
pub(super) fn loops(dtype: DType) -> Option<Loops> {
    let cached = match dtype {
        DType::Q4_0 => q4_0,
        DType::Q8_0 => q8_0,
        _ => return None,
    };
    Some(Loops {
        cached,
        streaming: None,
    })
}

/// Loads 16 bytes.
///
/// # Safety
/// `at` is readable for 16 bytes.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load(at: *const u8) -> uint8x16_t {
    // SAFETY: the caller's promise; bytes have no alignment to keep.
    unsafe { vld1q_u8(at) }
}

/// The scale at the start of a block; none where it isn't finite.
///
/// # Safety
/// `block` is readable for 2 bytes.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn scale(block: *const u8) -> Option<f32> {
    // SAFETY: the caller's promise; any bytes are a scale, at any alignment.
    let scale = unsafe { block.cast::<Scale>().read() };
    scale.is_finite().then(|| scale.get())
}

/// Stores d times each of 16 signed bytes.
///
/// # Safety
/// `to` is writable for 64 bytes.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn put(to: *mut u8, q: int8x16_t, d: f32) {
    let (low, high) = (vmovl_s8(vget_low_s8(q)), vmovl_high_s8(q));
    let quads = [
        vmovl_s16(vget_low_s16(low)),
        vmovl_high_s16(low),
        vmovl_s16(vget_low_s16(high)),
        vmovl_high_s16(high),
    ];
    for (i, quad) in quads.into_iter().enumerate() {
        let values = vreinterpretq_u8_f32(vmulq_n_f32(vcvtq_f32_s32(quad), d));
        // SAFETY: 16 of the caller's 64 bytes; bytes have no alignment to keep.
        unsafe { vst1q_u8(to.wrapping_add(16 * i), values) };
    }
}

/// # Safety
/// As `Loop`.
#[target_feature(enable = "neon")]
unsafe fn q8_0(from: *const u8, to: *mut u8, count: usize) {
    let decode = |block: *const u8, to: *mut u8| {
        // SAFETY: a block of 34 bytes.
        let d = unsafe { scale(block) }?;
        for i in 0..2 {
            // SAFETY: behind the scale there are 32 bytes.
            let bytes = unsafe { load(block.wrapping_add(2 + 16 * i)) };
            let q = vreinterpretq_s8_u8(bytes);
            // SAFETY: room for 32 elements.
            unsafe { put(to.wrapping_add(64 * i), q, d) };
        }
        Some(())
    };
    // SAFETY: the caller's promise.
    unsafe { each::<legacy::Q8_0, 32>(from, to, count, decode) };
}

/// # Safety
/// As `Loop`.
#[target_feature(enable = "neon")]
unsafe fn q4_0(from: *const u8, to: *mut u8, count: usize) {
    let decode = |block: *const u8, to: *mut u8| {
        // SAFETY: a block of 18 bytes.
        let d = unsafe { scale(block) }?;
        // SAFETY: behind the scale there are 16 bytes.
        let bytes = unsafe { load(block.wrapping_add(2)) };
        let nibbles = [vandq_u8(bytes, vdupq_n_u8(15)), vshrq_n_u8::<4>(bytes)];
        let eight = vdupq_n_s8(8);
        let [low, high] = nibbles.map(|q| vsubq_s8(vreinterpretq_s8_u8(q), eight));
        // SAFETY: room for 32 elements; the first 16.
        unsafe { put(to, low, d) };
        // SAFETY: the last 16.
        unsafe { put(to.wrapping_add(64), high, d) };
        Some(())
    };
    // SAFETY: the caller's promise.
    unsafe { each::<legacy::Q4_0, 32>(from, to, count, decode) };
}
