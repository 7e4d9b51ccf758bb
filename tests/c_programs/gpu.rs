//! C programs that want a graphics card, or what stands for one.

use std::fs;

use crate::support::compiler::Language;
use crate::support::library::{library, library_with_hooks, library_without_gpu};
use crate::support::program::{
    Link, Program, Scratch, check_with_gpu, check_with_gpu_and, check_with_vulkan, languages,
};
use crate::support::skip::skip;
use crate::support::vulkan::{MISSING, has_headers, run_validated, vulkan};
use crate::support::{declared_functions, root};

programs! {
    PROGRAMS, check_with_gpu:
    gpu_convert,
    gpu_faults,
    gpu_items,
    gpu_model,
    gpu_nulls,
    gpu_threads,
    gpu_use,
    options_gpu,
}

/// Those that are built and run in a way of their own, below.
pub const OTHER_PROGRAMS: [&str; 6] = [
    "gpu_absent",
    "gpu_driver",
    "gpu_lost",
    "gpu_none",
    "gpu_vulkan",
    "gpu_vulkan_queue",
];

/// An engine's own Vulkan device.
#[test]
fn gpu_vulkan() {
    check_with_vulkan("gpu_vulkan");
}

/// The queue that the two share.
#[test]
fn gpu_vulkan_queue() {
    check_with_vulkan("gpu_vulkan_queue");
}

/// What the library does with Vulkan, as its layer sees it: on a device of its own, and an engine's.
#[test]
fn gpu_is_used_as_vulkan_says() {
    let Some(driver) = vulkan() else {
        return skip("the uses of Vulkan", MISSING);
    };
    let names: &[&str] = if has_headers() {
        &["gpu_use", "gpu_vulkan", "gpu_vulkan_queue"]
    } else {
        &["gpu_use"]
    };
    for name in names {
        let program = Program::build(name, Language::C11, Link::Shared, library());
        run_validated(&program, driver);
    }
}

/// A driver that takes its time, and one that gives a device up.
#[test]
fn gpu_driver() {
    check_with_vulkan("gpu_driver");
}

/// A device that is lost, on purpose.
#[test]
fn gpu_lost() {
    check_with_gpu_and("gpu_lost", library_with_hooks());
}

/// A machine without a driver, and one without a loader.
#[test]
fn gpu_none() {
    let scratch = Scratch::new("no-vulkan");
    // What the dynamic linker finds first, and can't load.
    for name in ["libvulkan.so.1", "libvulkan.so"] {
        fs::write(scratch.path().join(name), "").unwrap();
    }
    let folder = scratch.path().to_str().unwrap();
    let nothing = scratch.path().join("no-driver.json");
    let nothing = nothing.to_str().unwrap();
    let no_driver = [
        ("VK_ICD_FILENAMES", nothing),
        ("VK_DRIVER_FILES", nothing),
        ("NODEVICE_SELECT", "1"),
    ];
    for language in languages("gpu_none") {
        for link in [Link::Shared, Link::Static] {
            let program = Program::build("gpu_none", language, link, library());
            program.run(&[], &no_driver);
            program.run(&[], &[("LD_LIBRARY_PATH", folder)]);
            if language == Language::C11 && link == Link::Shared {
                program.run_in_valgrind_with(&[], &no_driver);
                program.run_in_valgrind_with(&[], &[("LD_LIBRARY_PATH", folder)]);
            }
        }
    }
}

/// A build without the cargo feature has all functions too.
#[test]
fn gpu_absent() {
    let source = fs::read_to_string(root().join("tests/c/gpu_absent.c")).unwrap();
    let uncalled: Vec<String> = declared_functions()
        .into_iter()
        .filter(|name| name.starts_with("adit_gpu_") && !source.contains(&format!("{name}(")))
        .collect();
    assert!(
        uncalled.is_empty(),
        "gpu_absent.c doesn't call {uncalled:?}"
    );
    for language in languages("gpu_absent") {
        for link in [Link::Shared, Link::Static] {
            let program = Program::build("gpu_absent", language, link, library_without_gpu());
            program.run(&[], &[]);
            if language == Language::C11 && link == Link::Shared {
                program.run_in_valgrind();
            }
        }
    }
}
