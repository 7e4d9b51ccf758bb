//! Types of 256 elements whose quants lie in pieces.

use std::arch::x86_64::*;
use std::mem::offset_of;

use super::super::super::block::{Block, each};
use super::super::super::k;
use super::super::bytes::*;
use super::{mul, put, splat, sub};

/// # Safety
/// As `Loop`.
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
pub(super) unsafe fn q2_k(from: *const u8, to: *mut u8, count: usize) {
    let decode = |block: *const u8, to: *mut u8| {
        // SAFETY: a block of 84 bytes; any bytes are one.
        let fields = unsafe { block.cast::<k::Q2K>().read() };
        if !fields.is_finite() {
            return None;
        }
        let (scales, mins) = fields.scales();
        for half in 0..2 {
            for j in 0..2 {
                let at = offset_of!(k::Q2K, qs) + 32 * half + 16 * j;
                // SAFETY: bytes 16 to 80 of a block of 84.
                let bytes = unsafe { load(block.wrapping_add(at)) };
                for (i, q) in right_by_even_bits(bytes).into_iter().enumerate() {
                    let q = _mm_and_si128(q, _mm_set1_epi8(3));
                    let group = 8 * half + 2 * i + j;
                    let (scale, min) = (splat(scales[group]), splat(mins[group]));
                    let to = to.wrapping_add(64 * group);
                    let value = |q| sub(mul(scale, q), min);
                    // SAFETY: room for 256 elements; the group is below 16.
                    unsafe { put(to, q, value) };
                }
            }
        }
        Some(())
    };
    // SAFETY: the caller's promise.
    unsafe { each::<k::Q2K, 256>(from, to, count, decode) };
}

/// # Safety
/// As `Loop`.
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
pub(super) unsafe fn q3_k(from: *const u8, to: *mut u8, count: usize) {
    let decode = |block: *const u8, to: *mut u8| {
        // SAFETY: a block of 110 bytes; any bytes are one.
        let fields = unsafe { block.cast::<k::Q3K>().read() };
        if !fields.is_finite() {
            return None;
        }
        let scales = fields.scales();
        for j in 0..2 {
            // SAFETY: among the first 32 bytes of a block of 110.
            let highs = unsafe { load(block.wrapping_add(16 * j)) };
            // Bits 0 to 7, each moved to bit 2.
            let highs = [
                [
                    _mm_slli_epi16::<2>(highs),
                    _mm_slli_epi16::<1>(highs),
                    highs,
                    _mm_srli_epi16::<1>(highs),
                ],
                [
                    _mm_srli_epi16::<2>(highs),
                    _mm_srli_epi16::<3>(highs),
                    _mm_srli_epi16::<4>(highs),
                    _mm_srli_epi16::<5>(highs),
                ],
            ];
            for (half, highs) in highs.into_iter().enumerate() {
                let at = offset_of!(k::Q3K, qs) + 32 * half + 16 * j;
                // SAFETY: bytes 32 to 96 of a block of 110.
                let bytes = unsafe { load(block.wrapping_add(at)) };
                let lows = right_by_even_bits(bytes);
                for (i, (low, high)) in lows.into_iter().zip(highs).enumerate() {
                    let low = _mm_and_si128(low, _mm_set1_epi8(3));
                    let high = _mm_and_si128(high, _mm_set1_epi8(4));
                    let q = less(_mm_or_si128(low, high), 4);
                    let group = 8 * half + 2 * i + j;
                    let d = splat(scales[group]);
                    let value = |q| mul(d, q);
                    // SAFETY: room for 256 elements; the group is below 16.
                    unsafe { put(to.wrapping_add(64 * group), q, value) };
                }
            }
        }
        Some(())
    };
    // SAFETY: the caller's promise.
    unsafe { each::<k::Q3K, 256>(from, to, count, decode) };
}

/// # Safety
/// As `Loop`.
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
pub(super) unsafe fn q5_k(from: *const u8, to: *mut u8, count: usize) {
    let decode = |block: *const u8, to: *mut u8| {
        // SAFETY: a block of 176 bytes starts with it; any bytes are one.
        let head = unsafe { block.cast::<k::Head>().read() };
        if !head.is_finite() {
            return None;
        }
        let (scales, mins) = head.scales();
        let sixteen = _mm_set1_epi8(16);
        for j in 0..2 {
            // SAFETY: bytes 16 to 48 of a block of 176.
            let fifths = unsafe { load(block.wrapping_add(offset_of!(k::Q5K, qh) + 16 * j)) };
            // The bits of groups 0, 2, 4, 6 and those of 1, 3, 5, 7, moved to bit 4 one
            // after the other; what the shifts of 16 bits carry over is masked.
            let moved = [
                _mm_slli_epi16::<4>(fifths),
                _mm_slli_epi16::<2>(fifths),
                fifths,
                _mm_srli_epi16::<2>(fifths),
            ];
            for (i, even) in moved.into_iter().enumerate() {
                let at = offset_of!(k::Q5K, qs) + 32 * i + 16 * j;
                // SAFETY: `at` is up to 160, in a block of 176 bytes.
                let bytes = unsafe { load(block.wrapping_add(at)) };
                let odd = _mm_srli_epi16::<1>(even);
                let q = _mm_or_si128(low_nibbles(bytes), _mm_and_si128(even, sixteen));
                let (scale, min) = (splat(scales[2 * i]), splat(mins[2 * i]));
                let to = to.wrapping_add(256 * i + 64 * j);
                let value = |q| sub(mul(scale, q), min);
                // SAFETY: room for 256 elements; these are from 64 i + 16 j on.
                unsafe { put(to, q, value) };
                let q = _mm_or_si128(high_nibbles(bytes), _mm_and_si128(odd, sixteen));
                let (scale, min) = (splat(scales[2 * i + 1]), splat(mins[2 * i + 1]));
                let to = to.wrapping_add(128);
                let value = |q| sub(mul(scale, q), min);
                // SAFETY: likewise, from 64 i + 32 + 16 j on.
                unsafe { put(to, q, value) };
            }
        }
        Some(())
    };
    // SAFETY: the caller's promise.
    unsafe { each::<k::Q5K, 256>(from, to, count, decode) };
}

/// # Safety
/// As `Loop`.
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
pub(super) unsafe fn q6_k(from: *const u8, to: *mut u8, count: usize) {
    let decode = |block: *const u8, to: *mut u8| {
        // SAFETY: the last 18 bytes of a block of 210; any bytes are one.
        let tail = unsafe {
            block
                .wrapping_add(offset_of!(k::Q6K, tail))
                .cast::<k::Q6KTail>()
                .read()
        };
        if !tail.is_finite() {
            return None;
        }
        let scales = tail.scales();
        for half in 0..2 {
            for j in 0..2 {
                let high_at = offset_of!(k::Q6K, qh) + 32 * half + 16 * j;
                // SAFETY: bytes 128 to 192 of a block of 210.
                let high = unsafe { load(block.wrapping_add(high_at)) };
                let low_at = 64 * half + 16 * j;
                // SAFETY: among the first 128 bytes of a block of 210.
                let one = unsafe { load(block.wrapping_add(low_at)) };
                // SAFETY: likewise.
                let two = unsafe { load(block.wrapping_add(low_at + 32)) };
                let lows = [
                    low_nibbles(one),
                    low_nibbles(two),
                    high_nibbles(one),
                    high_nibbles(two),
                ];
                let highs = [
                    _mm_slli_epi16::<4>(high),
                    _mm_slli_epi16::<2>(high),
                    high,
                    _mm_srli_epi16::<2>(high),
                ];
                for (i, (low, high)) in lows.into_iter().zip(highs).enumerate() {
                    let high = _mm_and_si128(high, _mm_set1_epi8(0x30));
                    let q = less(_mm_or_si128(low, high), 32);
                    let group = 8 * half + 2 * i + j;
                    let d = splat(scales[group]);
                    let value = |q| mul(d, q);
                    // SAFETY: room for 256 elements; the group is below 16.
                    unsafe { put(to.wrapping_add(64 * group), q, value) };
                }
            }
        }
        Some(())
    };
    // SAFETY: the caller's promise.
    unsafe { each::<k::Q6K, 256>(from, to, count, decode) };
}
