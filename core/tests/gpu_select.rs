//! Which adapter is opened: by place, by kind, by the environment; and what there is without a
//! driver.
#![cfg(adit_gpu)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod gpu_tools;

use adit_core::error::{Kind, Report};
use adit_core::gpu::{AdapterKind, Device, DeviceOptions, MemoryPath, Select, adapters};
use gpu_tools::{child, open, tiny};

fn opened(select: Select) -> String {
    let options = DeviceOptions {
        select,
        ..DeviceOptions::default()
    };
    match Device::open(&options) {
        Ok(device) => format!("opened {}", device.info().name),
        Err(error) => {
            assert_eq!(error.kind(), Kind::NoGpu, "{error}");
            error.to_string()
        }
    }
}

/// What a child does.
#[test]
fn child() {
    match child::part().as_deref() {
        Some("environment") => println!("SAYS {}", opened(Select::Environment)),
        Some("none") => {
            assert_eq!(adapters().unwrap(), []);
            let selects = [
                Select::Best,
                Select::Index(0),
                Select::Kind(AdapterKind::Software),
                Select::Environment,
            ];
            for select in selects {
                let said = opened(select);
                assert!(said.contains("no Vulkan driver"), "{said}");
            }
            println!("SAYS none");
        }
        _ => {}
    }
}

#[test]
fn an_adapter_is_opened_by_place_and_by_kind() {
    let Some(device) = open(&tiny(MemoryPath::Auto)) else {
        return;
    };
    let software = device.info().clone();
    assert_eq!(software.kind, AdapterKind::Software);
    assert_eq!(software.backend, "vulkan");
    assert!(software.shared_memory && device.is_direct());
    assert!(!software.driver.is_empty() && !software.driver_info.is_empty());
    assert!(software.memory_bytes > 0 && software.limits.buffer_bytes > 1 << 20);
    assert!(software.limits.binding_bytes > 0 && software.limits.binding_align.is_power_of_two());
    let all = adapters().unwrap();
    let place = all.iter().position(|info| *info == software).unwrap();
    for (number, info) in all.iter().enumerate() {
        let said = opened(Select::Index(number as u32));
        assert_eq!(said, format!("opened {}", info.name));
    }
    assert_eq!(
        opened(Select::Index(place as u32)),
        format!("opened {}", software.name)
    );
    for number in [all.len() as u32, u32::MAX] {
        let said = opened(Select::Index(number));
        assert!(said.contains(&format!("number {number}")), "{said}");
        assert!(said.contains(&software.name), "{said}");
    }
    if !all.iter().any(|info| info.kind == AdapterKind::Virtual) {
        let said = opened(Select::Kind(AdapterKind::Virtual));
        assert!(
            said.contains("virtual") && said.contains(&software.name),
            "{said}"
        );
    }
    let Some(staging) = open(&tiny(MemoryPath::Staging)) else {
        panic!("opened before");
    };
    assert!(!staging.is_direct());
}

#[test]
fn the_environment_chooses() {
    let Some(device) = open(&tiny(MemoryPath::Auto)) else {
        return;
    };
    let name = &device.info().name;
    let all = adapters().unwrap();
    let place = all.iter().position(|info| info == device.info()).unwrap();
    let said = |value: &str| child::said("environment", &[("ADIT_GPU", value)]);
    let opened = format!("opened {name}");
    let middle = name[1..name.len() - 1].to_uppercase();
    for value in ["software", " Software ", &place.to_string(), name, &middle] {
        assert_eq!(said(value), opened, "{value}");
    }
    let best = child::said("environment", &[]);
    assert!(best.starts_with("opened "), "{best}");
    assert_eq!(said(""), best);
    for value in ["no such card", "99", "-1", "+0", "99999999999999999999"] {
        let said = said(value);
        assert!(
            said.contains(value) && said.contains(name.as_str()),
            "{said}"
        );
    }
}

#[test]
fn without_a_driver_there_is_no_gpu() {
    let nowhere = "/nonexistent/icd.json";
    let variables = [("VK_ICD_FILENAMES", nowhere), ("VK_DRIVER_FILES", nowhere)];
    assert_eq!(child::said("none", &variables), "none");
}
