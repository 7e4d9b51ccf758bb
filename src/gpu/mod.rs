//! GPU: uploads to a graphics card
//!
//! A device (adit_gpu) is a graphics card that was opened through Vulkan, or a driver that computes
//! on the CPU instead, a software adapter. A buffer is memory of a device, a storage buffer that
//! shaders and copies can use. A ticket stands for something that the card was told to do.
//!
//! Bytes come from memory (adit_gpu_upload), from whatever a load takes (adit_load_items with a
//! `gpu_buffer`, adit_gpu_upload_items), or from all of a model (adit_gpu_upload_model). They go
//! through a few staging buffers that stay mapped, into which cold files are read straight; or right
//! into the buffer where the card's memory is the host's, as that of integrated and software
//! adapters is (`shared_memory` of adit_gpu_info, adit_gpu_options.memory), once the card is done
//! with what it was told before. Either way host memory is bounded by the staging buffers and a
//! load's budget, not by what is uploaded. f16, bf16, Q8_0 and Q4_0 are converted on the card, bit
//! for bit as adit_convert does (adit_gpu_options.converter); what the card can't convert is
//! converted on the way.
//!
//! What returns when: an upload that returned is done with its sources, which may be changed or
//! freed. The card has the bytes when its ticket is done, or when the call returns if it was given
//! no place for a ticket. What this library does on a device happens in the order of the calls, so
//! that a conversion or a download needs no wait for the upload before it. After a failure, and when
//! cancelled, nothing of the call is on its way any more, and the bytes that it was to write are
//! undefined.
//!
//! Multiples of 4: bytes are written to offsets that are multiples of 4. Where their number isn't
//! one, the up to 3 bytes that follow become 0: whoever packs tensors pads each to a multiple of 4.
//!
//! Ownership: buffers, tickets and uploaded models hold their device, items that go to a buffer hold
//! it; all may be closed and freed in any order. A buffer that is freed while an upload into it is
//! on its way stays until the card is done.
//!
//! Threads: calls with const handles may run on any threads at the same time: uploads, conversions
//! and downloads too, as long as the bytes that they use are apart from those that another one
//! writes; where the host writes a buffer in place, who comes second to such bytes is refused
//! (ADIT_ERR_INVALID_ARGUMENT), else they are undefined. A callback of an upload neither uploads to the
//! same device (ADIT_ERR_INVALID_ARGUMENT where that takes staging buffers) nor waits for a thread that
//! does: it has what that would wait for. A ticket may be waited for on any thread.
//! Closing and freeing needs the caller's exclusion. An upload from files starts threads as a load
//! does; Vulkan drivers have threads of their own.
//!
//! Errors: ADIT_ERR_OUT_OF_MEMORY for buffers that don't fit, on the card or on the way to it; the
//! device goes on. ADIT_ERR_GPU_LOST once the driver gave the device up (it hung, was reset or
//! removed), or had no memory for what it can't do without, commands, pipelines and waits: then this
//! is the answer of every call on it, waits do not hang, and closing and opening anew is all that is
//! left. ADIT_ERR_GPU for whatever else the driver refuses, with its text. A driver that there is no
//! memory to load is as one that isn't there, ADIT_ERR_NO_GPU; the first conversion of a device makes
//! its shaders, in small pieces of memory that nothing goes on without (see Status and errors). A file
//! that is cut during an upload is ADIT_ERR_TRUNCATED, unless options->io is ADIT_IO_MAP.
//!
//! Environment: a device that is opened with ADIT_GPU_SELECT_ENVIRONMENT is what the variable
//! ADIT_GPU says: an adapter's number, a kind (discrete, integrated, virtual, other, software), or a
//! part of its name; empty or not set for the best. Vulkan's loader and drivers have variables of
//! their own (VK_DRIVER_FILES and others), and drivers may print on their own, which this library
//! can't help; it prints nothing.
//!
//! Drivers: Vulkan's loader is looked for at run time. Without it, or without a driver, there is no
//! adapter: adit_gpu_count tells 0, and opening is ADIT_ERR_NO_GPU. All functions exist in a build
//! without GPU support too (adit_build_info tells): those that return a status answer
//! ADIT_ERR_UNSUPPORTED there, before they look at anything else.
//!
//! Forks: Vulkan doesn't survive a fork, since a driver's threads stay with the parent. In a child
//! every call on what it inherited answers ADIT_ERR_FORKED; closing and freeing is allowed, and
//! leaves what is behind it to the parent. Where the parent had a device open, the child can't open
//! one of its own: ADIT_ERR_FORKED too; where it only had, or adopted one, that is up to the driver:
//! fork before the first call of this section.
//!
//! Plugins: a driver's threads and thread-locals stay in the process. The shared library is never
//! unmapped, so that dlclose is safe; a plugin that links the archive isn't to be unloaded after its
//! first call of this section.
//!
//! Engines with a Vulkan of their own: adit_gpu_native and adit_gpu_buffer_native give the handles
//! of what this library made, lent until it is closed; adit_gpu_adopt_vulkan takes the engine's
//! VkDevice, of which nothing is destroyed here, and adit_gpu_buffer_wrap_vulkan its VkBuffer. A
//! VkQueue is for one thread at a time: both sides take turns by the rules that stand there.

mod info;
mod open;
mod buffer;
mod upload;
mod convert;
mod ticket;
mod model;
mod native;
mod adopt;

use adit_core::gpu::{BUILT, Error};

use crate::boundary::{Opaque, Outcome, guard, guard_handle, settle};
use crate::error::{adit_error, adit_status};

pub(crate) use buffer::adit_gpu_buffer;
#[cfg(feature = "test-hooks")]
pub(crate) use open::adit_gpu;

/// Guards a body of this section: a build that can do nothing says so first.
///
/// # Safety
/// As [`guard`].
unsafe fn guard_gpu(err: *mut *mut adit_error, body: impl FnOnce() -> Outcome) -> adit_status {
    if BUILT {
        // SAFETY: the caller's promise.
        return unsafe { guard(err, body) };
    }
    // SAFETY: the caller's promise.
    unsafe { settle(err, Err(Error::NotBuilt.into())) }
}

/// As [`guard_gpu`], of a body that works on a const handle.
///
/// # Safety
/// As [`guard_handle`].
unsafe fn guard_gpu_handle<O: Opaque>(
    handle: *const O,
    err: *mut *mut adit_error,
    body: impl FnOnce(&O::Value) -> Outcome,
) -> adit_status {
    if BUILT {
        // SAFETY: the caller's promise.
        return unsafe { guard_handle(handle, err, body) };
    }
    // SAFETY: the caller's promise.
    unsafe { settle(err, Err(Error::NotBuilt.into())) }
}
