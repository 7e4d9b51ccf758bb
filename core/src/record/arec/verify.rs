//! Every column, block and record looked at, every field's bytes read.

use super::directory::{BLOCK_ROW, ColumnRow};
use super::file::{ArecFile, read_trailer};
use super::table::TableRow;
use super::whole::{Block, sum};
use crate::kernel::Hasher;
use crate::map::{self, Data, Fetch, Window};
use crate::record::error::{Error, Result};
use crate::record::{Pace, Progress, Verification};

const RECORDS_WINDOW: usize = 1 << 20;
/// What all columns' windows have together, and the least and the most of one.
const COLUMNS_WINDOWS: usize = 8 << 20;
const LEAST_WINDOW: usize = 4 << 10;
const MOST_WINDOW: usize = 256 << 10;

impl ArecFile {
    /// Reads all of the file by pread and checks it: each column by its hash, each block's frame
    /// and table, that they agree with the columns, and the checksum of each field of each record.
    /// What is damaged is counted and passed over; what ends the walk is a cut file, a failing disk
    /// or `progress`, told records done and in all.
    ///
    /// # Errors
    /// Those of [`Data::read`], [`Error::Cancelled`]; [`Error::Malformed`] where records overlap.
    pub(crate) fn verify(&self, progress: Progress<'_>) -> Result<Verification> {
        self.data.still_whole()?;
        let mut walk = Walk {
            file: self,
            found: Verification::default(),
            columns: Columns::new(&self.data, &self.directory.columns),
            pace: Pace::new(),
            progress,
            records: 0,
        };
        walk.columns()?;
        walk.blocks()?;
        walk.records()?;
        self.data.still_whole()?;
        let Walk {
            found, progress, ..
        } = walk;
        if progress(self.len(), self.len()) {
            Ok(found)
        } else {
            Err(Error::Cancelled)
        }
    }
}

impl ArecFile {
    /// Whether the file has its end as it was at open, for one that was seen to be cut: what was
    /// put back may be zeros.
    pub(crate) fn has_its_end(&self) -> bool {
        read_trailer(&self.data, &self.header).is_ok_and(|now| now == self.trailer)
    }

    /// As [`ArecFile::has_its_end`], of all its tables.
    pub(crate) fn has_its_tables(&self) -> bool {
        let mut walk = Walk {
            file: self,
            found: Verification::default(),
            columns: Columns::new(&self.data, &self.directory.columns),
            pace: Pace::new(),
            progress: &mut |_, _| true,
            records: 0,
        };
        walk.columns().is_ok() && walk.found.bad_parts == 0
    }
}

struct Walk<'a, 'p> {
    file: &'a ArecFile,
    found: Verification,
    columns: Columns<'a>,
    pace: Pace,
    progress: Progress<'p>,
    /// Records that are done.
    records: u64,
}

impl Walk<'_, '_> {
    fn tick(&mut self, records: u64, bytes: u64) -> Result<()> {
        let total = self.file.len();
        if self.pace.is_due(records, bytes) && !(self.progress)(self.records, total) {
            return Err(Error::Cancelled);
        }
        Ok(())
    }

    fn bad_part(&mut self, error: Error) {
        self.found.bad_parts = self.found.bad_parts.saturating_add(1);
        self.found.first_bad.get_or_insert(error);
    }

    fn malformed(&self, offset: u64, why: impl Into<String>) -> Error {
        Error::Malformed {
            origin: self.file.data.origin().clone(),
            offset,
            index: None,
            why: why.into(),
        }
    }

    fn columns(&mut self) -> Result<()> {
        let file = self.file;
        let mut window = Window::new(&file.data, RECORDS_WINDOW);
        for column in &file.directory.columns {
            if column
                .offset
                .checked_add(column.bytes)
                .is_none_or(|end| end > file.trailer.at)
            {
                // Of a kind that isn't known; the others' places are checked.
                continue;
            }
            let mut hasher = Hasher::new(file.header.nonce);
            let mut done = 0;
            while done < column.bytes {
                let at = column.offset.saturating_add(done);
                let piece = window.some_bytes(at, column.bytes.saturating_sub(done))?;
                hasher.add(piece);
                let got = piece.len() as u64;
                done = done.saturating_add(got);
                self.tick(0, got)?;
            }
            if hasher.hash() != column.hash {
                self.bad_part(Error::Damaged {
                    origin: file.data.origin().clone(),
                    offset: column.offset,
                    what: format!(
                        "footer's column of kind {} of field {}",
                        column.kind, column.field
                    ),
                });
            }
        }
        match file.metadata() {
            Ok(_) | Err(Error::Damaged { .. } | Error::NotKnown { .. }) => Ok(()),
            Err(error @ Error::Malformed { .. }) => {
                self.bad_part(error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Walks the blocks as their column has them; one that can't follow the one before ends that.
    fn blocks(&mut self) -> Result<()> {
        let file = self.file;
        let layout = &file.header.layout;
        let (mut stride, mut first, mut end) = (0u64, 0u64, layout.data_start);
        for number in 0..file.trailer.blocks {
            self.tick(0, RECORDS_WINDOW as u64 / 16)?;
            let at = number.saturating_mul(BLOCK_ROW.into());
            let at = file.columns.blocks.saturating_add(at);
            let row = BlockRow::load(&mut self.columns, at)?;
            if (row.stride, row.first) != (stride, first) || row.count == 0 || row.strides == 0 {
                let why = format!(
                    "block {number} is said to stand at stride {} with record {} as its first, \
                     but stride {stride} and record {first} come next",
                    row.stride, row.first
                );
                self.bad_part(self.malformed(at, why));
                return Ok(());
            }
            let block_at = stride
                .checked_mul(layout.stride)
                .and_then(|bytes| bytes.checked_add(layout.data_start));
            let Some(block_at) = block_at.filter(|&at| at < file.trailer.data_end) else {
                let why = format!("block {number} is said to stand behind the last's end");
                self.bad_part(self.malformed(at, why));
                return Ok(());
            };
            end = self
                .block(&row, block_at, at)?
                .unwrap_or(file.trailer.data_end);
            stride = stride.saturating_add(row.strides.into());
            first = first.saturating_add(row.count.into());
        }
        if (stride, first, end) != (file.trailer.strides, file.len(), file.trailer.data_end) {
            let why = format!(
                "the blocks end at byte {end} with {first} records, but the trailer says \
                 otherwise: byte {} and {} records",
                file.trailer.data_end,
                file.len()
            );
            self.bad_part(self.malformed(file.columns.blocks, why));
        }
        Ok(())
    }

    /// Compares a block with what the columns say of it, and gives its end; none where it isn't
    /// right.
    fn block(&mut self, row: &BlockRow, at: u64, row_at: u64) -> Result<Option<u64>> {
        let file = self.file;
        let block = match Block::read(&file.data, &file.header, at)? {
            Ok(block) => block,
            Err(flaw) => {
                self.bad_part(Error::Damaged {
                    origin: file.data.origin().clone(),
                    offset: flaw.offset,
                    what: format!("block at byte {at} ({})", flaw.why),
                });
                return Ok(None);
            }
        };
        let told = BlockRow {
            stride: block.frame.stride,
            first: block.frame.first,
            count: block.frame.count,
            strides: block.frame.strides,
            table_hash: block.frame.table_hash,
        };
        if told != *row || block.frame.is_copy {
            self.bad_part(
                self.malformed(row_at, "a block's frame disagrees with the blocks' column"),
            );
            return Ok(None);
        }
        let table = block.table(&file.header.layout);
        let (mut told, mut follows) = (TableRow::default(), TableRow::default());
        for number in 0..u64::from(row.count) {
            let index = row.first.saturating_add(number);
            if index >= file.len() {
                break;
            }
            table.row(number, &mut told);
            self.load_row(index, at, &mut follows)?;
            if told != follows {
                let error = file.malformed(
                    index,
                    at.saturating_add(block.frame.table_at),
                    "its block's table disagrees with the columns".to_owned(),
                );
                self.bad_part(error);
                break;
            }
        }
        Ok(Some(at.saturating_add(
            block.frame.block_bytes(&file.header.layout),
        )))
    }

    /// What the columns say of a record, as its block's table should.
    fn load_row(&mut self, index: u64, block_at: u64, row: &mut TableRow) -> Result<()> {
        let file = self.file;
        let layout = &file.header.layout;
        let from = &mut self.columns;
        row.own_sizes.clear();
        row.crcs.clear();
        let (start, len) = if layout.is_fixed {
            file.extent(from, index)?
        } else {
            let start = from.u64_at(file.columns.places.saturating_add(index.saturating_mul(8)))?;
            let len = from.u32_at(file.columns.lengths.saturating_add(index.saturating_mul(4)))?;
            (start, u64::from(len).saturating_mul(layout.align()))
        };
        // One before the block is in no table.
        row.start = start.checked_sub(block_at).unwrap_or(u64::MAX);
        row.len = len;
        for (field, own) in layout.fields.iter().enumerate() {
            if !own.is_fixed() {
                let own = file.own_sizes(from, index, field, own)?;
                row.own_sizes.extend(own.sizes());
            }
        }
        for field in 0..layout.fields.len() {
            row.crcs.push(file.crc(from, index, field)?);
        }
        Ok(())
    }

    fn records(&mut self) -> Result<()> {
        let file = self.file;
        let mut window = Window::new(&file.data, RECORDS_WINDOW);
        let bytes = file
            .trailer
            .data_end
            .saturating_sub(file.header.layout.data_start);
        for index in 0..file.len() {
            self.tick(1, 0)?;
            match self.record(&mut window, index) {
                Ok(len) => self.found.bytes = self.found.bytes.saturating_add(len),
                Err(error @ (Error::Map(_) | Error::Cancelled)) => return Err(error),
                Err(error) => {
                    self.found.bad_records = self.found.bad_records.saturating_add(1);
                    self.found.first_bad.get_or_insert(error);
                }
            }
            // Else a small file whose records are all one would be read for hours.
            if self.found.bytes > bytes.saturating_mul(2) {
                let why = "the records up to this one have more bytes than there are: they overlap";
                return Err(file.malformed(index, file.columns.places, why.to_owned()));
            }
            self.records = self.records.saturating_add(1);
            self.found.records = self.records;
        }
        Ok(())
    }

    /// Checks a record and gives its length.
    fn record(&mut self, window: &mut Window<'_>, index: u64) -> Result<u64> {
        let file = self.file;
        let (_, len) = file.extent(&mut self.columns, index)?;
        for field in 0..file.header.layout.fields.len() {
            let place = file.place(&mut self.columns, index, field)?;
            let crc = file.crc(&mut self.columns, index, field)?;
            let found = sum(window, place.offset, place.bytes, &mut |bytes| {
                self.tick(0, bytes)
            })?;
            if found != crc {
                return Err(file.wrong_sum(index, field, place.offset));
            }
        }
        Ok(len)
    }
}

/// A row of the blocks' column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BlockRow {
    stride: u64,
    first: u64,
    count: u32,
    strides: u32,
    table_hash: u64,
}

impl BlockRow {
    fn load(from: &mut impl Fetch, at: u64) -> map::Result<BlockRow> {
        Ok(BlockRow {
            stride: from.u64_at(at)?,
            first: from.u64_at(at.saturating_add(8))?,
            count: from.u32_at(at.saturating_add(16))?,
            strides: from.u32_at(at.saturating_add(20))?,
            table_hash: from.u64_at(at.saturating_add(24))?,
        })
    }
}

/// A window for each column, so that none moves to and fro.
struct Columns<'a> {
    /// Where each ends, in order.
    ends: Vec<u64>,
    windows: Vec<Window<'a>>,
}

impl<'a> Columns<'a> {
    fn new(data: &'a Data, columns: &[ColumnRow]) -> Columns<'a> {
        let mut ends: Vec<u64> = columns
            .iter()
            .filter_map(|column| column.offset.checked_add(column.bytes))
            .collect();
        ends.sort_unstable();
        let size = COLUMNS_WINDOWS.checked_div(ends.len()).unwrap_or(0);
        let size = size.clamp(LEAST_WINDOW, MOST_WINDOW);
        let windows = ends.iter().map(|_| Window::new(data, size)).collect();
        Columns { ends, windows }
    }

    fn of(&mut self, offset: u64) -> map::Result<&mut Window<'a>> {
        let number = self.ends.partition_point(|&end| end <= offset);
        let last = self.windows.len().saturating_sub(1);
        self.windows
            .get_mut(number.min(last))
            .ok_or(map::Error::OutOfRange {
                origin: map::Origin::Memory,
                offset,
                len: 0,
                size: 0,
            })
    }
}

impl Fetch for Columns<'_> {
    fn u32_at(&mut self, offset: u64) -> map::Result<u32> {
        self.of(offset)?.u32_at(offset)
    }

    fn u64_at(&mut self, offset: u64) -> map::Result<u64> {
        self.of(offset)?.u64_at(offset)
    }
}
