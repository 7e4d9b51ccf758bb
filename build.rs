//! Link arguments of the shared library.

/// Where the number in the SONAME stands.
const VERSION: &str = "src/version.rs";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={VERSION}");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let env = std::env::var("CARGO_CFG_TARGET_ENV").unwrap_or_default();
    if os != "linux" {
        return;
    }
    let abi = match abi_version() {
        Ok(abi) => abi,
        Err(error) => {
            println!("cargo::error={error}");
            return;
        }
    };
    // Without a SONAME, builds that link the library record the path it was built at.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libadit.so.{abi}");
    // dlclose must not unmap code that a thread-local destructor or a log callback still needs.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    if env == "gnu" {
        // The unwinder from the archive: with -lgcc_s a caught panic aborts in a process that
        // loaded another unwinder first.
        println!("cargo:rustc-cdylib-link-arg=-Wl,--push-state,-Bstatic,--whole-archive");
        println!("cargo:rustc-cdylib-link-arg=-lgcc_eh");
        println!("cargo:rustc-cdylib-link-arg=-Wl,--pop-state");
    }
}

/// The library's `ADIT_ABI_VERSION`.
fn abi_version() -> Result<u32, String> {
    let source =
        std::fs::read_to_string(VERSION).map_err(|error| format!("reading {VERSION}: {error}"))?;
    source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ADIT_ABI_VERSION: u32 = "))
        .find_map(|rest| rest.strip_suffix(';')?.parse().ok())
        .ok_or_else(|| {
            format!(
                "{VERSION} has no line `pub const ADIT_ABI_VERSION: u32 = N;` with a number N, \
                 which the SONAME needs"
            )
        })
}
