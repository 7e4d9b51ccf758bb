//! IQ4_NL and IQ4_XS: each element is one of 16 values, scaled.

use super::block::{Block, Scale, Slot, fill_nibbles};

/// The values of IQ4_NL and IQ4_XS (`kvalues_iq4nl` of ggml, MIT licence).
pub(super) const IQ4_VALUES: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

/// d * one of 16 values.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Iq4Nl {
    d: Scale,
    qs: [u8; 16],
}

impl Block<32> for Iq4Nl {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        self.d.is_finite()
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 32]) {
        let d = self.d.get();
        fill_nibbles(to, &self.qs, |q| {
            d * f32::from(IQ4_VALUES[usize::from(q & 15)])
        });
    }
}

/// 8 groups of 32, each d * (scale - 32) * one of 16 values.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Iq4Xs {
    pub head: Iq4XsHead,
    pub qs: [[u8; 16]; 8],
}

/// What starts a block of IQ4_XS.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Iq4XsHead {
    d: Scale,
    scales_high: [u8; 2],
    scales_low: [u8; 4],
}

impl Iq4XsHead {
    #[inline(always)]
    pub(super) fn is_finite(&self) -> bool {
        self.d.is_finite()
    }

    /// d * scale of each group.
    #[inline(always)]
    pub(super) fn scales(&self) -> [f32; 8] {
        let (d, high) = (self.d.get(), u16::from_le_bytes(self.scales_high));
        let mut all = [0.0; 8];
        for (i, scale) in all.iter_mut().enumerate() {
            let bits =
                u16::from(self.scales_low[i / 2] >> (i % 2 * 4) & 15) | (high >> (2 * i) & 3) << 4;
            *scale = d * (i32::from(bits) - 32) as f32;
        }
        all
    }
}

impl Block<256> for Iq4Xs {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        self.head.is_finite()
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 256]) {
        let (groups, _) = to.as_chunks_mut::<32>();
        for ((to, qs), scale) in groups.iter_mut().zip(&self.qs).zip(self.head.scales()) {
            fill_nibbles(to, qs, |q| {
                scale * f32::from(IQ4_VALUES[usize::from(q & 15)])
            });
        }
    }
}
