//! Links the shared library of the folder in `ADIT_LIB_DIR`.

use std::path::Path;
use std::process::Command;

fn main() -> Result<(), String> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=ADIT_LIB_DIR");
    let folder = std::env::var("ADIT_LIB_DIR").map_err(|_| {
        "ADIT_LIB_DIR isn't set: it must be the absolute path of the folder with libadit.so and \
         the link of its SONAME; `make bench` builds both and sets it"
    })?;
    if !Path::new(&folder).is_absolute() {
        return Err(format!(
            "ADIT_LIB_DIR is {folder}, which is no absolute path"
        ));
    }
    let file = Path::new(&folder).join("libadit.so");
    if !file.is_file() {
        return Err(format!(
            "ADIT_LIB_DIR is {folder}, but there is no libadit.so"
        ));
    }
    println!("cargo:rerun-if-changed={}", file.display());
    println!("cargo:rustc-link-search=native={folder}");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    println!("cargo:rustc-env=BENCH_LIBRARY={}", file.display());
    println!("cargo:rustc-env=BENCH_RUSTC={}", compiler());
    Ok(())
}

/// What compiles the peer.
fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default().trim().to_owned()
}
