//! What a step gives.

use std::ffi::c_char;

use adit_core::loader::{Batch, MASKED, NO_RECORD, PADDING, REPLACED, SOUND};

use crate::boundary::{
    Failure, Handle, Opaque, Out, SizedOut, Zeroable, bytes_argument, close, guard_handle,
    guard_value, peek,
};
use crate::error::{adit_error, adit_status};
use crate::tensor::adit_tensor;

/// A batch of a loader. It is read by const calls on any threads at once, and released on any.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_batch(Handle<Batch>);

// SAFETY: repr(transparent) over Handle<Batch>.
unsafe impl Opaque for adit_batch {
    type Value = Batch;
    const PARAMETER: &'static str = "batch";
}

/// Of a row: its own record.
pub const ADIT_ROW_SOUND: u8 = 0;
/// Of a row: its record was bad, and another stands for it.
pub const ADIT_ROW_REPLACED: u8 = 1;
/// Of a row: its record was bad, and zeros stand for it.
pub const ADIT_ROW_MASKED: u8 = 2;
/// Of a row: it fills up the last step, and isn't valid.
pub const ADIT_ROW_PADDING: u8 = 4;

/// As a record's number: none, in rows that fill up a last step of ADIT_UNEVEN_KEEP.
pub const ADIT_NO_RECORD: u64 = u64::MAX;

const _: () = assert!(ADIT_NO_RECORD == NO_RECORD);
const _: () = assert!(ADIT_ROW_SOUND == SOUND && ADIT_ROW_REPLACED == REPLACED);
const _: () = assert!(ADIT_ROW_MASKED == MASKED && ADIT_ROW_PADDING == PADDING);

/// What a batch is.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_batch_info {
    /// sizeof(adit_batch_info), set by the caller.
    pub struct_size: usize,
    /// Its epoch.
    pub epoch: u64,
    /// Its step in the epoch, from 0.
    pub step: u64,
    /// Its rows: this rank's share of the global batch.
    pub rows: u64,
    /// Those that count, the first ones. Fewer than `rows` in an uneven last step alone.
    pub valid: u64,
    /// Rows that count over all ranks in this step: what a mean over the global batch is divided by.
    pub global_valid: u64,
}

//@c-after
//@ /** To be filled. */
//@ #define ADIT_BATCH_INFO_INIT { sizeof(adit_batch_info), 0, 0, 0, 0, 0 }

// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_batch_info {}

/// The number of a batch's tensors; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_batch_len(batch: *const adit_batch) -> usize {
    // SAFETY: NULL or a batch, as the header asks.
    unsafe { peek(batch) }.map_or(0, Batch::len)
}

/// Tensor `index` of a batch: [rows, a record's dimensions], of a packed field [elements]. A ragged
/// field makes two tensors, the second next to the first. It is good until the batch is released, and
/// may be written, but for offsets and lengths. Its data is at a multiple of 4096 bytes, that of offsets
/// and lengths of 8.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_batch_tensor(
    batch: *const adit_batch,
    index: usize,
    tensor: *mut adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |batch: &Batch| {
        let Some(lent) = batch.tensor(index) else {
            let message = format_args!("tensor {index} was asked for of {}", batch.len());
            return Err(Failure::new(adit_status::ADIT_ERR_OUT_OF_RANGE, message));
        };
        Ok(adit_tensor::lent(&lent, batch.is_elements(index)))
    };
    // SAFETY: NULL or a batch, NULL or writable, as the header asks.
    unsafe { guard_value(batch, tensor, "tensor", err, body) }
}

/// The number of the tensor called `name`: a field's name, or that with ".offsets" or ".lengths".
/// ADIT_ERR_NOT_FOUND, without an error object, where there is none. It is the same in all of a
/// loader's batches.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_batch_find(
    batch: *const adit_batch,
    name: *const c_char,
    index: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |batch: &Batch| {
        // SAFETY: NULL or a string, as the header asks.
        let name = unsafe { bytes_argument(name, "name") }?;
        let found = std::str::from_utf8(name).ok();
        let found = found.and_then(|name| batch.find(name));
        found.ok_or(Failure::Quiet(adit_status::ADIT_ERR_NOT_FOUND))
    };
    // SAFETY: NULL or a batch, NULL or writable, as the header asks.
    unsafe { guard_value(batch, index, "index", err, body) }
}

/// The numbers of the records that a batch's rows hold, `*n` of them, one for each row; where another
/// stands for a bad one, that other's; ADIT_NO_RECORD where there is none. Lent until the batch is released.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_batch_records(
    batch: *const adit_batch,
    records: *mut *const u64,
    n: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let records = unsafe { Out::zeroed(records) };
    // SAFETY: NULL or writable, as the header asks.
    let n = unsafe { Out::zeroed(n) };
    let body = |batch: &Batch| {
        records.required("records")?;
        n.required("n")?;
        records.set(batch.records().as_ptr());
        n.set(batch.records().len());
        Ok(())
    };
    // SAFETY: NULL or a batch, NULL or writable, as the header asks.
    unsafe { guard_handle(batch, err, body) }
}

/// What each row of a batch is, `*n` of them: ADIT_ROW_... numbers. Lent until the batch is released.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_batch_flags(
    batch: *const adit_batch,
    flags: *mut *const u8,
    n: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let flags = unsafe { Out::zeroed(flags) };
    // SAFETY: NULL or writable, as the header asks.
    let n = unsafe { Out::zeroed(n) };
    let body = |batch: &Batch| {
        flags.required("flags")?;
        n.required("n")?;
        flags.set(batch.flags().as_ptr());
        n.set(batch.flags().len());
        Ok(())
    };
    // SAFETY: NULL or a batch, NULL or writable, as the header asks.
    unsafe { guard_handle(batch, err, body) }
}

/// Tells what a batch is. The caller sets `info->struct_size`.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_batch_get_info(
    batch: *const adit_batch,
    info: *mut adit_batch_info,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(info) };
    let body = |batch: &Batch| {
        out.required("info")?;
        out.set(adit_batch_info {
            struct_size: 0,
            epoch: batch.epoch(),
            step: batch.step(),
            rows: batch.rows() as u64,
            valid: batch.valid() as u64,
            global_valid: batch.global_valid(),
        });
        Ok(())
    };
    // SAFETY: NULL or a batch, NULL or writable, as the header asks.
    unsafe { guard_handle(batch, err, body) }
}

/// Gives a batch back; NULL is nothing. Its tensors end here. Any thread may do so, also after the
/// loader is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_batch_release(batch: *mut adit_batch) {
    // SAFETY: NULL or a batch that nobody uses any more, as the header asks.
    unsafe { close(batch) };
}
