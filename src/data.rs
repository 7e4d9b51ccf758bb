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
//! Descriptors: a mapped file, and an empty one, keeps a descriptor until the last handle is closed,
//! never 0, 1 or 2. Closing it drops the POSIX locks (fcntl) that the process holds on that file.

use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::Arc;

use adit_core::map::{
    Advice, Backend, BytesOwner, Data, DataOptions, Region, Release, Residency, TO_END,
};

use crate::boundary::{
    Failure, Handle, Opaque, Options, Out, SizedOut, Zeroable, buffer_of, choose, close, guard,
    guard_handle, init_options, into_raw, path_argument, path_to_c, peek, read_options,
    refuse_flags, refuse_reserved,
};
use crate::callbacks::{adit_allocator, adit_release_fn, allocator};
use crate::error::{adit_error, adit_status};

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

/// Opens the file at `path`. An empty file is opened, with no bytes.
///
/// `options` may be NULL. On success `*out` is a handle that the caller closes with
/// adit_data_close. Backend, page and lock options are for the file's bytes; a decompressed file
/// lies on the heap.
///
/// Statuses: ADIT_ERR_NOT_FOUND, ADIT_ERR_PERMISSION, ADIT_ERR_NOT_A_FILE (a folder, FIFO, socket
/// or device; the call doesn't wait for a FIFO), ADIT_ERR_IO, ADIT_ERR_OUT_OF_MEMORY,
/// ADIT_ERR_MALFORMED and ADIT_ERR_CHECKSUM (compressed files), ADIT_ERR_OUT_OF_RANGE (over
/// max_decompressed_bytes), ADIT_ERR_TRUNCATED (cut while it was read),
/// ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_UNSUPPORTED (options of a later version, zstd with a
/// dictionary or a window over 128 MiB). With ADIT_DATA_LOCK also ADIT_ERR_OUT_OF_MEMORY and
/// ADIT_ERR_PERMISSION for the limit on locked memory. Files without a length that are made up as
/// they are read, such as those of /proc, are ADIT_ERR_NOT_A_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_open(
    path: *const c_char,
    options: *const adit_data_options,
    out: *mut *mut adit_data,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = || {
        out.required("out")?;
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(path, "path") }?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { data_options(options) }?;
        let data = Data::open(path, &options)?;
        out.set(into_raw(SharedData::new(Arc::new(data))));
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// Opens `len` bytes from byte `offset` of an open file; `len` may be ADIT_TO_END. The descriptor
/// is duplicated: the caller keeps its own and may close it at once. Its file position is neither
/// used nor moved. `offset` need not be aligned to anything.
///
/// Statuses: as adit_data_open; ADIT_ERR_IO for a number that is no open descriptor;
/// ADIT_ERR_PERMISSION for one that can't be read; ADIT_ERR_OUT_OF_RANGE where the file is
/// shorter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_open_fd(
    fd: c_int,
    offset: u64,
    len: u64,
    options: *const adit_data_options,
    out: *mut *mut adit_data,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = || {
        out.required("out")?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { data_options(options) }?;
        let data = Data::open_descriptor(fd, offset, len, &options)?;
        out.set(into_raw(SharedData::new(Arc::new(data))));
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// Memory of the caller, lent until the last handle is closed.
struct CallersBytes {
    bytes: *const u8,
    len: usize,
    release: adit_release_fn,
    ctx: *mut c_void,
}

// SAFETY: the bytes are only read; the header says that release runs on any thread.
unsafe impl Send for CallersBytes {}
// SAFETY: as for Send.
unsafe impl Sync for CallersBytes {}

// SAFETY: the header asks that the bytes stay readable and unmoved until release is called, or
// without one until the last handle is closed.
unsafe impl BytesOwner for CallersBytes {
    fn region(&self) -> Region<'_> {
        // SAFETY: as above.
        unsafe { Region::new(self.bytes, self.len) }
    }
}

impl Drop for CallersBytes {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: the header's contract of adit_release_fn; called once, here.
            unsafe { release(self.ctx, self.bytes.cast(), self.len as u64) };
        }
    }
}

/// Wraps `len` bytes of memory, as `ownership` (adit_bytes_ownership) says: copied, or borrowed.
///
/// Borrowed bytes must stay readable, unmoved and unchanged until `release`, which may be NULL, is
/// called with `ctx`: when the last handle to them is closed. It is not called if this call fails,
/// and for copied bytes it must be NULL. With `len` 0 the pointer is not read and may be NULL.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_from_bytes(
    bytes: *const c_void,
    len: u64,
    ownership: i32,
    release: adit_release_fn,
    ctx: *mut c_void,
    out: *mut *mut adit_data,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = || {
        out.required("out")?;
        if bytes.is_null() && len > 0 {
            return Err(Failure::null("bytes"));
        }
        let Some(size) = usize::try_from(len)
            .ok()
            .filter(|&len| isize::try_from(len).is_ok())
        else {
            return Err(Failure::invalid(format_args!(
                "len is {len}: more than memory can hold"
            )));
        };
        let table = [
            (adit_bytes_ownership::ADIT_BYTES_COPY as i32, true),
            (adit_bytes_ownership::ADIT_BYTES_BORROW as i32, false),
        ];
        let copied = choose(ownership, "ownership", "adit_bytes_ownership", &table)?;
        let data = if copied {
            if release.is_some() {
                return Err(Failure::invalid(
                    "release must be NULL for bytes that are copied",
                ));
            }
            // SAFETY: readable for len bytes during the call, as the header asks.
            let region = unsafe { Region::new(bytes.cast(), size) };
            Data::copy_of(region)?
        } else {
            Data::lent(Box::new(CallersBytes {
                bytes: bytes.cast(),
                len: size,
                release,
                ctx,
            }))
        };
        out.set(into_raw(SharedData::new(Arc::new(data))));
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// The first byte; NULL if there are none, or for NULL. Good until the last handle to the bytes is
/// closed. Mapped bytes and heap bytes of the library start at a multiple of 64, those of
/// adit_data_open_fd with an offset and of a caller where they lie.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_bytes(data: *const adit_data) -> *const c_void {
    // SAFETY: NULL or an open handle, as the header asks.
    let shared = unsafe { peek(data) };
    shared.map_or(std::ptr::null(), |shared| {
        shared.data.region().as_ptr().cast()
    })
}

/// The number of bytes; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_len(data: *const adit_data) -> u64 {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(data) }.map_or(0, |shared| shared.data.len())
}

/// Whether the bytes are a map of a file; false for NULL and for an empty file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_is_mapped(data: *const adit_data) -> bool {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(data) }.is_some_and(|shared| shared.data.is_mapped())
}

/// The path that the file was opened by; NULL for descriptors and memory, and for NULL. Good until
/// this handle is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_path(data: *const adit_data) -> *const c_char {
    // SAFETY: NULL or an open handle, as the header asks.
    let shared = unsafe { peek(data) };
    shared
        .and_then(|shared| shared.path.as_ref())
        .map_or(std::ptr::null(), |path| path.as_ptr())
}

/// Tells the kernel how `len` bytes from `offset` on will be used (adit_advice); `len` may be
/// ADIT_TO_END. Advice that doesn't apply, to bytes on the heap or in the caller's memory for one,
/// is a success.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_advise(
    data: *const adit_data,
    offset: u64,
    len: u64,
    advice: i32,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |shared: &SharedData| {
        let table = [
            (adit_advice::ADIT_ADVICE_NORMAL as i32, Advice::Normal),
            (
                adit_advice::ADIT_ADVICE_SEQUENTIAL as i32,
                Advice::Sequential,
            ),
            (adit_advice::ADIT_ADVICE_RANDOM as i32, Advice::Random),
            (adit_advice::ADIT_ADVICE_WILLNEED as i32, Advice::WillNeed),
            (adit_advice::ADIT_ADVICE_HUGEPAGE as i32, Advice::HugePage),
        ];
        let advice = choose(advice, "advice", "adit_advice", &table)?;
        Ok(shared.data.advise(offset, len, advice)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(data, err, body) }
}

/// Starts reading `len` bytes from `offset` on from the disk and returns at once; `len` may be
/// ADIT_TO_END. Bytes that are not mapped are in memory already: a success.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_prefetch(
    data: *const adit_data,
    offset: u64,
    len: u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |shared: &SharedData| Ok(shared.data.prefetch(offset, len)?);
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(data, err, body) }
}

/// Lets go of the whole pages inside `len` bytes from `offset` on; `len` may be ADIT_TO_END.
/// Pointers stay good: what is read again comes back from the file.
///
/// Without flags the pages leave this process's memory and stay in the kernel's page cache, and
/// `*freed` (which may be NULL) is the bytes that the process no longer has resident. With
/// ADIT_RELEASE_PAGE_CACHE they leave the page cache too, except where another map has them, of this
/// process or another, where they wait to be written, or where the kernel keeps larger folios than the range
/// covers; `*freed` is then the bytes that left the page cache.
///
/// Only read-only maps of files are released, and not those opened with ADIT_DATA_LOCK. Heap bytes and the caller's memory, private changed
/// pages among it, stay as they are, and 0 bytes are freed. Where the system doesn't tell (without
/// /proc, say) the pages are released and 0 is told.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE, ADIT_ERR_IO,
/// ADIT_ERR_UNSUPPORTED (unknown flags).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_release(
    data: *const adit_data,
    offset: u64,
    len: u64,
    flags: u32,
    freed: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let freed = unsafe { Out::zeroed(freed) };
    let body = |shared: &SharedData| {
        refuse_flags(flags, ADIT_RELEASE_PAGE_CACHE, "flags")?;
        let what = if flags & ADIT_RELEASE_PAGE_CACHE != 0 {
            Release::PageCache
        } else {
            Release::Resident
        };
        freed.set(shared.data.release(offset, len, what)?);
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(data, err, body) }
}

/// Counts which of `len` bytes from `offset` on are in memory; `len` may be ADIT_TO_END. The
/// caller sets `residency->struct_size`.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE, ADIT_ERR_IO; ADIT_ERR_NOT_FOUND or
/// ADIT_ERR_PERMISSION where /proc can't be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_residency(
    data: *const adit_data,
    offset: u64,
    len: u64,
    residency: *mut adit_residency,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(residency) };
    let body = |shared: &SharedData| {
        out.required("residency")?;
        let Residency {
            total,
            resident,
            cached,
        } = shared.data.residency(offset, len)?;
        out.set(adit_residency {
            struct_size: 0,
            total_bytes: total,
            resident_bytes: resident,
            cached_bytes: cached,
        });
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(data, err, body) }
}

/// Copies `len` bytes from `offset` on to `buffer`. A mapped file is read by pread, so that one
/// that was cut, or a disk that fails, is a status and not a fault. On failure the contents of
/// `buffer` are undefined.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (past the bytes that were there at
/// open), ADIT_ERR_TRUNCATED, ADIT_ERR_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_read(
    data: *const adit_data,
    offset: u64,
    len: u64,
    buffer: *mut c_void,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |shared: &SharedData| {
        // ADIT_TO_END is no length here: nobody has a buffer of that.
        let (offset, len) = shared.data.range(offset, len.min(ADIT_TO_END - 1))?;
        // SAFETY: writable for len bytes, as the header asks.
        let out = unsafe { buffer_of(buffer, len) }?;
        Ok(shared.data.read(offset, out)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(data, err, body) }
}

/// Whether the file still has all its bytes: looks at its length now, and remembers what this and
/// every read before has seen. ADIT_OK also for bytes that no file stands behind.
///
/// Statuses: ADIT_ERR_TRUNCATED (for good, even if the file grows again), ADIT_ERR_IO,
/// ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_status(
    data: *const adit_data,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |shared: &SharedData| Ok(shared.data.still_whole()?);
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(data, err, body) }
}

/// Closes a handle; NULL is nothing. The bytes go with the last handle that shares them. Closing
/// a handle twice is a bug of the caller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_close(data: *mut adit_data) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(data) };
}
