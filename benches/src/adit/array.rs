//! Array files.

use std::ffi::{c_char, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};

use super::{RawError, Tensor, c_path, check};
use crate::Result;

#[repr(C)]
struct RawArray {
    _opaque: [u8; 0],
}

#[link(name = "adit", kind = "dylib")]
unsafe extern "C" {
    fn adit_array_open(
        path: *const c_char,
        options: *const c_void,
        out: *mut *mut RawArray,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_array_tensor(
        array: *const RawArray,
        tensor: *mut Tensor<'_>,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_array_close(array: *mut RawArray);
}

/// `adit_array`.
#[derive(Debug)]
pub struct Array(*mut RawArray);

impl Array {
    /// Opens the file at `path` with the default options.
    ///
    /// # Errors
    /// The library's.
    pub fn open(path: &Path) -> Result<Array> {
        let path = c_path(path)?;
        let (mut array, mut err) = (null_mut(), null_mut());
        let (out, err_out) = (&raw mut array, &raw mut err);
        // SAFETY: a live string, no options, and two live places for outputs.
        let status = unsafe { adit_array_open(path.as_ptr(), null(), out, err_out) };
        check(status, err)?;
        Ok(Array(array))
    }

    /// Lends the elements.
    ///
    /// # Errors
    /// The library's.
    pub fn tensor(&self) -> Result<Tensor<'_>> {
        let (mut tensor, mut err) = (Tensor::EMPTY, null_mut());
        // SAFETY: an open array and two live places for outputs.
        let status = unsafe { adit_array_tensor(self.0, &raw mut tensor, &raw mut err) };
        check(status, err)?;
        Ok(tensor)
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        // SAFETY: closed once; what it lent was tied to its lifetime.
        unsafe { adit_array_close(self.0) };
    }
}
