//! The loader.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use super::record::RawReader;
use super::{RawError, Reader, Tensor, check};
use crate::Result;

#[repr(C)]
struct RawLoader {
    _opaque: [u8; 0],
}

#[repr(C)]
struct RawBatch {
    _opaque: [u8; 0],
}

/// `adit_loader_options`.
#[repr(C)]
struct LoaderOptions {
    struct_size: usize,
    batch: u64,
    seed: u64,
    epoch: u64,
    rank: u32,
    world: u32,
    canonical_nodes: u32,
    flags: u32,
    block: u64,
    window: u64,
    order: i32,
    uneven: i32,
    io: i32,
    cache: i32,
    bad_record: i32,
    check: i32,
    workers: u32,
    depth: u32,
    max_held: u32,
    reserved0: u32,
    memory_budget: u64,
    fields: *const c_void,
    transform: *const c_void,
    transform_ctx: *mut c_void,
    allocator: *const c_void,
    reserved: [u64; 8],
}

#[link(name = "adit", kind = "dylib")]
unsafe extern "C" {
    fn adit_loader_open(
        reader: *const RawReader,
        options: *const LoaderOptions,
        out: *mut *mut RawLoader,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_loader_next(
        loader: *mut RawLoader,
        batch: *mut *mut RawBatch,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_loader_close(loader: *mut RawLoader);
    fn adit_batch_tensor(
        batch: *const RawBatch,
        index: usize,
        tensor: *mut Tensor<'_>,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_batch_release(batch: *mut RawBatch);
}

/// `ADIT_LOADER_NO_THREADS`.
const NO_THREADS: u32 = 1;
/// `ADIT_END`.
const END: i32 = 23;

/// How to load an epoch.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    /// Records of a batch.
    pub batch: u64,
    /// Blocks of a window.
    pub window: u64,
    /// Threads; 0 for the caller's own.
    pub workers: u32,
    /// An `adit_io`.
    pub io: i32,
    /// An `adit_record_check`.
    pub check: i32,
    /// What the order follows from.
    pub seed: u64,
}

/// `adit_loader`.
#[derive(Debug)]
pub struct Loader(*mut RawLoader);

impl Loader {
    /// A loader of all records of a reader.
    ///
    /// # Errors
    /// The library's.
    pub fn open(reader: &Reader, how: &Epoch) -> Result<Loader> {
        let options = LoaderOptions {
            struct_size: size_of::<LoaderOptions>(),
            batch: how.batch,
            seed: how.seed,
            epoch: 0,
            rank: 0,
            world: 0,
            canonical_nodes: 0,
            flags: if how.workers == 0 { NO_THREADS } else { 0 },
            block: 0,
            window: how.window,
            order: 0,
            uneven: 0,
            io: how.io,
            cache: 0,
            bad_record: 0,
            check: how.check,
            workers: how.workers,
            depth: 0,
            max_held: 0,
            reserved0: 0,
            memory_budget: 0,
            fields: null(),
            transform: null(),
            transform_ctx: null_mut(),
            allocator: null(),
            reserved: [0; 8],
        };
        let (mut loader, mut err) = (null_mut(), null_mut());
        let (options, out) = (&raw const options, &raw mut loader);
        // SAFETY: an open reader, live options, and two live places for outputs.
        let status = unsafe { adit_loader_open(reader.0, options, out, &raw mut err) };
        check(status, err)?;
        Ok(Loader(loader))
    }

    /// Shows the first tensor of the next batch to `look` and gives the batch back; none at the
    /// epoch's end.
    ///
    /// # Errors
    /// The library's.
    pub fn next<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        let (mut batch, mut err) = (null_mut(), null_mut());
        // SAFETY: an open loader, used by nobody else, and two live places for outputs.
        let status = unsafe { adit_loader_next(self.0, &raw mut batch, &raw mut err) };
        if status == END {
            return Ok(None);
        }
        check(status, err)?;
        let mut tensor = Tensor::EMPTY;
        // SAFETY: a live batch, and two live places for outputs.
        let status = unsafe { adit_batch_tensor(batch, 0, &raw mut tensor, &raw mut err) };
        let looked = check(status, err).map(|()| look(tensor.bytes()));
        // SAFETY: released once; what it lent isn't used any more.
        unsafe { adit_batch_release(batch) };
        looked.map(Some)
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // SAFETY: closed once.
        unsafe { adit_loader_close(self.0) };
    }
}
