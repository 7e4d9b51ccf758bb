//! A part of a tensor in a file: rows of it, and columns of these.

use std::ops::Range;

use super::error::{Error, Result};
use super::shape::{MAX_DIMS, Shape};
use super::source::Source;
use crate::dtype::DType;

/// Which elements of a tensor: positions of the first dimension and of the last, as tensor
/// parallelism cuts weights. None means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Positions of the first dimension.
    pub rows: Option<Range<u64>>,
    /// Positions of the last dimension, which must not be the first too; whole blocks, where the
    /// dtype has them.
    pub columns: Option<Range<u64>>,
}

/// Elements in a file's bytes: runs of equal length at equal distances. [`Source::part`] makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The elements' type.
    pub dtype: DType,
    /// The part's own shape.
    pub shape: Shape,
    /// Where the first run starts in the file's bytes.
    pub offset: u64,
    /// The bytes of a run.
    pub run_bytes: u64,
    /// From the start of a run to that of the next, in bytes.
    pub stride: u64,
    /// How many runs there are. Elements side by side are one.
    pub runs: u64,
}

impl Part {
    /// The bytes of all runs: no more than the tensor has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.run_bytes.saturating_mul(self.runs)
    }

    /// The bytes from the first run's start to the last one's end.
    #[must_use]
    pub fn span(&self) -> u64 {
        let before = self.stride.saturating_mul(self.runs.saturating_sub(1));
        before.saturating_add(self.run_bytes)
    }
}

impl Source {
    /// The part of this tensor that `slice` says.
    ///
    /// # Errors
    /// [`Error::NoPart`], [`Error::NoAxis`], [`Error::InBlock`], and those of [`Shape::bytes`].
    pub fn part(&self, slice: &Slice) -> Result<Part> {
        let (dtype, shape) = (self.dtype, self.shape);
        let total = shape.bytes(dtype)?;
        let whole = Part {
            dtype,
            shape,
            offset: self.offset,
            run_bytes: total,
            stride: total,
            runs: 1,
        };
        let part = match &slice.rows {
            Some(rows) => rows_of(whole, rows)?,
            None => whole,
        };
        match &slice.columns {
            Some(columns) => columns_of(part, columns),
            None => Ok(part),
        }
    }
}

/// The positions `range` of dimension `axis`.
fn with_axis(shape: Shape, axis: usize, range: &Range<u64>, what: &'static str) -> Result<Shape> {
    let mut dims: [i64; MAX_DIMS] = shape.padded();
    let ndim = shape.ndim();
    let own = dims.get_mut(..ndim).unwrap_or_default();
    let dim = own.get_mut(axis).ok_or(Error::NoAxis { what, ndim })?;
    let count = range.end.checked_sub(range.start);
    match count.filter(|_| range.end <= dim.cast_unsigned()) {
        // At most the dimension's size, which is an i64.
        Some(count) => *dim = count.cast_signed(),
        None => {
            return Err(Error::NoPart {
                what,
                start: range.start,
                end: range.end,
                dim: *dim,
            });
        }
    }
    Shape::new(own)
}

fn rows_of(whole: Part, rows: &Range<u64>) -> Result<Part> {
    let shape = with_axis(whole.shape, 0, rows, "rows")?;
    if whole.dtype.is_block() && (shape.ndim() < 2 || whole.dtype.is_packed()) {
        // The rows are elements of blocks, or may begin inside of a byte.
        return columns_like(whole, shape, rows);
    }
    let dim = whole.shape.dims().first().copied().unwrap_or(0);
    let row_bytes = whole
        .run_bytes
        .checked_div(dim.cast_unsigned())
        .unwrap_or(0);
    let bytes = shape.bytes(whole.dtype)?;
    Ok(Part {
        shape,
        // Inside the tensor: rows.start is at most its rows.
        offset: whole
            .offset
            .saturating_add(row_bytes.saturating_mul(rows.start)),
        run_bytes: bytes,
        stride: bytes,
        ..whole
    })
}

/// Rows that are no whole number of bytes by nature.
fn columns_like(whole: Part, shape: Shape, rows: &Range<u64>) -> Result<Part> {
    let dtype = whole.dtype;
    let block = u64::from(dtype.block_elements());
    let inner: u64 = whole
        .shape
        .dims()
        .iter()
        .skip(1)
        .fold(1, |all, &dim| all.saturating_mul(dim.cast_unsigned()));
    let start = rows.start.saturating_mul(inner);
    let end = rows.end.saturating_mul(inner);
    if !start.is_multiple_of(block) || !end.is_multiple_of(block) {
        return Err(Error::InBlock {
            what: "rows",
            start: rows.start,
            end: rows.end,
            dtype,
        });
    }
    let size = u64::from(dtype.block_bytes());
    let bytes = shape.bytes(dtype)?;
    Ok(Part {
        shape,
        offset: whole
            .offset
            .saturating_add((start / block).saturating_mul(size)),
        run_bytes: bytes,
        stride: bytes,
        ..whole
    })
}

fn columns_of(part: Part, columns: &Range<u64>) -> Result<Part> {
    let (dtype, whole) = (part.dtype, part.shape);
    let what = "columns";
    let Some(last) = whole.ndim().checked_sub(1).filter(|&last| last > 0) else {
        let ndim = whole.ndim();
        return Err(Error::NoAxis { what, ndim });
    };
    let shape = with_axis(whole, last, columns, what)?;
    let dim = whole.dims().last().copied().unwrap_or(0).cast_unsigned();
    let block = u64::from(dtype.block_elements());
    let (start, end) = (columns.start, columns.end);
    if start == 0 && end == dim {
        return Ok(part);
    }
    if [start, end, dim]
        .iter()
        .any(|position| position % block != 0)
    {
        return Err(Error::InBlock {
            what,
            start,
            end,
            dtype,
        });
    }
    let size = u64::from(dtype.block_bytes());
    let bytes = shape.bytes(dtype)?;
    if bytes == 0 {
        // What would lie behind other elements might lie behind the file.
        return Ok(Part {
            shape,
            run_bytes: 0,
            stride: 0,
            runs: 1,
            ..part
        });
    }
    // Nothing overflows: the part has bytes, and all of it lies in memory's range.
    let stride = (dim / block).saturating_mul(size);
    let run_bytes = ((end - start) / block).saturating_mul(size);
    let before = (start / block).saturating_mul(size);
    let runs = bytes.checked_div(run_bytes).unwrap_or(0);
    let (run_bytes, stride, runs) = match runs {
        1 => (bytes, bytes, 1),
        _ => (run_bytes, stride, runs),
    };
    Ok(Part {
        shape,
        offset: part.offset.saturating_add(before),
        run_bytes,
        stride,
        runs,
        ..part
    })
}
