//! The plain dtypes as Rust types, with the exact number of each.

use super::number::{self, Format, Number};

/// An element of a plain dtype that is one real number.
///
/// # Safety
/// Any pattern of bits is a value of the type.
pub(super) unsafe trait Element: Copy {
    /// The number; NaNs come out quiet.
    fn unpack(self) -> Number;
    /// The element nearest to a number.
    fn pack(number: Number, saturate: bool) -> Self;
}

macro_rules! floats {
    ($($(#[doc = $doc:literal])* $name:ident($bits:ty), $format:expr;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(transparent)]
        pub(super) struct $name(pub(super) $bits);

        // SAFETY: a transparent integer.
        unsafe impl Element for $name {
            #[inline]
            fn unpack(self) -> Number {
                $format.unpack(self.0.into())
            }
            #[inline]
            fn pack(number: Number, saturate: bool) -> Self {
                $name($format.pack(number, saturate) as $bits)
            }
        }
    )*};
}

floats! {
    /// `f16`, as bits.
    F16(u16), Format::F16;
    /// `bf16`, as bits.
    BF16(u16), Format::BF16;
    /// `f8_e4m3fn`, as bits.
    F8E4M3FN(u8), Format::E4M3FN;
    /// `f8_e5m2`, as bits.
    F8E5M2(u8), Format::E5M2;
    /// `f32`, as bits: moving a NaN as a float may change it.
    F32(u32), Format::F32;
    /// `f64`, as bits.
    F64(u64), Format::F64;
}

/// `f8_e8m0`, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct F8E8M0(pub(super) u8);

// SAFETY: a transparent integer.
unsafe impl Element for F8E8M0 {
    #[inline]
    fn unpack(self) -> Number {
        number::unpack_e8m0(self.0)
    }
    #[inline]
    fn pack(number: Number, saturate: bool) -> Self {
        F8E8M0(number::pack_e8m0(number, saturate))
    }
}

/// `bool`, as the byte it is: files hold others than 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Bool(pub(super) u8);

// SAFETY: a transparent integer.
unsafe impl Element for Bool {
    #[inline]
    fn unpack(self) -> Number {
        number::unpack_integer((self.0 != 0).into())
    }
    #[inline]
    fn pack(number: Number, _saturate: bool) -> Self {
        Bool(number::pack_bool(number))
    }
}

macro_rules! integers {
    ($($name:ident = $integer:ident)*) => {$(
        pub(super) type $name = $integer;

        // SAFETY: an integer.
        unsafe impl Element for $integer {
            #[inline]
            fn unpack(self) -> Number {
                number::unpack_integer(self.into())
            }
            #[inline]
            fn pack(number: Number, saturate: bool) -> Self {
                let (least, most) = ($integer::MIN.into(), $integer::MAX.into());
                number::pack_integer(number, least, most, saturate) as $integer
            }
        }
    )*};
}

integers! { I8 = i8 I16 = i16 I32 = i32 I64 = i64 U8 = u8 U16 = u16 U32 = u32 U64 = u64 }
