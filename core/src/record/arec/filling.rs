//! The block that is being filled.

use super::frame::Frame;
use super::layout::{FRAME_BYTES, Layout};
use super::stage::Stage;
use crate::kernel;
use crate::map::{self, Origin, Publication};
use crate::record::error::Result;

/// Gives a field's bytes, in order and in any pieces, to what it is given.
pub(super) type Give<'a> =
    &'a mut dyn FnMut(usize, &mut dyn FnMut(&[u8]) -> map::Result<()>) -> Result<()>;

/// A block whose records are in memory; of one that takes several strides, only the end of it.
#[derive(Debug)]
pub(super) struct Filling {
    stage: Stage,
    /// A row for each record, as the block's table has them.
    table: Vec<u8>,
    /// The fields in the order in which they lie in a record.
    order: Vec<usize>,
    /// The checksums of the record being put.
    sums: Vec<u32>,
    records: u32,
    stride: u64,
    /// Where it will stand.
    start: u64,
    /// The number of its first record.
    first: u64,
}

/// What a writer tells of a block that is ready to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealed {
    pub(super) frame: Frame,
    /// Where the block's table ends in the file, if it stands at its own place.
    pub(super) end: u64,
    /// How far the file is written, with the zeros behind the table.
    pub(super) reached: u64,
}

/// Where a block starts that stands at this stride.
pub(super) fn block_start(layout: &Layout, stride: u64) -> u64 {
    let offset = stride.saturating_mul(layout.stride);
    layout.data_start.saturating_add(offset)
}

impl Filling {
    /// An empty block, at the first stride.
    pub(super) fn new(layout: &Layout) -> Filling {
        let all = 0..layout.fields.len();
        let is_fixed = |&field: &usize| layout.ragged.binary_search(&field).is_err();
        let fixed = all.filter(is_fixed);
        let mut filling = Filling {
            stage: Stage::new(usize::try_from(layout.stride).unwrap_or(usize::MAX)),
            table: Vec::new(),
            order: fixed.chain(layout.ragged.iter().copied()).collect(),
            sums: vec![0; layout.fields.len()],
            records: 0,
            stride: 0,
            start: 0,
            first: 0,
        };
        filling.restart(layout, 0, 0);
        filling
    }

    /// An empty block at another stride.
    pub(super) fn restart(&mut self, layout: &Layout, stride: u64, first: u64) {
        self.stride = stride;
        self.start = block_start(layout, stride);
        self.first = first;
        self.records = 0;
        self.table.clear();
        self.stage.start(self.start);
    }

    pub(super) fn records(&self) -> u32 {
        self.records
    }

    pub(super) fn stride(&self) -> u64 {
        self.stride
    }

    pub(super) fn table(&self) -> &[u8] {
        &self.table
    }

    /// Whether all of the block is still in memory.
    pub(super) fn is_whole(&self) -> bool {
        self.stage.at() == self.start
    }

    /// Where in the block the next record starts, if it has `len` bytes.
    fn place(&self, layout: &Layout, len: u64) -> u64 {
        let end = self.stage.position().saturating_sub(self.start);
        layout.next_place(end.max(layout.head), len)
    }

    /// The bytes of the block with one more record, of `len` bytes.
    pub(super) fn bytes_with(&self, layout: &Layout, len: u64) -> u64 {
        let end = self.place(layout, len).saturating_add(len);
        let records = u64::from(self.records).saturating_add(1);
        end.saturating_add(layout.table_bytes(records))
    }

    /// Whether one more record, of `len` bytes, fits into one stride with those that are in.
    pub(super) fn takes(&self, layout: &Layout, len: u64) -> bool {
        let units = self.place(layout, len) >> layout.align_log2;
        self.bytes_with(layout, len) <= layout.stride
            && u32::try_from(units).is_ok()
            && self.records < u32::MAX
    }

    /// Puts a record of `len` bytes with these sizes of its own. On failure it is out again, unless
    /// a part of it is written.
    pub(super) fn put(
        &mut self,
        out: &mut Publication,
        layout: &Layout,
        (sizes, len): (&[u32], u64),
        give: Give<'_>,
    ) -> Result<()> {
        let row_bytes = layout.table_row_bytes();
        self.table
            .try_reserve(row_bytes)
            .map_err(|_| map::Error::OutOfMemory {
                bytes: row_bytes as u64,
                origin: Origin::Path(out.path().to_owned()),
            })?;
        let (place, before) = (self.place(layout, len), self.stage.len());
        let record = self.start.saturating_add(place);
        let put = self
            .put_fields(out, layout, (sizes, record), give)
            .and_then(|()| Ok(self.stage.pad_to(out, record.saturating_add(len))?));
        if put.is_err() {
            if self.is_whole() {
                self.stage.truncate(before);
            }
            return put;
        }
        // Both were found to fit: the place in `takes`, the length with the layout's longest.
        let units = |bytes: u64| u32::try_from(bytes >> layout.align_log2).unwrap_or(u32::MAX);
        let lies = [units(place), units(len)];
        let lies = lies.iter().filter(|_| !layout.is_fixed);
        for word in lies.chain(sizes).chain(&self.sums) {
            self.table.extend_from_slice(&word.to_le_bytes());
        }
        self.records = self.records.saturating_add(1);
        Ok(())
    }

    fn put_fields(
        &mut self,
        out: &mut Publication,
        layout: &Layout,
        (sizes, record): (&[u32], u64),
        give: Give<'_>,
    ) -> Result<()> {
        let mut end = layout.fixed_end;
        for &field in &self.order {
            let Some((row, place)) = layout.fields.get(field).zip(self.sums.get_mut(field)) else {
                continue;
            };
            let offset = if row.is_fixed() {
                row.offset
            } else {
                let (start, bytes) = layout.after(end, row, row.own(sizes));
                end = start.saturating_add(bytes);
                start
            };
            self.stage.pad_to(out, record.saturating_add(offset))?;
            let (stage, mut sum) = (&mut self.stage, 0);
            give(field, &mut |bytes| {
                sum = stage.put_summed(out, bytes, sum)?;
                Ok(())
            })?;
            *place = sum;
        }
        Ok(())
    }

    /// Puts the table, and the frame where the block's start is still in memory; the caller writes
    /// what there is. A block with records.
    fn seal(
        &mut self,
        out: &mut Publication,
        layout: &Layout,
        nonce: u64,
        is_copy: bool,
    ) -> Result<Sealed> {
        let end = self.stage.position();
        let table_at = end
            .checked_next_multiple_of(FRAME_BYTES)
            .unwrap_or(u64::MAX);
        self.stage.pad_to(out, table_at)?;
        self.stage.put(out, &self.table)?;
        let end = self.stage.position();
        let strides = layout.strides(end.saturating_sub(self.start));
        let frame = Frame {
            is_copy,
            nonce,
            stride: self.stride,
            first: self.first,
            count: self.records,
            strides: u32::try_from(strides).unwrap_or(u32::MAX),
            table_at: table_at.saturating_sub(self.start),
            table_hash: kernel::hash(&self.table, nonce),
        };
        if self.is_whole() {
            self.stage.patch(0, &frame.encode());
        }
        Ok(Sealed {
            frame,
            end,
            reached: end,
        })
    }

    /// Writes the block to its place: whole, or what isn't written yet and then the frame.
    pub(super) fn write(
        &mut self,
        out: &mut Publication,
        layout: &Layout,
        nonce: u64,
    ) -> Result<Sealed> {
        let mut sealed = self.seal(out, layout, nonce, false)?;
        let is_whole = self.is_whole();
        // A tail that is short is worth its zeros: the page cache keeps whole strides best.
        let rest = block_start(
            layout,
            self.stride.saturating_add(sealed.frame.strides.into()),
        )
        .saturating_sub(sealed.end);
        if rest <= layout.stride / 16 {
            sealed.reached = sealed.end.saturating_add(rest);
            self.stage.pad_to(out, sealed.reached)?;
        }
        self.stage.flush(out)?;
        if !is_whole {
            out.write(&sealed.frame.encode(), self.start)?;
        }
        Ok(sealed)
    }

    /// Writes what the block has so far as a block of its own that starts at another stride. It
    /// goes on as it was. All of it is in memory.
    pub(super) fn write_copy(
        &mut self,
        out: &mut Publication,
        layout: &Layout,
        nonce: u64,
        stride: u64,
    ) -> Result<Sealed> {
        let len = self.stage.len();
        let written = self.seal(out, layout, nonce, true).and_then(|sealed| {
            self.stage.write_at(out, block_start(layout, stride))?;
            Ok(sealed)
        });
        self.stage.truncate(len);
        written
    }

    /// Starts the block's bytes, zeros up to the first record, where it has none yet.
    pub(super) fn begin(&mut self, out: &mut Publication, layout: &Layout) -> Result<()> {
        let start = self.start.saturating_add(layout.head);
        Ok(self.stage.pad_to(out, start)?)
    }
}
