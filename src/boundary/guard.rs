//! The one wall between Rust and C: nothing unwinds through it, nothing is printed.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::thread;

use adit_core::{loader, transfer};

use super::failure::{Failure, Outcome};
use crate::error::{adit_error, adit_status};

/// Where the last panic of this thread inside a guard happened. Plain bytes: a thread-local with a
/// destructor would crash in a host that unloads a plugin this library is linked into.
#[derive(Clone, Copy)]
struct PanicPlace {
    file: [u8; 80],
    len: usize,
    line: u32,
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static PLACE: Cell<PanicPlace> =
        const { Cell::new(PanicPlace { file: [0; 80], len: 0, line: 0 }) };
}

/// Runs the body of a C function. `err`, if not null, receives the error object of a failure, and
/// NULL else. A panic becomes `ADIT_ERR_INTERNAL`.
///
/// # Safety
/// `err` is null or valid for writing a pointer.
pub(crate) unsafe fn guard(
    err: *mut *mut adit_error,
    body: impl FnOnce() -> Outcome,
) -> adit_status {
    let outcome = catch(body);
    // SAFETY: the caller's promise on `err`.
    unsafe { settle(err, outcome) }
}

/// Turns an outcome into a status and an error object.
///
/// # Safety
/// `err` is null or valid for writing a pointer.
pub(crate) unsafe fn settle(err: *mut *mut adit_error, outcome: Outcome) -> adit_status {
    let (status, error) = match outcome {
        Ok(()) => (adit_status::ADIT_OK, std::ptr::null_mut()),
        Err(failure) => adit_error::of(failure, err.is_null()),
    };
    if !err.is_null() {
        // SAFETY: not null, so valid for writing by the caller's promise.
        unsafe { err.write_unaligned(error) };
    }
    status
}

/// Runs a body; a panic in it becomes a failure.
pub(super) fn catch(body: impl FnOnce() -> Outcome) -> Outcome {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| note(info, &previous)));
    });
    GUARDED
        .with(|guarded| {
            let outer = guarded.replace(true);
            // The handle of a body that panicked is poisoned and never looked into again.
            let result = catch_unwind(AssertUnwindSafe(body));
            guarded.set(outer);
            result
        })
        .unwrap_or_else(|payload| Err(internal(payload.as_ref())))
}

fn note(info: &PanicHookInfo<'_>, previous: &dyn Fn(&PanicHookInfo<'_>)) {
    let own = [transfer::THREAD_NAME, loader::THREAD_NAME];
    let is_own = || {
        thread::current()
            .name()
            .is_some_and(|name| own.contains(&name))
    };
    if !GUARDED.get() && !is_own() {
        return previous(info);
    }
    let mut place = PanicPlace {
        file: [0; 80],
        len: 0,
        line: 0,
    };
    if let Some(location) = info.location() {
        place.line = location.line();
        for (own, &byte) in place.file.iter_mut().zip(location.file().as_bytes()) {
            *own = byte;
            place.len += 1;
        }
    }
    PLACE.set(place);
}

#[cold]
fn internal(payload: &(dyn Any + Send)) -> Failure {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = PLACE.get();
    let file = String::from_utf8_lossy(place.file.get(..place.len).unwrap_or_default());
    Failure::new(
        adit_status::ADIT_ERR_INTERNAL,
        format_args!(
            "internal error, a bug in adit, at {file}:{}: {text}; close the handle and report it",
            place.line
        ),
    )
}
