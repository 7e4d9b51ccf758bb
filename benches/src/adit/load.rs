//! Loads of many tensors.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

use super::model::RawModel;
use super::{Io, Model, RawError, Tensor, check};
use crate::Result;

#[repr(C)]
pub(super) struct RawItems {
    _opaque: [u8; 0],
}

#[repr(C)]
struct RawArena {
    _opaque: [u8; 0],
}

/// `adit_load_item_options`.
#[repr(C)]
pub(super) struct ItemOptions {
    pub(super) struct_size: usize,
    pub(super) dst: *mut c_void,
    pub(super) dst_bytes: u64,
    pub(super) row_start: u64,
    pub(super) row_count: u64,
    pub(super) column_start: u64,
    pub(super) column_count: u64,
    pub(super) dtype: i32,
    pub(super) flags: u32,
    pub(super) gpu_buffer: *const c_void,
    pub(super) gpu_offset: u64,
    pub(super) reserved: [u64; 2],
}

impl ItemOptions {
    pub(super) const ALL: ItemOptions = ItemOptions {
        struct_size: size_of::<ItemOptions>(),
        dst: null_mut(),
        dst_bytes: 0,
        row_start: 0,
        row_count: 0,
        column_start: 0,
        column_count: 0,
        dtype: 0,
        flags: 0,
        gpu_buffer: std::ptr::null(),
        gpu_offset: 0,
        reserved: [0; 2],
    };
}

/// `adit_load_options`.
#[repr(C)]
struct LoadOptions {
    struct_size: usize,
    threads: u32,
    io: i32,
    flags: u32,
    reserved0: u32,
    budget: u64,
    align: u64,
    allocator: *const c_void,
    progress: *mut c_void,
    progress_ctx: *mut c_void,
    item_done: *mut c_void,
    item_ctx: *mut c_void,
    reserved: [u64; 4],
}

/// `adit_load_stats`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Stats {
    struct_size: usize,
    /// Bytes of all items as they were written.
    pub bytes: u64,
    /// Bytes of files that were read past the page cache.
    pub direct_bytes: u64,
    /// Memory that was worked in.
    pub work_bytes: u64,
    /// Threads that read.
    pub threads: u32,
    reserved0: u32,
}

#[link(name = "adit", kind = "dylib")]
unsafe extern "C" {
    fn adit_load_items_new(out: *mut *mut RawItems, err: *mut *mut RawError) -> i32;
    fn adit_load_items_add_model(
        items: *mut RawItems,
        model: *const RawModel,
        index: usize,
        options: *const ItemOptions,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_load_items_free(items: *mut RawItems);
    fn adit_load(
        items: *const RawItems,
        options: *const LoadOptions,
        arena: *mut *mut RawArena,
        stats: *mut Stats,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_arena_tensor(
        arena: *const RawArena,
        item: usize,
        tensor: *mut Tensor<'_>,
        err: *mut *mut RawError,
    ) -> i32;
    fn adit_arena_free(arena: *mut RawArena);
}

/// `ADIT_LOAD_DIRECT`.
const DIRECT: u32 = 1;

/// How to load.
#[derive(Clone, Copy, Debug)]
pub struct Loading {
    /// Reading threads; 0 for the library's choice.
    pub threads: u32,
    /// How files' bytes are had.
    pub io: Io,
    /// Past the page cache.
    pub direct: bool,
}

impl Loading {
    /// By so many threads, else the default.
    #[must_use]
    pub const fn new(threads: u32) -> Loading {
        Loading {
            threads,
            io: Io::Auto,
            direct: false,
        }
    }
}

/// `adit_load_items`, whose buffers live for `'a`.
#[derive(Debug)]
pub struct Items<'a> {
    raw: *mut RawItems,
    fills: PhantomData<&'a mut [u8]>,
}

impl<'a> Items<'a> {
    /// An empty list.
    ///
    /// # Errors
    /// The library's.
    pub fn new() -> Result<Items<'a>> {
        let (mut raw, mut err) = (null_mut(), null_mut());
        // SAFETY: two live places for outputs.
        let status = unsafe { adit_load_items_new(&raw mut raw, &raw mut err) };
        check(status, err)?;
        let fills = PhantomData;
        Ok(Items { raw, fills })
    }

    /// Adds a tensor of a model, as a dtype, into a buffer or into the arena.
    ///
    /// # Errors
    /// The library's.
    pub fn add(
        &mut self,
        model: &Model,
        index: usize,
        dtype: i32,
        to: Option<&'a mut [MaybeUninit<u8>]>,
    ) -> Result<()> {
        let (dst, dst_bytes) = match to {
            Some(to) => (to.as_mut_ptr().cast(), to.len() as u64),
            None => (null_mut(), 0),
        };
        let options = ItemOptions {
            dst,
            dst_bytes,
            dtype,
            ..ItemOptions::ALL
        };
        let (options, mut err) = (&raw const options, null_mut());
        let err_out = &raw mut err;
        // SAFETY: a live list that nobody else uses, an open model, live options with a buffer that
        // is this list's alone for 'a, and a live place for the error.
        let status =
            unsafe { adit_load_items_add_model(self.raw, model.0, index, options, err_out) };
        check(status, err)
    }

    /// Loads all.
    ///
    /// # Errors
    /// The library's.
    pub fn load(&mut self, how: &Loading) -> Result<(Arena, Stats)> {
        let options = LoadOptions {
            struct_size: size_of::<LoadOptions>(),
            threads: how.threads,
            io: how.io as i32,
            flags: if how.direct { DIRECT } else { 0 },
            reserved0: 0,
            budget: 0,
            align: 0,
            allocator: std::ptr::null(),
            progress: null_mut(),
            progress_ctx: null_mut(),
            item_done: null_mut(),
            item_ctx: null_mut(),
            reserved: [0; 4],
        };
        let mut stats = Stats {
            struct_size: size_of::<Stats>(),
            bytes: 0,
            direct_bytes: 0,
            work_bytes: 0,
            threads: 0,
            reserved0: 0,
        };
        let (mut arena, mut err) = (null_mut(), null_mut());
        let (options, out) = (&raw const options, &raw mut arena);
        let (stats_out, err_out) = (&raw mut stats, &raw mut err);
        // SAFETY: a live list whose buffers are its own and that is borrowed alone, live options,
        // and three live places for outputs.
        let status = unsafe { adit_load(self.raw, options, out, stats_out, err_out) };
        check(status, err)?;
        Ok((Arena(arena), stats))
    }
}

impl Drop for Items<'_> {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { adit_load_items_free(self.raw) };
    }
}

/// `adit_arena`.
#[derive(Debug)]
pub struct Arena(*mut RawArena);

impl Arena {
    /// What an item became.
    ///
    /// # Errors
    /// The library's.
    pub fn tensor(&self, item: usize) -> Result<Tensor<'_>> {
        let (mut tensor, mut err) = (Tensor::EMPTY, null_mut());
        let (out, err_out) = (&raw mut tensor, &raw mut err);
        // SAFETY: a live arena and two live places for outputs.
        let status = unsafe { adit_arena_tensor(self.0, item, out, err_out) };
        check(status, err)?;
        Ok(tensor)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: freed once; what it lent was tied to its lifetime.
        unsafe { adit_arena_free(self.0) };
    }
}
