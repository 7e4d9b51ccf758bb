//! What every block type has, and the loop over blocks in plain Rust.

use std::mem::MaybeUninit;

/// Room for the bytes of one f32, at any alignment.
pub(super) type Slot = MaybeUninit<[u8; 4]>;

/// The NaN that all NaN results are.
const NAN: [u8; 4] = 0x7fc0_0000_u32.to_ne_bytes();

/// A block as it lies in a file: a struct of bytes, for which any bytes are valid.
pub(super) trait Block<const N: usize>: Copy {
    /// Whether all f16 scales are finite: then no element is NaN.
    fn is_finite(&self) -> bool;

    /// Writes the `N` elements, where some are NaN any NaN.
    fn decode(&self, to: &mut [Slot; N]);
}

/// A scale as it lies in a file: an f16, little-endian.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Scale(pub [u8; 2]);

impl Scale {
    const EXPONENT: u16 = 0x7c00;

    #[inline(always)]
    pub(super) fn bits(self) -> u16 {
        u16::from_le_bytes(self.0)
    }

    #[inline(always)]
    pub(super) fn is_finite(self) -> bool {
        self.bits() & Self::EXPONENT != Self::EXPONENT
    }

    /// The value: exact, for every f16 is an f32.
    #[inline(always)]
    pub(super) fn get(self) -> f32 {
        let bits = u32::from(self.bits());
        let (sign, rest) = ((bits & 0x8000) << 16, bits & 0x7fff);
        let value = match bits as u16 & Self::EXPONENT {
            // The mantissa of a subnormal counts units of 2^-24.
            0 => rest as f32 * (1.0 / 16_777_216.0),
            Self::EXPONENT => f32::from_bits(0x7f80_0000 | (rest << 13)),
            _ => f32::from_bits((rest << 13) + ((127 - 15) << 23)),
        };
        f32::from_bits(value.to_bits() | sign)
    }
}

/// Writes a value for each slot.
#[inline(always)]
pub(super) fn fill<T: Copy>(to: &mut [Slot], from: &[T], value: impl Fn(T) -> f32) {
    for (slot, &item) in to.iter_mut().zip(from) {
        slot.write(value(item).to_ne_bytes());
    }
}

/// Both nibbles of each byte: the low ones to the first half of the slots, the high ones to the
/// second.
#[inline(always)]
pub(super) fn fill_nibbles(to: &mut [Slot], from: &[u8], value: impl Fn(u8) -> f32) {
    let (low, high) = to.split_at_mut(from.len());
    fill(low, from, |byte| value(byte & 15));
    fill(high, from, |byte| value(byte >> 4));
}

/// The loop over blocks; inlined, so that it can be compiled for more instructions than the
/// target's.
///
/// # Safety
/// `from` is readable for `count` blocks, `to` writable for their elements; they don't overlap.
#[inline(always)]
pub(super) unsafe fn run<T: Block<N>, const N: usize>(from: *const u8, to: *mut u8, count: usize) {
    const { assert!(align_of::<T>() == 1) };
    let (from, to) = (from.cast::<T>(), to.cast::<[Slot; N]>());
    for i in 0..count {
        // SAFETY: the block lies within the caller's, any bytes are valid, and there's no
        // alignment to keep.
        let block = unsafe { from.wrapping_add(i).read() };
        // SAFETY: the elements of block `i` lie within the caller's, which nobody else uses;
        // slots needn't be initialised and have no alignment.
        let slots = unsafe { &mut *to.wrapping_add(i) };
        if block.is_finite() {
            block.decode(slots);
        } else {
            decode_odd(&block, slots);
        }
    }
}

/// Decodes a block that may have NaN elements, which become the one NaN.
#[cold]
#[inline(never)]
fn decode_odd<T: Block<N>, const N: usize>(block: &T, to: &mut [Slot; N]) {
    let mut values = [Slot::new([0; 4]); N];
    block.decode(&mut values);
    for (slot, value) in to.iter_mut().zip(values) {
        // SAFETY: all of them were initialised above.
        let bytes = unsafe { value.assume_init() };
        let is_nan = f32::from_ne_bytes(bytes).is_nan();
        slot.write(if is_nan { NAN } else { bytes });
    }
}

/// Calls `decode` with each block and the room of its elements. Where it gives none, for a scale
/// isn't finite, plain Rust decodes the block. Inlined, so that `decode` may use more instructions
/// than the target's.
///
/// # Safety
/// As [`run`].
#[inline(always)]
pub(super) unsafe fn each<T: Block<N>, const N: usize>(
    from: *const u8,
    to: *mut u8,
    count: usize,
    decode: impl Fn(*const u8, *mut u8) -> Option<()>,
) {
    let (mut block, mut elements) = (from, to);
    for _ in 0..count {
        if decode(block, elements).is_none() {
            // SAFETY: the caller's promise, for this block.
            unsafe { decode_odd_at::<T, N>(block, elements) };
        }
        block = block.wrapping_add(size_of::<T>());
        elements = elements.wrapping_add(N * 4);
    }
}

/// [`decode_odd`] of a block and to room at these addresses.
///
/// # Safety
/// `block` is readable for a block, `to` writable for its elements; they don't overlap.
#[cold]
#[inline(never)]
unsafe fn decode_odd_at<T: Block<N>, const N: usize>(block: *const u8, to: *mut u8) {
    // SAFETY: the caller's promise; no alignment to keep, as `run` asserts.
    let block = unsafe { block.cast::<T>().read() };
    // SAFETY: the caller's promise; slots needn't be initialised and have no alignment.
    let slots = unsafe { &mut *to.cast::<[Slot; N]>() };
    decode_odd(&block, slots);
}
