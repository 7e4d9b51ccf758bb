//! Records on their way into the block that is being filled.

use super::ArecWriter;
use super::State;
use crate::map::{self, Origin};
use crate::record::arec::field::ANY;
use crate::record::arec::filling::Give;
use crate::record::arec::footer;
use crate::record::error::{Error, Result};
use crate::tensor::TensorView;

/// Strided elements are put side by side so many bytes at once.
const PIECE: u64 = 64 << 10;

/// The most records that room is made for at once.
const MOST_RESERVED: u64 = 1 << 16;

impl ArecWriter {
    /// Appends one record, a tensor for each field; false, and nothing done, where the file is as
    /// long as its set wants it to be.
    pub(crate) fn append(&mut self, tensors: &[TensorView<'_>]) -> Result<bool> {
        self.check_open()?;
        let checked = self
            .header
            .layout
            .check_count(tensors.len())
            .and_then(|()| {
                for (field, tensor) in tensors.iter().enumerate() {
                    self.header.layout.check_tensor(
                        field,
                        tensor.dtype(),
                        tensor.shape().dims(),
                    )?;
                }
                Ok(())
            });
        checked.map_err(|error| self.refused(error))?;
        self.append_checked(&|field| tensors.get(field).copied())
    }

    /// Appends the rows from `first` on of columns, and gives the first that wasn't because the file is
    /// as long as its set wants it to be. With `first` 0 all columns are checked
    /// before a record is written.
    pub(crate) fn append_rows(
        &mut self,
        columns: &[TensorView<'_>],
        first: u64,
    ) -> Result<Option<u64>> {
        self.check_open()?;
        let rows = self
            .header
            .layout
            .check_columns(columns)
            .map_err(|error| self.refused(error))?;
        for row in first..rows {
            let appended =
                self.append_checked(&|field| columns.get(field).and_then(|column| column.row(row)));
            match appended {
                Ok(true) => {}
                Ok(false) => return Ok(Some(row)),
                Err(error) => {
                    if row > 0 {
                        // Some rows are in and some are not: nobody could go on from there.
                        self.state = State::Poisoned;
                    }
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    fn append_checked<'a>(
        &mut self,
        tensor: &dyn Fn(usize) -> Option<TensorView<'a>>,
    ) -> Result<bool> {
        let mut sizes = std::mem::take(&mut self.sizes);
        let mut piece = std::mem::take(&mut self.piece);
        sizes.clear();
        for &field in &self.header.layout.ragged {
            let shape = tensor(field).map(|tensor| tensor.shape());
            let dims = self.header.layout.fields.get(field).map(|row| row.dims());
            for (&own, &dim) in dims
                .iter()
                .copied()
                .flatten()
                .zip(shape.iter().flat_map(|s| s.dims()))
            {
                if own == ANY {
                    sizes.push(u32::try_from(dim).unwrap_or(u32::MAX));
                }
            }
        }
        let mut give = |field: usize, put: &mut dyn FnMut(&[u8]) -> map::Result<()>| {
            let Some(tensor) = tensor(field) else {
                return Ok(());
            };
            if let Some(bytes) = tensor.dense() {
                return Ok(put(bytes)?);
            }
            tensor.pieces(PIECE, false, &mut |part| {
                piece.clear();
                if part.append_to(&mut piece) {
                    return Ok(put(&piece)?);
                }
                Err(Error::from(map::Error::OutOfMemory {
                    bytes: part.bytes(),
                    origin: Origin::Memory,
                }))
            })
        };
        let appended = self.append_given(&sizes, &mut give);
        (self.sizes, self.piece) = (sizes, piece);
        appended
    }

    /// Appends a record with these sizes of its own, whose fields' bytes `give` gives; false as
    /// [`ArecWriter::append`].
    pub(in crate::record::arec) fn append_given(
        &mut self,
        sizes: &[u32],
        give: Give<'_>,
    ) -> Result<bool> {
        self.check_open()?;
        let layout = &self.header.layout;
        let len = if layout.is_fixed {
            layout.record_bytes
        } else {
            match layout.record_len(sizes) {
                Ok(len) => len,
                Err(error) => return Err(self.refused(error)),
            }
        };
        let room = self.make_room(len);
        let put = match room {
            Ok(true) => self.put(sizes, len, give),
            Ok(false) => return Ok(false),
            Err(error) => Err(error),
        };
        if let Err(error) = put {
            if !self.filling.is_whole() || self.publication.check_open().is_err() {
                self.state = State::Poisoned;
            }
            return Err(error);
        }
        Ok(true)
    }

    /// Makes sure that a record of `len` bytes can be put; false where a set wants it elsewhere.
    fn make_room(&mut self, len: u64) -> Result<bool> {
        let takes = self.filling.takes(&self.header.layout, len);
        if self.filling.records() > 0 && !takes {
            self.write_block()?;
        }
        if self.filling.records() == 0 {
            if self.is_full(len) {
                return Ok(false);
            }
            let layout = &self.header.layout;
            if self.filling.bytes_with(layout, len) > layout.stride {
                // The next write goes past what is in memory.
                self.copies.before_write(&mut self.publication)?;
            }
            // Room for as many as a block of them has, or for the first of them: a record that is in
            // can't be refused later.
            let records = layout.per_block.clamp(1, MOST_RESERVED) as usize;
            if !self.columns.reserve(layout, records) {
                return Err(self.out_of_memory(layout.table_bytes(records as u64)));
            }
            self.filling.begin(&mut self.publication, layout)?;
        } else if u64::from(self.filling.records()) % MOST_RESERVED == 0 {
            let layout = &self.header.layout;
            let records = u64::from(self.filling.records()).saturating_add(MOST_RESERVED);
            let count = usize::try_from(records).unwrap_or(usize::MAX);
            if !self.columns.reserve(layout, count) {
                return Err(self.out_of_memory(layout.table_bytes(records)));
            }
        }
        Ok(true)
    }

    /// Whether one more block would make the file longer than its set wants it to be.
    fn is_full(&self, len: u64) -> bool {
        let layout = &self.header.layout;
        if self.limits.bytes == 0 || self.strides == 0 {
            return false;
        }
        let more = layout.strides(self.filling.bytes_with(layout, len));
        let end =
            crate::record::arec::filling::block_start(layout, self.strides.saturating_add(more));
        let footer = self
            .columns
            .bytes(layout)
            .saturating_add(footer::least(layout));
        end.saturating_add(footer) > self.limits.bytes
    }

    fn put(&mut self, sizes: &[u32], len: u64, give: Give<'_>) -> Result<()> {
        let (out, layout) = (&mut self.publication, &self.header.layout);
        self.filling.put(out, layout, (sizes, len), give)?;
        let is_full = layout.is_fixed && u64::from(self.filling.records()) >= layout.per_block;
        if is_full || !self.filling.is_whole() {
            let written = self.write_block();
            if written.is_err() {
                // The record is in: appended again it would be there twice.
                self.state = State::Poisoned;
            }
            return written;
        }
        Ok(())
    }
}
