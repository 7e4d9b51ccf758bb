//! Version
//!
//! The macros tell the header that a program was compiled with, the functions the library that it
//! runs with. Programs and libraries with the same ADIT_ABI_VERSION fit together; until 1.0 it may
//! change with every minor version, and the library's SONAME with it.

use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;

/// Major version of this header.
pub const ADIT_VERSION_MAJOR: u32 = 0;
/// Minor version of this header.
pub const ADIT_VERSION_MINOR: u32 = 1;
/// Patch version of this header.
pub const ADIT_VERSION_PATCH: u32 = 0;
/// The three in one number: major * 10000 + minor * 100 + patch.
pub const ADIT_VERSION_NUMBER: u32 = 100;
/// The binary interface of this header, the number in the library's SONAME.
pub const ADIT_ABI_VERSION: u32 = 0;

//@c-after
//@ /** The version of this header as text. */
//@ #define ADIT_VERSION_STRING "0.1.0"

const _: () = assert!(
    ADIT_VERSION_NUMBER
        == ADIT_VERSION_MAJOR * 10_000 + ADIT_VERSION_MINOR * 100 + ADIT_VERSION_PATCH
);

/// The library's version as a number, to be compared with ADIT_VERSION_NUMBER.
#[unsafe(no_mangle)]
pub extern "C" fn adit_version() -> u32 {
    ADIT_VERSION_NUMBER
}

/// The library's version as text, such as "0.1.0". The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn adit_version_string() -> *const c_char {
    const TEXT: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(text) => text,
            Err(_) => c"",
        };
    TEXT.as_ptr()
}

/// The library's binary interface, to be compared with ADIT_ABI_VERSION before anything else by
/// whoever loads the library at run time.
#[unsafe(no_mangle)]
pub extern "C" fn adit_abi_version() -> u32 {
    ADIT_ABI_VERSION
}

/// One line for bug reports: version, target, features, the CPU paths in use. The string is
/// static; its form may change.
#[unsafe(no_mangle)]
pub extern "C" fn adit_build_info() -> *const c_char {
    static INFO: OnceLock<CString> = OnceLock::new();
    let info = INFO.get_or_init(|| {
        let text = format!(
            "adit {} (abi {ADIT_ABI_VERSION}) {}-{}; features: gzip zstd{}; kernels: {}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::ARCH,
            std::env::consts::OS,
            if adit_core::gpu::BUILT { " gpu" } else { "" },
            crate::kernel::path_name(),
        );
        CString::new(text).unwrap_or_default()
    });
    info.as_ptr()
}
