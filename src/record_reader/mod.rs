//! Records: reading
//!
//! A reader hands out records of a finished file, or of a set of files, as borrowed tensors. Opening
//! it reads the header of a file (of arec its last pages too) or the manifest of a set alone, however
//! many records there are; each record is checked when it is asked for, so one that is damaged costs
//! nothing but itself.
//!
//! A set is opened by its manifest, or by a list of arec files. Its records are those of its shards,
//! one shard after the other; a shard is opened, and compared with what the manifest says of it, when
//! one of its records is first used. Errors name the shard: their path is its, and the record's number
//! in them is the one in the shard where the message says so. A shard's map stays until the reader is
//! closed; of open descriptors there are at most options->descriptors, as many again for
//! ADIT_IO_DIRECT, and of either one more for each call under way.
//!
//! Where a file was cut while it is open, gathers and loaders take each of its records for a bad one
//! (ADIT_ERR_TRUNCATED), and that stays, even if it has as many bytes again: they may be zeros. An
//! arec file alone is read again by ADIT_IO_READ and ADIT_IO_DIRECT, with checksums compared, once its
//! tables are as they were. For all else open a new reader. A shard whose path has another file by the
//! time it must be opened again is ADIT_ERR_MALFORMED.
//!
//! Checksums: arec has one for each field of each record. options->check says when it is compared; one
//! that differs is ADIT_ERR_CHECKSUM, which tells record, field and byte.
//!
//! Ownership: tensors from adit_record_reader_get point into the file's bytes, and are good until
//! the reader and all adit_data handles to the same bytes are closed. What the section on data
//! says of files that are cut holds for them. In arec a record's place in memory is a multiple of the
//! file's alignment, and a field's of at least what its dtype needs. Loaders and converters that were
//! given a reader keep what they need: it may be closed before them.
//!
//! Threads: functions that take a `const adit_record_reader *` may run at the same time on any
//! threads; closing needs the caller's exclusion. Forks: a child may read through a reader that it
//! inherited, and close it.

mod gather;
mod metadata;
mod pages;
mod shards;
mod verify;

use std::ffi::{CString, c_char};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use adit_core::record::{Check, FIELDS, ReaderOptions, RecordReader};

use crate::boundary::{
    DimsOut, Failure, Handle, Opaque, Options, Out, choose, close, guard_derived, guard_handle,
    guard_new, init_options, into_raw, path_argument, paths_argument, peek, read_options,
    refuse_reserved,
};
use crate::data::{SharedData, adit_data, adit_data_options, data_options};
use crate::error::{adit_error, adit_status};
use crate::record_schema::{NamedSchema, adit_record_schema};
use crate::tensor::adit_tensor;

/// A record file open for reading.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_record_reader(Handle<OpenReader>);

/// The reader, which loaders share, and the metadata's keys as C has them.
#[derive(Debug)]
pub(crate) struct OpenReader {
    pub(crate) shared: Arc<RecordReader>,
    keys: OnceLock<Vec<CString>>,
}

impl OpenReader {
    fn new(reader: RecordReader) -> OpenReader {
        OpenReader {
            shared: Arc::new(reader),
            keys: OnceLock::new(),
        }
    }
}

impl Deref for OpenReader {
    type Target = RecordReader;

    #[inline]
    fn deref(&self) -> &RecordReader {
        &self.shared
    }
}

// SAFETY: repr(transparent) over Handle<OpenReader>.
unsafe impl Opaque for adit_record_reader {
    type Value = OpenReader;
    const PARAMETER: &'static str = "reader";
}

/// When checksums of arec are compared with the bytes they are of.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_record_check {
    /// When records are copied: by gathers and loaders, of the copy.
    ADIT_RECORD_CHECK_ON_COPY = 0,
    /// Never but by adit_record_reader_verify.
    ADIT_RECORD_CHECK_NEVER = 1,
    /// By adit_record_reader_get too, each time, of every field that it lends.
    ADIT_RECORD_CHECK_ALWAYS = 2,
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
    /// An adit_record_check.
    pub check: i32,
    /// Of a set: descriptors kept open at most, and as many for ADIT_IO_DIRECT; 0 for 256.
    pub descriptors: u32,
    /// Zeros.
    pub reserved: [u64; 3],
}

//@c-after
//@ /** The default options. */
//@ #define ADIT_RECORD_READER_OPTIONS_INIT \
//@     { sizeof(adit_record_reader_options), NULL, 0, 0, { 0, 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are a null pointer and numbers.
unsafe impl Options for adit_record_reader_options {}

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

/// The engine's options for the caller's.
///
/// # Safety
/// `ptr` is null or points to options as the header asks.
unsafe fn reader_options(ptr: *const adit_record_reader_options) -> Result<ReaderOptions, Failure> {
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, "options") }?;
    refuse_reserved(&own.reserved, "options")?;
    Ok(ReaderOptions {
        // SAFETY: the caller's promise.
        data: unsafe { data_options(own.data) }?,
        check: check_argument(own.check, "options->check")?,
        most_descriptors: own.descriptors as usize,
    })
}

pub(crate) fn check_argument(check: i32, parameter: &str) -> Result<Check, Failure> {
    use adit_record_check as own;
    let table = [
        (own::ADIT_RECORD_CHECK_ON_COPY as i32, Check::OnCopy),
        (own::ADIT_RECORD_CHECK_NEVER as i32, Check::Never),
        (own::ADIT_RECORD_CHECK_ALWAYS as i32, Check::Always),
    ];
    choose(check, parameter, "adit_record_check", &table)
}

/// Opens the record file, or the set whose manifest is, at `path`: rrec, arec or JSON by its content,
/// not its name. `options` may be NULL. On success `*out` is a handle that the caller closes with
/// adit_record_reader_close.
///
/// Statuses: those of adit_data_open; ADIT_ERR_WRONG_FORMAT (no record file), ADIT_ERR_UNSUPPORTED
/// (a version or feature this library doesn't know), ADIT_ERR_UNFINISHED (its writer never finished,
/// or the file was cut: see adit_record_recover), ADIT_ERR_MALFORMED (the index doesn't fit into the
/// file; a manifest that breaks the rules), ADIT_ERR_CHECKSUM.
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
        let options = unsafe { reader_options(options) }?;
        Ok(OpenReader::new(RecordReader::open(path, &options)?))
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, body) }
}

/// Opens the `n` arec files `paths` as one set, in this order, without a manifest. Their heads are
/// read at once, and their fields must be the same. `options` may be NULL. On success `*out` is a
/// handle that the caller closes with adit_record_reader_close.
///
/// Statuses: as adit_record_reader_open, told of the first file that fails; ADIT_ERR_INVALID_ARGUMENT
/// (no paths), ADIT_ERR_MALFORMED (a file whose fields differ from the first one's).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_open_files(
    paths: *const *const c_char,
    n: usize,
    options: *const adit_record_reader_options,
    out: *mut *mut adit_record_reader,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        // SAFETY: readable for n strings, as the header asks.
        let paths = unsafe { paths_argument(paths, n, "paths") }?;
        if paths.is_empty() {
            return Err(Failure::invalid("n is 0: a set has one file or more"));
        }
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { reader_options(options) }?;
        Ok(OpenReader::new(RecordReader::open_files(&paths, &options)?))
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, body) }
}

/// Opens a record file whose bytes are open already: a download, an asset in memory, a part of a
/// file. The reader shares the bytes; `data` may be closed before it.
///
/// Statuses: as adit_record_reader_open; ADIT_ERR_INVALID_ARGUMENT if options->data is set;
/// ADIT_ERR_WRONG_FORMAT also for a manifest, whose shards can't be found from its bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_from_data(
    data: *const adit_data,
    options: *const adit_record_reader_options,
    out: *mut *mut adit_record_reader,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |shared: &SharedData| {
        // SAFETY: NULL or options, as the header asks.
        if !unsafe { read_options(options, "options") }?.data.is_null() {
            return Err(Failure::invalid(
                "options->data must be NULL: the bytes are open already",
            ));
        }
        // SAFETY: as above.
        let options = unsafe { reader_options(options) }?;
        let data = Arc::clone(&shared.data);
        Ok(OpenReader::new(RecordReader::from_data(data, &options)?))
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_derived(data, out, err, body) }
}

/// The number of records; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_len(reader: *const adit_record_reader) -> u64 {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(reader) }.map_or(0, |reader| reader.len())
}

/// The fields of the records: sizes of each record's own are ADIT_DIM_ANY. rrec declares none, so
/// these are the two fields as record 0 has them, or of any dtype and shape if there are no records;
/// other records may differ. `*out` is
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
    let body = |reader: &OpenReader| {
        out.required("out")?;
        out.set(into_raw(NamedSchema::new(reader.schema()?)));
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(reader, err, body) }
}

/// Lends the first `n` tensors of record `index`, of rrec input and target for n = 2. They are good
/// until the reader is closed (see the head of this section) and must not be written to. What places
/// the record is checked, whatever `n` is; of rrec all of its structure. That is read from the map: of
/// a file that another process has cut, that is SIGBUS where it was mapped.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such record, or `n` over the number
/// of fields), ADIT_ERR_CHECKSUM (with ADIT_RECORD_CHECK_ALWAYS), of a set those of
/// adit_record_reader_open for the shard,
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
    let body = |reader: &OpenReader| {
        if tensors.is_null() && n > 0 {
            return Err(Failure::null("tensors"));
        }
        if !tensors.is_aligned() {
            return Err(Failure::invalid("tensors is misaligned"));
        }
        let fields = reader.fields();
        if n > fields {
            let message = format_args!("n is {n}, but records have {fields} tensors");
            return Err(Failure::new(adit_status::ADIT_ERR_OUT_OF_RANGE, message));
        }
        reader.lend_each(index, |field, record| {
            if field < n {
                let own = tensors.wrapping_add(field);
                // SAFETY: field < n, and the header asks for room for n tensors; aligned.
                unsafe { own.write(adit_tensor::ZERO) };
                // SAFETY: as above, and just written; nobody else has it during the call.
                let own = unsafe { &mut *own };
                own.become_field(&record);
            }
        })?;
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    let status = unsafe { guard_handle(reader, err, body) };
    if status != adit_status::ADIT_OK && !tensors.is_null() {
        // An `n` beyond what records have may be any number, so not all of it is believed.
        // SAFETY: NULL or an open handle, as the header asks.
        let fields = unsafe { peek(reader) }.map_or(FIELDS, |reader| reader.fields());
        let n = n.min(fields);
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
    let body = |reader: &OpenReader| {
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

/// The file's bytes, for prefetch, release and residency; of a set its first shard's, see
/// adit_record_reader_shard_data. `*out` is a handle of its own, closed with adit_data_close, before
/// or after the reader.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, of a set those of adit_record_reader_open for the shard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_data(
    reader: *const adit_record_reader,
    out: *mut *mut adit_data,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |reader: &OpenReader| Ok(SharedData::new(Arc::clone(reader.data(0)?)));
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
