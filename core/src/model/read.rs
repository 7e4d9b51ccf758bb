//! A tensor, or a part of one, copied into a caller's buffer.

use std::mem::MaybeUninit;

use super::error::Result;
use super::weights::Model;
use crate::dtype::DType;
use crate::kernel::Overflow;
use crate::map::Io;
use crate::tensor::{Part, PartOptions, ReadError, ReadPart, Slice, Source};

/// What to read of a tensor, and as what. The default is all of it, as it is stored.
#[derive(Clone, Debug, Default)]
pub struct ModelReadOptions {
    /// Which rows and columns.
    pub slice: Slice,
    /// The dtype of the output; the tensor's where it is none.
    pub dtype: Option<DType>,
    /// What becomes of values that the output's dtype can't hold.
    pub overflow: Overflow,
    /// How the file is read. `Auto` is `Read` where there is a file.
    pub io: Io,
}

impl Model {
    /// Copies tensor `index`, or a part of it, to the start of `out`, in C order, converted or
    /// dequantised. Nothing of the copy need be aligned. Read, not copied from the map, a file that
    /// was cut is an error.
    ///
    /// # Errors
    /// Those of [`Model::source`]; [`Error::Tensor`](super::Error) for a part that isn't there, a
    /// conversion that makes no sense, and a buffer too small; [`Error::Bytes`](super::Error) for
    /// what can't be read.
    pub fn read(
        &self,
        index: usize,
        options: &ModelReadOptions,
        out: &mut [MaybeUninit<u8>],
    ) -> Result<ReadPart> {
        let (source, part) = self.part(index, &options.slice)?;
        let how = PartOptions {
            dtype: options.dtype,
            overflow: options.overflow,
            io: options.io,
        };
        source.read(&part, &how, out).map_err(|error| match error {
            ReadError::Map(error) => self.bytes_error(index, error),
            ReadError::Tensor(source) => self.tensor_error(index, source),
        })
    }

    /// What [`Model::read`] puts into a buffer, without reading it.
    ///
    /// # Errors
    /// As [`Model::read`], for what isn't the file's fault.
    pub fn read_size(&self, index: usize, options: &ModelReadOptions) -> Result<ReadPart> {
        let (_, part) = self.part(index, &options.slice)?;
        let dtype = options.dtype.unwrap_or(part.dtype);
        let bytes = part
            .bytes_as(dtype)
            .map_err(|source| self.tensor_error(index, source))?;
        Ok(ReadPart {
            dtype,
            shape: part.shape,
            bytes,
        })
    }

    /// Tensor `index` and the part of it that `slice` says.
    ///
    /// # Errors
    /// Those of [`Model::source`] and [`Source::part`].
    pub fn part(&self, index: usize, slice: &Slice) -> Result<(Source, Part)> {
        let source = self.source(index)?;
        let part = source
            .part(slice)
            .map_err(|error| self.tensor_error(index, error))?;
        Ok((source, part))
    }
}
