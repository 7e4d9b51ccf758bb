//! Shapes: up to eight dimensions, outermost first.

use std::fmt;

use super::error::{Error, Result};
use crate::dtype::DType;

/// The most dimensions of a tensor.
pub const MAX_DIMS: usize = 8;

/// The sizes of up to [`MAX_DIMS`] dimensions, outermost first, none negative.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [i64; MAX_DIMS],
    ndim: u8,
}

impl Shape {
    /// The shape of these dimensions.
    ///
    /// # Errors
    /// [`Error::Dimensions`], [`Error::Negative`].
    pub fn new(dims: &[i64]) -> Result<Shape> {
        let ndim = dims.len();
        let mut shape = Shape {
            dims: [0; MAX_DIMS],
            ndim: 0,
        };
        let Some(own) = shape.dims.get_mut(..ndim) else {
            return Err(Error::Dimensions {
                ndim: i64::try_from(ndim).unwrap_or(i64::MAX),
            });
        };
        own.copy_from_slice(dims);
        shape.ndim = u8::try_from(ndim).unwrap_or(0);
        match dims.iter().position(|&dim| dim < 0) {
            Some(axis) => Err(Error::Negative {
                axis,
                dim: dims.get(axis).copied().unwrap_or(0),
            }),
            None => Ok(shape),
        }
    }

    /// The shape of the first [`MAX_DIMS`] of these dimensions.
    #[must_use]
    pub(crate) fn from_u32(dims: &[u32]) -> Shape {
        let mut shape = Shape::default();
        for (own, &dim) in shape.dims.iter_mut().zip(dims) {
            *own = i64::from(dim);
            shape.ndim += 1;
        }
        shape
    }

    /// The dimensions.
    #[must_use]
    #[inline]
    pub fn dims(&self) -> &[i64] {
        self.dims.get(..usize::from(self.ndim)).unwrap_or_default()
    }

    /// Their number.
    #[must_use]
    #[inline]
    pub fn ndim(&self) -> usize {
        usize::from(self.ndim)
    }

    /// All eight places: the dimensions, then zeros.
    #[must_use]
    pub fn padded(&self) -> [i64; MAX_DIMS] {
        self.dims
    }

    /// The bytes of a tensor of this shape without gaps.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Blocks`].
    #[inline]
    pub fn bytes(&self, dtype: DType) -> Result<u64> {
        dense_bytes(self.dims(), dtype)
    }

    /// The strides in elements of C order (the last dimension varies fastest).
    #[must_use]
    #[inline]
    pub fn c_strides(&self) -> [i64; MAX_DIMS] {
        let mut strides = [0; MAX_DIMS];
        let mut step: i64 = 1;
        for (stride, &dim) in strides.iter_mut().zip(self.dims()).rev() {
            *stride = step;
            step = step.saturating_mul(dim.max(1));
        }
        strides
    }

    /// The strides in elements of Fortran order (the first dimension varies fastest).
    #[must_use]
    pub fn fortran_strides(&self) -> [i64; MAX_DIMS] {
        let mut strides = [0; MAX_DIMS];
        let mut step: i64 = 1;
        for (stride, &dim) in strides.iter_mut().zip(self.dims()) {
            *stride = step;
            step = step.saturating_mul(dim.max(1));
        }
        strides
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (axis, dim) in self.dims().iter().enumerate() {
            write!(f, "{}{dim}", if axis == 0 { "" } else { ", " })?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The bytes of elements of these dimensions without gaps: none where a dimension is 0, whatever
/// the others are.
///
/// # Errors
/// [`Error::TooLarge`] over `i64::MAX` bytes, [`Error::Blocks`].
#[inline]
pub fn dense_bytes(dims: &[i64], dtype: DType) -> Result<u64> {
    let block = i64::from(dtype.block_elements());
    if block > 1 && !dtype.is_packed() {
        let dim = dims.last().copied().unwrap_or(1);
        if dim % block != 0 {
            return Err(Error::Blocks { dim, dtype });
        }
    }
    if dims.contains(&0) {
        return Ok(0);
    }
    let mut elements: u64 = 1;
    for &dim in dims {
        elements = u64::try_from(dim)
            .ok()
            .and_then(|dim| elements.checked_mul(dim))
            .ok_or_else(|| too_large(dims, dtype))?;
    }
    let in_block = u64::from(dtype.block_elements());
    if !elements.is_multiple_of(in_block) {
        return Err(Error::Packed { elements, dtype });
    }
    let blocks = elements / in_block;
    blocks
        .checked_mul(u64::from(dtype.block_bytes()))
        .filter(|&bytes| i64::try_from(bytes).is_ok())
        .ok_or_else(|| too_large(dims, dtype))
}

#[cold]
fn too_large(dims: &[i64], dtype: DType) -> Error {
    let dims: Vec<String> = dims.iter().map(i64::to_string).collect();
    Error::TooLarge {
        elements: dims.join(" x "),
        dtype,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(dims: &[i64]) -> Shape {
        Shape::new(dims).unwrap_or_default()
    }

    #[test]
    fn sizes() {
        assert_eq!(shape(&[]).bytes(DType::F32), Ok(4));
        assert_eq!(shape(&[2, 3]).bytes(DType::F16), Ok(12));
        assert_eq!(shape(&[i64::MAX, i64::MAX, 0]).bytes(DType::F64), Ok(0));
        assert_eq!(shape(&[2, 64]).bytes(DType::Q8_0), Ok(2 * 2 * 34));
        assert_eq!(
            shape(&[2, 33]).bytes(DType::Q8_0),
            Err(Error::Blocks {
                dim: 33,
                dtype: DType::Q8_0
            })
        );
        assert!(matches!(
            shape(&[65536; 4]).bytes(DType::U8),
            Err(Error::TooLarge { .. })
        ));
        assert!(matches!(
            shape(&[i64::MAX]).bytes(DType::F32),
            Err(Error::TooLarge { .. })
        ));
        assert_eq!(
            Shape::new(&[1, -2]),
            Err(Error::Negative { axis: 1, dim: -2 })
        );
        assert_eq!(Shape::new(&[1; 9]), Err(Error::Dimensions { ndim: 9 }));
    }

    #[test]
    fn strides() {
        assert_eq!(shape(&[2, 3, 4]).c_strides(), [12, 4, 1, 0, 0, 0, 0, 0]);
        assert_eq!(
            shape(&[2, 3, 4]).fortran_strides(),
            [1, 2, 6, 0, 0, 0, 0, 0]
        );
        assert_eq!(shape(&[2, 0, 4]).c_strides(), [4, 4, 1, 0, 0, 0, 0, 0]);
        assert_eq!(shape(&[2, 3]).to_string(), "[2, 3]");
    }
}
