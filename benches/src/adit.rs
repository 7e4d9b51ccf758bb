//! The few functions of `include/adit.h` that are measured, called as a C program calls them.
//!
//! Nothing is taken from the library's crates: what is timed is the shared library behind its C
//! ABI, the way through the procedure linkage table included. Every call is given an `adit_error
//! **`, as careful programs do.

mod arec;
mod array;
mod gpu;
pub mod kernel;
mod load;
mod loader;
mod model;
mod model_writer;
mod record;
mod store;

use std::ffi::{CStr, CString, c_char, c_void};
use std::marker::PhantomData;
use std::path::Path;

pub use arec::{ANY, Check, Gathering, Layout, RecordIo};
pub use array::{Array, Format, Io};
#[cfg(test)]
pub use dtypes::{F64, I8, I16, I32, I64, U8, U16, U32, U64};
pub use gpu::{Gpu, GpuBuffer, Uploads, Way};
pub use load::{Arena, Items, Loading, Stats};
pub use loader::{Epoch, Loader};
pub use model::Model;
pub use model_writer::ModelWriter;
pub use record::{Reader, Writer};
pub use store::{
    Batch, SYNC_BATCH, SYNC_EXPLICIT, SYNC_GROUP, Snapshot, Store, StoreOptions, StoreStats,
};

use crate::Result;

/// `ADIT_DTYPE_U8`.
pub const BYTE: i32 = 6;
/// `ADIT_DTYPE_F16`.
pub const F16: i32 = 10;
/// `ADIT_DTYPE_BF16`.
pub const BF16: i32 = 11;
/// `ADIT_DTYPE_F32`.
pub const F32: i32 = 12;
/// `ADIT_DTYPE_F8_E4M3FN`.
pub const F8_E4M3FN: i32 = 14;
/// `ADIT_DTYPE_F8_E5M2`.
pub const F8_E5M2: i32 = 15;
/// The block dtypes are from here on, in ggml's numbering.
pub const GGML: i32 = 100;

/// The numbers of `adit_dtype` that files of peers have.
#[cfg(test)]
mod dtypes {
    /// `ADIT_DTYPE_I8`.
    pub const I8: i32 = 2;
    /// `ADIT_DTYPE_I16`.
    pub const I16: i32 = 3;
    /// `ADIT_DTYPE_I32`.
    pub const I32: i32 = 4;
    /// `ADIT_DTYPE_I64`.
    pub const I64: i32 = 5;
    /// `ADIT_DTYPE_U8`.
    pub const U8: i32 = 6;
    /// `ADIT_DTYPE_U16`.
    pub const U16: i32 = 7;
    /// `ADIT_DTYPE_U32`.
    pub const U32: i32 = 8;
    /// `ADIT_DTYPE_U64`.
    pub const U64: i32 = 9;
    /// `ADIT_DTYPE_F64`.
    pub const F64: i32 = 13;
}

/// `adit_error`.
#[repr(C)]
struct RawError {
    _opaque: [u8; 0],
}

/// `adit_tensor`, whose elements live for `'a`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Tensor<'a> {
    data: *const c_void,
    nbytes: u64,
    dtype: i32,
    ndim: i32,
    shape: [i64; 8],
    strides: [i64; 8],
    flags: u32,
    reserved0: u32,
    reserved: [u64; 4],
    lends: PhantomData<&'a [u8]>,
}

const _: () = assert!(size_of::<Tensor<'_>>() == 192);

#[link(name = "adit", kind = "dylib")]
unsafe extern "C" {
    fn adit_build_info() -> *const c_char;
    fn adit_error_message(error: *const RawError) -> *const c_char;
    fn adit_error_free(error: *mut RawError);
    fn adit_tensor_init(
        tensor: *mut Tensor<'_>,
        data: *const c_void,
        dtype: i32,
        ndim: i32,
        shape: *const i64,
        err: *mut *mut RawError,
    ) -> i32;
}

/// The library's own line about itself.
#[must_use]
pub fn build_info() -> String {
    // SAFETY: no preconditions.
    let text = unsafe { adit_build_info() };
    // SAFETY: the header promises a static string.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

/// Makes a call's status and error object a result.
#[inline]
fn check(status: i32, err: *mut RawError) -> Result<()> {
    if status == 0 {
        Ok(())
    } else {
        Err(failed(status, err))
    }
}

#[cold]
fn failed(status: i32, err: *mut RawError) -> Box<dyn std::error::Error> {
    // SAFETY: NULL, or the error that the library just gave.
    let message = unsafe { adit_error_message(err) };
    // SAFETY: the header promises a string, "" for NULL.
    let message = unsafe { CStr::from_ptr(message) };
    let text = format!("adit: status {status}: {}", message.to_string_lossy());
    // SAFETY: freed once, and not used any more.
    unsafe { adit_error_free(err) };
    text.into()
}

fn c_path(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_encoded_bytes())?)
}

impl<'a> Tensor<'a> {
    /// What a call is given to fill.
    pub const EMPTY: Tensor<'static> = Tensor {
        data: std::ptr::null(),
        nbytes: 0,
        dtype: 0,
        ndim: 0,
        shape: [0; 8],
        strides: [0; 8],
        flags: 0,
        reserved0: 0,
        reserved: [0; 4],
        lends: PhantomData,
    };

    /// A tensor over contiguous elements.
    ///
    /// # Errors
    /// The library's, and fewer bytes than the shape needs.
    pub fn over(bytes: &'a [u8], dtype: i32, shape: &[i64]) -> Result<Tensor<'a>> {
        let mut tensor = Tensor::EMPTY;
        let mut err = std::ptr::null_mut();
        let (data, ndim) = (bytes.as_ptr().cast(), i32::try_from(shape.len())?);
        let dims = shape.as_ptr();
        // SAFETY: all pointers are of live memory, and `dims` has `ndim` sizes.
        let status =
            unsafe { adit_tensor_init(&raw mut tensor, data, dtype, ndim, dims, &raw mut err) };
        check(status, err)?;
        if tensor.nbytes > bytes.len() as u64 {
            return Err(format!("{shape:?} needs {} bytes", tensor.nbytes).into());
        }
        Ok(tensor)
    }

    /// The elements' bytes.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        if self.data.is_null() {
            return &[];
        }
        // SAFETY: `over` and the library's calls left `nbytes` readable bytes here that are good
        // for 'a, and nobody writes to a benchmark's files while they are open.
        unsafe { std::slice::from_raw_parts(self.data.cast(), self.nbytes as usize) }
    }

    /// The dimensions.
    #[must_use]
    pub fn dims(&self) -> &[i64] {
        self.shape.get(..self.ndim as usize).unwrap_or_default()
    }

    /// The number of the dtype.
    #[must_use]
    pub fn dtype(&self) -> i32 {
        self.dtype
    }
}
