//! The ternary types: 256 elements that are -d, 0 or d.

use super::block::{Block, Scale, Slot, fill};

/// Five elements a byte: a fraction of 256 whose digits, base 3, come out by multiplying.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Tq1_0 {
    qs32: [u8; 32],
    qs16: [u8; 16],
    qs4: [u8; 4],
    d: Scale,
}

const POWERS_OF_3: [u8; 5] = [1, 3, 9, 27, 81];

impl Block<256> for Tq1_0 {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        self.d.is_finite()
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 256]) {
        let d = self.d.get();
        let (to32, rest) = to.split_at_mut(160);
        let (to16, to4) = rest.split_at_mut(80);
        digits(to32, &self.qs32, d);
        digits(to16, &self.qs16, d);
        digits(to4, &self.qs4, d);
    }
}

/// The first digits of all bytes, then the second ones, as long as there are slots.
#[inline(always)]
fn digits<const N: usize>(to: &mut [Slot], from: &[u8; N], d: f32) {
    let (rows, _) = to.as_chunks_mut::<N>();
    for (row, power) in rows.iter_mut().zip(POWERS_OF_3) {
        fill(row, from, |byte| {
            let digit = (u16::from(byte.wrapping_mul(power)) * 3) >> 8;
            d * (i32::from(digit) - 1) as f32
        });
    }
}

/// Four elements a byte: d * (q - 1), q up to 3.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Tq2_0 {
    qs: [[u8; 32]; 2],
    d: Scale,
}

impl Block<256> for Tq2_0 {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        self.d.is_finite()
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 256]) {
        let d = self.d.get();
        let (rows, _) = to.as_chunks_mut::<32>();
        for (i, to) in rows.iter_mut().enumerate() {
            let shift = i % 4 * 2;
            fill(to, &self.qs[i / 4 % 2], |q| {
                d * (i32::from(q >> shift & 3) - 1) as f32
            });
        }
    }
}
