//! An array in a mapped file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::error::{Error, Result};
use super::npy::Header;
use crate::dtype::DType;
use crate::map::{Data, DataOptions, Region};
use crate::tensor::{Lent, MAX_DIMS, Shape, Source, dense_bytes};

/// An array in a file: its elements lie where the file's bytes lie.
///
/// Formats: `.npy` 1.0, 2.0 and 3.0 with elements of [`DType`]'s numeric types. Bytes after the
/// elements are allowed.
pub struct Array {
    data: Arc<Data>,
    header: Header,
    bytes: u64,
}

impl Array {
    /// Opens the array in the file at `path`.
    ///
    /// # Errors
    /// Those of [`Data::open`]; [`Error::WrongFormat`], [`Error::Malformed`] also where the file
    /// ends before the shape's elements do; [`Error::Unsupported`] for structured, object, string,
    /// date and void dtypes, unknown versions and headers of more than 10,000 bytes.
    pub fn open(path: &Path, options: &DataOptions) -> Result<Array> {
        Array::from_data(Arc::new(Data::open(path, options)?))
    }

    /// The array in a file's bytes.
    ///
    /// # Errors
    /// As [`Array::open`].
    pub fn from_data(data: Arc<Data>) -> Result<Array> {
        let header = Header::read(&data)?;
        let malformed = |offset: u64, why: String| Error::Malformed {
            origin: data.origin().clone(),
            offset,
            why,
        };
        let bytes = dense_bytes(&header.dims, header.dtype)
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
        if dtype.block_bytes() > 1 && self.header.big_endian != cfg!(target_endian = "big") {
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

    fn unsupported(&self, offset: u64, what: String) -> Error {
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
