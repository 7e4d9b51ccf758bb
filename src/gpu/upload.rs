//! Uploads.

use std::ffi::c_void;
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::gpu::{Buffer, Upload, upload};
use adit_core::tensor::{Shape, Source};
use adit_core::transfer::{Item, LoadOptions};

use super::buffer::adit_gpu_buffer;
use super::guard_gpu_handle;
use super::ticket::{adit_gpu_ticket, hand_out};
use crate::boundary::{Failure, Out, SizedOut};
use crate::data::borrowed;
use crate::error::{adit_error, adit_status};
use crate::load::{Items, adit_load_items, adit_load_options, adit_load_stats, load_options};

/// Copies `nbytes` bytes of memory to byte `offset` of a buffer, which is a multiple of 4, on the
/// caller's thread. When it returns, the memory may be changed or freed.
///
/// `ticket` may be NULL: then it returns when the card has the bytes. Else `*ticket` is a handle that
/// the caller frees with adit_gpu_ticket_free. Many small pieces of memory go faster as items of
/// one adit_gpu_upload_items.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (bytes that the buffer doesn't have),
/// ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_GPU_LOST, ADIT_ERR_GPU, ADIT_ERR_FORKED, ADIT_ERR_UNSUPPORTED (a
/// build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_upload(
    buffer: *const adit_gpu_buffer,
    offset: u64,
    bytes: *const c_void,
    nbytes: usize,
    ticket: *mut *mut adit_gpu_ticket,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let ticket = unsafe { Out::zeroed(ticket) };
    let body = |buffer: &Buffer| {
        // SAFETY: NULL or readable for nbytes bytes during the call, as the header asks.
        let data = unsafe { borrowed(bytes, nbytes, "bytes") }?;
        let count = i64::try_from(nbytes).map_err(|_| Failure::invalid("nbytes is too large"))?;
        let source = Source {
            data: Arc::new(data),
            offset: 0,
            dtype: DType::U8,
            shape: Shape::new(&[count])?,
        };
        let one = [Upload {
            item: Item::new(source),
            buffer: buffer.clone(),
            offset,
            on_host: false,
        }];
        let options = LoadOptions {
            threads: 1,
            ..LoadOptions::default()
        };
        let (done, _) = upload(&one, &options, &mut ())?;
        hand_out(done, &ticket)
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(buffer, err, body) }
}

/// Uploads all items, each of which has a `gpu_buffer`, to buffers of one device: as adit_load reads
/// them, in the order in which their files have them, small ones packed together. One ticket stands
/// for all. adit_gpu_options.converter says who converts; ADIT_LOAD_CONVERT_ON_HOST and
/// ADIT_CONVERT_SATURATE ask for the host.
///
/// `ticket` may be NULL: then it returns when the card has the bytes. Else `*ticket` is a handle that
/// the caller frees with adit_gpu_ticket_free. `options` and `stats` may be NULL; options->align is
/// checked, but has no effect, and options->budget bounds what is worked in beside the device's
/// staging buffers. The caller sets `stats->struct_size`. options->progress and stats->bytes count
/// what travels: of an item that is converted on the card, the file's bytes. Progress tells bytes that
/// were submitted; of an item that is done the source may go, but the card has it only when the ticket
/// is done.
///
/// Where several items fail, the error is that of the first in the order of the files; its index is
/// the item's number.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (an item without a `gpu_buffer`, no items, buffers of
/// several devices, a `gpu_offset` that is no multiple of 4, items that overlap: up to a multiple of 4
/// bytes), ADIT_ERR_OUT_OF_RANGE (bytes that a buffer doesn't have), ADIT_ERR_OUT_OF_MEMORY,
/// ADIT_ERR_TRUNCATED, ADIT_ERR_IO, ADIT_ERR_GPU_LOST, ADIT_ERR_GPU, ADIT_ERR_FORKED, ADIT_CANCELLED,
/// ADIT_ERR_UNSUPPORTED (options of a later version, a build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_upload_items(
    items: *const adit_load_items,
    options: *const adit_load_options,
    stats: *mut adit_load_stats,
    ticket: *mut *mut adit_gpu_ticket,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size in it, as the header asks.
    let stats = unsafe { SizedOut::zeroed(stats) };
    // SAFETY: NULL or writable, as the header asks.
    let ticket = unsafe { Out::zeroed(ticket) };
    let body = |items: &Items| {
        stats.optional("stats")?;
        let uploads = items.to_gpu()?;
        // SAFETY: NULL or options, as the header asks.
        let (options, mut callbacks) = unsafe { load_options(options, "options") }?;
        let (done, told) = upload(uploads, &options, &mut callbacks)?;
        hand_out(done, &ticket)?;
        stats.set(adit_load_stats::of(&told));
        Ok(())
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(items, err, body) }
}
