//! Data: a file's bytes
//!
//! An adit_data holds bytes for reading: a mapped file, a file read or decompressed to the heap, a
//! copy, or the caller's own memory.
//!
//! Ownership: the pointer of adit_data_bytes, and whatever records and arrays lend from it, is
//! good until the adit_data and every reader or array opened from it are closed; no other call
//! moves or ends it. Handles share the bytes, so they can be closed in any order.
//!
//! Threads: functions that take a `const adit_data *` may run at the same time on any threads;
//! closing needs the caller's exclusion.
//!
//! Files that change: a mapped file shows what other processes write to it. If one cuts the file,
//! then reading what is gone through a pointer is SIGBUS, which ends the process; adit_data_read
//! reads the file itself and answers ADIT_ERR_TRUNCATED. Whoever must live with such files opens
//! them with ADIT_BACKEND_READ. Replacing a file by rename, as this library's writers do, harms
//! nobody who has mapped the old one.
//!
//! Forks: a child may read through handles that it inherited, and close them.
//!
//! Descriptors: a mapped file, and an empty one, keeps a descriptor until the last handle is
//! closed, never 0, 1 or 2. Closing it drops the POSIX locks (fcntl) that the process holds on that
//! file.

mod open;
mod bytes;
mod io;
mod pages;

use std::ffi::CString;
use std::sync::Arc;

use adit_core::map::{Backend, Data, DataOptions, TO_END};

use crate::boundary::{
    Failure, Handle, Opaque, Options, Zeroable, choose, init_options, path_to_c, read_options,
    refuse_flags, refuse_reserved,
};
use crate::callbacks::{adit_allocator, allocator};

pub(crate) use io::{any_io_argument, io_argument};
pub(crate) use open::borrowed;
pub(crate) use pages::{advice_argument, release_argument};

/// A file's bytes.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_data(Handle<SharedData>);

/// The bytes, and their path as C has it.
#[derive(Debug)]
pub(crate) struct SharedData {
    pub(crate) data: Arc<Data>,
    path: Option<CString>,
}

impl SharedData {
    pub(crate) fn new(data: Arc<Data>) -> SharedData {
        let path = data.origin().path().and_then(path_to_c);
        SharedData { data, path }
    }
}

// SAFETY: repr(transparent) over Handle<SharedData>.
unsafe impl Opaque for adit_data {
    type Value = SharedData;
    const PARAMETER: &'static str = "data";
}

/// As a length: up to the end.
pub const ADIT_TO_END: u64 = u64::MAX;

const _: () = assert!(ADIT_TO_END == TO_END);

/// How a file's bytes come into memory.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_backend {
    /// Mapped; read to the heap where the file system can't map.
    ADIT_BACKEND_AUTO = 0,
    /// Mapped, or an error.
    ADIT_BACKEND_MAP = 1,
    /// Read to the heap: later changes of the file don't show, and it can't be cut underneath.
    ADIT_BACKEND_READ = 2,
}

/// In adit_data_options.flags: ask for huge pages. Only a wish.
pub const ADIT_DATA_HUGE_PAGES: u32 = 1;
/// In adit_data_options.flags: bring all pages into memory before the call returns. Only a wish.
pub const ADIT_DATA_POPULATE: u32 = 2;
/// In adit_data_options.flags: keep all pages in memory. Where the limit on locked memory is too
/// low, opening fails with ADIT_ERR_OUT_OF_MEMORY or ADIT_ERR_PERMISSION.
pub const ADIT_DATA_LOCK: u32 = 4;
/// In adit_data_options.flags: decompress gzip (RFC 1952) and zstd (RFC 8878) to the heap. The
/// content decides, not the name; anything else is opened as it is.
pub const ADIT_DATA_DECOMPRESS: u32 = 8;

const ALL_FLAGS: u32 =
    ADIT_DATA_HUGE_PAGES | ADIT_DATA_POPULATE | ADIT_DATA_LOCK | ADIT_DATA_DECOMPRESS;

/// The cap on decompressed bytes where max_decompressed_bytes is 0: 4 GiB.
pub const ADIT_DATA_DEFAULT_MAX_DECOMPRESSED: u64 = 4294967296;

/// How to open a file's bytes. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_data_options {
    /// sizeof(adit_data_options).
    pub struct_size: usize,
    /// An adit_backend.
    pub backend: i32,
    /// ADIT_DATA_... flags.
    pub flags: u32,
    /// With ADIT_DATA_DECOMPRESS, the most bytes that may come out: more is ADIT_ERR_OUT_OF_RANGE.
    pub max_decompressed_bytes: u64,
    /// Where heap memory comes from; NULL for the system's allocator.
    pub allocator: *const adit_allocator,
    /// Zeros.
    pub reserved: [u64; 4],
}

//@c-after
//@ /** The default options: adit_data_options options = ADIT_DATA_OPTIONS_INIT; */
//@ #define ADIT_DATA_OPTIONS_INIT { sizeof(adit_data_options), 0, 0, 0, NULL, { 0, 0, 0, 0 } }

// SAFETY: repr(C), a usize first, no padding between its members, and zeros are numbers, flags
// and a null pointer.
unsafe impl Options for adit_data_options {}

/// What adit_data_from_bytes does with the bytes.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_bytes_ownership {
    /// Copies them during the call.
    ADIT_BYTES_COPY = 0,
    /// Borrows them until the last handle to them is closed.
    ADIT_BYTES_BORROW = 1,
}

/// How bytes will be used.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_advice {
    /// In no particular way.
    ADIT_ADVICE_NORMAL = 0,
    /// From front to back: the kernel reads far ahead.
    ADIT_ADVICE_SEQUENTIAL = 1,
    /// Here and there: the kernel reads single pages. Slow for cold files; prefer
    /// adit_data_prefetch of what comes next.
    ADIT_ADVICE_RANDOM = 2,
    /// Soon: the kernel starts reading.
    ADIT_ADVICE_WILLNEED = 3,
    /// In huge pages, where the file system has them.
    ADIT_ADVICE_HUGEPAGE = 4,
}

/// In the flags of adit_data_release: also drop the bytes from the kernel's page cache.
pub const ADIT_RELEASE_PAGE_CACHE: u32 = 1;

/// Which bytes are in memory, in whole pages.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_residency {
    /// sizeof(adit_residency), set by the caller.
    pub struct_size: usize,
    /// Bytes of all pages that the range touches; of the range, for bytes on the heap.
    pub total_bytes: u64,
    /// Bytes mapped into this process: what its resident set counts.
    pub resident_bytes: u64,
    /// Bytes in memory at all, in the kernel's page cache or on the heap. The kernel tells this of
    /// files only to those who own them or may write them; for others it is the total.
    pub cached_bytes: u64,
}

//@c-after
//@ /** To be filled: adit_residency residency = ADIT_RESIDENCY_INIT; */
//@ #define ADIT_RESIDENCY_INIT { sizeof(adit_residency), 0, 0, 0 }

// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_residency {}

/// The engine's options for the caller's.
///
/// # Safety
/// `ptr` is null or points to options as the header asks.
pub(crate) unsafe fn data_options(ptr: *const adit_data_options) -> Result<DataOptions, Failure> {
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, "options") }?;
    refuse_flags(own.flags, ALL_FLAGS, "options->flags")?;
    refuse_reserved(&own.reserved, "options")?;
    let table = [
        (adit_backend::ADIT_BACKEND_AUTO as i32, Backend::Auto),
        (adit_backend::ADIT_BACKEND_MAP as i32, Backend::Map),
        (adit_backend::ADIT_BACKEND_READ as i32, Backend::Read),
    ];
    let backend = choose(own.backend, "options->backend", "adit_backend", &table)?;
    let cap = match own.max_decompressed_bytes {
        0 => ADIT_DATA_DEFAULT_MAX_DECOMPRESSED,
        cap => cap,
    };
    // SAFETY: the caller's promise.
    let allocator = unsafe { allocator(own.allocator) }?;
    Ok(DataOptions {
        backend,
        huge_pages: own.flags & ADIT_DATA_HUGE_PAGES != 0,
        populate: own.flags & ADIT_DATA_POPULATE != 0,
        lock: own.flags & ADIT_DATA_LOCK != 0,
        decompress: (own.flags & ADIT_DATA_DECOMPRESS != 0).then_some(cap),
        allocator,
        ..DataOptions::default()
    })
}

/// Fills `options` with the defaults, as ADIT_DATA_OPTIONS_INIT does, for languages without
/// macros. `size` is the size of the struct as the caller knows it. NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_options_init(options: *mut adit_data_options, size: usize) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}
