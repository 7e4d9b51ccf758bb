//! New array files: empty ones to be filled, and copies of tensors and of other arrays.

use std::path::Path;
use std::sync::Arc;

use super::appender::Appender;
use super::elements::write_elements;
use super::error::{Error, Result};
use super::file::Array;
use super::header::{Format, Header};
use crate::dtype::DType;
use crate::map::{Data, Origin, Progress, Publication, Storage};
use crate::tensor::{Shape, TensorView};

/// The bytes of mapped elements that are written at once.
const PIECE: u64 = 16 << 20;

/// How to make an array's file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Creation {
    /// The format.
    pub format: Format,
    /// Whether the first dimension varies fastest.
    pub fortran_order: bool,
    /// Whether a file that stands at the path is an error, not replaced.
    pub no_replace: bool,
}

impl Array {
    /// Makes a file of zeros with all its space allocated, published whole, and opens it
    /// read-write.
    ///
    /// # Errors
    /// Those of [`Publication::create`] and [`Publication::publish`], no space above all;
    /// [`Error::Unsupported`] for what the format doesn't have; [`Error::Tensor`] for shapes of
    /// more bytes than there can be.
    pub fn create(
        storage: &Arc<dyn Storage>,
        path: &Path,
        how: &Creation,
        dtype: DType,
        shape: Shape,
    ) -> Result<Array> {
        let new = New::begin(storage, path, how, dtype, shape)?;
        new.open(storage, path)
    }

    /// Makes a file with a tensor's elements, published whole, and opens it read-write. `progress`
    /// is told bytes.
    ///
    /// # Errors
    /// As [`Array::create`]; [`Error::Cancelled`].
    pub fn create_from(
        storage: &Arc<dyn Storage>,
        path: &Path,
        how: &Creation,
        tensor: &TensorView<'_>,
        progress: Progress<'_>,
    ) -> Result<Array> {
        let mut new = New::begin(storage, path, how, tensor.dtype(), tensor.shape())?;
        let transposed = tensor.transposed().filter(|_| how.fortran_order);
        let in_file_order = transposed.as_ref().unwrap_or(tensor);
        let (total, start) = (tensor.bytes(), new.header.data_offset);
        let origin = new.origin.clone();
        let mut due = |done| match progress(done, total) {
            true => Ok(()),
            false => Err(Error::Cancelled {
                origin: origin.clone(),
            }),
        };
        due(0)?;
        write_elements(
            in_file_order,
            new.header.is_swapped(),
            &origin,
            &mut |bytes, done| {
                new.file.write(bytes, start.saturating_add(done))?;
                due(done.saturating_add(bytes.len() as u64))
            },
        )?;
        new.open(storage, path)
    }

    /// Publishes the array as it is in memory at `path`, which may be its own: what is mapped goes
    /// on being the old file. Without a `format` it keeps its own, byte order and all. `progress`
    /// is told bytes.
    ///
    /// # Errors
    /// As [`Array::create_from`]; [`map::Error::Truncated`](crate::map::Error::Truncated).
    pub fn save_as(
        &self,
        storage: &Arc<dyn Storage>,
        path: &Path,
        format: Option<Format>,
        no_replace: bool,
        progress: Progress<'_>,
    ) -> Result<()> {
        let origin = Origin::Path(path.to_owned());
        let mut header = Header {
            format: format.unwrap_or(self.header.format),
            ..self.header.clone()
        };
        if self.is_c_order() {
            header.fortran_order &= format.is_none();
        }
        let start = header.encode().map_err(|fault| fault.of(&origin))?;
        header.data_offset = start.len() as u64;
        let mut file = Publication::create(Arc::clone(storage), path, !no_replace)?;
        file.allocate(header.data_offset.saturating_add(self.bytes))?;
        file.write(&start, 0)?;
        let mut due = |done| match progress(done, self.bytes) {
            true => Ok(()),
            false => Err(Error::Cancelled {
                origin: origin.clone(),
            }),
        };
        due(0)?;
        self.data.still_whole()?;
        let mut done: u64 = 0;
        while done < self.bytes {
            let len = PIECE.min(self.bytes.saturating_sub(done));
            let piece = self.piece(done, len)?;
            let written = file.write_region(piece, header.data_offset.saturating_add(done));
            // Bytes that are no longer there are the first thing to say.
            written.or_else(|error| self.data.still_whole().and(Err(error)))?;
            done = done.saturating_add(len);
            due(done)?;
        }
        // Pages of a file that was cut and has grown again are zeros.
        self.data.still_whole()?;
        Ok(file.publish()?)
    }
}

/// A file that has its header and its space, not yet its name.
struct New {
    header: Header,
    file: Publication,
    origin: Origin,
}

impl New {
    fn begin(
        storage: &Arc<dyn Storage>,
        path: &Path,
        how: &Creation,
        dtype: DType,
        shape: Shape,
    ) -> Result<New> {
        let origin = Origin::Path(path.to_owned());
        let bytes = shape.bytes(dtype).map_err(|source| Error::Tensor {
            origin: origin.clone(),
            source,
        })?;
        let (header, start) = Header::new(how.format, dtype, how.fortran_order, shape)
            .map_err(|fault| fault.of(&origin))?;
        let mut file = Publication::create(Arc::clone(storage), path, !how.no_replace)?;
        file.allocate(header.data_offset.saturating_add(bytes))?;
        file.write(&start, 0)?;
        Ok(New {
            header,
            file,
            origin,
        })
    }

    fn open(mut self, storage: &Arc<dyn Storage>, path: &Path) -> Result<Array> {
        // Mapped first: where that fails, nothing new stands at the path.
        let data = Data::of_writable(Arc::clone(self.file.file()), self.origin)?;
        let mut array = Array::from_data(Arc::new(data), Some(self.header.dtype))?;
        array.appender = Some(Appender::of_new(storage, path)?);
        self.file.publish()?;
        Ok(array)
    }
}
