//! The files of a set.

use std::sync::Arc;

use super::{OpenReader, adit_record_reader};
use crate::boundary::{Out, guard_derived, guard_handle, peek};
use crate::data::{SharedData, adit_data};
use crate::error::{adit_error, adit_status};

/// The number of files that the records are in: 1 for a single file, 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_shards(reader: *const adit_record_reader) -> usize {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(reader) }.map_or(0, |reader| reader.shards())
}

/// Which shard record `index` is in, and its number there. Either output may be NULL. No shard is
/// opened.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_shard_of(
    reader: *const adit_record_reader,
    index: u64,
    shard: *mut usize,
    local: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let shard = unsafe { Out::zeroed(shard) };
    // SAFETY: NULL or writable, as the header asks.
    let local = unsafe { Out::zeroed(local) };
    let body = |reader: &OpenReader| {
        let (file, record) = reader.shard_of(index)?;
        shard.set(file);
        local.set(record);
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(reader, err, body) }
}

/// As adit_record_reader_data, of shard `shard`, which is opened if it wasn't. adit_data_path tells
/// its path.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such shard), those of
/// adit_record_reader_open for the shard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_shard_data(
    reader: *const adit_record_reader,
    shard: usize,
    out: *mut *mut adit_data,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |reader: &OpenReader| Ok(SharedData::new(Arc::clone(reader.data(shard)?)));
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_derived(reader, out, err, body) }
}

/// Which records these are: 16 bytes, the same for the same files in the same order wherever they
/// are, and others for any other set. Ranks compare them to know that they train on the same records,
/// and a loader's state holds them. Of arec it follows from the shards' uuids and counts; of rrec from
/// length and index, which are read for it.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, of rrec ADIT_ERR_TRUNCATED, ADIT_ERR_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_identity(
    reader: *const adit_record_reader,
    identity: *mut u8,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable for 16 bytes, as the header asks.
    let identity = unsafe { Out::zeroed(identity.cast::<[u8; 16]>()) };
    let body = |reader: &OpenReader| {
        identity.required("identity")?;
        identity.set(reader.identity()?.to_be_bytes());
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(reader, err, body) }
}
