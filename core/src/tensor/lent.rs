//! A tensor lent from a file's bytes, without a copy.

use super::error::{Error, Result};
use super::shape::{MAX_DIMS, Shape};
use crate::dtype::DType;
use crate::map::Region;

/// Elements in a file's bytes, for as long as those bytes are held.
#[derive(Clone, Copy, Debug)]
pub struct Lent<'a> {
    /// The elements' bytes.
    pub bytes: Region<'a>,
    /// The elements' type.
    pub dtype: DType,
    /// The shape.
    pub shape: Shape,
    /// Whether the first dimension varies fastest, not the last.
    pub fortran_order: bool,
}

/// Whether elements that start where `bytes` do lie as their dtype needs.
#[must_use]
#[inline]
pub fn is_aligned(bytes: Region<'_>, dtype: DType) -> bool {
    bytes.as_ptr().addr() & (dtype.align() as usize - 1) == 0
}

impl<'a> Lent<'a> {
    /// Lends elements in C order; `offset`, where they start in the file's bytes, is for messages.
    ///
    /// # Errors
    /// [`Error::Misaligned`].
    #[inline]
    pub fn new(bytes: Region<'a>, dtype: DType, shape: Shape, offset: u64) -> Result<Lent<'a>> {
        if !is_aligned(bytes, dtype) {
            return Err(Error::Misaligned { offset, dtype });
        }
        Ok(Lent {
            bytes,
            dtype,
            shape,
            fortran_order: false,
        })
    }

    /// The same elements read in Fortran order.
    #[must_use]
    pub fn in_fortran_order(self) -> Lent<'a> {
        Lent {
            fortran_order: true,
            ..self
        }
    }

    /// The strides in elements; zeros for block dtypes.
    #[must_use]
    #[inline]
    pub fn strides(&self) -> [i64; MAX_DIMS] {
        if self.dtype.is_block() {
            [0; MAX_DIMS]
        } else if self.fortran_order {
            self.shape.fortran_strides()
        } else {
            self.shape.c_strides()
        }
    }
}
