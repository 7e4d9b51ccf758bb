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
    /// The strides in elements; zeros for block dtypes.
    pub strides: [i64; MAX_DIMS],
}

impl<'a> Lent<'a> {
    /// Lends elements in C order; `offset`, where they start in the file's bytes, is for messages.
    ///
    /// # Errors
    /// [`Error::Misaligned`].
    #[inline]
    pub fn new(bytes: Region<'a>, dtype: DType, shape: Shape, offset: u64) -> Result<Lent<'a>> {
        if bytes.as_ptr().addr() & (dtype.align() as usize - 1) != 0 {
            return Err(Error::Misaligned { offset, dtype });
        }
        let strides = if dtype.is_block() {
            [0; MAX_DIMS]
        } else {
            shape.c_strides()
        };
        Ok(Lent {
            bytes,
            dtype,
            shape,
            strides,
        })
    }

    /// The same elements read in Fortran order.
    #[must_use]
    pub fn in_fortran_order(self) -> Lent<'a> {
        Lent {
            strides: self.shape.fortran_strides(),
            ..self
        }
    }
}
