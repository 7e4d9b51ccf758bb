//! Every f32 there is, on every path: a minute of optimised code, so only `make test-exhaustive` runs it.

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

fn same_on_every_path(to: DType, overflow: Overflow, peer: impl Fn(&[f32]) -> Option<Vec<u8>>) {
    let on = |path| Conversion::on(path, DType::F32, to, overflow).unwrap();
    let scalar = on(CpuPath::Scalar);
    let others: Vec<(CpuPath, Conversion)> = CpuPath::available()
        .filter(|path| *path != CpuPath::Scalar)
        .map(|path| (path, on(path)))
        .collect();
    let mut inputs = vec![0f32; CHUNK as usize];
    let mut expected = vec![0u8; CHUNK as usize * scalar.bytes_out()];
    let mut results = expected.clone();
    for chunk in 0..=u32::MAX / CHUNK {
        for (i, input) in (0..CHUNK).zip(&mut inputs) {
            *input = f32::from_bits(chunk * CHUNK + i);
        }
        convert(&scalar, &inputs, &mut expected);
        if let Some(theirs) = peer(&inputs) {
            assert!(expected == theirs, "chunk {chunk} to {to:?}: the peer");
        }
        for (path, conversion) in &others {
            convert(conversion, &inputs, &mut results);
            assert!(results == expected, "chunk {chunk} to {to:?}: {path:?}");
        }
    }
}

fn both(to: DType, peer: impl Fn(&[f32]) -> Option<Vec<u8>>) {
    same_on_every_path(to, Overflow::Plain, peer);
    same_on_every_path(to, Overflow::Saturate, |_| None);
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
    same_on_every_path(DType::F64, Overflow::Plain, |_| None);
}
