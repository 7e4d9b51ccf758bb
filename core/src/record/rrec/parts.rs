//! Where a record's tensors lie, for those who read them rather than borrow.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use super::format::{FIELDS, TensorHead};
use super::reader::RrecReader;
use crate::dtype::DType;
use crate::record::error::Result;
use crate::tensor::{MAX_DIMS, Shape};

/// A tensor in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordPart {
    pub(crate) dtype: DType,
    pub(crate) shape: Shape,
    /// Where its elements start.
    pub(crate) offset: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

impl RrecReader {
    /// The tensors of a record, looked up by pread: a file that was cut is an error, not a fault.
    ///
    /// # Errors
    /// [`Error::NoRecord`](super::super::Error::NoRecord),
    /// [`Error::Malformed`](super::super::Error::Malformed),
    /// [`Error::ManyDims`](super::super::Error::ManyDims); those of
    /// [`Data::read`](crate::map::Data::read).
    pub(crate) fn parts(&self, index: u64) -> Result<[RecordPart; FIELDS]> {
        let [input, target] = self.heads(&mut self.window(), index)?;
        let part = |field, head: &TensorHead| -> Result<RecordPart> {
            let shape = head.shape();
            let shape = shape.ok_or_else(|| self.many_dims(head, index, field, MAX_DIMS))?;
            Ok(RecordPart {
                dtype: head.dtype,
                shape,
                offset: head.data_at,
                bytes: head.bytes,
            })
        };
        Ok([part(0, &input)?, part(1, &target)?])
    }
}
