//! Models.

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};

use super::{RawError, Tensor, c_path, check};
use crate::Result;

#[repr(C)]
pub(super) struct RawModel {
    _opaque: [u8; 0],
}

#[link(name = "adit", kind = "dylib")]
unsafe extern "C" {
    fn adit_model_open(
        path: *const c_char,
        options: *const c_void,
        out: *mut *mut RawModel,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_model_len(model: *const RawModel) -> usize;
    fn adit_model_name(
        model: *const RawModel,
        index: usize,
        name: *mut *const c_char,
        len: *mut usize,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_model_find(
        model: *const RawModel,
        name: *const c_char,
        index: *mut usize,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_model_tensor(
        model: *const RawModel,
        index: usize,
        align: usize,
        tensor: *mut Tensor<'_>,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_model_metadata_count(model: *const RawModel) -> usize;
    fn adit_model_metadata_find(
        model: *const RawModel,
        key: *const c_char,
        value: *mut usize,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_model_metadata_array_len(
        model: *const RawModel,
        value: usize,
        len: *mut u64,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_model_metadata_array_string(
        model: *const RawModel,
        value: usize,
        index: u64,
        text: *mut *const c_char,
        len: *mut usize,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_model_release(
        model: *const RawModel,
        indices: *const usize,
        n: usize,
        flags: u32,
        freed: *mut u64,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_model_close(model: *mut RawModel);
}

/// `ADIT_RELEASE_PAGE_CACHE`.
const PAGE_CACHE: u32 = 1;

/// `adit_model`.
#[derive(Debug)]
pub struct Model(pub(super) *mut RawModel);

impl Model {
    /// Opens the model at `path` with the default options.
    ///
    /// # Errors
    /// The library's.
    pub fn open(path: &Path) -> Result<Model> {
        let path = c_path(path)?;
        let (mut model, mut err) = (null_mut(), null_mut());
        let (out, err_out) = (&raw mut model, &raw mut err);
        // SAFETY: a live string, no options, and two live places for outputs.
        let status = unsafe { adit_model_open(path.as_ptr(), null(), out, err_out) };
        check(status, err)?;
        Ok(Model(model))
    }

    /// How many tensors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        // SAFETY: an open model.
        unsafe { adit_model_len(self.0) }
    }

    /// A tensor's name.
    ///
    /// # Errors
    /// The library's.
    #[inline]
    pub fn name(&self, index: usize) -> Result<&CStr> {
        let (mut name, mut err) = (null(), null_mut());
        let (name_out, err_out) = (&raw mut name, &raw mut err);
        // SAFETY: an open model, two live places for outputs, and no length asked for.
        let status = unsafe { adit_model_name(self.0, index, name_out, null_mut(), err_out) };
        check(status, err)?;
        // SAFETY: the header promises a string that lives as long as the model.
        Ok(unsafe { CStr::from_ptr(name) })
    }

    /// The number of the tensor of this name.
    ///
    /// # Errors
    /// The library's.
    #[inline]
    pub fn find(&self, name: &CStr) -> Result<usize> {
        let (mut index, mut err) = (0, null_mut());
        let (name, out, err_out) = (name.as_ptr(), &raw mut index, &raw mut err);
        // SAFETY: an open model, a live string, and two live places for outputs.
        let status = unsafe { adit_model_find(self.0, name, out, err_out) };
        check(status, err)?;
        Ok(index)
    }

    /// Lends a tensor.
    ///
    /// # Errors
    /// The library's.
    #[inline]
    pub fn tensor(&self, index: usize) -> Result<Tensor<'_>> {
        let mut tensor = Tensor::EMPTY;
        self.lend(index, &mut tensor)?;
        Ok(tensor)
    }

    /// Lends a tensor into the caller's place, as programs in C have one: nothing is copied here.
    ///
    /// # Errors
    /// The library's.
    #[inline]
    pub fn lend<'a>(&'a self, index: usize, tensor: &mut Tensor<'a>) -> Result<()> {
        let mut err = null_mut();
        let (out, err_out) = (&raw mut *tensor, &raw mut err);
        // SAFETY: an open model, the alignment of the dtype, and two live places for outputs.
        let status = unsafe { adit_model_tensor(self.0, index, 0, out, err_out) };
        check(status, err)
    }

    /// How many keys the metadata has.
    #[must_use]
    pub fn keys(&self) -> usize {
        // SAFETY: an open model.
        unsafe { adit_model_metadata_count(self.0) }
    }

    /// The number of the array at a key of the metadata, and its length.
    ///
    /// # Errors
    /// The library's.
    pub fn array(&self, key: &CStr) -> Result<(usize, u64)> {
        let (mut value, mut len, mut err) = (0, 0, null_mut());
        let (out, err_out) = (&raw mut value, &raw mut err);
        // SAFETY: an open model, a live string, and two live places for outputs.
        let status = unsafe { adit_model_metadata_find(self.0, key.as_ptr(), out, err_out) };
        check(status, err)?;
        // SAFETY: as above.
        let status =
            unsafe { adit_model_metadata_array_len(self.0, value, &raw mut len, &raw mut err) };
        check(status, err)?;
        Ok((value, len))
    }

    /// A string of an array.
    ///
    /// # Errors
    /// The library's.
    #[inline]
    pub fn array_string(&self, value: usize, index: u64) -> Result<&[u8]> {
        let (mut text, mut len, mut err) = (null(), 0, null_mut());
        let (text_out, len_out, err_out) = (&raw mut text, &raw mut len, &raw mut err);
        // SAFETY: an open model, and three live places for outputs.
        let status = unsafe {
            adit_model_metadata_array_string(self.0, value, index, text_out, len_out, err_out)
        };
        check(status, err)?;
        if len == 0 {
            return Ok(&[]);
        }
        // SAFETY: the header promises `len` bytes that live as long as the model.
        Ok(unsafe { std::slice::from_raw_parts(text.cast(), len) })
    }

    /// Lets go of a tensor's pages, and of the page cache's too if `cache`. Tells the bytes.
    ///
    /// # Errors
    /// The library's.
    pub fn release(&self, index: usize, cache: bool) -> Result<u64> {
        let (mut freed, mut err) = (0, null_mut());
        let flags = if cache { PAGE_CACHE } else { 0 };
        let (chosen, out, err_out) = (&raw const index, &raw mut freed, &raw mut err);
        // SAFETY: an open model, one live number, and two live places for outputs. The benchmarks
        // write to no file that they map, so what is lent keeps its values.
        let status = unsafe { adit_model_release(self.0, chosen, 1, flags, out, err_out) };
        check(status, err)?;
        Ok(freed)
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: closed once; what it lent was tied to its lifetime.
        unsafe { adit_model_close(self.0) };
    }
}
