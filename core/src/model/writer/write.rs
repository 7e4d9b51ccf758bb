//! The tensors' bytes, and the end.

use super::coverage::MOST_PIECES;
use super::error::{Result, WriteError};
use super::files::Elements;
use super::{Location, ModelWriter, Stage, Work};
use crate::map::{self, Region};

impl ModelWriter {
    /// Where a tensor lies, once the writing has begun.
    ///
    /// # Errors
    /// [`WriteError::NoTensor`], [`WriteError::State`].
    pub fn location(&self, index: usize) -> Result<Location> {
        match self.locations.get(index) {
            Some(location) => Ok(*location),
            None if index < self.tensors.len() => Err(self.not_begun()),
            None => Err(self.no_tensor(index)),
        }
    }

    /// Writes bytes of a tensor, from its byte `offset` on: in any order, in pieces of any size,
    /// again if need be. What is refused leaves the writer as it was; a failed write poisons it.
    ///
    /// # Errors
    /// [`WriteError::NoTensor`], [`WriteError::Outside`], [`WriteError::TooScattered`],
    /// [`WriteError::State`], [`WriteError::Poisoned`]; those of
    /// [`Publication::write`](crate::map::Publication::write).
    pub fn write(&mut self, index: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        self.put(index, offset, Elements::Slice(bytes))
    }

    /// As [`ModelWriter::write`], from mapped bytes: of a map that was cut it is an error, not a
    /// fault, after which these bytes of the tensor count as never written.
    ///
    /// # Errors
    /// As [`ModelWriter::write`]; [`WriteError::Unreadable`].
    pub fn write_region(&mut self, index: usize, offset: u64, bytes: Region<'_>) -> Result<()> {
        self.put(index, offset, Elements::Region(bytes))
    }

    fn put(&mut self, index: usize, offset: u64, bytes: Elements<'_>) -> Result<()> {
        let work = self.check_writing()?;
        // One stands for all: a process has made either each file or none.
        work.files.check_open()?;
        let (Some(tensor), Some(location)) = (self.tensors.get(index), self.locations.get(index))
        else {
            return Err(self.no_tensor(index));
        };
        let (len, size, location) = (bytes.len(), tensor.bytes, *location);
        let end = offset.checked_add(len).filter(|&end| end <= size);
        let Some(end) = end else {
            return Err(WriteError::Outside {
                origin: self.file_origin(location.shard),
                index: index as u64,
                name: self.name(index).to_owned(),
                offset,
                len,
                size,
            });
        };
        let Stage::Writing(work) = &mut self.stage else {
            return Err(self.not_begun());
        };
        if len == 0 {
            return Ok(());
        }
        if !work.coverage.has_room_for(index, offset, end) {
            return Err(WriteError::TooScattered {
                origin: self.file_origin(location.shard),
                index: index as u64,
                name: self.name(index).to_owned(),
                most: MOST_PIECES as u64,
            });
        }
        // Inside of the file, whose length is a number.
        let at = location.offset.saturating_add(offset);
        let written = work.files.write(location.shard, bytes, at);
        match written {
            Ok(()) => {
                work.coverage.add(index, offset, end);
                Ok(())
            }
            Err(map::Error::Unreadable { source, .. }) => {
                // Some of them, over what was there.
                work.coverage.remove(index, offset, end);
                Err(WriteError::Unreadable {
                    origin: self.file_origin(location.shard),
                    index: index as u64,
                    name: self.name(index).to_owned(),
                    start: offset,
                    end,
                    offset: at,
                    source,
                })
            }
            Err(error) => {
                self.stage = Stage::Poisoned;
                Err(error.into())
            }
        }
    }

    /// Publishes the model durably. Where bytes are missing, nothing is published and they can
    /// still be written; done, or failed otherwise, the writer can only be closed.
    ///
    /// # Errors
    /// [`WriteError::Unfinished`], [`WriteError::State`], [`WriteError::Poisoned`]; those of
    /// [`Publication::publish`](crate::map::Publication::publish).
    pub fn finish(&mut self) -> Result<()> {
        self.check_writing()?.files.check_open()?;
        // Whatever happens now, there is no second try: a failed sync can't be repeated.
        match std::mem::replace(&mut self.stage, Stage::Poisoned) {
            Stage::Writing(mut work) => {
                if let Some(error) = self.unfinished(&work) {
                    self.stage = Stage::Writing(work);
                    return Err(error);
                }
                work.files.publish()?;
                self.stage = Stage::Finished;
                Ok(())
            }
            other => {
                self.stage = other;
                Err(self.not_begun())
            }
        }
    }

    fn unfinished(&self, work: &Work) -> Option<WriteError> {
        let (gap, others) = work.coverage.missing()?;
        let location = self.locations.get(gap.tensor)?;
        Some(WriteError::Unfinished {
            origin: work.names.origin(&self.path, location.shard),
            index: gap.tensor as u64,
            name: self.name(gap.tensor).to_owned(),
            start: gap.start,
            end: gap.end,
            size: self.tensors.get(gap.tensor)?.bytes,
            offset: location.offset.saturating_add(gap.start),
            others,
        })
    }
}
