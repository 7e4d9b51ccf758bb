//! CRC-32C, against reading the same bytes with the widest loads. The library takes it from the
//! crate `crc-fast`, so there is no other peer.

use std::hint::black_box;

use crate::adit::kernel;
use crate::arena::{Arena, rounds};
use crate::blocks::fill;
use crate::harness::{Unit, interleave, report};
use crate::sum::sum;
use crate::{Context, Result};

const SIZES: [(usize, &str); 2] = [(4 << 10, "4 KiB"), (1 << 20, "1 MiB")];

/// Of "123456789", from the catalogue of parametrised CRC algorithms
/// (<https://reveng.sourceforge.io/crc-catalogue/all.htm>, CRC-32/ISCSI).
const CHECK: u32 = 0xe306_9283;

/// Runs the benchmark.
///
/// # Errors
/// A wrong checksum.
pub fn run(context: &Context) -> Result<()> {
    if kernel::crc32c(b"123456789") != CHECK {
        return Err("the library has another CRC-32C than the catalogue".into());
    }
    let Some(arena) = Arena::new(1 << 20, fill)? else {
        return Ok(());
    };
    for (bytes, size) in SIZES {
        let from = &arena.from()[..bytes];
        let sides = [
            arena.side(0, bytes, |_| {
                black_box(kernel::crc32c(black_box(from)));
                Ok(())
            }),
            arena.side(0, bytes, |_| {
                black_box(sum(black_box(from)));
                Ok(())
            }),
        ];
        let [[ours], [read]] = interleave(rounds(context, bytes), sides)?;
        let peer = "sequential read, one core (sum, widest loads)";
        let name = format!("CRC-32C of {size}");
        report(&name, Unit::Rate(bytes as f64), &ours, &read, peer);
    }
    Ok(())
}
