//! The K types: 256 elements, with scales of groups that have a scale themselves.

use super::block::{Block, Scale, Slot, fill};

/// 16 groups of 16, each d * scale * q - dmin * min; four 2-bit quants a byte.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Q2K {
    scales: [u8; 16],
    pub qs: [u8; 64],
    d: Scale,
    dmin: Scale,
}

impl Q2K {
    /// Of each group: d * scale, and dmin * min.
    #[inline(always)]
    pub(super) fn scales(&self) -> ([f32; 16], [f32; 16]) {
        let (d, dmin) = (self.d.get(), self.dmin.get());
        (
            self.scales.map(|scale| d * f32::from(scale & 15)),
            self.scales.map(|scale| dmin * f32::from(scale >> 4)),
        )
    }
}

impl Block<256> for Q2K {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        self.d.is_finite() && self.dmin.is_finite()
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 256]) {
        let (scales, mins) = self.scales();
        let (groups, _) = to.as_chunks_mut::<16>();
        for (i, ((to, scale), min)) in groups.iter_mut().zip(scales).zip(mins).enumerate() {
            let shift = pair_shift(i);
            fill(to, pair_bytes(&self.qs, i), |q| {
                scale * f32::from(q >> shift & 3) - min
            });
        }
    }
}

/// The 16 bytes that hold the 2-bit quants of group `i`: 32 bytes hold 128 elements, those of
/// groups 0 and 1 in their lowest bits.
#[inline(always)]
fn pair_bytes(qs: &[u8; 64], i: usize) -> &[u8; 16] {
    let (chunks, _) = qs.as_chunks::<16>();
    &chunks[i / 8 % 2 * 2 + i % 2]
}

/// By how much the bits of group `i` are shifted there.
#[inline(always)]
fn pair_shift(i: usize) -> usize {
    i / 2 % 4 * 2
}

/// 16 groups of 16, each d * (scale - 32) * q; the third bits of quants apart and inverted.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Q3K {
    hmask: [u8; 32],
    pub qs: [u8; 64],
    low: [u8; 8],
    high: [u8; 4],
    d: Scale,
}

impl Q3K {
    /// d * scale of each group: four bits from the first 8 bytes, two from the last 4.
    #[inline(always)]
    pub(super) fn scales(&self) -> [f32; 16] {
        const TWO_BITS: u32 = 0x3030_3030;
        const NIBBLES: u64 = 0x0f0f_0f0f_0f0f_0f0f;
        let d = self.d.get();
        let (low, high) = (u64::from_le_bytes(self.low), u32::from_le_bytes(self.high));
        let join =
            |first: u32, last: u32| u64::from(first & TWO_BITS) | u64::from(last & TWO_BITS) << 32;
        let [first, last] = [
            low & NIBBLES | join(high << 4, high << 2),
            low >> 4 & NIBBLES | join(high, high >> 2),
        ];
        let mut bytes = [0; 16];
        for (byte, from) in bytes
            .iter_mut()
            .zip([first, last].map(u64::to_le_bytes).as_flattened())
        {
            *byte = *from;
        }
        bytes.map(|scale| d * (i32::from(scale) - 32) as f32)
    }
}

impl Block<256> for Q3K {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        self.d.is_finite()
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 256]) {
        let (groups, _) = to.as_chunks_mut::<16>();
        let (highs, _) = self.hmask.as_chunks::<16>();
        for (i, (to, scale)) in groups.iter_mut().zip(self.scales()).enumerate() {
            let shift = pair_shift(i);
            let lows = pair_bytes(&self.qs, i);
            for ((slot, low), high) in to.iter_mut().zip(lows).zip(&highs[i % 2]) {
                let absent = !(high >> (i / 2 % 8)) & 1;
                let q = i32::from(low >> shift & 3) - i32::from(absent << 2);
                slot.write((scale * q as f32).to_ne_bytes());
            }
        }
    }
}

/// The scales and mins of Q4_K and Q5_K: 6 bits each, 8 of each in 12 bytes.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct ScalesAndMins([[u8; 4]; 3]);

impl ScalesAndMins {
    /// The scales and mins of the groups. The first four are the low 6 bits of bytes 0-3 and 4-7;
    /// of the last four, the low 4 bits are nibbles of bytes 8-11 and the high 2 are left there.
    #[inline(always)]
    fn get(self) -> ([u8; 8], [u8; 8]) {
        const NIBBLE: u32 = 0x0f0f_0f0f;
        let [scales, mins, nibbles] = self.0.map(u32::from_le_bytes);
        let left = |word: u32| word >> 2 & 0x3030_3030;
        let join = |first: u32, last: u32| {
            (u64::from(first & 0x3f3f_3f3f) | u64::from(last) << 32).to_le_bytes()
        };
        (
            join(scales, nibbles & NIBBLE | left(scales)),
            join(mins, nibbles >> 4 & NIBBLE | left(mins)),
        )
    }
}

/// What starts a block of Q4_K or Q5_K.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Head {
    d: Scale,
    dmin: Scale,
    scales: ScalesAndMins,
}

impl Head {
    #[inline(always)]
    pub(super) fn is_finite(&self) -> bool {
        self.d.is_finite() && self.dmin.is_finite()
    }

    /// Of each group: d * scale, and dmin * min.
    #[inline(always)]
    pub(super) fn scales(&self) -> ([f32; 8], [f32; 8]) {
        let (d, dmin) = (self.d.get(), self.dmin.get());
        let (scales, mins) = self.scales.get();
        (
            scales.map(|scale| d * f32::from(scale)),
            mins.map(|min| dmin * f32::from(min)),
        )
    }
}

/// 8 groups of 32, each d * scale * q - dmin * min; 32 bytes hold two groups, a nibble each.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Q4K {
    pub head: Head,
    pub qs: [[u8; 32]; 4],
}

impl Block<256> for Q4K {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        self.head.is_finite()
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 256]) {
        let (scales, mins) = self.head.scales();
        let (groups, _) = to.as_chunks_mut::<32>();
        for (i, ((to, scale), min)) in groups.iter_mut().zip(scales).zip(mins).enumerate() {
            let shift = i % 2 * 4;
            fill(to, &self.qs[i / 2 % 4], |q| {
                scale * f32::from(q >> shift & 15) - min
            });
        }
    }
}

/// As [`Q4K`]; the fifth bit of element j of group i is bit i of `qh[j]`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Q5K {
    pub head: Head,
    pub qh: [u8; 32],
    pub qs: [[u8; 32]; 4],
}

impl Block<256> for Q5K {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        self.head.is_finite()
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 256]) {
        let (scales, mins) = self.head.scales();
        let (groups, _) = to.as_chunks_mut::<32>();
        for (i, ((to, scale), min)) in groups.iter_mut().zip(scales).zip(mins).enumerate() {
            let qs = &self.qs[i / 2 % 4];
            for ((slot, low), high) in to.iter_mut().zip(qs).zip(&self.qh) {
                let q = low >> (i % 2 * 4) & 15 | (high >> (i % 8) & 1) << 4;
                slot.write((scale * f32::from(q) - min).to_ne_bytes());
            }
        }
    }
}

/// 16 groups of 16, each d * scale * (q - 32); two halves of 128 elements.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Q6K {
    ql: [[u8; 64]; 2],
    pub qh: [[u8; 32]; 2],
    pub tail: Q6KTail,
}

/// What ends a block of Q6_K.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Q6KTail {
    scales: [i8; 16],
    d: Scale,
}

impl Q6KTail {
    #[inline(always)]
    pub(super) fn is_finite(&self) -> bool {
        self.d.is_finite()
    }

    /// d * scale of each group.
    #[inline(always)]
    pub(super) fn scales(&self) -> [f32; 16] {
        let d = self.d.get();
        self.scales.map(|scale| d * f32::from(scale))
    }
}

impl Block<256> for Q6K {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        self.tail.is_finite()
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 256]) {
        let (groups, _) = to.as_chunks_mut::<16>();
        for (i, (to, scale)) in groups.iter_mut().zip(self.tail.scales()).enumerate() {
            let (half, part) = (i / 8 % 2, i % 8);
            let (lows, _) = self.ql[half].as_chunks::<16>();
            let (highs, _) = self.qh[half].as_chunks::<16>();
            let bits = lows[part % 4].iter().zip(&highs[part % 2]);
            for (slot, (low, high)) in to.iter_mut().zip(bits) {
                let low = low >> (part / 4 * 4) & 15;
                let q = i32::from(low | (high >> (part / 2 * 2) & 3) << 4) - 32;
                slot.write((scale * q as f32).to_ne_bytes());
            }
        }
    }
}
