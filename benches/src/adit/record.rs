//! Records, written and read.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr::{null, null_mut};

use super::{RawError, Tensor, c_path, check};
use crate::Result;

#[repr(C)]
pub(super) struct RawWriter {
    _opaque: [u8; 0],
}

#[repr(C)]
pub(super) struct RawReader {
    _opaque: [u8; 0],
}

#[link(name = "adit", kind = "dylib")]
unsafe extern "C" {
    fn adit_record_writer_create(
        path: *const c_char,
        options: *const c_void,
        out: *mut *mut RawWriter,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_record_writer_append(
        writer: *mut RawWriter,
        tensors: *const Tensor<'_>,
        n: usize,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_record_writer_append_batch(
        writer: *mut RawWriter,
        columns: *const Tensor<'_>,
        n: usize,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_record_writer_finish(writer: *mut RawWriter, err: *mut *mut RawError) -> i32;
    fn adit_record_writer_close(writer: *mut RawWriter);

    fn adit_record_reader_open(
        path: *const c_char,
        options: *const c_void,
        out: *mut *mut RawReader,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_record_reader_len(reader: *const RawReader) -> u64;
    fn adit_record_reader_get(
        reader: *const RawReader,
        index: u64,
        tensors: *mut Tensor<'_>,
        n: usize,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_record_reader_gather(
        reader: *const RawReader,
        field: usize,
        indices: *const u64,
        n: usize,
        buffer: *mut c_void,
        len: u64,
        options: *const c_void,
        tensor: *mut Tensor<'_>,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_record_reader_close(reader: *mut RawReader);
}

/// `adit_record_writer`.
#[derive(Debug)]
pub struct Writer(pub(super) *mut RawWriter);

impl Writer {
    /// Starts a file at `path`.
    ///
    /// # Errors
    /// The library's.
    pub fn create(path: &Path) -> Result<Writer> {
        let path = c_path(path)?;
        let (mut writer, mut err) = (null_mut(), null_mut());
        let (out, err_out) = (&raw mut writer, &raw mut err);
        // SAFETY: a live string, no options, and two live places for outputs.
        let status = unsafe { adit_record_writer_create(path.as_ptr(), null(), out, err_out) };
        check(status, err)?;
        Ok(Writer(writer))
    }

    /// Appends one record.
    ///
    /// # Errors
    /// The library's.
    #[inline]
    pub fn append(&mut self, tensors: &[Tensor<'_>]) -> Result<()> {
        let mut err = null_mut();
        let (from, n) = (tensors.as_ptr(), tensors.len());
        // SAFETY: an open writer, used by nobody else, and tensors over live memory.
        let status = unsafe { adit_record_writer_append(self.0, from, n, &raw mut err) };
        check(status, err)
    }

    /// Appends a record for each row of the columns.
    ///
    /// # Errors
    /// The library's.
    pub fn append_batch(&mut self, columns: &[Tensor<'_>]) -> Result<()> {
        let mut err = null_mut();
        let (from, n) = (columns.as_ptr(), columns.len());
        // SAFETY: an open writer, used by nobody else, and tensors over live memory.
        let status = unsafe { adit_record_writer_append_batch(self.0, from, n, &raw mut err) };
        check(status, err)
    }

    /// Finishes the file.
    ///
    /// # Errors
    /// The library's.
    pub fn finish(&mut self) -> Result<()> {
        let mut err = null_mut();
        // SAFETY: an open writer, used by nobody else.
        let status = unsafe { adit_record_writer_finish(self.0, &raw mut err) };
        check(status, err)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: closed once.
        unsafe { adit_record_writer_close(self.0) };
    }
}

/// `adit_record_reader`.
#[derive(Debug)]
pub struct Reader(pub(super) *mut RawReader);

impl Reader {
    /// Opens the file at `path` with the default options.
    ///
    /// # Errors
    /// The library's.
    pub fn open(path: &Path) -> Result<Reader> {
        let path = c_path(path)?;
        let (mut reader, mut err) = (null_mut(), null_mut());
        let (out, err_out) = (&raw mut reader, &raw mut err);
        // SAFETY: a live string, no options, and two live places for outputs.
        let status = unsafe { adit_record_reader_open(path.as_ptr(), null(), out, err_out) };
        check(status, err)?;
        Ok(Reader(reader))
    }

    /// The number of records.
    #[must_use]
    pub fn len(&self) -> u64 {
        // SAFETY: an open reader.
        unsafe { adit_record_reader_len(self.0) }
    }

    /// Lends the tensors of a record.
    ///
    /// # Errors
    /// The library's.
    #[inline]
    pub fn get<'a>(&'a self, index: u64, tensors: &mut [Tensor<'a>; 2]) -> Result<()> {
        let mut err = null_mut();
        let to = tensors.as_mut_ptr();
        // SAFETY: an open reader and room for two tensors.
        let status = unsafe { adit_record_reader_get(self.0, index, to, 2, &raw mut err) };
        check(status, err)
    }

    /// Copies a field of many records to `buffer`, and describes what is there.
    ///
    /// # Errors
    /// The library's.
    #[inline]
    pub fn gather<'a>(
        &self,
        field: usize,
        indices: &[u64],
        buffer: &'a mut [MaybeUninit<u8>],
    ) -> Result<Tensor<'a>> {
        let (mut tensor, mut err) = (Tensor::EMPTY, null_mut());
        let (out, err_out) = (&raw mut tensor, &raw mut err);
        let (from, n) = (indices.as_ptr(), indices.len());
        let (to, len) = (buffer.as_mut_ptr().cast(), buffer.len() as u64);
        // SAFETY: an open reader, n live numbers, a live buffer of `len` bytes, no options, and two
        // live places for outputs.
        let status = unsafe {
            adit_record_reader_gather(self.0, field, from, n, to, len, null(), out, err_out)
        };
        check(status, err)?;
        Ok(tensor)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // SAFETY: closed once; what it lent was tied to its lifetime.
        unsafe { adit_record_reader_close(self.0) };
    }
}
