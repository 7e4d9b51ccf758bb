//! The instruction sets that kernels are written for, and which of them this CPU has.

use std::sync::atomic::{AtomicU8, Ordering};

/// A set of instructions that kernels are written for. Every path gives the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum CpuPath {
    /// Plain Rust: the oracle of the others.
    Scalar = 1,
    /// 128-bit vectors of AArch64.
    Neon,
    /// x86-64's AVX2, F16C and BMI.
    Avx2,
    /// x86-64's AVX-512 F, BW, DQ and VL, besides what [`CpuPath::Avx2`] has.
    Avx512,
}

impl CpuPath {
    /// All of them, best last.
    pub const ALL: [CpuPath; 4] = [
        CpuPath::Scalar,
        CpuPath::Neon,
        CpuPath::Avx2,
        CpuPath::Avx512,
    ];

    /// The name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CpuPath::Scalar => "scalar",
            CpuPath::Neon => "neon",
            CpuPath::Avx2 => "avx2",
            CpuPath::Avx512 => "avx512",
        }
    }

    /// Whether this CPU, and the system on it, can run the path.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            CpuPath::Scalar => true,
            CpuPath::Neon => cfg!(all(target_arch = "aarch64", target_endian = "little")),
            CpuPath::Avx2 => has_avx2(),
            CpuPath::Avx512 => has_avx512(),
        }
    }

    /// The paths that this CPU can run, best last.
    pub fn available() -> impl Iterator<Item = CpuPath> {
        Self::ALL.into_iter().filter(|path| path.is_available())
    }

    /// The best path that this CPU can run.
    #[must_use]
    #[inline]
    pub fn best() -> CpuPath {
        static BEST: AtomicU8 = AtomicU8::new(0);
        match BEST.load(Ordering::Relaxed) {
            1 => CpuPath::Scalar,
            2 => CpuPath::Neon,
            3 => CpuPath::Avx2,
            4 => CpuPath::Avx512,
            _ => {
                let best = Self::available().last().unwrap_or(CpuPath::Scalar);
                BEST.store(best as u8, Ordering::Relaxed);
                best
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}
