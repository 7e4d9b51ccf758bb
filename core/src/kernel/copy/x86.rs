//! Copies with the vectors of x86-64.

use std::arch::x86_64::{__m256i, __m512i};

use crate::kernel::cache::{LINE, prefetch};
use crate::kernel::lines::copy_lines;
use crate::kernel::vector::Vector;

/// Lines that a loop copies at a time.
const STEP_LINES: usize = 4;
const STEP: usize = STEP_LINES * LINE;

/// Copies through the caches.
///
/// # Safety
/// The CPU has AVX-512F; `len` is at least 320, readable at `from` and writable at `to`, and the
/// two don't overlap.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn copy_avx512(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: a line is less than `len`.
    unsafe { copy_lines::<__m512i, 1, false>(from, to) };
    let last = len.wrapping_sub(STEP);
    // Stores that cross lines cost more than loads that do.
    let mut done = LINE - to.addr() % LINE;
    while done < last {
        let (from, to) = (from.wrapping_add(done), to.wrapping_add(done));
        // SAFETY: `done` is below `last`, so that a step from there ends below `len`.
        unsafe { copy_lines::<__m512i, STEP_LINES, false>(from, to) };
        done = done.wrapping_add(STEP);
    }
    let (from, to) = (from.wrapping_add(last), to.wrapping_add(last));
    // SAFETY: a step from `last` ends at `len`; what is copied twice comes out the same.
    unsafe { copy_lines::<__m512i, STEP_LINES, false>(from, to) };
}

/// Copies past the caches; a fence follows.
///
/// # Safety
/// The CPU has AVX-512F; `len` bytes are readable at `from` and writable at `to`, and the two
/// don't overlap.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn stream_avx512(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { stream::<__m512i>(from, to, len) }
}

/// As [`stream_avx512`].
///
/// # Safety
/// As for [`stream_avx512`], but the CPU has AVX2.
#[target_feature(enable = "avx2")]
pub(in crate::kernel) unsafe fn stream_avx2(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { stream::<[__m256i; 2]>(from, to, len) }
}

/// What is copied side by side: each page has a stream of the CPU's own prefetch to itself, and a
/// bank of memory is written while others are read.
const PAGES: usize = 4;
const PAGE: usize = 4096;

/// Lines of a page before the next page has its turn.
const TURN_LINES: usize = 2;
const TURN: usize = TURN_LINES * LINE;

/// How far ahead of its use a line is fetched.
const AHEAD: usize = 512;

/// # Safety
/// As for [`stream_avx512`], for the CPU that has the register, of which `V` is a line.
#[inline(always)]
unsafe fn stream<V: Vector>(from: *const u8, to: *mut u8, len: usize) {
    let mut done = to.align_offset(LINE).min(len);
    // SAFETY: `done` is at most `len`.
    unsafe { from.copy_to_nonoverlapping(to, done) };
    while len.wrapping_sub(done) >= PAGES * PAGE {
        for turn in 0..PAGE / TURN {
            for page in 0..PAGES {
                let at = done.wrapping_add(page * PAGE + turn * TURN);
                let from = from.wrapping_add(at);
                for line in 0..TURN_LINES {
                    prefetch(from.wrapping_add(AHEAD + line * LINE));
                }
                // SAFETY: the turn lies in the `PAGES` pages from `done`, which end by `len`;
                // `done` is where `to` is aligned to a line, or whole pages on.
                unsafe { copy_lines::<V, TURN_LINES, true>(from, to.wrapping_add(at)) };
            }
        }
        done = done.wrapping_add(PAGES * PAGE);
    }
    while len.wrapping_sub(done) >= LINE {
        // SAFETY: a line from `done` ends by `len`; aligned as above.
        unsafe { copy_lines::<V, 1, true>(from.wrapping_add(done), to.wrapping_add(done)) };
        done = done.wrapping_add(LINE);
    }
    let (from, to) = (from.wrapping_add(done), to.wrapping_add(done));
    // SAFETY: these are the bytes up to `len`.
    unsafe { from.copy_to_nonoverlapping(to, len.wrapping_sub(done)) };
}
