//! Tensors lent at the alignment that the caller needs.

use super::error::{Error, Result};
use super::table::Entry;
use super::weights::Model;
use crate::dtype::DType;
use crate::map::Region;
use crate::tensor::{self, Lent, Shape};

/// Larger alignments aren't told: no address of a mapped file has them but by chance.
const MOST: u64 = 4096;

/// A tensor where it lies in its file's bytes; the dimensions are the model's own.
#[derive(Clone, Copy, Debug)]
pub struct ModelTensor<'a> {
    /// The elements' bytes.
    pub bytes: Region<'a>,
    /// The elements' type.
    pub dtype: DType,
    /// At most 8 dimensions, outermost first; the last varies fastest.
    pub dims: &'a [i64],
}

impl Model {
    /// Tensor `index`, at a multiple of `align` bytes, a power of two: 1 lends at any address, 0
    /// asks for what the dtype needs. Nothing is copied on the way: most programs ask for every
    /// tensor.
    ///
    /// # Errors
    /// As [`Model::source`]; [`Error::Tensor`] at another address.
    #[inline]
    pub fn lend(&self, index: usize, align: usize) -> Result<ModelTensor<'_>> {
        let entry = self.entry(index)?;
        let (dtype, dims) = self.native(index, entry)?;
        let bytes = self.bytes_of(entry)?;
        let needed = match align {
            0 => dtype.align() as usize,
            _ => align,
        };
        if bytes.as_ptr().addr() & needed.wrapping_sub(1) != 0 {
            return Err(self.misaligned(index, entry, bytes, align));
        }
        Ok(ModelTensor { bytes, dtype, dims })
    }

    /// As [`Model::lend`] at what the dtype needs, with a shape of its own.
    ///
    /// # Errors
    /// As [`Model::lend`].
    pub fn tensor(&self, index: usize) -> Result<Lent<'_>> {
        let ModelTensor { bytes, dtype, dims } = self.lend(index, 0)?;
        let shape = Shape::new(dims).map_err(|source| self.tensor_error(index, source))?;
        Ok(Lent {
            bytes,
            dtype,
            shape,
            fortran_order: false,
        })
    }

    #[cold]
    fn misaligned(&self, index: usize, entry: &Entry, bytes: Region<'_>, asked: usize) -> Error {
        let offset = entry.offset;
        let misaligned = match entry.dtype {
            Some(dtype) if asked == 0 => tensor::Error::Misaligned { offset, dtype },
            _ => tensor::Error::Unaligned {
                offset,
                asked: asked as u64,
                actual: divisor_of(bytes.as_ptr().addr() as u64),
            },
        };
        self.tensor_error(index, misaligned)
    }

    /// The largest power of two, up to 4096, that divides the address of a tensor's first element.
    ///
    /// # Errors
    /// [`Error::NoTensor`], for an entry of another model.
    pub fn alignment(&self, entry: &Entry) -> Result<u64> {
        let start = self.data_of(entry)?.region().as_ptr().addr() as u64;
        Ok(divisor_of(start.wrapping_add(entry.offset)))
    }

    /// The bytes of all tensors whose dtype is known.
    #[must_use]
    pub fn tensor_bytes(&self) -> u64 {
        let entries = (0..self.tensors().len()).filter_map(|index| self.tensors().get(index));
        entries.fold(0, |all: u64, entry| all.saturating_add(entry.bytes))
    }

    fn bytes_of(&self, entry: &Entry) -> Result<Region<'_>> {
        let region = self.data_of(entry)?.region();
        Ok(match entry.bytes {
            0 => Region::EMPTY,
            bytes => region.slice(entry.offset, bytes).unwrap_or(Region::EMPTY),
        })
    }
}

fn divisor_of(address: u64) -> u64 {
    1_u64
        .checked_shl(address.trailing_zeros())
        .map_or(MOST, |align| align.min(MOST))
}
