//! Vector registers of x86-64 as loops over bytes see them.
//!
//! The methods are always inlined, so that a loop generic over [`Vector`] becomes instructions of
//! the `#[target_feature]` function that it is itself inlined into.

use std::arch::x86_64::{
    __m256i, __m512i, _mm256_loadu_si256, _mm256_storeu_si256, _mm256_stream_si256,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_stream_si512,
};

use super::cache::LINE;

/// A register full of bytes.
pub(super) trait Vector: Copy {
    /// Its size, which divides a cache line.
    const BYTES: usize;

    /// # Safety
    /// The CPU has the register; `BYTES` bytes at `from` are readable.
    unsafe fn load(from: *const u8) -> Self;

    /// # Safety
    /// The CPU has the register; `BYTES` bytes at `to` are writable.
    unsafe fn store(self, to: *mut u8);

    /// Stores past the caches.
    ///
    /// # Safety
    /// As for [`Vector::store`], and `to` is aligned to `BYTES`. A fence follows before anything
    /// else is told that the bytes are there.
    unsafe fn stream(self, to: *mut u8);
}

impl Vector for __m256i {
    const BYTES: usize = 32;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller's promise; this load needs no alignment.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller's promise; this store needs no alignment.
        unsafe { _mm256_storeu_si256(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn stream(self, to: *mut u8) {
        // SAFETY: the caller's promise, alignment included.
        unsafe { _mm256_stream_si256(to.cast(), self) }
    }
}

impl Vector for __m512i {
    const BYTES: usize = 64;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller's promise; this load needs no alignment.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller's promise; this store needs no alignment.
        unsafe { _mm512_storeu_si512(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn stream(self, to: *mut u8) {
        // SAFETY: the caller's promise, alignment included.
        unsafe { _mm512_stream_si512(to.cast(), self) }
    }
}

/// A cache line in one register, or in two. (Of one, both are the same.)
#[derive(Clone, Copy)]
struct Line<V>(V, V);

impl<V: Vector> Line<V> {
    /// # Safety
    /// The CPU has the register; a line's bytes at `from` are readable.
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller's promise: `V::BYTES` is at most a line.
        let low = unsafe { V::load(from) };
        // SAFETY: these are the last bytes of the same line.
        let high = unsafe { V::load(from.wrapping_add(LINE - V::BYTES)) };
        Line(low, high)
    }

    /// # Safety
    /// The CPU has the register; a line's bytes at `to` are writable.
    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller's promise: `V::BYTES` is at most a line.
        unsafe { self.0.store(to) };
        if V::BYTES < LINE {
            // SAFETY: these are the last bytes of the same line.
            unsafe { self.1.store(to.wrapping_add(LINE - V::BYTES)) };
        }
    }

    /// # Safety
    /// As for [`Line::store`], and `to` is aligned to a line. A fence follows.
    #[inline(always)]
    unsafe fn stream(self, to: *mut u8) {
        // SAFETY: the caller's promise: `V::BYTES` is at most a line.
        unsafe { self.0.stream(to) };
        if V::BYTES < LINE {
            // SAFETY: these are the last bytes of the same line, aligned because `V::BYTES`
            // divides it.
            unsafe { self.1.stream(to.wrapping_add(LINE - V::BYTES)) };
        }
    }
}

/// Copies `LINES` lines' worth of bytes, all loads first: such a loop is no copy that the compiler
/// knows, and would turn into a call of memcpy.
///
/// # Safety
/// The CPU has the register; `LINES * LINE` bytes at `from` are readable and at `to` writable, and
/// they don't overlap. Where `STREAM`, `to` is aligned to a line and a fence follows.
#[inline(always)]
pub(super) unsafe fn copy_lines<V: Vector, const LINES: usize, const STREAM: bool>(
    from: *const u8,
    to: *mut u8,
) {
    // SAFETY: the first of `LINES` readable lines.
    let mut lines = [unsafe { Line::<V>::load(from) }; LINES];
    for (number, line) in lines.iter_mut().enumerate() {
        // SAFETY: line `number` of `LINES` readable ones.
        *line = unsafe { Line::load(from.wrapping_add(number * LINE)) };
    }
    for (number, line) in lines.iter().enumerate() {
        let to = to.wrapping_add(number * LINE);
        if STREAM {
            // SAFETY: line `number` of `LINES` writable ones, aligned as the first is.
            unsafe { line.stream(to) };
        } else {
            // SAFETY: line `number` of `LINES` writable ones.
            unsafe { line.store(to) };
        }
    }
}
