//! Models being written.

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};

use super::{RawError, c_path, check};
use crate::Result;

#[repr(C)]
struct RawWriter {
    _opaque: [u8; 0],
}

#[link(name = "adit", kind = "dylib")]
unsafe extern "C" {
    fn adit_model_writer_create(
        path: *const c_char,
        options: *const c_void,
        out: *mut *mut RawWriter,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_model_writer_declare(
        writer: *mut RawWriter,
        name: *const c_char,
        dtype: i32,
        ndim: i32,
        shape: *const i64,
        index: *mut usize,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_model_writer_begin(writer: *mut RawWriter, err: *mut *mut RawError) -> i32;
    fn adit_model_writer_write(
        writer: *mut RawWriter,
        index: usize,
        offset: u64,
        bytes: *const c_void,
        len: usize,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_model_writer_finish(writer: *mut RawWriter, err: *mut *mut RawError) -> i32;
    fn adit_model_writer_close(writer: *mut RawWriter);
}

/// `adit_model_writer`.
#[derive(Debug)]
pub struct ModelWriter(*mut RawWriter);

impl ModelWriter {
    /// A writer of the model at `path` with the default options.
    ///
    /// # Errors
    /// The library's.
    pub fn create(path: &Path) -> Result<ModelWriter> {
        let path = c_path(path)?;
        let (mut writer, mut err) = (null_mut(), null_mut());
        let (out, err_out) = (&raw mut writer, &raw mut err);
        // SAFETY: a live string, no options, and two live places for outputs.
        let status = unsafe { adit_model_writer_create(path.as_ptr(), null(), out, err_out) };
        check(status, err)?;
        Ok(ModelWriter(writer))
    }

    /// Adds a tensor.
    ///
    /// # Errors
    /// The library's.
    pub fn declare(&mut self, name: &CStr, dtype: i32, shape: &[i64]) -> Result<()> {
        let (ndim, mut err) = (i32::try_from(shape.len())?, null_mut());
        let (name, dims, err_out) = (name.as_ptr(), shape.as_ptr(), &raw mut err);
        // SAFETY: an open writer, a live string, `ndim` sizes, no index asked for, and a live
        // place for the error.
        let status = unsafe {
            adit_model_writer_declare(self.0, name, dtype, ndim, dims, null_mut(), err_out)
        };
        check(status, err)
    }

    /// Makes the file.
    ///
    /// # Errors
    /// The library's.
    pub fn begin(&mut self) -> Result<()> {
        let mut err = null_mut();
        // SAFETY: an open writer, and a live place for the error.
        let status = unsafe { adit_model_writer_begin(self.0, &raw mut err) };
        check(status, err)
    }

    /// Writes all bytes of a tensor.
    ///
    /// # Errors
    /// The library's.
    pub fn write(&mut self, index: usize, bytes: &[u8]) -> Result<()> {
        let (start, len, mut err) = (bytes.as_ptr().cast(), bytes.len(), null_mut());
        let err_out = &raw mut err;
        // SAFETY: an open writer, live bytes, and a live place for the error.
        let status = unsafe { adit_model_writer_write(self.0, index, 0, start, len, err_out) };
        check(status, err)
    }

    /// Puts the file in its place, durably.
    ///
    /// # Errors
    /// The library's.
    pub fn finish(&mut self) -> Result<()> {
        let mut err = null_mut();
        // SAFETY: an open writer, and a live place for the error.
        let status = unsafe { adit_model_writer_finish(self.0, &raw mut err) };
        check(status, err)
    }
}

impl Drop for ModelWriter {
    fn drop(&mut self) {
        // SAFETY: closed once.
        unsafe { adit_model_writer_close(self.0) };
    }
}
