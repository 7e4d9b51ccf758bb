//! Records' pages: fetched ahead, let go.

use super::{OpenReader, adit_record_reader};
use crate::boundary::{Out, SizedOut, Zeroable, guard_handle, slice};
use crate::data::release_argument;
use crate::error::{adit_error, adit_status};

/// What a prefetch asked the system for.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_record_prefetched {
    /// sizeof(adit_record_prefetched), set by the caller.
    pub struct_size: usize,
    /// Bytes of the records.
    pub bytes: u64,
    /// Ranges of the files that were asked for: what lies close together is asked for at once, and
    /// what is in memory not at all.
    pub ranges: u64,
    /// Pages that the records lie on.
    pub pages: u64,
    /// Those among them that weren't in memory, as far as the system tells.
    pub cold_pages: u64,
}

//@c-after
//@ /** To be filled. */
//@ #define ADIT_RECORD_PREFETCHED_INIT { sizeof(adit_record_prefetched), 0, 0, 0, 0 }

// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_record_prefetched {}

/// Starts reading the fields `fields` (their numbers; all fields where `n_fields` is 0) of the `n`
/// records `indices` from the disk and returns at once. Only a wish, for records that are soon
/// gathered or got; gathers and loaders do it themselves. `told`, which may be NULL, is filled; the
/// caller sets `told->struct_size`. Nothing is asked for where the bytes are no file's.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such record or field),
/// ADIT_ERR_MALFORMED, ADIT_ERR_OUT_OF_MEMORY, of a set those of adit_record_reader_open for a shard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_prefetch(
    reader: *const adit_record_reader,
    indices: *const u64,
    n: usize,
    fields: *const usize,
    n_fields: usize,
    told: *mut adit_record_prefetched,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(told) };
    let body = |reader: &OpenReader| {
        out.optional("told")?;
        // SAFETY: readable for n numbers, as the header asks.
        let indices = unsafe { slice(indices, n, "indices") }?;
        // SAFETY: readable for n_fields numbers, as the header asks.
        let fields = unsafe { slice(fields, n_fields, "fields") }?;
        let announced = match fields.is_empty() {
            true => reader.announce(indices, &(0..reader.fields()).collect::<Vec<_>>()),
            false => reader.announce(indices, fields),
        }?;
        out.set(adit_record_prefetched {
            struct_size: 0,
            bytes: announced.bytes,
            ranges: announced.ranges,
            pages: announced.pages,
            cold_pages: announced.cold_pages,
        });
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(reader, err, body) }
}

/// Lets go of the pages of all files that were opened: as adit_data_release, which says what is freed
/// and what `flags` are. `*freed`, which may be NULL, is the bytes that were. Records can still be
/// used: they are read again then.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_IO, ADIT_ERR_UNSUPPORTED (unknown flags).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_release(
    reader: *const adit_record_reader,
    flags: u32,
    freed: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let freed = unsafe { Out::zeroed(freed) };
    let body = |reader: &OpenReader| {
        freed.set(reader.release_all(release_argument(flags)?)?);
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(reader, err, body) }
}
