//! A caller's tensor, checked before a byte of it is read.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::error::{Error, Result};
use super::shape::{MAX_DIMS, Shape};
use crate::dtype::DType;
use crate::kernel::{Strided, copy_strided};

/// Elements in somebody's memory, for reading.
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    data: *const u8,
    dtype: DType,
    shape: Shape,
    strides: [i64; MAX_DIMS],
    bytes: u64,
    lends: PhantomData<&'a [u8]>,
}

impl<'a> TensorView<'a> {
    /// A tensor over the `nbytes` bytes at `data`, with strides in elements. Strides may repeat
    /// elements (0) or skip them, not run backwards. Block dtypes have no strides.
    ///
    /// # Safety
    /// `data` is readable for `nbytes` bytes during `'a`, and nobody writes there meanwhile.
    ///
    /// # Errors
    /// [`Error::Stride`], [`Error::TooShort`], [`Error::NoData`], and those of [`Shape::bytes`].
    pub unsafe fn new(
        data: *const u8,
        nbytes: u64,
        dtype: DType,
        shape: Shape,
        strides: [i64; MAX_DIMS],
    ) -> Result<TensorView<'a>> {
        let bytes = shape.bytes(dtype)?;
        let mut strides = if dtype.is_block() {
            shape.c_strides()
        } else {
            strides
        };
        for (stride, &dim) in strides.iter_mut().zip(shape.dims()) {
            // A stride that is never taken can be any number: it must not reach the arithmetic.
            if dim <= 1 {
                *stride = 0;
            }
        }
        let needed = reach(dtype, shape, &strides)?;
        if needed > nbytes {
            return Err(Error::TooShort { needed, nbytes });
        }
        if data.is_null() && needed > 0 {
            return Err(Error::NoData { nbytes: needed });
        }
        Ok(TensorView {
            data,
            dtype,
            shape,
            strides,
            bytes,
            lends: PhantomData,
        })
    }

    /// The elements' type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The shape.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The bytes of all elements in C order.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All elements' bytes, where they lie side by side in C order.
    #[must_use]
    pub fn dense(&self) -> Option<&'a [u8]> {
        if self.bytes == 0 {
            return Some(&[]);
        }
        let mut step = 1;
        for (&dim, &stride) in self.shape.dims().iter().zip(&self.strides).rev() {
            if dim > 1 && stride != step {
                return None;
            }
            step = step.checked_mul(dim.max(1))?;
        }
        let bytes = usize::try_from(self.bytes).ok()?;
        // SAFETY: `new` was promised nbytes readable bytes at `data` that nobody writes during
        // 'a, and found that the elements reach no further.
        Some(unsafe { std::slice::from_raw_parts(self.data, bytes) })
    }

    /// Appends all elements to `out` in C order; false where memory runs out.
    #[must_use]
    pub fn append_to(&self, out: &mut Vec<u8>) -> bool {
        let Ok(bytes) = usize::try_from(self.bytes) else {
            return false;
        };
        if out.try_reserve(bytes).is_err() {
            return false;
        }
        let room = out.spare_capacity_mut().get_mut(..bytes);
        if !room.is_some_and(|room| self.copy_to(room)) {
            return false;
        }
        let len = out.len() + bytes;
        // SAFETY: the copy wrote all `bytes` bytes after the old length.
        unsafe { out.set_len(len) };
        true
    }

    /// Copies all elements to `out` in C order; false, and nothing copied, where it has another
    /// size.
    #[must_use]
    pub fn copy_to(&self, out: &mut [MaybeUninit<u8>]) -> bool {
        let bytes = out.len();
        if self.bytes != bytes as u64 {
            return false;
        }
        if bytes > 0 {
            let (dims, strides) = (self.shape.dims(), self.strides.get(..self.shape.ndim()));
            let to = out.as_mut_ptr().cast();
            let size = self.dtype.block_bytes() as usize;
            let dense = self.shape.c_strides();
            let (dims, strides, dense): (&[i64], &[i64], &[i64]) = if self.dtype.is_block() {
                (&[(bytes / size) as i64], &[1], &[1])
            } else {
                (
                    dims,
                    strides.unwrap_or_default(),
                    dense.get(..dims.len()).unwrap_or_default(),
                )
            };
            let (start, to) = (
                self.data,
                Strided {
                    start: to,
                    strides: dense,
                },
            );
            // SAFETY: `new` checked that every index reaches inside the nbytes readable bytes, or
            // (block dtypes) that they hold all blocks side by side; `out` is borrowed alone, so
            // that it overlaps nothing readable, and has just the size of the elements without
            // gaps.
            unsafe { copy_strided(Strided { start, strides }, to, size, dims) };
        }
        true
    }

    /// The same elements with the dimensions in reverse: its C order is this one's Fortran order.
    /// None for block dtypes, whose last dimension must stay the last.
    #[must_use]
    pub fn transposed(&self) -> Option<TensorView<'a>> {
        let ndim = self.shape.ndim();
        if self.dtype.is_block() {
            return None;
        }
        let (mut dims, mut strides) = (self.shape.padded(), self.strides);
        let dims = dims.get_mut(..ndim)?;
        dims.reverse();
        strides.get_mut(..ndim)?.reverse();
        Some(TensorView {
            shape: Shape::new(dims).ok()?,
            strides,
            ..*self
        })
    }

    /// Gives `take` the elements in C order, as views of at most `limit` bytes (of one element at
    /// least); with `dense_whole`, a view whose elements lie side by side is not cut.
    ///
    /// # Errors
    /// The first of `take`.
    pub fn pieces<E>(
        &self,
        limit: u64,
        dense_whole: bool,
        take: &mut impl FnMut(&TensorView<'a>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let rows = self
            .shape
            .dims()
            .first()
            .copied()
            .unwrap_or(0)
            .cast_unsigned();
        let whole = dense_whole && self.dense().is_some();
        if self.bytes <= limit || whole || rows == 0 {
            return take(self);
        }
        if self.dtype.is_block() {
            return self.block_pieces(limit, take);
        }
        let row_bytes = self.bytes / rows;
        let together = (limit / row_bytes).max(1);
        for first in (0..rows).step_by(usize::try_from(together).unwrap_or(usize::MAX)) {
            let part = match row_bytes <= limit || self.shape.ndim() == 1 {
                true => self.rows(first, together.min(rows - first)),
                false => self.row(first),
            };
            if let Some(part) = part {
                part.pieces(limit, dense_whole, take)?;
            }
        }
        Ok(())
    }

    /// As [`TensorView::pieces`], where rows needn't begin at blocks: rows of blocks, of no shape.
    fn block_pieces<E>(
        &self,
        limit: u64,
        take: &mut impl FnMut(&TensorView<'a>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let size = u64::from(self.dtype.block_bytes());
        let step = (limit / size).max(1).saturating_mul(size);
        let mut start = 0;
        while start < self.bytes {
            let bytes = step.min(self.bytes - start);
            // No more elements than the tensor has, whose bytes are at most i64::MAX.
            let elements = (bytes / size).saturating_mul(self.dtype.block_elements().into());
            let shape = i64::try_from(elements).map_or(Ok(Shape::default()), |n| Shape::new(&[n]));
            let shape = shape.unwrap_or_default();
            take(&TensorView {
                data: self
                    .data
                    .wrapping_add(usize::try_from(start).unwrap_or(usize::MAX)),
                shape,
                strides: shape.c_strides(),
                bytes,
                ..*self
            })?;
            start += bytes;
        }
        Ok(())
    }

    /// The tensor at position `row` of the outermost dimension; none where there is none, or where
    /// it doesn't begin at a block.
    #[must_use]
    pub fn row(&self, row: u64) -> Option<TensorView<'a>> {
        let (&rows, dims) = self.shape.dims().split_first()?;
        if self.dtype.is_block() && dims.is_empty() || row >= rows.cast_unsigned() {
            return None;
        }
        let mut strides = [0; MAX_DIMS];
        strides
            .get_mut(..MAX_DIMS - 1)?
            .copy_from_slice(self.strides.get(1..)?);
        self.part(row, Shape::new(dims).ok()?, strides)
    }

    /// The tensor of the `count` positions from `first` on of the outermost dimension; none where
    /// there aren't so many.
    pub(crate) fn rows(&self, first: u64, count: u64) -> Option<TensorView<'a>> {
        let mut dims = self.shape.padded();
        let dims = dims.get_mut(..self.shape.ndim())?;
        let rows = dims.first_mut()?;
        let end = first.checked_add(count)?;
        if self.dtype.is_block() && self.shape.ndim() < 2 || end > rows.cast_unsigned() {
            return None;
        }
        *rows = i64::try_from(count).ok()?;
        self.part(first, Shape::new(dims).ok()?, self.strides)
    }

    /// A tensor of this one's elements that starts at position `row` of the outermost dimension.
    fn part(&self, row: u64, shape: Shape, strides: [i64; MAX_DIMS]) -> Option<TensorView<'a>> {
        let bytes = shape.bytes(self.dtype).ok()?;
        // An empty tensor's strides were never checked and its data may be null.
        let offset = if bytes == 0 {
            0
        } else if self.dtype.is_block() {
            let rows = self.shape.dims().first()?.cast_unsigned();
            let block = u64::from(self.dtype.block_elements());
            let blocks = self.bytes / u64::from(self.dtype.block_bytes());
            let before = blocks
                .checked_mul(block)?
                .checked_div(rows)?
                .checked_mul(row)?;
            if before % block != 0 {
                return None;
            }
            (before / block).checked_mul(self.dtype.block_bytes().into())?
        } else {
            let step = self.strides.first()?.cast_unsigned();
            row.checked_mul(step)?
                .checked_mul(self.dtype.block_bytes().into())?
        };
        Some(TensorView {
            data: self.data.wrapping_add(usize::try_from(offset).ok()?),
            dtype: self.dtype,
            shape,
            strides,
            bytes,
            lends: PhantomData,
        })
    }
}

/// How many bytes shape and strides reach from the first element.
pub(super) fn reach(dtype: DType, shape: Shape, strides: &[i64; MAX_DIMS]) -> Result<u64> {
    let dense = shape.bytes(dtype)?;
    if dense == 0 || dtype.is_block() {
        return Ok(dense);
    }
    let too_large = || Error::TooLarge {
        elements: format!("{shape} strided"),
        dtype,
    };
    let mut last: i64 = 0;
    for (axis, (&dim, &stride)) in shape.dims().iter().zip(strides).enumerate() {
        if stride < 0 {
            return Err(Error::Stride { axis, stride });
        }
        last = (dim - 1)
            .checked_mul(stride)
            .and_then(|far| last.checked_add(far))
            .ok_or_else(too_large)?;
    }
    last.checked_add(1)
        .and_then(|elements| elements.checked_mul(i64::from(dtype.block_bytes())))
        .and_then(|bytes| u64::try_from(bytes).ok())
        .ok_or_else(too_large)
}
