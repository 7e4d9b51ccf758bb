//! Elements and scales of blocks that are no finite number, found in stretches of bytes.

use super::path::CpuPath;
use crate::dtype::DType;

/// What of a stretch is no finite number: elements (parts of complex ones), or scales of blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NonFinite {
    /// NaNs.
    pub nans: u64,
    /// Infinities of either sign.
    pub infinities: u64,
    /// The element, or block, that has the first of them.
    pub first: Option<u64>,
}

impl NonFinite {
    fn count(&mut self, pattern: &Pattern, bits: u64, number: usize) {
        if bits & pattern.mask != pattern.value {
            return;
        }
        if pattern.infinity == Some(bits & pattern.magnitude) {
            self.infinities += 1;
        } else {
            self.nans += 1;
        }
        self.first.get_or_insert(number as u64);
    }
}

/// How the little-endian bits of a float tell that it isn't finite.
#[derive(Clone, Copy, Debug)]
struct Pattern {
    bytes: usize,
    /// Not finite are those of which these bits are `value`.
    mask: u64,
    value: u64,
    /// All bits but the sign, and what they are for infinity.
    magnitude: u64,
    infinity: Option<u64>,
}

impl Pattern {
    /// A float of IEEE 754's kind, whose exponent has all its bits set.
    const fn ieee(bytes: usize, magnitude: u64, exponent: u64) -> Pattern {
        Pattern {
            bytes,
            mask: exponent,
            value: exponent,
            magnitude,
            infinity: Some(exponent),
        }
    }

    /// A byte without infinities.
    const fn byte(mask: u64, value: u64) -> Pattern {
        Pattern {
            bytes: 1,
            mask,
            value,
            magnitude: 0xff,
            infinity: None,
        }
    }
}

const F16: Pattern = Pattern::ieee(2, 0x7fff, 0x7c00);
const F32: Pattern = Pattern::ieee(4, 0x7fff_ffff, 0x7f80_0000);
const F64: Pattern = Pattern::ieee(8, i64::MAX as u64, 0x7ff0_0000_0000_0000);
const E4M3: Pattern = Pattern::byte(0x7f, 0x7f);
const E8M0: Pattern = Pattern::byte(0xff, 0xff);

/// The pattern of an element, or of its parts, and how many parts there are; none where every bit
/// pattern is a finite number.
fn element(dtype: DType) -> Option<(Pattern, u64)> {
    Some(match dtype {
        DType::F16 => (F16, 1),
        DType::BF16 => (Pattern::ieee(2, 0x7fff, 0x7f80), 1),
        DType::F32 => (F32, 1),
        DType::F64 => (F64, 1),
        DType::Complex64 => (F32, 2),
        DType::Complex128 => (F64, 2),
        DType::F8E4M3FN => (E4M3, 1),
        DType::F8E5M2 => (Pattern::ieee(1, 0x7f, 0x7c), 1),
        DType::F8E8M0 => (E8M0, 1),
        DType::F8E4M3FNUZ | DType::F8E5M2FNUZ => (Pattern::byte(0xff, 0x80), 1),
        _ => return None,
    })
}

/// Where the scales of a ggml block lie, all of one pattern: as `block_*` of ggml-common.h has them.
/// Empty for other dtypes.
fn scales(dtype: DType) -> (Pattern, &'static [usize]) {
    use DType as D;
    match dtype {
        D::Q4_0 | D::Q5_0 | D::Q8_0 | D::Q1_0 | D::Iq4Nl | D::Iq4Xs => (F16, &[0]),
        D::Iq2Xxs | D::Iq2Xs | D::Iq2S | D::Iq3Xxs | D::Iq3S | D::Iq1S => (F16, &[0]),
        D::Q4_1 | D::Q5_1 | D::Q4K | D::Q5K => (F16, &[0, 2]),
        D::Q2K => (F16, &[80, 82]),
        D::Q3K => (F16, &[108]),
        D::Q6K => (F16, &[208]),
        D::Tq1_0 => (F16, &[52]),
        D::Tq2_0 => (F16, &[64]),
        D::Q8_1 => (F32, &[0, 4]),
        D::Q8K => (F32, &[0]),
        // The format's NaN, though ggml reads the one as 2^128 and the other as 0.
        D::Mxfp4 => (E8M0, &[0]),
        D::Nvfp4 => (E4M3, &[0, 1, 2, 3]),
        // In pieces: see `iq1_m`.
        D::Iq1M => (F16, &[]),
        _ => (F16, &[]),
    }
}

/// The scale of an IQ1_M block: its 4 bits in the top of each of the last four u16.
fn iq1_m(block: &[u8]) -> u64 {
    let nibble = |at: usize| u64::from(block.get(at).copied().unwrap_or(0) >> 4);
    nibble(49) | nibble(51) << 4 | nibble(53) << 8 | nibble(55) << 12
}

/// Whether elements of a dtype can be anything but finite numbers.
#[must_use]
pub fn may_be_non_finite(dtype: DType) -> bool {
    element(dtype).is_some()
}

/// Whether a dtype has blocks with scales that can be anything but finite numbers.
#[must_use]
pub fn has_scales(dtype: DType) -> bool {
    !scales(dtype).1.is_empty() || dtype == DType::Iq1M
}

/// Looks through whole elements, or the scales of whole blocks, in little-endian order.
#[must_use]
pub fn non_finite(dtype: DType, bytes: &[u8]) -> NonFinite {
    let mut found = NonFinite::default();
    if let Some((pattern, parts)) = element(dtype) {
        if any(&pattern, bytes) {
            let elements = bytes.chunks_exact(pattern.bytes);
            for (number, element) in elements.enumerate() {
                found.count(&pattern, load(element), number);
            }
        }
        found.first = found.first.map(|part| part / parts);
        return found;
    }
    let (pattern, places) = scales(dtype);
    let size = dtype.block_bytes() as usize;
    if dtype == DType::Iq1M {
        for (number, block) in bytes.chunks_exact(size).enumerate() {
            found.count(&F16, iq1_m(block), number);
        }
    } else if any_scale(&pattern, places, size, bytes) {
        for (number, block) in bytes.chunks_exact(size).enumerate() {
            for &at in places {
                let scale = block.get(at..at + pattern.bytes).unwrap_or_default();
                found.count(&pattern, load(scale), number);
            }
        }
    }
    found
}

/// Whether there is any scale that isn't finite.
fn any_scale(pattern: &Pattern, places: &[usize], size: usize, bytes: &[u8]) -> bool {
    match (pattern.bytes, places) {
        (1, &[a]) => any_at::<1, 1>(pattern, [a], size, bytes),
        (1, &[a, b, c, d]) => any_at::<1, 4>(pattern, [a, b, c, d], size, bytes),
        (2, &[a]) => any_at::<2, 1>(pattern, [a], size, bytes),
        (2, &[a, b]) => any_at::<2, 2>(pattern, [a, b], size, bytes),
        (4, &[a]) => any_at::<4, 1>(pattern, [a], size, bytes),
        (4, &[a, b]) => any_at::<4, 2>(pattern, [a, b], size, bytes),
        _ => !places.is_empty(),
    }
}

fn any_at<const BYTES: usize, const PLACES: usize>(
    pattern: &Pattern,
    places: [usize; PLACES],
    size: usize,
    bytes: &[u8],
) -> bool {
    let mut any = false;
    for block in bytes.chunks_exact(size) {
        for at in places {
            let scale = block.get(at..).and_then(<[u8]>::first_chunk::<BYTES>);
            let bits = scale.map_or(0, |scale| load(scale));
            any |= bits & pattern.mask == pattern.value;
        }
    }
    any
}

#[inline(always)]
fn load(bytes: &[u8]) -> u64 {
    match *bytes {
        [a] => a.into(),
        [a, b] => u16::from_le_bytes([a, b]).into(),
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

/// Whether there is any.
fn any(pattern: &Pattern, bytes: &[u8]) -> bool {
    match CpuPath::best() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the CPU has the path.
        CpuPath::Avx512 => unsafe { any_avx512(pattern, bytes) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the CPU has the path.
        CpuPath::Avx2 => unsafe { any_avx2(pattern, bytes) },
        _ => any_plainly(pattern, bytes),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn any_avx512(pattern: &Pattern, bytes: &[u8]) -> bool {
    any_plainly(pattern, bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn any_avx2(pattern: &Pattern, bytes: &[u8]) -> bool {
    any_plainly(pattern, bytes)
}

/// Plain, but inlined into functions that the compiler may use vectors in. No way out of the loop
/// but its end, or it could not.
#[inline(always)]
fn any_plainly(pattern: &Pattern, bytes: &[u8]) -> bool {
    macro_rules! any_of {
        ($integer:ident) => {{
            let (mask, value) = (pattern.mask as $integer, pattern.value as $integer);
            let (elements, _) = bytes.as_chunks::<{ size_of::<$integer>() }>();
            let bad = |&element| $integer::from_le_bytes(element) & mask == value;
            elements.iter().fold(0, |any: $integer, element| {
                any | $integer::from(bad(element))
            }) != 0
        }};
    }
    match pattern.bytes {
        1 => any_of!(u8),
        2 => any_of!(u16),
        4 => any_of!(u32),
        _ => any_of!(u64),
    }
}

#[cfg(test)]
mod tests;
