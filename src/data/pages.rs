//! Which pages are in memory.

use adit_core::map::{Advice, Release, Residency};

use super::{ADIT_RELEASE_PAGE_CACHE, SharedData, adit_advice, adit_data, adit_residency};
use crate::boundary::{Failure, Out, SizedOut, choose, guard_handle, refuse_flags};
use crate::error::{adit_error, adit_status};

/// Tells the kernel how `len` bytes from `offset` on will be used (adit_advice); `len` may be
/// ADIT_TO_END. Advice that doesn't apply, to bytes on the heap or in the caller's memory for one,
/// is a success.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_advise(
    data: *const adit_data,
    offset: u64,
    len: u64,
    advice: i32,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |shared: &SharedData| {
        let advice = advice_argument(advice)?;
        Ok(shared.data.advise(offset, len, advice)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(data, err, body) }
}

/// Starts reading `len` bytes from `offset` on from the disk and returns at once; `len` may be
/// ADIT_TO_END. Bytes that are not mapped are in memory already: a success.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_prefetch(
    data: *const adit_data,
    offset: u64,
    len: u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |shared: &SharedData| Ok(shared.data.prefetch(offset, len)?);
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(data, err, body) }
}

/// Lets go of the whole pages inside `len` bytes from `offset` on; `len` may be ADIT_TO_END.
/// Pointers stay good: what is read again comes back from the file.
///
/// Without flags the pages leave this process's memory and stay in the kernel's page cache, and
/// `*freed` (which may be NULL) is the bytes that the process no longer has resident. With
/// ADIT_RELEASE_PAGE_CACHE they leave the page cache too, except where another map has them, of
/// this process or another, where they wait to be written, or where the kernel keeps larger folios
/// than the range covers; `*freed` is then the bytes that left the page cache.
///
/// Only read-only maps of files are released, and not those opened with ADIT_DATA_LOCK. Heap bytes
/// and the caller's memory, private changed pages among it, stay as they are, and 0 bytes are
/// freed. Where the system doesn't tell (without /proc, say) the pages are released and 0 is told.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE, ADIT_ERR_IO,
/// ADIT_ERR_UNSUPPORTED (unknown flags).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_release(
    data: *const adit_data,
    offset: u64,
    len: u64,
    flags: u32,
    freed: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let freed = unsafe { Out::zeroed(freed) };
    let body = |shared: &SharedData| {
        let what = release_argument(flags)?;
        freed.set(shared.data.release(offset, len, what)?);
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(data, err, body) }
}

/// Counts which of `len` bytes from `offset` on are in memory; `len` may be ADIT_TO_END. The
/// caller sets `residency->struct_size`.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE, ADIT_ERR_IO; ADIT_ERR_NOT_FOUND or
/// ADIT_ERR_PERMISSION where /proc can't be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_data_residency(
    data: *const adit_data,
    offset: u64,
    len: u64,
    residency: *mut adit_residency,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(residency) };
    let body = |shared: &SharedData| {
        out.required("residency")?;
        out.set(shared.data.residency(offset, len)?.into());
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(data, err, body) }
}

pub(crate) fn release_argument(flags: u32) -> Result<Release, Failure> {
    refuse_flags(flags, ADIT_RELEASE_PAGE_CACHE, "flags")?;
    Ok(match flags & ADIT_RELEASE_PAGE_CACHE {
        0 => Release::Resident,
        _ => Release::PageCache,
    })
}

impl From<Residency> for adit_residency {
    fn from(found: Residency) -> adit_residency {
        adit_residency {
            struct_size: 0,
            total_bytes: found.total,
            resident_bytes: found.resident,
            cached_bytes: found.cached,
        }
    }
}

pub(crate) fn advice_argument(advice: i32) -> Result<Advice, Failure> {
    let table = [
        (adit_advice::ADIT_ADVICE_NORMAL as i32, Advice::Normal),
        (
            adit_advice::ADIT_ADVICE_SEQUENTIAL as i32,
            Advice::Sequential,
        ),
        (adit_advice::ADIT_ADVICE_RANDOM as i32, Advice::Random),
        (adit_advice::ADIT_ADVICE_WILLNEED as i32, Advice::WillNeed),
        (adit_advice::ADIT_ADVICE_HUGEPAGE as i32, Advice::HugePage),
    ];
    choose(advice, "advice", "adit_advice", &table)
}
