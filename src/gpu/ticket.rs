//! What the card was told to do.

use std::time::Duration;

use adit_core::gpu::Ticket;

use super::guard_gpu_handle;
use crate::boundary::{Failure, Handle, Opaque, Out, close, into_raw};
use crate::error::{adit_error, adit_status};

/// Something that the card was told to do.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_gpu_ticket(Handle<Ticket>);

// SAFETY: repr(transparent) over Handle<Ticket>.
unsafe impl Opaque for adit_gpu_ticket {
    type Value = Ticket;
    const PARAMETER: &'static str = "ticket";
}

/// Gives the caller the ticket, or waits where nobody wants one.
pub(super) fn hand_out(ticket: Ticket, out: &Out<*mut adit_gpu_ticket>) -> Result<(), Failure> {
    if out.is_wanted() {
        out.set(into_raw(ticket));
        return Ok(());
    }
    Ok(ticket.wait(None)?)
}

/// As a time to wait: as long as it takes.
pub const ADIT_GPU_FOREVER: u64 = u64::MAX;

/// Waits up to `timeout_ns` nanoseconds until a ticket is done; ADIT_GPU_FOREVER: as long as it takes.
/// ADIT_TIMEOUT where it isn't done by then: wait again, or later, as often as you like. 0 only looks.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_TIMEOUT, ADIT_ERR_GPU_LOST,
/// ADIT_ERR_FORKED, ADIT_ERR_UNSUPPORTED (a build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_ticket_wait(
    ticket: *const adit_gpu_ticket,
    timeout_ns: u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |ticket: &Ticket| {
        let limit = Some(timeout_ns).filter(|&limit| limit != ADIT_GPU_FOREVER);
        Ok(ticket.wait(limit.map(Duration::from_nanos))?)
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(ticket, err, body) }
}

/// Tells in `*done` whether a ticket is done, without waiting.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_GPU_LOST, ADIT_ERR_FORKED,
/// ADIT_ERR_UNSUPPORTED (a build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_ticket_poll(
    ticket: *const adit_gpu_ticket,
    done: *mut bool,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(done) };
    let body = |ticket: &Ticket| {
        out.required("done")?;
        out.set(ticket.is_done()?);
        Ok(())
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(ticket, err, body) }
}

/// Frees a ticket; NULL is nothing. What it stands for goes on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_ticket_free(ticket: *mut adit_gpu_ticket) {
    // SAFETY: NULL or a handle that nobody uses any more, as the header asks.
    unsafe { close(ticket) };
}
