//! f16 and bf16 to and from f32, against `half`'s slices and against memcpy of as many bytes.
//!
//! Rates count bytes read and bytes written. The limit is a memcpy of half of them: it reads and
//! writes as many as the conversion does.

use std::hint::black_box;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::adit::kernel;
use crate::arena::{Arena, SIZES, rounds};
use crate::data::Random;
use crate::harness::{Unit, interleave, report};
use crate::machine::libc;
use crate::memory::copy_over;
use crate::{Context, HALF, Result};

type Convert = fn(&[u8], &mut [u8]) -> Result<()>;

/// A conversion of elements of so many bytes.
struct Pair {
    name: &'static str,
    from_size: usize,
    to_size: usize,
    ours: Convert,
    half: Convert,
    fill: fn(&mut [u8]),
}

const PAIRS: [Pair; 4] = [
    Pair {
        name: "f16 to f32",
        from_size: 2,
        to_size: 4,
        ours: kernel::f16_to_f32,
        half: half_f16_to_f32,
        fill: |bytes| fill(bytes, |value| f16::from_f32(value).to_ne_bytes()),
    },
    Pair {
        name: "f32 to f16",
        from_size: 4,
        to_size: 2,
        ours: kernel::f32_to_f16,
        half: |from, to| {
            let to: &mut [f16] = bytemuck::cast_slice_mut(to);
            to.convert_from_f32_slice(bytemuck::cast_slice(from));
            Ok(())
        },
        fill: |bytes| fill(bytes, f32::to_ne_bytes),
    },
    Pair {
        name: "bf16 to f32",
        from_size: 2,
        to_size: 4,
        ours: kernel::bf16_to_f32,
        half: |from, to| {
            let from: &[bf16] = bytemuck::cast_slice(from);
            from.convert_to_f32_slice(bytemuck::cast_slice_mut(to));
            Ok(())
        },
        fill: |bytes| fill(bytes, |value| bf16::from_f32(value).to_ne_bytes()),
    },
    Pair {
        name: "f32 to bf16",
        from_size: 4,
        to_size: 2,
        ours: kernel::f32_to_bf16,
        half: |from, to| {
            let to: &mut [bf16] = bytemuck::cast_slice_mut(to);
            to.convert_from_f32_slice(bytemuck::cast_slice(from));
            Ok(())
        },
        fill: |bytes| fill(bytes, f32::to_ne_bytes),
    },
];

/// Runs the benchmark.
///
/// # Errors
/// The library's, or values that differ.
pub fn run(context: &Context) -> Result<()> {
    println!("# GB/s of bytes read and written together");
    let most = SIZES.iter().map(|(bytes, _)| *bytes).max().unwrap_or(0);
    for pair in &PAIRS {
        let Some(arena) = Arena::new(most / 6 * 4, pair.fill)? else {
            return Ok(());
        };
        for (bytes, size) in SIZES {
            pair.measure(context, &arena, bytes, size)?;
        }
    }
    Ok(())
}

impl Pair {
    fn measure(&self, context: &Context, arena: &Arena, bytes: usize, size: &str) -> Result<()> {
        let elements = bytes / (self.from_size + self.to_size);
        let from = &arena.from()[..elements * self.from_size];
        let (len, moved) = (elements * self.to_size, bytes);
        let ours = arena.result(len, |to| (self.ours)(from, to), <[u8]>::to_vec)?;
        if !arena.result(len, |to| (self.half)(from, to), |half| half == ours)? {
            return Err(format!("{}: other values than half's", self.name).into());
        }
        drop(ours);
        let copied = &arena.from()[..bytes / 2];
        let sides = [
            arena.side(len, moved, |to| (self.ours)(black_box(from), to)),
            arena.side(len, moved, |to| (self.half)(black_box(from), to)),
            arena.side(copied.len(), moved, |to| {
                copy_over(black_box(copied), to);
                Ok(())
            }),
        ];
        let [[ours], [half], [limit]] = interleave(rounds(context, moved), sides)?;
        let (name, rate) = (format!("{}, {size}", self.name), Unit::Rate(moved as f64));
        report(&name, rate, &ours, &half, HALF);
        let memcpy = format!("memcpy of as many bytes ({})", libc());
        report(&name, rate, &ours, &limit, &memcpy);
        Ok(())
    }
}

/// `half`'s slices, from any bytes of f16 at an even address.
///
/// # Errors
/// None: the type is that of ours.
pub fn half_f16_to_f32(from: &[u8], to: &mut [u8]) -> Result<()> {
    let from: &[f16] = bytemuck::cast_slice(from);
    from.convert_to_f32_slice(bytemuck::cast_slice_mut(to));
    Ok(())
}

/// Numbers in [-4, 4), a pattern of 2^18 - 5 of them again and again.
fn fill<const N: usize>(bytes: &mut [u8], encode: impl Fn(f32) -> [u8; N]) {
    let mut random = Random(3);
    let mut number = || random.below(1 << 27) as f32 / (1 << 24) as f32 - 4.0;
    let pattern: Vec<u8> = (0..(1 << 18) - 5).flat_map(|_| encode(number())).collect();
    for part in bytes.chunks_mut(pattern.len()) {
        part.copy_from_slice(&pattern[..part.len()]);
    }
}
