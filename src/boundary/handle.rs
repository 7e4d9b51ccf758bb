//! Opaque handles: boxes whose address is the caller's handle.

use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::{Failure, Outcome};
use super::guard::{catch, settle};
use crate::error::{adit_error, adit_status};

/// What stands behind an opaque type: the engine's value, and whether a panic left it in an
/// unknown state.
#[derive(Debug)]
pub(crate) struct Handle<T> {
    value: T,
    poisoned: AtomicBool,
}

impl<T> Handle<T> {
    pub(crate) fn new(value: T) -> Handle<T> {
        Handle {
            value,
            poisoned: AtomicBool::new(false),
        }
    }
}

fn is_poisoned() -> Failure {
    let message = "an internal error left this handle unusable; only closing it is left";
    Failure::new(adit_status::ADIT_ERR_POISONED, message)
}

/// Runs a body on a handle that isn't poisoned, and poisons it where the body panics.
fn run(poisoned: &AtomicBool, body: impl FnOnce() -> Outcome) -> Outcome {
    if poisoned.load(Ordering::Relaxed) {
        return Err(is_poisoned());
    }
    let outcome = catch(body);
    if let Err(Failure::Loud(loud)) = &outcome
        && loud.status == adit_status::ADIT_ERR_INTERNAL
    {
        poisoned.store(true, Ordering::Relaxed);
    }
    outcome
}

/// A type of the header that is a handle.
///
/// # Safety
/// `Self` is `repr(transparent)` over `Handle<Self::Value>`.
pub(crate) unsafe trait Opaque: Sized {
    /// The engine's value; const calls use it from any threads at once.
    type Value: Send + Sync;
    /// What the header calls the parameter.
    const PARAMETER: &'static str;
}

/// Gives the value to the caller.
pub(crate) fn into_raw<O: Opaque>(value: O::Value) -> *mut O {
    Box::into_raw(Box::new(Handle::new(value))).cast()
}

/// The value behind a handle; none for NULL.
///
/// # Safety
/// `handle` is null or from [`into_raw`], not closed, and stays open for `'a`; nobody else holds a
/// mutable reference to it.
pub(crate) unsafe fn peek<'a, O: Opaque>(handle: *const O) -> Option<&'a O::Value>
where
    O::Value: 'a,
{
    // SAFETY: the caller's promise; Opaque promises that the cast is to the same layout.
    let handle: Option<&Handle<O::Value>> = unsafe { handle.cast::<Handle<O::Value>>().as_ref() };
    handle.map(|handle| &handle.value)
}

/// As [`peek`], for a handle that a body reads beside its own: one that is poisoned is refused.
///
/// # Safety
/// As [`peek`].
pub(crate) unsafe fn peek_sound<'a, O: Opaque>(
    handle: *const O,
) -> Result<Option<&'a O::Value>, Failure>
where
    O::Value: 'a,
{
    // SAFETY: the caller's promise; Opaque promises that the cast is to the same layout.
    let handle: Option<&Handle<O::Value>> = unsafe { handle.cast::<Handle<O::Value>>().as_ref() };
    match handle {
        Some(handle) if handle.poisoned.load(Ordering::Relaxed) => Err(is_poisoned()),
        handle => Ok(handle.map(|handle| &handle.value)),
    }
}

/// Runs a part of a body that changes what is behind a handle beside its own. A panic poisons both.
///
/// # Safety
/// As [`guard_handle_mut`] on `handle`.
pub(crate) unsafe fn with_other<O: Opaque, T>(
    handle: *mut O,
    body: impl FnOnce(&mut O::Value) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // SAFETY: the caller's promise; Opaque promises that the cast is to the same layout.
    let handle: Option<&mut Handle<O::Value>> =
        unsafe { handle.cast::<Handle<O::Value>>().as_mut() };
    let Some(Handle { value, poisoned }) = handle else {
        return Err(Failure::null(O::PARAMETER));
    };
    let mut result = None;
    run(poisoned, || {
        result = Some(body(value)?);
        Ok(())
    })?;
    // The body has returned without a failure.
    result.ok_or_else(is_poisoned)
}

/// Frees a handle; NULL is nothing.
///
/// # Safety
/// `handle` is null or from [`into_raw`], not closed before, and nobody uses it any more.
pub(crate) unsafe fn close<O: Opaque>(handle: *mut O) {
    if handle.is_null() {
        return;
    }
    // SAFETY: from into_raw by the caller's promise, which boxed a Handle<O::Value>.
    let handle: Box<Handle<O::Value>> = unsafe { Box::from_raw(handle.cast()) };
    // A panic in a destructor must not unwind into C; there is nobody left to tell.
    let _ = catch(|| {
        drop(handle);
        Ok(())
    });
}

/// Guards a body that works on a const handle.
///
/// # Safety
/// As [`peek`] during the call; `err` is null or valid for writing.
pub(crate) unsafe fn guard_handle<O: Opaque>(
    handle: *const O,
    err: *mut *mut adit_error,
    body: impl FnOnce(&O::Value) -> Outcome,
) -> adit_status {
    // SAFETY: the caller's promise; Opaque promises that the cast is to the same layout.
    let handle: Option<&Handle<O::Value>> = unsafe { handle.cast::<Handle<O::Value>>().as_ref() };
    let outcome = match handle {
        Some(handle) => run(&handle.poisoned, || body(&handle.value)),
        None => Err(Failure::null(O::PARAMETER)),
    };
    // SAFETY: the caller's promise on `err`.
    unsafe { settle(err, outcome) }
}

/// Guards a body that changes what is behind a handle.
///
/// # Safety
/// `handle` is null or from [`into_raw`], not closed, and nobody else uses it during the call;
/// `err` is null or valid for writing.
pub(crate) unsafe fn guard_handle_mut<O: Opaque>(
    handle: *mut O,
    err: *mut *mut adit_error,
    body: impl FnOnce(&mut O::Value) -> Outcome,
) -> adit_status {
    // SAFETY: the caller's promise; Opaque promises that the cast is to the same layout.
    let handle: Option<&mut Handle<O::Value>> =
        unsafe { handle.cast::<Handle<O::Value>>().as_mut() };
    let outcome = match handle {
        Some(Handle { value, poisoned }) => run(poisoned, || body(value)),
        None => Err(Failure::null(O::PARAMETER)),
    };
    // SAFETY: the caller's promise on `err`.
    unsafe { settle(err, outcome) }
}
