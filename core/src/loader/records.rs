//! Records as a loader's source.

use std::ops::Range;
use std::sync::Arc;

use super::error::{Error, Result};
use super::source::{Judge, Source, SourceField};
use crate::map::Origin;
use crate::record::{self, Announced, Column, FieldShape, FillCounts, FillOptions, RecordReader};
use crate::tensor::Shape;

/// What the kernel's cache keeps in one piece: ranges to let go of start and end there.
pub(super) const FOLIO: u64 = 2 << 20;

/// A reader's records.
pub(super) struct RecordSource {
    reader: Arc<RecordReader>,
    fields: Vec<SourceField>,
    origin: Origin,
    identity: u128,
    bytes: u64,
}

impl RecordSource {
    pub(super) fn new(reader: Arc<RecordReader>) -> Result<RecordSource> {
        let schema = reader.schema()?;
        let mut fields = Vec::with_capacity(schema.fields().len());
        for (number, field) in schema.fields().iter().enumerate() {
            let (Some(dtype), FieldShape::Dims(dims)) = (field.dtype, &field.shape) else {
                let why = format!("field {number} has no dtype or shape: the set is empty");
                return Err(Error::arguments(why));
            };
            fields.push(SourceField {
                name: field.name.clone(),
                dtype,
                dims: dims.clone(),
            });
        }
        Ok(RecordSource {
            fields,
            origin: reader.origin().clone(),
            identity: reader.identity()?,
            bytes: reader.bytes(),
            reader,
        })
    }
}

// SAFETY: the reader's fill writes all of the rows or fails, and asks for room for all of a packed
// column's elements.
unsafe impl Source for RecordSource {
    fn len(&self) -> u64 {
        self.reader.len()
    }

    fn origin(&self) -> Origin {
        self.origin.clone()
    }

    fn identity(&self) -> u128 {
        self.identity
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn fields(&self) -> &[SourceField] {
        &self.fields
    }

    fn shape(&self, record: u64, field: usize) -> Result<Shape> {
        let dims = self.reader.dims(record, field)?;
        let shape = Shape::new(&dims);
        shape.map_err(|_| Error::Internal("a record's dimensions that are no shape"))
    }

    fn fill(
        &self,
        rows: &[u64],
        columns: &mut [Column<'_>],
        how: &FillOptions,
        judge: Judge<'_>,
    ) -> Result<FillCounts> {
        let mut ended = None;
        let mut fault = |row, error| {
            judge(row, Error::Record(error)).map_err(|error| {
                ended = Some(error);
                record::Error::Cancelled
            })
        };
        let filled = self.reader.fill(rows, columns, how, &mut fault);
        match ended {
            Some(error) => Err(error),
            None => Ok(filled?),
        }
    }

    fn announce(&self, rows: &[u64], fields: &[usize]) -> Announced {
        // What is wrong with a record is told when it is read.
        self.reader.announce(rows, fields).unwrap_or_default()
    }

    fn release(&self, records: Range<u64>, before: bool, after: bool) -> u64 {
        let whole = (before, after);
        match self.reader.release(records, whole, FOLIO) {
            Ok(freed) => freed,
            Err(error) => {
                log::info!("{}: kept in the kernel's cache: {error}", self.origin);
                0
            }
        }
    }
}
