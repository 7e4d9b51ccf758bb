//! Vector registers as loops over memory see them.
//!
//! The methods are always inlined, so that a loop generic over [`Vector`] becomes instructions of
//! the `#[target_feature]` function that it is itself inlined into.

/// A register, or several of them with memory side by side.
pub(super) trait Vector: Copy {
    /// The bytes in memory: those of a cache line or a part of it that divides it, or of whole
    /// lines.
    const BYTES: usize;

    /// # Safety
    /// The CPU has the register; `BYTES` bytes at `from` are readable, at any alignment.
    unsafe fn load(from: *const u8) -> Self;

    /// # Safety
    /// The CPU has the register; `BYTES` bytes at `to` are writable, at any alignment.
    unsafe fn store(self, to: *mut u8);

    /// Stores past the caches, where the CPU can.
    ///
    /// # Safety
    /// As for [`Vector::store`], and `to` is aligned to the size of a single register. A
    /// [`fence`](super::cache::fence) follows before anybody else is told that the bytes are there.
    unsafe fn stream(self, to: *mut u8);
}

impl<V: Vector> Vector for [V; 2] {
    const BYTES: usize = 2 * V::BYTES;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller's promise, for the first half.
        let first = unsafe { V::load(from) };
        // SAFETY: the caller's promise, for the second half.
        let second = unsafe { V::load(from.wrapping_add(V::BYTES)) };
        [first, second]
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        let [first, second] = self;
        // SAFETY: the caller's promise, for the first half.
        unsafe { first.store(to) };
        // SAFETY: the caller's promise, for the second half.
        unsafe { second.store(to.wrapping_add(V::BYTES)) };
    }

    #[inline(always)]
    unsafe fn stream(self, to: *mut u8) {
        let [first, second] = self;
        // SAFETY: the caller's promise, for the first half.
        unsafe { first.stream(to) };
        // SAFETY: the caller's promise, for the second half, which starts whole registers later.
        unsafe { second.stream(to.wrapping_add(V::BYTES)) };
    }
}

macro_rules! registers {
    ($($register:ident, $stream:expr;)*) => {$(
        impl Vector for $register {
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
                unsafe { $stream(to.cast::<$register>(), self) };
            }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128i, __m256i, __m512i, _mm_stream_si128, _mm256_stream_si256, _mm512_stream_si512,
    };

    use super::Vector;

    registers! {
        __m128i, _mm_stream_si128;
        __m256i, _mm256_stream_si256;
        __m512i, _mm512_stream_si512;
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::uint8x16_t;

    use super::Vector;

    // There is no store past the caches that a program could ask for here.
    registers! { uint8x16_t, <*mut uint8x16_t>::write_unaligned; }
}
