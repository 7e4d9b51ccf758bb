//! A model: tensors by name, in one file or many.

use std::fmt;
use std::sync::Arc;

use super::error::{Error, Result};
use super::metadata::Metadata;
use super::pages::Pages;
use super::table::{Entry, Tensors};
use crate::dtype::DType;
use crate::map::{self, Data, Origin};
use crate::tensor::{MAX_DIMS, Shape, Source};

/// The formats of model files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One safetensors file or several, with an index or without.
    Safetensors,
    /// One GGUF file or the parts of a split one.
    Gguf,
    /// Any bytes, as one tensor of u8.
    Raw,
}

/// Why elements can't be used as they lie in a file.
#[derive(Clone, Copy, Debug)]
enum Unusable {
    Unknown,
    ByteOrder,
    Dimensions,
}

/// Named tensors in files that are held open.
pub struct Model {
    pub(super) format: Format,
    pub(super) files: Vec<Arc<Data>>,
    pub(super) tensors: Tensors,
    pub(super) metadata: Metadata,
    /// Whether the numbers of the files (only GGUF's may) have their most significant byte first.
    pub(super) big_endian: bool,
    pub(super) pages: Pages,
}

impl Model {
    /// The files' format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The files' bytes, in the order of the set.
    #[must_use]
    pub fn files(&self) -> &[Arc<Data>] {
        &self.files
    }

    /// The tensors.
    #[must_use]
    pub fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    /// The metadata.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Whether the elements have their most significant byte first.
    #[must_use]
    pub fn big_endian(&self) -> bool {
        self.big_endian
    }

    /// Tensor `index`.
    ///
    /// # Errors
    /// [`Error::NoTensor`].
    #[inline]
    pub fn entry(&self, index: usize) -> Result<&Entry> {
        self.tensors.get(index).ok_or_else(|| self.no_tensor(index))
    }

    #[cold]
    fn no_tensor(&self, index: usize) -> Error {
        Error::NoTensor {
            index: index as u64,
            len: self.tensors.len() as u64,
        }
    }

    /// The bytes of the file that a tensor lies in.
    ///
    /// # Errors
    /// [`Error::NoTensor`], for an entry of another model.
    #[inline]
    pub fn data_of(&self, entry: &Entry) -> Result<&Arc<Data>> {
        let file = self.files.get(entry.file as usize);
        file.ok_or_else(|| self.no_tensor(usize::MAX))
    }

    /// A tensor as what reads, loads and uploads take.
    ///
    /// # Errors
    /// [`Error::NoTensor`]; [`Error::Unsupported`] for a dtype that isn't known, elements in the
    /// other byte order, and more than 8 dimensions.
    pub fn source(&self, index: usize) -> Result<Source> {
        let entry = self.entry(index)?;
        let (dtype, dims) = self.native(index, entry)?;
        let shape = Shape::new(dims).map_err(|source| self.tensor_error(index, source))?;
        Ok(Source {
            data: Arc::clone(self.data_of(entry)?),
            offset: entry.offset,
            dtype,
            shape,
        })
    }

    /// Dtype and dimensions of a tensor whose elements can be used as they lie there.
    #[inline]
    pub(super) fn native(&self, index: usize, entry: &Entry) -> Result<(DType, &[i64])> {
        let Some(dtype) = entry.dtype else {
            return Err(self.unsupported(index, entry, Unusable::Unknown));
        };
        if self.big_endian != cfg!(target_endian = "big") && dtype.is_swappable() {
            return Err(self.unsupported(index, entry, Unusable::ByteOrder));
        }
        let dims = self.tensors.dims(entry);
        if dims.len() > MAX_DIMS {
            return Err(self.unsupported(index, entry, Unusable::Dimensions));
        }
        Ok((dtype, dims))
    }

    #[cold]
    fn unsupported(&self, index: usize, entry: &Entry, why: Unusable) -> Error {
        let what = match why {
            Unusable::Unknown => format!("ggml type {} isn't known", entry.ggml),
            Unusable::ByteOrder => {
                let order = if self.big_endian { "big" } else { "little" };
                format!(
                    "its elements are {order}-endian, the other byte order than this machine's: \
                     their bytes need swapping"
                )
            }
            Unusable::Dimensions => {
                let ndim = self.tensors.dims(entry).len();
                format!("it has {ndim} dimensions, a tensor at most 8")
            }
        };
        Error::Unsupported {
            origin: self.origin_of(entry),
            offset: entry.offset,
            tensor: Some(self.name_for_messages(index)),
            what,
        }
    }

    #[cold]
    pub(super) fn tensor_error(&self, index: usize, source: crate::tensor::Error) -> Error {
        let entry = self.tensors.get(index);
        Error::Tensor {
            origin: entry.map_or(Origin::Memory, |entry| self.origin_of(entry)),
            name: self.name_for_messages(index),
            index: index as u64,
            offset: entry.map_or(0, |entry| entry.offset),
            source,
        }
    }

    pub(super) fn bytes_error(&self, index: usize, source: map::Error) -> Error {
        Error::Bytes {
            name: self.name_for_messages(index),
            index: index as u64,
            source,
        }
    }

    fn origin_of(&self, entry: &Entry) -> Origin {
        let file = self.files.get(entry.file as usize);
        file.map_or(Origin::Memory, |data| data.origin().clone())
    }

    pub(super) fn name_for_messages(&self, index: usize) -> String {
        let name = self.tensors.name(index).unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("format", &self.format)
            .field("files", &self.files)
            .field("tensors", &self.tensors.len())
            .finish_non_exhaustive()
    }
}
