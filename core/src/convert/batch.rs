//! Records of a format that declares its fields, read many at once.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::mem::MaybeUninit;

use super::error::Result;
use super::held::Piece;
use crate::dtype::DType;
use crate::kernel::Overflow;
use crate::map::{self, Io, Origin};
use crate::record::{
    self, Check, Column, FieldShape, FillOptions, Out, RecordReader, Room, Schema,
};
use crate::tensor::Shape;

/// Bytes of a field that are held at once; one record may have more.
const HELD: u64 = 8 << 20;

/// The most records that are held at once.
const MOST: usize = 4096;

/// A field of many records, one behind the other.
#[derive(Debug)]
struct Filled {
    dtype: DType,
    /// As the schema has them: negative for a record's own.
    dims: Vec<i64>,
    bytes: Vec<u8>,
    /// Where each record starts, in elements, and where the last ends.
    offsets: Vec<u64>,
}

/// Some records, each read by pread and compared with its checksums on the way: a file that is cut
/// or damaged is an error.
#[derive(Debug)]
pub(super) struct Batch {
    fields: Vec<Filled>,
    rows: Vec<u64>,
    /// How many to try next.
    at_once: usize,
}

impl Batch {
    /// None yet; the schema's fields have dtypes and dimensions.
    pub(super) fn new(schema: &Schema) -> Batch {
        let fields = schema.fields().iter().map(|field| Filled {
            dtype: field.dtype.unwrap_or(DType::U8),
            dims: match &field.shape {
                FieldShape::Dims(dims) => dims.clone(),
                FieldShape::Any => Vec::new(),
            },
            bytes: Vec::new(),
            offsets: Vec::new(),
        });
        Batch {
            fields: fields.collect(),
            rows: Vec::new(),
            at_once: 1,
        }
    }

    /// Reads records from `first` on, as many as fit, and gives their number: 0 at the end.
    pub(super) fn read(&mut self, reader: &RecordReader, first: u64) -> Result<usize> {
        let left = usize::try_from(reader.len().saturating_sub(first)).unwrap_or(usize::MAX);
        let mut count = self.at_once.min(left);
        loop {
            self.rows.clear();
            self.rows.extend((first..).take(count));
            match self.fill(reader) {
                // More than should be held: half of them will do, and one record is as it is.
                Err(record::Error::SmallBuffer { .. }) if count > 1 => count /= 2,
                filled => break filled?,
            }
        }
        self.at_once = count.saturating_mul(2).clamp(1, MOST);
        Ok(count)
    }

    fn fill(&mut self, reader: &RecordReader) -> record::Result<()> {
        let limit = if self.rows.len() > 1 { HELD } else { u64::MAX };
        let ends = self.rows.len().saturating_add(1);
        let origin = reader.origin();
        let mut rooms: Vec<Grown<'_>> = Vec::new();
        let mut outs: Vec<(DType, &mut [u64])> = Vec::new();
        for field in &mut self.fields {
            field.bytes.clear();
            field.offsets.clear();
            field.offsets.resize(ends, 0);
            outs.push((field.dtype, &mut field.offsets));
            rooms.push(Grown {
                bytes: &mut field.bytes,
                given: 0,
                limit,
                origin,
            });
        }
        let places = rooms.iter_mut().zip(outs).enumerate();
        let mut columns: Vec<Column<'_>> = places
            .map(|(field, (room, (dtype, offsets)))| Column {
                field,
                dtype,
                overflow: Overflow::default(),
                out: Out::Packed { offsets, room },
            })
            .collect();
        let how = FillOptions {
            io: Io::Read,
            check: Some(Check::OnCopy),
            announced: false,
        };
        reader.fill(&self.rows, &mut columns, &how, &mut |_, error| Err(error))?;
        drop(columns);
        for room in rooms {
            // SAFETY: the fill wrote all of the room that it was given last, which lies within the
            // capacity, or failed.
            unsafe { room.bytes.set_len(room.given) };
        }
        Ok(())
    }

    /// The fields of the record that is number `row` among those read.
    pub(super) fn record(&self, reader: &RecordReader, row: usize) -> Result<Vec<Piece<'_>>> {
        let mut pieces = Vec::with_capacity(self.fields.len());
        for (number, field) in self.fields.iter().enumerate() {
            let index = self.rows.get(row).copied().unwrap_or(u64::MAX);
            pieces.push(field.piece(reader, number, index, row)?);
        }
        Ok(pieces)
    }
}

impl Filled {
    fn piece(
        &self,
        reader: &RecordReader,
        number: usize,
        index: u64,
        row: usize,
    ) -> Result<Piece<'_>> {
        let start = self.offsets.get(row).copied().unwrap_or(0);
        let end = self.offsets.get(row.saturating_add(1)).copied();
        let elements = end.unwrap_or(start).saturating_sub(start);
        let own = self.dims.iter().filter(|&&dim| dim < 0).count();
        let dims = match (own, size_of_own(elements, &self.dims)) {
            (0, _) => self.dims.clone(),
            (1, Some(size)) => {
                let size = size.cast_signed();
                self.dims
                    .iter()
                    .map(|&dim| if dim < 0 { size } else { dim })
                    .collect()
            }
            _ => reader.dims(index, number)?,
        };
        let bytes = |elements: u64| {
            let (block, size) = (self.dtype.block_elements(), self.dtype.block_bytes());
            let blocks = elements.checked_div(block.into()).unwrap_or(0);
            usize::try_from(blocks.saturating_mul(size.into())).unwrap_or(usize::MAX)
        };
        let shape = Shape::new(&dims).map_err(|source| record::Error::Tensor {
            origin: reader.origin().clone(),
            index: Some(index),
            field: number,
            source,
        })?;
        Ok(Piece {
            bytes: self
                .bytes
                .get(bytes(start)..bytes(end.unwrap_or(start)))
                .unwrap_or_default(),
            dtype: self.dtype,
            shape,
        })
    }
}

/// The only size of a record's own, by its elements; none where they don't tell: with another
/// dimension of 0, beside which the rest may be of any size.
fn size_of_own(elements: u64, dims: &[i64]) -> Option<u64> {
    let mut others = dims.iter().filter_map(|&dim| u64::try_from(dim).ok());
    let others = others.try_fold(1, u64::checked_mul)?;
    elements.checked_div(others)
}

/// Memory that grows to what a field of some records takes, up to a limit.
struct Grown<'a> {
    bytes: &'a mut Vec<u8>,
    given: usize,
    limit: u64,
    origin: &'a Origin,
}

impl Room for Grown<'_> {
    fn room(&mut self, bytes: u64) -> record::Result<&mut [MaybeUninit<u8>]> {
        if bytes > self.limit {
            let (needed, given) = (bytes, self.limit);
            return Err(record::Error::SmallBuffer { needed, given });
        }
        let out_of_memory = || map::Error::OutOfMemory {
            bytes,
            origin: self.origin.clone(),
        };
        let len = usize::try_from(bytes).map_err(|_| out_of_memory())?;
        self.bytes.try_reserve(len).map_err(|_| out_of_memory())?;
        self.given = len;
        let room = self.bytes.spare_capacity_mut().get_mut(..len);
        Ok(room.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::size_of_own;

    #[test]
    fn sizes_beside_a_dimension_of_none_are_not_multiplied() {
        assert_eq!(size_of_own(12, &[-1, 2, 3]), Some(2));
        assert_eq!(size_of_own(0, &[2, -1]), Some(0));
        assert_eq!(size_of_own(0, &[-1, 0]), None);
        assert_eq!(size_of_own(0, &[-1, 1 << 40, 1 << 40, 0]), None);
        assert_eq!(size_of_own(0, &[1 << 40, 1 << 40, 0]), None);
    }
}
