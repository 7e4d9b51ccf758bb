//! Where the records of a conversion go, and who is told how far it is.

use std::path::Path;
use std::sync::Arc;

use super::error::{Error, Result};
use super::held::{Held, Piece};
use crate::map::{Origin, Progress, Storage};
use crate::record::{Pace, RecordWriter, Schema, WriterOptions};

/// A writer with the conversion's progress.
pub(super) struct Sink<'p> {
    writer: RecordWriter,
    origin: Origin,
    total: u64,
    pace: Pace,
    progress: Progress<'p>,
}

impl<'p> Sink<'p> {
    /// A writer of `total` records to `to`; the options' own schema goes before `schema`.
    pub(super) fn create(
        storage: &Arc<dyn Storage>,
        to: &Path,
        options: &WriterOptions,
        schema: Option<Schema>,
        total: u64,
        progress: Progress<'p>,
    ) -> Result<Sink<'p>> {
        let mut options = options.clone();
        options.schema = options.schema.or(schema);
        Ok(Sink {
            writer: RecordWriter::create(Arc::clone(storage), to, &options)?,
            origin: Origin::Path(to.to_owned()),
            total,
            pace: Pace::new(),
            progress,
        })
    }

    /// Keeps a key and its value with the records.
    pub(super) fn set_metadata(&mut self, key: &str, value: &[u8]) -> Result<()> {
        Ok(self.writer.set_metadata(key, value)?)
    }

    /// Appends one record.
    pub(super) fn append(&mut self, fields: &[Piece<'_>]) -> Result<()> {
        let views = self.views(fields)?;
        self.writer.append(&views)?;
        self.tick(1, fields)
    }

    /// As `append`, of fields that are held.
    pub(super) fn append_held(&mut self, fields: &[Held]) -> Result<()> {
        let pieces: Vec<Piece<'_>> = fields.iter().map(Held::piece).collect();
        self.append(&pieces)
    }

    /// Appends rows: record i is row i of each column.
    pub(super) fn append_batch(&mut self, columns: &[Held], rows: u64) -> Result<()> {
        let pieces: Vec<Piece<'_>> = columns.iter().map(Held::piece).collect();
        let views = self.views(&pieces)?;
        self.writer.append_batch(&views)?;
        self.tick(rows, &pieces)
    }

    fn views<'h>(&self, fields: &[Piece<'h>]) -> Result<Vec<crate::tensor::TensorView<'h>>> {
        let views = fields.iter().enumerate();
        views
            .map(|(field, piece)| piece.view(&self.origin, field))
            .collect()
    }

    fn tick(&mut self, records: u64, fields: &[Piece<'_>]) -> Result<()> {
        let bytes = fields.iter().map(|piece| piece.bytes.len() as u64).sum();
        let done = self.writer.count();
        if self.pace.is_due(records, bytes) && !(self.progress)(done, self.total) {
            return Err(Error::Cancelled);
        }
        Ok(())
    }

    /// Publishes the records and gives their number.
    pub(super) fn finish(mut self) -> Result<u64> {
        let count = self.writer.count();
        if !(self.progress)(count, self.total) {
            return Err(Error::Cancelled);
        }
        self.writer.finish()?;
        Ok(count)
    }
}
