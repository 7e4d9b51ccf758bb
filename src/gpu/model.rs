//! A whole model on a device.

use adit_core::gpu::{Buffer, Device, GpuModel, ModelOptions, Place, upload_model};
use adit_core::model::Model;

use super::buffer::adit_gpu_buffer;
use super::guard_gpu_handle;
use super::open::adit_gpu;
use crate::boundary::{
    Failure, Handle, Opaque, Options, Out, SizedOut, Zeroable, close, init_options, into_raw, peek,
    peek_sound, read_options, refuse_flags, refuse_reserved,
};
use crate::error::{adit_error, adit_status};
use crate::load::{adit_load_options, adit_load_stats, load_options};
use crate::model::adit_model;
use crate::tensor::optional_dtype;

/// A model's tensors in buffers of a device.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_gpu_model(Handle<GpuModel>);

// SAFETY: repr(transparent) over Handle<GpuModel>.
unsafe impl Opaque for adit_gpu_model {
    type Value = GpuModel;
    const PARAMETER: &'static str = "uploaded";
}

/// In adit_gpu_model_options.flags: a tensor that no buffer holds is split into several parts,
/// of whole rows each; without it, that is ADIT_ERR_OUT_OF_RANGE.
pub const ADIT_GPU_MODEL_SPLIT: u32 = 1;
/// In adit_gpu_model_options.flags: let go of the files' pages in the page cache behind the upload, as
/// adit_model_release does: for models that are as large as memory and are needed on the card alone.
pub const ADIT_GPU_MODEL_RELEASE: u32 = 2;

/// How to upload a model. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_gpu_model_options {
    /// sizeof(adit_gpu_model_options).
    pub struct_size: usize,
    /// The adit_dtype that floats and block dtypes become, where adit_convert can do it; other tensors
    /// stay what they are. 0: all do.
    pub dtype: i32,
    /// ADIT_GPU_MODEL_... flags.
    pub flags: u32,
    /// What tensors' places in buffers are multiples of: a power of two from 4 to 2 MiB; 0 for 256,
    /// with which every tensor can be bound to a shader.
    pub align: u64,
    /// The most bytes of a buffer, rounded down to a multiple of 4, which isn't 0; 0 for as many as the
    /// adapter can.
    pub buffer_bytes: u64,
    /// Zeros.
    pub reserved: [u64; 4],
}

/// Where a tensor of an uploaded model lies, or a part of one.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_gpu_tensor {
    /// sizeof(adit_gpu_tensor), set by the caller.
    pub struct_size: usize,
    /// The number of the buffer, for adit_gpu_model_buffer.
    pub buffer: u64,
    /// Where in it the elements start.
    pub offset: u64,
    /// The bytes of all elements.
    pub nbytes: u64,
    /// The first row of the tensor that is in this part: 0 where the tensor is whole.
    pub row_start: u64,
    /// How many parts the tensor has: 1 where it is whole.
    pub parts: u64,
    /// The adit_dtype of the elements there.
    pub dtype: i32,
    /// The number of dimensions.
    pub ndim: i32,
    /// The sizes, outermost first: of these rows. Elements lie side by side in C order.
    pub shape: [i64; 8],
}

//@c-after
//@ /** The default options. */
//@ #define ADIT_GPU_MODEL_OPTIONS_INIT \
//@     { sizeof(adit_gpu_model_options), 0, 0, 0, 0, { 0, 0, 0, 0 } }
//@ /** To be filled. */
//@ #define ADIT_GPU_TENSOR_INIT \
//@     { sizeof(adit_gpu_tensor), 0, 0, 0, 0, 0, 0, 0, { 0, 0, 0, 0, 0, 0, 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are numbers.
unsafe impl Options for adit_gpu_model_options {}
// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_gpu_tensor {}

impl adit_gpu_tensor {
    fn of(place: &Place, parts: usize) -> adit_gpu_tensor {
        adit_gpu_tensor {
            struct_size: 0,
            buffer: place.buffer as u64,
            offset: place.offset,
            nbytes: place.bytes,
            row_start: place.row_start,
            parts: parts as u64,
            dtype: place.dtype as i32,
            ndim: i32::try_from(place.shape.ndim()).unwrap_or(i32::MAX),
            shape: place.shape.padded(),
        }
    }
}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_model_options_init(
    options: *mut adit_gpu_model_options,
    size: usize,
) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// # Safety
/// `ptr` is null or points to options as the header asks.
unsafe fn model_options(ptr: *const adit_gpu_model_options) -> Result<ModelOptions, Failure> {
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, "options") }?;
    let known = ADIT_GPU_MODEL_SPLIT | ADIT_GPU_MODEL_RELEASE;
    refuse_flags(own.flags, known, "options->flags")?;
    refuse_reserved(&own.reserved, "options")?;
    Ok(ModelOptions {
        dtype: optional_dtype(own.dtype, "options->dtype")?,
        align: own.align,
        buffer_bytes: own.buffer_bytes,
        split: own.flags & ADIT_GPU_MODEL_SPLIT != 0,
        release: own.flags & ADIT_GPU_MODEL_RELEASE != 0,
    })
}

/// Uploads all tensors of a model, in the order in which its files have them, packed into as few
/// buffers as the limits allow, and returns when the card has them. Host memory stays bounded by the
/// staging buffers and load->budget, whatever the model's size. On success `*out` is a handle that the
/// caller frees with adit_gpu_model_free; the model may be closed.
///
/// `options`, `load` and `stats` may be NULL; the caller sets `stats->struct_size`. load->progress is
/// told bytes, of what the card converts as the file has them, load->item_done the numbers of tensors
/// that were submitted, which the card may not have yet; either may cancel. After a failure, and when
/// cancelled, the buffers are gone. Errors that concern one tensor tell its number, name and file.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_DTYPE (no such dtype), ADIT_ERR_OUT_OF_RANGE (a tensor,
/// or a row of one, that is larger than a buffer may be: the message has its name and the limit),
/// ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_TRUNCATED, ADIT_ERR_IO, ADIT_ERR_GPU_LOST, ADIT_ERR_GPU,
/// ADIT_ERR_FORKED, ADIT_CANCELLED, ADIT_ERR_UNSUPPORTED (a tensor of an unknown ggml type, big-endian
/// or of over 8 dimensions, options of a later version, a build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_upload_model(
    gpu: *const adit_gpu,
    model: *const adit_model,
    options: *const adit_gpu_model_options,
    load: *const adit_load_options,
    out: *mut *mut adit_gpu_model,
    stats: *mut adit_load_stats,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    // SAFETY: NULL or a struct with its size in it, as the header asks.
    let stats = unsafe { SizedOut::zeroed(stats) };
    let body = |device: &Device| {
        stats.optional("stats")?;
        out.required("out")?;
        // SAFETY: NULL or an open handle, as the header asks.
        let model: Option<&Model> = unsafe { peek_sound(model) }?;
        let model = model.ok_or_else(|| Failure::null("model"))?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { model_options(options) }?;
        // SAFETY: NULL or options, as the header asks.
        let (load, mut callbacks) = unsafe { load_options(load, "load") }?;
        let (uploaded, told) = upload_model(device, model, &options, &load, &mut callbacks)?;
        stats.set(adit_load_stats::of(&told));
        out.set(into_raw(uploaded));
        Ok(())
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(gpu, err, body) }
}

/// The number of tensors, as the model had them, by the same numbers; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_model_len(uploaded: *const adit_gpu_model) -> usize {
    // SAFETY: NULL or a handle, as the header asks.
    unsafe { peek(uploaded) }.map_or(0, GpuModel::len)
}

/// Tells where tensor `index` lies, or where it has several parts, part `part` of it; 0 for the first.
/// The caller sets `tensor->struct_size`.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such tensor or part),
/// ADIT_ERR_UNSUPPORTED (a build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_model_tensor(
    uploaded: *const adit_gpu_model,
    index: usize,
    part: usize,
    tensor: *mut adit_gpu_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size in it, as the header asks.
    let tensor = unsafe { SizedOut::zeroed(tensor) };
    let body = |uploaded: &GpuModel| {
        tensor.required("tensor")?;
        let parts = uploaded.parts(index);
        let parts = parts.ok_or_else(|| none_such("tensor", index, uploaded.len()))?;
        let place = uploaded.place(index, part);
        let place = place.ok_or_else(|| none_such("part", part, parts))?;
        tensor.set(adit_gpu_tensor::of(&place, parts));
        Ok(())
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(uploaded, err, body) }
}

fn none_such(what: &str, number: usize, len: usize) -> Failure {
    let message = format_args!("{what} {number} was asked for, but there are {len}");
    Failure::new(adit_status::ADIT_ERR_OUT_OF_RANGE, message)
}

/// The number of buffers; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_model_buffers(uploaded: *const adit_gpu_model) -> usize {
    // SAFETY: NULL or a handle, as the header asks.
    unsafe { peek(uploaded) }.map_or(0, |uploaded| uploaded.buffers().len())
}

/// Gives buffer `index` of an uploaded model. On success `*out` is a handle of its own, which the caller
/// frees with adit_gpu_buffer_free; it keeps the buffer also when the uploaded model is freed.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such buffer), ADIT_ERR_UNSUPPORTED (a
/// build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_model_buffer(
    uploaded: *const adit_gpu_model,
    index: usize,
    out: *mut *mut adit_gpu_buffer,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = |uploaded: &GpuModel| {
        out.required("out")?;
        let all: &[Buffer] = uploaded.buffers();
        let found = all.get(index);
        let found = found.ok_or_else(|| none_such("buffer", index, all.len()))?;
        out.set(into_raw(found.clone()));
        Ok(())
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(uploaded, err, body) }
}

/// Frees an uploaded model; NULL is nothing. Its buffers go, but for those that a handle holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_model_free(uploaded: *mut adit_gpu_model) {
    // SAFETY: NULL or a handle that nobody uses any more, as the header asks.
    unsafe { close(uploaded) };
}
