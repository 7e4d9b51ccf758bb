//! From what a loader is opened.

use std::sync::Arc;

use adit_core::array::Array;
use adit_core::loader::{Loader, TokenSource};

use super::adit_loader;
use super::options::{adit_loader_options, loader_options};
use crate::array::adit_array;
use crate::boundary::{close, guard_derived};
use crate::data::{SharedData, adit_data};
use crate::error::{adit_error, adit_status};
use crate::record_reader::{OpenReader, adit_record_reader};
use crate::tensor::dtype_argument;

/// Opens a loader of the records of `reader`, which may be closed before it. On success `*out` is a
/// handle that the caller closes with adit_loader_close. No record is read yet.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (no batch, options that don't go together, a field that the set
/// doesn't have or that is named twice, a transform without outputs or outputs without one, an
/// environment that says nothing or two things, a rank beyond world, a set with fewer records than a
/// step needs, a dtype that a field can't be converted to, a field to be padded whose records differ in
/// more than their first dimension), ADIT_ERR_OUT_OF_RANGE (a budget too small), ADIT_ERR_UNSUPPORTED
/// (options of a later version), ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_PERMISSION (no thread can be started); of rrec
/// those of adit_record_reader_get for record 0, of a set those of adit_record_reader_open for a shard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_loader_open(
    reader: *const adit_record_reader,
    options: *const adit_loader_options,
    out: *mut *mut adit_loader,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |reader: &OpenReader| {
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { loader_options(options) }?;
        Ok(Loader::open(Arc::clone(&reader.shared), &options)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_derived(reader, out, err, body) }
}

/// Opens a loader of windows of `tokens` elements, one every `stride` elements, over an array of one
/// dimension: for a language model that predicts the next token of T, T + 1 elements with a stride of
/// T. `stride` 0 is `tokens`. Elements at the end that make no whole window are left out. Windows are
/// what records are elsewhere; batches have one tensor, "tokens", of [rows, tokens], in the array's
/// dtype or in that of a field "tokens" of options->fields. `array` may be closed before the loader.
///
/// Statuses: as adit_loader_open; ADIT_ERR_INVALID_ARGUMENT for `tokens` of 0, ADIT_ERR_SHAPE for an
/// array of other than one dimension, ADIT_ERR_DTYPE for one of blocks, ADIT_ERR_UNSUPPORTED for one in
/// another byte order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_loader_open_array(
    array: *const adit_array,
    tokens: u64,
    stride: u64,
    options: *const adit_loader_options,
    out: *mut *mut adit_loader,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |array: &Array| {
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { loader_options(options) }?;
        let windows = TokenSource::new(&array.source()?, tokens, stride)?;
        Ok(Loader::open_tokens(windows, &options)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_derived(array, out, err, body) }
}

/// As adit_loader_open_array, over the elements of `dtype` that start at byte `offset` of `data` and go
/// on to its end: a file with a header of its own, such as llm.c's of u16 behind 1024 bytes.
///
/// Statuses: as adit_loader_open_array; ADIT_ERR_OUT_OF_RANGE for an offset past the bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_loader_open_data(
    data: *const adit_data,
    offset: u64,
    dtype: i32,
    tokens: u64,
    stride: u64,
    options: *const adit_loader_options,
    out: *mut *mut adit_loader,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |shared: &SharedData| {
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { loader_options(options) }?;
        let dtype = dtype_argument(dtype, "dtype")?;
        let windows = TokenSource::from_data(&shared.data, offset, dtype, tokens, stride)?;
        Ok(Loader::open_tokens(windows, &options)?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_derived(data, out, err, body) }
}

/// Closes a loader; NULL is nothing. Its threads end before this returns; batches that are held stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_loader_close(loader: *mut adit_loader) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(loader) };
}
