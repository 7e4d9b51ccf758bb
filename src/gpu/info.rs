//! The adapters there are.

use std::ffi::c_char;

use adit_core::gpu::{AdapterInfo, AdapterKind, adapters};

use super::guard_gpu;
use crate::boundary::{Failure, Out, SizedOut, Zeroable, line_to_c};
use crate::error::{adit_error, adit_status};

/// What an adapter is.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_gpu_kind {
    /// Not told by the driver.
    ADIT_GPU_KIND_OTHER = 0,
    /// A card in the processor, on the host's memory.
    ADIT_GPU_KIND_INTEGRATED = 1,
    /// A card with memory of its own.
    ADIT_GPU_KIND_DISCRETE = 2,
    /// A virtual machine's.
    ADIT_GPU_KIND_VIRTUAL = 3,
    /// A driver that computes on the CPU.
    ADIT_GPU_KIND_SOFTWARE = 4,
}

/// What an adapter is and can do at once. Texts are UTF-8, and cut where they are longer.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_gpu_info {
    /// sizeof(adit_gpu_info), set by the caller.
    pub struct_size: usize,
    /// An adit_gpu_kind.
    pub kind: i32,
    /// The maker's number; of PCI where it has one.
    pub vendor: u32,
    /// The maker's number of the model.
    pub device: u32,
    /// 1 where the host can map buffers where they lie, else 0.
    pub shared_memory: u32,
    /// 1 of an open device whose buffers are written where they lie, without staging; else 0.
    pub direct: u32,
    /// Zero.
    pub reserved0: u32,
    /// Bytes of memory that is near to the card; 0 where the driver doesn't tell.
    pub memory_bytes: u64,
    /// The most bytes of a buffer.
    pub buffer_bytes: u64,
    /// The most bytes of a buffer that a shader sees at once. Conversions on the card go over larger
    /// ones in parts.
    pub binding_bytes: u64,
    /// What the offset of such a part is a multiple of.
    pub binding_align: u64,
    /// The interface that it is used through: "vulkan".
    pub backend: [c_char; 16],
    /// The place on the bus, such as "0000:01:00.0"; empty where there is none.
    pub bus: [c_char; 32],
    /// The adapter's name.
    pub name: [c_char; 256],
    /// The driver's name.
    pub driver: [c_char; 256],
    /// The driver's version, as text.
    pub driver_info: [c_char; 256],
}

//@c-after
//@ /** To be filled. */
//@ #define ADIT_GPU_INFO_INIT \
//@     { sizeof(adit_gpu_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 }, { 0 }, { 0 }, { 0 }, { 0 } }

// SAFETY: zeros are numbers and empty strings.
unsafe impl Zeroable for adit_gpu_info {}

/// A text's start as an array that ends in a NUL.
fn fixed<const N: usize>(text: &str) -> [c_char; N] {
    let mut own = [0; N];
    let line = line_to_c(text);
    let line = line.to_str().unwrap_or_default();
    let fits = line.floor_char_boundary(N - 1);
    for (place, byte) in own.iter_mut().zip(line.bytes().take(fits)) {
        *place = c_char::from_ne_bytes([byte]);
    }
    own
}

impl adit_gpu_info {
    pub(super) fn of(info: &AdapterInfo, direct: bool) -> adit_gpu_info {
        adit_gpu_info {
            struct_size: 0,
            kind: kind_to_c(info.kind) as i32,
            vendor: info.vendor,
            device: info.device,
            shared_memory: info.shared_memory.into(),
            direct: direct.into(),
            reserved0: 0,
            memory_bytes: info.memory_bytes,
            buffer_bytes: info.limits.buffer_bytes,
            binding_bytes: info.limits.binding_bytes,
            binding_align: info.limits.binding_align,
            backend: fixed(info.backend),
            bus: fixed(&info.bus),
            name: fixed(&info.name),
            driver: fixed(&info.driver),
            driver_info: fixed(&info.driver_info),
        }
    }
}

fn kind_to_c(kind: AdapterKind) -> adit_gpu_kind {
    match kind {
        AdapterKind::Other => adit_gpu_kind::ADIT_GPU_KIND_OTHER,
        AdapterKind::Integrated => adit_gpu_kind::ADIT_GPU_KIND_INTEGRATED,
        AdapterKind::Discrete => adit_gpu_kind::ADIT_GPU_KIND_DISCRETE,
        AdapterKind::Virtual => adit_gpu_kind::ADIT_GPU_KIND_VIRTUAL,
        AdapterKind::Software => adit_gpu_kind::ADIT_GPU_KIND_SOFTWARE,
    }
}

/// How many adapters there are: 0 where there is no driver.
///
/// Each call, as each of adit_gpu_enumerate and adit_gpu_open, asks the drivers anew, and loads them
/// where no device is open: tens of milliseconds.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_UNSUPPORTED (a build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_count(
    count: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let count = unsafe { Out::zeroed(count) };
    let body = || {
        count.required("count")?;
        count.set(adapters()?.len());
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_gpu(err, body) }
}

/// Tells what adapter `index` is, in the drivers' order. The caller sets `info->struct_size`.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE (no such adapter),
/// ADIT_ERR_UNSUPPORTED (a build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_enumerate(
    index: usize,
    info: *mut adit_gpu_info,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size in it, as the header asks.
    let out = unsafe { SizedOut::zeroed(info) };
    let body = || {
        out.required("info")?;
        let all = adapters()?;
        let Some(found) = all.get(index) else {
            let message =
                format_args!("adapter {index} was asked for, but there are {}", all.len());
            return Err(Failure::new(adit_status::ADIT_ERR_OUT_OF_RANGE, message));
        };
        out.set(adit_gpu_info::of(found, false));
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_gpu(err, body) }
}
