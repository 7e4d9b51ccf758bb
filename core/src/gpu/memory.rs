//! Memory that both the host and the card see, with a buffer on it.
//!
//! It is ours and not wgpu's: a device that is lost makes wgpu free the memory of its buffers, even
//! where the host is writing to it. This stays until the last that uses it is done, host or card,
//! and is mapped once.

use std::fmt;
use std::sync::Arc;

use ash::vk;

use super::device::Device;
use super::error::{Error, Result};
use super::scope::refused;
use crate::map::Owner;

/// What the memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The host writes, the card copies from it.
    Upload,
    /// The card copies into it, the host reads.
    Download,
    /// The buffer itself, where the card's memory is the host's.
    Direct,
}

impl Purpose {
    fn what(self) -> &'static str {
        match self {
            Purpose::Upload | Purpose::Download => "a staging buffer",
            Purpose::Direct => "a buffer",
        }
    }

    pub(super) fn usage(self) -> wgpu::BufferUsages {
        use wgpu::BufferUsages as Usage;
        match self {
            Purpose::Upload => Usage::COPY_SRC,
            Purpose::Download => Usage::COPY_DST,
            Purpose::Direct => Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST,
        }
    }

    fn vulkan_usage(self) -> vk::BufferUsageFlags {
        use vk::BufferUsageFlags as Usage;
        match self {
            Purpose::Upload => Usage::TRANSFER_SRC,
            Purpose::Download => Usage::TRANSFER_DST,
            Purpose::Direct => Usage::STORAGE_BUFFER | Usage::TRANSFER_SRC | Usage::TRANSFER_DST,
        }
    }

    /// What of the memory's kinds is better, and what is worse than nothing.
    fn wishes(self) -> (vk::MemoryPropertyFlags, vk::MemoryPropertyFlags) {
        use vk::MemoryPropertyFlags as Memory;
        match self {
            // A card's own memory is scarce, and on the far side of the bus.
            Purpose::Upload => (Memory::empty(), Memory::DEVICE_LOCAL),
            Purpose::Download => (Memory::HOST_CACHED, Memory::DEVICE_LOCAL),
            Purpose::Direct => (Memory::DEVICE_LOCAL, Memory::empty()),
        }
    }
}

/// Mapped memory. Clones are the same.
pub(super) type Shared = Arc<Mapped>;

pub(super) struct Mapped {
    device: ash::Device,
    buffer: vk::Buffer,
    memory: vk::DeviceMemory,
    start: *mut u8,
    bytes: u64,
    /// Whether the host reads it at the speed of memory.
    cached: bool,
    owner: Owner,
}

// SAFETY: the handles may be used and freed from any thread; the pointer is only an address, and
// whoever reads or writes there says why it may.
unsafe impl Send for Mapped {}
// SAFETY: as for Send; nothing of it changes.
unsafe impl Sync for Mapped {}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapped")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Mapped {
    /// New memory of `bytes` bytes, not 0, of any contents, and wgpu's name for the buffer on it.
    pub(super) fn new(
        device: &Device,
        purpose: Purpose,
        bytes: u64,
    ) -> Result<(Shared, wgpu::Buffer)> {
        device.sound()?;
        let mapped = {
            // SAFETY: nothing of wgpu's is destroyed through it.
            let hal = unsafe { device.raw().as_hal::<wgpu::hal::api::Vulkan>() };
            let hal = hal.ok_or(Error::Internal("a device that isn't Vulkan's"))?;
            Mapped::made(&hal, purpose, bytes)
        };
        let mapped = mapped.map_err(|code| failure(device, purpose, bytes, code))?;
        let mapped = Arc::new(mapped);
        let buffer = mapped.named(device, purpose)?;
        Ok((mapped, buffer))
    }

    fn made(
        hal: &wgpu::hal::vulkan::Device,
        purpose: Purpose,
        bytes: u64,
    ) -> std::result::Result<Mapped, vk::Result> {
        let mut mapped = Mapped {
            device: hal.raw_device().clone(),
            buffer: vk::Buffer::null(),
            memory: vk::DeviceMemory::null(),
            start: std::ptr::null_mut(),
            bytes,
            cached: false,
            owner: Owner::this_process(),
        };
        let device = &hal.raw_device();
        let info = vk::BufferCreateInfo::default()
            .size(bytes)
            .usage(purpose.vulkan_usage())
            .sharing_mode(vk::SharingMode::EXCLUSIVE);
        // SAFETY: the device is open; size and usage aren't 0.
        mapped.buffer = unsafe { device.create_buffer(&info, None) }?;
        // SAFETY: the buffer is this device's.
        let needs = unsafe { device.get_buffer_memory_requirements(mapped.buffer) };
        let instance = hal.shared_instance().raw_instance();
        let physical = hal.raw_physical_device();
        // SAFETY: the physical device is the instance's, and both live as long as `hal`.
        let kinds = unsafe { instance.get_physical_device_memory_properties(physical) };
        let (kind, flags) = kind_of(&kinds, needs.memory_type_bits, purpose)
            .ok_or(vk::Result::ERROR_FEATURE_NOT_PRESENT)?;
        mapped.cached = flags.contains(vk::MemoryPropertyFlags::HOST_CACHED);
        let info = vk::MemoryAllocateInfo::default()
            .allocation_size(needs.size)
            .memory_type_index(kind);
        // SAFETY: the kind is one of the device's.
        mapped.memory = unsafe { device.allocate_memory(&info, None) }?;
        // SAFETY: both are new and this device's, and the memory is of the size and kind that the
        // buffer needs.
        unsafe { device.bind_buffer_memory(mapped.buffer, mapped.memory, 0) }?;
        let (from, all) = (0, vk::WHOLE_SIZE);
        // SAFETY: the memory can be mapped, and isn't yet.
        let start = unsafe { device.map_memory(mapped.memory, from, all, Default::default()) }?;
        mapped.start = start.cast();
        Ok(mapped)
    }

    /// wgpu's name for the buffer, which keeps the memory as long as the card uses it.
    fn named(self: &Shared, device: &Device, purpose: Purpose) -> Result<wgpu::Buffer> {
        let kept = Arc::clone(self);
        let done = Box::new(move || drop(kept));
        // SAFETY: the buffer lives until `done` is called, at least.
        let raw =
            unsafe { wgpu::hal::vulkan::Buffer::from_raw_externally_owned(self.buffer, done) };
        let descriptor = wgpu::BufferDescriptor {
            label: None,
            size: self.bytes,
            usage: purpose.usage(),
            mapped_at_creation: false,
        };
        device.scoped(purpose.what(), self.bytes, || {
            // SAFETY: the buffer is this device's, of this size and usage, which isn't 0; what
            // isn't written yet isn't read: users see to it.
            unsafe {
                device
                    .raw()
                    .create_buffer_from_hal::<wgpu::hal::api::Vulkan>(raw, &descriptor)
            }
        })
    }

    /// Its first byte; it stays where it is, and is readable and writable, as long as this lives.
    pub(super) fn start(&self) -> *mut u8 {
        self.start
    }

    /// The host's address of byte `offset`.
    pub(super) fn at(&self, offset: u64) -> *mut u8 {
        self.start.wrapping_add(offset as usize)
    }

    /// Whether the host reads it at the speed of memory.
    pub(super) fn is_cached(&self) -> bool {
        self.cached
    }

    /// Makes the `bytes` bytes at `offset` zero.
    ///
    /// # Safety
    /// They lie in the memory, and nobody else uses them.
    pub(super) unsafe fn clear(&self, offset: u64, bytes: u64) {
        debug_assert!(offset + bytes <= self.bytes);
        // SAFETY: they lie in the mapped memory, and are nobody else's, as the caller promises.
        unsafe { self.at(offset).write_bytes(0, bytes as usize) };
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        if !self.owner.is_this_process() {
            return;
        }
        // SAFETY: neither the host nor the card uses it any more: both have a share of it as long as
        // they do. The device is open: shares are in what keeps it open.
        unsafe { self.device.destroy_buffer(self.buffer, None) };
        // SAFETY: as above; this unmaps it too.
        unsafe { self.device.free_memory(self.memory, None) };
    }
}

/// The best kind of memory that both see without flushes.
fn kind_of(
    kinds: &vk::PhysicalDeviceMemoryProperties,
    possible: u32,
    purpose: Purpose,
) -> Option<(u32, vk::MemoryPropertyFlags)> {
    use vk::MemoryPropertyFlags as Memory;
    let needed = Memory::HOST_VISIBLE | Memory::HOST_COHERENT;
    // Protected memory, and what AMD's debugging tools want, is for those who ask for it.
    let never = Memory::PROTECTED | Memory::DEVICE_COHERENT_AMD | Memory::LAZILY_ALLOCATED;
    let (better, worse) = purpose.wishes();
    let kinds = (0u32..).zip(kinds.memory_types_as_slice());
    kinds
        .map(|(number, kind)| (number, kind.property_flags))
        .filter(|&(number, _)| possible.checked_shr(number).unwrap_or(0) & 1 == 1)
        .filter(|(_, flags)| flags.contains(needed) && !flags.intersects(never))
        // Of equal ones the driver's first is best.
        .min_by_key(|(_, flags)| (!flags.contains(better), flags.intersects(worse)))
}

fn failure(device: &Device, purpose: Purpose, bytes: u64, code: vk::Result) -> Error {
    match refused(&device.info().name, purpose.what(), bytes, code) {
        Error::Lost { why, .. } => device.lost(why),
        other => other,
    }
}
