//! What passes between this library and an engine that has Vulkan itself: handles as plain numbers.

use std::ffi::{CStr, c_char, c_void};

use super::error::{Error, Result};

/// `vkGetInstanceProcAddr`, through which all other functions are found.
pub type GetInstanceProcAddr =
    unsafe extern "system" fn(*mut c_void, *const c_char) -> Option<unsafe extern "system" fn()>;

/// The oldest Vulkan that can be adopted, as `VK_MAKE_API_VERSION` makes it: 1.2, whose
/// `VkDescriptorSetLayoutBindingFlagsCreateInfo` wgpu hands to drivers.
pub const OLDEST_VULKAN: u32 = (1 << 22) | (2 << 12);

/// The handles of an open device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Native {
    /// The `VkInstance`.
    pub instance: u64,
    /// The `VkPhysicalDevice`.
    pub physical_device: u64,
    /// The `VkDevice`.
    pub device: u64,
    /// The `VkQueue` that all goes through.
    pub queue: u64,
    /// The queue's family.
    pub queue_family: u32,
    /// Its number in the family.
    pub queue_index: u32,
}

/// Keeps everybody else from a queue: Vulkan's queues are for one thread at a time.
pub trait QueueLock: Send + Sync {
    /// Waits until nobody else uses the queue.
    fn lock(&self);
    /// Lets others use it. Called on the thread of the `lock` before it.
    fn unlock(&self);
}

/// A timeline semaphore that tells an engine what has come to the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// The `VkSemaphore`.
    pub semaphore: u64,
    /// What the first submission signals; the next ones signal one more each.
    pub first: u64,
}

/// An engine's own device, and the queue of it that is used.
pub struct Adopted {
    /// Where all functions come from.
    pub get_instance_proc_addr: GetInstanceProcAddr,
    /// The `VkInstance`.
    pub instance: u64,
    /// The `VkPhysicalDevice`.
    pub physical_device: u64,
    /// The `VkDevice`.
    pub device: u64,
    /// The version that the instance was made for: `VkApplicationInfo::apiVersion`.
    pub api_version: u32,
    /// The queue's family, with graphics and compute.
    pub queue_family: u32,
    /// The queue's number in the family.
    pub queue_index: u32,
    /// Held around each use of the queue; none where nobody else uses it.
    pub lock: Option<Box<dyn QueueLock>>,
    /// Signalled by each submission.
    pub timeline: Option<Timeline>,
}

impl std::fmt::Debug for Adopted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Adopted")
            .field("device", &self.device)
            .field("queue_family", &self.queue_family)
            .field("queue_index", &self.queue_index)
            .field("timeline", &self.timeline)
            .finish_non_exhaustive()
    }
}

/// Something that must be enabled in an instance or a device so that it can be adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its name, such as `VK_KHR_timeline_semaphore`.
    pub name: &'static CStr,
    /// Whether it is the device's; else it is the instance's.
    pub of_device: bool,
}

/// What must be enabled with this version of Vulkan. There is nothing so far: what is used of a device
/// is in Vulkan 1.2, and wants no feature.
///
/// # Errors
/// [`Error::NotBuilt`], and [`Error::Unsupported`] where the version is too old.
pub fn vulkan_extensions(api_version: u32) -> Result<&'static [Extension]> {
    if !super::BUILT {
        return Err(Error::NotBuilt);
    }
    if api_version < OLDEST_VULKAN {
        return Err(too_old("api_version", api_version));
    }
    Ok(&[])
}

pub(super) fn too_old(what: &str, version: u32) -> Error {
    let text = |version: u32| format!("{}.{}", (version >> 22) & 0x7f, (version >> 12) & 0x3ff);
    let why = format!(
        "{what} is Vulkan {}: a device is adopted from Vulkan {} on",
        text(version),
        text(OLDEST_VULKAN)
    );
    Error::Unsupported { why }
}
