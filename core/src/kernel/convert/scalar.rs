//! Plain loops for the pairs that programs use: one value at a time, in the order of memory.
//!
//! Casts between floats, and from integers to floats, round as the floating-point unit is set:
//! `Conversion::run` sets it.

use super::Loop;
use super::elements::{
    BF16, Bool, F8E4M3FN, F8E5M2, F8E8M0, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64,
};
use super::number::Format;
use crate::dtype::DType;

/// An element that can become one of another dtype.
trait To<Target> {
    fn to(self) -> Target;
    fn to_saturated(self) -> Target;
}

/// The loop of a pair; none where only exact numbers know it.
pub(super) fn kernel(from: DType, to: DType, saturate: bool) -> Option<Loop> {
    if saturate {
        choose::<true>(from, to)
    } else {
        choose::<false>(from, to)
    }
}

fn choose<const SATURATE: bool>(from: DType, to: DType) -> Option<Loop> {
    match (from, to) {
        (DType::F16, DType::F32) => Some(each::<F16, F32, SATURATE>),
        (DType::BF16, DType::F32) => Some(each::<BF16, F32, SATURATE>),
        (DType::F8E4M3FN, DType::F32) => Some(each::<F8E4M3FN, F32, SATURATE>),
        (DType::F8E5M2, DType::F32) => Some(each::<F8E5M2, F32, SATURATE>),
        (DType::F8E8M0, DType::F32) => Some(each::<F8E8M0, F32, SATURATE>),
        (DType::F32, DType::F16) => Some(each::<F32, F16, SATURATE>),
        (DType::F32, DType::BF16) => Some(each::<F32, BF16, SATURATE>),
        (DType::F32, DType::F8E4M3FN) => Some(each::<F32, F8E4M3FN, SATURATE>),
        (DType::F32, DType::F8E5M2) => Some(each::<F32, F8E5M2, SATURATE>),
        (DType::F32, DType::Complex64) => Some(each::<F32, [F32; 2], SATURATE>),
        (DType::F32, DType::Complex128) => Some(each::<F32, [F64; 2], SATURATE>),
        (DType::F64, DType::Complex128) => Some(each::<F64, [F64; 2], SATURATE>),
        (DType::Bool, _) => basic::<Bool, SATURATE>(to),
        (DType::I8, _) => basic::<I8, SATURATE>(to),
        (DType::I16, _) => basic::<I16, SATURATE>(to),
        (DType::I32, _) => basic::<I32, SATURATE>(to),
        (DType::I64, _) => basic::<I64, SATURATE>(to),
        (DType::U8, _) => basic::<U8, SATURATE>(to),
        (DType::U16, _) => basic::<U16, SATURATE>(to),
        (DType::U32, _) => basic::<U32, SATURATE>(to),
        (DType::U64, _) => basic::<U64, SATURATE>(to),
        (DType::F32, _) => basic::<F32, SATURATE>(to),
        (DType::F64, _) => basic::<F64, SATURATE>(to),
        _ => None,
    }
}

/// Writes the trait, the look-up of targets, and who implements it: all pairs of the basic types.
macro_rules! basics {
    ($($target:ident)*) => {
        trait Basic: Copy $(+ To<$target>)* {}
        impl<T: Copy $(+ To<$target>)*> Basic for T {}

        fn basic<From: Basic, const SATURATE: bool>(to: DType) -> Option<Loop> {
            match to {
                $(DType::$target => Some(each::<From, $target, SATURATE>),)*
                _ => None,
            }
        }
    };
}

basics! { Bool I8 I16 I32 I64 U8 U16 U32 U64 F32 F64 }

/// # Safety
/// That of [`Loop`]; any bits are a value of `A`.
unsafe fn each<A: Copy + To<B>, B, const SATURATE: bool>(
    from: *const u8,
    to: *mut u8,
    count: usize,
) {
    let (from, to) = (from.cast::<A>(), to.cast::<B>());
    for i in 0..count {
        // SAFETY: the caller's promise.
        let value = unsafe { from.wrapping_add(i).read_unaligned() };
        let result = if SATURATE {
            value.to_saturated()
        } else {
            value.to()
        };
        // SAFETY: the caller's promise.
        unsafe { to.wrapping_add(i).write_unaligned(result) };
    }
}

macro_rules! integers {
    ($($from:ident)*) => {
        $(integers!(@ $from: I8 I16 I32 I64 U8 U16 U32 U64);)*
        $(
            impl To<Bool> for $from {
                #[inline]
                fn to(self) -> Bool {
                    Bool((self != 0).into())
                }
                #[inline]
                fn to_saturated(self) -> Bool {
                    self.to()
                }
            }

            impl To<F32> for $from {
                #[inline]
                fn to(self) -> F32 {
                    F32((self as f32).to_bits())
                }
                #[inline]
                fn to_saturated(self) -> F32 {
                    self.to()
                }
            }

            impl To<F64> for $from {
                #[inline]
                fn to(self) -> F64 {
                    F64((self as f64).to_bits())
                }
                #[inline]
                fn to_saturated(self) -> F64 {
                    self.to()
                }
            }

            impl To<$from> for F32 {
                #[inline]
                fn to(self) -> $from {
                    f32::from_bits(self.0) as $from
                }
                #[inline]
                fn to_saturated(self) -> $from {
                    self.to()
                }
            }

            impl To<$from> for F64 {
                #[inline]
                fn to(self) -> $from {
                    f64::from_bits(self.0) as $from
                }
                #[inline]
                fn to_saturated(self) -> $from {
                    self.to()
                }
            }
        )*
    };
    (@ $from:ident: $($target:ident)*) => {$(
        impl To<$target> for $from {
            #[inline]
            fn to(self) -> $target {
                self as $target
            }
            #[inline]
            #[allow(unused_comparisons, reason = "of some pairs only")]
            fn to_saturated(self) -> $target {
                let nearest = if self < 0 { $target::MIN } else { $target::MAX };
                $target::try_from(self).unwrap_or(nearest)
            }
        }
    )*};
}

integers! { I8 I16 I32 I64 U8 U16 U32 U64 }

macro_rules! from_bool {
    ($($target:ident)*) => {$(
        impl To<$target> for Bool {
            #[inline]
            fn to(self) -> $target {
                u8::from(self.0 != 0).to()
            }
            #[inline]
            fn to_saturated(self) -> $target {
                self.to()
            }
        }
    )*};
}

from_bool! { Bool I8 I16 I32 I64 U8 U16 U32 U64 F32 F64 }

// Of an f32.
const SIGN: u32 = 1 << 31;
const QUIET: u32 = 1 << 22;
const INFINITY: u32 = 0x7F80_0000;
const MANTISSA_OF_F32: u32 = (1 << 23) - 1;

macro_rules! same {
    ($from:ident => $target:ident, $value:ident => $result:expr) => {
        impl To<$target> for $from {
            #[inline]
            fn to(self) -> $target {
                let $value = self.0;
                $target($result)
            }
            #[inline]
            fn to_saturated(self) -> $target {
                self.to()
            }
        }
    };
}

same!(F32 => Bool, bits => (bits << 1 != 0).into());
same!(F64 => Bool, bits => (bits << 1 != 0).into());
same!(F32 => F32, bits => bits);
same!(F64 => F64, bits => bits);
same!(F16 => F32, bits => widen_f16(bits));
same!(BF16 => F32, bits => widen_bf16(bits));
same!(F8E4M3FN => F32, bits => E4M3FN[usize::from(bits)]);
same!(F8E5M2 => F32, bits => widen_f16(u16::from(bits) << 8));
same!(F8E8M0 => F32, bits => match bits {
    0 => 1 << 22,
    0xFF => INFINITY | QUIET,
    _ => u32::from(bits) << 23,
});
same!(F32 => F64, bits => widen_f32(bits));

/// Every `f8_e4m3fn` as the bits of an f32.
static E4M3FN: [u32; 256] = {
    let mut table = [0; 256];
    let mut bits = 0;
    while bits < 256 {
        let number = Format::E4M3FN.unpack(bits as u64);
        table[bits] = Format::F32.pack(number, false) as u32;
        bits += 1;
    }
    table
};

#[inline]
fn widen_f16(bits: u16) -> u32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7FFF);
    let wide = match magnitude {
        // Exact, and neither operand nor result is subnormal.
        ..=0x03FF => (magnitude as f32 * f32::from_bits(0x3380_0000)).to_bits(),
        0x0400..=0x7BFF => (magnitude << 13) + (112 << 23),
        0x7C00 => INFINITY,
        _ => magnitude << 13 | INFINITY | QUIET,
    };
    sign | wide
}

#[inline]
fn widen_bf16(bits: u16) -> u32 {
    let nan = bits & 0x7FFF > 0x7F80;
    u32::from(bits) << 16 | if nan { QUIET } else { 0 }
}

#[inline]
fn widen_f32(bits: u32) -> u64 {
    if bits & !SIGN > INFINITY {
        let sign = u64::from(bits & SIGN) << 32;
        return sign | 0x7FF8 << 48 | u64::from(bits & (QUIET - 1)) << 29;
    }
    f64::from(f32::from_bits(bits)).to_bits()
}

#[inline]
fn narrow_f64(bits: u64, saturate: bool) -> u32 {
    let value = f64::from_bits(bits);
    if value.is_nan() {
        let sign = (bits >> 32) as u32 & SIGN;
        return sign | INFINITY | QUIET | (bits >> 29) as u32 & (QUIET - 1);
    }
    let largest = f64::from(f32::MAX);
    if saturate {
        (value.clamp(-largest, largest) as f32).to_bits()
    } else {
        (value as f32).to_bits()
    }
}

macro_rules! complex {
    ($from:ident => $part:ident) => {
        impl To<[$part; 2]> for $from {
            #[inline]
            fn to(self) -> [$part; 2] {
                let real: $part = self.to();
                [real, $part(0)]
            }
            #[inline]
            fn to_saturated(self) -> [$part; 2] {
                self.to()
            }
        }
    };
}

complex!(F32 => F32);
complex!(F32 => F64);
complex!(F64 => F64);

impl To<F32> for F64 {
    #[inline]
    fn to(self) -> F32 {
        F32(narrow_f64(self.0, false))
    }
    #[inline]
    fn to_saturated(self) -> F32 {
        F32(narrow_f64(self.0, true))
    }
}

/// The bits of an f32 in a format with an exponent of `EXPONENT` bits and a mantissa of
/// `MANTISSA`, that of `f8_e4m3fn` where they are 4 and 3.
#[inline]
fn narrow<const EXPONENT: u32, const MANTISSA: u32>(bits: u32, saturate: bool) -> u32 {
    let ieee = EXPONENT != 4;
    let target_sign = 1 << (EXPONENT + MANTISSA);
    let target_infinity = target_sign - (1 << MANTISSA);
    let largest = if ieee {
        target_infinity - 1
    } else {
        target_sign - 2
    };
    let drop = 23 - MANTISSA;
    let sign = if bits & SIGN == 0 { 0 } else { target_sign };
    let magnitude = bits & !SIGN;
    if magnitude > INFINITY {
        let nan = if ieee {
            target_infinity | ((magnitude | QUIET) & MANTISSA_OF_F32) >> drop
        } else {
            target_sign - 1
        };
        return sign | nan;
    }
    let rebias = 128 - (1 << (EXPONENT - 1));
    let rounded = if magnitude >> 23 > rebias {
        let even = magnitude >> drop & 1;
        // An infinity stays above every number.
        (magnitude + ((1 << (drop - 1)) - 1) + even - (rebias << 23)) >> drop
    } else {
        // Both are subnormal where the exponents are of one size.
        let exponent = (magnitude >> 23).max(1);
        let hidden = if magnitude >> 23 == 0 { 0 } else { 1 << 23 };
        let significand = magnitude & MANTISSA_OF_F32 | hidden;
        let drop = (drop + rebias + 1 - exponent).min(31);
        let even = significand >> drop & 1;
        (significand + ((1 << (drop - 1)) - 1) + even) >> drop
    };
    if rounded <= largest {
        sign | rounded
    } else if saturate {
        sign | largest
    } else if ieee {
        sign | target_infinity
    } else {
        sign | (target_sign - 1)
    }
}

macro_rules! narrows {
    ($($target:ident($bits:ty), $exponent:literal, $mantissa:literal;)*) => {$(
        impl To<$target> for F32 {
            #[inline]
            fn to(self) -> $target {
                $target(narrow::<$exponent, $mantissa>(self.0, false) as $bits)
            }
            #[inline]
            fn to_saturated(self) -> $target {
                $target(narrow::<$exponent, $mantissa>(self.0, true) as $bits)
            }
        }
    )*};
}

narrows! {
    F16(u16), 5, 10;
    BF16(u16), 8, 7;
    F8E4M3FN(u8), 4, 3;
    F8E5M2(u8), 5, 2;
}
