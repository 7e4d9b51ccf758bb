//! Blocks of quantised elements turned into f32.
//!
//! The types and their layouts are ggml's; the rule of their arithmetic is that of the gguf
//! package 0.19.0 (`gguf/quants.py`): every operation of f32 is rounded, to nearest even, none is
//! fused with the next. Each path gives the same bits, those of the package, under the default modes
//! of the floating-point unit, which the caller sees to. One thing differs: where a result is NaN it
//! is the NaN `0x7fc0_0000`, for which NaN the package gives depends on the CPU.
//!
//! Any bytes make a block: what indexes a table is masked to its size.

mod block;
mod grids;
mod iq;
mod iq4;
mod k;
mod legacy;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
#[cfg(test)]
mod tests;
mod ternary;
#[cfg(target_arch = "x86_64")]
mod x86;

use block::run;

use super::convert::Loop;
use super::path::CpuPath;
use crate::dtype::DType;

/// The loop over blocks of `dtype` on a path that this CPU can run; none where there is no
/// dequantisation. A path without a loop of its own for the type has that of the best one below.
pub(super) fn kernel(path: CpuPath, dtype: DType) -> Option<Loop> {
    let own = loops(path, dtype).map(|loops| loops.cached);
    own.or_else(|| scalar(dtype))
}

/// As [`kernel`], with stores past the caches; none where the path has no such loop.
pub(super) fn streaming(path: CpuPath, dtype: DType) -> Option<Loop> {
    loops(path, dtype)?.streaming
}

/// What a path has for a type.
struct Loops {
    cached: Loop,
    streaming: Option<Loop>,
}

fn loops(path: CpuPath, dtype: DType) -> Option<Loops> {
    match path {
        #[cfg(target_arch = "x86_64")]
        CpuPath::Avx512 => x86::avx512::loops(dtype).or_else(|| x86::avx2::loops(dtype)),
        #[cfg(target_arch = "x86_64")]
        CpuPath::Avx2 => x86::avx2::loops(dtype),
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        CpuPath::Neon => neon::loops(dtype),
        _ => None,
    }
}

/// Plain Rust, the oracle of the other paths.
fn scalar(dtype: DType) -> Option<Loop> {
    Some(match dtype {
        DType::Q4_0 => run::<legacy::Q4_0, 32>,
        DType::Q4_1 => run::<legacy::Q4_1, 32>,
        DType::Q5_0 => run::<legacy::Q5_0, 32>,
        DType::Q5_1 => run::<legacy::Q5_1, 32>,
        DType::Q8_0 => run::<legacy::Q8_0, 32>,
        DType::Mxfp4 => run::<legacy::Mxfp4, 32>,
        DType::Nvfp4 => run::<legacy::Nvfp4, 64>,
        DType::Q2K => run::<k::Q2K, 256>,
        DType::Q3K => run::<k::Q3K, 256>,
        DType::Q4K => run::<k::Q4K, 256>,
        DType::Q5K => run::<k::Q5K, 256>,
        DType::Q6K => run::<k::Q6K, 256>,
        DType::Tq1_0 => run::<ternary::Tq1_0, 256>,
        DType::Tq2_0 => run::<ternary::Tq2_0, 256>,
        DType::Iq2Xxs => run::<iq::Iq2Xxs, 256>,
        DType::Iq2Xs => run::<iq::Iq2Xs, 256>,
        DType::Iq2S => run::<iq::Iq2S, 256>,
        DType::Iq3Xxs => run::<iq::Iq3Xxs, 256>,
        DType::Iq3S => run::<iq::Iq3S, 256>,
        DType::Iq1S => run::<iq::Iq1S, 256>,
        DType::Iq1M => run::<iq::Iq1M, 256>,
        DType::Iq4Nl => run::<iq4::Iq4Nl, 32>,
        DType::Iq4Xs => run::<iq4::Iq4Xs, 256>,
        _ => return None,
    })
}
