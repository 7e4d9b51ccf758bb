//! Types of short blocks: 32 or 64 elements with a scale of their own.

use super::block::{Block, Scale, Slot, fill, fill_nibbles};

/// d * (nibble - 8).
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Q4_0 {
    d: Scale,
    qs: [u8; 16],
}

impl Block<32> for Q4_0 {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        self.d.is_finite()
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 32]) {
        let d = self.d.get();
        fill_nibbles(to, &self.qs, |q| d * (i32::from(q) - 8) as f32);
    }
}

/// d * nibble + m.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Q4_1 {
    d: Scale,
    m: Scale,
    qs: [u8; 16],
}

impl Block<32> for Q4_1 {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        self.d.is_finite() && self.m.is_finite()
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 32]) {
        let (d, m) = (self.d.get(), self.m.get());
        fill_nibbles(to, &self.qs, |q| d * f32::from(q) + m);
    }
}

/// d * (q - 16), the fifth bits apart: that of element i is bit i.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Q5_0 {
    d: Scale,
    qh: [u8; 4],
    qs: [u8; 16],
}

impl Block<32> for Q5_0 {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        self.d.is_finite()
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 32]) {
        let d = self.d.get();
        fill(to, &fifth_bits(self.qh, &self.qs), |q| {
            d * (i32::from(q) - 16) as f32
        });
    }
}

/// d * q + m, the fifth bits as in [`Q5_0`].
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Q5_1 {
    d: Scale,
    m: Scale,
    qh: [u8; 4],
    qs: [u8; 16],
}

impl Block<32> for Q5_1 {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        self.d.is_finite() && self.m.is_finite()
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 32]) {
        let (d, m) = (self.d.get(), self.m.get());
        fill(to, &fifth_bits(self.qh, &self.qs), |q| d * f32::from(q) + m);
    }
}

#[inline(always)]
fn fifth_bits(qh: [u8; 4], qs: &[u8; 16]) -> [u8; 32] {
    let qh = u32::from_le_bytes(qh);
    let mut q = [0; 32];
    let (low, high) = q.split_at_mut(16);
    for (i, ((low, high), byte)) in low.iter_mut().zip(high).zip(qs).enumerate() {
        *low = (byte & 15) | ((qh >> i) << 4 & 16) as u8;
        *high = (byte >> 4) | ((qh >> (i + 16)) << 4 & 16) as u8;
    }
    q
}

/// d * q.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Q8_0 {
    d: Scale,
    qs: [i8; 32],
}

impl Block<32> for Q8_0 {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        self.d.is_finite()
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 32]) {
        let d = self.d.get();
        fill(to, &self.qs, |q| f32::from(q) * d);
    }
}

/// The values of FP4 (E2M1, OCP MX), doubled so that they are whole.
pub(super) const FP4_DOUBLED: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// FP4 elements with a power of two as scale. No NaN: the exponent 255 is one as any.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Mxfp4 {
    e: u8,
    qs: [u8; 16],
}

/// Half of the scale of an MXFP4 block, 2^(e - 128), for the values are doubled.
#[inline(always)]
pub(super) fn half_of_e8m0(e: u8) -> f32 {
    match e {
        0..2 => f32::from_bits(0x0020_0000 << e),
        _ => f32::from_bits(u32::from(e - 1) << 23),
    }
}

impl Block<32> for Mxfp4 {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        true
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 32]) {
        let d = half_of_e8m0(self.e);
        fill_nibbles(to, &self.qs, |q| {
            d * f32::from(FP4_DOUBLED[usize::from(q & 15)])
        });
    }
}

/// FP4 elements, 16 with one scale: an E4M3 without its sign.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Nvfp4 {
    d: [u8; 4],
    qs: [[u8; 8]; 4],
}

/// Half of a scale. Exact: 4 bits of mantissa. The NaN 0x7f reads as 0, but 0xff, which no writer
/// writes, as the number that its lower bits would be.
#[inline(always)]
pub(super) fn half_of_ue4m3(byte: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
    match (byte, exponent) {
        (0x7f, _) => 0.0,
        (_, 0) => mantissa * (1.0 / 1024.0),
        // 2^(exponent - 8), of which 127 - 8 is the bias.
        _ => (1.0 + mantissa / 8.0) * f32::from_bits(((exponent + 119) as u32) << 23),
    }
}

impl Block<64> for Nvfp4 {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        true
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 64]) {
        let (groups, _) = to.as_chunks_mut::<16>();
        for ((to, &d), qs) in groups.iter_mut().zip(&self.d).zip(&self.qs) {
            let d = half_of_ue4m3(d);
            fill_nibbles(to, qs, |q| d * f32::from(FP4_DOUBLED[usize::from(q & 15)]));
        }
    }
}
