//! Where everything lies: what follows from the fields and options, for writer, reader and
//! recovery alike.
//!
//! A layout is checked when it is made, from a schema (`plan.rs`) or a header (`header.rs`): what
//! its methods compute can't overflow but where they say so.

use super::divisor::Divisor;
use super::field::FieldRow;
use super::parts::Flaw;
use crate::record::error::{Error, Result};

pub(crate) const PAGE: u64 = 4096;
pub(super) const FRAME_BYTES: u64 = 64;
/// The most of a stride of blocks, and of where they begin.
pub(super) const MOST_STRIDE: u64 = 1 << 40;
pub(super) const MOST_FIELDS: usize = 1024;

/// Where everything lies in a file, all of it checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) fields: Vec<FieldRow>,
    /// Of records.
    pub(crate) align_log2: u8,
    /// No record touches more pages than it must.
    pub(crate) pages: bool,
    /// All fields are fixed.
    pub(crate) is_fixed: bool,
    /// `S`: blocks start at multiples of it behind `data_start`.
    pub(crate) stride: u64,
    /// `R`: the records of a block where all fields are fixed; else 0.
    pub(crate) per_block: u64,
    /// From record to record where all fields are fixed; else 0.
    pub(crate) record_stride: u64,
    /// Where the fixed fields end in a record.
    pub(crate) fixed_end: u64,
    /// `D`: where blocks begin.
    pub(crate) data_start: u64,
    /// `h`: where a block's records begin.
    pub(crate) head: u64,
    /// `H`.
    pub(crate) header_len: u64,
    /// `L`: the length of a record where all fields are fixed; else 0.
    pub(crate) record_bytes: u64,
    /// The fields that aren't fixed, in order.
    pub(crate) ragged: Vec<usize>,
    /// All sizes that are a record's own.
    pub(crate) own_sizes: usize,
    by_block: Divisor,
    /// By the records of a page; none where records stand one after the other.
    by_page: Option<Divisor>,
}

/// What a layout is made of.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) fields: Vec<FieldRow>,
    pub(super) align_log2: u8,
    pub(super) pages: bool,
}

impl Layout {
    /// All but strides and counts: where fields and records lie.
    pub(super) fn of_fields(given: Given) -> std::result::Result<Layout, Flaw> {
        let Given {
            mut fields,
            align_log2,
            pages,
        } = given;
        let align = 1u64.wrapping_shl(align_log2.into());
        let long = || Flaw::new(96, "the fixed fields are too long");
        let (mut end, mut own_sizes, mut ragged) = (0u64, 0usize, Vec::new());
        for (number, field) in fields.iter_mut().enumerate() {
            if field.is_fixed() {
                let start = end
                    .checked_next_multiple_of(field.align())
                    .ok_or_else(long)?;
                field.offset = start;
                end = start
                    .checked_add(field.unit)
                    .filter(|&end| end <= MOST_STRIDE)
                    .ok_or_else(long)?;
            } else {
                field.own_at = own_sizes;
                own_sizes = own_sizes.saturating_add(field.free.into());
                ragged.push(number);
            }
        }
        let is_fixed = ragged.is_empty();
        // No overflow: at most MOST_STRIDE.
        let record_bytes = end.max(1).next_multiple_of(align);
        let record_stride = if pages && record_bytes > PAGE {
            record_bytes.next_multiple_of(PAGE)
        } else {
            record_bytes
        };
        let in_page = PAGE
            .checked_div(record_stride)
            .filter(|&count| pages && count > 0);
        let rows = header_bytes(fields.len());
        Ok(Layout {
            fields,
            align_log2,
            pages,
            is_fixed,
            stride: 0,
            per_block: 0,
            record_stride: if is_fixed { record_stride } else { 0 },
            fixed_end: end,
            data_start: 0,
            head: if pages { PAGE } else { align },
            header_len: rows,
            record_bytes: if is_fixed { record_bytes } else { 0 },
            ragged,
            own_sizes,
            by_block: Divisor::new(1),
            by_page: in_page.map(Divisor::new),
        })
    }

    /// The whole layout: with where blocks lie, at offsets of the header's own where that is wrong.
    pub(super) fn with_blocks(
        mut self,
        header_len: u64,
        stride: u64,
        per_block: u64,
        data_start: u64,
    ) -> std::result::Result<Layout, Flaw> {
        if !stride.is_multiple_of(PAGE) || stride == 0 || stride > MOST_STRIDE {
            let why = format!("{stride} is no stride of blocks: a multiple of 4096, at most 2^40");
            return Err(Flaw::new(72, why));
        }
        if !data_start.is_multiple_of(PAGE) || data_start < header_len || data_start > MOST_STRIDE {
            let why = format!(
                "blocks can't begin at byte {data_start}: at a multiple of 4096 behind the \
                 header's {header_len} bytes, at most 2^40"
            );
            return Err(Flaw::new(104, why));
        }
        self.stride = stride;
        self.data_start = data_start;
        self.header_len = header_len;
        self.per_block = per_block;
        if !self.is_fixed {
            if per_block != 0 {
                let why = "not all fields are fixed, but blocks are said to have so many records";
                return Err(Flaw::new(80, why));
            }
            return Ok(self);
        }
        let bytes = per_block.checked_mul(self.record_stride);
        if per_block == 0 || bytes.is_none_or(|bytes| bytes > stride) {
            let why = format!("{per_block} records can't lie in a block of {stride} bytes");
            return Err(Flaw::new(80, why));
        }
        self.by_block = Divisor::new(per_block);
        // No overflow: the records alone fit.
        let needed = self.fixed_block_bytes(per_block);
        if needed > stride {
            let why = format!(
                "{per_block} records and their table take {needed} bytes, a block {stride}"
            );
            return Err(Flaw::new(80, why));
        }
        Ok(self)
    }

    #[inline]
    pub(crate) fn align(&self) -> u64 {
        1u64.wrapping_shl(self.align_log2.into())
    }

    /// The field called `name`.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// Where record `index` starts where all fields are fixed; of one that a checked file has.
    #[inline]
    pub(super) fn known_place(&self, index: u64) -> u64 {
        let (block, place) = self.in_block(index);
        let start = block.wrapping_mul(self.stride);
        start.wrapping_add(self.data_start).wrapping_add(place)
    }

    #[inline]
    fn in_block(&self, index: u64) -> (u64, u64) {
        let (block, number) = self.by_block.divide(index);
        (block, self.place_in_block(number))
    }

    /// Where record `number` of a block starts in it, where all fields are fixed. No overflow:
    /// `number` is below `per_block`, and those fit into a stride.
    #[inline]
    pub(crate) fn place_in_block(&self, number: u64) -> u64 {
        let place = match self.by_page {
            None => number.wrapping_mul(self.record_stride),
            Some(by_page) => {
                let (page, number) = by_page.divide(number);
                page.wrapping_mul(PAGE)
                    .wrapping_add(number.wrapping_mul(self.record_stride))
            }
        };
        place.wrapping_add(self.head)
    }

    /// Where a block's table starts, where all fields are fixed and it has `count` records, at
    /// least 1.
    pub(crate) fn fixed_table_at(&self, count: u64) -> u64 {
        self.place_in_block(count.saturating_sub(1))
            .saturating_add(self.record_bytes)
    }

    /// The bytes of a block of `count` records with its table, where all fields are fixed.
    pub(crate) fn fixed_block_bytes(&self, count: u64) -> u64 {
        self.table_bytes(count)
            .saturating_add(self.fixed_table_at(count))
    }

    /// The bytes from the start of the first block to the end of the last, where all fields are
    /// fixed and there are `records`.
    pub(crate) fn fixed_bytes(&self, records: u64) -> Option<u64> {
        let Some(last) = records.checked_sub(1) else {
            return Some(0);
        };
        let (blocks, number) = self.by_block.divide(last);
        let last = self.fixed_block_bytes(number.saturating_add(1));
        blocks.checked_mul(self.stride)?.checked_add(last)
    }

    /// The bytes of a table of `count` rows; saturated.
    pub(crate) fn table_bytes(&self, count: u64) -> u64 {
        (self.table_row_bytes() as u64).saturating_mul(count)
    }

    /// The bytes of a row of a block's table. No overflow: there are 1024 fields at most.
    pub(crate) fn table_row_bytes(&self) -> usize {
        let places = if self.is_fixed {
            0
        } else {
            self.own_sizes.saturating_add(2)
        };
        self.fields.len().saturating_add(places).saturating_mul(4)
    }

    /// Where a record of `len` bytes starts that comes where the one before ends, at `end` from
    /// the block's start; saturated.
    pub(crate) fn next_place(&self, end: u64, len: u64) -> u64 {
        let start = end
            .checked_next_multiple_of(self.align())
            .unwrap_or(u64::MAX);
        let pages = |start: u64| {
            let last = start.saturating_add(len).saturating_sub(1);
            (last / PAGE).saturating_sub(start / PAGE)
        };
        // Fixed records of more than a page have a stride of whole pages.
        let is_long = self.is_fixed && len > PAGE;
        if self.pages && (is_long || pages(start) > pages(0)) {
            return start.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
        }
        start
    }

    /// The strides that a block of so many bytes takes.
    pub(crate) fn strides(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.stride.max(1))
    }

    /// Where a field lies in a record with these sizes of its own (all of the record's, in order of
    /// fields), and its bytes.
    ///
    /// # Errors
    /// [`Error::NoField`], [`Error::LongRecord`].
    pub(crate) fn field_span(&self, own_sizes: &[u32], field: usize) -> Result<(u64, u64)> {
        let Some(row) = self.fields.get(field) else {
            return Err(Error::NoField {
                field,
                len: self.fields.len(),
            });
        };
        if row.is_fixed() {
            return Ok((row.offset, row.unit));
        }
        let mut end = self.fixed_end;
        for &number in &self.ragged {
            let Some(row) = self.fields.get(number) else {
                continue;
            };
            let (start, bytes) = self.after(end, row, row.own(own_sizes));
            end = start.saturating_add(bytes);
            if end > self.longest() {
                break;
            }
            if number == field {
                return Ok((start, bytes));
            }
        }
        Err(self.long())
    }

    /// The length of a record with these sizes of its own.
    ///
    /// # Errors
    /// [`Error::LongRecord`].
    pub(crate) fn record_len(&self, own_sizes: &[u32]) -> Result<u64> {
        let mut end = self.fixed_end;
        for row in self
            .ragged
            .iter()
            .filter_map(|&field| self.fields.get(field))
        {
            let (start, bytes) = self.after(end, row, row.own(own_sizes));
            end = start.saturating_add(bytes);
        }
        end.max(1)
            .checked_next_multiple_of(self.align())
            .filter(|&len| len <= self.longest())
            .ok_or_else(|| self.long())
    }

    /// Where a field that isn't fixed starts behind others that end at `end`, and its bytes;
    /// saturated.
    #[inline]
    pub(super) fn after(&self, end: u64, row: &FieldRow, own: &[u32]) -> (u64, u64) {
        let mask = row.align().wrapping_sub(1);
        (end.saturating_add(mask) & !mask, row.bytes(own))
    }

    /// The longest that a record can be: its length is told in 32 bits where it isn't fixed.
    pub(crate) fn longest(&self) -> u64 {
        if self.is_fixed {
            MOST_STRIDE
        } else {
            u64::from(u32::MAX).saturating_mul(self.align())
        }
    }

    #[cold]
    fn long(&self) -> Error {
        let most = self.longest();
        Error::LongRecord { most }
    }
}

/// The length of a header of so many fields; the most that is read has room for more.
pub(super) fn header_bytes(fields: usize) -> u64 {
    let rows = (fields as u64).saturating_mul(super::header::ROW_BYTES as u64);
    rows.saturating_add(super::header::BEFORE_ROWS as u64)
        .saturating_add(4)
        .checked_next_multiple_of(PAGE)
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
