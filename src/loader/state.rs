//! Where a loader is.

use std::ffi::c_void;

use adit_core::loader::Loader;

use super::adit_loader;
use crate::boundary::{Failure, Out, buffer_of, guard_handle, guard_handle_mut, slice};
use crate::error::{adit_error, adit_status};

/// Goes to the start of epoch `epoch`. Batches that were filled ahead are forgotten, those that are
/// held stay.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_loader_set_epoch(
    loader: *mut adit_loader,
    epoch: u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |loader: &mut Loader| Ok(loader.set_epoch(epoch)?);
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(loader, err, body) }
}

/// Writes where the loader is, after the steps that adit_loader_next delivered, to `state`, which has
/// `cap` bytes, and the bytes written to `*len`: at most ADIT_LOADER_STATE_BYTES.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (`cap` is too small), ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_loader_state_save(
    loader: *const adit_loader,
    state: *mut c_void,
    cap: usize,
    len: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(len) };
    let body = |loader: &Loader| {
        out.required("len")?;
        loader.check_process()?;
        let bytes = loader.state().encode();
        let Some(needed) = cap.checked_sub(bytes.len()).map(|_| bytes.len()) else {
            let message = format_args!("cap is {cap}, but a state has {} bytes", bytes.len());
            return Err(Failure::new(adit_status::ADIT_ERR_OUT_OF_RANGE, message));
        };
        if state.is_null() {
            return Err(Failure::null("state"));
        }
        // SAFETY: writable for cap bytes, as the header asks, and these are no more.
        let room = unsafe { buffer_of(state, needed as u64) }?;
        room.write_copy_of_slice(&bytes);
        out.set(needed);
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(loader, err, body) }
}

/// Goes to where the loader was whose state these `len` bytes are. Set, seed, batch, uneven, and what
/// makes the order must be the same, the rest need not be. On failure the loader stays where it is.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (a state of another set, seed, batch or order; the message says
/// what differs), ADIT_ERR_MALFORMED (no state, or a damaged one), ADIT_ERR_UNSUPPORTED (one of a later
/// version), ADIT_ERR_OUT_OF_RANGE (a step beyond the epoch's), ADIT_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_loader_state_load(
    loader: *mut adit_loader,
    state: *const c_void,
    len: usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |loader: &mut Loader| {
        // SAFETY: readable for len bytes, as the header asks.
        let state = unsafe { slice(state.cast::<u8>(), len, "state") }?;
        Ok(loader.restore(state)?)
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(loader, err, body) }
}
