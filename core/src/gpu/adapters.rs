//! The adapters there are, and which of them is asked for.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::buffer::COPY_ALIGN;
use super::error::{Error, Result};
use super::info::{AdapterInfo, AdapterKind, Limits};
use super::options::Select;

/// The environment variable that can say which adapter to open.
const VARIABLE: &str = "ADIT_GPU";

/// The adapters, in the driver's order. Without a driver there are none.
///
/// # Errors
/// None in this build.
pub fn adapters() -> Result<Vec<AdapterInfo>> {
    Ok(all(&instance()).iter().map(info).collect())
}

/// What one of wgpu's futures gives. On this backend they are all done when they are made.
pub(super) fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// A new connection to the drivers, without layers for debugging.
pub(super) fn instance() -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN;
    descriptor.flags = wgpu::InstanceFlags::empty();
    wgpu::Instance::new(descriptor)
}

fn all(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    ready(instance.enumerate_adapters(wgpu::Backends::VULKAN)).unwrap_or_default()
}

/// The adapter that is asked for.
pub(super) fn select(instance: &wgpu::Instance, select: Select) -> Result<wgpu::Adapter> {
    let mut found = all(instance);
    let infos: Vec<AdapterInfo> = found.iter().map(info).collect();
    let at = match select {
        Select::Environment => asked_by(&std::env::var_os(VARIABLE).unwrap_or_default(), &infos),
        other => place_of(other, &infos),
    }?;
    Ok(found.swap_remove(at))
}

fn asked_by(value: &std::ffi::OsStr, infos: &[AdapterInfo]) -> Result<usize> {
    let value = value.to_string_lossy();
    let value = value.trim();
    if value.is_empty() {
        return place_of(Select::Best, infos);
    }
    // A sign makes it a name.
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(index) = value.parse().ok().filter(|_| digits) {
        return place_of(Select::Index(index), infos);
    }
    if let Some(kind) = KINDS.iter().find(|kind| kind.1.eq_ignore_ascii_case(value)) {
        return place_of(Select::Kind(kind.0), infos);
    }
    let wanted = value.to_lowercase();
    let by_name = |info: &AdapterInfo| info.name.to_lowercase().contains(&wanted);
    let why = || format!("{VARIABLE} asks for '{value}', but {}", there_is(infos));
    let place = infos.iter().position(by_name);
    place.ok_or_else(|| Error::NoGpu { why: why() })
}

const KINDS: [(AdapterKind, &str); 5] = [
    (AdapterKind::Discrete, "discrete"),
    (AdapterKind::Integrated, "integrated"),
    (AdapterKind::Virtual, "virtual"),
    (AdapterKind::Other, "other"),
    (AdapterKind::Software, "software"),
];

fn place_of(select: Select, infos: &[AdapterInfo]) -> Result<usize> {
    let first_of = |kind| infos.iter().position(|info| info.kind == kind);
    let (place, asked) = match select {
        Select::Best | Select::Environment => {
            let mut best = KINDS.iter().filter_map(|kind| first_of(kind.0));
            (best.next(), "any".to_owned())
        }
        Select::Index(index) => {
            let place = Some(index as usize).filter(|&place| place < infos.len());
            (place, format!("number {index}"))
        }
        Select::Kind(kind) => {
            let name = KINDS.iter().find(|named| named.0 == kind);
            (
                first_of(kind),
                name.map_or("one", |named| named.1).to_owned(),
            )
        }
    };
    place.ok_or_else(|| Error::NoGpu {
        why: format!("{asked} was asked for, but {}", there_is(infos)),
    })
}

fn there_is(infos: &[AdapterInfo]) -> String {
    if infos.is_empty() {
        return "there is no Vulkan driver with an adapter here".to_owned();
    }
    let names: Vec<String> = (0..)
        .zip(infos)
        .map(|(number, info): (usize, _)| format!("{number} '{}'", info.name))
        .collect();
    match names.len() {
        1 => format!("the only adapter is {}", names.concat()),
        _ => format!("the adapters are {}", names.join(", ")),
    }
}

/// What can be told of an adapter.
pub(super) fn info(adapter: &wgpu::Adapter) -> AdapterInfo {
    let (info, limits) = (adapter.get_info(), adapter.limits());
    let kind = match info.device_type {
        wgpu::DeviceType::Other => AdapterKind::Other,
        wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
        wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
        wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
        wgpu::DeviceType::Cpu => AdapterKind::Software,
    };
    let mappable = wgpu::Features::MAPPABLE_PRIMARY_BUFFERS;
    let on_host = matches!(kind, AdapterKind::Integrated | AdapterKind::Software);
    AdapterInfo {
        name: info.name,
        kind,
        backend: "vulkan",
        driver: info.driver,
        driver_info: info.driver_info,
        vendor: info.vendor,
        device: info.device,
        bus: info.device_pci_bus_id,
        memory_bytes: memory_bytes(adapter),
        shared_memory: on_host && adapter.features().contains(mappable),
        limits: Limits {
            buffer_bytes: limits.max_buffer_size & !(COPY_ALIGN - 1),
            binding_bytes: limits.max_storage_buffer_binding_size,
            binding_align: u64::from(limits.min_storage_buffer_offset_alignment),
        },
    }
}

/// The sum of the heaps near to the card.
fn memory_bytes(adapter: &wgpu::Adapter) -> u64 {
    // SAFETY: the adapter is only asked about itself, and lives on.
    let Some(raw) = (unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }) else {
        return 0;
    };
    let instance = raw.shared_instance().raw_instance();
    let physical = raw.raw_physical_device();
    // SAFETY: the physical device is the instance's, and both live as long as `raw`.
    let memory = unsafe { instance.get_physical_device_memory_properties(physical) };
    let heaps = memory.memory_heaps_as_slice().iter();
    let near = heaps.filter(|heap| heap.flags.contains(ash::vk::MemoryHeapFlags::DEVICE_LOCAL));
    near.fold(0, |all, heap| all.saturating_add(heap.size))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn named(name: &str, kind: AdapterKind) -> AdapterInfo {
        AdapterInfo {
            name: name.to_owned(),
            kind,
            backend: "vulkan",
            driver: String::new(),
            driver_info: String::new(),
            vendor: 0,
            device: 0,
            bus: String::new(),
            memory_bytes: 0,
            shared_memory: false,
            limits: Limits {
                buffer_bytes: 1,
                binding_bytes: 1,
                binding_align: 1,
            },
        }
    }

    #[test]
    fn the_best_is_the_first_of_the_best_kind() {
        use AdapterKind::{Discrete, Integrated, Other, Software, Virtual};
        let all = [
            named("llvmpipe", Software),
            named("Odd", Other),
            named("Cloud", Virtual),
            named("Iris", Integrated),
            named("One RTX", Discrete),
            named("Two RTX", Discrete),
        ];
        for (len, best) in [(6, 4), (4, 3), (3, 2), (2, 1), (1, 0)] {
            let infos = all.get(..len).unwrap();
            assert_eq!(place_of(Select::Best, infos).unwrap(), best);
            assert_eq!(asked_by("".as_ref(), infos).unwrap(), best);
        }
        assert_eq!(place_of(Select::Kind(Discrete), &all).unwrap(), 4);
        assert_eq!(place_of(Select::Index(5), &all).unwrap(), 5);
        for (asked, place) in [
            ("5", 5),
            (" 0 ", 0),
            ("Discrete", 4),
            ("software", 0),
            ("VIRTUAL", 2),
            ("other", 1),
            ("rtx", 4),
            ("two", 5),
            ("iris", 3),
        ] {
            assert_eq!(asked_by(asked.as_ref(), &all).unwrap(), place, "{asked}");
        }
        for asked in ["6", "radeon", "-1", "+1"] {
            let error = asked_by(asked.as_ref(), &all).unwrap_err().to_string();
            assert!(
                error.contains(asked) && error.contains("4 'One RTX'"),
                "{error}"
            );
        }
        let error = place_of(Select::Kind(Integrated), &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("integrated") && error.contains("no Vulkan driver"),
            "{error}"
        );
    }
}
