//! A part of a tensor cut into blocks that lie close together in the file.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::shape::MAX_DIMS;

/// One dimension of a selection, in the order in which the file has them.
#[derive(Clone, Copy, Debug)]
struct Axis {
    count: u64,
    /// Elements from one position to the next, in the file and in the output.
    from_stride: u64,
    to_stride: u64,
}

/// A rectangular part of a tensor, to be copied to an output in C order.
#[derive(Debug)]
pub(super) struct Selection {
    /// The outermost of the file first.
    axes: Vec<Axis>,
    /// The first element, in the file.
    start: u64,
    /// How many of the axes, counted from the innermost, a block has whole.
    whole: usize,
    /// Positions of the next axis that a block has.
    chunk: u64,
}

/// A block of a selection.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Its first element in the file, and in the output.
    pub(super) from: u64,
    pub(super) to: u64,
    /// Elements from the first to the last in the file, both counted.
    pub(super) span: u64,
    /// Elements that are selected.
    pub(super) elements: u64,
    /// Its dimensions, outermost of the file first, and their strides in elements.
    pub(super) shape: Vec<i64>,
    pub(super) from_strides: Vec<i64>,
    pub(super) to_strides: Vec<i64>,
}

impl Block {
    /// Whether nothing lies between the elements in the file.
    pub(super) fn is_dense(&self) -> bool {
        self.span == self.elements
    }

    /// Whether the output has the elements side by side in the file's order.
    pub(super) fn is_in_order(&self) -> bool {
        let mut step: i64 = 1;
        for (&dim, &stride) in self.shape.iter().zip(&self.to_strides).rev() {
            if dim > 1 && stride != step {
                return false;
            }
            step = step.saturating_mul(dim);
        }
        true
    }
}

impl Selection {
    /// The `counts` positions from `start` on of a tensor of `dims`, both inside, in blocks that
    /// span at most `limit` elements of the file (or one), with gaps of at most `gap` elements.
    pub(super) fn new(
        dims: &[i64],
        fortran_order: bool,
        start: &[i64],
        counts: &[i64],
        limit: u64,
        gap: u64,
    ) -> Selection {
        let strides = |sizes: &[i64], fortran: bool| {
            let mut strides = vec![0; sizes.len()];
            let mut step: u64 = 1;
            let mut put = |(stride, &size): (&mut u64, &i64)| {
                *stride = step;
                step = step.saturating_mul(size.cast_unsigned());
            };
            if fortran {
                strides.iter_mut().zip(sizes).for_each(&mut put);
            } else {
                strides.iter_mut().zip(sizes).rev().for_each(&mut put);
            }
            strides
        };
        let from = strides(dims, fortran_order);
        let to = strides(counts, false);
        let first = from.iter().zip(start).fold(0u64, |sum, (&stride, &at)| {
            sum.saturating_add(stride.saturating_mul(at.cast_unsigned()))
        });
        let mut axes: Vec<Axis> = counts
            .iter()
            .zip(&from)
            .zip(&to)
            .map(|((&count, &from_stride), &to_stride)| Axis {
                count: count.cast_unsigned(),
                from_stride,
                to_stride,
            })
            .collect();
        if fortran_order {
            axes.reverse();
        }
        let mut selection = Selection {
            axes,
            start: first,
            whole: 0,
            chunk: 1,
        };
        selection.choose(limit, gap);
        selection
    }

    /// Chooses the blocks: as many whole axes as fit, and a part of the next.
    fn choose(&mut self, limit: u64, gap: u64) {
        let mut span = 1u64;
        for axis in self.axes.iter().rev().take(MAX_DIMS) {
            let far = |count: u64| {
                let last = count.saturating_sub(1).saturating_mul(axis.from_stride);
                span.saturating_add(last)
            };
            let close = axis.from_stride.saturating_sub(span) <= gap;
            let fits = |count: u64| count <= 1 || close && far(count) <= limit;
            if !fits(axis.count) {
                let room = limit.saturating_sub(span);
                let most = room.checked_div(axis.from_stride).unwrap_or(0);
                let most = most.saturating_add(1).min(axis.count.max(1));
                self.chunk = if fits(most) { most } else { 1 };
                return;
            }
            span = far(axis.count);
            self.whole = self.whole.saturating_add(1);
        }
    }

    /// Whether one block has everything.
    pub(super) fn is_one_block(&self) -> bool {
        self.whole == self.axes.len()
    }

    /// The elements of a block that isn't at an end.
    pub(super) fn block_elements(&self) -> u64 {
        let inner = self.axes.iter().rev().take(self.whole);
        let whole = inner.fold(1, |all: u64, axis| all.saturating_mul(axis.count));
        whole.saturating_mul(self.chunk)
    }

    /// Gives `take` every block.
    pub(super) fn each<E>(&self, mut take: impl FnMut(&Block) -> Result<(), E>) -> Result<(), E> {
        if self.axes.iter().any(|axis| axis.count == 0) {
            return Ok(());
        }
        let outer = self.axes.len().saturating_sub(self.whole);
        let (outer, inner) = self.axes.split_at(outer.min(self.axes.len()));
        let mut index = vec![0u64; outer.len()];
        loop {
            let left = match (outer.last(), index.last()) {
                (Some(axis), Some(&at)) => self.chunk.min(axis.count.saturating_sub(at)),
                _ => 1,
            };
            take(&self.block(outer, inner, &index, left))?;
            if !self.advance(outer, &mut index) {
                return Ok(());
            }
        }
    }

    /// Moves on to the next block; false after the last.
    fn advance(&self, outer: &[Axis], index: &mut [u64]) -> bool {
        let mut step = self.chunk;
        for (axis, at) in outer.iter().zip(index).rev() {
            *at = at.saturating_add(step);
            if *at < axis.count {
                return true;
            }
            *at = 0;
            step = 1;
        }
        false
    }

    fn block(&self, outer: &[Axis], inner: &[Axis], index: &[u64], left: u64) -> Block {
        let (mut from, mut to) = (self.start, 0u64);
        for (axis, &at) in outer.iter().zip(index) {
            from = from.saturating_add(axis.from_stride.saturating_mul(at));
            to = to.saturating_add(axis.to_stride.saturating_mul(at));
        }
        let part = outer.last().filter(|_| left > 1).map(|&axis| Axis {
            count: left,
            ..axis
        });
        let axes = || part.iter().chain(inner);
        let list = |value: fn(&Axis) -> u64| -> Vec<i64> {
            axes().map(|axis| value(axis).cast_signed()).collect()
        };
        let span = axes().fold(1u64, |span, axis| {
            let last = axis
                .count
                .saturating_sub(1)
                .saturating_mul(axis.from_stride);
            span.saturating_add(last)
        });
        Block {
            from,
            to,
            span,
            elements: axes().fold(1, |product, axis| product.saturating_mul(axis.count)),
            shape: list(|axis| axis.count),
            from_strides: list(|axis| axis.from_stride),
            to_strides: list(|axis| axis.to_stride),
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]
mod tests {
    use super::*;

    /// The elements of a selection by blocks, as (file element, output element).
    fn pairs(selection: &Selection) -> Vec<(u64, u64)> {
        let mut pairs = Vec::new();
        let done: Result<(), ()> = selection.each(|block| {
            assert!(block.shape.len() <= MAX_DIMS);
            let mut last = 0;
            for number in 0..block.elements {
                let (mut rest, mut from, mut to) = (number, block.from, block.to);
                for axis in (0..block.shape.len()).rev() {
                    let dim = block.shape[axis].cast_unsigned();
                    let at = rest % dim;
                    rest /= dim;
                    from += at * block.from_strides[axis].cast_unsigned();
                    to += at * block.to_strides[axis].cast_unsigned();
                }
                last = last.max(from);
                pairs.push((from, to));
            }
            assert_eq!(last - block.from + 1, block.span);
            Ok(())
        });
        assert_eq!(done, Ok(()));
        pairs.sort_by_key(|&(_, to)| to);
        pairs
    }

    #[test]
    fn every_element_once_in_any_blocks() {
        let (dims, start, counts) = ([3i64, 4, 5], [1i64, 0, 2], [2i64, 4, 2]);
        for fortran in [false, true] {
            let mut expected = Vec::new();
            for i in 0..2 {
                for j in 0..4 {
                    for k in 0..2 {
                        let (i, j, k) = (i + 1, j, k + 2);
                        expected.push(if fortran {
                            i + 3 * j + 12 * k
                        } else {
                            20 * i + 5 * j + k
                        });
                    }
                }
            }
            for limit in [1, 2, 3, 5, 7, 12, 20, 60, 1000] {
                for gap in [0, 1, 2, 3, 16, u64::MAX] {
                    let selection = Selection::new(&dims, fortran, &start, &counts, limit, gap);
                    let found = pairs(&selection);
                    let files: Vec<u64> = found.iter().map(|&(from, _)| from).collect();
                    assert_eq!(files, expected, "{fortran} {limit} {gap}");
                    assert!(
                        found
                            .iter()
                            .enumerate()
                            .all(|(at, &(_, to))| at as u64 == to)
                    );
                }
            }
        }
    }

    #[test]
    fn nothing_one_element_and_many_dimensions() {
        assert_eq!(
            pairs(&Selection::new(&[], false, &[], &[], 10, 0)),
            [(0, 0)]
        );
        assert_eq!(
            pairs(&Selection::new(&[3, 0], false, &[0, 0], &[3, 0], 10, 0)),
            []
        );
        let dims = [2i64; 12];
        let all = pairs(&Selection::new(&dims, false, &[0; 12], &dims, 1 << 20, 0));
        assert_eq!(all.len(), 4096);
        assert!(all.iter().all(|&(from, to)| from == to));
    }

    #[test]
    fn whole_arrays_are_one_dense_block() {
        let selection = Selection::new(&[4, 6], false, &[0, 0], &[4, 6], 1000, 0);
        let mut blocks = Vec::new();
        let done: Result<(), ()> = selection.each(|block| {
            blocks.push((block.elements, block.is_dense(), block.is_in_order()));
            Ok(())
        });
        assert_eq!((done, blocks), (Ok(()), vec![(24, true, true)]));
    }
}
