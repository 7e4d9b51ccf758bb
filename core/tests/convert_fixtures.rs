//! Conversions against NumPy, ml_dtypes and exact fractions: see `data/convert/make.py`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(missing_docs, reason = "tests")]

use std::fs;
use std::path::Path;

use adit_core::dtype::DType;
use adit_core::kernel::{Conversion, CpuPath, Overflow, Stores};

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/convert");
    fs::read(folder.join(format!("{name}.bin"))).unwrap()
}

fn converted(path: CpuPath, from: DType, to: DType, bytes: &[u8]) -> Vec<u8> {
    let conversion = Conversion::on(path, from, to, Overflow::Plain).unwrap();
    let count = bytes.len() / from.block_bytes() as usize;
    let mut result = vec![0; count * to.block_bytes() as usize];
    // SAFETY: both hold `count` elements.
    unsafe { conversion.run(bytes.as_ptr(), result.as_mut_ptr(), count, Stores::Auto) };
    result
}

fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// The sign, and the magnitude of infinity: what is above is NaN.
fn layout(dtype: DType) -> (u64, u64) {
    match dtype {
        DType::F16 => (1 << 15, 0x7C00),
        DType::BF16 => (1 << 15, 0x7F80),
        DType::F32 => (1 << 31, 0x7F80_0000),
        DType::F8E5M2 => (1 << 7, 0x7C),
        DType::F8E4M3FN => (1 << 7, 0x7E),
        DType::F8E8M0 => (0, 0xFE),
        other => panic!("{other:?}"),
    }
}

/// Equal bits; of NaNs only that they are, and their signs.
fn same(dtype: DType, ours: u64, theirs: u64) -> bool {
    let (sign, infinity) = layout(dtype);
    let nan = |bits: u64| bits & !sign > infinity;
    ours == theirs || nan(ours) && nan(theirs) && ours & sign == theirs & sign
}

fn check(from: DType, to: DType, inputs: &[u8], expected: &[u8]) {
    let (size_in, size_out) = (from.block_bytes() as usize, to.block_bytes() as usize);
    assert_eq!(inputs.len() / size_in, expected.len() / size_out);
    for path in CpuPath::available() {
        let results = converted(path, from, to, inputs);
        let pairs = results.chunks(size_out).zip(expected.chunks(size_out));
        for (input, (ours, theirs)) in inputs.chunks(size_in).zip(pairs) {
            assert!(
                same(to, word(ours), word(theirs)),
                "{input:02x?} as {to:?} on {path:?}: {ours:02x?}, not {theirs:02x?}"
            );
        }
    }
}

#[test]
fn patterns_of_8_bits_as_f32() {
    let patterns: Vec<u8> = (0..=u8::MAX).collect();
    for dtype in [DType::F8E4M3FN, DType::F8E5M2, DType::F8E8M0] {
        let expected = fixture(&format!("{}_to_f32", dtype.name()));
        assert_eq!(expected.len(), 1024);
        check(dtype, DType::F32, &patterns, &expected);
    }
}

#[test]
fn f32_midpoints_and_their_neighbours() {
    let inputs = fixture("f32");
    assert!(inputs.len() > 4 * 5000);
    for to in [
        DType::F16,
        DType::BF16,
        DType::F8E4M3FN,
        DType::F8E5M2,
        DType::F8E8M0,
    ] {
        check(
            DType::F32,
            to,
            &inputs,
            &fixture(&format!("f32_to_{}", to.name())),
        );
    }
}

#[test]
fn f64_and_i64_are_rounded_once() {
    for from in [DType::F64, DType::I64] {
        let inputs = fixture(from.name());
        assert!(inputs.len() >= 8 * 1000);
        for to in [DType::F16, DType::BF16, DType::F8E4M3FN, DType::F8E5M2] {
            let expected = fixture(&format!("{}_to_{}", from.name(), to.name()));
            check(from, to, &inputs, &expected);
        }
    }
}
