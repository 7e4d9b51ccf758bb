//! Which file of a set a record is in.

/// The numbers of the files' first records, and of the one after the last.
#[derive(Debug)]
pub(super) struct Firsts {
    /// One more than there are files; ascending.
    starts: Vec<u64>,
    /// Files a record, times 2^64.
    scale: u128,
}

impl Firsts {
    /// None where the records are more than can be counted; `Some(Err)` where memory runs out.
    pub(super) fn new(counts: impl ExactSizeIterator<Item = u64>) -> Option<Result<Firsts, u64>> {
        let files = counts.len();
        let room = (files as u64).saturating_add(1).saturating_mul(8);
        let mut starts: Vec<u64> = Vec::new();
        if starts.try_reserve_exact(files.saturating_add(1)).is_err() {
            return Some(Err(room));
        }
        let mut total = 0u64;
        starts.push(total);
        for count in counts {
            total = total.checked_add(count)?;
            starts.push(total);
        }
        let scale = ((files as u128) << 64)
            .checked_div(total.into())
            .unwrap_or(0);
        Some(Ok(Firsts { starts, scale }))
    }

    /// The number of records.
    pub(super) fn total(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The number of a file's first record.
    pub(super) fn start(&self, file: usize) -> u64 {
        self.starts.get(file).copied().unwrap_or(self.total())
    }

    /// The file that a record is in, and its number there. Files of about one size, as writers make
    /// them, are found by a multiplication.
    #[inline]
    pub(super) fn find(&self, index: u64) -> Option<(usize, u64)> {
        // Below the number of files, if `index` is below that of records.
        let guess = usize::try_from(u128::from(index).wrapping_mul(self.scale) >> 64).ok()?;
        for file in [guess, guess.wrapping_sub(1), guess.wrapping_add(1)] {
            let next = self.starts.get(file.wrapping_add(1));
            if let (Some(&start), Some(&end)) = (self.starts.get(file), next)
                && index >= start
                && index < end
            {
                return Some((file, index.wrapping_sub(start)));
            }
        }
        self.search(index)
    }

    #[cold]
    fn search(&self, index: u64) -> Option<(usize, u64)> {
        if index >= self.total() {
            return None;
        }
        // The last one that starts at `index` or before: empty files come before it.
        let file = self
            .starts
            .partition_point(|&start| start <= index)
            .checked_sub(1)?;
        Some((file, index.checked_sub(*self.starts.get(file)?)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]

    use super::*;

    #[test]
    fn each_record_is_in_its_file() {
        let shapes: [&[u64]; 8] = [
            &[],
            &[0],
            &[0, 0, 3, 0],
            &[1],
            &[7, 7, 7, 7, 2],
            &[1000, 1, 1, 0, 1, 5000, 0],
            &[0, 1, 100_000],
            &[3, 3, 3, 0, 0, 0, 0, 1],
        ];
        for counts in shapes {
            let firsts = Firsts::new(counts.iter().copied()).unwrap().unwrap();
            let mut index = 0;
            for (file, &count) in counts.iter().enumerate() {
                assert_eq!(firsts.start(file), index);
                for local in 0..count {
                    assert_eq!(firsts.find(index), Some((file, local)), "{counts:?}");
                    index += 1;
                }
            }
            assert_eq!(firsts.total(), index);
            assert_eq!(firsts.find(index), None, "{counts:?}");
            assert_eq!(firsts.find(u64::MAX), None, "{counts:?}");
        }
    }

    #[test]
    fn as_many_as_can_be_counted() {
        let firsts = Firsts::new([u64::MAX - 1, 1].into_iter()).unwrap().unwrap();
        assert_eq!(firsts.find(u64::MAX - 2), Some((0, u64::MAX - 2)));
        assert_eq!(firsts.find(u64::MAX - 1), Some((1, 0)));
        assert_eq!(firsts.find(u64::MAX), None);
        assert!(Firsts::new([u64::MAX, 1].into_iter()).is_none());
    }
}
