//! Cache lines copied with the vectors of x86-64.

use super::cache::LINE;
use super::vector::Vector;

/// Copies `LINES` lines, all loads first: such a loop is no copy that the compiler knows, and
/// would turn into a call of memcpy. `V` holds a line.
///
/// # Safety
/// The CPU has the register; `LINES * LINE` bytes at `from` are readable and at `to` writable, and
/// they don't overlap. Where `STREAM`, `to` is aligned to a line and a fence follows.
#[inline(always)]
pub(super) unsafe fn copy_lines<V: Vector, const LINES: usize, const STREAM: bool>(
    from: *const u8,
    to: *mut u8,
) {
    const { assert!(V::BYTES == LINE) };
    // SAFETY: the first of `LINES` readable lines.
    let mut lines = [unsafe { V::load(from) }; LINES];
    for (number, line) in lines.iter_mut().enumerate() {
        // SAFETY: line `number` of `LINES` readable ones.
        *line = unsafe { V::load(from.wrapping_add(number * LINE)) };
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
