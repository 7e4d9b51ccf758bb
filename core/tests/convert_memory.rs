//! Conversions touch their own bytes only, at any alignment and length.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(missing_docs, reason = "tests")]

mod kernel_memory;

use adit_core::dtype::DType;
use adit_core::kernel::{Conversion, CpuPath, Overflow, Stores};
use kernel_memory::{CANARY, Guarded, noise};

const PLAIN: usize = 18;

/// Pairs with vector loops, and some that go through two loops.
const PAIRS: [(DType, DType); 24] = [
    (DType::F16, DType::F32),
    (DType::BF16, DType::F32),
    (DType::F8E4M3FN, DType::F32),
    (DType::F8E5M2, DType::F32),
    (DType::U8, DType::F32),
    (DType::I8, DType::F32),
    (DType::U16, DType::F32),
    (DType::I16, DType::F32),
    (DType::I32, DType::F32),
    (DType::F32, DType::F64),
    (DType::F64, DType::F32),
    (DType::F32, DType::F16),
    (DType::F32, DType::BF16),
    (DType::F32, DType::F8E4M3FN),
    (DType::F32, DType::F8E5M2),
    (DType::F64, DType::F16),
    (DType::F64, DType::BF16),
    (DType::Complex64, DType::Complex128),
    (DType::Complex128, DType::Complex64),
    (DType::F16, DType::Complex64),
    (DType::F16, DType::BF16),
    (DType::U8, DType::F16),
    (DType::I64, DType::I32),
    (DType::I64, DType::BF16),
];

fn expected(from: DType, to: DType, input: &[u8], count: usize) -> Vec<u8> {
    let scalar = Conversion::on(CpuPath::Scalar, from, to, Overflow::Plain).unwrap();
    let mut result = vec![0; count * scalar.bytes_out()];
    // SAFETY: both hold `count` elements.
    unsafe { scalar.run(input.as_ptr(), result.as_mut_ptr(), count, Stores::Cached) };
    result
}

/// Every short count; those around which vector loops begin to align their stores; one from which
/// they fetch their lines ahead. Each with memory for no more, which is quick to look through.
fn counts() -> [Vec<usize>; 3] {
    let some = vec![255, 256, 257, 511, 1023, 1024, 1100];
    [(0..=200).collect(), some, vec![13_200]]
}

/// Converts the first `count` elements of `input` on every path, between places in the memories.
fn check_every_path(
    (from, to): (DType, DType),
    (source, target): (&mut Guarded, &mut Guarded),
    input: &[u8],
    count: usize,
    places: &[(*mut u8, *mut u8)],
) {
    let size_in = count * from.block_bytes() as usize;
    let right = expected(from, to, input, count);
    for path in CpuPath::available() {
        let conversion = Conversion::on(path, from, to, Overflow::Plain).unwrap();
        for stores in [Stores::Cached, Stores::Streaming] {
            for &(read, written) in places {
                source.put(read, &input[..size_in]);
                target.fill();
                // SAFETY: between the guards.
                unsafe { conversion.run(read, written, count, stores) };
                target.check(written, &right, &(count, conversion, stores));
            }
        }
    }
}

#[test]
fn nothing_is_touched_past_either_end() {
    for counts in counts() {
        let most = *counts.last().unwrap();
        let (mut source, mut target) = (Guarded::new(most * 16), Guarded::new(most * 16));
        let input = noise(most * 16);
        for (from, to) in PAIRS {
            for &count in &counts {
                let sources = source.ends(count * from.block_bytes() as usize);
                let targets = target.ends(count * to.block_bytes() as usize);
                let places: Vec<_> = sources.into_iter().zip(targets).collect();
                let memory = (&mut source, &mut target);
                check_every_path((from, to), memory, &input, count, &places);
            }
        }
    }
}

#[test]
fn any_alignment_of_either_side() {
    let skews = [
        (1, 0),
        (0, 1),
        (3, 2),
        (2, 4),
        (7, 13),
        (8, 36),
        (31, 63),
        (0, 16),
    ];
    for counts in counts() {
        let most = *counts.last().unwrap();
        let room = most * 16 + 64;
        let (mut source, mut target) = (Guarded::new(room), Guarded::new(room));
        let input = noise(most * 16);
        let places = skews.map(|(skew_in, skew_out)| {
            let read = source.start().wrapping_add(skew_in);
            (read, target.start().wrapping_add(skew_out))
        });
        for pair in PAIRS {
            for &count in counts.iter().step_by(if most > 200 { 1 } else { 3 }) {
                let memory = (&mut source, &mut target);
                check_every_path(pair, memory, &input, count, &places);
            }
        }
    }
}

#[test]
fn every_pair_of_plain_dtypes_at_some_lengths() {
    let input = noise(3000 * 16);
    let plain = &DType::ALL[..PLAIN];
    for &from in plain {
        for &to in plain {
            let Some(scalar) = Conversion::on(CpuPath::Scalar, from, to, Overflow::Plain) else {
                continue;
            };
            for path in CpuPath::available() {
                let conversion = Conversion::on(path, from, to, Overflow::Plain).unwrap();
                for count in [0, 1, 2, 15, 33, 511, 512, 513, 3000] {
                    let right = expected(from, to, &input, count);
                    let mut result = vec![CANARY; count * scalar.bytes_out() + 1];
                    for stores in [Stores::Auto, Stores::Streaming] {
                        // SAFETY: `count` elements on both sides.
                        unsafe {
                            conversion.run(input.as_ptr(), result.as_mut_ptr(), count, stores);
                        }
                        assert_eq!(result.split_last(), Some((&CANARY, right.as_slice())));
                    }
                }
            }
        }
    }
}
