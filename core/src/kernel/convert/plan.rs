//! Which loops make up the conversion of a pair.

use super::super::dequant;
use super::super::path::CpuPath;
use super::{Loop, exact, scalar};
use crate::dtype::DType;

/// A loop that stores through the caches, and one past them: the same where there is no other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) cached: Loop,
    pub(super) streaming: Loop,
}

impl Pair {
    fn same(only: Loop) -> Pair {
        Pair {
            cached: only,
            streaming: only,
        }
    }
}

/// How a conversion is done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// As it is, in bytes an element or block.
    Copy { bytes: usize },
    /// By one loop, that counts `parts` an element: 2 for complex numbers.
    Direct { pair: Pair, parts: usize },
    /// By two.
    Twice(Twice),
}

/// Two loops with few elements between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Twice {
    pub(super) first: Loop,
    pub(super) second: Pair,
    /// What the second loop counts for each that the first does.
    pub(super) parts: usize,
    /// Bytes for each that the first loop counts.
    pub(super) bytes_in: usize,
    pub(super) middle_bytes: usize,
    pub(super) bytes_out: usize,
}

/// The way from one dtype to another; none where it makes no sense.
pub(super) fn way(path: CpuPath, from: DType, to: DType, saturate: bool) -> Option<Way> {
    if from == to {
        let bytes = from.block_bytes() as usize;
        return Some(Way::Copy { bytes });
    }
    if from.is_block() {
        return dequantised(path, from, to, saturate);
    }
    let saturate = saturate && !holds(to, from);
    let (pair, parts) = match (from, to) {
        (DType::Complex64, DType::Complex128) => (direct(path, DType::F32, DType::F64, false), 2),
        (DType::Complex128, DType::Complex64) => {
            (direct(path, DType::F64, DType::F32, saturate), 2)
        }
        _ => (direct(path, from, to, saturate), 1),
    };
    if let Some(pair) = pair {
        return Some(Way::Direct { pair, parts });
    }
    let middle = match to {
        _ if exact_in_f32(from) => DType::F32,
        DType::Complex64 => DType::F32,
        DType::Complex128 => DType::F64,
        _ => return by_numbers(from, to, saturate),
    };
    let legs = direct(path, from, middle, saturate).zip(direct(path, middle, to, saturate));
    let Some((first, second)) = legs else {
        return by_numbers(from, to, saturate);
    };
    Some(Way::Twice(Twice {
        first: first.cached,
        second,
        parts: 1,
        bytes_in: from.block_bytes() as usize,
        middle_bytes: middle.block_bytes() as usize,
        bytes_out: to.block_bytes() as usize,
    }))
}

fn dequantised(path: CpuPath, from: DType, to: DType, saturate: bool) -> Option<Way> {
    let first = dequant::kernel(path, from)?;
    let parts = from.block_elements() as usize;
    match to {
        DType::F32 => Some(Way::Direct {
            pair: Pair {
                cached: first,
                streaming: dequant::streaming(path, from).unwrap_or(first),
            },
            parts: 1,
        }),
        DType::F16 | DType::BF16 | DType::F64 => Some(Way::Twice(Twice {
            first,
            second: direct(path, DType::F32, to, saturate && !holds(to, DType::F32))?,
            parts,
            bytes_in: from.block_bytes() as usize,
            middle_bytes: parts * DType::F32.block_bytes() as usize,
            bytes_out: parts * to.block_bytes() as usize,
        })),
        _ => None,
    }
}

/// The definition itself; none where one side isn't a real number.
fn by_numbers(from: DType, to: DType, saturate: bool) -> Option<Way> {
    Some(Way::Twice(Twice {
        first: exact::unpack(from)?,
        second: Pair::same(exact::pack(to, saturate)?),
        parts: 1,
        bytes_in: from.block_bytes() as usize,
        middle_bytes: exact::NUMBER_BYTES,
        bytes_out: to.block_bytes() as usize,
    }))
}

/// The best single loop of a path.
fn direct(path: CpuPath, from: DType, to: DType, saturate: bool) -> Option<Pair> {
    vector(path, from, to, saturate).or_else(|| scalar::kernel(from, to, saturate).map(Pair::same))
}

#[cfg(target_arch = "x86_64")]
fn vector(path: CpuPath, from: DType, to: DType, saturate: bool) -> Option<Pair> {
    match path {
        CpuPath::Avx512 => super::x86::avx512::kernel(from, to, saturate),
        CpuPath::Avx2 => super::x86::avx2::kernel(from, to, saturate),
        _ => None,
    }
}

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
fn vector(path: CpuPath, from: DType, to: DType, saturate: bool) -> Option<Pair> {
    match path {
        CpuPath::Neon => super::neon::kernel(from, to, saturate),
        _ => None,
    }
}

#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_endian = "little")
)))]
fn vector(_path: CpuPath, _from: DType, _to: DType, _saturate: bool) -> Option<Pair> {
    None
}

/// Whether f32 has every value of a dtype.
fn exact_in_f32(dtype: DType) -> bool {
    use DType::{BF16, Bool, F8E4M3FN, F8E5M2, F8E8M0, F16, F32, I8, I16, U8, U16};
    matches!(
        dtype,
        Bool | I8 | I16 | U8 | U16 | F16 | BF16 | F32 | F8E4M3FN | F8E5M2 | F8E8M0
    )
}

/// Whether a float's range holds all finite values of another's, and its infinity.
pub(super) fn holds(outer: DType, inner: DType) -> bool {
    const NARROW_TO_WIDE: [DType; 6] = [
        DType::F8E4M3FN,
        DType::F8E5M2,
        DType::F16,
        DType::BF16,
        DType::F32,
        DType::F64,
    ];
    let rank = |dtype| NARROW_TO_WIDE.iter().position(|other| *other == dtype);
    rank(outer)
        .zip(rank(inner))
        .is_some_and(|(outer, inner)| outer >= inner)
}
