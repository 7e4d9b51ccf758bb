//! Stores past the caches: blocks are decoded to a small buffer, and that is stored in whole lines
//! to room at any alignment.

use std::arch::x86_64::*;
use std::mem::MaybeUninit;

use super::super::block::Block;
use crate::kernel::convert::Loop;

/// More would leave the memory idle while a buffer is filled.
const BYTES: usize = 2048;

#[repr(align(64))]
struct Buffer(MaybeUninit<[u8; BYTES]>);

/// `run`, by way of the buffer.
///
/// # Safety
/// As [`Loop`]; the CPU has AVX2 and what `run` needs.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn stage<T: Block<N>, const N: usize>(
    from: *const u8,
    to: *mut u8,
    count: usize,
    run: Loop,
) {
    const { assert!(BYTES.is_multiple_of(4 * N)) };
    let at_once = BYTES / (4 * N);
    let mut buffer = Buffer(MaybeUninit::uninit());
    let buffer = buffer.0.as_mut_ptr().cast::<u8>();
    let (mut block, mut elements) = (from, to);
    let mut left = count;
    while left > 0 {
        let now = left.min(at_once);
        // SAFETY: the next `now` blocks of the caller's; the buffer has room for them.
        unsafe { run(block, buffer, now) };
        // SAFETY: `run` has written so much; there is room for it, by the caller's promise.
        unsafe { store(buffer, elements, now * 4 * N) };
        block = block.wrapping_add(now * size_of::<T>());
        elements = elements.wrapping_add(now * 4 * N);
        left -= now;
    }
    // Stores past the caches are ordered before later ones only by a fence.
    _mm_sfence();
}

/// Copies `len` bytes, whole lines past the caches.
///
/// # Safety
/// `from` is readable and `to` writable for `len` bytes; they don't overlap.
#[target_feature(enable = "avx2")]
unsafe fn store(from: *const u8, to: *mut u8, len: usize) {
    const LINE: usize = 64;
    let head = (to.addr().wrapping_neg() % LINE).min(len);
    // SAFETY: at most `len` bytes.
    unsafe { to.copy_from_nonoverlapping(from, head) };
    let mut done = head;
    while len - done >= LINE {
        for half in [0, LINE / 2] {
            let (from, to) = (from.wrapping_add(done + half), to.wrapping_add(done + half));
            // SAFETY: within the 64 bytes that are left at least; an unaligned load.
            let bytes = unsafe { _mm256_loadu_si256(from.cast()) };
            // SAFETY: likewise; `to` is aligned, for `head` bytes went before whole lines.
            unsafe { _mm256_stream_si256(to.cast(), bytes) };
        }
        done += LINE;
    }
    let (from, to) = (from.wrapping_add(done), to.wrapping_add(done));
    // SAFETY: what is left of `len`.
    unsafe { to.copy_from_nonoverlapping(from, len - done) };
}
