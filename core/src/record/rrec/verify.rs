//! Every record looked at, every byte read.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use super::format::HEADER_BYTES;
use super::reader::RrecReader;
use crate::map::Window;
use crate::record::error::{Error, Result};
use crate::record::{Pace, Progress};

/// What a verification found.
#[derive(Debug, Default)]
pub struct Verification {
    /// Records looked at.
    pub records: u64,
    /// Those that are damaged.
    pub bad_records: u64,
    /// Other parts of the file that are damaged: columns of the footer, frames and tables of
    /// blocks. rrec has none that could be told.
    pub bad_parts: u64,
    /// Bytes of records read.
    pub bytes: u64,
    /// What is wrong with the first damaged one, or part.
    pub first_bad: Option<Error>,
}

const WINDOW: usize = 1 << 20;
const INDEX_WINDOW: usize = 64 << 10;

impl RrecReader {
    /// Reads every record by pread and checks it. Damaged records are counted and passed over;
    /// what ends the walk is a cut file, a failing disk or `progress`, told records done and in
    /// all.
    ///
    /// # Errors
    /// Those of [`Data::read`](crate::map::Data::read), [`Error::Cancelled`].
    pub fn verify(&self, progress: Progress<'_>) -> Result<Verification> {
        self.data().still_whole()?;
        let mut found = Verification::default();
        let mut windows = Windows {
            index: Window::new(self.data(), INDEX_WINDOW),
            records: Window::new(self.data(), WINDOW),
            index_offset: self.header().index_offset,
        };
        let mut pace = Pace::new();
        let records_bytes = self.header().index_offset.saturating_sub(HEADER_BYTES);
        for index in 0..self.len() {
            let mut tick = |records, bytes| {
                if pace.is_due(records, bytes) && !progress(index, self.len()) {
                    return Err(Error::Cancelled);
                }
                Ok(())
            };
            tick(1, 0)?;
            match self.heads(&mut windows, index) {
                Ok([input, target]) => {
                    let bytes = target.end.saturating_sub(input.offset);
                    found.bytes = found.bytes.saturating_add(bytes);
                    // Else a small file whose records are all one would be read for hours.
                    if found.bytes > records_bytes {
                        return Err(self.overlapping(input.offset, index));
                    }
                    windows.read_all(input.offset, target.end, |bytes| tick(0, bytes))?;
                }
                Err(error @ Error::Map(_)) => return Err(error),
                Err(error) => {
                    found.bad_records = found.bad_records.saturating_add(1);
                    found.first_bad.get_or_insert(error);
                }
            }
            found.records = found.records.saturating_add(1);
        }
        self.data().still_whole()?;
        if progress(self.len(), self.len()) {
            Ok(found)
        } else {
            Err(Error::Cancelled)
        }
    }
}

impl RrecReader {
    #[cold]
    fn overlapping(&self, offset: u64, index: u64) -> Error {
        let why = "the records up to this one have more bytes than there are: they overlap";
        let origin = self.data().origin().clone();
        Error::Malformed {
            origin,
            offset,
            index: Some(index),
            why: why.to_owned(),
        }
    }
}

/// One window for the index and one for the records, so that neither moves to and fro.
struct Windows<'a> {
    index: Window<'a>,
    records: Window<'a>,
    index_offset: u64,
}

impl Windows<'_> {
    fn read_all(
        &mut self,
        from: u64,
        to: u64,
        mut tick: impl FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let mut at = from;
        while at < to {
            let got = self.records.some_bytes(at, to.saturating_sub(at))?.len() as u64;
            at = at.saturating_add(got);
            tick(got)?;
        }
        Ok(())
    }
}

impl crate::map::Fetch for Windows<'_> {
    fn u32_at(&mut self, offset: u64) -> crate::map::Result<u32> {
        self.records.u32_at(offset)
    }

    fn u64_at(&mut self, offset: u64) -> crate::map::Result<u64> {
        if offset >= self.index_offset {
            self.index.u64_at(offset)
        } else {
            self.records.u64_at(offset)
        }
    }
}
