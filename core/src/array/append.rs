//! Rows appended to a file in use, so that a crash leaves the old number of rows or the new one.
//!
//! The rows are written behind the elements and synced; then the header is overwritten and synced.
//! A disk writes a sector whole or not at all, so the header's bytes that change must lie in one.
//! Where they don't, or the header has no room for the longer number, the whole array is published
//! anew in place of the file.

use std::mem;
use std::sync::Arc;

use super::appender::{Appender, lock};
use super::elements::write_elements;
use super::error::{Error, Result};
use super::file::Array;
use super::header::{Format, Header};
use super::npy;
use crate::map::{self, Data, Publication, StorageFile, Window};
use crate::tensor::TensorView;

/// The unit that a disk writes whole or not at all, in bytes: the least of those in use.
const SECTOR: usize = 512;

impl Array {
    /// Appends `rows` behind the array's own, durably: after a crash at any point the file has the
    /// old number of rows or the new one. Pointers into the array stay good; those to the new rows
    /// come from [`Array::tensor`].
    ///
    /// Where the header has no room for the longer number, the whole array is written to a new
    /// file: what is written through older pointers from then on reaches nobody, so ask for
    /// [`Array::as_mut_ptr`] again.
    ///
    /// Only one open array can append to a file: it holds the file's lock from its first append
    /// until it is dropped or an append fails for good.
    ///
    /// # Errors
    /// [`map::Error::ReadOnly`] where the array isn't open read-write, [`map::Error::Busy`],
    /// [`map::Error::Forked`]; [`Error::Unsupported`] for `MMAP`, Fortran order and arrays of
    /// [`Array::from_data`]; [`Error::DType`], [`Error::Rows`], [`Error::Trailing`],
    /// [`Error::Changed`], those of reading the header again, those of [`Publication`], the
    /// system's. After rows that couldn't be written the call may be repeated, after a failed sync
    /// or write of the header it can't ([`Error::AppendFailed`]).
    pub fn append_rows(&mut self, rows: &TensorView<'_>) -> Result<()> {
        let file = Arc::clone(self.data.growing_file("no rows can be appended")?);
        // Apart from the array, which both change.
        let Some(mut appender) = self.appender.take() else {
            let what = "the array is one of bytes that were open already; to append rows, open \
                        it by its path";
            return Err(self.unsupported(self.header.shape_offset, what.to_owned()));
        };
        let result = self.append(&mut appender, &file, rows);
        self.appender = Some(appender);
        result
    }

    fn append(
        &mut self,
        appender: &mut Appender,
        file: &Arc<dyn StorageFile>,
        rows: &TensorView<'_>,
    ) -> Result<()> {
        let dims = self.dims_after(rows)?;
        appender.prepare(self, file.as_ref())?;
        if dims == self.header.dims {
            return Ok(());
        }
        let start = self.start()?;
        let (grown, durable) = match npy::with_dims(&start, &self.header, &dims) {
            Some(new) if changes_one_sector(&start, &new) => {
                self.append_in_place(appender, file.as_ref(), rows, &start, &new)?;
                (self.data.grown(), Ok(()))
            }
            _ => self.append_anew(appender, file.as_ref(), rows, &dims)?,
        };
        // The rows are in the file; what fails here leaves them out of this handle's reach.
        let taken = grown.map_err(Error::from);
        match taken.and_then(|grown| self.take_data(grown, &dims)) {
            Ok(older) => {
                appender.keep(older);
                // Somebody's new file at the path would not have these rows.
                appender.check_place(self)?;
                Ok(durable?)
            }
            Err(error) => {
                appender.fail();
                Err(error)
            }
        }
    }

    /// The dimensions after the append.
    fn dims_after(&self, rows: &TensorView<'_>) -> Result<Vec<i64>> {
        let header = &self.header;
        let origin = || self.data.origin().clone();
        let unsupported = |what: &str| self.unsupported(header.shape_offset, what.to_owned());
        if header.format != Format::Npy {
            return Err(unsupported("rows can only be appended to npy files"));
        }
        let refused = |what: &str| Error::Rows {
            origin: origin(),
            why: format!(
                "rows of {} can't follow those of {:?}: {what}",
                rows.shape(),
                header.dims
            ),
        };
        let (mut dims, shape) = (header.dims.clone(), rows.shape());
        let (Some(count), Some((&more, row))) = (dims.first_mut(), shape.dims().split_first())
        else {
            return Err(refused("both need a dimension to grow"));
        };
        if header.dims.get(1..) != Some(row) {
            return Err(refused("all dimensions but the first must be the same"));
        }
        if rows.dtype() != header.dtype {
            return Err(Error::DType {
                origin: origin(),
                offset: header.descr_offset,
                dtype: header.dtype,
                asked: rows.dtype(),
            });
        }
        if !header.grows() {
            let what = "the array is in Fortran order, in which rows don't lie one after another";
            return Err(unsupported(what));
        }
        *count = count
            .checked_add(more)
            .ok_or_else(|| refused("there can't be so many"))?;
        crate::tensor::dense_bytes(&dims, header.dtype).map_err(|source| Error::Tensor {
            origin: origin(),
            source,
        })?;
        Ok(dims)
    }

    /// The file's bytes before its elements.
    fn start(&self) -> Result<Vec<u8>> {
        let mut window = Window::new(&self.data, npy::LONGEST);
        Ok(window.some_bytes(0, self.header.data_offset)?.to_vec())
    }

    fn append_in_place(
        &self,
        appender: &mut Appender,
        file: &dyn StorageFile,
        rows: &TensorView<'_>,
        start: &[u8],
        new: &[u8],
    ) -> Result<()> {
        let origin = self.data.origin();
        let end = self.header.data_offset.saturating_add(self.bytes);
        let swap = self.header.is_swapped();
        write_elements(rows, swap, origin, &mut |bytes, done| {
            let at = end.saturating_add(done);
            let written = file.write_all_at(bytes, at);
            Ok(written.map_err(map::Error::io_at("append to", origin, at))?)
        })?;
        let first = start
            .iter()
            .zip(new)
            .take_while(|(old, new)| old == new)
            .count();
        let changed = new.get(first..).unwrap_or_default();
        let publish = || {
            file.sync_data()?;
            file.write_all_at(changed, first as u64)?;
            file.sync_data()
        };
        publish().map_err(|error| {
            appender.fail();
            self.data.fail_flushes();
            map::Error::io("sync the rows appended to", origin)(error).into()
        })
    }

    /// Publishes a new file with the rows in place of this one; the result is what maps it, and
    /// whether a power cut can still undo it.
    fn append_anew(
        &self,
        appender: &mut Appender,
        file: &dyn StorageFile,
        rows: &TensorView<'_>,
        dims: &[i64],
    ) -> Result<(map::Result<Data>, map::Result<()>)> {
        let origin = self.data.origin();
        let mut header = Header {
            dims: dims.to_vec(),
            ..self.header.clone()
        };
        let start = header.encode().map_err(|fault| fault.of(origin))?;
        header.data_offset = start.len() as u64;
        let storage = Arc::clone(appender.storage());
        let mut publication = Publication::create(storage, appender.path(), true)?;
        publication.write(&start, 0)?;
        let written = publication.write_region(self.region(), header.data_offset);
        // Pages of a file that was cut meanwhile are zeros or aren't there.
        self.data.still_whole()?;
        written?;
        let end = header.data_offset.saturating_add(self.bytes);
        write_elements(rows, header.is_swapped(), origin, &mut |bytes, done| {
            Ok(publication.write(bytes, end.saturating_add(done))?)
        })?;
        let new = Arc::clone(publication.file());
        // Before the file has a name by which somebody else could have it.
        let lock = lock(Arc::clone(&new), origin)?;
        // Copying took a while: what came to the path meanwhile is not to be replaced.
        appender.check_named(self, file)?;
        let durable = match publication.publish() {
            Err(error @ map::Error::NotDurable { .. }) => Err(error),
            published => Ok(published?),
        };
        appender.hold(lock);
        Ok((Data::of_writable(new, origin.clone()), durable))
    }

    /// Goes on with the grown file. The bytes so far are the result where they lie elsewhere.
    fn take_data(&mut self, grown: Data, dims: &[i64]) -> Result<Option<Arc<Data>>> {
        let grown = Array::from_data(Arc::new(grown), Some(self.header.dtype))?;
        if grown.header.dims != dims {
            return Err(self.has_other_rows());
        }
        let before = mem::replace(&mut self.data, grown.data);
        (self.header, self.bytes) = (grown.header, grown.bytes);
        Ok(Some(before).filter(|before| !self.data.shares_map(before)))
    }
}

/// Whether two texts of one length differ in one sector of the file at most.
fn changes_one_sector(old: &[u8], new: &[u8]) -> bool {
    let mut sectors = old.chunks(SECTOR).zip(new.chunks(SECTOR));
    old.len() == new.len() && sectors.by_ref().filter(|(old, new)| old != new).count() <= 1
}
