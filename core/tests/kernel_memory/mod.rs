//! What tests of kernels share: guarded memory, noise, the paths of this CPU.

#![allow(dead_code, unused_imports, reason = "each test uses its part")]

mod guarded;

use adit_core::kernel::CpuPath;

pub use guarded::{CANARY, Guarded};

/// Bytes that repeat late and differ from their neighbours.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// The paths that this CPU has, printed so that a log shows what was tested.
pub fn paths() -> Vec<CpuPath> {
    let paths: Vec<CpuPath> = CpuPath::available().collect();
    println!("paths: {paths:?}");
    assert!(paths.contains(&CpuPath::Scalar));
    paths
}
