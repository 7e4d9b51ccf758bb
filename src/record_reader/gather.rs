//! Many records' field copied into one buffer.

use std::ffi::c_void;

use adit_core::record::{Error, GatherOptions};

use super::{OpenReader, adit_record_reader};
use crate::boundary::{
    Failure, ManyOut, Options, Out, buffer_of, guard_handle, init_options, read_options,
    refuse_flags, refuse_reserved, slice, slice_mut,
};
use crate::data::any_io_argument;
use crate::error::{adit_error, adit_status};
use crate::kernel::{ADIT_CONVERT_SATURATE, overflow_of};
use crate::tensor::{adit_tensor, optional_dtype};

/// How to gather. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_gather_options {
    /// sizeof(adit_gather_options).
    pub struct_size: usize,
    /// An adit_io. With ADIT_IO_READ and ADIT_IO_DIRECT the readers of a process keep up to 256 MiB of
    /// the files' tables in memory, and free them when they are closed. Calls that read from a disk have
    /// many reads under way at once, in a context of Linux's asynchronous I/O of 64 reads: one for each
    /// call under way, up to 16 of which a reader keeps. They count among all that the host has
    /// (/proc/sys/fs/aio-max-nr); where it has no more, reads come one after the other.
    pub io: i32,
    /// The adit_dtype of the output; 0 for the records'. What adit_convert converts can be asked
    /// for.
    pub dtype: i32,
    /// ADIT_CONVERT_SATURATE, ADIT_GATHER_... flags.
    pub flags: u32,
    /// Zero.
    pub reserved0: u32,
    /// Not 0: records of a ragged field become all alike, their first dimension this long; zeros
    /// stand behind shorter ones, and longer ones are ADIT_ERR_SHAPE, or cut with ADIT_GATHER_CUT.
    pub pad: u64,
    /// Zeros.
    pub reserved: [u64; 3],
}

/// In adit_gather_options.flags: records longer than `pad` are cut to it.
pub const ADIT_GATHER_CUT: u32 = 256;

//@c-after
//@ /** The default options. */
//@ #define ADIT_GATHER_OPTIONS_INIT { sizeof(adit_gather_options), 0, 0, 0, 0, 0, { 0, 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are numbers.
unsafe impl Options for adit_gather_options {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gather_options_init(options: *mut adit_gather_options, size: usize) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// The engine's options for the caller's.
///
/// # Safety
/// `ptr` is null or points to options as the header asks.
unsafe fn gather_options(ptr: *const adit_gather_options) -> Result<GatherOptions, Failure> {
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, "options") }?;
    refuse_reserved(&own.reserved, "options")?;
    refuse_reserved(&[own.reserved0.into()], "options")?;
    let known = ADIT_CONVERT_SATURATE | ADIT_GATHER_CUT;
    refuse_flags(own.flags, known, "options->flags")?;
    Ok(GatherOptions {
        io: any_io_argument(own.io, "options->io")?,
        dtype: optional_dtype(own.dtype, "options->dtype")?,
        overflow: overflow_of(own.flags & ADIT_CONVERT_SATURATE),
        pad: (own.pad > 0).then_some(own.pad),
        cut: own.flags & ADIT_GATHER_CUT != 0,
        check: None,
    })
}

/// Copies field `field` of the `n` records `indices`, in that order, repeats allowed, to the start
/// of `buffer`, which has `len` bytes: the elements of `n` records are needed, as options->dtype
/// has them. All of the records must have the same dtype and shape in this field, unless options->pad
/// makes them so. `options` may be NULL; `tensor`, which may be NULL, is filled to describe what is in
/// the buffer: n, then a record's dimensions.
///
/// The records need not lie aligned in the file. On failure the contents of `buffer` are undefined.
/// From the map, a file that another process cuts during the call is SIGBUS; ADIT_IO_READ answers
/// ADIT_ERR_TRUNCATED at any time.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such record or field, a buffer
/// too small), ADIT_ERR_DTYPE (options->dtype is none, or no such conversion), ADIT_ERR_SHAPE
/// (records that differ, one longer than options->pad; the error's index is the record's number),
/// ADIT_ERR_MALFORMED, ADIT_ERR_CHECKSUM (the error's index is the record's number, its message names
/// the field), of a set those of adit_record_reader_open for a shard, ADIT_ERR_TRUNCATED (a file that
/// was cut, a shard shorter than its manifest says), ADIT_ERR_IO (also a shard that another file has
/// taken the place of), ADIT_ERR_UNSUPPORTED (a record with over 7 dimensions, options of a later
/// version).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_gather(
    reader: *const adit_record_reader,
    field: usize,
    indices: *const u64,
    n: usize,
    buffer: *mut c_void,
    len: u64,
    options: *const adit_gather_options,
    tensor: *mut adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(tensor) };
    let body = |reader: &OpenReader| {
        // SAFETY: NULL or options, as the header asks.
        let how = unsafe { gather_options(options) }?;
        // SAFETY: readable for n numbers, as the header asks.
        let indices = unsafe { slice(indices, n, "indices") }?;
        // SAFETY: writable for len bytes, as the header asks.
        let room = unsafe { buffer_of(buffer, len) }?;
        let found = reader.gather(field, indices, room, &how)?;
        out.set(adit_tensor::in_buffer(
            buffer,
            found.bytes,
            found.dtype,
            found.shape,
        ));
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(reader, err, body) }
}

/// Copies field `field`, a ragged one or not, of the `n` records `indices` one after the other to the
/// start of `buffer`, which has `len` bytes. Record i's elements are those from offsets[i] to
/// offsets[i + 1]: `offsets` has room for n + 1 numbers, and counts elements of the output. The shapes
/// are told by adit_record_reader_shape. options->pad must be 0. `options` may be NULL; `tensor`,
/// which may be NULL, is filled to describe what is in the buffer, its elements in one dimension.
///
/// A buffer that is too small is ADIT_ERR_OUT_OF_RANGE, and `offsets` is filled all the same: the last
/// one times an element's bytes is what is needed. On any other failure `offsets` is zeros, and the
/// contents of `buffer` are undefined.
///
/// Statuses: as adit_record_reader_gather.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_gather_ragged(
    reader: *const adit_record_reader,
    field: usize,
    indices: *const u64,
    n: usize,
    offsets: *mut u64,
    buffer: *mut c_void,
    len: u64,
    options: *const adit_gather_options,
    tensor: *mut adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(tensor) };
    // SAFETY: NULL or writable for n + 1 numbers, as the header asks.
    let starts = unsafe { ManyOut::zeroed(offsets, n.saturating_add(1)) };
    let body = |reader: &OpenReader| {
        starts.required("offsets")?;
        // SAFETY: NULL or options, as the header asks.
        let how = unsafe { gather_options(options) }?;
        if how.pad.is_some() {
            return Err(Failure::invalid(
                "options->pad must be 0: ragged records aren't padded",
            ));
        }
        // SAFETY: readable for n numbers, as the header asks.
        let indices = unsafe { slice(indices, n, "indices") }?;
        // SAFETY: writable for n + 1 numbers, as the header asks.
        let offsets = unsafe { slice_mut(offsets, n.saturating_add(1), "offsets") }?;
        // SAFETY: writable for len bytes, as the header asks.
        let room = unsafe { buffer_of(buffer, len) }?;
        let found = reader.gather_ragged(field, indices, offsets, room, &how);
        let found = match found {
            Err(error @ Error::SmallBuffer { .. }) => return Err(error.into()),
            found => found.inspect_err(|_| starts.zero())?,
        };
        out.set(adit_tensor::in_buffer(
            buffer,
            found.bytes,
            found.dtype,
            found.shape,
        ));
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(reader, err, body) }
}

/// Gathers several fields of the same records at once, each into a buffer of its own: field fields[i]
/// to buffers[i], which has lens[i] bytes, as adit_record_reader_gather does. All are announced to the
/// system before the first is read. options->dtype is that of every output; 0 leaves each as it is.
/// `options` may be NULL; `tensors`, which may be NULL, has room for `n_fields` tensors and is filled.
///
/// Statuses: as adit_record_reader_gather; ADIT_ERR_INVALID_ARGUMENT also for no fields.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_reader_gather_fields(
    reader: *const adit_record_reader,
    fields: *const usize,
    n_fields: usize,
    indices: *const u64,
    n: usize,
    buffers: *const *mut c_void,
    lens: *const u64,
    options: *const adit_gather_options,
    tensors: *mut adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable for n_fields tensors, as the header asks.
    let out = unsafe { ManyOut::zeroed(tensors, n_fields) };
    let body = |reader: &OpenReader| {
        // SAFETY: NULL or options, as the header asks.
        let how = unsafe { gather_options(options) }?;
        // SAFETY: readable for n_fields numbers, as the header asks.
        let fields = unsafe { slice(fields, n_fields, "fields") }?;
        // SAFETY: readable for n_fields pointers, as the header asks.
        let buffers = unsafe { slice(buffers, n_fields, "buffers") }?;
        // SAFETY: readable for n_fields lengths, as the header asks.
        let lens = unsafe { slice(lens, n_fields, "lens") }?;
        if fields.is_empty() {
            return Err(Failure::invalid("n_fields is 0"));
        }
        // SAFETY: readable for n numbers, as the header asks.
        let indices = unsafe { slice(indices, n, "indices") }?;
        reader.announce(indices, fields)?;
        let each = fields.iter().zip(buffers).zip(lens);
        for (number, ((&field, &buffer), &len)) in each.enumerate() {
            // SAFETY: writable for len bytes, as the header asks.
            let room = unsafe { buffer_of(buffer, len) }.inspect_err(|_| out.zero())?;
            let found = reader.gather(field, indices, room, &how);
            let found = found.inspect_err(|_| out.zero())?;
            let tensor = adit_tensor::in_buffer(buffer, found.bytes, found.dtype, found.shape);
            out.set(number, tensor);
        }
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(reader, err, body) }
}
