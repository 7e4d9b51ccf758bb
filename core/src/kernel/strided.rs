//! Strided elements gathered into C order.

/// The most dimensions that the loop counts.
const MAX_DIMS: usize = 8;

/// Copies the elements of a strided array into C order, without recursion.
///
/// `shape` and `strides` have one entry a dimension, outermost first; strides count elements of
/// `size` bytes. The innermost run of elements that lie side by side is copied at once.
///
/// # Safety
/// `shape` and `strides` have the same number of entries, at most 8.
/// For every index inside `shape`, the `size` bytes at `from + size * sum(index * stride)` are
/// readable, and `to` is writable for `size * product(shape)` bytes that don't overlap them.
pub unsafe fn gather_strided(
    from: *const u8,
    to: *mut u8,
    size: usize,
    shape: &[i64],
    strides: &[i64],
) {
    let mut run = size;
    let mut outer = shape.len();
    for (&dim, &stride) in shape.iter().zip(strides).rev() {
        let side_by_side = dim == 1 || stride.cast_unsigned() as usize * size == run;
        if !side_by_side {
            break;
        }
        run *= dim.cast_unsigned() as usize;
        outer -= 1;
    }
    let outer_shape = shape.get(..outer).unwrap_or_default();
    let outer_strides = strides.get(..outer).unwrap_or_default();
    let mut index = [0i64; MAX_DIMS];
    let runs: i64 = outer_shape.iter().product();
    let mut offset: isize = 0;
    for number in 0..runs.cast_unsigned() as usize {
        let (source, target) = (from.wrapping_offset(offset), to.wrapping_add(number * run));
        // SAFETY: `offset` is the sum for an index inside `shape`, and the `run` bytes there are
        // the elements of the inner dimensions, side by side; `number` counts the runs before this
        // one, so the target lies inside the output.
        unsafe { source.copy_to_nonoverlapping(target, run) };
        let dims = outer_shape.iter().zip(outer_strides).zip(index.iter_mut());
        for ((&dim, &stride), at) in dims.rev() {
            // Only offsets of indices inside `shape` are ever computed: others may overflow.
            let step = stride as isize * size as isize;
            if *at + 1 < dim {
                *at += 1;
                offset += step;
                break;
            }
            offset -= step * *at as isize;
            *at = 0;
        }
    }
}
