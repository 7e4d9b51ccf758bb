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

#[test]
fn nothing_is_touched_past_either_end() {
    let (mut source, mut target) = (Guarded::new(200 * 16), Guarded::new(200 * 16));
    let input = noise(200 * 16);
    for (from, to) in PAIRS {
        let conversions: Vec<Conversion> = CpuPath::available()
            .map(|path| Conversion::on(path, from, to, Overflow::Plain).unwrap())
            .collect();
        for count in 0..=200 {
            let size_in = count * from.block_bytes() as usize;
            let right = expected(from, to, &input, count);
            for conversion in &conversions {
                for stores in [Stores::Cached, Stores::Streaming] {
                    let ends = source
                        .ends(size_in)
                        .into_iter()
                        .zip(target.ends(right.len()));
                    for (read, written) in ends {
                        source.put(read, &input[..size_in]);
                        target.fill();
                        // SAFETY: between the guards.
                        unsafe { conversion.run(read, written, count, stores) };
                        target.check(written, &right, &(count, conversion, stores));
                    }
                }
            }
        }
    }
}

#[test]
fn any_alignment_of_either_side() {
    let input = noise(200 * 16 + 64);
    let mut output = vec![CANARY; 200 * 16 + 256];
    for (from, to) in PAIRS {
        for path in CpuPath::available() {
            let conversion = Conversion::on(path, from, to, Overflow::Plain).unwrap();
            for (skew_in, skew_out) in [(1, 0), (0, 1), (3, 2), (2, 4), (7, 13), (8, 36), (31, 63)]
            {
                for count in (0..=200).step_by(if skew_out % 2 == 1 { 7 } else { 3 }) {
                    for stores in [Stores::Cached, Stores::Streaming] {
                        output.fill(CANARY);
                        let right = expected(from, to, &input[skew_in..], count);
                        let result = &mut output[64 + skew_out..];
                        // SAFETY: `count` elements on both sides.
                        unsafe {
                            conversion.run(
                                input[skew_in..].as_ptr(),
                                result.as_mut_ptr(),
                                count,
                                stores,
                            );
                        }
                        let (before, after) = output.split_at(64 + skew_out);
                        let (result, after) = after.split_at(right.len());
                        assert_eq!(result, right, "{count} of {conversion:?}, {stores:?}");
                        assert!(before.iter().chain(after).all(|byte| *byte == CANARY));
                    }
                }
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
