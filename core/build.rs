//! Says by `adit_gpu` whether this build can use a GPU: where it was asked for, and wgpu has Vulkan.

/// As in Cargo.toml, where the dependencies stand.
const SYSTEMS: [&str; 4] = ["windows", "linux", "android", "freebsd"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(adit_gpu)");
    let asked = std::env::var_os("CARGO_FEATURE_GPU").is_some();
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let portable = std::env::var_os("CARGO_CFG_ADIT_PORTABLE").is_some();
    if asked && !portable && SYSTEMS.contains(&system.as_str()) {
        println!("cargo::rustc-cfg=adit_gpu");
    }
}
