//! Devices.

use adit_core::gpu::{AdapterKind, ConvertPath, Device, DeviceOptions, MemoryPath, Select};

use super::info::{adit_gpu_info, adit_gpu_kind};
use super::{guard_gpu, guard_gpu_handle};
use crate::boundary::{
    Failure, Handle, Opaque, Options, Out, SizedOut, choose, close, init_options, into_raw, peek,
    read_options, refuse_reserved,
};
use crate::error::{adit_error, adit_status};

/// An open graphics card.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_gpu(Handle<Device>);

// SAFETY: repr(transparent) over Handle<Device>.
unsafe impl Opaque for adit_gpu {
    type Value = Device;
    const PARAMETER: &'static str = "gpu";
}

/// Which adapter to open.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_gpu_select {
    /// The first discrete one, else integrated, virtual, other; a software adapter where there is no
    /// other.
    ADIT_GPU_SELECT_BEST = 0,
    /// Number `index`.
    ADIT_GPU_SELECT_INDEX = 1,
    /// The first of `kind`.
    ADIT_GPU_SELECT_KIND = 2,
    /// As the environment variable ADIT_GPU says.
    ADIT_GPU_SELECT_ENVIRONMENT = 3,
}

/// How bytes get into buffers.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_gpu_memory {
    /// Directly on integrated and software adapters that can, else by staging.
    ADIT_GPU_MEMORY_AUTO = 0,
    /// Through staging buffers.
    ADIT_GPU_MEMORY_STAGING = 1,
    /// Written where they lie; ADIT_ERR_UNSUPPORTED on adapters that can't.
    ADIT_GPU_MEMORY_DIRECT = 2,
}

/// Who converts f16, bf16, Q8_0 and Q4_0 that are uploaded as another dtype; the bits are the same.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_gpu_converter {
    /// The card, so that less travels; the host where the adapter is a software adapter, which runs
    /// on the host too, and slower.
    ADIT_GPU_CONVERTER_AUTO = 0,
    /// The card.
    ADIT_GPU_CONVERTER_CARD = 1,
    /// The host.
    ADIT_GPU_CONVERTER_HOST = 2,
}

/// How to open a device. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_gpu_options {
    /// sizeof(adit_gpu_options).
    pub struct_size: usize,
    /// An adit_gpu_select.
    pub select: i32,
    /// With ADIT_GPU_SELECT_KIND, an adit_gpu_kind; else 0.
    pub kind: i32,
    /// With ADIT_GPU_SELECT_INDEX, a number below adit_gpu_count; else 0.
    pub index: u32,
    /// An adit_gpu_memory.
    pub memory: i32,
    /// The bytes of each staging buffer: a multiple of 4096 from 64 KiB to 256 MiB; 0 for 4 MiB. They
    /// are made when first needed, and kept.
    pub chunk_bytes: u64,
    /// How many staging buffers, 2 to 64; 0 for 3. Each upload that runs holds up to half of them, but
    /// two where they are there. Downloads from buffers that the host can't read have two more, and
    /// conversions on the way one on the card.
    pub chunks: u32,
    /// An adit_gpu_converter.
    pub converter: i32,
    /// Zeros.
    pub reserved: [u64; 4],
}

//@c-after
//@ /** The default options. */
//@ #define ADIT_GPU_OPTIONS_INIT \
//@     { sizeof(adit_gpu_options), 0, 0, 0, 0, 0, 0, 0, { 0, 0, 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are numbers.
unsafe impl Options for adit_gpu_options {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_options_init(options: *mut adit_gpu_options, size: usize) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

fn kind_argument(kind: i32) -> Result<AdapterKind, Failure> {
    use adit_gpu_kind::*;
    let table = [
        (ADIT_GPU_KIND_OTHER as i32, AdapterKind::Other),
        (ADIT_GPU_KIND_INTEGRATED as i32, AdapterKind::Integrated),
        (ADIT_GPU_KIND_DISCRETE as i32, AdapterKind::Discrete),
        (ADIT_GPU_KIND_VIRTUAL as i32, AdapterKind::Virtual),
        (ADIT_GPU_KIND_SOFTWARE as i32, AdapterKind::Software),
    ];
    choose(kind, "options->kind", "adit_gpu_kind", &table)
}

/// # Safety
/// `ptr` is null or points to options as the header asks.
pub(super) unsafe fn device_options(
    ptr: *const adit_gpu_options,
) -> Result<DeviceOptions, Failure> {
    use adit_gpu_converter::*;
    use adit_gpu_memory::*;
    use adit_gpu_select::*;
    // SAFETY: the caller's promise.
    let own = unsafe { read_options(ptr, "options") }?;
    refuse_reserved(&own.reserved, "options")?;
    let kind = kind_argument(own.kind)?;
    if own.kind != 0 && own.select != ADIT_GPU_SELECT_KIND as i32 {
        let why = "options->kind is set without ADIT_GPU_SELECT_KIND in options->select";
        return Err(Failure::invalid(why));
    }
    if own.index != 0 && own.select != ADIT_GPU_SELECT_INDEX as i32 {
        let why = "options->index is set without ADIT_GPU_SELECT_INDEX in options->select";
        return Err(Failure::invalid(why));
    }
    let select = [
        (ADIT_GPU_SELECT_BEST as i32, Select::Best),
        (ADIT_GPU_SELECT_INDEX as i32, Select::Index(own.index)),
        (ADIT_GPU_SELECT_KIND as i32, Select::Kind(kind)),
        (ADIT_GPU_SELECT_ENVIRONMENT as i32, Select::Environment),
    ];
    let memory = [
        (ADIT_GPU_MEMORY_AUTO as i32, MemoryPath::Auto),
        (ADIT_GPU_MEMORY_STAGING as i32, MemoryPath::Staging),
        (ADIT_GPU_MEMORY_DIRECT as i32, MemoryPath::Direct),
    ];
    let convert = [
        (ADIT_GPU_CONVERTER_AUTO as i32, ConvertPath::Auto),
        (ADIT_GPU_CONVERTER_CARD as i32, ConvertPath::Card),
        (ADIT_GPU_CONVERTER_HOST as i32, ConvertPath::Host),
    ];
    Ok(DeviceOptions {
        select: choose(own.select, "options->select", "adit_gpu_select", &select)?,
        chunk_bytes: own.chunk_bytes,
        chunks: own.chunks,
        memory: choose(own.memory, "options->memory", "adit_gpu_memory", &memory)?,
        convert: choose(
            own.converter,
            "options->converter",
            "adit_gpu_converter",
            &convert,
        )?,
    })
}

/// Opens a device. On success `*out` is a handle that the caller closes with adit_gpu_close.
/// `options` may be NULL: the best adapter.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_NO_GPU (no driver, no adapter, or none that was
/// asked for: the message lists those there are), ADIT_ERR_UNSUPPORTED (options of a later version,
/// memory that the host can't map, a build without GPU support), ADIT_ERR_FORKED (in the child of a
/// process that had a device open when it forked), ADIT_ERR_GPU (also where there is no memory for a
/// device).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_open(
    options: *const adit_gpu_options,
    out: *mut *mut adit_gpu,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = || {
        out.required("out")?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { device_options(options) }?;
        out.set(into_raw(Device::open(&options)?));
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_gpu(err, body) }
}

/// Tells what a device's adapter is, also of a device that was lost. The caller sets
/// `info->struct_size`.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_UNSUPPORTED (a build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_get_info(
    gpu: *const adit_gpu,
    info: *mut adit_gpu_info,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size in it, as the header asks.
    let out = unsafe { SizedOut::zeroed(info) };
    let body = |device: &Device| {
        out.required("info")?;
        out.set(adit_gpu_info::of(device.info(), device.is_direct()));
        Ok(())
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(gpu, err, body) }
}

/// Whether a device is still there: ADIT_OK, or ADIT_ERR_GPU_LOST with the driver's text. It asks
/// nobody: what was lost meanwhile shows at the next call that does something.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_GPU_LOST, ADIT_ERR_FORKED, ADIT_ERR_UNSUPPORTED (a
/// build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_status(
    gpu: *const adit_gpu,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |device: &Device| Ok(device.sound()?);
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(gpu, err, body) }
}

/// Waits until the card has done all that this device was told so far, on whatever thread.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_GPU_LOST, ADIT_ERR_FORKED,
/// ADIT_ERR_UNSUPPORTED (a build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_wait(
    gpu: *const adit_gpu,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |device: &Device| Ok(device.wait_idle()?);
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(gpu, err, body) }
}

/// Closes a device; NULL is nothing. It waits until the card has done what it was told. Buffers,
/// tickets and uploaded models go on, and hold the device until the last of them is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_close(gpu: *mut adit_gpu) {
    let body = || {
        // SAFETY: NULL or an open handle, as the header asks.
        match unsafe { peek(gpu.cast_const()) } {
            Some(device) => Ok(device.wait_idle()?),
            None => Ok(()),
        }
    };
    // SAFETY: NULL is allowed. A device that is lost has nothing to be waited for; there is nobody to
    // tell.
    let _ = unsafe { guard_gpu(std::ptr::null_mut(), body) };
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(gpu) };
}
