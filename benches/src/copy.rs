//! Copies of 256 bytes to 1 GiB, against the C library's memcpy. Rates count bytes one way.
//!
//! Each size at two places: both ends at the start of a line of the cache, and neither.

use std::hint::black_box;

use crate::adit::kernel;
use crate::arena::{Arena, rounds};
use crate::blocks::fill;
use crate::harness::{Unit, interleave, report};
use crate::machine::libc;
use crate::memory::copy_over;
use crate::{Context, Result};

const SIZES: [(usize, &str); 10] = [
    (256, "256 B"),
    (1 << 10, "1 KiB"),
    (4 << 10, "4 KiB"),
    (16 << 10, "16 KiB"),
    (64 << 10, "64 KiB"),
    (576 << 10, "576 KiB"),
    (6 << 20, "6 MiB"),
    (32 << 20, "32 MiB"),
    (256 << 20, "256 MiB"),
    (1 << 30, "1 GiB"),
];

/// Bytes that source and target are from the start of a line, and a name for it.
const PLACES: [(usize, usize, &str); 2] = [(0, 0, "aligned"), (4, 13, "not aligned")];

/// From this size on each has buffers of its own, so that the small ones run without them.
const LARGE: usize = 32 << 20;

/// Runs the benchmark.
///
/// # Errors
/// The library's, or bytes that differ.
pub fn run(context: &Context) -> Result<()> {
    let small = Arena::new(LARGE, fill)?;
    for (bytes, size) in SIZES {
        let own = match bytes {
            LARGE.. => Arena::new(bytes + 64, fill)?,
            _ => None,
        };
        if let Some(arena) = own.as_ref().or(small.as_ref().filter(|_| bytes < LARGE)) {
            let from = &arena.from()[..bytes];
            if !arena.result(bytes, |to| kernel::copy(from, to), |copied| copied == from)? {
                return Err(format!("{bytes} bytes were copied wrongly").into());
            }
            for place in PLACES {
                measure(context, arena, bytes, size, place)?;
            }
        }
    }
    Ok(())
}

fn measure(
    context: &Context,
    arena: &Arena,
    bytes: usize,
    size: &str,
    (from_skip, to_skip, place): (usize, usize, &str),
) -> Result<()> {
    let from = &arena.from()[from_skip..][..bytes];
    let sides = [
        arena.side_at(to_skip, bytes, bytes, |to| {
            kernel::copy(black_box(from), to)
        }),
        arena.side_at(to_skip, bytes, bytes, |to| {
            copy_over(black_box(from), to);
            Ok(())
        }),
    ];
    let [[ours], [memcpy]] = interleave(rounds(context, bytes), sides)?;
    let name = format!("copy of {size}, {place}");
    let peer = format!("memcpy ({})", libc());
    report(&name, Unit::Rate(bytes as f64), &ours, &memcpy, &peer);
    Ok(())
}
