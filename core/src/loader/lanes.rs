//! Positions dealt out to lanes in turn, passing over lanes that have ended.

use super::plan_error::{PlanError, Result};

/// A stretch of positions in which the same lanes take turns.
#[derive(Clone, Debug)]
struct Level {
    /// Its first position.
    first: u64,
    /// How much of each of its lanes lies before it.
    index: u64,
    /// The lanes, ascending.
    lanes: Vec<u32>,
}

/// Lanes of given lengths. As they are of two lengths and perhaps one of a third, there are at most
/// three levels.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    lengths: Vec<u64>,
    levels: Vec<Level>,
}

impl Lanes {
    pub(super) fn new(lengths: Vec<u64>) -> Result<Lanes> {
        let mut levels: Vec<Level> = Vec::new();
        let (mut first, mut index) = (0, 0);
        // The least length that is longer than what the levels so far cover.
        while let Some(&end) = lengths.iter().filter(|&&len| len > index).min() {
            let mut lanes = Vec::new();
            let reserved = lanes.try_reserve(lengths.len());
            reserved.map_err(|_| PlanError::OutOfMemory)?;
            lanes.extend(
                (0u32..)
                    .zip(&lengths)
                    .filter_map(|(lane, &len)| (len > index).then_some(lane)),
            );
            let turns = lanes.len() as u64;
            levels.push(Level {
                first,
                index,
                lanes,
            });
            first += (end - index) * turns;
            index = end;
        }
        Ok(Lanes { lengths, levels })
    }

    /// Their number.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.lengths.len()).unwrap_or(u32::MAX)
    }

    fn level(&self, position: u64) -> Option<&Level> {
        let after = self.levels.partition_point(|level| level.first <= position);
        self.levels.get(after.checked_sub(1)?)
    }

    /// The lane of a position and the index there. The position is one there is.
    pub(super) fn locate(&self, position: u64) -> (u32, u64) {
        let Some(level) = self.level(position) else {
            return (0, 0);
        };
        let (into, turns) = (position - level.first, level.lanes.len() as u64);
        let turn = usize::try_from(into % turns).unwrap_or(0);
        let lane = level.lanes.get(turn).copied().unwrap_or(0);
        (lane, level.index + into / turns)
    }

    /// How much of `lane` lies before `position`, which is at most the number of positions.
    pub(super) fn before(&self, position: u64, lane: u32) -> u64 {
        let len = self.len_of(lane);
        let Some(level) = self.level(position) else {
            return 0;
        };
        let Ok(turn) = level.lanes.binary_search(&lane) else {
            return len;
        };
        let (into, turns) = (position - level.first, level.lanes.len() as u64);
        let index = level.index + into / turns + u64::from(into % turns > turn as u64);
        index.min(len)
    }

    /// How long `lane` is.
    pub(super) fn len_of(&self, lane: u32) -> u64 {
        let lane = usize::try_from(lane).unwrap_or(usize::MAX);
        self.lengths.get(lane).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Turn by turn.
    fn dealt(lengths: &[u64]) -> Vec<(u32, u64)> {
        let mut out = Vec::new();
        for index in 0..lengths.iter().copied().max().unwrap_or(0) {
            for (lane, &len) in (0u32..).zip(lengths) {
                if index < len {
                    out.push((lane, index));
                }
            }
        }
        out
    }

    #[test]
    fn lanes_take_turns_until_they_end() {
        let all: [&[u64]; 8] = [
            &[],
            &[0],
            &[5],
            &[3, 3, 3],
            &[0, 2, 0],
            &[4, 5, 4, 5, 1],
            &[0, 0, 3],
            &[7, 2, 7, 2],
        ];
        for lengths in all {
            let lanes = Lanes::new(lengths.to_vec()).unwrap();
            let expected = dealt(lengths);
            let mut before = vec![0; lengths.len()];
            for (position, &(lane, index)) in (0u64..).zip(&expected) {
                assert_eq!(
                    lanes.locate(position),
                    (lane, index),
                    "{lengths:?} {position}"
                );
                for (lane, &before) in (0u32..).zip(&before) {
                    assert_eq!(
                        lanes.before(position, lane),
                        before,
                        "{lengths:?} {position}"
                    );
                }
                before[usize::try_from(lane).unwrap()] += 1;
            }
            for (lane, &len) in (0u32..).zip(lengths) {
                assert_eq!(lanes.before(expected.len() as u64, lane), len);
            }
        }
    }
}
