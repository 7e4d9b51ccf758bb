//! Uploads to a graphics card.

use std::ffi::{CStr, CString, c_char, c_void};
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::{null, null_mut};

use super::load::{ItemOptions, RawItems};
use super::{RawError, Tensor, c_path, check};
use crate::Result;

#[repr(C)]
struct RawGpu {
    _opaque: [u8; 0],
}

#[repr(C)]
struct RawBuffer {
    _opaque: [u8; 0],
}

#[repr(C)]
struct RawData {
    _opaque: [u8; 0],
}

/// `adit_gpu_options`.
#[repr(C)]
struct GpuOptions {
    struct_size: usize,
    select: i32,
    kind: i32,
    index: u32,
    memory: i32,
    chunk_bytes: u64,
    chunks: u32,
    converter: i32,
    reserved: [u64; 4],
}

/// `adit_gpu_info`.
#[repr(C)]
struct Info {
    struct_size: usize,
    kind: i32,
    vendor: u32,
    device: u32,
    shared_memory: u32,
    direct: u32,
    reserved0: u32,
    memory_bytes: u64,
    buffer_bytes: u64,
    binding_bytes: u64,
    binding_align: u64,
    backend: [c_char; 16],
    bus: [c_char; 32],
    name: [c_char; 256],
    driver: [c_char; 256],
    driver_info: [c_char; 256],
}

#[link(name = "adit", kind = "dylib")]
unsafe extern "C" {
    fn adit_gpu_open(
        options: *const GpuOptions,
        out: *mut *mut RawGpu,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_gpu_get_info(gpu: *const RawGpu, info: *mut Info, err: *mut *mut RawError) -> i32;
    fn adit_gpu_close(gpu: *mut RawGpu);
    fn adit_gpu_buffer_create(
        gpu: *const RawGpu,
        size: u64,
        out: *mut *mut RawBuffer,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_gpu_buffer_free(buffer: *mut RawBuffer);
    fn adit_gpu_upload(
        buffer: *const RawBuffer,
        offset: u64,
        bytes: *const c_void,
        nbytes: usize,
        ticket: *mut *mut c_void,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_gpu_ticket_free(ticket: *mut c_void);
    fn adit_gpu_wait(gpu: *const RawGpu, err: *mut *mut RawError) -> i32;
    fn adit_gpu_download(
        buffer: *const RawBuffer,
        offset: u64,
        dst: *mut c_void,
        nbytes: usize,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_gpu_convert(
        from: *const RawBuffer,
        from_offset: u64,
        from_dtype: i32,
        to: *const RawBuffer,
        to_offset: u64,
        to_dtype: i32,
        elements: u64,
        ticket: *mut *mut c_void,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_load_items_new(out: *mut *mut RawItems, err: *mut *mut RawError) -> i32;
    fn adit_load_items_free(items: *mut RawItems);
    fn adit_load_items_add_tensor(
        items: *mut RawItems,
        tensor: *const Tensor<'_>,
        options: *const ItemOptions,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_load_items_add_data(
        items: *mut RawItems,
        data: *const RawData,
        offset: u64,
        dtype: i32,
        ndim: i32,
        shape: *const i64,
        options: *const ItemOptions,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_gpu_upload_items(
        items: *const RawItems,
        options: *const c_void,
        stats: *mut c_void,
        ticket: *mut *mut c_void,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_data_open(
        path: *const c_char,
        options: *const c_void,
        out: *mut *mut RawData,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_data_close(data: *mut RawData);
}

/// `ADIT_GPU_SELECT_ENVIRONMENT`.
const ENVIRONMENT: i32 = 3;
/// `ADIT_GPU_CONVERTER_CARD`.
const CARD: i32 = 1;
/// `ADIT_LOAD_CONVERT_ON_HOST`.
const CONVERT_ON_HOST: u32 = 1 << 16;

/// How bytes get into buffers: `adit_gpu_memory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Way {
    /// Through the ring of staging buffers.
    Ring = 1,
    /// Written in place.
    Direct = 2,
}

impl Way {
    /// Its name in lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Way::Ring => "ring",
            Way::Direct => "in place",
        }
    }
}

/// `adit_gpu`.
#[derive(Debug)]
pub struct Gpu(*mut RawGpu);

impl Gpu {
    /// Opens the adapter that the environment asks for.
    ///
    /// # Errors
    /// The library's.
    pub fn open(way: Way) -> Result<Gpu> {
        let options = GpuOptions {
            struct_size: size_of::<GpuOptions>(),
            select: ENVIRONMENT,
            kind: 0,
            index: 0,
            memory: way as i32,
            chunk_bytes: 0,
            chunks: 0,
            converter: CARD,
            reserved: [0; 4],
        };
        let (mut raw, mut err) = (null_mut(), null_mut());
        // SAFETY: live options and two live places for outputs.
        let status = unsafe { adit_gpu_open(&raw const options, &raw mut raw, &raw mut err) };
        check(status, err)?;
        Ok(Gpu(raw))
    }

    /// The adapter's name and its driver, and whether its memory is the host's.
    ///
    /// # Errors
    /// The library's.
    pub fn adapter(&self) -> Result<(String, String, bool)> {
        let mut info = Info {
            struct_size: size_of::<Info>(),
            kind: 0,
            vendor: 0,
            device: 0,
            shared_memory: 0,
            direct: 0,
            reserved0: 0,
            memory_bytes: 0,
            buffer_bytes: 0,
            binding_bytes: 0,
            binding_align: 0,
            backend: [0; 16],
            bus: [0; 32],
            name: [0; 256],
            driver: [0; 256],
            driver_info: [0; 256],
        };
        let mut err = null_mut();
        // SAFETY: an open device and two live places for outputs.
        let status = unsafe { adit_gpu_get_info(self.0, &raw mut info, &raw mut err) };
        check(status, err)?;
        let driver = format!("{} {}", text(&info.driver), text(&info.driver_info));
        Ok((text(&info.name), driver, info.shared_memory != 0))
    }

    /// Waits until the card has done everything.
    ///
    /// # Errors
    /// The library's.
    pub fn wait(&self) -> Result<()> {
        let mut err = null_mut();
        // SAFETY: an open device and a live place for the error.
        let status = unsafe { adit_gpu_wait(self.0, &raw mut err) };
        check(status, err)
    }

    /// A buffer.
    ///
    /// # Errors
    /// The library's.
    pub fn buffer(&self, bytes: usize) -> Result<GpuBuffer> {
        let (mut raw, mut err) = (null_mut(), null_mut());
        let (out, err_out) = (&raw mut raw, &raw mut err);
        // SAFETY: an open device and two live places for outputs.
        let status = unsafe { adit_gpu_buffer_create(self.0, bytes as u64, out, err_out) };
        check(status, err)?;
        Ok(GpuBuffer(raw))
    }
}

fn text(chars: &[c_char; 256]) -> String {
    let bytes = chars.map(|char| char as u8);
    let text = CStr::from_bytes_until_nul(&bytes).unwrap_or_default();
    text.to_string_lossy().into_owned()
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // SAFETY: closed once.
        unsafe { adit_gpu_close(self.0) };
    }
}

/// `adit_gpu_buffer`.
#[derive(Debug)]
pub struct GpuBuffer(*mut RawBuffer);

impl GpuBuffer {
    /// Uploads bytes, and returns when the card has them.
    ///
    /// # Errors
    /// The library's.
    #[inline]
    pub fn upload(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        self.upload_with(offset, bytes, null_mut())
    }

    /// Uploads bytes, and returns when they may change.
    ///
    /// # Errors
    /// The library's.
    #[inline]
    pub fn send(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        let mut ticket = null_mut();
        self.upload_with(offset, bytes, &raw mut ticket)?;
        // SAFETY: the ticket just given, freed once.
        unsafe { adit_gpu_ticket_free(ticket) };
        Ok(())
    }

    #[inline]
    fn upload_with(&self, offset: usize, bytes: &[u8], ticket: *mut *mut c_void) -> Result<()> {
        let (from, len, mut err) = (bytes.as_ptr().cast(), bytes.len(), null_mut());
        let (offset, err_out) = (offset as u64, &raw mut err);
        // SAFETY: a live buffer, readable bytes, and two live places for outputs or NULL.
        let status = unsafe { adit_gpu_upload(self.0, offset, from, len, ticket, err_out) };
        check(status, err)
    }

    /// Its first bytes.
    ///
    /// # Errors
    /// The library's.
    pub fn download(&self, to: &mut [u8]) -> Result<()> {
        let (dst, len, mut err) = (to.as_mut_ptr().cast(), to.len(), null_mut());
        // SAFETY: a live buffer, writable memory, and a live place for the error.
        let status = unsafe { adit_gpu_download(self.0, 0, dst, len, &raw mut err) };
        check(status, err)
    }

    /// Converts its first elements into another buffer, and returns when the card has done it.
    ///
    /// # Errors
    /// The library's.
    pub fn convert(&self, from: i32, to: (&GpuBuffer, i32), elements: u64) -> Result<()> {
        let mut err = null_mut();
        let (result, dtype) = (to.0.0, to.1);
        // SAFETY: two live buffers, no ticket, and a live place for the error.
        let status = unsafe {
            adit_gpu_convert(
                self.0,
                0,
                from,
                result,
                0,
                dtype,
                elements,
                null_mut(),
                &raw mut err,
            )
        };
        check(status, err)
    }
}

impl Drop for GpuBuffer {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { adit_gpu_buffer_free(self.0) };
    }
}

/// `adit_load_items` that go to buffers; what they lend lives for `'a`.
#[derive(Debug)]
pub struct Uploads<'a> {
    raw: *mut RawItems,
    lends: PhantomData<&'a [u8]>,
}

impl<'a> Uploads<'a> {
    /// An empty list.
    ///
    /// # Errors
    /// The library's.
    pub fn new() -> Result<Uploads<'a>> {
        let (mut raw, mut err) = (null_mut(), null_mut());
        // SAFETY: two live places for outputs.
        let status = unsafe { adit_load_items_new(&raw mut raw, &raw mut err) };
        check(status, err)?;
        let lends = PhantomData;
        Ok(Uploads { raw, lends })
    }

    fn options(to: &GpuBuffer, offset: usize, dtype: i32, on_host: bool) -> ItemOptions {
        ItemOptions {
            dtype,
            flags: if on_host { CONVERT_ON_HOST } else { 0 },
            gpu_buffer: to.0.cast(),
            gpu_offset: offset as u64,
            ..ItemOptions::ALL
        }
    }

    /// Adds a tensor in memory, to be a dtype in a buffer.
    ///
    /// # Errors
    /// The library's.
    pub fn add(
        &mut self,
        tensor: &Tensor<'a>,
        to: (&GpuBuffer, usize),
        dtype: i32,
        on_host: bool,
    ) -> Result<()> {
        let options = Self::options(to.0, to.1, dtype, on_host);
        let (tensor, options, mut err) = (&raw const *tensor, &raw const options, null_mut());
        let err_out = &raw mut err;
        // SAFETY: a live list that nobody else uses, a tensor whose bytes live for 'a, live options
        // with a live buffer, which the list holds, and a live place for the error.
        let status = unsafe { adit_load_items_add_tensor(self.raw, tensor, options, err_out) };
        check(status, err)
    }

    /// Adds the first elements of a file.
    ///
    /// # Errors
    /// The library's.
    pub fn add_file(
        &mut self,
        path: &Path,
        elements: (i32, usize),
        to: &GpuBuffer,
        dtype: i32,
        on_host: bool,
    ) -> Result<()> {
        let path: CString = c_path(path)?;
        let (mut data, mut err) = (null_mut(), null_mut());
        let (out, err_out) = (&raw mut data, &raw mut err);
        // SAFETY: a live string, no options, and two live places for outputs.
        let status = unsafe { adit_data_open(path.as_ptr(), null(), out, err_out) };
        check(status, err)?;
        let options = Self::options(to, 0, dtype, on_host);
        let (from, len) = elements;
        let shape = [i64::try_from(len)?];
        let mut err = null_mut();
        let (options, err_out) = (&raw const options, &raw mut err);
        let dims = shape.as_ptr();
        // SAFETY: a live list that nobody else uses, a live file, one dimension, live options with a
        // live buffer, which the list holds, and a live place for the error.
        let status =
            unsafe { adit_load_items_add_data(self.raw, data, 0, from, 1, dims, options, err_out) };
        // SAFETY: closed once; the list holds the file.
        unsafe { adit_data_close(data) };
        check(status, err)
    }

    /// Uploads all, and returns when the card has them.
    ///
    /// # Errors
    /// The library's.
    pub fn upload(&self) -> Result<()> {
        let (no_stats, no_ticket, mut err) = (null_mut(), null_mut(), null_mut());
        let err_out = &raw mut err;
        // SAFETY: a live list of live buffers, and a live place for the error.
        let status =
            unsafe { adit_gpu_upload_items(self.raw, null(), no_stats, no_ticket, err_out) };
        check(status, err)
    }
}

impl Drop for Uploads<'_> {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { adit_load_items_free(self.raw) };
    }
}
