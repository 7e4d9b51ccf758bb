//! Tensors' pages: fetched ahead, let go, kept.

use std::borrow::Cow;

use adit_core::model::Model;

use super::adit_model;
use crate::boundary::{Failure, Out, SizedOut, guard_handle, slice};
use crate::data::{adit_residency, release_argument};
use crate::error::{adit_error, adit_status};

/// As the header has it, below.
const ADIT_MODEL_ALL: usize = usize::MAX;

//@c-after
//@ /** As the number of tensors that a call is about: all of the model's. */
//@ #define ADIT_MODEL_ALL SIZE_MAX

/// The caller's numbers of tensors, or all of the model's. Not all for no numbers: an empty
/// selection, which in C++ is often NULL, would lock or let go of everything.
///
/// # Safety
/// `n` is [`ADIT_MODEL_ALL`], or `indices` is null or readable for `n` numbers during `'a`, and
/// nobody writes there.
unsafe fn chosen<'a>(
    model: &Model,
    indices: *const usize,
    n: usize,
) -> Result<Cow<'a, [usize]>, Failure> {
    if n == ADIT_MODEL_ALL {
        let len = model.tensors().len();
        let mut all = Vec::new();
        if all.try_reserve_exact(len).is_err() {
            let why = format_args!("there is no memory for the numbers of {len} tensors");
            return Err(Failure::new(adit_status::ADIT_ERR_OUT_OF_MEMORY, why));
        }
        all.extend(0..len);
        return Ok(Cow::Owned(all));
    }
    // SAFETY: the caller's promise.
    unsafe { slice(indices, n, "indices") }.map(Cow::Borrowed)
}

/// Starts reading the `n` tensors `indices` from the disk and returns at once; neighbours are read
/// together. Only a wish. Here and in the calls below ADIT_MODEL_ALL for `n` means all tensors, and
/// `indices` is not read then; 0 means none, whatever `indices` is.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE, ADIT_ERR_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_prefetch(
    model: *const adit_model,
    indices: *const usize,
    n: usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| {
        // SAFETY: what `n` says, as the header asks.
        let indices = unsafe { chosen(model, indices, n) }?;
        Ok(model.prefetch(&indices)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(model, err, body) }
}

/// Lets go of the pages of these tensors, after an upload say: as adit_data_release, which also
/// says what is freed of which bytes and what `flags` are. A page that a tensor not among them, or
/// a header, has a part in stays. The tensors can still be used: their bytes are read again then.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE, ADIT_ERR_IO, ADIT_ERR_UNSUPPORTED
/// (unknown flags), ADIT_ERR_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_release(
    model: *const adit_model,
    indices: *const usize,
    n: usize,
    flags: u32,
    freed: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let freed = unsafe { Out::zeroed(freed) };
    let body = |model: &Model| {
        let what = release_argument(flags)?;
        // SAFETY: what `n` says, as the header asks.
        let indices = unsafe { chosen(model, indices, n) }?;
        freed.set(model.release(&indices, what)?);
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(model, err, body) }
}

/// Counts which bytes of these tensors are in memory, in whole pages: one that two of them have a
/// part in counts twice. The caller sets `residency->struct_size`.
///
/// Statuses: as adit_data_residency; ADIT_ERR_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_residency(
    model: *const adit_model,
    indices: *const usize,
    n: usize,
    residency: *mut adit_residency,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(residency) };
    let body = |model: &Model| {
        out.required("residency")?;
        // SAFETY: what `n` says, as the header asks.
        let indices = unsafe { chosen(model, indices, n) }?;
        out.set(model.residency(&indices)?.into());
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(model, err, body) }
}

/// Reads these tensors into memory and keeps them there, out of reach of swapping and of
/// adit_model_release, until adit_model_unlock has been called for them as often as this, or the
/// model is closed. A call that fails has locked nothing.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE; ADIT_ERR_OUT_OF_MEMORY for
/// a limit on locked memory (RLIMIT_MEMLOCK) that is too low, ADIT_ERR_PERMISSION where it is 0;
/// ADIT_ERR_IO; ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_lock(
    model: *const adit_model,
    indices: *const usize,
    n: usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| {
        // SAFETY: what `n` says, as the header asks.
        let indices = unsafe { chosen(model, indices, n) }?;
        Ok(model.lock(&indices)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(model, err, body) }
}

/// Takes back one adit_model_lock of each of these tensors. Pages stay locked as long as another
/// locked tensor has a part in them. A call that fails has unlocked nothing.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (also for a tensor that isn't locked),
/// ADIT_ERR_OUT_OF_RANGE, ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_unlock(
    model: *const adit_model,
    indices: *const usize,
    n: usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| {
        // SAFETY: what `n` says, as the header asks.
        let indices = unsafe { chosen(model, indices, n) }?;
        Ok(model.unlock(&indices)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(model, err, body) }
}
