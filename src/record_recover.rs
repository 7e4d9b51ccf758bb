//! Records: recovery
//!
//! A writer that died leaves a file without an index: ADIT_ERR_UNFINISHED to the reader. Its whole
//! records can be saved.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use adit_core::map::{RealStorage, Storage};
use adit_core::record::{StopReason, recover};

use crate::boundary::{SizedOut, Zeroable, guard, path_argument, peek_sound, progress_of};
use crate::callbacks::adit_progress_fn;
use crate::error::{adit_error, adit_status};
use crate::record_schema::adit_record_schema;

/// Why a recovery stopped where it did.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_recovery_stop {
    /// The last record ends where the records end: nothing was dropped.
    ADIT_RECOVERY_STOP_END = 1,
    /// A record is cut by the end of the file.
    ADIT_RECOVERY_STOP_CUT = 2,
    /// Only zeros follow: space that was never written.
    ADIT_RECOVERY_STOP_ZEROS = 3,
    /// What follows doesn't fit the schema, or isn't what its checksums say.
    ADIT_RECOVERY_STOP_MISMATCH = 4,
}

/// What a recovery saved.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_record_recovery {
    /// sizeof(adit_record_recovery), set by the caller.
    pub struct_size: usize,
    /// Whole records saved.
    pub records: u64,
    /// The byte of the damaged file where the walk stopped: what lies before it was saved.
    pub stop_offset: u64,
    /// The bytes from there on that were not.
    pub dropped_bytes: u64,
    /// An adit_recovery_stop.
    pub reason: i32,
    /// Zero.
    pub reserved0: u32,
}

//@c-after
//@ /** To be filled. */
//@ #define ADIT_RECORD_RECOVERY_INIT { sizeof(adit_record_recovery), 0, 0, 0, 0, 0 }

// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_record_recovery {}

/// Saves the whole records of the damaged file `from` into a new file of its format, `to`, which must
/// not exist. The damaged file is only read.
///
/// arec: the file's header tells its fields, so `schema` is best NULL; another than the file's is
/// refused. Every block has checksums, and one is saved whole or not at all: what was appended after
/// the last full block is there up to the last adit_record_writer_sync, which left a copy of the block
/// behind it. stop_offset is where the next block would have been, and reason says what stands there;
/// ADIT_RECOVERY_STOP_END, that nothing is missing: the file is finished, or its last copy was read. A
/// header that is damaged leaves nothing to go by: ADIT_ERR_CHECKSUM or ADIT_ERR_MALFORMED.
///
/// rrec records carry no checksum, so bytes that were never records can look like some. Nothing is
/// invented: the walk follows `schema`, or, if that is NULL, the dtypes and shapes of record 0,
/// and stops at the first tensor that doesn't fit, or where only zeros follow to the end of the
/// file. For records of different shapes give a schema with ADIT_DIM_ANY. A last record whose
/// elements end in zeros that go on behind it, to the end of the file, may never have been written
/// whole, and is not saved.
///
/// `progress`, which may be NULL, is told bytes. `recovery`, which may be NULL, is filled; the
/// caller sets `recovery->struct_size`. A recovery that fails or is cancelled leaves nothing at
/// `to`. A sound file is copied.
///
/// Statuses: those of adit_data_open and adit_record_writer_finish; ADIT_ERR_EXISTS (something
/// stands at `to`), ADIT_ERR_WRONG_FORMAT, ADIT_ERR_UNSUPPORTED (another version),
/// ADIT_ERR_MALFORMED (not one whole record), ADIT_ERR_CHECKSUM (arec: the header),
/// ADIT_ERR_INVALID_ARGUMENT (rrec: a schema without exactly two fields; arec: another than the
/// file's), ADIT_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_recover(
    from: *const c_char,
    to: *const c_char,
    schema: *const adit_record_schema,
    progress: adit_progress_fn,
    ctx: *mut c_void,
    recovery: *mut adit_record_recovery,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(recovery) };
    let body = || {
        out.optional("recovery")?;
        // SAFETY: NULL or a string, as the header asks.
        let from = unsafe { path_argument(from, "from") }?;
        // SAFETY: NULL or a string, as the header asks.
        let to = unsafe { path_argument(to, "to") }?;
        // SAFETY: NULL or an open handle, as the header asks.
        let schema = unsafe { peek_sound(schema) }?.map(|own| &own.schema);
        // SAFETY: the header's contract of adit_progress_fn, during the call.
        let mut progress = unsafe { progress_of(progress, ctx) };
        let storage: Arc<dyn Storage> = Arc::new(RealStorage);
        let saved = recover(&storage, from, to, schema, &mut progress)?;
        let reason = match saved.reason {
            StopReason::End => adit_recovery_stop::ADIT_RECOVERY_STOP_END,
            StopReason::Cut => adit_recovery_stop::ADIT_RECOVERY_STOP_CUT,
            StopReason::Zeros => adit_recovery_stop::ADIT_RECOVERY_STOP_ZEROS,
            StopReason::Mismatch => adit_recovery_stop::ADIT_RECOVERY_STOP_MISMATCH,
        };
        out.set(adit_record_recovery {
            struct_size: 0,
            records: saved.records,
            stop_offset: saved.stop_offset,
            dropped_bytes: saved.dropped_bytes,
            reason: reason as i32,
            reserved0: 0,
        });
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}
