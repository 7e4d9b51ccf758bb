//! Records: reading
//!
//! A reader hands out records of a finished file as borrowed tensors. Opening it reads the header
//! alone, however many records there are; each record is checked when it is asked for, so one
//! that is damaged costs nothing but itself.
//!
//! Ownership: tensors from adit_record_reader_get point into the file's bytes, and are good until
//! the reader and all adit_data handles to the same bytes are closed. What the section on data
//! says of files that are cut holds for them.
//!
//! Threads: functions that take a `const adit_record_reader *` may run at the same time on any
//! threads; closing needs the caller's exclusion.

mod gather;

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use adit_core::record::{FIELDS, RecordReader};

use crate::boundary::{
    DimsOut, Failure, Handle, Opaque, Options, Out, SizedOut, Zeroable, close, guard_derived,
    guard_handle, guard_new, init_options, into_raw, path_argument, peek, progress_of,
    read_options, refuse_reserved,
};
use crate::callbacks::adit_progress_fn;
use crate::data::{SharedData, adit_data, adit_data_options, data_options};
use crate::error::{adit_error, adit_status};
use crate::record_schema::{NamedSchema, adit_record_schema};
use crate::tensor::adit_tensor;

/// A record file open for reading.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_record_reader(Handle<RecordReader>);

// SAFETY: repr(transparent) over Handle<RecordReader>.
unsafe impl Opaque for adit_record_reader {
    type Value = RecordReader;
    const PARAMETER: &'static str = "reader";
}

/// How to open a record file. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_record_reader_options {
    /// sizeof(adit_record_reader_options).
    pub struct_size: usize,
    /// How to open the file's bytes; NULL for the default. Must be NULL where the bytes are open.
    pub data: *const adit_data_options,
    /// Zeros.
    pub reserved: [u64; 4],
}

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
//@ /** The default options. */
//@ #define ADIT_RECORD_READER_OPTIONS_INIT \
//@     { sizeof(adit_record_reader_options), NULL, { 0, 0, 0, 0 } }
//@ /** To be filled. */
//@ #define ADIT_RECORD_VERIFICATION_INIT { sizeof(adit_record_verification), 0, 0, 0 }

// SAFETY: repr(C), a usize first, no padding, and zeros are a null pointer and numbers.
unsafe impl Options for adit_record_reader_options {}
// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_record_verification {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_options_init(
    options: *mut adit_record_reader_options,
    size: usize,
) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// Opens the record file at `path`. `options` may be NULL. On success `*out` is a handle that the
/// caller closes with adit_record_reader_close.
///
/// Statuses: those of adit_data_open; ADIT_ERR_WRONG_FORMAT (no record file), ADIT_ERR_UNSUPPORTED
/// (a version this library doesn't know), ADIT_ERR_UNFINISHED (its writer never finished: see
/// adit_record_recover), ADIT_ERR_MALFORMED (the index doesn't fit into the file: it was cut).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_open(
    path: *const c_char,
    options: *const adit_record_reader_options,
    out: *mut *mut adit_record_reader,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(path, "path") }?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { read_options(options, "options") }?;
        refuse_reserved(&options.reserved, "options")?;
        // SAFETY: NULL or options, as the header asks.
        let data = unsafe { data_options(options.data) }?;
        Ok(RecordReader::open(path, &data)?)
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, body) }
}

/// Opens a record file whose bytes are open already: a download, an asset in memory, a part of a
/// file. The reader shares the bytes; `data` may be closed before it.
///
/// Statuses: as adit_record_reader_open; ADIT_ERR_INVALID_ARGUMENT if options->data is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_from_data(
    data: *const adit_data,
    options: *const adit_record_reader_options,
    out: *mut *mut adit_record_reader,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |shared: &SharedData| {
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { read_options(options, "options") }?;
        refuse_reserved(&options.reserved, "options")?;
        if !options.data.is_null() {
            return Err(Failure::invalid(
                "options->data must be NULL: the bytes are open already",
            ));
        }
        Ok(RecordReader::from_data(Arc::clone(&shared.data))?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_derived(data, out, err, body) }
}

/// The number of records; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_len(reader: *const adit_record_reader) -> u64 {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(reader) }.map_or(0, RecordReader::len)
}

/// The fields of the records. rrec declares none, so these are the two fields as record 0 has
/// them, or of any dtype and shape if there are no records; other records may differ. `*out` is
/// the caller's, freed with adit_record_schema_free.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_MALFORMED (record 0 is damaged).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_schema(
    reader: *const adit_record_reader,
    out: *mut *mut adit_record_schema,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = |reader: &RecordReader| {
        out.required("out")?;
        out.set(into_raw(NamedSchema::new(reader.schema()?)));
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(reader, err, body) }
}

/// Lends the first `n` tensors of record `index`: input and target for n = 2. They are good until
/// the reader is closed (see the head of this section) and must not be written to. All of the
/// record is checked, whatever `n` is. The record's head is read from the map: of a file that
/// another process has cut, that is SIGBUS where it was mapped.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such record, or `n` over 2),
/// ADIT_ERR_MALFORMED (this record is damaged; message, offset and index say where),
/// ADIT_ERR_MISALIGNED (its elements lie at odd addresses; adit_record_reader_gather copies them),
/// ADIT_ERR_UNSUPPORTED (over 8 dimensions; see adit_record_reader_shape).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_get(
    reader: *const adit_record_reader,
    index: u64,
    tensors: *mut adit_tensor,
    n: usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |reader: &RecordReader| {
        if tensors.is_null() && n > 0 {
            return Err(Failure::null("tensors"));
        }
        if !tensors.is_aligned() {
            return Err(Failure::invalid("tensors is misaligned"));
        }
        if n > FIELDS {
            let message = format_args!("n is {n}, but records have {FIELDS} tensors");
            return Err(Failure::new(adit_status::ADIT_ERR_OUT_OF_RANGE, message));
        }
        reader.lend_each(index, |field, record| {
            if field < n {
                let own = tensors.wrapping_add(field);
                // SAFETY: field < n, and the header asks for room for n tensors; aligned.
                unsafe { own.write(adit_tensor::ZERO) };
                // SAFETY: as above, and just written; nobody else has it during the call.
                let own = unsafe { &mut *own };
                own.become_record(&record);
            }
        })?;
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    let status = unsafe { guard_handle(reader, err, body) };
    if status != adit_status::ADIT_OK && !tensors.is_null() {
        // An `n` beyond what records have may be any number, so not all of it is believed.
        let n = n.min(adit_core::record::FIELDS);
        // SAFETY: not NULL, so room for n tensors, as the header asks.
        unsafe { tensors.write_bytes(0, n) };
    }
    status
}

/// The dimensions of field `field` of record `index`, however many: their number is written to
/// `*ndim`, and the first `cap` of them to `dims`, which may be NULL if `cap` is 0. What `dims` has
/// room for beyond them is set to 0.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE, ADIT_ERR_MALFORMED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_shape(
    reader: *const adit_record_reader,
    index: u64,
    field: usize,
    dims: *mut i64,
    cap: usize,
    ndim: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let ndim = unsafe { Out::zeroed(ndim) };
    // SAFETY: NULL or room for cap sizes, as the header asks.
    let dims = unsafe { DimsOut::zeroed(dims, cap) };
    let body = |reader: &RecordReader| {
        ndim.required("ndim")?;
        dims.required("dims")?;
        let own = reader.dims(index, field)?;
        dims.set(&own);
        ndim.set(own.len());
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(reader, err, body) }
}

/// Reads all records by pread and checks each. Damaged ones are passed over and counted; the
/// status is then that of the first of them, and the error's index its number. `progress`, which
/// may be NULL, is told records. `found`, which may be NULL, is filled unless the walk itself ends
/// early; the caller sets `found->struct_size`.
///
/// rrec has no checksums: what is checked is that every record's structure is sound and that every
/// byte can be read.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_MALFORMED, ADIT_ERR_TRUNCATED, ADIT_ERR_IO,
/// ADIT_CANCELLED.
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
    let body = |reader: &RecordReader| {
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

/// The file's bytes, for prefetch, release and residency. `*out` is a handle of its own, closed
/// with adit_data_close, before or after the reader.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_data(
    reader: *const adit_record_reader,
    out: *mut *mut adit_data,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |reader: &RecordReader| Ok(SharedData::new(Arc::clone(reader.data())));
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_derived(reader, out, err, body) }
}

/// Closes a reader; NULL is nothing. Tensors lent by it end here, unless an adit_data handle still
/// holds the same bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_close(reader: *mut adit_record_reader) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(reader) };
}
