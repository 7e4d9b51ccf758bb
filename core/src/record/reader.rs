//! Records read from their map.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;

use super::error::{Error, Result};
use super::rrec::{Entry, FIELDS, Header, TensorHead};
use super::schema::{FieldShape, Schema};
use crate::map::{Data, DataOptions, Fetch, Mapped, RealStorage, Storage};
use crate::tensor::{Lent, MAX_DIMS};

/// A finished record file. Opening it reads the header alone; each record is checked when it is
/// asked for.
#[derive(Debug)]
pub struct RecordReader {
    data: Arc<Data>,
    header: Header,
}

/// The tensors of one record: input and target.
pub type Records<'a> = [Lent<'a>; FIELDS];

impl RecordReader {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// Those of [`Data::open`] and [`RecordReader::from_data`].
    pub fn open(path: &Path, options: &DataOptions) -> Result<RecordReader> {
        RecordReader::open_in(&RealStorage, path, options)
    }

    /// As [`RecordReader::open`], from a storage.
    ///
    /// # Errors
    /// As [`RecordReader::open`].
    pub fn open_in(
        storage: &dyn Storage,
        path: &Path,
        options: &DataOptions,
    ) -> Result<RecordReader> {
        RecordReader::from_data(Arc::new(Data::open_in(storage, path, options)?))
    }

    /// Opens a record file's bytes.
    ///
    /// # Errors
    /// [`Error::WrongFormat`], [`Error::Version`], [`Error::Unfinished`], [`Error::Malformed`].
    pub fn from_data(data: Arc<Data>) -> Result<RecordReader> {
        let header = Header::read(&data)?;
        header.check(&data)?;
        Ok(RecordReader { data, header })
    }

    /// The number of records.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.header.records
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The file's bytes.
    #[must_use]
    pub fn data(&self) -> &Arc<Data> {
        &self.data
    }

    pub(super) fn header(&self) -> Header {
        self.header
    }

    /// The fields as record 0 has them; this format declares none, and other records may differ.
    ///
    /// # Errors
    /// Those of record 0.
    pub fn schema(&self) -> Result<Schema> {
        let any = || (None, FieldShape::Any);
        if self.is_empty() {
            return Ok(Schema::of_rrec([any(), any()]));
        }
        let mut shapes = [any(), any()];
        for (field, own) in shapes.iter_mut().enumerate() {
            let dims = self.dims(0, field)?;
            let head = self.field_head(&mut Mapped::new(&self.data), 0, field)?;
            *own = (Some(head.dtype), FieldShape::Dims(dims));
        }
        Ok(Schema::of_rrec(shapes))
    }

    /// The tensors of a record, borrowed.
    ///
    /// # Errors
    /// [`Error::NoRecord`], [`Error::Malformed`], [`Error::ManyDims`], [`Error::Tensor`] where a
    /// tensor lies misaligned.
    #[inline]
    pub fn get(&self, index: u64) -> Result<Records<'_>> {
        let heads = self.heads(&mut Mapped::new(&self.data), index)?;
        let [input, target] = heads;
        Ok([self.lend(&input, index, 0)?, self.lend(&target, index, 1)?])
    }

    /// The dimensions of a field of a record, however many.
    ///
    /// # Errors
    /// [`Error::NoRecord`], [`Error::NoField`], [`Error::Malformed`].
    pub fn dims(&self, index: u64, field: usize) -> Result<Vec<i64>> {
        if field >= FIELDS {
            return Err(Error::NoField { field, len: FIELDS });
        }
        let mut from = Mapped::new(&self.data);
        let head = self.field_head(&mut from, index, field)?;
        let mut dims = Vec::new();
        for axis in 0..head.ndim {
            dims.push(i64::from(head.dim(&mut from, axis)?));
        }
        Ok(dims)
    }

    /// The heads of both fields, which together must be the whole record.
    #[inline]
    pub(super) fn heads(&self, from: &mut impl Fetch, index: u64) -> Result<[TensorHead; FIELDS]> {
        let entry = self.entry(from, index)?;
        let origin = self.data.origin();
        let flaw = |flaw: super::rrec::Flaw| flaw.into_error(origin, index);
        let input = TensorHead::fetch(from, entry.offset, entry.end()).map_err(flaw)?;
        let target = TensorHead::fetch(from, input.end, entry.end()).map_err(flaw)?;
        if target.end != entry.end() {
            return Err(self.longer(entry, target.end, index));
        }
        Ok([input, target])
    }

    /// The head of field 0 or 1, once the whole record is checked.
    #[inline]
    pub(super) fn field_head(
        &self,
        from: &mut impl Fetch,
        index: u64,
        field: usize,
    ) -> Result<TensorHead> {
        let [input, target] = self.heads(from, index)?;
        Ok(if field == 0 { input } else { target })
    }

    #[cold]
    fn longer(&self, entry: Entry, end: u64, index: u64) -> Error {
        let why = format!(
            "its tensors end here, but its index entry says that it ends at byte {}",
            entry.end()
        );
        let origin = self.data.origin().clone();
        Error::Malformed {
            origin,
            offset: end,
            index: Some(index),
            why,
        }
    }

    #[inline]
    fn entry(&self, from: &mut impl Fetch, index: u64) -> Result<Entry> {
        if index >= self.len() {
            let origin = self.data.origin().clone();
            return Err(Error::NoRecord {
                origin,
                index,
                len: self.len(),
            });
        }
        Entry::fetch(from, self.header, index, self.data.origin())
    }

    #[inline]
    fn lend(&self, head: &TensorHead, index: u64, field: usize) -> Result<Lent<'_>> {
        let Some(shape) = head.shape else {
            return Err(self.many_dims(head, index, field, MAX_DIMS));
        };
        let bytes = self
            .data
            .region()
            .slice(head.data_at, head.bytes)
            .unwrap_or_default();
        Lent::new(bytes, head.dtype, shape, head.data_at).map_err(|source| {
            let origin = self.data.origin().clone();
            Error::Tensor {
                origin,
                index: Some(index),
                field,
                source,
            }
        })
    }

    #[cold]
    pub(super) fn many_dims(
        &self,
        head: &TensorHead,
        index: u64,
        field: usize,
        most: usize,
    ) -> Error {
        let origin = self.data.origin().clone();
        Error::ManyDims {
            origin,
            index,
            field,
            ndim: head.ndim.into(),
            most,
        }
    }
}
