//! An engine's own Vulkan device, used as if it was opened here, and its buffers.
//!
//! wgpu believes a device to have everything enabled that its adapter can do. So that an engine needn't
//! enable any of it, the adapter is shown as a plain one: no instance extension is named,
//! which keeps wgpu from looking at more than the features of Vulkan 1.0 (none of which is then used),
//! and the version is the one that the engine's instance was made for (see [`functions`]). Every use of
//! the queue goes through [`queue`].

mod functions;
mod queue;
mod wrapped;

use std::sync::Arc;

use ash::vk::{self, Handle};
use wgpu::hal::api::Vulkan;
use wgpu::hal::vulkan as hal;

use self::functions::Functions;
use super::adapters::info;
use super::buffer::{Buffer, COPY_ALIGN};
use super::device::{Device, Side, device_descriptor};
use super::error::{Error, Result};
use super::options::{DeviceOptions, Select};
use super::ring::Ring;
use super::scope::text;
use super::vulkan::{Adopted, OLDEST_VULKAN, too_old};

pub(super) use self::queue::Borrowed;
pub(super) use self::wrapped::Wrapped;

/// The most that a semaphore's first value can be: what follows is never used up.
const LAST_FIRST: u64 = 1 << 62;

fn wrong(why: String) -> Error {
    Error::Arguments { why, item: None }
}

const ADOPTING: &str = "adopting the device";

impl Device {
    /// Uses an engine's device. Nothing of the engine's is destroyed, and its loader is the only one
    /// that is asked. `options` says the rest; its `select` stays at the default.
    ///
    /// # Errors
    /// [`Error::Arguments`], [`Error::Unsupported`], [`Error::OutOfMemory`], [`Error::Lost`],
    /// [`Error::Failed`].
    ///
    /// # Safety
    /// The handles are what they are said to be, of one instance that `get_instance_proc_addr` knows,
    /// and live until the device is closed, which is when its last clone, buffer, and ticket are gone.
    /// The family and index are of a queue that the device was made with. Nobody else uses the queue
    /// while `lock` is held; without a `lock` nobody uses it at all. A timeline's semaphore is one, of
    /// this device, nobody else signals it from now on, and what was submitted to other queues before
    /// has signalled it.
    pub unsafe fn adopt(adopted: Adopted, options: &DeviceOptions) -> Result<Device> {
        check(&adopted)?;
        if options.select != Select::default() {
            let why = "a device that is adopted isn't looked for: leave `select` at its default";
            return Err(wrong(why.to_owned()));
        }
        // SAFETY: the function and the instance are the caller's promise.
        let functions = unsafe { Functions::load(&adopted) }?;
        let _shown = functions.shown();
        // SAFETY: the physical device is the instance's, as the caller promises.
        let exposed = unsafe { functions.adapter(&adopted) }?;
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::empty();
        descriptor.flags = wgpu::InstanceFlags::empty();
        // Without a backend of its own it looks for no driver.
        let instance = wgpu::Instance::new(descriptor);
        // SAFETY: the adapter keeps the instance that it was made from, and this one does nothing with
        // it but hold it.
        let adapter = unsafe { instance.create_adapter_from_hal::<Vulkan>(exposed) };
        let info = info(&adapter);
        let ways = options.ways(&info)?;
        let ring = Ring::new(options.staging()?);
        let descriptor = device_descriptor(&adapter);
        let (claim, device) = functions.claim(adopted, &info.name)?;
        let queue = Arc::clone(claim.queue());
        // SAFETY: the adapter is only asked to open the device.
        let guard = unsafe { adapter.as_hal::<Vulkan>() };
        let hal_adapter = guard.ok_or(Error::Internal("an adapter that isn't Vulkan's"))?;
        // SAFETY: the device is the adapter's and has such a queue, as the caller promises. With no
        // feature of Vulkan's asked for, and no extension of the instance's named, no extension of the
        // device's is wanted. The claim goes when wgpu has ended everything of its own on the device.
        let opened = unsafe {
            hal_adapter.device_from_raw(
                device,
                Some(Box::new(move || drop(claim))),
                &[],
                descriptor.required_features,
                &descriptor.required_limits,
                &descriptor.memory_hints,
                queue.family(),
                queue.index(),
            )
        };
        let opened = opened.map_err(|error| {
            let (adapter, why) = (info.name.clone(), text(&error));
            match error {
                wgpu::hal::DeviceError::OutOfMemory => Error::OutOfMemory {
                    adapter,
                    what: ADOPTING,
                    bytes: 0,
                    why,
                },
                wgpu::hal::DeviceError::Lost => Error::Lost { adapter, why },
                wgpu::hal::DeviceError::Unexpected => Error::Failed {
                    adapter,
                    what: ADOPTING,
                    why,
                },
            }
        })?;
        // SAFETY: the device was made from this adapter, and nothing but what wgpu itself allows is
        // asked for.
        let made = unsafe { adapter.create_device_from_hal::<Vulkan>(opened, &descriptor) };
        let (raw, raw_queue) = made.map_err(|error| Error::Failed {
            adapter: info.name.clone(),
            what: ADOPTING,
            why: text(&error),
        })?;
        let borrowed = Borrowed::new(queue, raw.clone());
        Ok(Device::of(
            raw,
            raw_queue,
            info,
            ways,
            ring,
            Side::Engine(borrowed),
        ))
    }

    /// What the last submission signals on the timeline semaphore of an adopted device; 0 before there
    /// is any. None without a semaphore.
    #[must_use]
    pub fn signaled(&self) -> Option<u64> {
        self.borrowed()?.signaled()
    }
}

/// What can be seen without Vulkan.
fn check(adopted: &Adopted) -> Result<()> {
    let handles = [
        (adopted.instance, "instance"),
        (adopted.physical_device, "physical_device"),
        (adopted.device, "device"),
    ];
    if let Some((_, name)) = handles.iter().find(|handle| handle.0 == 0) {
        return Err(wrong(format!("{name} is a null handle")));
    }
    if let Some(timeline) = &adopted.timeline {
        if timeline.semaphore == 0 {
            return Err(wrong("the timeline semaphore is a null handle".to_owned()));
        }
        if timeline.first == 0 {
            let why = "the first value of the timeline semaphore is 0: a semaphore can only be \
                       signalled with more than it has, so that 1 is the least";
            return Err(wrong(why.to_owned()));
        }
        if timeline.first > LAST_FIRST {
            let why = format!(
                "the first value of the timeline semaphore is {}: it leaves no values for many \
                 submissions; up to {LAST_FIRST} can be had",
                timeline.first
            );
            return Err(wrong(why));
        }
    }
    if adopted.api_version < OLDEST_VULKAN {
        return Err(too_old("api_version", adopted.api_version));
    }
    Ok(())
}

impl Buffer {
    /// An engine's own `VkBuffer` on an adopted device, or on one that was opened here. Its bytes stay
    /// as they are, it is never destroyed here, and never mapped.
    ///
    /// # Errors
    /// [`Error::Arguments`], [`Error::TooLarge`], [`Error::OutOfMemory`], [`Error::Lost`],
    /// [`Error::Forked`], [`Error::Failed`].
    ///
    /// # Safety
    /// The buffer is the device's, has at least `size` bytes with memory bound to all of them, was made
    /// with the usage that what is done with it needs (`TRANSFER_DST` to upload, `TRANSFER_SRC` to
    /// download, `STORAGE_BUFFER` for conversions on the card), and for the device's queue family. It
    /// lives until the last clone, and the last ticket of what was done with it, are gone, and nobody
    /// else uses the bytes while something is done with them here. Where another `Buffer` was the same
    /// one before, what was done with that is seen by the device's commands from now on.
    pub unsafe fn wrap(device: &Device, vk_buffer: u64, size: u64) -> Result<Buffer> {
        if vk_buffer == 0 {
            return Err(wrong("the VkBuffer is a null handle".to_owned()));
        }
        if size == 0 || !size.is_multiple_of(COPY_ALIGN) {
            let why = format!(
                "a buffer of {size} bytes can't be wrapped: it takes a multiple of {COPY_ALIGN} that \
                 isn't 0, which may be less than the buffer has"
            );
            return Err(wrong(why));
        }
        device.sound()?;
        let info = device.info();
        if size > info.limits.buffer_bytes {
            return Err(Error::TooLarge {
                what: "a buffer to be wrapped",
                adapter: info.name.clone(),
                bytes: size,
                limit: info.limits.buffer_bytes,
                instead: "wrap less of it",
            });
        }
        let handle = vk::Buffer::from_raw(vk_buffer);
        let most = size_of_memory(device, handle)?;
        if size > most {
            let why = format!("a buffer of {size} bytes can't be wrapped: the VkBuffer has {most}");
            return Err(wrong(why));
        }
        let wrapped = Wrapped::new(device, vk_buffer)?.ok_or_else(|| {
            let why = "the VkBuffer is wrapped already, or this library's own: use that buffer, or \
                       free it first";
            wrong(why.to_owned())
        })?;
        // SAFETY: the buffer outlives this one, as the caller promises; it isn't mapped: it is no
        // direct one.
        let raw = unsafe { hal::Buffer::from_raw_externally_owned(handle, Box::new(|| {})) };
        let descriptor = wgpu::BufferDescriptor {
            label: None,
            size,
            usage: wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        };
        let raw = device.scoped("wrapping a buffer", size, || {
            // SAFETY: the buffer is this device's and has that size, which isn't 0, as the caller
            // promises; the same for its uses. To wgpu such a buffer is initialised, whatever it holds.
            unsafe {
                device
                    .raw()
                    .create_buffer_from_hal::<Vulkan>(raw, &descriptor)
            }
        })?;
        Ok(Buffer::of(device, raw, size, wrapped))
    }
}

/// The bytes of memory that a buffer takes, which may be a few more than it has.
fn size_of_memory(device: &Device, buffer: vk::Buffer) -> Result<u64> {
    // SAFETY: what the guard leads to is only asked; it isn't destroyed.
    let guard = unsafe { device.raw().as_hal::<Vulkan>() };
    let raw = guard.ok_or(Error::Internal("a GPU device that isn't Vulkan's"))?;
    // SAFETY: the buffer is this device's, as the caller of `wrap` promises.
    let needs = unsafe { raw.raw_device().get_buffer_memory_requirements(buffer) };
    Ok(needs.size)
}
