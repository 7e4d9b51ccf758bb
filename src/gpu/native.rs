//! The Vulkan handles of what this library made, for engines.

use std::ffi::c_void;

use adit_core::gpu::{Buffer, Device, Native};

use super::buffer::adit_gpu_buffer;
use super::guard_gpu_handle;
use super::open::adit_gpu;
use crate::boundary::{Out, SizedOut, Zeroable};
use crate::error::{adit_error, adit_status};

/// The Vulkan handles of a device, lent: they are good until the device is closed and the last of its
/// buffers, tickets and models is freed, and aren't to be destroyed.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_gpu_vulkan {
    /// sizeof(adit_gpu_vulkan), set by the caller.
    pub struct_size: usize,
    /// The VkInstance.
    pub instance: *mut c_void,
    /// The VkPhysicalDevice.
    pub physical_device: *mut c_void,
    /// The VkDevice.
    pub device: *mut c_void,
    /// The VkQueue that everything goes through.
    pub queue: *mut c_void,
    /// The queue's family.
    pub queue_family: u32,
    /// Its number in the family.
    pub queue_index: u32,
}

//@c-after
//@ /** To be filled. */
//@ #define ADIT_GPU_VULKAN_INIT { sizeof(adit_gpu_vulkan), NULL, NULL, NULL, NULL, 0, 0 }

// SAFETY: zeros are null pointers and numbers.
unsafe impl Zeroable for adit_gpu_vulkan {}

/// A handle that is a pointer in C.
fn dispatchable(handle: u64) -> *mut c_void {
    std::ptr::with_exposed_provenance_mut(usize::try_from(handle).unwrap_or(0))
}

impl adit_gpu_vulkan {
    fn of(native: Native) -> adit_gpu_vulkan {
        adit_gpu_vulkan {
            struct_size: 0,
            instance: dispatchable(native.instance),
            physical_device: dispatchable(native.physical_device),
            device: dispatchable(native.device),
            queue: dispatchable(native.queue),
            queue_family: native.queue_family,
            queue_index: native.queue_index,
        }
    }
}

/// Tells a device's Vulkan handles, for an engine that computes on the device that this library
/// opened. The caller sets `vulkan->struct_size`. A VkQueue is for one thread at a time: the engine
/// uses it only while no other thread is in a call on this device, its buffers and its tickets, and is
/// done with what it was told before it closes the device.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_GPU_LOST, ADIT_ERR_FORKED, ADIT_ERR_UNSUPPORTED (a
/// build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_native(
    gpu: *const adit_gpu,
    vulkan: *mut adit_gpu_vulkan,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size in it, as the header asks.
    let out = unsafe { SizedOut::zeroed(vulkan) };
    let body = |device: &Device| {
        out.required("vulkan")?;
        out.set(adit_gpu_vulkan::of(device.native()?));
        Ok(())
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(gpu, err, body) }
}

/// Tells the VkBuffer of a buffer, lent: it is good until the buffer is freed, and isn't to be
/// destroyed, or wrapped. A buffer of adit_gpu_buffer_create has the usages TRANSFER_SRC, TRANSFER_DST
/// and STORAGE_BUFFER, is exclusive to the device's queue family, and may have up to 3 bytes more than
/// its size.
///
/// What was uploaded is seen by the engine's commands on the same queue, submitted after the call has
/// returned, behind a barrier from the stages TRANSFER and COMPUTE_SHADER and the accesses
/// TRANSFER_WRITE and SHADER_WRITE (where the host wrote the bytes, submitting alone is enough). An upload
/// doesn't wait for the engine's commands: those that use the bytes are done before the next one begins.
///
/// It waits until the card has done what was submitted.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_GPU_LOST, ADIT_ERR_GPU,
/// ADIT_ERR_FORKED, ADIT_ERR_UNSUPPORTED (a build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_buffer_native(
    buffer: *const adit_gpu_buffer,
    vk_buffer: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(vk_buffer) };
    let body = |buffer: &Buffer| {
        out.required("vk_buffer")?;
        out.set(buffer.native()?);
        Ok(())
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(buffer, err, body) }
}
