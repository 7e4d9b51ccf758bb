//! An engine's own Vulkan device and buffers, used by this library.

use std::ffi::{c_char, c_void};

use adit_core::gpu::{
    Adopted, Buffer, Device, GetInstanceProcAddr, QueueLock, Timeline, vulkan_extensions,
};

use super::buffer::adit_gpu_buffer;
use super::open::{adit_gpu, adit_gpu_options, device_options};
use super::{guard_gpu, guard_gpu_handle};
use crate::boundary::{
    Failure, Options, Out, init_options, into_raw, read_options, refuse_reserved,
};
use crate::error::{adit_error, adit_status};

//@c-before
//@ /**
//@  * Any of Vulkan's functions: vkGetInstanceProcAddr is cast to it, from the loader or from what
//@  * loads it (volk, SDL, GLFW).
//@  */
//@ typedef void (ADIT_CALL *adit_gpu_vulkan_fn)(void);
//@
//@ /**
//@  * Locks or unlocks a VkQueue. Runs on the thread that makes the call on the device, also in
//@  * adit_gpu_close and whatever call frees the last of what was made with it. Each lock is followed by
//@  * its unlock on the same thread, with one call of Vulkan's between them, never by another lock.
//@  * Neither may call this library: it would wait for itself.
//@  */
//@ typedef void (ADIT_CALL *adit_gpu_queue_fn)(void *ctx);

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type adit_gpu_vulkan_fn = Option<unsafe extern "C" fn()>;

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type adit_gpu_queue_fn = Option<unsafe extern "C" fn(*mut c_void)>;

/// An engine's own Vulkan device, and the queue of it that this library is to use. Nothing of it is
/// ever destroyed here, and libvulkan is neither linked nor looked for: all functions come through
/// `get_instance_proc_addr`.
///
/// What it must have: an instance made for Vulkan 1.2 or later, a driver of 1.2 or later, and a queue
/// of a family with graphics and compute (the adapter's first family must have graphics too, as it has
/// on graphics cards). No feature needs to be enabled, and no extension but those that
/// adit_gpu_vulkan_extensions names, which are none so far; what else is enabled doesn't matter.
///
/// Lifetimes: the instance, the device, the semaphore, and `ctx` with its functions must live until the
/// device is closed here and the last of its buffers, tickets, models and items is freed; that is when
/// this library has let go of all that it made on the device.
///
/// The queue: a VkQueue is for one thread at a time. Where the engine uses it too, `lock` and `unlock`
/// keep it away from it: they are called around each single call of vkQueueSubmit, and of vkQueueWaitIdle
/// at the end, should the driver have refused to wait for what was submitted. Without them the queue is
/// this library's alone, whose threads keep out of each other's way. A queue is adopted once at a time.
/// vkDeviceWaitIdle uses all queues: an engine that calls it holds the lock. No thread calls this library
/// while it holds it, neither to close or free: the call would take the lock once more, or wait for
/// another thread that waits for the lock.
///
/// What was uploaded is seen by the engine's commands: on any queue, where their submission waits for
/// the timeline semaphore to have the value that adit_gpu_signaled told when the call had returned; that
/// needs no barrier. On the same queue, where they are submitted after the call has returned, behind a
/// barrier from the stages TRANSFER and COMPUTE_SHADER and the accesses TRANSFER_WRITE and SHADER_WRITE.
/// And on any queue once the ticket is done, behind a barrier to the accesses that they make. A host
/// that reads mapped memory of its own has a barrier to HOST_READ submitted, and waits for that.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_gpu_vulkan_device {
    /// sizeof(adit_gpu_vulkan_device).
    pub struct_size: usize,
    /// vkGetInstanceProcAddr.
    pub get_instance_proc_addr: adit_gpu_vulkan_fn,
    /// The VkInstance.
    pub instance: *mut c_void,
    /// The VkPhysicalDevice.
    pub physical_device: *mut c_void,
    /// The VkDevice.
    pub device: *mut c_void,
    /// The apiVersion that the instance was made with: VK_API_VERSION_1_2 or later.
    pub api_version: u32,
    /// The queue's family.
    pub queue_family: u32,
    /// The queue's number in the family; the device was made with it.
    pub queue_index: u32,
    /// Zero.
    pub reserved0: u32,
    /// Called before each use of the queue; NULL where nobody else uses it.
    pub lock: adit_gpu_queue_fn,
    /// Called after it; NULL if and only if `lock` is.
    pub unlock: adit_gpu_queue_fn,
    /// Given to both.
    pub ctx: *mut c_void,
    /// A timeline VkSemaphore that each submission signals, which nobody else does; 0 for none.
    pub timeline_semaphore: u64,
    /// What the first submission signals: 1 of a new semaphore, and more than it has, or gets from what
    /// was submitted to this queue before; what other queues signal is done. Each further one signals 1
    /// more.
    pub first_value: u64,
    /// Zeros.
    pub reserved: [u64; 4],
}

//@c-after
//@ /** A device without handles. */
//@ #define ADIT_GPU_VULKAN_DEVICE_INIT \
//@     { sizeof(adit_gpu_vulkan_device), NULL, NULL, NULL, NULL, 0, 0, 0, 0, NULL, NULL, NULL, 0, 0, \
//@       { 0, 0, 0, 0 } }

// SAFETY: repr(C), a usize first, no padding, and zeros are null pointers, numbers, no functions.
unsafe impl Options for adit_gpu_vulkan_device {}

/// Fills `device` with zeros and its size, as ADIT_GPU_VULKAN_DEVICE_INIT does; `size` is the struct's
/// size as the caller knows it. NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_vulkan_device_init(
    device: *mut adit_gpu_vulkan_device,
    size: usize,
) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(device, size) };
}

/// The caller's lock.
struct CallersLock {
    ctx: *mut c_void,
    lock: unsafe extern "C" fn(*mut c_void),
    unlock: unsafe extern "C" fn(*mut c_void),
}

// SAFETY: the header says that the functions run on any thread.
unsafe impl Send for CallersLock {}
// SAFETY: as for Send: keeping threads apart is what they are for.
unsafe impl Sync for CallersLock {}

impl QueueLock for CallersLock {
    fn lock(&self) {
        // SAFETY: the function may be called with its ctx as long as the device lives, as the header
        // asks.
        unsafe { (self.lock)(self.ctx) };
    }

    fn unlock(&self) {
        // SAFETY: as above.
        unsafe { (self.unlock)(self.ctx) };
    }
}

impl adit_gpu_vulkan_device {
    fn adopted(&self) -> Result<Adopted, Failure> {
        refuse_reserved(&self.reserved, "device")?;
        refuse_reserved(&[self.reserved0.into()], "device")?;
        let get = self
            .get_instance_proc_addr
            .ok_or_else(|| Failure::null("device->get_instance_proc_addr"))?;
        let handles = [
            (self.instance, "device->instance"),
            (self.physical_device, "device->physical_device"),
            (self.device, "device->device"),
        ];
        if let Some((_, name)) = handles.iter().find(|handle| handle.0.is_null()) {
            return Err(Failure::null(name));
        }
        // SAFETY: the header asks for vkGetInstanceProcAddr, which is such a function.
        let get_instance_proc_addr =
            unsafe { std::mem::transmute::<unsafe extern "C" fn(), GetInstanceProcAddr>(get) };
        let lock: Option<Box<dyn QueueLock>> = match (self.lock, self.unlock) {
            (Some(lock), Some(unlock)) => {
                let ctx = self.ctx;
                Some(Box::new(CallersLock { ctx, lock, unlock }))
            }
            (None, None) => None,
            (Some(_), None) => return Err(Failure::null("device->unlock")),
            (None, Some(_)) => return Err(Failure::null("device->lock")),
        };
        let timeline = match (self.timeline_semaphore, self.first_value) {
            (0, 0) => None,
            (0, _) => {
                let why = "device->first_value is set without a timeline_semaphore";
                return Err(Failure::invalid(why));
            }
            (semaphore, first) => Some(Timeline { semaphore, first }),
        };
        Ok(Adopted {
            get_instance_proc_addr,
            instance: self.instance.expose_provenance() as u64,
            physical_device: self.physical_device.expose_provenance() as u64,
            device: self.device.expose_provenance() as u64,
            api_version: self.api_version,
            queue_family: self.queue_family,
            queue_index: self.queue_index,
            lock,
            timeline,
        })
    }
}

/// Uses an engine's own Vulkan device. On success `*out` is a handle that the caller closes with
/// adit_gpu_close, for everything that a device of adit_gpu_open is for; adit_gpu_vulkan_device says
/// what is asked of the engine. `options` may be NULL; its `select` must be 0.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (null handles, a function that isn't found, a queue that the
/// adapter doesn't have or that is adopted already, a `first_value` that the semaphore has already),
/// ADIT_ERR_UNSUPPORTED (Vulkan before 1.2, a queue family without graphics and compute, options of a
/// later version, memory that the host can't map, a build without GPU support), ADIT_ERR_OUT_OF_MEMORY,
/// ADIT_ERR_GPU_LOST, ADIT_ERR_GPU. Handles that aren't what they are said to be are undefined.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_adopt_vulkan(
    device: *const adit_gpu_vulkan_device,
    options: *const adit_gpu_options,
    out: *mut *mut adit_gpu,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = || {
        out.required("out")?;
        if device.is_null() {
            return Err(Failure::null("device"));
        }
        // SAFETY: not NULL, so a struct as the header asks.
        let own = unsafe { read_options(device, "device") }?;
        // SAFETY: NULL or options, as the header asks.
        let options = unsafe { device_options(options) }?;
        // SAFETY: what the header asks of the handles is what this asks.
        let device = unsafe { Device::adopt(own.adopted()?, &options) }?;
        out.set(into_raw(device));
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_gpu(err, body) }
}

/// Tells what must be enabled in an instance and a device of Vulkan `api_version` so that it can be
/// adopted: extension number `index`, from 0 on, in `*name`, which is good forever. `*of_device` is
/// whether it is the device's, else it is the instance's; NULL if that isn't wanted. ADIT_END, without
/// an error object, behind the last. This version names none, but a later one may: an engine that asks
/// needs no change then.
///
/// Statuses: ADIT_END, ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_UNSUPPORTED (a Vulkan that is too old, a
/// build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_vulkan_extensions(
    api_version: u32,
    index: usize,
    name: *mut *const c_char,
    of_device: *mut bool,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let name = unsafe { Out::zeroed(name) };
    // SAFETY: NULL or writable, as the header asks.
    let of_device = unsafe { Out::zeroed(of_device) };
    let body = || {
        name.required("name")?;
        let all = vulkan_extensions(api_version)?;
        let one = all
            .get(index)
            .ok_or(Failure::Quiet(adit_status::ADIT_END))?;
        name.set(one.name.as_ptr());
        of_device.set(one.of_device);
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_gpu(err, body) }
}

/// Tells which value of an adopted device's timeline semaphore says that the card has done all that
/// this library submitted so far: after an upload has returned, that upload is part of it. 0, which
/// every semaphore has, before there was any. A call on another thread may have submitted more, which only
/// makes the value one to wait longer for. Where the host wrote the bytes itself nothing was submitted,
/// and the next submission of the engine's sees them.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_NOT_FOUND (a device that wasn't adopted, or without a
/// semaphore), ADIT_ERR_UNSUPPORTED (a build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_signaled(
    gpu: *const adit_gpu,
    value: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(value) };
    let body = |device: &Device| {
        out.required("value")?;
        let value = device.signaled().ok_or_else(|| {
            let why = "the GPU wasn't adopted with a timeline semaphore";
            Failure::new(adit_status::ADIT_ERR_NOT_FOUND, why)
        })?;
        out.set(value);
        Ok(())
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(gpu, err, body) }
}

/// Makes a buffer of this library's out of an engine's own VkBuffer of this device. On success `*out` is
/// a handle that the caller frees with adit_gpu_buffer_free, which leaves the VkBuffer alone. Its bytes
/// stay as they are, but for those that calls write; uploads to it go through staging buffers, whatever
/// the device's memory is.
///
/// `size` is a multiple of 4 and isn't 0; it may be less than the VkBuffer's size. Up to 3 bytes behind
/// an upload become 0, as everywhere. The VkBuffer has memory bound, and was made with the usage
/// TRANSFER_DST to be uploaded to, TRANSFER_SRC to be downloaded or converted from, and STORAGE_BUFFER to
/// be converted from or to on the card; with the sharing mode CONCURRENT, or EXCLUSIVE and owned by the
/// queue family of this device. It is none of this library's own.
///
/// A VkBuffer is wrapped once at a time. When it is wrapped again, on whichever device of this library,
/// what was done with it before here counts as what the engine did, below.
///
/// It must live until the buffer is freed and the tickets of what was done with it are done, or the
/// device waited for. What the engine did with the bytes before must be done, or be behind a barrier on
/// the same queue to the stages TRANSFER and COMPUTE_SHADER and their accesses, submitted before. From
/// then on until the card is done (adit_gpu_vulkan_device says how that is seen) nobody else uses the
/// bytes that a call writes.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (also for a VkBuffer that is wrapped already, that
/// adit_gpu_buffer_native told, or that has less memory), ADIT_ERR_OUT_OF_RANGE (more than
/// `buffer_bytes` of adit_gpu_info), ADIT_ERR_OUT_OF_MEMORY, ADIT_ERR_GPU_LOST, ADIT_ERR_GPU,
/// ADIT_ERR_FORKED, ADIT_ERR_UNSUPPORTED (a build without GPU support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_buffer_wrap_vulkan(
    gpu: *const adit_gpu,
    vk_buffer: u64,
    size: u64,
    out: *mut *mut adit_gpu_buffer,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = |device: &Device| {
        out.required("out")?;
        // SAFETY: what the header asks of the VkBuffer is what this asks.
        let buffer = unsafe { Buffer::wrap(device, vk_buffer, size) }?;
        out.set(into_raw(buffer));
        Ok(())
    };
    // SAFETY: NULL or a handle, NULL or writable, as the header asks.
    unsafe { guard_gpu_handle(gpu, err, body) }
}
