//! Records: sets
//!
//! A set is a manifest, a JSON text (docs/record-format.md), and its shards, arec files in the
//! manifest's folder. adit_record_writer_create with options->shard_bytes writes one,
//! adit_record_writer_append_to adds shards to it, and adit_record_reader_open reads it. Where several
//! processes write at the same time, each writes files of its own, and in the end one of them makes
//! the manifest, here.

use std::ffi::c_char;
use std::sync::Arc;

use adit_core::map::RealStorage;
use adit_core::record::create_manifest;

use crate::boundary::{guard, path_argument, paths_argument, refuse_flags};
use crate::error::{adit_error, adit_status};
use crate::record_writer::ADIT_RECORD_WRITER_NO_REPLACE;

/// Publishes a manifest at `path` of the `n` arec files `shards`, in this order, which must stand in
/// the manifest's folder. Each is opened, and all must have the same fields. The manifest appears in
/// one step, and replaces one that is there, unless `flags` has ADIT_RECORD_WRITER_NO_REPLACE.
///
/// Statuses: those of adit_record_reader_open for a shard and of adit_record_writer_finish;
/// ADIT_ERR_INVALID_ARGUMENT (no shards, one in another folder, one named twice, one
/// that stands at `path` itself), ADIT_ERR_WRONG_FORMAT (a shard that is no arec file), ADIT_ERR_MALFORMED (fields that differ; the message says which),
/// ADIT_ERR_EXISTS, ADIT_ERR_UNSUPPORTED (unknown flags).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_manifest_create(
    path: *const c_char,
    shards: *const *const c_char,
    n: usize,
    flags: u32,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(path, "path") }?;
        // SAFETY: readable for n strings, as the header asks.
        let shards = unsafe { paths_argument(shards, n, "shards") }?;
        refuse_flags(flags, ADIT_RECORD_WRITER_NO_REPLACE, "flags")?;
        let replace = flags & ADIT_RECORD_WRITER_NO_REPLACE == 0;
        Ok(create_manifest(
            Arc::new(RealStorage),
            path,
            &shards,
            replace,
        )?)
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}
