//! Array files.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr::{null, null_mut};

use super::{RawError, Tensor, c_path, check};
use crate::Result;

#[repr(C)]
struct RawArray {
    _opaque: [u8; 0],
}

/// `adit_array_options`.
#[repr(C)]
struct OpenOptions {
    struct_size: usize,
    data: *const c_void,
    mode: i32,
    dtype: i32,
    flags: u32,
    reserved0: u32,
    reserved: [u64; 4],
}

/// `adit_array_create_options`.
#[repr(C)]
struct CreateOptions {
    struct_size: usize,
    format: i32,
    flags: u32,
    reserved: [u64; 4],
}

/// `adit_array_read_options`.
#[repr(C)]
struct ReadOptions {
    struct_size: usize,
    start: *const i64,
    shape: *const i64,
    ndim: usize,
    dtype: i32,
    io: i32,
    flags: u32,
    reserved0: u32,
    reserved: [u64; 4],
}

#[link(name = "adit", kind = "dylib")]
unsafe extern "C" {
    fn adit_array_open(
        path: *const c_char,
        options: *const OpenOptions,
        out: *mut *mut RawArray,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_array_create_from(
        path: *const c_char,
        tensor: *const Tensor<'_>,
        options: *const CreateOptions,
        progress: *const c_void,
        ctx: *mut c_void,
        out: *mut *mut RawArray,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_array_tensor(
        array: *const RawArray,
        tensor: *mut Tensor<'_>,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_array_data_mut(
        array: *mut RawArray,
        data: *mut *mut c_void,
        nbytes: *mut u64,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_array_read(
        array: *const RawArray,
        options: *const ReadOptions,
        buffer: *mut c_void,
        len: u64,
        tensor: *mut Tensor<'_>,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_array_close(array: *mut RawArray);
}

/// The formats of array files: `adit_array_format`.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum Format {
    /// `ADIT_ARRAY_FORMAT_NPY`.
    Npy = 1,
    /// `ADIT_ARRAY_FORMAT_MMAP`.
    Mmap = 2,
}

/// How an array's elements are brought: `adit_io`.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum Io {
    /// `ADIT_IO_AUTO`.
    Auto = 0,
    /// `ADIT_IO_MAP`.
    Map = 1,
}

/// `ADIT_ARRAY_COPY_ON_WRITE`.
const COPY_ON_WRITE: i32 = 2;

/// `adit_array`.
#[derive(Debug)]
pub struct Array(*mut RawArray);

impl Array {
    /// Opens the file at `path` with the default options.
    ///
    /// # Errors
    /// The library's.
    pub fn open(path: &Path) -> Result<Array> {
        Array::open_with(path, null())
    }

    /// Opens the file at `path` copy-on-write.
    ///
    /// # Errors
    /// The library's.
    pub fn open_copy_on_write(path: &Path) -> Result<Array> {
        let options = OpenOptions {
            struct_size: size_of::<OpenOptions>(),
            data: null(),
            mode: COPY_ON_WRITE,
            dtype: 0,
            flags: 0,
            reserved0: 0,
            reserved: [0; 4],
        };
        Array::open_with(path, &raw const options)
    }

    fn open_with(path: &Path, options: *const OpenOptions) -> Result<Array> {
        let path = c_path(path)?;
        let (mut array, mut err) = (null_mut(), null_mut());
        let (out, err_out) = (&raw mut array, &raw mut err);
        // SAFETY: a live string, options that are live or NULL, and two live places for outputs.
        let status = unsafe { adit_array_open(path.as_ptr(), options, out, err_out) };
        check(status, err)?;
        Ok(Array(array))
    }

    /// Makes a file of a tensor's elements.
    ///
    /// # Errors
    /// The library's.
    pub fn write(path: &Path, tensor: &Tensor<'_>, format: Format) -> Result<()> {
        let path = c_path(path)?;
        let options = CreateOptions {
            struct_size: size_of::<CreateOptions>(),
            format: format as i32,
            flags: 0,
            reserved: [0; 4],
        };
        let mut err = null_mut();
        let (path, err_out) = (path.as_ptr(), &raw mut err);
        let (options, none) = (&raw const options, null_mut());
        // SAFETY: a live string, tensor and options, neither progress nor a handle asked for, and
        // a live place for the error.
        let status = unsafe {
            adit_array_create_from(path, tensor, options, null(), none, null_mut(), err_out)
        };
        check(status, err)
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

    /// Lends the elements for writing.
    ///
    /// # Errors
    /// The library's.
    pub fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        let (mut data, mut len, mut err) = (null_mut(), 0, null_mut());
        let (data_out, len_out, err_out) = (&raw mut data, &raw mut len, &raw mut err);
        // SAFETY: an open array that nobody else uses, and live places for outputs.
        let status = unsafe { adit_array_data_mut(self.0, data_out, len_out, err_out) };
        check(status, err)?;
        if data.is_null() {
            return Ok(&mut []);
        }
        // SAFETY: the library lends `len` bytes for as long as the array is open, and nobody
        // writes to a benchmark's files while they are open.
        Ok(unsafe { std::slice::from_raw_parts_mut(data.cast(), len as usize) })
    }

    /// Copies all elements to `buffer`.
    ///
    /// # Errors
    /// The library's.
    pub fn read(&self, buffer: &mut [MaybeUninit<u8>], io: Io) -> Result<()> {
        let options = ReadOptions {
            struct_size: size_of::<ReadOptions>(),
            start: null(),
            shape: null(),
            ndim: 0,
            dtype: 0,
            io: io as i32,
            flags: 0,
            reserved0: 0,
            reserved: [0; 4],
        };
        let mut err = null_mut();
        let (to, len) = (buffer.as_mut_ptr().cast(), buffer.len() as u64);
        let (options, none) = (&raw const options, null_mut());
        // SAFETY: an open array, live options, `len` bytes that can be written, no tensor asked
        // for, and a live place for the error.
        let status = unsafe { adit_array_read(self.0, options, to, len, none, &raw mut err) };
        check(status, err)
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        // SAFETY: closed once; what it lent was tied to its lifetime.
        unsafe { adit_array_close(self.0) };
    }
}
