//! Rows copied with the vectors of x86-64.

use std::arch::x86_64::{__m256i, __m512i};

use super::{AHEAD, TOGETHER, WINDOW, fetch, fetch_long};
use crate::kernel::cache::LINE;
use crate::kernel::lines::copy_lines;
use crate::kernel::vector::Vector;

/// Lines that are copied of a row before the next one has its turn.
const TURN_LINES: usize = 4;
const TURN: usize = TURN_LINES * LINE;

/// Bytes of short rows that are fetched ahead.
const AHEAD_SHORT: usize = 8 << 10;

macro_rules! copiers {
    ($($features:literal, $vector:ty, $short:ident, $long:ident, $stream:ident;)*) => {$(
        /// # Safety
        /// That of [`Copier`](super::Copier), and the CPU has the features.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $short(
            known: &[*const u8],
            now: usize,
            bytes: usize,
            to: *mut u8,
        ) {
            // SAFETY: the caller's promise.
            unsafe { copy_short::<$vector>(known, now, bytes, to) }
        }

        /// # Safety
        /// That of [`Copier`](super::Copier), and the CPU has the features; rows are long.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $long(
            known: &[*const u8],
            now: usize,
            bytes: usize,
            to: *mut u8,
        ) {
            // SAFETY: the caller's promise.
            unsafe { copy_long::<$vector, false>(known, now, bytes, to) }
        }

        /// # Safety
        /// That of [`Copier`](super::Copier), and the CPU has the features; rows are long,
        /// `bytes` is a multiple of a line, and a fence follows.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $stream(
            known: &[*const u8],
            now: usize,
            bytes: usize,
            to: *mut u8,
        ) {
            // SAFETY: the caller's promise.
            unsafe { copy_long::<$vector, true>(known, now, bytes, to) }
        }
    )*};
}

copiers! {
    "avx512f", __m512i, copy_short_avx512, copy_long_avx512, stream_long_avx512;
    "avx2", [__m256i; 2], copy_short_avx2, copy_long_avx2, stream_long_avx2;
}

/// # Safety
/// That of [`Copier`](super::Copier), for the CPU that has the register.
#[inline(always)]
unsafe fn copy_short<V: Vector>(known: &[*const u8], now: usize, bytes: usize, to: *mut u8) {
    let mut to = to;
    for (number, &from) in known.iter().take(now).enumerate() {
        fetch_short(known, number, bytes);
        // SAFETY: the caller's promise: row `number` and its room.
        unsafe { copy_row::<V>(from, to, bytes) };
        to = to.wrapping_add(bytes);
    }
}

/// # Safety
/// The CPU has the register; `bytes` are readable at `from` and writable at `to`, and they don't
/// overlap.
#[inline(always)]
unsafe fn copy_row<V: Vector>(from: *const u8, to: *mut u8, bytes: usize) {
    if bytes < LINE {
        // SAFETY: the caller's promise.
        return unsafe { from.copy_to_nonoverlapping(to, bytes) };
    }
    let last = bytes.wrapping_sub(LINE);
    let mut done = 0usize;
    while done < last {
        let (from, to) = (from.wrapping_add(done), to.wrapping_add(done));
        // SAFETY: `done` is below `last`, so that a line from there ends below `bytes`.
        unsafe { copy_lines::<V, 1, false>(from, to) };
        done = done.wrapping_add(LINE);
    }
    let (from, to) = (from.wrapping_add(last), to.wrapping_add(last));
    // SAFETY: a line from `last` ends at `bytes`; what is copied twice comes out the same.
    unsafe { copy_lines::<V, 1, false>(from, to) };
}

/// # Safety
/// That of [`Copier`](super::Copier), for the CPU that has the register, of which `V` is a line;
/// `bytes` is at least [`LONG`](super::LONG). Where `STREAM`, it is a multiple of a line, and a fence follows.
#[inline(always)]
unsafe fn copy_long<V: Vector, const STREAM: bool>(
    known: &[*const u8],
    now: usize,
    bytes: usize,
    to: *mut u8,
) {
    let skew = if STREAM { to.align_offset(LINE) } else { 0 };
    let mut to = to;
    let mut first = 0usize;
    while let Some(group) = known.get(first..now.min(first.wrapping_add(TOGETHER))) {
        if group.is_empty() {
            break;
        }
        for (number, row) in group.iter().enumerate() {
            let to = to.wrapping_add(number.wrapping_mul(bytes));
            // SAFETY: the row and its room, of which this is less than a line.
            unsafe { row.copy_to_nonoverlapping(to, skew) };
        }
        let mut done = skew;
        while bytes.wrapping_sub(done) >= TURN {
            let mut to = to.wrapping_add(done);
            for (number, row) in group.iter().enumerate() {
                let number = first.wrapping_add(number);
                fetch_long(known, number, bytes, done.wrapping_add(AHEAD), TURN);
                // SAFETY: a turn from `done` ends by the end of the row and of its room. The first
                // room is aligned to a line at `skew`, and so are the others: they lie `bytes`
                // apart.
                unsafe { copy_lines::<V, TURN_LINES, STREAM>(row.wrapping_add(done), to) };
                to = to.wrapping_add(bytes);
            }
            done = done.wrapping_add(TURN);
        }
        for row in group {
            // SAFETY: what is left of the row and of its room.
            unsafe {
                row.wrapping_add(done)
                    .copy_to_nonoverlapping(to.wrapping_add(done), bytes.wrapping_sub(done))
            };
            to = to.wrapping_add(bytes);
        }
        first = first.wrapping_add(TOGETHER);
    }
}

/// Fetches a row that comes so long after `row` that it will be there in time.
#[inline(always)]
fn fetch_short(known: &[*const u8], row: usize, bytes: usize) {
    let rows = (AHEAD_SHORT / bytes.max(1)).clamp(1, WINDOW);
    if let Some(&row) = known.get(row + rows) {
        fetch(row, bytes);
    }
}
