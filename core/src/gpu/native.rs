//! The Vulkan handles of what was made here.

use ash::vk::Handle;
use wgpu::hal::api::Vulkan;

use super::buffer::Buffer;
use super::device::Device;
use super::error::{Error, Result};
use super::vulkan::Native;

impl Device {
    /// Its handles, good as long as the device is open, and not to be destroyed.
    ///
    /// # Errors
    /// [`Error::Lost`], [`Error::Forked`].
    pub fn native(&self) -> Result<Native> {
        self.sound()?;
        // SAFETY: what the guard leads to is only asked for its handles; it isn't destroyed.
        let guard = unsafe { self.raw().as_hal::<Vulkan>() };
        let raw = guard.ok_or(Error::Internal("a GPU device that isn't Vulkan's"))?;
        Ok(Native {
            instance: raw.shared_instance().raw_instance().handle().as_raw(),
            physical_device: raw.raw_physical_device().as_raw(),
            device: raw.raw_device().handle().as_raw(),
            queue: raw.raw_queue().as_raw(),
            queue_family: raw.queue_family_index(),
            queue_index: raw.queue_index(),
        })
    }
}

impl Buffer {
    /// The `VkBuffer`, good as long as the buffer is, and not to be destroyed. Waits for what was
    /// submitted.
    ///
    /// # Errors
    /// [`Error::Lost`], [`Error::Forked`], [`Error::OutOfMemory`], [`Error::Failed`].
    pub fn native(&self) -> Result<u64> {
        self.device().sound()?;
        let handle = {
            // SAFETY: what the guard leads to is only asked for its handle; it isn't destroyed.
            let guard = unsafe { self.raw_unread().as_hal::<Vulkan>() };
            let raw = guard.ok_or(Error::Internal("a GPU buffer that isn't Vulkan's"))?;
            // SAFETY: the handle isn't destroyed; the callers are told not to.
            unsafe { raw.raw_handle() }.as_raw()
        };
        self.shown(handle)?;
        // What nobody has written is cleared before an engine's queue learns of the buffer; what a call
        // gives back from now on is so at once.
        self.raw()?;
        self.device().settle()?;
        Ok(handle)
    }
}
