//! Strided elements copied to other strides.

/// The most dimensions that the loop counts.
const MAX_DIMS: usize = 8;

/// Elements of `size` bytes in memory: their first byte, and a stride a dimension, outermost first,
/// in elements.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a, P> {
    /// The element whose index is 0 in every dimension.
    pub start: P,
    /// As many as there are dimensions.
    pub strides: &'a [i64],
}

/// One step of the innermost loop: how often, and how far apart in bytes.
#[derive(Clone, Copy)]
struct Line {
    count: usize,
    from_step: usize,
    to_step: usize,
    run: usize,
}

/// Copies the elements of one strided array to the places of another of the same shape, without
/// recursion. The innermost run of elements that lie side by side in both is copied at once.
///
/// # Safety
/// `shape` and both `strides` have the same number of entries, at most 8; no dimension is negative.
/// For every index inside `shape`, the `size` bytes at `start + size * sum(index * stride)` are
/// readable in `from` and writable in `to`, and those written don't overlap those read.
pub unsafe fn copy_strided(
    from: Strided<'_, *const u8>,
    to: Strided<'_, *mut u8>,
    size: usize,
    shape: &[i64],
) {
    if shape.contains(&0) {
        return;
    }
    let step = |stride: i64| (stride.cast_unsigned() as usize).wrapping_mul(size);
    let mut run = size;
    let mut outer = shape.len();
    for ((&dim, &a), &b) in shape.iter().zip(from.strides).zip(to.strides).rev() {
        if dim != 1 && (step(a) != run || step(b) != run) {
            break;
        }
        run *= dim.cast_unsigned() as usize;
        outer -= 1;
    }
    // The loop over the last dimension outside the run; one round where there is none.
    let inner = outer.saturating_sub(1);
    let at = |values: &[i64], none| values.get(inner).copied().unwrap_or(none);
    let is_loop = outer > 0;
    let line = Line {
        count: if is_loop {
            at(shape, 1).cast_unsigned() as usize
        } else {
            1
        },
        from_step: step(at(from.strides, 0)),
        to_step: step(at(to.strides, 0)),
        run,
    };
    let dims = shape.get(..inner).unwrap_or_default();
    let lines: i64 = dims.iter().product();
    let mut index = [0i64; MAX_DIMS];
    let (mut source, mut target) = (0usize, 0usize);
    for _ in 0..lines {
        let (a, b) = (
            from.start.wrapping_add(source),
            to.start.wrapping_add(target),
        );
        // SAFETY: `source` and `target` are the offsets of an index inside `shape` whose last
        // counted dimension is 0; the line adds that dimension's indices, and a run has the
        // elements of those that lie side by side in both.
        unsafe { copy_line(a, b, line) };
        let axes = dims
            .iter()
            .zip(from.strides)
            .zip(to.strides)
            .zip(&mut index);
        for (((&dim, &a), &b), at) in axes.rev() {
            // Only offsets of indices inside `shape` are ever computed: others may overflow.
            if *at + 1 < dim {
                *at += 1;
                source += step(a);
                target += step(b);
                break;
            }
            source -= step(a) * at.cast_unsigned() as usize;
            target -= step(b) * at.cast_unsigned() as usize;
            *at = 0;
        }
    }
}

/// # Safety
/// `line.run` bytes are readable and writable at each of `line.count` steps.
unsafe fn copy_line(from: *const u8, to: *mut u8, line: Line) {
    // A run of a constant length is a load and a store, not a call.
    match line.run {
        // SAFETY: the caller's promise, in this arm and the others.
        1 => unsafe { copy_runs::<1>(from, to, line) },
        // SAFETY: as above.
        2 => unsafe { copy_runs::<2>(from, to, line) },
        // SAFETY: as above.
        4 => unsafe { copy_runs::<4>(from, to, line) },
        // SAFETY: as above.
        8 => unsafe { copy_runs::<8>(from, to, line) },
        // SAFETY: as above.
        16 => unsafe { copy_runs::<16>(from, to, line) },
        run => {
            for number in 0..line.count {
                let a = from.wrapping_add(number * line.from_step);
                let b = to.wrapping_add(number * line.to_step);
                // SAFETY: as above.
                unsafe { a.copy_to_nonoverlapping(b, run) };
            }
        }
    }
}

/// # Safety
/// As `copy_line`, where `RUN` is `line.run`.
unsafe fn copy_runs<const RUN: usize>(from: *const u8, to: *mut u8, line: Line) {
    for number in 0..line.count {
        let a = from
            .wrapping_add(number * line.from_step)
            .cast::<[u8; RUN]>();
        let b = to.wrapping_add(number * line.to_step).cast::<[u8; RUN]>();
        // SAFETY: the caller's promise; arrays of bytes need no alignment.
        unsafe { a.copy_to_nonoverlapping(b, 1) };
    }
}
