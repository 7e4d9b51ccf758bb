//! One field of a record in memory of our own, between its reading and its writing.

use super::error::Result;
use crate::dtype::DType;
use crate::map::{self, Data, Origin};
use crate::record::{self, RecordPart};
use crate::tensor::{Shape, TensorView};

/// A tensor's bytes; the memory is used again for the next record.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bytes: Vec<u8>,
    pub(super) dtype: DType,
    pub(super) shape: Shape,
}

impl Held {
    /// Nothing yet.
    pub(super) fn new() -> Held {
        Held {
            bytes: Vec::new(),
            dtype: DType::U8,
            shape: Shape::default(),
        }
    }

    /// Takes a part of a record by pread, so that a file cut meanwhile is an error.
    pub(super) fn read(
        &mut self,
        data: &Data,
        part: &RecordPart,
        origin: &Origin,
    ) -> map::Result<()> {
        let bytes = part.bytes;
        let len = usize::try_from(bytes).map_err(|_| map::Error::OutOfMemory {
            bytes,
            origin: origin.clone(),
        })?;
        data.read_to(part.offset, len, &mut self.bytes)?;
        (self.dtype, self.shape) = (part.dtype, part.shape);
        Ok(())
    }

    /// The tensor.
    pub(super) fn piece(&self) -> Piece<'_> {
        Piece {
            bytes: &self.bytes,
            dtype: self.dtype,
            shape: self.shape,
        }
    }
}

/// A tensor in memory of our own, for a writer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) dtype: DType,
    pub(super) shape: Shape,
}

impl<'a> Piece<'a> {
    pub(super) fn view(&self, origin: &Origin, field: usize) -> Result<TensorView<'a>> {
        let (ptr, len) = (self.bytes.as_ptr(), self.bytes.len() as u64);
        let strides = self.shape.c_strides();
        // SAFETY: the bytes are readable and stay as they are while the result borrows them.
        let view = unsafe { TensorView::new(ptr, len, self.dtype, self.shape, strides) };
        Ok(view.map_err(|source| record::Error::Tensor {
            origin: origin.clone(),
            index: None,
            field,
            source,
        })?)
    }
}
