//! Callbacks: progress, log, allocator
//!
//! Callbacks must return normally: not throw, not longjmp. They must not call a function of the
//! handle that they are called for. ADIT_CALL in their types is the calling convention, empty
//! where a system has only one.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::NonNull;
use std::sync::{Arc, Once, PoisonError, RwLock};

use adit_core::map::BulkAllocator;

use crate::boundary::{Failure, Options, choose, guard, line_to_c, read_options};
use crate::error::{adit_error, adit_status};

//@c-before
//@ /**
//@  * Told how much is done of how much, in units that the call names; the last call of work that
//@  * is not cancelled has done == total. A result other than 0 cancels the work, which then
//@  * returns ADIT_CANCELLED. Runs on the thread that made the call.
//@  */
//@ typedef int (ADIT_CALL *adit_progress_fn)(void *ctx, uint64_t done, uint64_t total);
//@
//@ /** Told one line without a newline, good during the call. Runs on any thread. */
//@ typedef void (ADIT_CALL *adit_log_fn)(void *ctx, int32_t level, const char *message);
//@
//@ /**
//@  * Called once when the library no longer needs the bytes that it was lent. Runs on the thread
//@  * that closes the last handle to them.
//@  */
//@ typedef void (ADIT_CALL *adit_release_fn)(void *ctx, const void *bytes, uint64_t len);
//@
//@ /**
//@  * Gives `size` bytes (never 0) at a multiple of `align` (a power of two, at least 64), or NULL.
//@  * Runs on any thread, and on several at once.
//@  */
//@ typedef void *(ADIT_CALL *adit_alloc_fn)(void *ctx, size_t size, size_t align);
//@
//@ /** Takes back what the alloc function gave, with the same size and align. Runs on any thread. */
//@ typedef void (ADIT_CALL *adit_free_fn)(void *ctx, void *memory, size_t size, size_t align);

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type adit_progress_fn = Option<unsafe extern "C" fn(*mut c_void, u64, u64) -> c_int>;

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type adit_log_fn = Option<unsafe extern "C" fn(*mut c_void, i32, *const c_char)>;

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type adit_release_fn = Option<unsafe extern "C" fn(*mut c_void, *const c_void, u64)>;

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type adit_alloc_fn = Option<unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void>;

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type adit_free_fn = Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize, usize)>;

/// How much the log tells.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_log_level {
    /// Nothing.
    ADIT_LOG_OFF = 0,
    /// What was lost.
    ADIT_LOG_ERROR = 1,
    /// What may be lost, or was left behind.
    ADIT_LOG_WARN = 2,
    /// What was done in another way than asked for, such as a file read that couldn't be mapped.
    ADIT_LOG_INFO = 3,
    /// Everything.
    ADIT_LOG_DEBUG = 4,
}

/// Where bulk memory (whole files on the heap) comes from, instead of the system's allocator: for
/// pinned or counted memory. The struct is copied; `ctx` must live until the last handle that was
/// opened with it is closed.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_allocator {
    /// sizeof(adit_allocator).
    pub struct_size: usize,
    /// Given to both functions.
    pub ctx: *mut c_void,
    /// Gives memory.
    pub alloc: adit_alloc_fn,
    /// Takes it back.
    pub free: adit_free_fn,
}

//@c-after
//@ /** An allocator of two functions: adit_allocator a = ADIT_ALLOCATOR_INIT(ctx, alloc, free); */
//@ #define ADIT_ALLOCATOR_INIT(ctx, alloc, free) { sizeof(adit_allocator), (ctx), (alloc), (free) }

// SAFETY: repr(C), a usize first, no padding, and zeros are a null pointer and no functions.
unsafe impl Options for adit_allocator {}

struct CallersAllocator {
    ctx: *mut c_void,
    alloc: unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void, *mut c_void, usize, usize),
}

// SAFETY: the header says that the functions run on any thread, several at once.
unsafe impl Send for CallersAllocator {}
// SAFETY: as for Send.
unsafe impl Sync for CallersAllocator {}

// SAFETY: the header asks of the caller's functions what the trait asks; alignment is checked.
unsafe impl BulkAllocator for CallersAllocator {
    fn allocate(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        // SAFETY: the function and its ctx are good until the last handle is closed.
        let memory = unsafe { (self.alloc)(self.ctx, size, align) };
        let memory = NonNull::new(memory.cast::<u8>())?;
        if memory.as_ptr().addr().is_multiple_of(align) {
            return Some(memory);
        }
        log::error!("the caller's allocator gave memory that isn't aligned to {align} bytes");
        // SAFETY: as above; this is what alloc gave just now.
        unsafe { (self.free)(self.ctx, memory.as_ptr().cast(), size, align) };
        None
    }

    unsafe fn free(&self, ptr: NonNull<u8>, size: usize, align: usize) {
        // SAFETY: as above; the trait's caller says that `allocate` gave ptr with these values.
        unsafe { (self.free)(self.ctx, ptr.as_ptr().cast(), size, align) };
    }
}

/// The caller's allocator; none for NULL.
///
/// # Safety
/// `ptr` is null or readable for as many bytes as its first field says.
pub(crate) unsafe fn allocator(
    ptr: *const adit_allocator,
) -> Result<Option<Arc<dyn BulkAllocator>>, Failure> {
    if ptr.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, "options->allocator") }?;
    let (Some(alloc), Some(free)) = (own.alloc, own.free) else {
        return Err(Failure::invalid(
            "options->allocator->alloc or options->allocator->free is NULL",
        ));
    };
    Ok(Some(Arc::new(CallersAllocator {
        ctx: own.ctx,
        alloc,
        free,
    })))
}

struct Sink {
    callback: unsafe extern "C" fn(*mut c_void, i32, *const c_char),
    ctx: *mut c_void,
    level: log::LevelFilter,
}

// SAFETY: the header says that the callback runs on any thread.
unsafe impl Send for Sink {}
// SAFETY: as for Send; several threads may log at once.
unsafe impl Sync for Sink {}

static SINK: RwLock<Option<Sink>> = RwLock::new(None);

struct Forward;

impl log::Log for Forward {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = line_to_c(&record.args().to_string());
        let sink = SINK.read().unwrap_or_else(PoisonError::into_inner);
        // The level is set apart from the sink: a record may have passed under another one's.
        if let Some(sink) = sink.as_ref().filter(|sink| record.level() <= sink.level) {
            // SAFETY: adit_log_set waits for this lock before it lets go of callback and ctx.
            unsafe { (sink.callback)(sink.ctx, record.level() as i32, text.as_ptr()) };
        }
    }

    fn flush(&self) {}
}

/// Sets where the log of the whole process goes, at most as much as `level` (adit_log_level) says.
/// A NULL callback, or ADIT_LOG_OFF, ends it; that is how the library starts. When this returns,
/// the callback set before is no longer running and will not be called again: it waits for those
/// that run, so hold no lock that the callback takes. Any thread may call it.
///
/// The callback must not call this library at all.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT for an unknown level.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_log_set(
    callback: adit_log_fn,
    ctx: *mut c_void,
    level: i32,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        let table = [
            (adit_log_level::ADIT_LOG_OFF as i32, log::LevelFilter::Off),
            (
                adit_log_level::ADIT_LOG_ERROR as i32,
                log::LevelFilter::Error,
            ),
            (adit_log_level::ADIT_LOG_WARN as i32, log::LevelFilter::Warn),
            (adit_log_level::ADIT_LOG_INFO as i32, log::LevelFilter::Info),
            (
                adit_log_level::ADIT_LOG_DEBUG as i32,
                log::LevelFilter::Debug,
            ),
        ];
        let filter = choose(level, "level", "adit_log_level", &table)?;
        static FORWARD: Once = Once::new();
        FORWARD.call_once(|| {
            // Only the first logger of a process counts, and here nobody else sets one.
            let _ = log::set_logger(&Forward);
        });
        let sink = callback.map(|callback| Sink {
            callback,
            ctx,
            level: filter,
        });
        let level = if sink.is_some() {
            filter
        } else {
            log::LevelFilter::Off
        };
        let mut current = SINK.write().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that of two calls at once one sets both.
        log::set_max_level(level);
        *current = sink;
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}
