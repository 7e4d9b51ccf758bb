//! Records with the options that rrec hasn't: schemas, formats, io modes, checks.

use std::ffi::{CString, c_char, c_void};
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr::{null, null_mut};

use super::record::{RawReader, RawWriter};
use super::{RawError, Reader, Tensor, Writer, c_path, check};
use crate::Result;

#[repr(C)]
struct RawSchema {
    _opaque: [u8; 0],
}

/// `adit_record_writer_options`.
#[repr(C)]
struct WriterOptions {
    struct_size: usize,
    format: i32,
    flags: u32,
    schema: *const RawSchema,
    alignment: u32,
    field_alignment: u32,
    block_bytes: u64,
    shard_bytes: u64,
    reserved: [u64; 4],
}

/// `adit_record_reader_options`.
#[repr(C)]
struct ReaderOptions {
    struct_size: usize,
    data: *const c_void,
    check: i32,
    descriptors: u32,
    reserved: [u64; 3],
}

/// `adit_gather_options`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Gathering {
    struct_size: usize,
    io: i32,
    dtype: i32,
    flags: u32,
    reserved0: u32,
    pad: u64,
    reserved: [u64; 3],
}

#[link(name = "adit", kind = "dylib")]
unsafe extern "C" {
    fn adit_record_schema_new(out: *mut *mut RawSchema, err: *mut *mut RawError) -> i32;
    fn adit_record_schema_add(
        schema: *mut RawSchema,
        name: *const c_char,
        dtype: i32,
        ndim: i32,
        dims: *const i64,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_record_schema_free(schema: *mut RawSchema);
    fn adit_record_writer_create(
        path: *const c_char,
        options: *const c_void,
        out: *mut *mut RawWriter,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_record_reader_open(
        path: *const c_char,
        options: *const c_void,
        out: *mut *mut RawReader,
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
    fn adit_record_reader_get(
        reader: *const RawReader,
        index: u64,
        tensors: *mut Tensor<'_>,
        n: usize,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_record_reader_release(
        reader: *const RawReader,
        flags: u32,
        freed: *mut u64,
        err: *mut *mut RawError,
    ) -> i32;
}

/// `ADIT_DIM_ANY`.
pub const ANY: i64 = -1;
/// `ADIT_RECORD_FORMAT_AREC`.
const AREC: i32 = 2;
/// `ADIT_RECORD_WRITER_PAGES`.
const PAGES: u32 = 2;

/// How bytes are copied out of a record file, as `adit_io` numbers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum RecordIo {
    /// As is best.
    Auto = 0,
    /// By pread.
    Read = 2,
    /// Past the page cache.
    Direct = 3,
}

/// When checksums are compared, as `adit_record_check` numbers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum Check {
    /// Of what is copied.
    OnCopy = 0,
    /// Never.
    Never = 1,
}

/// How an arec file is written.
#[derive(Clone, Copy, Default, Debug)]
pub struct Layout {
    /// Records touch no more pages than they need.
    pub pages: bool,
    /// Bytes of a block; 0 for the library's choice.
    pub block_bytes: u64,
    /// Not 0: a set of shards of about so many bytes.
    pub shard_bytes: u64,
}

impl Gathering {
    /// As these, of the records' own dtype for 0.
    #[must_use]
    pub fn new(io: RecordIo, dtype: i32) -> Gathering {
        Gathering {
            struct_size: size_of::<Gathering>(),
            io: io as i32,
            dtype,
            flags: 0,
            reserved0: 0,
            pad: 0,
            reserved: [0; 3],
        }
    }
}

/// `adit_record_schema`.
struct Schema(*mut RawSchema);

impl Schema {
    fn of_one(dtype: i32, dims: &[i64]) -> Result<Schema> {
        let (mut schema, mut err) = (null_mut(), null_mut());
        // SAFETY: two live places for outputs.
        let status = unsafe { adit_record_schema_new(&raw mut schema, &raw mut err) };
        check(status, err)?;
        let schema = Schema(schema);
        let name = CString::new("values")?;
        let (name, ndim) = (name.as_ptr(), i32::try_from(dims.len())?);
        let dims = dims.as_ptr();
        // SAFETY: a live schema and string, `ndim` sizes, and a live place for the error.
        let status =
            unsafe { adit_record_schema_add(schema.0, name, dtype, ndim, dims, &raw mut err) };
        check(status, err)?;
        Ok(schema)
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { adit_record_schema_free(self.0) };
    }
}

impl Writer {
    /// Starts an arec file at `path`, or a set, of records of one field.
    ///
    /// # Errors
    /// The library's.
    pub fn create_arec(path: &Path, dtype: i32, dims: &[i64], layout: Layout) -> Result<Writer> {
        let schema = Schema::of_one(dtype, dims)?;
        let options = WriterOptions {
            struct_size: size_of::<WriterOptions>(),
            format: AREC,
            flags: if layout.pages { PAGES } else { 0 },
            schema: schema.0,
            alignment: 0,
            field_alignment: 0,
            block_bytes: layout.block_bytes,
            shard_bytes: layout.shard_bytes,
            reserved: [0; 4],
        };
        let path = c_path(path)?;
        let (mut writer, mut err) = (null_mut(), null_mut());
        let (options, path) = ((&raw const options).cast(), path.as_ptr());
        let (out, err_out) = (&raw mut writer, &raw mut err);
        // SAFETY: a live string, live options, and two live places for outputs.
        let status = unsafe { adit_record_writer_create(path, options, out, err_out) };
        check(status, err)?;
        Ok(Writer(writer))
    }
}

impl Reader {
    /// Opens the file, or set, at `path`.
    ///
    /// # Errors
    /// The library's.
    pub fn open_checked(path: &Path, checks: Check) -> Result<Reader> {
        let options = ReaderOptions {
            struct_size: size_of::<ReaderOptions>(),
            data: null(),
            check: checks as i32,
            descriptors: 0,
            reserved: [0; 3],
        };
        let path = c_path(path)?;
        let (mut reader, mut err) = (null_mut(), null_mut());
        let (options, path) = ((&raw const options).cast(), path.as_ptr());
        let (out, err_out) = (&raw mut reader, &raw mut err);
        // SAFETY: a live string, live options, and two live places for outputs.
        let status = unsafe { adit_record_reader_open(path, options, out, err_out) };
        check(status, err)?;
        Ok(Reader(reader))
    }

    /// As [`Reader::gather`] of the first field, with options.
    ///
    /// # Errors
    /// The library's.
    #[inline]
    pub fn gather_as<'a>(
        &self,
        indices: &[u64],
        buffer: &'a mut [MaybeUninit<u8>],
        how: &Gathering,
    ) -> Result<Tensor<'a>> {
        let (mut tensor, mut err) = (Tensor::EMPTY, null_mut());
        let (out, err_out) = (&raw mut tensor, &raw mut err);
        let (from, n) = (indices.as_ptr(), indices.len());
        let (to, len) = (buffer.as_mut_ptr().cast(), buffer.len() as u64);
        let how = (&raw const *how).cast();
        // SAFETY: an open reader, n live numbers, a live buffer of `len` bytes, live options, and
        // two live places for outputs.
        let status =
            unsafe { adit_record_reader_gather(self.0, 0, from, n, to, len, how, out, err_out) };
        check(status, err)?;
        Ok(tensor)
    }

    /// Where a record's only field lies in memory.
    ///
    /// # Errors
    /// The library's.
    pub fn lend(&self, index: u64) -> Result<Tensor<'_>> {
        let (mut tensor, mut err) = (Tensor::EMPTY, null_mut());
        let (out, err_out) = (&raw mut tensor, &raw mut err);
        // SAFETY: an open reader, room for one tensor, a live place for the error.
        let status = unsafe { adit_record_reader_get(self.0, index, out, 1, err_out) };
        check(status, err)?;
        Ok(tensor)
    }

    /// Lets go of the files' pages.
    ///
    /// # Errors
    /// The library's.
    pub fn release(&self) -> Result<()> {
        let mut err = null_mut();
        // SAFETY: an open reader, no flags, no place for the count, one for the error.
        let status = unsafe { adit_record_reader_release(self.0, 0, null_mut(), &raw mut err) };
        check(status, err)
    }
}
