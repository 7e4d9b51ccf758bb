//! The tensors of a model: a name, a dtype, a shape and a place for each.

use super::names::{Names, Refusal};
use crate::dtype::DType;

/// One tensor, as its file says; that it lies inside of the file was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number of its file.
    pub file: u32,
    /// The elements' type; none for a type of ggml that this library doesn't know.
    pub dtype: Option<DType>,
    /// The number of the type in a GGUF file; 0 elsewhere.
    pub ggml: u32,
    /// Where the elements start in the file's bytes.
    pub offset: u64,
    /// Their bytes; 0 where the dtype isn't known.
    pub bytes: u64,
    dims: usize,
    ndim: usize,
}

/// What a format's parser knows of a tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) file: u32,
    pub(super) dtype: Option<DType>,
    pub(super) ggml: u32,
    /// Outermost first, none negative.
    pub(super) dims: &'a [i64],
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// Every tensor of a model, by number and by name.
#[derive(Clone, Debug, Default)]
pub struct Tensors {
    names: Names,
    entries: Vec<Entry>,
    dims: Vec<i64>,
}

impl Tensors {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Makes room for more tensors; only a wish.
    pub(super) fn reserve(&mut self, tensors: usize, name_bytes: usize, dims: usize) {
        self.names.reserve(tensors, name_bytes);
        let _ = self.entries.try_reserve(tensors);
        let _ = self.dims.try_reserve(dims);
    }

    /// Adds a tensor; its number is how many there were.
    pub(super) fn add(&mut self, name: &[u8], found: Found<'_>) -> Result<usize, Refusal> {
        self.entries.try_reserve(1).map_err(|_| Refusal::Full)?;
        let (dims, ndim) = (self.dims.len(), found.dims.len());
        self.dims.try_reserve(ndim).map_err(|_| Refusal::Full)?;
        let number = self.names.add(name)?;
        self.dims.extend_from_slice(found.dims);
        self.entries.push(Entry {
            file: found.file,
            dtype: found.dtype,
            ggml: found.ggml,
            offset: found.offset,
            bytes: found.bytes,
            dims,
            ndim,
        });
        Ok(number)
    }

    /// Forgets all tensors but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        if let Some(first) = self.entries.get(len) {
            self.dims.truncate(first.dims);
            self.entries.truncate(len);
            self.names.truncate(len);
        }
    }

    /// How many tensors there are but the first `skip`, and of how many bytes of names and
    /// dimensions.
    pub(super) fn sizes_from(&self, skip: usize) -> (usize, usize, usize) {
        let Some(first) = self.entries.get(skip) else {
            return (0, 0, 0);
        };
        let count = self.entries.len().saturating_sub(skip);
        let dims = self.dims.len().saturating_sub(first.dims);
        (count, self.names.bytes_from(skip), dims)
    }

    /// Tensor `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Entry> {
        self.entries.get(index)
    }

    /// The dimensions of a tensor, outermost first; there may be more than a tensor can have.
    #[must_use]
    pub fn dims(&self, entry: &Entry) -> &[i64] {
        let end = entry.dims.saturating_add(entry.ndim);
        self.dims.get(entry.dims..end).unwrap_or_default()
    }

    /// The name of tensor `index`: UTF-8 in safetensors files. The byte behind it is a NUL.
    #[must_use]
    pub fn name(&self, index: usize) -> Option<&[u8]> {
        self.names.get(index)
    }

    /// The number of the tensor called `name`, in constant time.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        self.names.find(name)
    }
}
