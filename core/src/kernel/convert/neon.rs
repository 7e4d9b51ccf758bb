//! Steps of AArch64's Advanced SIMD.

use std::arch::aarch64::*;

use super::plan::Pair;
use super::vector::{Step, drive, steps};
use crate::dtype::DType;

/// The vector loop of a pair, where there is one.
pub(super) fn kernel(from: DType, to: DType, saturate: bool) -> Option<Pair> {
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

/// There is no streaming store that a program could ask for here.
fn pair<S: Step>() -> Pair {
    Pair {
        cached: run::<S>,
        streaming: run::<S>,
    }
}

/// # Safety
/// That of [`super::Loop`]; the CPU has these instructions.
#[target_feature(enable = "neon")]
unsafe fn run<S: Step>(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { drive::<S, false>(from, to, count) };
}

type Bytes = uint8x16_t;

steps! { "neon";
    F16ToF32, 8, |from: Bytes| -> [Bytes; 2] {
        widen_f16(vreinterpretq_u16_u8(from))
    }
    Bf16ToF32, 8, |from: Bytes| -> [Bytes; 2] {
        let halves = vreinterpretq_u16_u8(from);
        let magnitude = vandq_u16(halves, vdupq_n_u16(0x7FFF));
        let nans = vcgtq_u16(magnitude, vdupq_n_u16(0x7F80));
        let quiet = vorrq_u16(halves, vandq_u16(nans, vdupq_n_u16(0x40)));
        let low = vshll_n_u16::<16>(vget_low_u16(quiet));
        [vreinterpretq_u8_u32(low), vreinterpretq_u8_u32(vshll_high_n_u16::<16>(quiet))]
    }
    E5m2ToF32, 16, |from: Bytes| -> [[Bytes; 2]; 2] {
        // As the high byte of an f16.
        let low = vshll_n_u8::<8>(vget_low_u8(from));
        [widen_f16(low), widen_f16(vshll_high_n_u8::<8>(from))]
    }
    E4m3ToF32, 16, |from: Bytes| -> [[Bytes; 2]; 2] {
        // As an f16, whose exponents are biased by 8 more. The one NaN is 1.875 then.
        let scaled = |signed: int16x8_t| {
            let halves = vandq_u16(vreinterpretq_u16_s16(signed), vdupq_n_u16(0xBFFF));
            let magnitude = vandq_u16(halves, vdupq_n_u16(0x7FFF));
            let nans = vceqq_u16(magnitude, vdupq_n_u16(0x3F80));
            let to_nan = vandq_u16(nans, vdupq_n_u16(0x7E00 - 0x3F80));
            let [low, high] = widen_f16(vaddq_u16(halves, to_nan));
            let scale = |value| {
                vreinterpretq_u8_f32(vmulq_n_f32(vreinterpretq_f32_u8(value), 256.0))
            };
            [scale(low), scale(high)]
        };
        let bytes = vreinterpretq_s8_u8(from);
        [scaled(vshll_n_s8::<7>(vget_low_s8(bytes))), scaled(vshll_high_n_s8::<7>(bytes))]
    }
    U8ToF32, 16, |from: Bytes| -> [[Bytes; 2]; 2] {
        [float_u16(vmovl_u8(vget_low_u8(from))), float_u16(vmovl_high_u8(from))]
    }
    I8ToF32, 16, |from: Bytes| -> [[Bytes; 2]; 2] {
        let bytes = vreinterpretq_s8_u8(from);
        [float_i16(vmovl_s8(vget_low_s8(bytes))), float_i16(vmovl_high_s8(bytes))]
    }
    U16ToF32, 8, |from: Bytes| -> [Bytes; 2] {
        float_u16(vreinterpretq_u16_u8(from))
    }
    I16ToF32, 8, |from: Bytes| -> [Bytes; 2] {
        float_i16(vreinterpretq_s16_u8(from))
    }
    I32ToF32, 4, |from: Bytes| -> Bytes {
        vreinterpretq_u8_f32(vcvtq_f32_s32(vreinterpretq_s32_u8(from)))
    }
    F32ToF64, 4, |from: Bytes| -> [Bytes; 2] {
        let value = vreinterpretq_f32_u8(from);
        let low = vcvt_f64_f32(vget_low_f32(value));
        [vreinterpretq_u8_f64(low), vreinterpretq_u8_f64(vcvt_high_f64_f32(value))]
    }
    F64ToF32<const SATURATE: bool>, 4, |from: [Bytes; 2]| -> Bytes {
        let clamped = |from| {
            let value = vreinterpretq_f64_u8(from);
            let largest = vdupq_n_f64(f32::MAX.into());
            if SATURATE {
                vmaxq_f64(vnegq_f64(largest), vminq_f64(largest, value))
            } else {
                value
            }
        };
        let low = vcvt_f32_f64(clamped(from[0]));
        vreinterpretq_u8_f32(vcvt_high_f32_f64(low, clamped(from[1])))
    }
    F32ToF16<const SATURATE: bool>, 8, |from: [Bytes; 2]| -> Bytes {
        let low = vcvt_f16_f32(clamped::<SATURATE>(from[0], 65504.0));
        let all = vcvt_high_f16_f32(low, clamped::<SATURATE>(from[1], 65504.0));
        vreinterpretq_u8_f16(all)
    }
    F32ToBf16<const SATURATE: bool>, 8, |from: [Bytes; 2]| -> Bytes {
        let rounded = |from| {
            let value = clamped::<SATURATE>(from, f32::from_bits(0x7F7F_0000));
            let bits = vreinterpretq_u32_f32(value);
            let even = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
            let sum = vaddq_u32(bits, vaddq_u32(even, vdupq_n_u32(0x7FFF)));
            let numbers = vceqq_f32(value, value);
            let quiet = vorrq_u32(bits, vdupq_n_u32(1 << 22));
            vreinterpretq_u16_u32(vbslq_u32(numbers, sum, quiet))
        };
        // The high half of each.
        vreinterpretq_u8_u16(vuzp2q_u16(rounded(from[0]), rounded(from[1])))
    }
    F32ToF8<const EXPONENT: u32, const SATURATE: bool>, 16,
    |from: [[Bytes; 2]; 2]| -> Bytes {
        let pack = |[low, high]: [Bytes; 2]| {
            let (low, high) = (f8::<EXPONENT, SATURATE>(low), f8::<EXPONENT, SATURATE>(high));
            let halves = vuzp1q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high));
            vreinterpretq_u8_u16(halves)
        };
        vuzp1q_u8(pack(from[0]), pack(from[1]))
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn widen_f16(halves: uint16x8_t) -> [Bytes; 2] {
    let halves = vreinterpretq_f16_u16(halves);
    let low = vcvt_f32_f16(vget_low_f16(halves));
    [
        vreinterpretq_u8_f32(low),
        vreinterpretq_u8_f32(vcvt_high_f32_f16(halves)),
    ]
}

#[inline]
#[target_feature(enable = "neon")]
fn float_u16(values: uint16x8_t) -> [Bytes; 2] {
    let low = vcvtq_f32_u32(vmovl_u16(vget_low_u16(values)));
    let high = vcvtq_f32_u32(vmovl_high_u16(values));
    [vreinterpretq_u8_f32(low), vreinterpretq_u8_f32(high)]
}

#[inline]
#[target_feature(enable = "neon")]
fn float_i16(values: int16x8_t) -> [Bytes; 2] {
    let low = vcvtq_f32_s32(vmovl_s16(vget_low_s16(values)));
    let high = vcvtq_f32_s32(vmovl_high_s16(values));
    [vreinterpretq_u8_f32(low), vreinterpretq_u8_f32(high)]
}

/// NaNs stay.
#[inline]
#[target_feature(enable = "neon")]
fn clamped<const SATURATE: bool>(from: Bytes, largest: f32) -> float32x4_t {
    let value = vreinterpretq_f32_u8(from);
    if SATURATE {
        let largest = vdupq_n_f32(largest);
        vmaxq_f32(vnegq_f32(largest), vminq_f32(largest, value))
    } else {
        value
    }
}

/// An f32 as the low byte of 32 bits: `f8_e4m3fn` or `f8_e5m2`, by the size of the exponent.
#[inline]
#[target_feature(enable = "neon")]
fn f8<const EXPONENT: u32, const SATURATE: bool>(from: Bytes) -> uint32x4_t {
    let from = vreinterpretq_u32_u8(from);
    let mantissa = 7 - EXPONENT;
    let drop = vdupq_n_s32(mantissa.cast_signed() - 23);
    let rebias = 128 - (1 << (EXPONENT - 1));
    let (largest, beyond) = if EXPONENT == 4 {
        (0x7E, 0x7F)
    } else {
        (0x7B, 0x7C)
    };
    let all = |value: u32| vdupq_n_u32(value);
    let magnitude = vandq_u32(from, all(u32::MAX >> 1));
    // Rounded at the bit that is the last of normal numbers.
    let even = vandq_u32(vshlq_u32(magnitude, drop), all(1));
    let half = ((1u32 << (22 - mantissa)) - 1).wrapping_sub(rebias << 23);
    let sum = vaddq_u32(magnitude, vaddq_u32(even, all(half)));
    let normal = vshlq_u32(sum, drop);
    // Below those, the addition of a power of two rounds at the place of the smallest number.
    let power = (rebias + 1 + 23 - mantissa) << 23;
    let aligned = vaddq_f32(
        vreinterpretq_f32_u32(magnitude),
        vreinterpretq_f32_u32(all(power)),
    );
    let subnormal = vsubq_u32(vreinterpretq_u32_f32(aligned), all(power));
    let small = vcltq_u32(magnitude, all((rebias + 1) << 23));
    let rounded = vbslq_u32(small, subnormal, normal);
    let over_to = if SATURATE { largest } else { beyond };
    let rounded = vbslq_u32(vcgtq_u32(rounded, all(largest)), all(over_to), rounded);
    let payload = vandq_u32(vshrq_n_u32::<21>(magnitude), all(3));
    let nan = if EXPONENT == 4 {
        all(0x7F)
    } else {
        vorrq_u32(payload, all(0x7E))
    };
    let rounded = vbslq_u32(vcgtq_u32(magnitude, all(0x7F80_0000)), nan, rounded);
    vorrq_u32(rounded, vandq_u32(vshrq_n_u32::<24>(from), all(0x80)))
}

/// f64 by way of f32 to what an f32 is rounded to. The f32 is of its two neighbours the odd one:
/// further rounding, to fewer bits by two at least, gives what one rounding would.
struct F64Via<S>(S);

impl<S: Step<In = [Bytes; 2]>> Step for F64Via<S> {
    type In = [[Bytes; 2]; 2];
    type Out = S::Out;
    const LANES: usize = S::LANES;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn convert(from: Self::In) -> Self::Out {
        let both = |[low, high]: [Bytes; 2]| {
            let low = vcvtx_f32_f64(vreinterpretq_f64_u8(low));
            vreinterpretq_u8_f32(vcvtx_high_f32_f64(low, vreinterpretq_f64_u8(high)))
        };
        // SAFETY: the caller's promise: this path's instructions.
        unsafe { S::convert([both(from[0]), both(from[1])]) }
    }
}
