//! Stores past the caches: blocks are decoded to a small buffer, and that is stored in whole lines
//! to room at any alignment.

use std::mem::MaybeUninit;

use super::super::block::Block;
use crate::kernel::convert::Loop;
use crate::kernel::copy::x86::stream_avx2;

/// More would leave the memory idle while a buffer is filled.
const BYTES: usize = 2048;

#[repr(align(64))]
struct Buffer(MaybeUninit<[u8; BYTES]>);

/// `run`, by way of the buffer; a fence follows.
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
        unsafe { stream_avx2(buffer, elements, now * 4 * N) };
        block = block.wrapping_add(now * size_of::<T>());
        elements = elements.wrapping_add(now * 4 * N);
        left -= now;
    }
}
