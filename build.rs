//! Link arguments of the shared library.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let env = std::env::var("CARGO_CFG_TARGET_ENV").unwrap_or_default();
    if os != "linux" {
        return;
    }
    // Without a SONAME, builds that link the library record the path it was built at.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libadit.so.0");
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
