//! Memory of a device.

use std::ffi::c_void;

use adit_core::gpu::{Buffer, Device, download};
use adit_core::transfer::Room;

use super::guard_gpu_handle;
use super::open::adit_gpu;
use crate::boundary::{Failure, Handle, Opaque, Out, close, into_raw, peek};
use crate::error::{adit_error, adit_status};

/// Memory of a device.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_gpu_buffer(Handle<Buffer>);

// SAFETY: repr(transparent) over Handle<Buffer>.
unsafe impl Opaque for adit_gpu_buffer {
    type Value = Buffer;
    const PARAMETER: &'static str = "buffer";
}

/// Makes a buffer of `size` bytes, all 0: a storage buffer that is copied to and from. On success
/// `*out` is a handle that the caller frees with adit_gpu_buffer_free.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (more than `buffer_bytes` of
/// adit_gpu_info), ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_GPU_LOST, ADIT_ERR_GPU, ADIT_ERR_FORKED,
/// ADIT_ERR_UNSUPPORTED (a build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_buffer_create(
    gpu: *const adit_gpu,
    size: u64,
    out: *mut *mut adit_gpu_buffer,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = |device: &Device| {
        out.required("out")?;
        out.set(into_raw(Buffer::create(device, size)?));
        Ok(())
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(gpu, err, body) }
}

/// The bytes of a buffer; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_buffer_size(buffer: *const adit_gpu_buffer) -> u64 {
    // SAFETY: NULL or a handle, as the header asks.
    unsafe { peek(buffer) }.map_or(0, Buffer::size)
}

/// Copies `nbytes` bytes from byte `offset` of a buffer, whatever it is a multiple of, to `dst`, at any
/// alignment: what is there when the card has done all that it was told before. Returns when they are
/// there.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (bytes that the buffer doesn't have),
/// ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_GPU_LOST, ADIT_ERR_GPU, ADIT_ERR_FORKED, ADIT_ERR_UNSUPPORTED (a
/// build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_download(
    buffer: *const adit_gpu_buffer,
    offset: u64,
    dst: *mut c_void,
    nbytes: usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |buffer: &Buffer| {
        if dst.is_null() && nbytes > 0 {
            return Err(Failure::null("dst"));
        }
        // SAFETY: writable for nbytes bytes, and nobody else's during the call, as the header asks.
        let room = unsafe { Room::new(dst.cast(), nbytes as u64) };
        Ok(download(buffer, offset, room)?)
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(buffer, err, body) }
}

/// Frees a buffer; NULL is nothing. Its memory goes when the card and whatever else holds it are done
/// with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_buffer_free(buffer: *mut adit_gpu_buffer) {
    // SAFETY: NULL or a handle that nobody uses any more, as the header asks.
    unsafe { close(buffer) };
}
