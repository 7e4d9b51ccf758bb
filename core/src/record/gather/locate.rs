//! Where a field of a record lies, whatever its format.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use super::kept::Kept;
use crate::dtype::DType;
use crate::map::{self, Data, Fetch};
use crate::record::FIELDS;
use crate::record::error::{Error, Result};
use crate::record::reader::{FileRef, RecordReader};
use crate::tensor::{MAX_DIMS, Shape};

/// A record of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot<'a> {
    pub(super) file: FileRef<'a>,
    pub(super) shard: usize,
    /// Its number in the file.
    pub(super) index: u64,
}

/// A field of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) at: u64,
    pub(super) bytes: u64,
    pub(super) dtype: DType,
    pub(super) shape: Shape,
}

/// What records must have in common to lie side by side.
#[derive(Clone, Copy, Debug)]
pub(in crate::record) struct Alike {
    pub(in crate::record) dtype: DType,
    pub(in crate::record) shape: Shape,
    pub(super) bytes: u64,
    /// The dimensions, as rrec has them; only compared where they fit.
    dims: [u32; MAX_DIMS],
}

impl Alike {
    pub(super) fn new(dtype: DType, shape: Shape, bytes: u64) -> Alike {
        let mut dims = [0; MAX_DIMS];
        for (own, &dim) in dims.iter_mut().zip(shape.dims()) {
            *own = u32::try_from(dim).unwrap_or(u32::MAX);
        }
        Alike {
            dtype,
            shape,
            bytes,
            dims,
        }
    }

    /// The dimensions in 32 bits.
    #[inline]
    pub(in crate::record) fn dims(&self) -> &[u32] {
        self.dims.get(..self.shape.ndim()).unwrap_or_default()
    }
}

impl RecordReader {
    #[inline]
    pub(super) fn spot(&self, row: u64) -> Result<Spot<'_>> {
        let (shard, index) = self.shard_of(row)?;
        let file = self.file(shard)?;
        Ok(Spot { file, shard, index })
    }
}

impl<'a> Spot<'a> {
    #[inline]
    pub(super) fn data(&self) -> &'a Arc<Data> {
        match self.file {
            FileRef::Rrec(file) => file.data(),
            FileRef::Arec(file) => file.data(),
        }
    }

    /// Whether the file is as long as it was at open, and always was. A file that was cut and has
    /// its tables again may be read where `reads_tell`: by pread, with the checksums compared.
    pub(super) fn check_whole(&self, reader: &'a RecordReader, reads_tell: bool) -> Result<()> {
        let seen = self.data().still_whole();
        match (self.file, seen) {
            (FileRef::Arec(file), Err(map::Error::Truncated { .. }))
                if reads_tell && self.kept(reader).is_mended(file) =>
            {
                Ok(())
            }
            (_, seen) => Ok(seen?),
        }
    }

    /// What is kept of the file's tables.
    pub(super) fn kept(&self, reader: &'a RecordReader) -> &'a Kept {
        let new = || Kept::new(self.data(), self.tables_at());
        reader.tools().kept(reader.shards(), self.shard, new)
    }

    /// The field of the record.
    #[inline]
    pub(super) fn find(&self, from: &mut impl Fetch, field: usize) -> Result<Found> {
        match self.file {
            FileRef::Rrec(file) => {
                let (at, bytes, dtype, shape) = file.found(from, self.index, field)?;
                Ok(Found {
                    at,
                    bytes,
                    dtype,
                    shape,
                })
            }
            FileRef::Arec(file) => {
                let place = file.place(from, self.index, field)?;
                let row = file.layout().fields.get(field);
                let dtype = row.ok_or_else(|| file.no_field(field))?.dtype;
                Ok(Found {
                    at: place.offset,
                    bytes: place.bytes,
                    dtype,
                    shape: place.shape,
                })
            }
        }
    }

    /// Where the field of the record starts, which must be alike.
    #[inline]
    pub(super) fn find_alike(
        &self,
        from: &mut impl Fetch,
        field: usize,
        alike: &Alike,
    ) -> Result<u64> {
        match self.file {
            FileRef::Rrec(file) => file.place_alike(from, self.index, field, alike),
            FileRef::Arec(file) => {
                let place = file.place(from, self.index, field)?;
                if place.shape == alike.shape {
                    Ok(place.offset)
                } else {
                    Err(self.not_alike(field, alike, place.shape))
                }
            }
        }
    }

    /// A field of the record as far as the schema tells all of it; none where the record must be
    /// looked at.
    pub(super) fn declared(&self, field: usize) -> Result<Option<Found>> {
        match self.file {
            FileRef::Rrec(file) if field >= FIELDS => Err(file.no_field(field)),
            FileRef::Rrec(_) => Ok(None),
            FileRef::Arec(file) => {
                let row = file.layout().fields.get(field);
                let row = row.ok_or_else(|| file.no_field(field))?;
                Ok(row.is_fixed().then_some(Found {
                    at: 0,
                    bytes: row.unit,
                    dtype: row.dtype,
                    shape: row.shape,
                }))
            }
        }
    }

    /// Where the record lies.
    #[inline]
    pub(super) fn extent(&self, from: &mut impl Fetch) -> Result<(u64, u64)> {
        match self.file {
            FileRef::Rrec(file) => file.extent(from, self.index),
            FileRef::Arec(file) => file.extent(from, self.index),
        }
    }

    /// Whether the format has checksums.
    #[inline]
    pub(super) fn has_checksums(&self) -> bool {
        matches!(self.file, FileRef::Arec(_))
    }

    /// The checksum of the field, where the format has any.
    #[inline]
    pub(super) fn crc(&self, from: &mut impl Fetch, field: usize) -> Result<Option<u32>> {
        match self.file {
            FileRef::Rrec(_) => Ok(None),
            FileRef::Arec(file) => file.crc(from, self.index, field).map(Some),
        }
    }

    /// Starts fetching what says where the record lies; false where that makes nothing faster.
    #[inline]
    pub(super) fn soon(&self, from: &mut impl Fetch, field: usize, with_crc: bool) {
        match self.file {
            FileRef::Rrec(file) => file.entry_soon(from, self.index),
            FileRef::Arec(file) => file.soon(from, self.index, field, with_crc),
        }
    }

    /// As [`Spot::soon`], of what that leads to.
    #[inline]
    pub(super) fn soon_after(&self, from: &mut impl Fetch) {
        if let FileRef::Rrec(file) = self.file {
            file.heads_soon(from, self.index);
        }
    }

    /// Where the tables of the file start, that its end has.
    pub(super) fn tables_at(&self) -> u64 {
        match self.file {
            FileRef::Rrec(file) => file.index_at(),
            FileRef::Arec(file) => file.trailer().footer,
        }
    }

    /// What is told of a field whose copy has another checksum.
    #[cold]
    pub(super) fn wrong_sum(&self, field: usize, at: u64) -> Error {
        match self.file {
            // It has no checksums.
            FileRef::Rrec(file) => file.no_field(field),
            FileRef::Arec(file) => file.wrong_sum(self.index, field, at),
        }
    }

    #[cold]
    pub(super) fn not_alike(&self, field: usize, alike: &Alike, shape: Shape) -> Error {
        let name = |shape: &Shape| format!("{} {shape}", alike.dtype.name());
        Error::NotAlike {
            origin: self.data().origin().clone(),
            index: self.index,
            field,
            found: name(&shape),
            first: name(&alike.shape),
        }
    }
}
