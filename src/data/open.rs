//! Opening: by path, by descriptor, from memory.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

use adit_core::map::{BytesOwner, Data, Region};

use super::{SharedData, adit_bytes_ownership, adit_data, adit_data_options, data_options};
use crate::boundary::{Failure, Out, choose, guard, guard_new, into_raw, path_argument, region_of};
use crate::callbacks::adit_release_fn;
use crate::error::{adit_error, adit_status};

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
    let body = || {
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(path, "path") }?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { data_options(options) }?;
        let data = Data::open(path, &options)?;
        Ok(SharedData::new(Arc::new(data)))
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, body) }
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
    let body = || {
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { data_options(options) }?;
        let data = Data::open_descriptor(fd, offset, len, &options)?;
        Ok(SharedData::new(Arc::new(data)))
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, body) }
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

/// Bytes that the caller lends for the time of a call; with `len` 0 the pointer is never read.
///
/// # Safety
/// `ptr` is null or readable for `len` bytes as long as the result, or a clone of it, lives, and
/// nobody writes there meanwhile.
pub(crate) unsafe fn borrowed(
    ptr: *const c_void,
    len: usize,
    parameter: &str,
) -> Result<Data, Failure> {
    // SAFETY: the caller's promise.
    let region = unsafe { region_of(ptr, len, parameter) }?;
    Ok(Data::lent(Box::new(CallersBytes {
        bytes: region.as_ptr(),
        len: region.len(),
        release: None,
        ctx: std::ptr::null_mut(),
    })))
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
