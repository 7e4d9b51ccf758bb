//! Vulkan's functions as an engine's loader gives them, two of the queue and one of the adapter in
//! other hands, and the adapter as wgpu is to see it.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::ptr::null;

use ash::vk::{self, Handle};
use wgpu::hal::ExposedAdapter;
use wgpu::hal::api::Vulkan;
use wgpu::hal::vulkan as hal;

use super::queue::{Claim, Parts, fence_status, queue_submit, queue_wait_idle};
use super::{ADOPTING, wrong};
use crate::gpu::error::{Error, Result};
use crate::gpu::scope::refused;
use crate::gpu::vulkan::{Adopted, GetInstanceProcAddr, OLDEST_VULKAN, Timeline, too_old};

/// The functions of an instance.
pub(super) struct Functions {
    entry: ash::Entry,
    /// As the loader has them.
    instance: ash::Instance,
    /// What the adapter and the instance can both do.
    version: u32,
}

/// Looks functions up, and remembers the first that isn't there.
struct Lookup<F> {
    find: F,
    missing: Option<String>,
}

impl<F: FnMut(&CStr) -> *const c_void> Lookup<F> {
    fn new(find: F) -> Lookup<F> {
        Lookup {
            find,
            missing: None,
        }
    }

    fn one(&mut self, name: &CStr) -> *const c_void {
        let found = (self.find)(name);
        if found.is_null() {
            let name = || name.to_string_lossy().into_owned();
            self.missing.get_or_insert_with(name);
        }
        found
    }

    /// ash puts functions that panic in the places of those that are missing.
    fn all_there(&self, by: &str) -> Result<()> {
        match &self.missing {
            None => Ok(()),
            Some(name) => Err(wrong(format!(
                "{by} has no {name}: is it that of this instance and device?"
            ))),
        }
    }
}

fn pointer(function: vk::PFN_vkVoidFunction) -> *const c_void {
    function.map_or(null(), |function| function as *const c_void)
}

impl Functions {
    /// # Safety
    /// The instance is one of those that the function knows, and both live as long as this.
    pub(super) unsafe fn load(adopted: &Adopted) -> Result<Functions> {
        let raw = vk::Instance::from_raw(adopted.instance);
        // SAFETY: both are pointers to functions of one ABI, whose parameters are pointers in the same
        // places: a VkInstance is one.
        let get = unsafe {
            std::mem::transmute::<GetInstanceProcAddr, vk::PFN_vkGetInstanceProcAddr>(
                adopted.get_instance_proc_addr,
            )
        };
        let mut lookup = Lookup::new(|name: &CStr| {
            // SAFETY: the instance is the function's, as the caller promises, and the name ends with 0.
            pointer(unsafe { get(raw, name.as_ptr()) })
        });
        let first = ash::InstanceFnV1_0::load(|name| lookup.one(name));
        let second = ash::InstanceFnV1_1::load(|name| lookup.one(name));
        lookup.all_there("vkGetInstanceProcAddr")?;
        let third = ash::InstanceFnV1_3::load(|name| (lookup.find)(name));
        let instance = ash::Instance::from_parts_1_3(raw, first, second, third);

        let physical = vk::PhysicalDevice::from_raw(adopted.physical_device);
        // SAFETY: the physical device is the instance's, as the caller promises.
        let properties = unsafe { instance.get_physical_device_properties(physical) };
        if properties.api_version < OLDEST_VULKAN {
            return Err(too_old("the adapter's driver", properties.api_version));
        }
        let statics = ash::StaticFn {
            get_instance_proc_addr: get,
        };
        // SAFETY: the function answers for the global functions too, as Vulkan asks of it; those that
        // it doesn't know aren't called: the instance is there already.
        let entry = unsafe { ash::Entry::from_static_fn(statics) };
        Ok(Functions {
            entry,
            instance,
            version: properties.api_version.min(adopted.api_version),
        })
    }

    /// Has wgpu see the version that is to be seen, on this thread until the result goes: as long as it
    /// looks at the adapter, which is until it has the device.
    pub(super) fn shown(&self) -> Shown {
        let real = self.instance.fp_v1_0().get_physical_device_properties;
        SHOWN.set(Some((real, self.version)));
        Shown(PhantomData)
    }

    /// The adapter, with what this library uses of it. Called while it is [`Self::shown`].
    ///
    /// # Safety
    /// The physical device is the instance's.
    pub(super) unsafe fn adapter(&self, adopted: &Adopted) -> Result<ExposedAdapter<Vulkan>> {
        let physical = vk::PhysicalDevice::from_raw(adopted.physical_device);
        // SAFETY: it is the instance's, as the caller promises.
        let families = unsafe {
            self.instance
                .get_physical_device_queue_family_properties(physical)
        };
        check_family(&families, adopted)?;
        let mut shown = self.instance.fp_v1_0().clone();
        shown.get_physical_device_properties = properties;
        let shown = ash::Instance::from_parts_1_3(
            self.instance.handle(),
            shown,
            self.instance.fp_v1_1().clone(),
            self.instance.fp_v1_3().clone(),
        );
        // SAFETY: the instance was made for this version by the function in `entry`, as the caller
        // promises. No extension is named, so that none is used. It isn't destroyed: there is a
        // callback, which has nothing to do.
        let instance = unsafe {
            hal::Instance::from_raw(
                self.entry.clone(),
                shown,
                self.version,
                0,
                None,
                Vec::new(),
                wgpu::InstanceFlags::empty(),
                wgpu::MemoryBudgetThresholds::default(),
                false,
                Some(Box::new(|| {})),
            )
        };
        let instance = instance.map_err(|error| Error::Unsupported {
            why: format!("the instance can't be adopted: {error}"),
        })?;
        let exposed = instance.expose_adapter(physical);
        let mut exposed = exposed.ok_or_else(|| Error::Unsupported {
            why: "the adapter can't be adopted: the first of its queue families has no graphics"
                .to_owned(),
        })?;
        self.complete(physical, &mut exposed);
        Ok(exposed)
    }

    /// What wgpu doesn't ask of an adapter without extensions.
    fn complete(&self, physical: vk::PhysicalDevice, exposed: &mut ExposedAdapter<Vulkan>) {
        let mut allocation = vk::PhysicalDeviceMaintenance3Properties::default();
        let mut driver = vk::PhysicalDeviceDriverProperties::default();
        let mut buffer = vk::PhysicalDeviceMaintenance4Properties::default();
        let mut all = vk::PhysicalDeviceProperties2::default()
            .push_next(&mut allocation)
            .push_next(&mut driver);
        if self.version >= vk::API_VERSION_1_3 {
            all = all.push_next(&mut buffer);
        }
        // SAFETY: the physical device is the instance's; the version has these structs.
        unsafe {
            self.instance
                .get_physical_device_properties2(physical, &mut all);
        }
        let limits = &mut exposed.capabilities.limits;
        let sizes = [
            allocation.max_memory_allocation_size,
            buffer.max_buffer_size,
        ];
        for size in sizes.into_iter().filter(|&size| size > 0) {
            limits.max_buffer_size = limits.max_buffer_size.min(size);
        }
        exposed.info.driver = owned(driver.driver_name_as_c_str().ok());
        exposed.info.driver_info = owned(driver.driver_info_as_c_str().ok());
    }

    /// The device's functions, with ours for its queue.
    pub(super) fn claim(&self, adopted: Adopted, adapter: &str) -> Result<(Claim, ash::Device)> {
        let raw = vk::Device::from_raw(adopted.device);
        let get = self.instance.fp_v1_0().get_device_proc_addr;
        let mut lookup = Lookup::new(|name: &CStr| {
            // SAFETY: the device is the instance's, as the caller of adopt promises, and the name ends
            // with 0.
            pointer(unsafe { get(raw, name.as_ptr()) })
        });
        let mut first = ash::DeviceFnV1_0::load(|name| lookup.one(name));
        lookup.all_there("vkGetDeviceProcAddr")?;
        let mut queue = vk::Queue::null();
        let (family, index) = (adopted.queue_family, adopted.queue_index);
        // SAFETY: the device has this queue, as the caller of adopt promises; `queue` is a place for
        // one handle.
        unsafe { (first.get_device_queue)(raw, family, index, &raw mut queue) };
        if queue == vk::Queue::null() {
            let why = format!("the device wasn't made with queue {index} of family {family}");
            return Err(wrong(why));
        }
        let second = ash::DeviceFnV1_2::load(&mut lookup.find);
        let timeline = match adopted.timeline {
            None => None,
            Some(timeline) => {
                for name in [c"vkGetSemaphoreCounterValue", c"vkWaitSemaphores"] {
                    lookup.one(name);
                }
                lookup.all_there("vkGetDeviceProcAddr")?;
                Some((timeline, second.wait_semaphores))
            }
        };
        let parts = Parts {
            device: raw,
            raw: queue,
            family,
            index,
            submit: first.queue_submit,
            wait_idle: first.queue_wait_idle,
            fence_status: first.get_fence_status,
            lock: adopted.lock,
            timeline,
        };
        let claim = Claim::new(parts).ok_or_else(|| {
            let why = format!(
                "queue {index} of family {family} is adopted already: close that GPU first, or use it"
            );
            wrong(why)
        })?;
        if let Some(timeline) = &adopted.timeline {
            check_first(raw, timeline, second.get_semaphore_counter_value, adapter)?;
        }
        first.queue_submit = queue_submit;
        first.queue_wait_idle = queue_wait_idle;
        first.get_fence_status = fence_status;
        let device = ash::Device::from_parts_1_3(
            raw,
            first,
            ash::DeviceFnV1_1::load(&mut lookup.find),
            second,
            ash::DeviceFnV1_3::load(&mut lookup.find),
        );
        Ok((claim, device))
    }
}

/// Refuses a first value that can't be signalled any more.
fn check_first(
    device: vk::Device,
    timeline: &Timeline,
    counter: vk::PFN_vkGetSemaphoreCounterValue,
    adapter: &str,
) -> Result<()> {
    let semaphore = vk::Semaphore::from_raw(timeline.semaphore);
    let mut value = 0;
    // SAFETY: the device's own function; the semaphore is a timeline of this device, as the caller of
    // adopt promises, and `value` is a place for one number.
    let result = unsafe { counter(device, semaphore, &raw mut value) };
    if result != vk::Result::SUCCESS {
        return Err(refused(adapter, ADOPTING, 0, result));
    }
    let first = timeline.first;
    if value < first {
        return Ok(());
    }
    Err(wrong(format!(
        "the first value of the timeline semaphore is {first}, but it has {value} already: it can only \
         be signalled with more"
    )))
}

fn owned(text: Option<&CStr>) -> String {
    text.unwrap_or_default().to_string_lossy().into_owned()
}

/// wgpu's barriers name the stages of both kinds of work.
fn check_family(families: &[vk::QueueFamilyProperties], adopted: &Adopted) -> Result<()> {
    let (at, index) = (adopted.queue_family, adopted.queue_index);
    let Some(family) = families.get(at as usize) else {
        let count = families.len();
        return Err(wrong(format!(
            "queue_family is {at}, but the adapter has {count}, from 0 on"
        )));
    };
    if index >= family.queue_count {
        let count = family.queue_count;
        return Err(wrong(format!(
            "queue_index is {index}, but family {at} has {count}, from 0 on"
        )));
    }
    let both = vk::QueueFlags::GRAPHICS | vk::QueueFlags::COMPUTE;
    if !family.queue_flags.contains(both) {
        let why = format!(
            "queue family {at} has {:?}: one with graphics and compute is needed",
            family.queue_flags
        );
        return Err(Error::Unsupported { why });
    }
    Ok(())
}

thread_local! {
    /// While wgpu looks at an adapter: the loader's function, and the version that it is to see.
    static SHOWN: Cell<Option<(vk::PFN_vkGetPhysicalDeviceProperties, u32)>> = const { Cell::new(None) };
}

/// That an adapter is being looked at on this thread.
pub(super) struct Shown(PhantomData<*const ()>);

impl Drop for Shown {
    fn drop(&mut self) {
        SHOWN.set(None);
    }
}

/// In the place of `vkGetPhysicalDeviceProperties`: wgpu makes shaders for the version that it sees
/// there, which is to be that of the engine's instance.
unsafe extern "system" fn properties(
    physical: vk::PhysicalDevice,
    out: *mut vk::PhysicalDeviceProperties,
) {
    let Some((real, version)) = SHOWN.get() else {
        let nothing = vk::PhysicalDeviceProperties::default();
        // SAFETY: Vulkan asks for a place for one.
        unsafe { out.write(nothing) };
        return;
    };
    // SAFETY: the loader's function, called as this one was.
    unsafe { real(physical, out) };
    // SAFETY: Vulkan asks for a place for one, and it was filled right now.
    let properties = unsafe { &mut *out };
    properties.api_version = properties.api_version.min(version);
}

const _: () = {
    // One ABI, with pointers of one size: what the transmute above rests on.
    assert!(size_of::<vk::Instance>() == size_of::<*mut c_void>());
    assert!(size_of::<GetInstanceProcAddr>() == size_of::<vk::PFN_vkGetInstanceProcAddr>());
    assert!(size_of::<c_char>() == 1);
};
