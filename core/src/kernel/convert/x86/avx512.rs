//! Steps of AVX-512 F, BW, DQ and VL.

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
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c,bmi1,bmi2")]
unsafe fn run<S: Step, const STREAM: bool>(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { drive::<S, STREAM>(from, to, count) };
}

steps! { "avx512f,avx512bw,avx512dq,avx512vl,f16c,bmi1,bmi2";
    F16ToF32, 16, |from: __m256i| -> __m512i {
        _mm512_castps_si512(_mm512_cvtph_ps(from))
    }
    Bf16ToF32, 16, |from: __m256i| -> __m512i {
        quieted(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(from)))
    }
    E5m2ToF32, 32, |from: __m256i| -> [__m512i; 2] {
        // As the high byte of an f16.
        let halves = _mm512_slli_epi16::<8>(_mm512_cvtepu8_epi16(from));
        let low = _mm512_cvtph_ps(_mm512_castsi512_si256(halves));
        let high = _mm512_cvtph_ps(_mm512_extracti64x4_epi64::<1>(halves));
        [_mm512_castps_si512(low), _mm512_castps_si512(high)]
    }
    E4m3ToF32, 32, |from: __m256i| -> [__m512i; 2] {
        // As an f16, whose exponents are biased by 8 more. The one NaN is 1.875 then.
        let signed = _mm512_slli_epi16::<7>(_mm512_cvtepi8_epi16(from));
        let halves = _mm512_and_si512(signed, _mm512_set1_epi16(0xBFFF_u16.cast_signed()));
        let all_ones = _mm256_or_si256(from, _mm256_set1_epi8(i8::MIN));
        let nans = _mm256_cmpeq_epi8_mask(all_ones, _mm256_set1_epi8(-1));
        let to_nan = _mm512_set1_epi16(0x7E00 - 0x3F80);
        let halves = _mm512_mask_add_epi16(halves, nans, halves, to_nan);
        let scaled = |half| {
            let wide = _mm512_mul_ps(_mm512_cvtph_ps(half), _mm512_set1_ps(256.0));
            _mm512_castps_si512(wide)
        };
        let low = scaled(_mm512_castsi512_si256(halves));
        [low, scaled(_mm512_extracti64x4_epi64::<1>(halves))]
    }
    U8ToF32, 16, |from: __m128i| -> __m512i {
        _mm512_castps_si512(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(from)))
    }
    I8ToF32, 16, |from: __m128i| -> __m512i {
        _mm512_castps_si512(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(from)))
    }
    U16ToF32, 16, |from: __m256i| -> __m512i {
        _mm512_castps_si512(_mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(from)))
    }
    I16ToF32, 16, |from: __m256i| -> __m512i {
        _mm512_castps_si512(_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(from)))
    }
    I32ToF32, 16, |from: __m512i| -> __m512i {
        _mm512_castps_si512(_mm512_cvtepi32_ps(from))
    }
    F32ToF64, 8, |from: __m256i| -> __m512i {
        _mm512_castpd_si512(_mm512_cvtps_pd(_mm256_castsi256_ps(from)))
    }
    F64ToF32<const SATURATE: bool>, 16, |from: [__m512i; 2]| -> [__m256i; 2] {
        let narrow = |from| {
            let value = _mm512_castsi512_pd(from);
            let value = if SATURATE { clamp_pd(value, f64::from(f32::MAX)) } else { value };
            _mm256_castps_si256(_mm512_cvtpd_ps(value))
        };
        [narrow(from[0]), narrow(from[1])]
    }
    F32ToF16<const SATURATE: bool>, 32, |from: [__m512i; 2]| -> [__m256i; 2] {
        let narrow = |from| {
            let value = _mm512_castsi512_ps(from);
            let value = if SATURATE { clamp_ps(value, 65504.0) } else { value };
            _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(value)
        };
        [narrow(from[0]), narrow(from[1])]
    }
    F32ToBf16<const SATURATE: bool>, 32, |from: [__m512i; 2]| -> __m512i {
        let rounded = |from| {
            let from = if SATURATE {
                let largest = f32::from_bits(0x7F7F_0000);
                _mm512_castps_si512(clamp_ps(_mm512_castsi512_ps(from), largest))
            } else {
                from
            };
            let odd = _mm512_test_epi32_mask(from, _mm512_set1_epi32(1 << 16));
            let sum = _mm512_add_epi32(from, _mm512_set1_epi32(0x7FFF));
            let sum = _mm512_mask_add_epi32(sum, odd, sum, _mm512_set1_epi32(1));
            // By the class of the original: NaNs of both kinds become itself made quiet (2), all
            // else stays the sum (0).
            let value = _mm512_castsi512_ps(from);
            let fixed = _mm512_fixupimm_ps::<0>(_mm512_castsi512_ps(sum), value, _mm512_set1_epi32(0x22));
            _mm512_castps_si512(fixed)
        };
        // The high half of each, in order.
        let odd = _mm512_set_epi16(
            63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27, 25, 23,
            21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1,
        );
        _mm512_permutex2var_epi16(rounded(from[0]), odd, rounded(from[1]))
    }
    F32ToF8<const EXPONENT: u32, const SATURATE: bool>, 64,
    |from: [[__m512i; 2]; 2]| -> [[__m128i; 2]; 2] {
        let narrow = |from| _mm512_cvtepi32_epi8(f8::<EXPONENT, SATURATE>(from));
        let [[a, b], [c, d]] = from;
        [[narrow(a), narrow(b)], [narrow(c), narrow(d)]]
    }
}

/// The same f32, or a quiet NaN where they signal.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c,bmi1,bmi2")]
fn quieted(bits: __m512i) -> __m512i {
    // The explicit rounding keeps the compiler from seeing that nothing else changes.
    const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    let value = _mm512_castsi512_ps(bits);
    _mm512_castps_si512(_mm512_add_round_ps::<NEAREST>(value, _mm512_set1_ps(-0.0)))
}

/// NaNs stay: of two operands of which one is NaN, these take the second.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c,bmi1,bmi2")]
fn clamp_ps(value: __m512, largest: f32) -> __m512 {
    let value = _mm512_min_ps(_mm512_set1_ps(largest), value);
    _mm512_max_ps(_mm512_set1_ps(-largest), value)
}

/// NaNs stay.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c,bmi1,bmi2")]
fn clamp_pd(value: __m512d, largest: f64) -> __m512d {
    let value = _mm512_min_pd(_mm512_set1_pd(largest), value);
    _mm512_max_pd(_mm512_set1_pd(-largest), value)
}

/// An f32 as the low byte of 32 bits: `f8_e4m3fn` or `f8_e5m2`, by the size of the exponent.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c,bmi1,bmi2")]
fn f8<const EXPONENT: u32, const SATURATE: bool>(from: __m512i) -> __m512i {
    let mantissa = 7 - EXPONENT;
    let drop = _mm_cvtsi32_si128((23 - mantissa).cast_signed());
    let rebias = 128 - (1 << (EXPONENT - 1));
    let (largest, beyond) = if EXPONENT == 4 {
        (0x7E, 0x7F)
    } else {
        (0x7B, 0x7C)
    };
    let all = |value: i32| _mm512_set1_epi32(value);
    let magnitude = _mm512_and_si512(from, all(i32::MAX));
    // Rounded at the bit that is the last of normal numbers.
    let even = _mm512_and_si512(_mm512_srl_epi32(magnitude, drop), all(1));
    let half = (1 << (22 - mantissa)) - 1 - (rebias << 23);
    let sum = _mm512_add_epi32(magnitude, _mm512_add_epi32(even, all(half)));
    let normal = _mm512_srl_epi32(sum, drop);
    // Below those, the addition of a power of two rounds at the place of the smallest number.
    let power = (rebias + 1 + 23 - mantissa.cast_signed()) << 23;
    let aligned = _mm512_add_ps(
        _mm512_castsi512_ps(magnitude),
        _mm512_castsi512_ps(all(power)),
    );
    let subnormal = _mm512_sub_epi32(_mm512_castps_si512(aligned), all(power));
    let small = _mm512_cmplt_epi32_mask(magnitude, all((rebias + 1) << 23));
    let rounded = _mm512_mask_mov_epi32(normal, small, subnormal);
    let over = _mm512_cmpgt_epi32_mask(rounded, all(largest));
    let over_to = if SATURATE { largest } else { beyond };
    let rounded = _mm512_mask_mov_epi32(rounded, over, all(over_to));
    let nans = _mm512_cmpgt_epi32_mask(magnitude, all(0x7F80_0000));
    let payload = _mm512_and_si512(_mm512_srli_epi32::<21>(magnitude), all(3));
    let nan = if EXPONENT == 4 {
        all(0x7F)
    } else {
        _mm512_or_si512(payload, all(0x7E))
    };
    let rounded = _mm512_mask_mov_epi32(rounded, nans, nan);
    let sign = _mm512_and_si512(_mm512_srli_epi32::<24>(from), all(0x80));
    _mm512_or_si512(rounded, sign)
}

/// f64 by way of f32 to what an f32 is rounded to.
struct F64Via<S>(S);

impl<S: Step<In = [__m512i; 2]>> Step for F64Via<S> {
    type In = [[__m512i; 2]; 2];
    type Out = S::Out;
    const LANES: usize = S::LANES;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c,bmi1,bmi2")]
    unsafe fn convert(from: Self::In) -> Self::Out {
        let both = |[low, high]: [__m512i; 2]| {
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(to_odd(low)), to_odd(high))
        };
        // SAFETY: the caller's promise: this path's instructions.
        unsafe { S::convert([both(from[0]), both(from[1])]) }
    }
}

/// Each f64 as an f32, of its two neighbours the odd one: further rounding, to fewer bits by two
/// at least, gives what one rounding would.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c,bmi1,bmi2")]
fn to_odd(from: __m512i) -> __m256i {
    const TO_ZERO: i32 = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;
    let value = _mm512_castsi512_pd(from);
    let cut = _mm512_cvt_roundpd_ps::<TO_ZERO>(value);
    let inexact = _mm512_cmp_pd_mask::<_CMP_NEQ_OQ>(_mm512_cvtps_pd(cut), value);
    let bits = _mm256_castps_si256(cut);
    _mm256_mask_or_epi32(bits, inexact, bits, _mm256_set1_epi32(1))
}
