//! f32 in vectors of 16.

use std::arch::x86_64::*;
use std::mem::offset_of;

use super::super::block::each;
use super::super::{Loops, iq4, k, legacy};
use super::bytes::*;
use super::stage::stage;
use crate::dtype::DType;

type Floats = __m512;

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,f16c,bmi1,bmi2")]
fn splat(value: f32) -> Floats {
    _mm512_set1_ps(value)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,f16c,bmi1,bmi2")]
fn first(values: __m128) -> Floats {
    _mm512_broadcastss_ps(values)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,f16c,bmi1,bmi2")]
fn second(values: __m128) -> Floats {
    first(_mm_movehdup_ps(values))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,f16c,bmi1,bmi2")]
fn mul(a: Floats, b: Floats) -> Floats {
    _mm512_mul_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,f16c,bmi1,bmi2")]
fn add(a: Floats, b: Floats) -> Floats {
    _mm512_add_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,f16c,bmi1,bmi2")]
fn sub(a: Floats, b: Floats) -> Floats {
    _mm512_sub_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,f16c,bmi1,bmi2")]
fn floats(q: __m128i) -> Floats {
    _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q))
}

/// Stores what `value` makes of 16 signed bytes.
///
/// # Safety
/// `to` is writable for 64 bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,f16c,bmi1,bmi2")]
unsafe fn put(to: *mut u8, q: __m128i, value: impl Fn(Floats) -> Floats) {
    prepare(to);
    let values = value(floats(q));
    // SAFETY: the caller's promise; an unaligned store.
    unsafe { _mm512_storeu_ps(to.cast(), values) };
}

/// Stores what `values` make of what `quant` makes of the nibbles of 16 bytes: looked up among
/// what they make of each nibble that there can be.
///
/// # Safety
/// `low` and `high` are writable for 64 bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,f16c,bmi1,bmi2")]
unsafe fn put_nibbles(
    low: *mut u8,
    high: *mut u8,
    bytes: __m128i,
    quant: impl Fn(__m128i) -> __m128i,
    values: [impl Fn(Floats) -> Floats; 2],
) {
    prepare(low);
    prepare(high);
    let nibbles = from_array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    let quants = floats(quant(nibbles));
    let [low_values, high_values] = values.map(|value| value(quants));
    // A permutation takes the lowest 4 bits of each index.
    let index = _mm512_cvtepu8_epi32(bytes);
    let low_floats = _mm512_permutexvar_ps(index, low_values);
    let high_floats = _mm512_permutexvar_ps(_mm512_srli_epi32::<4>(index), high_values);
    // SAFETY: the caller's promise; an unaligned store.
    unsafe { _mm512_storeu_ps(low.cast(), low_floats) };
    // SAFETY: likewise.
    unsafe { _mm512_storeu_ps(high.cast(), high_floats) };
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
        _ => return None,
    })
}

loops!("avx512f,avx512bw,avx512dq,avx512vl,avx2,f16c,bmi1,bmi2");
