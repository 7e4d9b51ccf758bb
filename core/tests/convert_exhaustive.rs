//! Very many f32 on every path: a million of them, from every exponent alike, and all that there
//! are. The latter is a minute of optimised code, so only `make test-exhaustive` runs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(missing_docs, reason = "tests")]

use adit_core::dtype::DType;
use adit_core::kernel::{Conversion, CpuPath, Overflow, Stores};
use half::slice::HalfFloatSliceExt;

const CHUNK: u32 = 1 << 16;

fn convert(conversion: &Conversion, from: &[f32], to: &mut [u8]) {
    assert_eq!(to.len(), from.len() * conversion.bytes_out());
    // SAFETY: both hold as many elements.
    unsafe {
        conversion.run(
            from.as_ptr().cast(),
            to.as_mut_ptr(),
            from.len(),
            Stores::Auto,
        );
    }
}

/// Every f32 there is.
fn all() -> impl Iterator<Item = Vec<f32>> {
    let chunk = |start: u32| (0..CHUNK).map(move |i| f32::from_bits(start * CHUNK + i));
    (0..=u32::MAX / CHUNK).map(move |start| chunk(start).collect())
}

/// 2,048 mantissas of every exponent with either sign: evenly spread ones, and beside each half of
/// them the patterns where rounding to a narrower dtype turns.
fn of_every_exponent() -> impl Iterator<Item = Vec<f32>> {
    let mut state = 1u32;
    (0..512u32).map(move |exponent| {
        let mantissas = (0..2048u32).map(|number| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let spread = (number << 12) | (state >> 20);
            match number % 4 {
                // Ties of every width, and their neighbours.
                0 => (spread >> (number / 4 % 23)) << (number / 4 % 23),
                1 => ((spread >> (number / 4 % 23)) << (number / 4 % 23)).wrapping_add(1),
                2 => ((spread >> (number / 4 % 23)) << (number / 4 % 23)).wrapping_sub(1),
                _ => spread,
            }
        });
        let bits = mantissas.map(|mantissa| exponent << 23 | mantissa & 0x7F_FFFF);
        bits.map(f32::from_bits).collect()
    })
}

fn same_on_every_path(
    inputs: impl Iterator<Item = Vec<f32>>,
    to: DType,
    overflow: Overflow,
    peer: impl Fn(&[f32]) -> Option<Vec<u8>>,
) -> usize {
    let on = |path| Conversion::on(path, DType::F32, to, overflow).unwrap();
    let scalar = on(CpuPath::Scalar);
    let others: Vec<(CpuPath, Conversion)> = CpuPath::available()
        .filter(|path| *path != CpuPath::Scalar)
        .map(|path| (path, on(path)))
        .collect();
    let mut count = 0;
    for (chunk, inputs) in inputs.enumerate() {
        let mut expected = vec![0u8; inputs.len() * scalar.bytes_out()];
        let mut results = expected.clone();
        convert(&scalar, &inputs, &mut expected);
        if let Some(theirs) = peer(&inputs) {
            assert!(expected == theirs, "chunk {chunk} to {to:?}: the peer");
        }
        for (path, conversion) in &others {
            convert(conversion, &inputs, &mut results);
            assert!(results == expected, "chunk {chunk} to {to:?}: {path:?}");
        }
        count += inputs.len();
    }
    count
}

#[test]
fn a_million_of_every_exponent() {
    let narrow = [
        DType::F16,
        DType::BF16,
        DType::F8E4M3FN,
        DType::F8E5M2,
        DType::F8E8M0,
        DType::F64,
    ];
    for to in narrow {
        for overflow in [Overflow::Plain, Overflow::Saturate] {
            let count = same_on_every_path(of_every_exponent(), to, overflow, |inputs| {
                let halves = inputs.iter().map(|&value| half::f16::from_f32(value));
                (to == DType::F16 && overflow == Overflow::Plain)
                    .then(|| halves.flat_map(half::f16::to_le_bytes).collect())
            });
            assert_eq!(count, 1 << 20);
        }
    }
}

fn both(to: DType, peer: impl Fn(&[f32]) -> Option<Vec<u8>>) {
    same_on_every_path(all(), to, Overflow::Plain, peer);
    same_on_every_path(all(), to, Overflow::Saturate, |_| None);
}

#[test]
#[ignore = "long: make test-exhaustive"]
fn f32_to_f16() {
    both(DType::F16, |inputs| {
        let mut theirs = vec![half::f16::ZERO; inputs.len()];
        theirs.convert_from_f32_slice(inputs);
        Some(
            theirs
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        )
    });
}

#[test]
#[ignore = "long: make test-exhaustive"]
fn f32_to_bf16() {
    both(DType::BF16, |inputs| {
        let theirs = inputs.iter().map(|value| half::bf16::from_f32(*value));
        Some(theirs.flat_map(half::bf16::to_le_bytes).collect())
    });
}

#[test]
#[ignore = "long: make test-exhaustive"]
fn f32_to_f8_e4m3fn() {
    both(DType::F8E4M3FN, |_| None);
}

#[test]
#[ignore = "long: make test-exhaustive"]
fn f32_to_f8_e5m2() {
    both(DType::F8E5M2, |_| None);
}

#[test]
#[ignore = "long: make test-exhaustive"]
fn f32_to_f64() {
    same_on_every_path(all(), DType::F64, Overflow::Plain, |_| None);
}
