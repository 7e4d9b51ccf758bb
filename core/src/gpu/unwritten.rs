//! Which bytes of a new buffer nobody has written: they are made 0 when they are needed, and not at
//! all where all is written first.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) struct Unwritten {
    /// Where each ends, by its start; apart.
    ranges: Mutex<BTreeMap<u64, u64>>,
    /// Whether there may be any: mostly there are none.
    any: AtomicBool,
}

impl Unwritten {
    /// All of `bytes` bytes.
    pub(super) fn new(bytes: u64) -> Unwritten {
        let all = (bytes > 0).then_some((0, bytes));
        Unwritten {
            ranges: Mutex::new(all.into_iter().collect()),
            any: AtomicBool::new(bytes > 0),
        }
    }

    fn ranges(&self) -> MutexGuard<'_, BTreeMap<u64, u64>> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a range out, and tells what of it was there.
    pub(super) fn take(&self, taken: Range<u64>) -> Vec<Range<u64>> {
        let mut there = Vec::new();
        if taken.is_empty() || !self.any.load(Ordering::Acquire) {
            return there;
        }
        let mut ranges = self.ranges();
        while let Some((&start, &end)) = ranges.range(..taken.end).next_back() {
            if end <= taken.start {
                break;
            }
            ranges.remove(&start);
            there.push(start.max(taken.start)..end.min(taken.end));
            if taken.end < end {
                ranges.insert(taken.end, end);
            }
            if start < taken.start {
                ranges.insert(start, taken.start);
            }
        }
        if ranges.is_empty() {
            self.any.store(false, Ordering::Release);
        }
        there
    }

    /// Puts what was taken back: it wasn't written after all.
    pub(super) fn give_back(&self, taken: &[Range<u64>]) {
        let mut ranges = self.ranges();
        ranges.extend(taken.iter().map(|range| (range.start, range.end)));
        self.any.store(!ranges.is_empty(), Ordering::Release);
    }

    /// Takes all that is left if `fill` succeeds with it, and before anybody else learns that there is
    /// nothing more.
    pub(super) fn take_all<E>(
        &self,
        fill: impl FnOnce(&BTreeMap<u64, u64>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.any.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut ranges = self.ranges();
        if !ranges.is_empty() {
            fill(&ranges)?;
            ranges.clear();
        }
        self.any.store(false, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_taken_once() {
        let mut random = 1u64;
        let mut next = |below: u64| {
            random = random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (random >> 33) % below
        };
        for _ in 0..200 {
            let unwritten = Unwritten::new(100);
            let mut model = [true; 100];
            for _ in 0..next(20) {
                let start = next(100);
                let end = start + next(101 - start);
                let taken = unwritten.take(start..end);
                let mut there = [false; 100];
                for range in &taken {
                    there[range.start as usize..range.end as usize].fill(true);
                }
                let was = |at: usize| (start..end).contains(&(at as u64)) && model[at];
                assert_eq!(there, std::array::from_fn(was));
                if next(3) == 0 {
                    unwritten.give_back(&taken);
                } else {
                    model[start as usize..end as usize].fill(false);
                }
            }
            let mut left = [false; 100];
            assert_eq!(
                unwritten.take_all(|_| Err(5)).is_err(),
                model.contains(&true)
            );
            let all = unwritten.take_all(|ranges| {
                for (&start, &end) in ranges {
                    for at in start..end {
                        assert!(!left[at as usize]);
                        left[at as usize] = true;
                    }
                }
                Ok::<(), ()>(())
            });
            assert_eq!((all, left), (Ok(()), model));
            assert_eq!(unwritten.take_all(|_| Err(())), Ok(()));
        }
    }
}
