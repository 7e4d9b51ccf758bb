//! One field of many records.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use std::mem::MaybeUninit;

use super::locate::Found;
use super::options::{Column, FillOptions, GatherOptions, Gathered, Out};
use super::plan::padded_shape;
use super::sight::{Sight, Way};
use crate::dtype::DType;
use crate::record::error::{Error, Result};
use crate::record::reader::{Check, RecordReader};
use crate::tensor::Shape;

impl RecordReader {
    /// Copies field `field` of the records `indices`, in that order, to the start of `out`. All
    /// must be alike in dtype and shape, but for the first dimension where they are padded.
    /// Nothing of the copy need be aligned. The elements are converted on the way where that is
    /// asked for (see [`Conversion`](crate::kernel::Conversion)).
    ///
    /// # Errors
    /// Those of [`RecordReader::get`] but misalignment; [`Error::NoField`], [`Error::NotAlike`],
    /// [`Error::TooLong`], [`Error::NoConversion`], [`Error::SmallBuffer`], [`Error::Checksum`],
    /// [`map::Error::Truncated`](crate::map::Error::Truncated).
    pub fn gather(
        &self,
        field: usize,
        indices: &[u64],
        out: &mut [MaybeUninit<u8>],
        how: &GatherOptions,
    ) -> Result<Gathered> {
        let first = indices.get(..1).unwrap_or_default();
        let (look, _) = self.way(first, &options(how));
        let Some((found, dtype)) = self.alike(field, indices, look, how)? else {
            return Ok(nothing(how));
        };
        let given = out.len() as u64;
        let (out, shape) = match how.pad {
            Some(size) => {
                let (cut, lengths) = (how.cut, &mut [][..]);
                let out = Out::Padded {
                    size,
                    cut,
                    lengths,
                    out,
                };
                (out, padded_shape(&found, size)?)
            }
            None => (Out::Fixed(out), found.shape),
        };
        // Before the others are looked at: a number of them that can't be is a mistake.
        let each = shape.bytes(dtype).unwrap_or(0);
        let needed = each.saturating_mul(indices.len() as u64);
        if needed > given {
            return Err(Error::SmallBuffer { needed, given });
        }
        let way = self.way(indices, &options(how));
        self.fill_one(way, indices, (field, dtype), out, how)?;
        let mut dims = vec![i64::try_from(indices.len()).unwrap_or(i64::MAX)];
        dims.extend_from_slice(shape.dims());
        let shape = Shape::new(&dims).map_err(|source| self.many_dims(field, source))?;
        Ok(gathered(dtype, shape))
    }

    /// Copies field `field` of the records `indices`, whatever their sizes, one after the other to
    /// `out`, and tells where each starts and the last ends, in elements: `offsets` has one more
    /// than there are records. Where `out` is too small, the offsets are told all the same.
    ///
    /// # Errors
    /// As [`RecordReader::gather`].
    pub fn gather_ragged(
        &self,
        field: usize,
        indices: &[u64],
        offsets: &mut [u64],
        out: &mut [MaybeUninit<u8>],
        how: &GatherOptions,
    ) -> Result<Gathered> {
        let way = self.way(indices, &options(how));
        let Some((_, dtype)) = self.alike(field, indices, way.0, how)? else {
            if let Some(first) = offsets.first_mut() {
                *first = 0;
            }
            return Ok(nothing(how));
        };
        let mut room = out;
        let packed = Out::Packed {
            offsets: &mut *offsets,
            room: &mut room,
        };
        self.fill_one(way, indices, (field, dtype), packed, how)?;
        let elements = offsets.get(indices.len()).copied().unwrap_or(0);
        let elements = i64::try_from(elements).unwrap_or(i64::MAX);
        let shape = Shape::new(&[elements]).unwrap_or_default();
        Ok(gathered(dtype, shape))
    }

    fn fill_one(
        &self,
        way: (Way, bool),
        indices: &[u64],
        (field, dtype): (usize, DType),
        out: Out<'_>,
        how: &GatherOptions,
    ) -> Result<()> {
        let mut column = [Column {
            field,
            dtype,
            overflow: how.overflow,
            out,
        }];
        let judge = &mut |_, error| Err(error);
        self.fill_by(way, indices, &mut column, &options(how), judge)?;
        Ok(())
    }

    /// What the first record is like, or, where none is asked for, any.
    fn alike(
        &self,
        field: usize,
        indices: &[u64],
        way: Way,
        how: &GatherOptions,
    ) -> Result<Option<(Found, DType)>> {
        self.check_field(field)?;
        let any = if self.is_empty() { None } else { Some(&0) };
        let Some(&first) = indices.first().or(any) else {
            return Ok(None);
        };
        // A file that was cut and grew again reads without an error, as zeros.
        let reads_tell = way != Way::Map && how.check.unwrap_or(self.check()) != Check::Never;
        self.spot(first)?.check_whole(self, reads_tell)?;
        let (_, found) = self.look(first, field, &mut Sight::new(self, way))?;
        Ok(Some((found, how.dtype.unwrap_or(found.dtype))))
    }

    #[cold]
    fn many_dims(&self, field: usize, source: crate::tensor::Error) -> Error {
        let origin = match self.data(0) {
            Ok(data) => data.origin().clone(),
            Err(_) => crate::map::Origin::Memory,
        };
        Error::Tensor {
            origin,
            index: None,
            field,
            source,
        }
    }
}

fn options(how: &GatherOptions) -> FillOptions {
    FillOptions {
        io: how.io,
        check: how.check,
        announced: false,
    }
}

fn nothing(how: &GatherOptions) -> Gathered {
    Gathered {
        dtype: how.dtype,
        shape: Shape::new(&[0]).unwrap_or_default(),
        bytes: 0,
    }
}

fn gathered(dtype: DType, shape: Shape) -> Gathered {
    Gathered {
        dtype: Some(dtype),
        shape,
        bytes: shape.bytes(dtype).unwrap_or(u64::MAX),
    }
}
