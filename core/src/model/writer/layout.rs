//! Where the tensors go: into which file, and in which order.
//!
//! The format forbids holes between tensors, so only their order can align them. A file's elements
//! start at a multiple of [`ALIGN`]. Tensors go by the largest power of two, up to [`ALIGN`], that
//! divides their bytes, the largest first: what lies before a tensor is then a multiple of its own
//! power, so that each tensor is aligned to its dtype at least, and all whose bytes are multiples of
//! [`ALIGN`] to that.

use std::cmp::Reverse;
use std::collections::TryReserveError;
use std::ops::Range;

/// The alignment of a file's elements, and the best that is told of a tensor.
pub(super) const ALIGN: u64 = 64;

/// Where a tensor goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) shard: usize,
    /// From the first element of the file on.
    pub(super) offset: u64,
}

/// All tensors' places.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// For each tensor.
    pub(super) spots: Vec<Spot>,
    /// The tensors, in order of their places.
    order: Vec<usize>,
    /// Which of these each file has.
    shards: Vec<Range<usize>>,
}

/// Why there is no layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The sum of the sizes fits no number.
    TooLarge,
    OutOfMemory,
}

impl From<TryReserveError> for Unfit {
    fn from(_: TryReserveError) -> Unfit {
        Unfit::OutOfMemory
    }
}

impl Layout {
    /// How many files there are.
    pub(super) fn files(&self) -> usize {
        self.shards.len()
    }

    /// The tensors of a file, in order of their places.
    pub(super) fn shard(&self, shard: usize) -> &[usize] {
        let range = self.shards.get(shard).cloned();
        let tensors = range.and_then(|range| self.order.get(range));
        tensors.unwrap_or_default()
    }
}

/// The largest power of two up to [`ALIGN`] that divides a number.
pub(super) fn alignment(of: u64) -> u64 {
    1 << of.trailing_zeros().min(ALIGN.trailing_zeros())
}

/// Lays out tensors of these sizes: at most `limit` bytes in a file, but for one that has more by
/// itself.
pub(super) fn lay_out(sizes: &[u64], limit: Option<u64>) -> Result<Layout, Unfit> {
    let mut layout = Layout::default();
    let (spots, order) = (&mut layout.spots, &mut layout.order);
    order.try_reserve_exact(sizes.len())?;
    order.extend(0..sizes.len());
    spots.try_reserve_exact(sizes.len())?;
    let nowhere = Spot {
        shard: 0,
        offset: 0,
    };
    spots.resize(sizes.len(), nowhere);
    layout.shards = fill(sizes, limit)?;
    let size_of = |tensor: usize| sizes.get(tensor).copied().unwrap_or_default();
    for (shard, tensors) in layout.shards.iter().enumerate() {
        let Some(tensors) = order.get_mut(tensors.clone()) else {
            continue;
        };
        tensors.sort_unstable_by_key(|&tensor| (Reverse(alignment(size_of(tensor))), tensor));
        let mut offset: u64 = 0;
        for &mut tensor in tensors {
            if let Some(spot) = spots.get_mut(tensor) {
                *spot = Spot { shard, offset };
            }
            let end = offset.checked_add(size_of(tensor));
            offset = end.ok_or(Unfit::TooLarge)?;
        }
    }
    Ok(layout)
}

/// The numbers of each file's tensors: a file is full where the next tensor would bring it over the
/// limit. There is a file where there are no tensors too.
fn fill(sizes: &[u64], limit: Option<u64>) -> Result<Vec<Range<usize>>, Unfit> {
    let limit = limit.unwrap_or(u64::MAX);
    let mut shards = Vec::new();
    let (mut start, mut bytes) = (0, 0u64);
    for (tensor, &size) in sizes.iter().enumerate() {
        let sum = bytes.checked_add(size).ok_or(Unfit::TooLarge)?;
        let is_full = sum > limit && tensor > start;
        bytes = if is_full { size } else { sum };
        if is_full {
            shards.try_reserve(1)?;
            shards.push(start..tensor);
            start = tensor;
        }
    }
    shards.try_reserve(1)?;
    shards.push(start..sizes.len());
    Ok(shards)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spots(sizes: &[u64], limit: Option<u64>) -> Vec<(usize, u64)> {
        let layout = lay_out(sizes, limit).map(|layout| layout.spots);
        let spots = layout.unwrap_or_default().into_iter();
        spots.map(|spot| (spot.shard, spot.offset)).collect()
    }

    #[test]
    fn by_what_divides_the_size() {
        assert_eq!(
            spots(&[3, 128, 6, 64, 12, 0, 2, 192, 32], None),
            [
                (0, 436),
                (0, 0),
                (0, 428),
                (0, 128),
                (0, 416),
                (0, 192),
                (0, 434),
                (0, 192),
                (0, 384)
            ]
        );
    }

    #[test]
    fn all_are_aligned_to_what_divides_them() {
        let sizes: Vec<u64> = (0..500)
            .map(|n: u64| n.wrapping_mul(2654435761) % 4000)
            .collect();
        let Ok(layout) = lay_out(&sizes, Some(40_000)) else {
            unreachable!("small numbers");
        };
        for (spot, &size) in layout.spots.iter().zip(&sizes) {
            assert!(alignment(spot.offset) >= alignment(size) || size == 0);
        }
        let mut seen = 0;
        for shard in 0..layout.files() {
            let mut end = 0;
            for &tensor in layout.shard(shard) {
                assert_eq!(layout.spots[tensor].offset, end);
                end += sizes[tensor];
                seen += 1;
            }
            assert!(end <= 40_000);
        }
        assert_eq!(seen, 500);
    }

    #[test]
    fn files_are_filled_in_order() {
        let shards = |sizes: &[u64], limit| lay_out(sizes, limit).map(|layout| layout.files());
        assert_eq!(shards(&[], Some(10)), Ok(1));
        assert_eq!(shards(&[10], Some(10)), Ok(1));
        assert_eq!(shards(&[11], Some(10)), Ok(1));
        assert_eq!(shards(&[4, 4, 4], Some(12)), Ok(1));
        assert_eq!(shards(&[4, 4, 4], Some(11)), Ok(2));
        assert_eq!(
            spots(&[4, 4, 30, 2, 8, 0, 1], Some(10)),
            [(0, 0), (0, 4), (1, 0), (2, 8), (2, 0), (2, 0), (3, 0),]
        );
        assert_eq!(shards(&[u64::MAX, 1], None), Err(Unfit::TooLarge));
        assert_eq!(shards(&[u64::MAX, 1], Some(1)), Err(Unfit::TooLarge));
    }
}
