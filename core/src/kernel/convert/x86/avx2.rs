//! Steps of AVX2 and F16C.

use std::arch::asm;
use std::arch::x86_64::*;

use super::super::plan::Pair;
use super::super::vector::{Step, drive, steps};
use crate::dtype::DType;

/// The vector loop of a pair, where there is one.
pub(in super::super) fn kernel(from: DType, to: DType, saturate: bool) -> Option<Pair> {
    if saturate {
        choose::<true>(from, to)
    } else {
        choose::<false>(from, to)
    }
}

fn choose<const SATURATE: bool>(from: DType, to: DType) -> Option<Pair> {
    match (from, to) {
        (DType::F16, DType::F32) => Some(pair::<F16ToF32>()),
        (DType::BF16, DType::F32) => Some(pair::<Bf16ToF32>()),
        (DType::F8E4M3FN, DType::F32) => Some(pair::<E4m3ToF32>()),
        (DType::F8E5M2, DType::F32) => Some(pair::<E5m2ToF32>()),
        (DType::U8, DType::F32) => Some(pair::<U8ToF32>()),
        (DType::I8, DType::F32) => Some(pair::<I8ToF32>()),
        (DType::U16, DType::F32) => Some(pair::<U16ToF32>()),
        (DType::I16, DType::F32) => Some(pair::<I16ToF32>()),
        (DType::I32, DType::F32) => Some(pair::<I32ToF32>()),
        (DType::F32, DType::F64) => Some(pair::<F32ToF64>()),
        (DType::F64, DType::F32) => Some(pair::<F64ToF32<SATURATE>>()),
        (DType::F32, DType::F16) => Some(pair::<F32ToF16<SATURATE>>()),
        (DType::F32, DType::BF16) => Some(pair::<F32ToBf16<SATURATE>>()),
        (DType::F32, DType::F8E4M3FN) => Some(pair::<F32ToF8<4, SATURATE>>()),
        (DType::F32, DType::F8E5M2) => Some(pair::<F32ToF8<5, SATURATE>>()),
        (DType::F64, DType::F16) => Some(pair::<F64Via<F32ToF16<SATURATE>>>()),
        (DType::F64, DType::BF16) => Some(pair::<F64Via<F32ToBf16<SATURATE>>>()),
        _ => None,
    }
}

fn pair<S: Step>() -> Pair {
    Pair {
        cached: run::<S, false>,
        streaming: run::<S, true>,
    }
}

/// # Safety
/// That of [`super::super::Loop`]; the CPU has these instructions.
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
unsafe fn run<S: Step, const STREAM: bool>(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { drive::<S, STREAM>(from, to, count) };
}

steps! { "avx2,f16c,bmi1,bmi2";
    F16ToF32, 8, |from: __m128i| -> __m256i {
        _mm256_castps_si256(_mm256_cvtph_ps(from))
    }
    Bf16ToF32, 8, |from: __m128i| -> __m256i {
        quieted(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(from)))
    }
    E5m2ToF32, 16, |from: __m128i| -> [__m256i; 2] {
        // As the high byte of an f16.
        let halves = _mm256_slli_epi16::<8>(_mm256_cvtepu8_epi16(from));
        let low = _mm256_cvtph_ps(_mm256_castsi256_si128(halves));
        let high = _mm256_cvtph_ps(_mm256_extracti128_si256::<1>(halves));
        [_mm256_castps_si256(low), _mm256_castps_si256(high)]
    }
    E4m3ToF32, 16, |from: __m128i| -> [__m256i; 2] {
        // As an f16, whose exponents are biased by 8 more. The one NaN is 1.875 then.
        let signed = _mm256_slli_epi16::<7>(_mm256_cvtepi8_epi16(from));
        let halves = _mm256_and_si256(signed, _mm256_set1_epi16(0xBFFF_u16.cast_signed()));
        let magnitude = _mm256_and_si256(halves, _mm256_set1_epi16(i16::MAX));
        let nans = _mm256_cmpeq_epi16(magnitude, _mm256_set1_epi16(0x3F80));
        let to_nan = _mm256_and_si256(nans, _mm256_set1_epi16(0x7E00 - 0x3F80));
        let halves = _mm256_add_epi16(halves, to_nan);
        let scaled = |half| {
            let wide = _mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(256.0));
            _mm256_castps_si256(wide)
        };
        let low = scaled(_mm256_castsi256_si128(halves));
        [low, scaled(_mm256_extracti128_si256::<1>(halves))]
    }
    U8ToF32, 16, |from: __m128i| -> [__m256i; 2] {
        let wide = |bytes| _mm256_castps_si256(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)));
        [wide(from), wide(_mm_srli_si128::<8>(from))]
    }
    I8ToF32, 16, |from: __m128i| -> [__m256i; 2] {
        let wide = |bytes| _mm256_castps_si256(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)));
        [wide(from), wide(_mm_srli_si128::<8>(from))]
    }
    U16ToF32, 8, |from: __m128i| -> __m256i {
        _mm256_castps_si256(_mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(from)))
    }
    I16ToF32, 8, |from: __m128i| -> __m256i {
        _mm256_castps_si256(_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(from)))
    }
    I32ToF32, 8, |from: __m256i| -> __m256i {
        _mm256_castps_si256(_mm256_cvtepi32_ps(from))
    }
    F32ToF64, 4, |from: __m128i| -> __m256i {
        _mm256_castpd_si256(_mm256_cvtps_pd(_mm_castsi128_ps(from)))
    }
    F64ToF32<const SATURATE: bool>, 8, |from: [__m256i; 2]| -> [__m128i; 2] {
        let narrow = |from| {
            let value = _mm256_castsi256_pd(from);
            let value = if SATURATE { clamp_pd(value, f64::from(f32::MAX)) } else { value };
            _mm_castps_si128(_mm256_cvtpd_ps(value))
        };
        [narrow(from[0]), narrow(from[1])]
    }
    F32ToF16<const SATURATE: bool>, 16, |from: [__m256i; 2]| -> [__m128i; 2] {
        let narrow = |from| {
            let value = _mm256_castsi256_ps(from);
            let value = if SATURATE { clamp_ps(value, 65504.0) } else { value };
            _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value)
        };
        [narrow(from[0]), narrow(from[1])]
    }
    F32ToBf16<const SATURATE: bool>, 16, |from: [__m256i; 2]| -> __m256i {
        let rounded = |from| {
            let from = if SATURATE {
                let largest = f32::from_bits(0x7F7F_0000);
                _mm256_castps_si256(clamp_ps(_mm256_castsi256_ps(from), largest))
            } else {
                from
            };
            let value = _mm256_castsi256_ps(from);
            let numbers = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_ORD_Q>(value, value));
            let even = _mm256_and_si256(_mm256_srli_epi32::<16>(from), _mm256_set1_epi32(1));
            let up = _mm256_add_epi32(even, _mm256_set1_epi32(0x7FFF));
            let sum = _mm256_add_epi32(quieted(from), _mm256_and_si256(up, numbers));
            _mm256_srli_epi32::<16>(sum)
        };
        // Packs within halves: the middle quarters change places.
        let packed = _mm256_packus_epi32(rounded(from[0]), rounded(from[1]));
        _mm256_permute4x64_epi64::<0b11_01_10_00>(packed)
    }
    F32ToF8<const EXPONENT: u32, const SATURATE: bool>, 32,
    |from: [[__m256i; 2]; 2]| -> __m256i {
        let pack = |[low, high]: [__m256i; 2]| {
            _mm256_packus_epi32(f8::<EXPONENT, SATURATE>(low), f8::<EXPONENT, SATURATE>(high))
        };
        let packed = _mm256_packus_epi16(pack(from[0]), pack(from[1]));
        // The low halves of all four came first.
        _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
    }
}

/// The same f32, or a quiet NaN where they signal.
#[inline]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
fn quieted(bits: __m256i) -> __m256i {
    let mut zero = _mm256_set1_ps(-0.0);
    // SAFETY: nothing happens. The compiler would drop the addition of what it knows to be -0.0.
    unsafe { asm!("/* {0} */", inout(ymm_reg) zero, options(pure, nomem, nostack)) };
    _mm256_castps_si256(_mm256_add_ps(_mm256_castsi256_ps(bits), zero))
}

/// NaNs stay: of two operands of which one is NaN, these take the second.
#[inline]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
fn clamp_ps(value: __m256, largest: f32) -> __m256 {
    let value = _mm256_min_ps(_mm256_set1_ps(largest), value);
    _mm256_max_ps(_mm256_set1_ps(-largest), value)
}

/// NaNs stay.
#[inline]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
fn clamp_pd(value: __m256d, largest: f64) -> __m256d {
    let value = _mm256_min_pd(_mm256_set1_pd(largest), value);
    _mm256_max_pd(_mm256_set1_pd(-largest), value)
}

/// An f32 as the low byte of 32 bits: `f8_e4m3fn` or `f8_e5m2`, by the size of the exponent.
#[inline]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
fn f8<const EXPONENT: u32, const SATURATE: bool>(from: __m256i) -> __m256i {
    let mantissa = 7 - EXPONENT;
    let drop = _mm_cvtsi32_si128((23 - mantissa).cast_signed());
    let rebias = 128 - (1 << (EXPONENT - 1));
    let (largest, beyond) = if EXPONENT == 4 {
        (0x7E, 0x7F)
    } else {
        (0x7B, 0x7C)
    };
    let all = |value: i32| _mm256_set1_epi32(value);
    let magnitude = _mm256_and_si256(from, all(i32::MAX));
    // Rounded at the bit that is the last of normal numbers.
    let even = _mm256_and_si256(_mm256_srl_epi32(magnitude, drop), all(1));
    let half = (1 << (22 - mantissa)) - 1 - (rebias << 23);
    let sum = _mm256_add_epi32(magnitude, _mm256_add_epi32(even, all(half)));
    let normal = _mm256_srl_epi32(sum, drop);
    // Below those, the addition of a power of two rounds at the place of the smallest number.
    let power = (rebias + 1 + 23 - mantissa.cast_signed()) << 23;
    let aligned = _mm256_add_ps(
        _mm256_castsi256_ps(magnitude),
        _mm256_castsi256_ps(all(power)),
    );
    let subnormal = _mm256_sub_epi32(_mm256_castps_si256(aligned), all(power));
    let small = _mm256_cmpgt_epi32(all((rebias + 1) << 23), magnitude);
    let rounded = _mm256_blendv_epi8(normal, subnormal, small);
    let over = _mm256_cmpgt_epi32(rounded, all(largest));
    let over_to = if SATURATE { largest } else { beyond };
    let rounded = _mm256_blendv_epi8(rounded, all(over_to), over);
    let nans = _mm256_cmpgt_epi32(magnitude, all(0x7F80_0000));
    let payload = _mm256_and_si256(_mm256_srli_epi32::<21>(magnitude), all(3));
    let nan = if EXPONENT == 4 {
        all(0x7F)
    } else {
        _mm256_or_si256(payload, all(0x7E))
    };
    let rounded = _mm256_blendv_epi8(rounded, nan, nans);
    let sign = _mm256_and_si256(_mm256_srli_epi32::<24>(from), all(0x80));
    _mm256_or_si256(rounded, sign)
}

/// f64 by way of f32 to what an f32 is rounded to.
struct F64Via<S>(S);

impl<S: Step<In = [__m256i; 2]>> Step for F64Via<S> {
    type In = [[__m256i; 2]; 2];
    type Out = S::Out;
    const LANES: usize = S::LANES;

    #[inline]
    #[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
    unsafe fn convert(from: Self::In) -> Self::Out {
        let both = |[low, high]: [__m256i; 2]| _mm256_set_m128i(to_odd(high), to_odd(low));
        // SAFETY: the caller's promise: this path's instructions.
        unsafe { S::convert([both(from[0]), both(from[1])]) }
    }
}

/// Each f64 as an f32, of its two neighbours the odd one: further rounding, to fewer bits by two
/// at least, gives what one rounding would.
#[inline]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2")]
fn to_odd(from: __m256i) -> __m128i {
    let value = _mm256_castsi256_pd(from);
    let sign = _mm256_set1_pd(-0.0);
    let nearest = _mm256_cvtpd_ps(value);
    let back = _mm256_cvtps_pd(nearest);
    let inexact = _mm256_cmp_pd::<_CMP_NEQ_OQ>(back, value);
    let magnitudes = (_mm256_andnot_pd(sign, back), _mm256_andnot_pd(sign, value));
    let above = _mm256_cmp_pd::<_CMP_GT_OQ>(magnitudes.0, magnitudes.1);
    let narrow = |mask| {
        let low_words = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
        _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(
            _mm256_castpd_si256(mask),
            low_words,
        ))
    };
    // The nearest one is even: one step back to where the value lies.
    let bits = _mm_castps_si128(nearest);
    let one = _mm_set1_epi32(1);
    let even = _mm_cmpeq_epi32(_mm_and_si128(bits, one), _mm_setzero_si128());
    let step = _mm_or_si128(narrow(above), one);
    _mm_add_epi32(
        bits,
        _mm_and_si128(step, _mm_and_si128(even, narrow(inexact))),
    )
}
