//! The list of what is to be loaded.

use std::ffi::c_void;
use std::sync::Arc;

use adit_core::array::Array;
use adit_core::gpu::{BUILT, Buffer, Error, Upload};
use adit_core::model::Model;
use adit_core::tensor::Source;
use adit_core::transfer::{Destination, Item, Room};

use super::list::Items;
use crate::array::adit_array;
use crate::boundary::{
    Failure, Handle, Opaque, Options, close, guard_handle_mut, guard_new, guard_value,
    init_options, peek, peek_sound, read_options, refuse_flags, refuse_reserved, slice,
};
use crate::data::{adit_data, borrowed};
use crate::error::{adit_error, adit_status};
use crate::gpu::adit_gpu_buffer;
use crate::kernel::{ADIT_CONVERT_SATURATE, overflow_of};
use crate::model::adit_model;
use crate::record_reader::adit_record_reader;
use crate::tensor::{
    adit_tensor, dtype_argument, optional_dtype, shape_argument, slice_of, tensor_argument,
};

/// What is to be loaded.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_load_items(Handle<Items>);

// SAFETY: repr(transparent) over Handle<Items>.
unsafe impl Opaque for adit_load_items {
    type Value = Items;
    const PARAMETER: &'static str = "items";
}

//@c-before
//@ /** Memory of a graphics card; see the section on GPUs. */
//@ typedef struct adit_gpu_buffer adit_gpu_buffer;

/// In adit_load_item_options.flags, of an item that goes to a GPU: convert it on the host even where
/// the card can.
pub const ADIT_LOAD_CONVERT_ON_HOST: u32 = 1u32 << 16;

/// Which part of a tensor to load, as what, and where to. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_load_item_options {
    /// sizeof(adit_load_item_options).
    pub struct_size: usize,
    /// Memory for the item's elements, at any alignment; NULL for a place in the arena, for a
    /// sink, or a graphics card. It must not overlap that of another item, or the bytes that are loaded.
    pub dst: *mut c_void,
    /// The bytes that there are from `dst` on. More than needed stay as they are.
    pub dst_bytes: u64,
    /// The first position of the first dimension.
    pub row_start: u64,
    /// How many positions of it; 0 for all from row_start on. A share of no rows is not a count of 0,
    /// but a row_start at the dimension's end.
    pub row_count: u64,
    /// The first position of the last dimension, where there are two or more.
    pub column_start: u64,
    /// How many positions of it; 0 for all from column_start on, as for rows. Columns of block
    /// dtypes begin and end at blocks.
    pub column_count: u64,
    /// The adit_dtype that it becomes; 0 for its own. What adit_convert converts can be asked for.
    pub dtype: i32,
    /// ADIT_CONVERT_SATURATE, ADIT_LOAD_CONVERT_ON_HOST.
    pub flags: u32,
    /// A buffer on a graphics card for the item's elements, for adit_gpu_upload_items; then `dst` is
    /// NULL. The item holds it: it may be freed before. NULL for memory or a sink. A list has items
    /// of one kind.
    pub gpu_buffer: *const adit_gpu_buffer,
    /// Where in it they start: a multiple of 4. Where they end off a multiple of 4, the up to 3 bytes
    /// that follow become 0.
    pub gpu_offset: u64,
    /// Zeros.
    pub reserved: [u64; 2],
}

//@c-after
//@ /** The default options: all of a tensor, as it is stored, into the arena. */
//@ #define ADIT_LOAD_ITEM_OPTIONS_INIT \
//@     { sizeof(adit_load_item_options), NULL, 0, 0, 0, 0, 0, 0, 0, NULL, 0, { 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are null pointers and numbers.
unsafe impl Options for adit_load_item_options {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_load_item_options_init(
    options: *mut adit_load_item_options,
    size: usize,
) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// Makes an empty list. On success `*out` is a handle that the caller frees with
/// adit_load_items_free.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_load_items_new(
    out: *mut *mut adit_load_items,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, || Ok(Items::Load(Vec::new()))) }
}

/// Adds a tensor as the caller's options say, if it can be loaded so.
///
/// # Safety
/// `options` is null or points to options as the header asks.
unsafe fn add(
    items: &mut Items,
    source: Source,
    options: *const adit_load_item_options,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(options, "options") }?;
    let known = ADIT_CONVERT_SATURATE | ADIT_LOAD_CONVERT_ON_HOST;
    refuse_flags(own.flags, known, "options->flags")?;
    refuse_reserved(&own.reserved, "options")?;
    if own.dst.is_null() && own.dst_bytes > 0 {
        return Err(Failure::null("options->dst"));
    }
    // SAFETY: NULL or a handle, as the header asks.
    let buffer = unsafe { gpu_buffer(&own) }?;
    if buffer.is_none() && own.flags & ADIT_LOAD_CONVERT_ON_HOST != 0 {
        let why = "options->flags has ADIT_LOAD_CONVERT_ON_HOST without a gpu_buffer";
        return Err(Failure::invalid(why));
    }
    let dims = source.shape.dims();
    let slice = slice_of(
        dims,
        (own.row_start, own.row_count),
        (own.column_start, own.column_count),
    );
    let destination = if own.dst.is_null() {
        Destination::Arena
    } else {
        // SAFETY: writable, and nobody else's, during every load of the item, as the header asks.
        Destination::Given(unsafe { Room::new(own.dst.cast(), own.dst_bytes) })
    };
    let item = Item {
        source,
        slice,
        dtype: optional_dtype(own.dtype, "options->dtype")?,
        overflow: overflow_of(own.flags),
        destination,
    };
    item.output(items.len() as u64)?;
    match buffer {
        None => items.push(item),
        Some(buffer) => items.push_upload(Upload {
            item,
            buffer: buffer.clone(),
            offset: own.gpu_offset,
            on_host: own.flags & ADIT_LOAD_CONVERT_ON_HOST != 0,
        }),
    }
}

/// Where on a graphics card an item goes, if it does.
///
/// # Safety
/// The buffer is null or a handle, and stays so for `'a`.
unsafe fn gpu_buffer<'a>(own: &adit_load_item_options) -> Result<Option<&'a Buffer>, Failure> {
    if own.gpu_buffer.is_null() {
        return match own.gpu_offset {
            0 => Ok(None),
            _ => Err(Failure::null("options->gpu_buffer")),
        };
    }
    if !BUILT {
        return Err(Error::NotBuilt.into());
    }
    if !own.dst.is_null() {
        return Err(Failure::invalid(
            "options->dst and options->gpu_buffer are both set",
        ));
    }
    // SAFETY: the caller's promise.
    unsafe { peek_sound(own.gpu_buffer) }
}

/// Adds tensor `index` of a model. `options` may be NULL.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such tensor, rows or columns, a
/// `dst_bytes` that is too small), ADIT_ERR_SHAPE (rows or columns of a tensor that has none,
/// columns that cut blocks), ADIT_ERR_DTYPE (no such conversion), ADIT_ERR_UNSUPPORTED (a ggml type
/// that isn't known, big-endian elements, over 8 dimensions), ADIT_ERR_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_load_items_add_model(
    items: *mut adit_load_items,
    model: *const adit_model,
    index: usize,
    options: *const adit_load_item_options,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |items: &mut Items| {
        // SAFETY: NULL or an open handle, as the header asks.
        let model: Option<&Model> = unsafe { peek_sound(model) }?;
        let source = model.ok_or_else(|| Failure::null("model"))?.source(index)?;
        // SAFETY: NULL or options, as the header asks.
        unsafe { add(items, source, options) }
    };
    // SAFETY: NULL or a handle that nobody else uses, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(items, err, body) }
}

/// Adds an array's elements, which must lie in C order and this machine's byte order
/// (adit_array_read takes others). `options` may be NULL.
///
/// Statuses: as adit_load_items_add_model; ADIT_ERR_UNSUPPORTED for an array in another order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_load_items_add_array(
    items: *mut adit_load_items,
    array: *const adit_array,
    options: *const adit_load_item_options,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |items: &mut Items| {
        // SAFETY: NULL or an open handle, as the header asks.
        let array: Option<&Array> = unsafe { peek_sound(array) }?;
        let source = array.ok_or_else(|| Failure::null("array"))?.source()?;
        // SAFETY: NULL or options, as the header asks.
        unsafe { add(items, source, options) }
    };
    // SAFETY: NULL or a handle that nobody else uses, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(items, err, body) }
}

/// Adds the tensor whose elements start at byte `offset` of `data`, in C order and this machine's
/// byte order. `shape` has `ndim` sizes, outermost first, and may be NULL if `ndim` is 0. `options`
/// may be NULL. Where there are no elements, no byte is looked at, and any offset will do.
///
/// Statuses: as adit_load_items_add_model; ADIT_ERR_OUT_OF_RANGE for elements past the bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_load_items_add_data(
    items: *mut adit_load_items,
    data: *const adit_data,
    offset: u64,
    dtype: i32,
    ndim: i32,
    shape: *const i64,
    options: *const adit_load_item_options,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |items: &mut Items| {
        // SAFETY: NULL or an open handle, as the header asks.
        let shared = unsafe { peek_sound(data) }?.ok_or_else(|| Failure::null("data"))?;
        let sizes = usize::try_from(ndim).unwrap_or(0).min(8);
        // SAFETY: readable for ndim sizes, as the header asks.
        let dims = unsafe { slice(shape, sizes, "shape") }?;
        let source = Source {
            data: Arc::clone(&shared.data),
            offset,
            dtype: dtype_argument(dtype, "dtype")?,
            shape: shape_argument(ndim, dims, "shape")?,
        };
        // SAFETY: NULL or options, as the header asks.
        unsafe { add(items, source, options) }
    };
    // SAFETY: NULL or a handle that nobody else uses, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(items, err, body) }
}

/// Adds a tensor in the caller's memory. Its elements must lie side by side in C order; their bytes
/// are not copied by this call, and must stay readable and unchanged during every load of the item.
/// `options` may be NULL.
///
/// Statuses: as adit_load_items_add_model; ADIT_ERR_SHAPE (fewer than 0 or more than 8 dimensions, a
/// negative one, broken blocks), ADIT_ERR_INVALID_ARGUMENT (`tensor->nbytes` is too small, strides that
/// leave gaps or repeat elements), ADIT_ERR_UNSUPPORTED (flags of a later version, big-endian
/// elements).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_load_items_add_tensor(
    items: *mut adit_load_items,
    tensor: *const adit_tensor,
    options: *const adit_load_item_options,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |items: &mut Items| {
        // SAFETY: NULL or a tensor whose data is readable as long as the item, and nobody writes
        // there, as the header asks.
        let view = unsafe { tensor_argument(tensor, "tensor") }?;
        let dense = view.dense().ok_or_else(|| {
            Failure::invalid("tensor has strides: its elements must lie side by side in C order")
        })?;
        // SAFETY: as above.
        let data = unsafe { borrowed(dense.as_ptr().cast(), dense.len(), "tensor->data") }?;
        let source = Source {
            data: Arc::new(data),
            offset: 0,
            dtype: view.dtype(),
            shape: view.shape(),
        };
        // SAFETY: NULL or options, as the header asks.
        unsafe { add(items, source, options) }
    };
    // SAFETY: NULL or a handle that nobody else uses, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(items, err, body) }
}

/// Adds field `field` of record `record`, whatever the alignment of its elements. `options` may be
/// NULL. Checksums of records are not compared by a load, whatever the reader's options say:
/// adit_record_reader_gather and adit_record_reader_verify do that.
///
/// Statuses: as adit_load_items_add_model; ADIT_ERR_OUT_OF_RANGE (no such record or field),
/// ADIT_ERR_MALFORMED (this record is damaged; message, offset and index say where: here the index is
/// the record's), ADIT_ERR_TRUNCATED, ADIT_ERR_IO, of a set those of adit_record_reader_open for the
/// shard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_load_items_add_record(
    items: *mut adit_load_items,
    reader: *const adit_record_reader,
    record: u64,
    field: usize,
    options: *const adit_load_item_options,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |items: &mut Items| {
        // SAFETY: NULL or an open handle, as the header asks.
        let reader = unsafe { peek_sound(reader) }?.ok_or_else(|| Failure::null("reader"))?;
        let source = reader.source(record, field)?;
        // SAFETY: NULL or options, as the header asks.
        unsafe { add(items, source, options) }
    };
    // SAFETY: NULL or a handle that nobody else uses, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(items, err, body) }
}

/// How many items there are; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_load_items_len(items: *const adit_load_items) -> usize {
    // SAFETY: NULL or a handle, as the header asks.
    unsafe { peek(items) }.map_or(0, Items::len)
}

/// What item `item` will be: its dtype, shape and bytes in C order. `tensor->data` is its `dst`, or
/// NULL.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such item).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_load_items_tensor(
    items: *const adit_load_items,
    item: usize,
    tensor: *mut adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |items: &Items| {
        let found = items.get(item).ok_or_else(|| no_item(item, items.len()))?;
        let data: *const c_void = match found.destination {
            Destination::Given(room) => room.start().cast_const().cast(),
            Destination::Arena => std::ptr::null(),
        };
        let output = found.output(item as u64)?;
        let dtype = Some(output.dtype);
        Ok(adit_tensor::in_buffer(
            data,
            output.bytes,
            dtype,
            output.shape,
        ))
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_value(items, tensor, "tensor", err, body) }
}

pub(super) fn no_item(item: usize, len: usize) -> Failure {
    let message = format_args!("item {item} was asked for, but there are {len}");
    Failure::new(adit_status::ADIT_ERR_OUT_OF_RANGE, message)
}

/// Frees a list; NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_load_items_free(items: *mut adit_load_items) {
    // SAFETY: NULL or a handle that nobody uses any more, as the header asks.
    unsafe { close(items) };
}
