//! Records: writing
//!
//! A writer makes one file, or a set of them, its shards, with a manifest that lists them. Two formats
//! are written: arec, the library's own (docs/record-format.md): named fields of any dtype, of fixed
//! or of each record's own sizes, a checksum for each field of each record, metadata; and rrec
//! version 1.
//!
//! A writer collects records in a temporary file beside the path it was given, called
//! `<name>.<16 hex digits>.adit-tmp`. adit_record_writer_finish syncs it, gives it its name in one
//! step and syncs the folder: at the path there is always the whole old file, the whole new one,
//! or none. Closing an unfinished writer removes the temporary, unless
//! ADIT_RECORD_WRITER_KEEP_UNFINISHED is set. If the process dies, the temporary stays, for the user
//! to remove, and adit_record_recover saves the whole records that were written out by then: of arec
//! at least those before the last adit_record_writer_sync, else all but the block being filled; of
//! rrec all but up to 8 MiB of the latest.
//!
//! A symbolic link at the path is replaced, not followed; a file that is replaced leaves its
//! permissions to the new one, not its owner. Memory: a block of arec, and its columns: for a record 4
//! bytes a field, and where fields aren't fixed 12 more and 4 for each size of its own; of rrec 16
//! bytes a record.
//!
//! Sets: with options->shard_bytes the path is the manifest's, and a new shard is begun, called
//! `<the manifest's name without extension>-<8 hex digits>-<number>.arec`, where one would grow
//! beyond that many bytes. Each shard is finished as a file is; the manifest is published last, by
//! adit_record_writer_finish, so that a set appears whole or not at all. Shards of a set that was
//! replaced, or never finished, are left for the user to remove. adit_record_writer_append_to adds
//! shards to a set; adit_record_manifest_create makes one of shards that several processes wrote.
//!
//! After a failed write or sync the writer is poisoned: every call but close answers
//! ADIT_ERR_POISONED, and nothing appears at the path. A record that is refused (dtype, shape,
//! NULL) leaves the writer as it was.
//!
//! Threads: one at a time for each writer. Forks: a child can't write through a writer that it
//! inherited (ADIT_ERR_FORKED, where it was forked by fork()); closing it there leaves the parent's
//! temporary alone.

mod write;

use std::ffi::{CString, c_char};
use std::path::Path;
use std::sync::Arc;

use adit_core::map::RealStorage;
use adit_core::record::{ArecOptions, FIELDS, RecordFormat, RecordWriter, WriterOptions};

use crate::boundary::{
    Failure, Handle, Opaque, Options, Out, choose, guard, guard_new, init_options, into_raw,
    path_argument, peek_sound, read_options, refuse_flags, refuse_reserved,
};
use crate::error::{adit_error, adit_status};
use crate::record_schema::adit_record_schema;

/// A record file, or a set, being written.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_record_writer(Handle<Writing>);

/// A writer, and its temporary's path as C has it.
#[derive(Debug)]
pub(crate) struct Writing {
    writer: RecordWriter,
    /// How many tensors a record has, where that is known: of more none is read.
    fields: Option<usize>,
    temporary: Option<CString>,
}

impl Writing {
    fn new(writer: RecordWriter, options: &WriterOptions) -> Writing {
        let fields = match options.format {
            RecordFormat::Rrec1 => Some(FIELDS),
            RecordFormat::Arec => options.schema.as_ref().map(|own| own.fields().len()),
        };
        Writing {
            writer,
            fields,
            temporary: None,
        }
    }
}

// SAFETY: repr(transparent) over Handle<Writing>.
unsafe impl Opaque for adit_record_writer {
    type Value = Writing;
    const PARAMETER: &'static str = "writer";
}

/// The formats of record files.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_record_format {
    /// By the path's extension: .rrec is rrec version 1, .arec is arec, and .json, with shard_bytes, a
    /// set of arec.
    ADIT_RECORD_FORMAT_AUTO = 0,
    /// rrec version 1, byte for byte as rumus 0.3.1 writes it.
    ADIT_RECORD_FORMAT_RREC1 = 1,
    /// arec, the library's own format.
    ADIT_RECORD_FORMAT_AREC = 2,
}

/// In adit_record_writer_options.flags: never replace a file; one at the path is ADIT_ERR_EXISTS,
/// from create, or from finish if it came later.
pub const ADIT_RECORD_WRITER_NO_REPLACE: u32 = 1;

/// In adit_record_writer_options.flags, for arec: no record touches more pages of 4096 bytes than its
/// length needs, so that one read at random costs the disk no more than it must. The file grows by
/// what is left free before such records.
pub const ADIT_RECORD_WRITER_PAGES: u32 = 2;

/// In adit_record_writer_options.flags: a writer that is closed unfinished, or fails, leaves its
/// temporary for adit_record_recover. adit_record_writer_temporary tells its path.
pub const ADIT_RECORD_WRITER_KEEP_UNFINISHED: u32 = 4;

/// How to write records. Zero in any field means the default. All but format and flags is for arec,
/// and ADIT_ERR_UNSUPPORTED for rrec.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_record_writer_options {
    /// sizeof(adit_record_writer_options).
    pub struct_size: usize,
    /// An adit_record_format.
    pub format: i32,
    /// ADIT_RECORD_WRITER_... flags.
    pub flags: u32,
    /// The fields: each with a dtype and dimensions. NULL for those of the first record, all of them
    /// fixed, called "field0", "field1" and so on. It is copied.
    pub schema: *const adit_record_schema,
    /// What records' places in the file, and in a map, are multiples of: 64, 256 or 4096; 0 for 64.
    pub alignment: u32,
    /// What fields' places in a record are multiples of at least: a power of two up to `alignment`; 0
    /// for what their dtypes need.
    pub field_alignment: u32,
    /// Bytes of a block: what is written, and checksummed for recovery, at once. 0 for 4 MiB; fewer
    /// than 16 KiB are taken as that, and fewer than a record as what holds one.
    pub block_bytes: u64,
    /// Not 0: a set of shards of at most about so many bytes each; the path is its manifest's.
    pub shard_bytes: u64,
    /// Zeros.
    pub reserved: [u64; 4],
}

//@c-after
//@ /** The default options. */
//@ #define ADIT_RECORD_WRITER_OPTIONS_INIT \
//@     { sizeof(adit_record_writer_options), 0, 0, NULL, 0, 0, 0, 0, { 0, 0, 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are a null pointer, numbers and flags.
unsafe impl Options for adit_record_writer_options {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_options_init(
    options: *mut adit_record_writer_options,
    size: usize,
) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// The engine's options for the caller's, of a writer at this path.
///
/// # Safety
/// `ptr` is null or points to options as the header asks.
pub(crate) unsafe fn writer_options(
    ptr: *const adit_record_writer_options,
    path: &Path,
) -> Result<WriterOptions, Failure> {
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, "options") }?;
    // SAFETY: the caller's promise.
    unsafe { options_with(&own, Some(path)) }
}

/// As [`writer_options`], of a writer that appends to a set.
///
/// # Safety
/// As [`writer_options`].
unsafe fn set_options(ptr: *const adit_record_writer_options) -> Result<WriterOptions, Failure> {
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, "options") }?;
    // SAFETY: the caller's promise.
    unsafe { options_with(&own, None) }
}

/// # Safety
/// `own.schema` is null or an open handle.
unsafe fn options_with(
    own: &adit_record_writer_options,
    path: Option<&Path>,
) -> Result<WriterOptions, Failure> {
    let known = ADIT_RECORD_WRITER_NO_REPLACE
        | ADIT_RECORD_WRITER_PAGES
        | ADIT_RECORD_WRITER_KEEP_UNFINISHED;
    refuse_flags(own.flags, known, "options->flags")?;
    refuse_reserved(&own.reserved, "options")?;
    // SAFETY: NULL or an open handle, by the caller's promise.
    let schema = unsafe { peek_sound(own.schema) }?;
    Ok(WriterOptions {
        format: format_of(own, path)?,
        replace: own.flags & ADIT_RECORD_WRITER_NO_REPLACE == 0,
        schema: schema.map(|own| own.schema.clone()),
        arec: ArecOptions {
            align: own.alignment.into(),
            field_align: own.field_alignment.into(),
            pages: own.flags & ADIT_RECORD_WRITER_PAGES != 0,
            block_bytes: own.block_bytes,
        },
        shard_bytes: own.shard_bytes,
        keep_unfinished: own.flags & ADIT_RECORD_WRITER_KEEP_UNFINISHED != 0,
    })
}

fn format_of(
    own: &adit_record_writer_options,
    path: Option<&Path>,
) -> Result<RecordFormat, Failure> {
    use adit_record_format as named;
    let by_path = || match path {
        None => Some(RecordFormat::Arec),
        Some(path) => match path.extension()?.to_str()? {
            "rrec" => Some(RecordFormat::Rrec1),
            "arec" => Some(RecordFormat::Arec),
            "json" if own.shard_bytes > 0 => Some(RecordFormat::Arec),
            _ => None,
        },
    };
    let table = [
        (named::ADIT_RECORD_FORMAT_AUTO as i32, by_path()),
        (
            named::ADIT_RECORD_FORMAT_RREC1 as i32,
            Some(RecordFormat::Rrec1),
        ),
        (
            named::ADIT_RECORD_FORMAT_AREC as i32,
            Some(RecordFormat::Arec),
        ),
    ];
    let chosen = choose(own.format, "options->format", "adit_record_format", &table)?;
    chosen.ok_or_else(|| {
        let message = format_args!(
            "'{}': the extension names no record format; call it .arec or .rrec, or .json with \
             options->shard_bytes, or set options->format",
            path.unwrap_or(Path::new("")).display()
        );
        Failure::new(adit_status::ADIT_ERR_UNSUPPORTED, message)
    })
}

/// Starts a record file that will stand at `path` once it is finished, or a set whose manifest will; a
/// file that stands there already is read as before until then. `options` may be NULL. On success
/// `*out` is a handle that the caller closes with adit_record_writer_close.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (an alignment or block size that there isn't, a schema without
/// fields or with one that has no dtype or dimensions), ADIT_ERR_SHAPE (dimensions whose records can't
/// be: no whole blocks of the dtype, or over 2^40 bytes), ADIT_ERR_UNSUPPORTED (an extension that names no format, options that the format
/// doesn't have or that are of a later version), ADIT_ERR_NOT_FOUND (no such folder),
/// ADIT_ERR_PERMISSION, ADIT_ERR_EXISTS, ADIT_ERR_NOT_A_FILE, ADIT_ERR_NO_SPACE, ADIT_ERR_READ_ONLY,
/// ADIT_ERR_IO, ADIT_ERR_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_create(
    path: *const c_char,
    options: *const adit_record_writer_options,
    out: *mut *mut adit_record_writer,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = || {
        out.required("out")?;
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(path, "path") }?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { writer_options(options, path) }?;
        let writer = RecordWriter::create(Arc::new(RealStorage), path, &options)?;
        out.set(into_raw(Writing::new(writer, &options)));
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// Starts a writer of more shards for the set whose manifest is at `manifest`. Its records follow
/// those of the set; its schema is the set's, which options->schema, unless NULL, must equal.
/// adit_record_writer_finish publishes the manifest anew; readers of the set that are open go on
/// with the records that they had. options->shard_bytes is the shards' limit, 0 for one shard of any
/// size. On success `*out` is a handle that the caller closes with adit_record_writer_close.
///
/// Of two writers that append to one set at the same time the one that finishes first wins, and the
/// other's finish is ADIT_ERR_BUSY.
///
/// Statuses: as adit_record_writer_create, and those of adit_record_reader_open for the manifest;
/// ADIT_ERR_INVALID_ARGUMENT (another schema), ADIT_ERR_WRONG_FORMAT (no manifest: also an
/// arec file).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_writer_append_to(
    manifest: *const c_char,
    options: *const adit_record_writer_options,
    out: *mut *mut adit_record_writer,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = || {
        // SAFETY: NULL or a string, as the header asks.
        let path = unsafe { path_argument(manifest, "manifest") }?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { set_options(options) }?;
        let writer = RecordWriter::append_to(Arc::new(RealStorage), path, &options)?;
        Ok(Writing::new(writer, &options))
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, body) }
}
