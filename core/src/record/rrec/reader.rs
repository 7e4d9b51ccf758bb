//! Records read from their map.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;

use super::format::{Entry, FIELDS, Header, TensorHead};
use crate::dtype::DType;
use crate::map::{Data, DataOptions, Fetch, Mapped, RealStorage, Region, Storage, Window};
use crate::record::error::{Error, Result};
use crate::record::schema::{FieldShape, Schema};
use crate::tensor::{self, Lent, MAX_DIMS, Shape, Source, is_aligned};

/// Room for the head of a tensor in one pread.
pub(super) const HEAD_WINDOW: usize = 512;

/// A finished record file. Opening it reads the header alone; each record is checked when it is
/// asked for.
#[derive(Debug)]
pub struct RrecReader {
    data: Arc<Data>,
    header: Header,
}

/// A tensor of a record, aligned for its dtype, in C order.
#[derive(Clone, Copy, Debug)]
pub struct RecordTensor<'a, 'h> {
    /// The elements' bytes.
    pub bytes: Region<'a>,
    /// The elements' type.
    pub dtype: DType,
    /// The dimensions, at most [`MAX_DIMS`].
    pub dims: &'h [u32],
}

impl<'a> RecordTensor<'a, '_> {
    /// The tensor by itself.
    #[must_use]
    pub fn lent(&self) -> Lent<'a> {
        let shape = Shape::from_u32(self.dims);
        Lent {
            bytes: self.bytes,
            dtype: self.dtype,
            shape,
            fortran_order: false,
        }
    }
}

/// The tensors of one record: input and target.
pub type Records<'a> = [Lent<'a>; FIELDS];

impl RrecReader {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// Those of [`Data::open`] and [`RrecReader::from_data`].
    pub fn open(path: &Path, options: &DataOptions) -> Result<RrecReader> {
        RrecReader::open_in(&RealStorage, path, options)
    }

    /// As [`RrecReader::open`], from a storage.
    ///
    /// # Errors
    /// As [`RrecReader::open`].
    pub fn open_in(
        storage: &dyn Storage,
        path: &Path,
        options: &DataOptions,
    ) -> Result<RrecReader> {
        RrecReader::from_data(Arc::new(Data::open_in(storage, path, options)?))
    }

    /// Opens a record file's bytes.
    ///
    /// # Errors
    /// [`Error::WrongFormat`], [`Error::Version`], [`Error::Unfinished`], [`Error::Malformed`].
    pub fn from_data(data: Arc<Data>) -> Result<RrecReader> {
        let header = Header::read(&data)?;
        header.check(&data)?;
        Ok(RrecReader { data, header })
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

    /// Where the index starts and ends.
    pub(in crate::record) fn index_range(&self) -> (u64, u64) {
        let (start, end) = (self.header.entry_at(0), self.header.entry_at(self.len()));
        (start, end)
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
            let head = self.field_head(&mut self.window(), 0, field)?;
            *own = (Some(head.dtype), FieldShape::Dims(dims));
        }
        Ok(Schema::of_rrec(shapes))
    }

    /// The tensors of a record, borrowed.
    ///
    /// # Errors
    /// [`Error::NoRecord`], [`Error::Malformed`], [`Error::ManyDims`], [`Error::Tensor`] where a
    /// tensor lies misaligned.
    pub fn get(&self, index: u64) -> Result<Records<'_>> {
        let mut lent = [None, None];
        self.lend_each(index, |field, tensor| {
            if let Some(own) = lent.get_mut(field) {
                *own = Some(tensor.lent());
            }
        })?;
        match lent {
            [Some(input), Some(target)] => Ok([input, target]),
            _ => Err(self.no_record(index)),
        }
    }

    /// As [`RrecReader::get`], where nanoseconds count: the tensors come one after the other and
    /// are not moved. `each` is told a field's number and tensor, also if a later field fails.
    ///
    /// # Errors
    /// As [`RrecReader::get`].
    #[inline]
    pub fn lend_each<'a>(
        &'a self,
        index: u64,
        mut each: impl FnMut(usize, RecordTensor<'a, '_>),
    ) -> Result<()> {
        let mut heads = [TensorHead::NONE; FIELDS];
        let mut from = Mapped::new(&self.data);
        self.load_heads(&mut from, index, &mut heads)?;
        for (field, head) in heads.iter().enumerate() {
            let Some(dims) = head.dims() else {
                return Err(self.many_dims(head, index, field, MAX_DIMS));
            };
            let bytes = from
                .region()
                .slice(head.data_at, head.bytes)
                .unwrap_or_default();
            if !is_aligned(bytes, head.dtype) {
                return Err(self.misaligned(head, index, field));
            }
            each(
                field,
                RecordTensor {
                    bytes,
                    dtype: head.dtype,
                    dims,
                },
            );
        }
        Ok(())
    }

    /// The dimensions of a field of a record, however many.
    ///
    /// # Errors
    /// [`Error::NoRecord`], [`Error::NoField`], [`Error::Malformed`].
    pub fn dims(&self, index: u64, field: usize) -> Result<Vec<i64>> {
        if field >= FIELDS {
            return Err(Error::NoField { field, len: FIELDS });
        }
        let mut from = self.window();
        let head = self.field_head(&mut from, index, field)?;
        let mut dims = Vec::new();
        for axis in 0..head.ndim {
            dims.push(i64::from(head.dim(&mut from, axis)?));
        }
        Ok(dims)
    }

    /// Where a field of a record lies.
    ///
    /// # Errors
    /// [`Error::NoRecord`], [`Error::NoField`], [`Error::Malformed`], [`Error::ManyDims`].
    pub(in crate::record) fn source(&self, index: u64, field: usize) -> Result<Source> {
        if field >= FIELDS {
            return Err(Error::NoField { field, len: FIELDS });
        }
        let head = self.field_head(&mut self.window(), index, field)?;
        let shape = head.shape();
        let shape = shape.ok_or_else(|| self.many_dims(&head, index, field, MAX_DIMS))?;
        Ok(Source {
            data: Arc::clone(&self.data),
            offset: head.data_at,
            dtype: head.dtype,
            shape,
        })
    }

    /// For calls that aren't hot: a file that was cut is an error, not a fault.
    pub(super) fn window(&self) -> Window<'_> {
        Window::new(&self.data, HEAD_WINDOW)
    }

    /// The heads of both fields, which together must be the whole record.
    pub(super) fn heads(&self, from: &mut impl Fetch, index: u64) -> Result<[TensorHead; FIELDS]> {
        let mut heads = [TensorHead::NONE; FIELDS];
        self.load_heads(from, index, &mut heads)?;
        Ok(heads)
    }

    /// As [`RrecReader::heads`], in place.
    #[inline]
    pub(super) fn load_heads(
        &self,
        from: &mut impl Fetch,
        index: u64,
        heads: &mut [TensorHead; FIELDS],
    ) -> Result<()> {
        let entry = self.entry(from, index)?;
        let flaw = |flaw: super::format::Flaw| flaw.into_error(self.data.origin(), index);
        let mut at = entry.offset;
        // The target's head stands near the end, where its elements are few.
        from.soon(entry.end().wrapping_sub(16));
        for head in heads {
            head.load(from, at, entry.end()).map_err(flaw)?;
            at = head.end;
        }
        if at == entry.end() {
            Ok(())
        } else {
            Err(self.longer(entry, at, index))
        }
    }

    /// The head of field 0 or 1, once the whole record is checked.
    #[inline]
    pub(super) fn field_head(
        &self,
        from: &mut impl Fetch,
        index: u64,
        field: usize,
    ) -> Result<TensorHead> {
        let mut heads = [TensorHead::NONE; FIELDS];
        self.load_heads(from, index, &mut heads)?;
        let [input, target] = heads;
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
    pub(super) fn entry(&self, from: &mut impl Fetch, index: u64) -> Result<Entry> {
        if index >= self.len() {
            return Err(self.no_record(index));
        }
        Entry::fetch(from, self.header, index, self.data.origin())
    }

    /// The bytes from one record's start to another's end.
    pub(in crate::record) fn span(&self, first: u64, last: u64) -> Result<std::ops::Range<u64>> {
        let mut window = self.window();
        let start = self.entry(&mut window, first)?.offset;
        Ok(start..self.entry(&mut window, last)?.end())
    }

    #[cold]
    fn no_record(&self, index: u64) -> Error {
        let origin = self.data.origin().clone();
        Error::NoRecord {
            origin,
            index,
            len: self.len(),
        }
    }

    #[cold]
    fn misaligned(&self, head: &TensorHead, index: u64, field: usize) -> Error {
        let source = tensor::Error::Misaligned {
            offset: head.data_at,
            dtype: head.dtype,
        };
        let origin = self.data.origin().clone();
        Error::Tensor {
            origin,
            index: Some(index),
            field,
            source,
        }
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
