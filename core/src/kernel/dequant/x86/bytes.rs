//! Steps on 16 quants as bytes.

use std::arch::x86_64::*;

use super::super::block::Scale;

/// Loads 16 bytes.
///
/// # Safety
/// `at` is readable for 16 bytes.
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) unsafe fn load(at: *const u8) -> __m128i {
    // SAFETY: the caller's promise; an unaligned load.
    unsafe { _mm_loadu_si128(at.cast()) }
}

/// Asks for the line where elements will be stored soon: without it, stores wait for lines that
/// are not in L1.
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn prepare(to: *mut u8) {
    const AHEAD: usize = 1024;
    // A hint: any address will do.
    _mm_prefetch::<_MM_HINT_T0>(to.wrapping_add(AHEAD).cast());
}

/// The f16 scale at the start of a block, in the first lane, and whatever follows it; none where
/// it isn't finite.
///
/// # Safety
/// `block` is readable for 8 bytes.
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) unsafe fn scale(block: *const u8) -> Option<__m128> {
    // SAFETY: the caller's promise; any bytes are a scale, at any alignment.
    let bits = unsafe { block.cast::<Scale>().read() };
    // SAFETY: the caller's promise; an unaligned load.
    let halves = unsafe { _mm_loadl_epi64(block.cast()) };
    bits.is_finite().then(|| _mm_cvtph_ps(halves))
}

/// As [`scale`], of two f16 at the start of a block, in the first two lanes.
///
/// # Safety
/// `block` is readable for 8 bytes.
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) unsafe fn two_scales(block: *const u8) -> Option<__m128> {
    // SAFETY: the caller's promise; any bytes are two scales, at any alignment.
    let [d, m] = unsafe { block.cast::<[Scale; 2]>().read() };
    // SAFETY: the caller's promise; an unaligned load.
    let halves = unsafe { _mm_loadl_epi64(block.cast()) };
    (d.is_finite() && m.is_finite()).then(|| _mm_cvtph_ps(halves))
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn low_nibbles(bytes: __m128i) -> __m128i {
    _mm_and_si128(bytes, _mm_set1_epi8(15))
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn high_nibbles(bytes: __m128i) -> __m128i {
    low_nibbles(_mm_srli_epi16::<4>(bytes))
}

/// All ones where the bit of the byte is set, else 0: byte i has bit i.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn spread(bits: u16) -> __m128i {
    let own_bit = _mm_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
    let which = _mm_set_epi64x(0x0101_0101_0101_0101, 0);
    let spread = _mm_shuffle_epi8(_mm_cvtsi32_si128(i32::from(bits)), which);
    _mm_cmpeq_epi8(_mm_and_si128(spread, own_bit), own_bit)
}

/// 16 where the bit of the byte is set, else 0.
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn sixteens(bits: u16) -> __m128i {
    _mm_and_si128(spread(bits), _mm_set1_epi8(16))
}

/// The bytes, negative where their bit is set.
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn negate(bytes: __m128i, bits: u16) -> __m128i {
    let set = spread(bits);
    _mm_sub_epi8(_mm_xor_si128(bytes, set), set)
}

/// The bytes shifted right by 0, 2, 4 and 6 bits, of which only the bits that a byte had are
/// right.
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn right_by_even_bits(bytes: __m128i) -> [__m128i; 4] {
    [
        bytes,
        _mm_srli_epi16::<2>(bytes),
        _mm_srli_epi16::<4>(bytes),
        _mm_srli_epi16::<6>(bytes),
    ]
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn from_array(bytes: [i8; 16]) -> __m128i {
    // SAFETY: 16 bytes, of any alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// The bytes less `offset`.
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn less(bytes: __m128i, offset: i8) -> __m128i {
    _mm_sub_epi8(bytes, _mm_set1_epi8(offset))
}

/// For each byte, which is below 16, the value of that number.
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn look_up(values: &[i8; 16], bytes: __m128i) -> __m128i {
    _mm_shuffle_epi8(from_array(*values), bytes)
}
