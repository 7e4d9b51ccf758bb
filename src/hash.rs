//! Hashing

use std::ffi::c_void;

use adit_core::kernel;

/// The XXH3 hash of `len` bytes, of 64 bits, as xxHash 0.8 has it: what foreign stores know keys by
/// (with a seed of 0), and well spread for tables and partitions; not for secrets. NULL is no bytes.
/// Nobody writes to the bytes during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_hash(bytes: *const c_void, len: usize, seed: u64) -> u64 {
    if bytes.is_null() || len == 0 {
        return kernel::hash(&[], seed);
    }
    // SAFETY: not null, so readable for len bytes, as the header asks.
    kernel::hash(
        unsafe { std::slice::from_raw_parts(bytes.cast(), len) },
        seed,
    )
}
