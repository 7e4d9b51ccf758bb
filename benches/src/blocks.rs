//! fp8 and ggml's blocks to f32, against memcpy of as many bytes: what the memory allows.
//!
//! Rates count bytes read and bytes written, as in the conversions of f16.

use std::hint::black_box;

use crate::adit::{F8_E4M3FN, F8_E5M2, GGML, kernel};
use crate::arena::{Arena, SIZES, rounds};
use crate::data::Random;
use crate::harness::{Unit, interleave, report};
use crate::machine::libc;
use crate::memory::copy_over;
use crate::{Context, Result};

/// The dtypes, by the numbers of `adit_dtype`.
const DTYPES: [(&str, i32); 6] = [
    ("f8_e4m3fn", F8_E4M3FN),
    ("f8_e5m2", F8_E5M2),
    ("q8_0", GGML + 8),
    ("q4_0", GGML + 2),
    ("q4_K", GGML + 12),
    ("q6_K", GGML + 14),
];

/// Runs the benchmark.
///
/// # Errors
/// The library's.
pub fn run(context: &Context) -> Result<()> {
    println!("# GB/s of bytes read and written together");
    let most = SIZES.iter().map(|(bytes, _)| *bytes).max().unwrap_or(0);
    let Some(arena) = Arena::new(most, fill)? else {
        return Ok(());
    };
    for (name, dtype) in DTYPES {
        for (bytes, size) in SIZES {
            measure(context, &arena, (name, dtype), bytes, size)?;
        }
    }
    Ok(())
}

fn measure(
    context: &Context,
    arena: &Arena,
    (name, dtype): (&str, i32),
    bytes: usize,
    size: &str,
) -> Result<()> {
    let (block, elements) = kernel::block(dtype);
    let blocks = bytes / (block + 4 * elements);
    let from = &arena.from()[..blocks * block];
    let len = blocks * elements * 4;
    let moved = from.len() + len;
    let convert = if dtype >= GGML {
        kernel::dequantize
    } else {
        kernel::to_f32
    };
    let copied = &arena.from()[..moved / 2];
    let sides = [
        arena.side(len, moved, |to| convert(black_box(from), dtype, to)),
        arena.side(copied.len(), moved, |to| {
            copy_over(black_box(copied), to);
            Ok(())
        }),
    ];
    let [[ours], [limit]] = interleave(rounds(context, moved), sides)?;
    let (name, rate) = (format!("{name} to f32, {size}"), Unit::Rate(moved as f64));
    let memcpy = format!("memcpy of as many bytes ({})", libc());
    report(&name, rate, &ours, &limit, &memcpy);
    Ok(())
}

/// Any bytes: what they stand for makes no conversion slower.
pub fn fill(bytes: &mut [u8]) {
    let mut random = Random(5);
    for part in bytes.chunks_mut(8) {
        part.copy_from_slice(&random.next().to_le_bytes()[..part.len()]);
    }
}
