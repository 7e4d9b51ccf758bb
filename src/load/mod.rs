//! Loading: many tensors at once
//!
//! A load copies tensors, or parts of them, out of files with several reading threads: into the
//! caller's memory, into one block that it makes (an arena), or through a sink, the caller's own
//! slots and copies, to wherever these lead. Elements are converted or dequantised on the way. It is
//! for weights that are all needed: reading them so is faster than touching a map, most of all where
//! the file isn't in the page cache.
//!
//! First the items are listed: each says where a tensor lies, which rows and columns of it, as which
//! dtype, and where it goes. Then one call loads them all, in the order in which their files have
//! them. Items have numbers, from 0 in the order in which they were added; errors tell the number.
//!
//! Ownership: items hold what they are loaded from; arrays, models and data may be closed before.
//! The memory given for an item must be good, and nobody else's, during every load of it. Tensors of
//! an arena are good, to be read and written, until it is freed; it needs neither items nor files.
//!
//! Threads: a load starts threads of its own, unless options->threads is 1 or the work is small, and
//! ends them before it returns. They call nothing of the caller's but the allocator; all other
//! callbacks run on the thread that made the call. Items and arenas may be used by const calls on any
//! threads at the same time, as long as no two loads write to the same memory.
//!
//! Forks: a child may load items and use arenas that it inherited, and free both; one forked in a
//! callback of a load must not return from it, since the load's threads stay with the parent.
//!
//! Files that change: a file cut at any time is ADIT_ERR_TRUNCATED, unless options->io is
//! ADIT_IO_MAP.

mod items;
mod list;
mod memory;
mod sink;

use std::ffi::c_void;

use adit_core::transfer::{LoadOptions, MAX_ALIGN, MIN_BUDGET, Stats, Watch};

use crate::boundary::{
    Failure, Options, Zeroable, init_options, read_options, refuse_flags, refuse_reserved,
};
use crate::callbacks::{adit_allocator, adit_progress_fn, allocator};
use crate::data::io_argument;

pub(crate) use items::adit_load_items;
pub(crate) use list::Items;

//@c-before
//@ /**
//@  * Told that item `item` is whole where it belongs, or on its way to the card in an upload. Items
//@  * end in any order, each once; a result other than 0 cancels the load, which then returns
//@  * ADIT_CANCELLED. Runs on the thread that made the call.
//@  */
//@ typedef int (ADIT_CALL *adit_item_fn)(void *ctx, uint64_t item);

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type adit_item_fn = Option<unsafe extern "C" fn(*mut c_void, u64) -> std::ffi::c_int>;

/// In adit_load_options.flags: read past the page cache, where the file system can; elsewhere files
/// are read as usual, and adit_load_stats tells how much was. For files that don't fit into memory,
/// or are read once: what is in the page cache is read from the disk again.
pub const ADIT_LOAD_DIRECT: u32 = 1;

/// The least adit_load_options.budget: 1 MiB.
pub const ADIT_LOAD_MIN_BUDGET: u64 = 1048576;

/// The greatest adit_load_options.align: 2 MiB.
pub const ADIT_LOAD_MAX_ALIGN: u64 = 2097152;

const _: () = assert!(ADIT_LOAD_MIN_BUDGET == MIN_BUDGET);
const _: () = assert!(ADIT_LOAD_MAX_ALIGN == MAX_ALIGN as u64);

/// How to load. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_load_options {
    /// sizeof(adit_load_options).
    pub struct_size: usize,
    /// Reading threads; 0 for as many as are best, 1 for the caller's alone. No more are started
    /// than have work and share of the budget.
    pub threads: u32,
    /// An adit_io. ADIT_IO_AUTO reads files; ADIT_IO_MAP copies from the map, and is SIGBUS where a
    /// file is cut during the call.
    pub io: i32,
    /// ADIT_LOAD_... flags.
    pub flags: u32,
    /// Zero.
    pub reserved0: u32,
    /// The most memory in bytes to work in, beside that of the items and some bookkeeping; 0 for 64
    /// MiB, else at least ADIT_LOAD_MIN_BUDGET. It bounds the threads: each needs 256 KiB.
    pub budget: u64,
    /// What tensors in an arena are aligned to: a power of two up to ADIT_LOAD_MAX_ALIGN; 0 for 64.
    pub align: u64,
    /// Where the arena's memory comes from, and that to work in; NULL for the system's allocator,
    /// with huge pages where these can be had. It must live until the arena is freed.
    pub allocator: *const adit_allocator,
    /// Told bytes as they were written; may be NULL. To a sink they count once waited for.
    pub progress: adit_progress_fn,
    /// Given to progress.
    pub progress_ctx: *mut c_void,
    /// Told each item; may be NULL.
    pub item_done: adit_item_fn,
    /// Given to item_done.
    pub item_ctx: *mut c_void,
    /// Zeros.
    pub reserved: [u64; 4],
}

/// What a load did.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_load_stats {
    /// sizeof(adit_load_stats), set by the caller.
    pub struct_size: usize,
    /// Bytes of all items as they were written.
    pub bytes: u64,
    /// Bytes of files that were read past the page cache.
    pub direct_bytes: u64,
    /// Memory that was worked in, within the budget.
    pub work_bytes: u64,
    /// Threads that read: 1 where it was the caller's.
    pub threads: u32,
    /// Zero.
    pub reserved0: u32,
}

//@c-after
//@ /** The default options. */
//@ #define ADIT_LOAD_OPTIONS_INIT \
//@     { sizeof(adit_load_options), 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, { 0, 0, 0, 0 } }
//@ /** To be filled. */
//@ #define ADIT_LOAD_STATS_INIT { sizeof(adit_load_stats), 0, 0, 0, 0, 0 }

// SAFETY: repr(C), a usize first, no padding, and zeros are numbers, null pointers, no functions.
unsafe impl Options for adit_load_options {}
// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_load_stats {}

impl adit_load_stats {
    pub(crate) fn of(stats: &Stats) -> adit_load_stats {
        adit_load_stats {
            struct_size: 0,
            bytes: stats.bytes,
            direct_bytes: stats.direct_bytes,
            work_bytes: stats.work_bytes,
            threads: u32::try_from(stats.threads).unwrap_or(u32::MAX),
            reserved0: 0,
        }
    }
}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_load_options_init(options: *mut adit_load_options, size: usize) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// The caller's callbacks.
pub(crate) struct Callbacks {
    progress: adit_progress_fn,
    progress_ctx: *mut c_void,
    item_done: adit_item_fn,
    item_ctx: *mut c_void,
}

impl Watch for Callbacks {
    fn progress(&mut self, done: u64, total: u64) -> bool {
        let Some(progress) = self.progress else {
            return true;
        };
        // SAFETY: a function that may be called with its ctx during the load, as the header asks.
        unsafe { progress(self.progress_ctx, done, total) == 0 }
    }

    fn item_done(&mut self, item: usize) -> bool {
        let Some(item_done) = self.item_done else {
            return true;
        };
        // SAFETY: as above.
        unsafe { item_done(self.item_ctx, item as u64) == 0 }
    }
}

/// The engine's options and callbacks for the caller's.
///
/// # Safety
/// `ptr` is null or points to options as the header asks.
pub(crate) unsafe fn load_options(
    ptr: *const adit_load_options,
    name: &'static str,
) -> Result<(LoadOptions, Callbacks), Failure> {
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, name) }?;
    refuse_flags(own.flags, ADIT_LOAD_DIRECT, &format!("{name}->flags"))?;
    refuse_reserved(&own.reserved, name)?;
    refuse_reserved(&[own.reserved0.into()], name)?;
    // SAFETY: the caller's promise.
    let allocator = unsafe { allocator(own.allocator) }?;
    let options = LoadOptions {
        threads: own.threads as usize,
        io: io_argument(own.io, &format!("{name}->io"))?,
        direct: own.flags & ADIT_LOAD_DIRECT != 0,
        budget: own.budget,
        align: usize::try_from(own.align).unwrap_or(usize::MAX),
        allocator,
    };
    let callbacks = Callbacks {
        progress: own.progress,
        progress_ctx: own.progress_ctx,
        item_done: own.item_done,
        item_ctx: own.item_ctx,
    };
    Ok((options, callbacks))
}
