//! f32 in vectors of 8.

mod long;
mod other;

use std::arch::x86_64::*;
use std::mem::offset_of;

use super::super::block::each;
use super::super::{Loops, iq, iq4, k, legacy, ternary};
use super::bytes::*;
use super::stage::stage;
use crate::dtype::DType;

type Floats = __m256;

#[inline]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
fn splat(value: f32) -> Floats {
    _mm256_set1_ps(value)
}

#[inline]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
fn first(values: __m128) -> Floats {
    _mm256_broadcastss_ps(values)
}

#[inline]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
fn second(values: __m128) -> Floats {
    first(_mm_movehdup_ps(values))
}

#[inline]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
fn mul(a: Floats, b: Floats) -> Floats {
    _mm256_mul_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
fn add(a: Floats, b: Floats) -> Floats {
    _mm256_add_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
fn sub(a: Floats, b: Floats) -> Floats {
    _mm256_sub_ps(a, b)
}

/// Stores what `value` makes of 16 signed bytes.
///
/// # Safety
/// `to` is writable for 64 bytes.
#[inline]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
unsafe fn put(to: *mut u8, q: __m128i, value: impl Fn(Floats) -> Floats) {
    prepare(to);
    let low = value(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q)));
    let high = value(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(
        _mm_srli_si128::<8>(q),
    )));
    // SAFETY: the first half of the caller's room; an unaligned store.
    unsafe { _mm256_storeu_ps(to.cast(), low) };
    // SAFETY: the second half.
    unsafe { _mm256_storeu_ps(to.wrapping_add(32).cast(), high) };
}

/// Stores what `values` make of what `quant` makes of the nibbles of 16 bytes.
///
/// # Safety
/// `low` and `high` are writable for 64 bytes.
#[inline]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
unsafe fn put_nibbles(
    low: *mut u8,
    high: *mut u8,
    bytes: __m128i,
    quant: impl Fn(__m128i) -> __m128i,
    values: [impl Fn(Floats) -> Floats; 2],
) {
    let [low_value, high_value] = values;
    let q = quant(low_nibbles(bytes));
    // SAFETY: the caller's promise.
    unsafe { put(low, q, low_value) };
    let q = quant(high_nibbles(bytes));
    // SAFETY: the caller's promise.
    unsafe { put(high, q, high_value) };
}

/// The loops of a type; none where the path has none.
pub(in super::super) fn loops(dtype: DType) -> Option<Loops> {
    Some(match dtype {
        DType::Q4_0 => both!(q4_0, legacy::Q4_0, 32),
        DType::Q4_1 => both!(q4_1, legacy::Q4_1, 32),
        DType::Q8_0 => both!(q8_0, legacy::Q8_0, 32),
        DType::Mxfp4 => both!(mxfp4, legacy::Mxfp4, 32),
        DType::Q4K => both!(q4_k, k::Q4K, 256),
        DType::Iq4Nl => both!(iq4_nl, iq4::Iq4Nl, 32),
        DType::Iq4Xs => both!(iq4_xs, iq4::Iq4Xs, 256),
        DType::Q5_0 => both!(other::q5_0, legacy::Q5_0, 32),
        DType::Q5_1 => both!(other::q5_1, legacy::Q5_1, 32),
        DType::Nvfp4 => both!(other::nvfp4, legacy::Nvfp4, 64),
        DType::Q2K => both!(long::q2_k, k::Q2K, 256),
        DType::Q3K => both!(long::q3_k, k::Q3K, 256),
        DType::Q5K => both!(long::q5_k, k::Q5K, 256),
        DType::Q6K => both!(long::q6_k, k::Q6K, 256),
        DType::Iq2Xxs => both!(other::grid::<iq::Iq2Xxs>, iq::Iq2Xxs, 256),
        DType::Iq2Xs => both!(other::grid::<iq::Iq2Xs>, iq::Iq2Xs, 256),
        DType::Iq2S => both!(other::grid::<iq::Iq2S>, iq::Iq2S, 256),
        DType::Iq3Xxs => both!(other::grid::<iq::Iq3Xxs>, iq::Iq3Xxs, 256),
        DType::Iq3S => both!(other::grid::<iq::Iq3S>, iq::Iq3S, 256),
        DType::Iq1S => both!(other::grid::<iq::Iq1S>, iq::Iq1S, 256),
        DType::Iq1M => both!(other::grid::<iq::Iq1M>, iq::Iq1M, 256),
        DType::Tq1_0 => both!(other::plain::<ternary::Tq1_0, 256>, ternary::Tq1_0, 256),
        DType::Tq2_0 => both!(other::plain::<ternary::Tq2_0, 256>, ternary::Tq2_0, 256),
        _ => return None,
    })
}

loops!("avx2,f16c,bmi1,bmi2");
