//! What the vector paths share: one step of a conversion, and the loop around it.

use crate::kernel::cache::{LINE, prefetch};
use crate::kernel::vector::Vector;

/// How far ahead of its stores a line of the output is fetched: without it, stores wait for lines
/// that are not in the nearest cache.
const AHEAD: usize = 1024;

/// Bytes of input and output that the nearest cache doesn't hold. Below, fetching costs a quarter.
const FAR: usize = 64 << 10;

/// Steps from which on one more pays, so that no store of the others crosses a line.
const MANY: usize = 16;

/// The bytes of the widest side of any step.
const WIDEST: usize = 256;

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// A conversion of as many elements as fill its registers.
pub(super) trait Step {
    type In: Vector;
    type Out: Vector;
    /// Elements at a time.
    const LANES: usize;

    /// # Safety
    /// The CPU has the instructions of the path that the step belongs to.
    unsafe fn convert(from: Self::In) -> Self::Out;
}

/// Runs a step over any number of elements. Inlined into a function with the path's instructions.
///
/// Some elements may be read and written twice, with the same result.
///
/// # Safety
/// That of [`super::Loop`]; the CPU has the instructions of the step's path.
#[inline(always)]
pub(super) unsafe fn drive<S: Step, const STREAM: bool>(
    from: *const u8,
    to: *mut u8,
    count: usize,
) {
    if count < S::LANES {
        // SAFETY: the caller's promise.
        return unsafe { few::<S>(from, to, count) };
    }
    let out = const { S::Out::BYTES / S::LANES };
    let line = const {
        if S::Out::BYTES < LINE {
            S::Out::BYTES
        } else {
            LINE
        }
    };
    let to_line = to.addr().wrapping_neg() % line;
    let can_align = to_line.is_multiple_of(out);
    let mut done = 0;
    if to_line != 0 && can_align && (STREAM || count >= const { MANY * S::LANES }) {
        // SAFETY: there are `LANES` elements at least.
        unsafe { step::<S, false>(from, to, 0) };
        // Less than a line, so at most what the step has done.
        done = to_line / out;
    }
    let far = const { FAR / (S::In::BYTES + S::Out::BYTES) * S::LANES };
    if STREAM && can_align {
        // SAFETY: `done` elements after `to` a line starts.
        done = unsafe { whole_steps::<S, true, false>(from, to, done, count) };
    } else if count >= far {
        // SAFETY: the caller's promise.
        done = unsafe { whole_steps::<S, false, true>(from, to, done, count) };
    } else {
        // SAFETY: the caller's promise.
        done = unsafe { whole_steps::<S, false, false>(from, to, done, count) };
    }
    if done < count {
        // SAFETY: the last `LANES` elements, of which there are as many at least.
        unsafe { step::<S, false>(from, to, count - S::LANES) };
    }
}

/// Steps from element `done` on, as far as whole ones go; returns where they end.
///
/// # Safety
/// That of [`drive`]; where it streams, element `done` of the output is aligned to a line, or to
/// all of the step's output if that is less.
#[inline(always)]
unsafe fn whole_steps<S: Step, const STREAM: bool, const FETCH: bool>(
    from: *const u8,
    to: *mut u8,
    mut done: usize,
    count: usize,
) -> usize {
    // Short steps are worth more of them, long ones their code.
    let unroll = const { 512 / max(64, max(S::In::BYTES, S::Out::BYTES)) };
    while count - done >= unroll * S::LANES {
        if FETCH {
            let to = to.wrapping_add(done.wrapping_mul(S::Out::BYTES / S::LANES) + AHEAD);
            for line in 0..unroll * S::Out::BYTES / LINE {
                prefetch(to.wrapping_add(line * LINE));
            }
        }
        for i in 0..unroll {
            // SAFETY: `unroll` steps fit; each writes whole lines, or all of them one.
            unsafe { step::<S, STREAM>(from, to, done + i * S::LANES) };
        }
        done += unroll * S::LANES;
    }
    while count - done >= S::LANES {
        // SAFETY: a step fits.
        unsafe { step::<S, STREAM>(from, to, done) };
        done += S::LANES;
    }
    done
}

/// One step at element `at`.
///
/// # Safety
/// The elements from `at` on fill a step; where it streams, the output there is aligned to a
/// register; the CPU has the instructions of the step's path.
#[inline(always)]
unsafe fn step<S: Step, const STREAM: bool>(from: *const u8, to: *mut u8, at: usize) {
    let from = from.wrapping_add(at.wrapping_mul(S::In::BYTES / S::LANES));
    let to = to.wrapping_add(at.wrapping_mul(S::Out::BYTES / S::LANES));
    // SAFETY: the caller's promise.
    let loaded = unsafe { S::In::load(from) };
    // SAFETY: the caller's promise.
    let converted = unsafe { S::convert(loaded) };
    if STREAM {
        // SAFETY: the caller's promise.
        unsafe { converted.stream(to) };
    } else {
        // SAFETY: the caller's promise.
        unsafe { converted.store(to) };
    }
}

/// Fewer elements than a step takes, by way of the stack.
///
/// # Safety
/// That of [`drive`]; `count` is below `LANES`.
#[inline(always)]
unsafe fn few<S: Step>(from: *const u8, to: *mut u8, count: usize) {
    const {
        assert!(S::In::BYTES <= WIDEST && S::Out::BYTES <= WIDEST);
    }
    let mut read = [0u8; WIDEST];
    let mut written = [0u8; WIDEST];
    // SAFETY: the caller's promise; less than a step's input fits.
    unsafe {
        from.copy_to_nonoverlapping(read.as_mut_ptr(), count * (S::In::BYTES / S::LANES));
    }
    // SAFETY: both arrays hold a whole step.
    unsafe { step::<S, false>(read.as_ptr(), written.as_mut_ptr(), 0) };
    // SAFETY: the caller's promise; less than a step's output.
    unsafe {
        to.copy_from_nonoverlapping(written.as_ptr(), count * (S::Out::BYTES / S::LANES));
    }
}

/// Steps by name, with parameters if any, lanes, and the function over registers.
macro_rules! steps {
    ($features:literal;
     $($name:ident $(<$(const $parameter:ident: $type:ty),*>)?, $lanes:literal,
       |$from:ident: $in:ty| -> $out:ty $body:block)*) => {$(
        struct $name $(<$(const $parameter: $type),*>)?;

        impl $(<$(const $parameter: $type),*>)? $crate::kernel::convert::vector::Step
            for $name $(<$($parameter),*>)? {
            type In = $in;
            type Out = $out;
            const LANES: usize = $lanes;

            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn convert($from: $in) -> $out $body
        }
    )*};
}

pub(super) use steps;
