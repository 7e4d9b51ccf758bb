//! Opening: by path, by a list of paths, from open bytes.

use std::ffi::c_char;
use std::path::Path;
use std::sync::Arc;

use adit_core::map::Data;
use adit_core::model::{Model, ModelOptions, VerifyOptions};

use super::{ADIT_MODEL_RAW, ADIT_MODEL_VERIFY, adit_model, adit_model_options};
use crate::boundary::{
    Failure, guard_new, path_argument, peek_sound, read_options, refuse_flags, refuse_reserved,
    slice,
};
use crate::data::{adit_data, data_options};
use crate::error::{adit_error, adit_status};

/// How to open, and whether to read everything then.
struct How {
    options: ModelOptions,
    verify: bool,
}

impl How {
    /// What was opened, read where that was asked for.
    fn checked(&self, model: Model) -> Result<Model, Failure> {
        if self.verify {
            model.verify(&VerifyOptions::default(), &mut |_, _| true)?;
        }
        Ok(model)
    }
}

/// The engine's options for the caller's.
///
/// # Safety
/// `ptr` is null or points to options as the header asks.
unsafe fn model_options(ptr: *const adit_model_options) -> Result<How, Failure> {
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, "options") }?;
    let known = ADIT_MODEL_RAW | ADIT_MODEL_VERIFY;
    refuse_flags(own.flags, known, "options->flags")?;
    refuse_reserved(&own.reserved, "options")?;
    refuse_reserved(&[own.reserved0.into()], "options")?;
    let options = ModelOptions {
        // SAFETY: the caller's promise.
        data: unsafe { data_options(own.data) }?,
        raw: own.flags & ADIT_MODEL_RAW != 0,
    };
    let verify = own.flags & ADIT_MODEL_VERIFY != 0;
    Ok(How { options, verify })
}

/// Refuses a list of no files.
fn refuse_none(n: usize) -> Result<(), Failure> {
    match n {
        0 => Err(Failure::invalid(
            "n is 0, but a model has at least one file",
        )),
        _ => Ok(()),
    }
}

/// Opens the model that starts at `path`: a safetensors file; an index, which names its files; a
/// GGUF file, or the first of a split one, whose others are found by their names. `options` may be
/// NULL. On success `*out` is a handle that the caller closes with adit_model_close.
///
/// The files that an index names must lie in its folder. Whether a GGUF file is a part of a split one
/// it says itself, not its name. Memory stays within 16 times the size of the headers that are
/// really there, whatever they claim. Of safetensors files those are refused that the format's own
/// package 0.8.0 refuses, and two kinds more: the same name or key twice, and dimensions above
/// 2^63 - 1.
///
/// Statuses: those of adit_data_open, for each file; ADIT_ERR_WRONG_FORMAT (no model file: the
/// message says what it looks like), ADIT_ERR_MALFORMED (a header that breaks its format's rules,
/// tensors that overlap, leave holes or lie outside the file, which a download that stopped is
/// too; files that don't belong together), ADIT_ERR_NOT_FOUND (also of a file that another one
/// names, and of the others of a split one whose name doesn't tell theirs),
/// ADIT_ERR_INVALID_ARGUMENT (also of a part of a split one that isn't the first),
/// ADIT_ERR_UNSUPPORTED (a version that isn't known), ADIT_ERR_BUSY (a set that somebody replaced
/// again and again while it was opened).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_open(
    path: *const c_char,
    options: *const adit_model_options,
    out: *mut *mut adit_model,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(path, "path") }?;
        // SAFETY: NULL or options, as the header asks.
        let how = unsafe { model_options(options) }?;
        how.checked(Model::open(path, &how.options)?)
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, body) }
}

/// Opens these `n` files, and no others, as one model: safetensors files, without an index, whose
/// tensors come in the order of the list; or all parts of a split GGUF file, in any order: they say
/// which they are.
///
/// Statuses: as adit_model_open; ADIT_ERR_NOT_FOUND for parts that aren't in the list,
/// ADIT_ERR_INVALID_ARGUMENT also for several files with ADIT_MODEL_RAW, ADIT_ERR_UNSUPPORTED for an
/// index, which finds its files by its own path.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_open_files(
    paths: *const *const c_char,
    n: usize,
    options: *const adit_model_options,
    out: *mut *mut adit_model,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        refuse_none(n)?;
        // SAFETY: NULL or n pointers, as the header asks.
        let given = unsafe { slice(paths, n, "paths") }?;
        let paths: Vec<&Path> = given
            .iter()
            .enumerate()
            // SAFETY: NULL or a string, as the header asks.
            .map(|(at, &path)| unsafe { path_argument(path, &format!("paths[{at}]")) })
            .collect::<Result<_, _>>()?;
        // SAFETY: NULL or options, as the header asks.
        let how = unsafe { model_options(options) }?;
        how.checked(Model::open_files(&paths, &how.options)?)
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, body) }
}

/// Opens a model whose `n` files' bytes are open already: downloads in memory, assets, files that
/// came as descriptors. The model shares the bytes; the handles may be closed before it.
///
/// Statuses: as adit_model_open_files; ADIT_ERR_INVALID_ARGUMENT also if options->data is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_from_data(
    data: *const *const adit_data,
    n: usize,
    options: *const adit_model_options,
    out: *mut *mut adit_model,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        refuse_none(n)?;
        // SAFETY: NULL or n pointers, as the header asks.
        let given = unsafe { slice(data, n, "data") }?;
        let files: Vec<Arc<Data>> = given
            .iter()
            .enumerate()
            .map(|(at, &file)| {
                // SAFETY: NULL or an open handle, as the header asks.
                let shared = unsafe { peek_sound(file) }?;
                let shared = shared.ok_or_else(|| Failure::null(&format!("data[{at}]")))?;
                Ok(Arc::clone(&shared.data))
            })
            .collect::<Result<_, Failure>>()?;
        // SAFETY: NULL or options, as the header asks.
        let own = unsafe { read_options(options, "options") }?;
        if !own.data.is_null() {
            let why = "options->data must be NULL: the bytes are open already";
            return Err(Failure::invalid(why));
        }
        // SAFETY: as above.
        let how = unsafe { model_options(options) }?;
        how.checked(Model::from_data(files, &how.options)?)
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, body) }
}
