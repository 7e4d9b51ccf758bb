//! Records: conversion
//!
//! From files that are there to record files. Each call writes as a writer of the options does: to a
//! temporary, with shards where options->shard_bytes asks for them, and nothing at the path unless
//! all went well. `options` may be NULL, and so may options->schema: the fields are then those of what
//! is converted. `progress`, which may be NULL, is told records.

use std::ffi::{c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_core::convert::{convert_arrays, convert_folder, convert_records};
use adit_core::map::{RealStorage, Storage};

use crate::boundary::{guard, path_argument, paths_argument, progress_of, slice, text_argument};
use crate::callbacks::adit_progress_fn;
use crate::error::{adit_error, adit_status};
use crate::record_writer::{adit_record_writer_options, writer_options};

fn real() -> Arc<dyn Storage> {
    Arc::new(RealStorage)
}

/// Writes the records of `from`, a record file or a manifest, to `to`: rrec to arec above all, also a
/// set to one file, one file to a set, or another alignment. Fields that are the same in all records
/// become fixed ones, others ragged; names and metadata stay.
///
/// Statuses: those of adit_record_reader_open and _verify for `from`, of adit_record_writer_create,
/// _append and _finish for `to`; ADIT_ERR_DTYPE, ADIT_ERR_SHAPE (records that `to`'s format can't
/// hold, or whose dtype or number of dimensions differs; the error's index is the record's number),
/// ADIT_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_convert(
    from: *const c_char,
    to: *const c_char,
    options: *const adit_record_writer_options,
    progress: adit_progress_fn,
    ctx: *mut c_void,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        // SAFETY: NULL or a string, as the header asks.
        let from = unsafe { path_argument(from, "from") }?;
        // SAFETY: NULL or a string, as the header asks.
        let to = unsafe { path_argument(to, "to") }?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { writer_options(options, to) }?;
        // SAFETY: the header's contract of adit_progress_fn, during the call.
        let mut progress = unsafe { progress_of(progress, ctx) };
        convert_records(&real(), from, to, &options, &mut progress)?;
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// Writes `n` array files (npy or MMAP) to `to` as records: record i has row i of each, field by
/// field, called `names`; where `names` is NULL, as the files without their extension. Their first
/// dimensions must be the same.
///
/// Statuses: those of adit_array_open for `paths`, of adit_record_writer_create, _append and _finish
/// for `to`; ADIT_ERR_INVALID_ARGUMENT (no arrays, names that are taken or too long), ADIT_ERR_SHAPE (an
/// array without dimensions or with another number of rows), ADIT_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_convert_arrays(
    paths: *const *const c_char,
    names: *const *const c_char,
    n: usize,
    to: *const c_char,
    options: *const adit_record_writer_options,
    progress: adit_progress_fn,
    ctx: *mut c_void,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        // SAFETY: readable for n strings, as the header asks.
        let paths = unsafe { paths_argument(paths, n, "paths") }?;
        let paths: Vec<PathBuf> = paths.into_iter().map(Path::to_owned).collect();
        let mut owned = Vec::new();
        if !names.is_null() {
            // SAFETY: readable for n strings, as the header asks.
            for (number, &name) in unsafe { slice(names, n, "names") }?.iter().enumerate() {
                // SAFETY: NULL or a string, as the header asks.
                let name = unsafe { text_argument(name, &format!("names[{number}]")) }?;
                owned.push(name.to_owned());
            }
        }
        // SAFETY: NULL or a string, as the header asks.
        let to = unsafe { path_argument(to, "to") }?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { writer_options(options, to) }?;
        // SAFETY: the header's contract of adit_progress_fn, during the call.
        let mut progress = unsafe { progress_of(progress, ctx) };
        convert_arrays(&real(), &paths, &owned, to, &options, &mut progress)?;
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// Writes the files in `folder`, byte for byte, to `to` as records, in the order of their names: field
/// "name" is a file's name and "data" its contents, both bytes. Where the folder holds folders, each of
/// them is a class: "name" is `class/file`, a third field "label" is the class's number, i32 without
/// dimensions, and the metadata has each class's name under `class.<number>`. Names that start with a
/// dot are passed over.
///
/// Statuses: those of adit_data_open for a file, of adit_record_writer_create, _append and _finish for
/// `to`; ADIT_ERR_NOT_FOUND (no such folder), ADIT_ERR_INVALID_ARGUMENT (no folder, files beside
/// folders), ADIT_ERR_NOT_A_FILE (a folder in a class's folder), ADIT_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_convert_folder(
    folder: *const c_char,
    to: *const c_char,
    options: *const adit_record_writer_options,
    progress: adit_progress_fn,
    ctx: *mut c_void,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        // SAFETY: NULL or a string, as the header asks.
        let folder = unsafe { path_argument(folder, "folder") }?;
        // SAFETY: NULL or a string, as the header asks.
        let to = unsafe { path_argument(to, "to") }?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { writer_options(options, to) }?;
        // SAFETY: the header's contract of adit_progress_fn, during the call.
        let mut progress = unsafe { progress_of(progress, ctx) };
        convert_folder(&real(), folder, to, &options, &mut progress)?;
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}
