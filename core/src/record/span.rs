//! Where records that lie side by side stand in their files, and how the kernel's cache lets go of
//! them.

use std::ops::Range;

use super::error::Result;
use super::reader::{FileRef, RecordReader};
use crate::map::{Data, Release, Window};

/// Room for a record's place in one read.
const WINDOW: usize = 64;

impl RecordReader {
    /// The first record from `index` on, which is in `shard`, that isn't.
    fn first_behind(&self, shard: usize, index: u64) -> Result<u64> {
        let (mut inside, mut outside) = (index, self.len());
        while outside.saturating_sub(inside) > 1 {
            let middle = inside.midpoint(outside);
            if self.shard_of(middle)?.0 == shard {
                inside = middle;
            } else {
                outside = middle;
            }
        }
        Ok(outside)
    }

    /// Lets go of the page cache of some records that lie side by side, in whole `unit`s of their
    /// files, and tells how many bytes that freed. `before` and `after` say whether a unit that they
    /// share with the records before or behind them goes too.
    ///
    /// # Errors
    /// Those of opening a file and of finding a record, the system's.
    pub(crate) fn release(
        &self,
        records: Range<u64>,
        (before, after): (bool, bool),
        unit: u64,
    ) -> Result<u64> {
        let end = records.end.min(self.len());
        let (mut from, mut freed) = (records.start, 0u64);
        while from < end {
            let (shard, first) = self.shard_of(from)?;
            let to = self.first_behind(shard, from)?.min(end);
            let last = first
                .saturating_add(to.saturating_sub(from))
                .saturating_sub(1);
            let (data, span) = self.file(shard)?.span(first, last)?;
            let start = if before || from > records.start {
                span.start / unit * unit
            } else {
                span.start.next_multiple_of(unit)
            };
            let stop = if after || to < end {
                span.end.checked_next_multiple_of(unit).unwrap_or(u64::MAX)
            } else {
                span.end / unit * unit
            };
            let stop = stop.min(data.len());
            if let Some(bytes) = stop.checked_sub(start) {
                freed = freed.saturating_add(data.release(start, bytes, Release::PageCache)?);
            }
            from = to;
        }
        Ok(freed)
    }
}

impl<'a> FileRef<'a> {
    /// The bytes from one record's start to another's end.
    fn span(self, first: u64, last: u64) -> Result<(&'a Data, Range<u64>)> {
        match self {
            FileRef::Rrec(file) => Ok((file.data(), file.span(first, last)?)),
            FileRef::Arec(file) => {
                let data = file.data();
                let mut window = Window::new(data, WINDOW);
                let (start, _) = file.extent(&mut window, first)?;
                let (end, bytes) = file.extent(&mut window, last)?;
                Ok((data, start..end.saturating_add(bytes)))
            }
        }
    }
}
