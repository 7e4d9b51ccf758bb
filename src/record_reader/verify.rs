//! Every record looked at.

use std::ffi::c_void;

use super::{OpenReader, adit_record_reader};
use crate::boundary::{SizedOut, Zeroable, guard_handle, progress_of};
use crate::callbacks::adit_progress_fn;
use crate::error::{adit_error, adit_status};

/// What a verification found.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_record_verification {
    /// sizeof(adit_record_verification), set by the caller.
    pub struct_size: usize,
    /// Records looked at.
    pub records: u64,
    /// Damaged ones among them.
    pub bad_records: u64,
    /// Bytes of sound records read.
    pub bytes: u64,
}

//@c-after
//@ /** To be filled. */
//@ #define ADIT_RECORD_VERIFICATION_INIT { sizeof(adit_record_verification), 0, 0, 0 }

// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_record_verification {}

/// Reads all records by pread and checks each. Damaged ones are passed over and counted; the
/// status is then that of the first of them, and the error's index its number. `progress`, which
/// may be NULL, is told records. `found`, which may be NULL, is filled unless the walk itself ends
/// early; the caller sets `found->struct_size`.
///
/// Of arec every checksum is compared, of blocks, columns and fields, and what is told twice must
/// agree; the error tells record, field and byte. Of a set all shards are read. rrec has no checksums:
/// what is checked is that every record's structure is sound and that every byte can be read.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_MALFORMED, ADIT_ERR_CHECKSUM, ADIT_ERR_TRUNCATED,
/// ADIT_ERR_IO, ADIT_CANCELLED, of a set those of adit_record_reader_open for a shard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_verify(
    reader: *const adit_record_reader,
    progress: adit_progress_fn,
    ctx: *mut c_void,
    found: *mut adit_record_verification,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(found) };
    let body = |reader: &OpenReader| {
        out.optional("found")?;
        // SAFETY: the header's contract of adit_progress_fn, during the call.
        let mut progress = unsafe { progress_of(progress, ctx) };
        let verification = reader.verify(&mut progress)?;
        out.set(adit_record_verification {
            struct_size: 0,
            records: verification.records,
            bad_records: verification.bad_records,
            bytes: verification.bytes,
        });
        Ok(verification.first_bad.map_or(Ok(()), Err)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(reader, err, body) }
}
