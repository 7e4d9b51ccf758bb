//! What a file or a manifest says beside its records.

use std::ffi::{CString, c_char, c_void};

use super::{OpenReader, adit_record_reader};
use crate::boundary::{Failure, LentBytes, Out, bytes_argument, guard_bytes, guard_value};
use crate::error::{adit_error, adit_status};

/// The number of entries of metadata: of a set the manifest's, of rrec 0. The first of the metadata
/// calls on a reader reads all of it, at most 64 MiB.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_MALFORMED, ADIT_ERR_CHECKSUM, ADIT_ERR_TRUNCATED,
/// ADIT_ERR_IO, ADIT_ERR_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_metadata_count(
    reader: *const adit_record_reader,
    count: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |reader: &OpenReader| Ok(reader.metadata()?.len());
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(reader, count, "count", err, body) }
}

/// Entry `index` of the metadata: its key, a string, and its value, `*len` bytes. Both are lent until
/// the reader is closed.
///
/// Statuses: as adit_record_reader_metadata_count; ADIT_ERR_OUT_OF_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_metadata(
    reader: *const adit_record_reader,
    index: usize,
    key: *mut *const c_char,
    value: *mut *const c_void,
    len: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let key = unsafe { Out::zeroed(key) };
    let body = |reader: &OpenReader| {
        key.required("key")?;
        let all = reader.metadata()?;
        let own = reader.keys.get_or_init(|| keys_of(all));
        let Some(((_, value), own)) = all.get(index).zip(own.get(index)) else {
            let message = format_args!("entry {index} of {} was asked for", all.len());
            return Err(Failure::new(adit_status::ADIT_ERR_OUT_OF_RANGE, message));
        };
        key.set(own.as_ptr());
        Ok(LentBytes::from(value.as_slice()))
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_bytes(reader, value, len, err, body) }
}

/// Keys have no NUL: both who writes them and who reads them refuse it.
fn keys_of(all: &[(String, Vec<u8>)]) -> Vec<CString> {
    let key = |(key, _): &(String, Vec<u8>)| CString::new(key.as_bytes()).unwrap_or_default();
    all.iter().map(key).collect()
}

/// The value under `key`, `*len` bytes, lent until the reader is closed; ADIT_ERR_NOT_FOUND, without
/// an error object, where there is none.
///
/// Statuses: as adit_record_reader_metadata_count; ADIT_ERR_NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_metadata_find(
    reader: *const adit_record_reader,
    key: *const c_char,
    value: *mut *const c_void,
    len: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |reader: &OpenReader| {
        // SAFETY: NULL or a string, as the header asks.
        let key = unsafe { bytes_argument(key, "key") }?;
        let mut all = reader.metadata()?.iter();
        let found = all.find(|(own, _)| own.as_bytes() == key);
        let (_, value) = found.ok_or(Failure::Quiet(adit_status::ADIT_ERR_NOT_FOUND))?;
        Ok(LentBytes::from(value.as_slice()))
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_bytes(reader, value, len, err, body) }
}
