//! An array in a mapped file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::appender::Appender;
use super::error::{Error, Result};
use super::header::{Format, Header};
use crate::dtype::DType;
use crate::map::{Access, Data, DataOptions, RealStorage, Region, Storage, TO_END};
use crate::tensor::{Lent, MAX_DIMS, Shape, Source};

/// How to open an array.
#[derive(Clone, Debug, Default)]
pub struct ArrayOptions {
    /// How to open the file's bytes; its `access` is the array's mode.
    pub data: DataOptions,
    /// The dtype of elements that the file gives a size but no type, as `.npy` files of bfloat16
    /// and float8 do. Another dtype than the file's is an error.
    pub dtype: Option<DType>,
    /// Whether appended rows may overwrite what lies behind the elements.
    pub overwrite_trailing: bool,
}

/// An array in a file: its elements lie where the file's bytes lie.
///
/// Formats: `.npy` 1.0, 2.0 and 3.0 with elements of [`DType`]'s numeric types, and `MMAP`. Bytes
/// after the elements are allowed.
pub struct Array {
    pub(super) data: Arc<Data>,
    pub(super) header: Header,
    pub(super) bytes: u64,
    /// None where the bytes were open already.
    pub(super) appender: Option<Appender>,
}

impl Array {
    /// Opens the array in the file at `path`.
    ///
    /// # Errors
    /// Those of [`Data::open`]; [`Error::WrongFormat`], [`Error::Malformed`] also where the file
    /// ends before the shape's elements do; [`Error::Unsupported`] for structured, object, string
    /// and date dtypes, void ones that no dtype is named for, unknown versions and headers of more
    /// than 10,000 bytes; [`Error::DType`] where another one was named.
    pub fn open(path: &Path, options: &ArrayOptions) -> Result<Array> {
        Array::open_in(&(Arc::new(RealStorage) as Arc<dyn Storage>), path, options)
    }

    /// As [`Array::open`], from a storage.
    ///
    /// # Errors
    /// As [`Array::open`].
    pub fn open_in(
        storage: &Arc<dyn Storage>,
        path: &Path,
        options: &ArrayOptions,
    ) -> Result<Array> {
        let data = Data::open_in(storage.as_ref(), path, &options.data)?;
        let mut array = Array::from_data(Arc::new(data), options.dtype)?;
        if options.data.access == Access::ReadWrite {
            // Only now: a file that holds no array stays as it is.
            let end = array.header.data_offset.saturating_add(array.bytes);
            array.data.fill_holes(end)?;
            let trailing = options.overwrite_trailing;
            array.appender = Some(Appender::of_open(storage, path, trailing)?);
        }
        Ok(array)
    }

    /// The array in a file's bytes; `named` is the dtype of elements without a type. Where the
    /// bytes can be written, so can the elements, but no rows can be appended: whoever shares the
    /// bytes would append to the same place.
    ///
    /// # Errors
    /// As [`Array::open`].
    pub fn from_data(data: Arc<Data>, named: Option<DType>) -> Result<Array> {
        let header = Header::read(&data, named)?;
        let malformed = |offset: u64, why: String| Error::Malformed {
            origin: data.origin().clone(),
            offset,
            why,
        };
        let bytes = header
            .bytes()
            .map_err(|error| malformed(header.shape_offset, error.to_string()))?;
        let available = data.len().saturating_sub(header.data_offset);
        if bytes > available {
            let why = format!(
                "the shape's elements take {bytes} bytes from here on, but the file has \
                 {available}; it is incomplete"
            );
            return Err(malformed(header.data_offset, why));
        }
        Ok(Array {
            data,
            header,
            bytes,
            appender: None,
        })
    }

    /// The file's bytes.
    #[must_use]
    pub fn data(&self) -> &Arc<Data> {
        &self.data
    }

    /// Where the elements start in the file's bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.header.data_offset
    }

    /// The elements' bytes, in the order and byte order of the file.
    #[must_use]
    pub fn region(&self) -> Region<'_> {
        if self.bytes == 0 {
            return Region::EMPTY;
        }
        self.data
            .region()
            .slice(self.header.data_offset, self.bytes)
            .unwrap_or(Region::EMPTY)
    }

    /// A part of the elements' bytes.
    ///
    /// # Errors
    /// [`map::Error::OutOfRange`](crate::map::Error::OutOfRange).
    pub(super) fn piece(&self, offset: u64, len: u64) -> Result<Region<'_>> {
        let piece = self.region().slice(offset, len);
        piece.ok_or_else(|| self.outside(offset, len))
    }

    pub(super) fn outside(&self, offset: u64, len: u64) -> Error {
        let outside = crate::map::Error::OutOfRange {
            origin: self.data.origin().clone(),
            offset,
            len,
            size: self.bytes,
        };
        outside.into()
    }

    /// The elements' bytes for writing, where the array was opened for it; null where there are
    /// none.
    ///
    /// # Errors
    /// [`map::Error::ReadOnly`](crate::map::Error::ReadOnly).
    pub fn as_mut_ptr(&self) -> Result<*mut u8> {
        match self.data.as_mut_ptr() {
            Some(_) if self.bytes == 0 => Ok(std::ptr::null_mut()),
            // Inside the bytes, as `from_data` has checked.
            Some(start) => Ok(start.wrapping_add(self.header.data_offset as usize)),
            None => Err(crate::map::Error::ReadOnly {
                origin: self.data.origin().clone(),
                mode: "open for reading",
                why: "its elements can't be changed; open it read-write or copy-on-write",
            }
            .into()),
        }
    }

    /// Makes what was written to a range of the elements' bytes durable; `len` may be
    /// [`TO_END`](crate::map::TO_END). After a failure no later flush succeeds.
    ///
    /// # Errors
    /// Those of [`Data::flush`].
    pub fn flush(&self, offset: u64, len: u64) -> Result<()> {
        let (offset, len) = self.range(offset, len)?;
        Ok(self.data.flush(offset, len)?)
    }

    /// Where a range of the elements' bytes lies in the file's.
    ///
    /// # Errors
    /// [`map::Error::OutOfRange`](crate::map::Error::OutOfRange).
    pub fn range(&self, offset: u64, len: u64) -> Result<(u64, u64)> {
        let rest = self.bytes.checked_sub(offset);
        match rest.map(|rest| {
            if len == TO_END {
                (rest, rest)
            } else {
                (rest, len)
            }
        }) {
            Some((rest, len)) if len <= rest => {
                Ok((self.header.data_offset.saturating_add(offset), len))
            }
            _ => Err(self.outside(offset, len)),
        }
    }

    /// The file's format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.header.format
    }

    /// The elements' type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.header.dtype
    }

    /// The dimensions, outermost first; there may be more than [`MAX_DIMS`].
    #[must_use]
    pub fn dims(&self) -> &[i64] {
        &self.header.dims
    }

    /// Whether the elements are of several bytes, the most significant one first.
    #[must_use]
    pub fn big_endian(&self) -> bool {
        self.header.big_endian
    }

    /// Whether the file says that the first dimension varies fastest.
    #[must_use]
    pub fn fortran_order(&self) -> bool {
        self.header.fortran_order
    }

    /// The array as what loads and uploads take: native byte order, C order.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for elements in the other byte order, Fortran order, or more than 8
    /// dimensions.
    pub fn source(&self) -> Result<Source> {
        let shape = self.native_shape()?;
        if !self.is_c_order() {
            let what = "the elements are in Fortran order, not in C order; read them by strides";
            return Err(self.unsupported(self.header.data_offset, what.to_owned()));
        }
        Ok(Source {
            data: Arc::clone(&self.data),
            offset: self.header.data_offset,
            dtype: self.header.dtype,
            shape,
        })
    }

    /// The elements where they lie. Fortran order is told by the strides.
    ///
    /// # Errors
    /// [`Error::Tensor`] where they aren't aligned for their dtype; [`Error::Unsupported`] for
    /// elements in the other byte order or more than 8 dimensions.
    pub fn tensor(&self) -> Result<Lent<'_>> {
        let shape = self.native_shape()?;
        let offset = self.header.data_offset;
        let lent = Lent::new(self.region(), self.header.dtype, shape, offset)
            .map_err(|source| self.tensor_error(source))?;
        Ok(if self.is_c_order() {
            lent
        } else {
            lent.in_fortran_order()
        })
    }

    /// The shape, where the elements are in this machine's byte order and it is a tensor's.
    fn native_shape(&self) -> Result<Shape> {
        let dtype = self.header.dtype;
        if self.header.is_swapped() {
            let order = if self.header.big_endian {
                "big"
            } else {
                "little"
            };
            let what = format!(
                "the {} elements are {order}-endian: their bytes need swapping, so they can be \
                 copied but not lent",
                dtype.name()
            );
            return Err(self.unsupported(self.header.descr_offset, what));
        }
        let ndim = self.header.dims.len();
        if ndim > MAX_DIMS {
            let what = format!("{ndim} dimensions, but a tensor has at most {MAX_DIMS}; reshape");
            return Err(self.unsupported(self.header.shape_offset, what));
        }
        Shape::new(&self.header.dims).map_err(|source| self.tensor_error(source))
    }

    /// Whether the elements lie in C order: also those of Fortran order that has no choice.
    #[must_use]
    pub fn is_c_order(&self) -> bool {
        let dims = &self.header.dims;
        !self.header.fortran_order
            || self.bytes == 0
            || dims.iter().filter(|&&dim| dim > 1).count() <= 1
    }

    pub(super) fn unsupported(&self, offset: u64, what: String) -> Error {
        Error::Unsupported {
            origin: self.data.origin().clone(),
            offset,
            what,
        }
    }

    fn tensor_error(&self, source: crate::tensor::Error) -> Error {
        Error::Tensor {
            origin: self.data.origin().clone(),
            source,
        }
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Array")
            .field("data", &self.data)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
