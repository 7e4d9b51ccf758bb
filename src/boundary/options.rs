//! Option structs: the caller's version of them, which may be shorter or longer than ours.

use std::mem::MaybeUninit;

use super::failure::Failure;
use crate::error::adit_status;

/// A struct of options whose first field is its size as the caller knows it.
///
/// # Safety
/// `repr(C)`, the first field a `usize`, no padding, and valid with all bytes zero.
pub(crate) unsafe trait Options: Copy {}

/// More than any version of any struct: a size beyond it is memory that nobody initialised.
const LARGEST: usize = 4096;

/// The caller's options; the defaults for NULL. What a shorter struct doesn't have is zero, which
/// means the default; what a longer one has beyond ours must be zero.
///
/// # Safety
/// `ptr` is null or readable for as many bytes as its first field says.
pub(crate) unsafe fn read_options<T: Options>(
    ptr: *const T,
    parameter: &str,
) -> Result<T, Failure> {
    let mut own = MaybeUninit::<T>::zeroed();
    if ptr.is_null() {
        // SAFETY: Options promises that all bytes zero are a value.
        return Ok(unsafe { own.assume_init() });
    }
    if !ptr.is_aligned() {
        return Err(Failure::invalid(format_args!("{parameter} is misaligned")));
    }
    // SAFETY: Options promises a usize first, and the caller that it is readable.
    let size = unsafe { ptr.cast::<usize>().read() };
    if !(size_of::<usize>()..=LARGEST).contains(&size) {
        return Err(Failure::invalid(format_args!(
            "{parameter}->struct_size is {size}; set it with the _INIT macro or the _init function"
        )));
    }
    let known = size.min(size_of::<T>());
    // SAFETY: `known` bytes are readable by the caller's promise, and fit into `own`.
    unsafe {
        ptr.cast::<u8>()
            .copy_to_nonoverlapping(own.as_mut_ptr().cast(), known)
    };
    for at in known..size {
        // SAFETY: at < size bytes, readable by the caller's promise.
        let byte = unsafe { ptr.cast::<u8>().wrapping_add(at).read() };
        if byte != 0 {
            return Err(unsupported(format_args!(
                "{parameter} sets byte {at}, a field that this version doesn't know"
            )));
        }
    }
    // SAFETY: Options promises that zeros are a value; the caller's bytes are integers and
    // pointers, for which any bytes are one.
    Ok(unsafe { own.assume_init() })
}

/// Fills the caller's options with the defaults: their size, then zeros.
///
/// # Safety
/// `ptr` is null or writable for `size` bytes.
pub(crate) unsafe fn init_options<T: Options>(ptr: *mut T, size: usize) {
    if ptr.is_null() || !(size_of::<usize>()..=LARGEST).contains(&size) {
        return;
    }
    // SAFETY: writable for `size` bytes by the caller's promise.
    unsafe { ptr.cast::<u8>().write_bytes(0, size) };
    // SAFETY: as above, and `size` has room for a usize.
    unsafe { ptr.cast::<usize>().write_unaligned(size) };
}

/// Refuses flags that this version doesn't know.
pub(crate) fn refuse_flags(flags: u32, known: u32, parameter: &str) -> Result<(), Failure> {
    if flags & !known == 0 {
        return Ok(());
    }
    Err(unsupported(format_args!(
        "{parameter} has the unknown flags {:#x}",
        flags & !known
    )))
}

/// Refuses reserved fields that aren't zero.
pub(crate) fn refuse_reserved(reserved: &[u64], parameter: &str) -> Result<(), Failure> {
    if reserved.iter().all(|&field| field == 0) {
        return Ok(());
    }
    Err(unsupported(format_args!(
        "{parameter} sets a reserved field, which must be zero"
    )))
}

fn unsupported(message: std::fmt::Arguments<'_>) -> Failure {
    Failure::new(adit_status::ADIT_ERR_UNSUPPORTED, message)
}
