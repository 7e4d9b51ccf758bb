#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::number::Number;
use super::{Conversion, CpuPath, DType, Overflow, Stores, exact, plan};

const REAL: [DType; 16] = [
    DType::Bool,
    DType::I8,
    DType::I16,
    DType::I32,
    DType::I64,
    DType::U8,
    DType::U16,
    DType::U32,
    DType::U64,
    DType::F16,
    DType::BF16,
    DType::F32,
    DType::F64,
    DType::F8E4M3FN,
    DType::F8E5M2,
    DType::F8E8M0,
];

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

/// Patterns of bits, as the bytes of elements: all of them up to 16 bits.
fn patterns(dtype: DType) -> Vec<u8> {
    let mut state = 1;
    match dtype.block_bytes() {
        1 => (0..=u8::MAX).collect(),
        2 => (0..=u16::MAX).flat_map(u16::to_le_bytes).collect(),
        4 => wide(dtype == DType::F32, 8, 23, &mut state)
            .flat_map(|bits| (bits as u32).to_le_bytes())
            .collect(),
        _ => wide(dtype == DType::F64, 11, 52, &mut state)
            .flat_map(u64::to_le_bytes)
            .collect(),
    }
}

/// Every exponent with edges of mantissas and random ones; for integers every number of bits.
fn wide(float: bool, exponent: u32, mantissa: u32, state: &mut u64) -> impl Iterator<Item = u64> {
    let mut all = vec![0, u64::MAX, 1];
    let size = exponent + mantissa;
    for bit in 0..=size {
        for near in [0, 1, 2, u64::MAX, u64::MAX - 1] {
            let power = (1u64 << bit).wrapping_add(near);
            all.extend([power, power.wrapping_neg(), power ^ (1 << size)]);
        }
        all.extend((0..64).map(|_| random(state) >> (63 - bit)));
        all.extend((0..64).map(|_| (random(state) >> (63 - bit)).wrapping_neg()));
    }
    for field in 0..if float { 1u64 << exponent } else { 0 } {
        let mut mantissas = vec![0, u64::MAX];
        // Within what is finite in f32 every bit, beyond it one of many.
        let near = field.abs_diff((1 << (exponent - 1)) - 1) < 160;
        let skip = (random(state) % 26) as usize;
        let bits = (0..mantissa).skip(if near { 0 } else { skip });
        for bit in bits.step_by(if near { 1 } else { 26 }) {
            // Midpoints of formats with fewer bits, with an even or odd bit before; neighbours.
            for more in [0, 1 << (bit + 1), random(state) << (bit + 1)] {
                let middle = (1 << bit) + more;
                mantissas.extend([middle, middle + 1, middle.wrapping_sub(1)]);
            }
        }
        mantissas.extend((0..16).map(|_| random(state)));
        for bits in mantissas {
            let magnitude = field << mantissa | bits & ((1 << mantissa) - 1);
            all.extend([magnitude, magnitude | 1 << size]);
        }
    }
    all.into_iter()
}

fn converted(conversion: &Conversion, from: &[u8]) -> Vec<u8> {
    let count = from.len() / conversion.from().block_bytes() as usize;
    let mut to = vec![0u8; count * conversion.to().block_bytes() as usize];
    // SAFETY: both hold `count` elements.
    unsafe { conversion.run(from.as_ptr(), to.as_mut_ptr(), count, Stores::Auto) };
    to
}

/// By exact numbers only.
fn defined(from: DType, to: DType, saturate: bool, bytes: &[u8]) -> Vec<u8> {
    let saturate = saturate && !plan::holds(to, from);
    let count = bytes.len() / from.block_bytes() as usize;
    let mut numbers: Vec<Number> = Vec::with_capacity(count);
    let middle: *mut u8 = numbers.as_mut_ptr().cast();
    // SAFETY: `count` elements, and room for as many numbers.
    unsafe { exact::unpack(from).unwrap()(bytes.as_ptr(), middle, count) };
    let mut result = vec![0; count * to.block_bytes() as usize];
    // SAFETY: as many numbers, and room for as many elements.
    unsafe { exact::pack(to, saturate).unwrap()(middle, result.as_mut_ptr(), count) };
    result
}

#[test]
fn every_pair_on_every_path_is_as_defined() {
    for from in REAL {
        let inputs = patterns(from);
        let size_in = from.block_bytes() as usize;
        for to in REAL {
            for overflow in [Overflow::Plain, Overflow::Saturate] {
                let expected = if from == to {
                    inputs.clone()
                } else {
                    defined(from, to, overflow == Overflow::Saturate, &inputs)
                };
                for path in CpuPath::available() {
                    let conversion = Conversion::on(path, from, to, overflow).unwrap();
                    let results = converted(&conversion, &inputs);
                    let size_out = to.block_bytes() as usize;
                    let elements = inputs.chunks(size_in).zip(results.chunks(size_out));
                    for ((input, result), right) in elements.zip(expected.chunks(size_out)) {
                        assert_eq!(
                            result, right,
                            "{input:02x?} {from:?} to {to:?} {overflow:?} on {path:?}"
                        );
                    }
                }
            }
        }
    }
}
