//! The IQ types: 256 elements, whose values are rows of a grid, with signs of their own or a
//! shift.

use super::block::{Block, Scale, Slot};
use super::grids;

/// A block of 16 groups of 16.
pub(super) trait Grid: Copy {
    fn d(&self) -> Scale;

    /// Group `i`, below 16, where `d` is the value of [`Grid::d`].
    fn group(&self, i: usize, d: f32) -> Group;
}

/// 16 elements, each scale * value, negated where its bit of `signs` is set. No value is 0.
pub(super) struct Group {
    pub values: [i8; 16],
    pub signs: u16,
    pub scale: f32,
}

impl<T: Grid> Block<256> for T {
    #[inline(always)]
    fn is_finite(&self) -> bool {
        self.d().is_finite()
    }

    #[inline(always)]
    fn decode(&self, to: &mut [Slot; 256]) {
        let d = self.d().get();
        let (groups, _) = to.as_chunks_mut::<16>();
        for (i, to) in groups.iter_mut().enumerate() {
            let group = self.group(i, d);
            for (j, (slot, value)) in to.iter_mut().zip(group.values).enumerate() {
                let sign = u32::from(group.signs >> j & 1) << 31;
                let bits = (group.scale * f32::from(value)).to_bits() ^ sign;
                slot.write(bits.to_ne_bytes());
            }
        }
    }
}

/// Rows side by side.
#[inline(always)]
fn join<const ROW: usize, const ROWS: usize>(rows: [[i8; ROW]; ROWS]) -> [i8; 16] {
    const { assert!(ROW * ROWS == 16) };
    let mut values = [0; 16];
    values.copy_from_slice(rows.as_flattened());
    values
}

/// Seven signs, and the eighth that makes the number of them even.
#[inline(always)]
fn even_signs(seven: u32) -> u16 {
    let seven = (seven & 127) as u16;
    seven | ((seven.count_ones() & 1) << 7) as u16
}

/// Nibble `i` of some bytes.
#[inline(always)]
fn nibble<const N: usize>(bytes: &[u8; N], i: usize) -> u8 {
    bytes[i / 2] >> (i % 2 * 4) & 15
}

/// 8 pairs of groups: four rows of IQ2_XXS, then 4 times 7 signs and 4 bits of scale.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Iq2Xxs {
    d: Scale,
    pairs: [[[u8; 4]; 2]; 8],
}

impl Grid for Iq2Xxs {
    #[inline(always)]
    fn d(&self) -> Scale {
        self.d
    }

    #[inline(always)]
    fn group(&self, i: usize, d: f32) -> Group {
        let [rows, rest] = self.pairs[i / 2];
        let (rows, rest) = (
            [rows[i % 2 * 2], rows[i % 2 * 2 + 1]],
            u32::from_le_bytes(rest),
        );
        let signs = rest >> (i % 2 * 14);
        Group {
            values: join(rows.map(|row| grids::IQ2_XXS_ROWS[usize::from(row)])),
            signs: even_signs(signs) | even_signs(signs >> 7) << 8,
            scale: d * (0.5 + (rest >> 28) as f32) * 0.25,
        }
    }
}

/// In each group two rows of IQ2_XS, of 9 bits with 7 signs above.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Iq2Xs {
    d: Scale,
    rows: [[[u8; 2]; 2]; 16],
    scales: [u8; 8],
}

impl Grid for Iq2Xs {
    #[inline(always)]
    fn d(&self) -> Scale {
        self.d
    }

    #[inline(always)]
    fn group(&self, i: usize, d: f32) -> Group {
        let rows = self.rows[i].map(u16::from_le_bytes);
        let [low, high] = rows.map(|row| even_signs(u32::from(row >> 9)));
        Group {
            values: join(rows.map(|row| grids::IQ2_XS_ROWS[usize::from(row & 511)])),
            signs: low | high << 8,
            scale: d * (0.5 + f32::from(nibble(&self.scales, i))) * 0.25,
        }
    }
}

/// In each group two rows of IQ2_S, of 8 bits and 2 more in `high`, with 8 signs each.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Iq2S {
    d: Scale,
    low: [[u8; 2]; 16],
    signs: [[u8; 2]; 16],
    high: [u8; 8],
    scales: [u8; 8],
}

impl Grid for Iq2S {
    #[inline(always)]
    fn d(&self) -> Scale {
        self.d
    }

    #[inline(always)]
    fn group(&self, i: usize, d: f32) -> Group {
        let low = self.low[i].map(usize::from);
        let high = usize::from(nibble(&self.high, i));
        let rows = [low[0] | (high & 3) << 8, low[1] | (high >> 2) << 8];
        Group {
            values: join(rows.map(|row| grids::IQ2_S_ROWS[row & 1023])),
            signs: u16::from_le_bytes(self.signs[i]),
            scale: d * (0.5 + f32::from(nibble(&self.scales, i))) * 0.25,
        }
    }
}

/// In each group four rows of IQ3_XXS; for each pair of groups, 4 times 7 signs and 4 bits of
/// scale.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Iq3Xxs {
    d: Scale,
    rows: [[u8; 4]; 16],
    signs_and_scales: [[u8; 4]; 8],
}

impl Grid for Iq3Xxs {
    #[inline(always)]
    fn d(&self) -> Scale {
        self.d
    }

    #[inline(always)]
    fn group(&self, i: usize, d: f32) -> Group {
        let rest = u32::from_le_bytes(self.signs_and_scales[i / 2]);
        let signs = rest >> (i % 2 * 14);
        Group {
            values: join(self.rows[i].map(|row| grids::IQ3_XXS_ROWS[usize::from(row)])),
            signs: even_signs(signs) | even_signs(signs >> 7) << 8,
            scale: d * (0.5 + (rest >> 28) as f32) * 0.5,
        }
    }
}

/// In each group four rows of IQ3_S, of 8 bits and 1 more in `high`; a scale a pair of groups.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Iq3S {
    d: Scale,
    low: [[u8; 4]; 16],
    high: [u8; 8],
    signs: [[u8; 2]; 16],
    scales: [u8; 4],
}

impl Grid for Iq3S {
    #[inline(always)]
    fn d(&self) -> Scale {
        self.d
    }

    #[inline(always)]
    fn group(&self, i: usize, d: f32) -> Group {
        let high = usize::from(nibble(&self.high, i));
        let [a, b, c, e] = self.low[i].map(usize::from);
        let rows = [
            a | (high & 1) << 8,
            b | (high & 2) << 7,
            c | (high & 4) << 6,
            e | (high & 8) << 5,
        ];
        Group {
            values: join(rows.map(|row| grids::IQ3_S_ROWS[row & 511])),
            signs: u16::from_le_bytes(self.signs[i]),
            scale: d * f32::from(1 + 2 * nibble(&self.scales, i / 2)),
        }
    }
}

/// A row of IQ1_S, shifted by an eighth up or down, in eighths. That keeps every bit of scale *
/// (value + shift): all of it is exact, even of an eighth of the scale.
#[inline(always)]
fn shifted(row: usize, down: bool) -> [i8; 8] {
    const SIGNS: u64 = 0x8080_8080_8080_8080;
    let eighths = u64::from_ne_bytes(grids::IQ1_S_EIGHTHS[row & 2047].map(i8::cast_unsigned));
    // -1 or 1 in each byte, added without carry from one to the next.
    let shift = if down {
        u64::MAX
    } else {
        0x0101_0101_0101_0101
    };
    let sum = ((eighths & !SIGNS) + (shift & !SIGNS)) ^ ((eighths ^ shift) & SIGNS);
    sum.to_ne_bytes().map(u8::cast_signed)
}

/// In each group two rows of IQ1_S, of 8 bits and 3 more in `high`; there too, for each pair of
/// groups, 3 bits of scale and the direction of the shift.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Iq1S {
    d: Scale,
    low: [[u8; 2]; 16],
    high: [[u8; 2]; 8],
}

impl Grid for Iq1S {
    #[inline(always)]
    fn d(&self) -> Scale {
        self.d
    }

    #[inline(always)]
    fn group(&self, i: usize, d: f32) -> Group {
        let high = u16::from_le_bytes(self.high[i / 2]);
        let bits = usize::from(high) >> (i % 2 * 6);
        let low = self.low[i].map(usize::from);
        let rows = [low[0] | (bits & 7) << 8, low[1] | (bits >> 3 & 7) << 8];
        Group {
            values: join(rows.map(|row| shifted(row, high & 0x8000 != 0))),
            signs: 0,
            scale: d * f32::from(2 * (high >> 12 & 7) + 1) * 0.125,
        }
    }
}

/// In each group two rows of IQ1_S, of 8 bits and 3 more in a nibble of `high`, whose last bit is
/// the direction of the shift. The f16 scale lies in four nibbles above the 3-bit scales.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Iq1M {
    low: [[u8; 2]; 16],
    high: [u8; 16],
    scales: [[u8; 2]; 4],
}

impl Grid for Iq1M {
    #[inline(always)]
    fn d(&self) -> Scale {
        let [a, b, c, d] = self
            .scales
            .map(|scales| u16::from_le_bytes(scales) & 0xf000);
        Scale((a >> 12 | b >> 8 | c >> 4 | d).to_le_bytes())
    }

    #[inline(always)]
    fn group(&self, i: usize, d: f32) -> Group {
        let scales = u16::from_le_bytes(self.scales[i / 4]);
        let (low, high) = (self.low[i].map(usize::from), usize::from(self.high[i]));
        let rows = [
            shifted(low[0] | (high & 7) << 8, high & 8 != 0),
            shifted(low[1] | (high >> 4 & 7) << 8, high & 0x80 != 0),
        ];
        Group {
            values: join(rows),
            signs: 0,
            scale: d * f32::from(2 * (scales >> (i % 4 * 3) & 7) + 1) * 0.125,
        }
    }
}
