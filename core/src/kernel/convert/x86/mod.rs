//! x86-64's vector paths.

pub(super) mod avx2;
pub(super) mod avx512;

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_stream_si128, _mm256_stream_si256, _mm512_stream_si512,
};

use super::vector::Register;

macro_rules! registers {
    ($($register:ident, $stream:ident;)*) => {$(
        impl Register for $register {
            const BYTES: usize = size_of::<$register>();

            #[inline(always)]
            unsafe fn load(from: *const u8) -> Self {
                // SAFETY: the caller's promise; any bits are a value.
                unsafe { from.cast::<$register>().read_unaligned() }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut u8) {
                // SAFETY: the caller's promise.
                unsafe { to.cast::<$register>().write_unaligned(self) };
            }

            #[inline(always)]
            unsafe fn stream(self, to: *mut u8) {
                // SAFETY: the caller's promise, with the alignment that this store needs.
                unsafe { $stream(to.cast(), self) };
            }
        }
    )*};
}

registers! {
    __m128i, _mm_stream_si128;
    __m256i, _mm256_stream_si256;
    __m512i, _mm512_stream_si512;
}
