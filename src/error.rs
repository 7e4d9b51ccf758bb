//! Status and errors
//!
//! Every call that can fail returns an adit_status; ADIT_OK is 0. Its last argument, `adit_error
//! **err`, may be NULL. If it isn't, `*err` is overwritten: with NULL on success, and on failure
//! with an error object that the caller frees with adit_error_free. It is never read, so it need
//! not be initialised, and an error that it held before is not freed.
//!
//! ADIT_END, ADIT_TIMEOUT and ADIT_CANCELLED belong to a program's normal course and come without
//! an error object: after these `*err` is NULL.
//!
//! On failure every output is NULL or zero, unless the function says otherwise. Nothing is thrown,
//! printed or ended: a bug inside the library is ADIT_ERR_INTERNAL, and leaves the handle it
//! happened in with ADIT_ERR_POISONED for every later call that returns a status.
//!
//! Beyond a status are: memory for bookkeeping (objects, messages, a decompressor's tables) that
//! the system doesn't have, which aborts the process, while memory for data is always asked for in
//! a way that can fail (ADIT_ERR_OUT_OF_MEMORY); SIGBUS from a mapped file that somebody cuts;
//! SIGXFSZ where the host doesn't ignore it and a limit on file sizes is reached; and a thread that
//! is cancelled (pthread_cancel) inside a call, which aborts the process.
//!
//! Error objects belong to one thread at a time; nothing is kept per thread.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char};

use adit_core::error::Place;

use crate::boundary::{Failure, Loud, line_to_c, path_to_c};

/// How a call ended. The numbers never change; new ones may come.
#[must_use]
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_status {
    /// Done.
    ADIT_OK = 0,
    /// An argument is wrong: NULL, an unknown enumerator, a handle in the wrong state.
    ADIT_ERR_INVALID_ARGUMENT = 1,
    /// The operating system refused a read, write or sync; see adit_error_os_code.
    ADIT_ERR_IO = 2,
    /// No such file. From a look-up, no such entry, and then without an error object.
    ADIT_ERR_NOT_FOUND = 3,
    /// Permissions, or a limit on the process (open files, locked memory), forbid it.
    ADIT_ERR_PERMISSION = 4,
    /// The file exists and was not to be replaced.
    ADIT_ERR_EXISTS = 5,
    /// A folder, FIFO, socket or device stands where a regular file is needed.
    ADIT_ERR_NOT_A_FILE = 6,
    /// The file is of another format.
    ADIT_ERR_WRONG_FORMAT = 7,
    /// The file is damaged: it has the format's magic but breaks its rules.
    ADIT_ERR_MALFORMED = 8,
    /// Bytes differ from their checksum.
    ADIT_ERR_CHECKSUM = 9,
    /// The file's writer never finished it; recovery may save what it holds. From a call that
    /// finishes a file: something of it was never written.
    ADIT_ERR_UNFINISHED = 10,
    /// The file was cut after it was opened.
    ADIT_ERR_TRUNCATED = 11,
    /// A dtype that the call or format doesn't take.
    ADIT_ERR_DTYPE = 12,
    /// A shape that the call or format doesn't take.
    ADIT_ERR_SHAPE = 13,
    /// The elements don't lie at the alignment of their dtype, so no pointer to them is lent.
    ADIT_ERR_MISALIGNED = 14,
    /// The handle or the file system is read-only.
    ADIT_ERR_READ_ONLY = 15,
    /// Somebody else holds it.
    ADIT_ERR_BUSY = 16,
    /// The disk or the quota is full.
    ADIT_ERR_NO_SPACE = 17,
    /// An index, offset, length or size outside what there is or what is allowed.
    ADIT_ERR_OUT_OF_RANGE = 18,
    /// Memory ran out.
    ADIT_ERR_OUT_OF_MEMORY = 19,
    /// Sound, but not something this version or build does.
    ADIT_ERR_UNSUPPORTED = 20,
    /// An earlier failure left the handle unusable; only closing it is left.
    ADIT_ERR_POISONED = 21,
    /// The handle belongs to the process that this one was forked from.
    ADIT_ERR_FORKED = 22,
    /// Not an error: there is nothing more.
    ADIT_END = 23,
    /// Not an error: the time given passed.
    ADIT_TIMEOUT = 24,
    /// Not an error: the caller's progress callback asked to stop.
    ADIT_CANCELLED = 25,
    /// No GPU, or no driver for one.
    ADIT_ERR_NO_GPU = 26,
    /// The GPU was reset or removed.
    ADIT_ERR_GPU_LOST = 27,
    /// The GPU's driver refused.
    ADIT_ERR_GPU = 28,
    /// A bug in the library.
    ADIT_ERR_INTERNAL = 29,
    /// Done, and the file stands whole at its path, but its folder could not be synced: a power
    /// cut may undo it.
    ADIT_ERR_NOT_DURABLE = 30,
    /// A callback of the caller failed; adit_error_os_code is its result.
    ADIT_ERR_CALLBACK = 31,
}

use adit_status::*;

const STATUSES: [(adit_status, &CStr); 32] = [
    (ADIT_OK, c"ADIT_OK"),
    (ADIT_ERR_INVALID_ARGUMENT, c"ADIT_ERR_INVALID_ARGUMENT"),
    (ADIT_ERR_IO, c"ADIT_ERR_IO"),
    (ADIT_ERR_NOT_FOUND, c"ADIT_ERR_NOT_FOUND"),
    (ADIT_ERR_PERMISSION, c"ADIT_ERR_PERMISSION"),
    (ADIT_ERR_EXISTS, c"ADIT_ERR_EXISTS"),
    (ADIT_ERR_NOT_A_FILE, c"ADIT_ERR_NOT_A_FILE"),
    (ADIT_ERR_WRONG_FORMAT, c"ADIT_ERR_WRONG_FORMAT"),
    (ADIT_ERR_MALFORMED, c"ADIT_ERR_MALFORMED"),
    (ADIT_ERR_CHECKSUM, c"ADIT_ERR_CHECKSUM"),
    (ADIT_ERR_UNFINISHED, c"ADIT_ERR_UNFINISHED"),
    (ADIT_ERR_TRUNCATED, c"ADIT_ERR_TRUNCATED"),
    (ADIT_ERR_DTYPE, c"ADIT_ERR_DTYPE"),
    (ADIT_ERR_SHAPE, c"ADIT_ERR_SHAPE"),
    (ADIT_ERR_MISALIGNED, c"ADIT_ERR_MISALIGNED"),
    (ADIT_ERR_READ_ONLY, c"ADIT_ERR_READ_ONLY"),
    (ADIT_ERR_BUSY, c"ADIT_ERR_BUSY"),
    (ADIT_ERR_NO_SPACE, c"ADIT_ERR_NO_SPACE"),
    (ADIT_ERR_OUT_OF_RANGE, c"ADIT_ERR_OUT_OF_RANGE"),
    (ADIT_ERR_OUT_OF_MEMORY, c"ADIT_ERR_OUT_OF_MEMORY"),
    (ADIT_ERR_UNSUPPORTED, c"ADIT_ERR_UNSUPPORTED"),
    (ADIT_ERR_POISONED, c"ADIT_ERR_POISONED"),
    (ADIT_ERR_FORKED, c"ADIT_ERR_FORKED"),
    (ADIT_END, c"ADIT_END"),
    (ADIT_TIMEOUT, c"ADIT_TIMEOUT"),
    (ADIT_CANCELLED, c"ADIT_CANCELLED"),
    (ADIT_ERR_NO_GPU, c"ADIT_ERR_NO_GPU"),
    (ADIT_ERR_GPU_LOST, c"ADIT_ERR_GPU_LOST"),
    (ADIT_ERR_GPU, c"ADIT_ERR_GPU"),
    (ADIT_ERR_INTERNAL, c"ADIT_ERR_INTERNAL"),
    (ADIT_ERR_NOT_DURABLE, c"ADIT_ERR_NOT_DURABLE"),
    (ADIT_ERR_CALLBACK, c"ADIT_ERR_CALLBACK"),
];

/// What went wrong, in words and numbers. Owned by the caller; freed with adit_error_free.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
pub struct adit_error {
    status: adit_status,
    os_code: i32,
    message: Cow<'static, CStr>,
    path: Option<CString>,
    offset: Option<u64>,
    index: Option<u64>,
}

/// The one error that no memory is needed for.
static OUT_OF_MEMORY: adit_error = adit_error {
    status: ADIT_ERR_OUT_OF_MEMORY,
    os_code: 0,
    message: Cow::Borrowed(c"out of memory"),
    path: None,
    offset: None,
    index: None,
};

impl adit_error {
    /// The status of a failure, and its error object unless nobody wants it.
    pub(crate) fn of(failure: Failure, unwanted: bool) -> (adit_status, *mut adit_error) {
        let null = std::ptr::null_mut();
        let loud = match failure {
            Failure::Quiet(status) => return (status, null),
            Failure::Loud(loud) if unwanted => return (loud.status, null),
            Failure::Loud(loud) => *loud,
        };
        if loud.status == ADIT_ERR_OUT_OF_MEMORY && !has_memory_for_words() {
            let error = (&raw const OUT_OF_MEMORY).cast_mut();
            return (ADIT_ERR_OUT_OF_MEMORY, error);
        }
        let Loud {
            status,
            os_code,
            message,
            place,
        } = loud;
        let Place {
            path,
            offset,
            index,
        } = place;
        let message = Cow::Owned(line_to_c(&message));
        let path = path.as_deref().and_then(path_to_c);
        let error = adit_error {
            status,
            os_code,
            message,
            path,
            offset,
            index,
        };
        (status, Box::into_raw(Box::new(error)))
    }
}

/// Whether there is memory left for an error object: what ran out is mostly one large block, or the
/// limit on locked memory, and then the caller is told which.
fn has_memory_for_words() -> bool {
    let mut words = Vec::<u8>::new();
    let has = words.try_reserve_exact(16 << 10).is_ok();
    // Without this the allocation could be optimised away.
    std::hint::black_box(&words);
    has
}

/// The name of a status as it stands in this header, such as "ADIT_ERR_IO"; "unknown status" for
/// any other number. The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn adit_status_name(status: i32) -> *const c_char {
    let found = STATUSES.iter().find(|(known, _)| *known as i32 == status);
    found.map_or(c"unknown status", |(_, name)| name).as_ptr()
}

/// The error behind a pointer of the caller.
///
/// # Safety
/// `error` is null or from this library, not freed, and stays so for `'a`.
unsafe fn look<'a>(error: *const adit_error) -> Option<&'a adit_error> {
    // SAFETY: the caller's promise.
    unsafe { error.as_ref() }
}

/// The status that the call returned; ADIT_OK for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_error_status(error: *const adit_error) -> adit_status {
    // SAFETY: NULL or an error object, as the header asks.
    unsafe { look(error) }.map_or(ADIT_OK, |error| error.status)
}

/// The operating system's error number (errno, on Windows GetLastError), or what a callback of the
/// caller returned (ADIT_ERR_CALLBACK); 0 if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_error_os_code(error: *const adit_error) -> i32 {
    // SAFETY: NULL or an error object, as the header asks.
    unsafe { look(error) }.map_or(0, |error| error.os_code)
}

/// What went wrong, where, and what to do: one line of text without a newline, in UTF-8 but for
/// paths, which have their own bytes made printable. Good until the error is freed; "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_error_message(error: *const adit_error) -> *const c_char {
    // SAFETY: NULL or an error object, as the header asks.
    unsafe { look(error) }.map_or(c"".as_ptr(), |error| error.message.as_ptr())
}

/// The path of the file that the error is about, byte for byte; NULL if there is none. Good until
/// the error is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_error_path(error: *const adit_error) -> *const c_char {
    // SAFETY: NULL or an error object, as the header asks.
    let path = unsafe { look(error) }.and_then(|error| error.path.as_deref());
    path.map_or(std::ptr::null(), CStr::as_ptr)
}

/// Whether the error is about a byte of the file, or of the part of it that was opened; if so its
/// offset is written to `*offset`, else 0. `offset` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_error_offset(error: *const adit_error, offset: *mut u64) -> bool {
    // SAFETY: NULL or an error object, as the header asks.
    let known = unsafe { look(error) }.and_then(|error| error.offset);
    // SAFETY: NULL or writable, as the header asks.
    unsafe { tell(known, offset) }
}

/// Whether the error is about one record, tensor or element of a list; if so its number is written
/// to `*index`, else 0. `index` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_error_index(error: *const adit_error, index: *mut u64) -> bool {
    // SAFETY: NULL or an error object, as the header asks.
    let known = unsafe { look(error) }.and_then(|error| error.index);
    // SAFETY: NULL or writable, as the header asks.
    unsafe { tell(known, index) }
}

/// # Safety
/// `out` is null or valid for writing.
unsafe fn tell(value: Option<u64>, out: *mut u64) -> bool {
    if !out.is_null() {
        // SAFETY: not null, so writable by the caller's promise.
        unsafe { out.write(value.unwrap_or(0)) };
    }
    value.is_some()
}

/// Frees an error; NULL is nothing. Freeing it twice is a bug of the caller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_error_free(error: *mut adit_error) {
    if error.is_null() || std::ptr::eq(error, &raw const OUT_OF_MEMORY) {
        return;
    }
    // SAFETY: every other error object came from Box::into_raw in `of`, and the caller frees it
    // once.
    drop(unsafe { Box::from_raw(error) });
}
