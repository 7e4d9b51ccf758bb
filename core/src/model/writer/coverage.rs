//! Which bytes of the tensors have been written.

use std::collections::BTreeMap;

/// The most pieces, of all tensors together, that are kept count of: some 200 MiB.
pub(super) const MOST_PIECES: usize = 1 << 22;

/// The bytes of each tensor that have been written, as pieces that neither touch nor overlap.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    tensors: Vec<Written>,
    /// Of all tensors together.
    pieces: usize,
}

#[derive(Debug)]
struct Written {
    size: u64,
    /// End by start.
    pieces: BTreeMap<u64, u64>,
}

/// Bytes of a tensor that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) tensor: usize,
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Coverage {
    /// Nothing of tensors of these sizes; none where there is no memory.
    pub(super) fn new(sizes: &[u64]) -> Option<Coverage> {
        let mut tensors = Vec::new();
        tensors.try_reserve_exact(sizes.len()).ok()?;
        tensors.extend(sizes.iter().map(|&size| Written {
            size,
            pieces: BTreeMap::new(),
        }));
        Some(Coverage { tensors, pieces: 0 })
    }

    /// Whether there is room to count a piece.
    pub(super) fn has_room_for(&self, tensor: usize, start: u64, end: u64) -> bool {
        let touches = |written: &Written| written.touched_by(start, end).is_some();
        self.pieces < MOST_PIECES || self.tensors.get(tensor).is_some_and(touches)
    }

    /// Counts bytes as written, those that were before too.
    pub(super) fn add(&mut self, tensor: usize, start: u64, end: u64) {
        let Some(written) = self.tensors.get_mut(tensor) else {
            return;
        };
        if start >= end {
            return;
        }
        let before = written.pieces.len();
        written.add(start, end);
        self.pieces = self
            .pieces
            .saturating_sub(before)
            .saturating_add(written.pieces.len());
    }

    /// Counts bytes as never written.
    pub(super) fn remove(&mut self, tensor: usize, start: u64, end: u64) {
        let Some(written) = self.tensors.get_mut(tensor) else {
            return;
        };
        if start >= end {
            return;
        }
        let before = written.pieces.len();
        written.remove(start, end);
        self.pieces = self
            .pieces
            .saturating_sub(before)
            .saturating_add(written.pieces.len());
    }

    /// The first gap in the first tensor that isn't whole, and how many others aren't.
    pub(super) fn missing(&self) -> Option<(Gap, u64)> {
        let mut gaps = self.tensors.iter().enumerate().filter_map(|(tensor, own)| {
            let (start, end) = own.first_gap()?;
            Some(Gap { tensor, start, end })
        });
        let first = gaps.next()?;
        Some((first, gaps.count() as u64))
    }
}

impl Written {
    /// The last piece that overlaps these bytes or lies right beside them.
    fn touched_by(&self, start: u64, end: u64) -> Option<(u64, u64)> {
        let (&from, &to) = self.pieces.range(..=end).next_back()?;
        (to >= start).then_some((from, to))
    }

    fn add(&mut self, mut start: u64, mut end: u64) {
        while let Some((from, to)) = self.touched_by(start, end) {
            self.pieces.remove(&from);
            start = start.min(from);
            end = end.max(to);
        }
        self.pieces.insert(start, end);
    }

    fn remove(&mut self, start: u64, end: u64) {
        // As one piece with what it touches, of which the two ends stay.
        let first = self.touched_by(start, start).map(|(from, _)| from);
        let last = self.touched_by(end, end).map(|(_, to)| to);
        self.add(start, end);
        let from = first.unwrap_or(start);
        self.pieces.remove(&from);
        if from < start {
            self.pieces.insert(from, start);
        }
        if let Some(to) = last.filter(|&to| to > end) {
            self.pieces.insert(end, to);
        }
    }

    fn first_gap(&self) -> Option<(u64, u64)> {
        let mut pieces = self.pieces.iter();
        let (start, end) = match pieces.next() {
            Some((0, &end)) => (end, pieces.next().map(|(&start, _)| start)),
            Some((&start, _)) => (0, Some(start)),
            None => (0, None),
        };
        let end = end.unwrap_or(self.size);
        (start < end).then_some((start, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(coverage: &Coverage) -> Option<(usize, u64, u64, u64)> {
        let (gap, others) = coverage.missing()?;
        Some((gap.tensor, gap.start, gap.end, others))
    }

    #[test]
    fn pieces_grow_together() {
        let mut own = Coverage::new(&[10, 0, 4]).unwrap_or_default();
        assert_eq!(gap(&own), Some((0, 0, 10, 1)));
        own.add(0, 2, 4);
        own.add(0, 6, 8);
        assert_eq!((gap(&own), own.pieces), (Some((0, 0, 2, 1)), 2));
        own.add(0, 0, 2);
        assert_eq!((gap(&own), own.pieces), (Some((0, 4, 6, 1)), 2));
        // Over both and more, and the same again.
        own.add(0, 3, 7);
        own.add(0, 3, 7);
        assert_eq!((gap(&own), own.pieces), (Some((0, 8, 10, 1)), 1));
        own.add(0, 5, 5);
        own.add(0, 9, 10);
        assert_eq!((gap(&own), own.pieces), (Some((0, 8, 9, 1)), 2));
        own.add(0, 0, 10);
        assert_eq!((gap(&own), own.pieces), (Some((2, 0, 4, 0)), 1));
        own.add(2, 0, 4);
        own.add(3, 0, 4);
        assert_eq!((gap(&own), own.pieces), (None, 2));
    }

    /// As a set of bytes says it, in any order of pieces.
    #[test]
    fn as_a_set_of_bytes() {
        let mut state: u64 = 7;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            (state >> 33) % below
        };
        for _ in 0..300 {
            let size = 1 + random(40);
            let mut own = Coverage::new(&[size]).unwrap_or_default();
            let mut set = vec![false; size as usize];
            for _ in 0..30 {
                let start = random(size);
                let end = start + random(size - start + 1);
                let is_written = random(4) > 0;
                match is_written {
                    true => own.add(0, start, end),
                    false => own.remove(0, start, end),
                }
                for byte in set.iter_mut().take(end as usize).skip(start as usize) {
                    *byte = is_written;
                }
                let first = set.iter().position(|&byte| !byte);
                let expected = first.map(|first| {
                    let len = set.iter().skip(first).take_while(|&&byte| !byte).count();
                    (0, first as u64, (first + len) as u64, 0)
                });
                assert_eq!(gap(&own), expected);
                let runs = set
                    .chunk_by(|a, b| a == b)
                    .filter(|run| run.first() == Some(&true));
                assert_eq!(own.pieces, runs.count());
            }
        }
    }

    #[test]
    fn what_is_counted_has_an_end() {
        let mut own = Coverage::new(&[100]).unwrap_or_default();
        own.pieces = MOST_PIECES;
        own.add(0, 10, 20);
        own.pieces = MOST_PIECES;
        assert!(!own.has_room_for(0, 30, 31) && !own.has_room_for(0, 8, 9));
        for (start, end) in [(20, 21), (9, 10), (12, 13), (0, 100)] {
            assert!(own.has_room_for(0, start, end));
        }
    }
}
