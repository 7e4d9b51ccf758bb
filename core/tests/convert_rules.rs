//! What the documentation of `Conversion` promises, on every path.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(missing_docs, reason = "tests")]

use std::arch::asm;

use Overflow::{Plain, Saturate};
use adit_core::dtype::DType;
use adit_core::kernel::{Conversion, CpuPath, Overflow, Stores};

fn run(conversion: &Conversion, input: &[u8]) -> Vec<u8> {
    let count = input.len() / conversion.from().block_bytes() as usize;
    let mut result = vec![0; count * conversion.bytes_out()];
    // SAFETY: both hold `count` elements.
    unsafe { conversion.run(input.as_ptr(), result.as_mut_ptr(), count, Stores::Auto) };
    result
}

/// One value among 100 of its kind, so that vector loops see it; the answer is that of all.
fn one(from: DType, to: DType, overflow: Overflow, bits: u64) -> u64 {
    let size = from.block_bytes() as usize;
    let input = bits.to_le_bytes()[..size].repeat(100);
    let mut answers = CpuPath::available().map(|path| {
        let conversion = Conversion::on(path, from, to, overflow).unwrap();
        let result = run(&conversion, &input);
        let first = &result[..conversion.bytes_out()];
        assert!(result.chunks(first.len()).all(|other| other == first));
        let mut word = [0; 8];
        word[..first.len()].copy_from_slice(first);
        u64::from_le_bytes(word)
    });
    let answer = answers.next().unwrap();
    assert!(
        answers.all(|other| other == answer),
        "{from:?} {to:?} {bits:x}"
    );
    answer
}

fn f32_bits(value: f32) -> u64 {
    value.to_bits().into()
}

#[test]
fn nans_come_out_quiet_with_sign_and_payload() {
    use DType::{BF16, F8E4M3FN, F8E5M2, F8E8M0, F16, F32, F64, I32};
    for (from, to, bits, expected) in [
        (F16, F32, 0xFC01, 0xFFC0_2000),
        (F16, F16, 0xFC01, 0xFC01),
        (BF16, F32, 0x7F81, 0x7FC1_0000),
        (F32, F16, 0x7F80_0001, 0x7E00),
        (F32, F16, 0xFFA0_2000, 0xFF01),
        (F32, BF16, 0xFF80_0001, 0xFFC0),
        (F32, F64, 0x7F80_0001, 0x7FF8_0000_2000_0000),
        (F64, F32, 0xFFF0_0000_0000_0001, 0xFFC0_0000),
        (F64, F16, 0x7FF4_0000_0000_0000, 0x7F00),
        (F64, BF16, 0xFFF0_0000_0000_0001, 0xFFC0),
        (F32, F8E5M2, 0xFFA0_0000, 0xFF),
        (F32, F8E4M3FN, 0xFFA0_0000, 0xFF),
        (F32, F8E8M0, 0xFFA0_0000, 0xFF),
        (F8E4M3FN, F32, 0xFF, 0xFFC0_0000),
        (F8E5M2, F32, 0x7D, 0x7FE0_0000),
        (F8E8M0, F64, 0xFF, 0x7FF8_0000_0000_0000),
        (F32, I32, 0xFFC0_0000, 0),
    ] {
        for overflow in [Plain, Saturate] {
            let result = one(from, to, overflow, bits);
            assert_eq!(
                result, expected,
                "{from:?} to {to:?}: {bits:x} is {result:x}"
            );
        }
    }
}

#[test]
fn what_does_not_fit() {
    use DType::{BF16, F8E4M3FN, F8E5M2, F8E8M0, F16, F32, F64, I8, I32, I64, U8, U16};
    let infinity = f32_bits(f32::INFINITY);
    for (from, to, bits, plain, saturated) in [
        (F32, F16, f32_bits(65520.0), 0x7C00, 0x7BFF),
        (F32, F16, f32_bits(-1e9), 0xFC00, 0xFBFF),
        (F32, F16, infinity, 0x7C00, 0x7BFF),
        (F32, BF16, 0x7F7F_8000, 0x7F80, 0x7F7F),
        (F32, BF16, infinity, 0x7F80, 0x7F7F),
        (F32, F8E4M3FN, f32_bits(464.5), 0x7F, 0x7E),
        (F32, F8E4M3FN, f32_bits(464.0), 0x7E, 0x7E),
        (F32, F8E4M3FN, f32_bits(f32::NEG_INFINITY), 0xFF, 0xFE),
        (F32, F8E5M2, f32_bits(61440.0), 0x7C, 0x7B),
        (F32, F8E8M0, infinity, 0xFF, 0xFE),
        (F32, F8E8M0, f32_bits(0.0), 0xFF, 0x00),
        (F32, F8E8M0, f32_bits(-3.0), 0xFF, 0x00),
        (F64, F32, 1e300f64.to_bits(), 0x7F80_0000, 0x7F7F_FFFF),
        (F64, F16, 1e300f64.to_bits(), 0x7C00, 0x7BFF),
        // Wider targets keep infinities.
        (
            F32,
            F64,
            infinity,
            f64::INFINITY.to_bits(),
            f64::INFINITY.to_bits(),
        ),
        (F16, BF16, 0x7C00, 0x7F80, 0x7F80),
        (F8E5M2, F16, 0xFC, 0xFC00, 0xFC00),
        (BF16, F16, 0x7F80, 0x7C00, 0x7BFF),
        (U16, F16, 65535, 0x7C00, 0x7BFF),
        // Integers.
        (I32, U8, 300, 44, 255),
        (I32, I8, (-300i64).cast_unsigned() & 0xFFFF_FFFF, 212, 0x80),
        (I64, U16, u64::MAX, 0xFFFF, 0),
        (F32, U8, f32_bits(300.0), 255, 255),
        (F32, I8, f32_bits(-1e30), 0x80, 0x80),
        (F32, U8, f32_bits(-0.9), 0, 0),
        (F32, I32, f32_bits(-1.9), 0xFFFF_FFFF, 0xFFFF_FFFF),
    ] {
        assert_eq!(one(from, to, Plain, bits), plain, "{from:?} to {to:?}");
        assert_eq!(
            one(from, to, Saturate, bits),
            saturated,
            "{from:?} to {to:?}"
        );
    }
}

#[test]
fn truth() {
    use DType::{Bool, F16, F32, F64, I16, I64};
    for (from, to, bits, expected) in [
        (F32, Bool, f32_bits(f32::NAN), 1),
        (F32, Bool, f32_bits(-0.0), 0),
        (F32, Bool, 1, 1),
        (F64, Bool, 1, 1),
        (F16, Bool, 0x8000, 0),
        (I64, Bool, 1 << 40, 1),
        (Bool, I16, 0x80, 1),
        (Bool, F32, 2, f32_bits(1.0)),
        (Bool, F16, 0, 0),
        (Bool, Bool, 2, 2),
    ] {
        assert_eq!(one(from, to, Plain, bits), expected, "{from:?} to {to:?}");
    }
}

#[test]
fn complex_numbers() {
    use DType::{Complex64, Complex128, F16, F32, F64, I64, U8};
    let as_complex = |from, to, bytes: &[u8]| {
        let conversion = Conversion::new(from, to, Plain).unwrap();
        run(&conversion, bytes)
    };
    let pair = |real: f64, imaginary: f64| [real.to_le_bytes(), imaginary.to_le_bytes()].concat();
    let half = as_complex(F16, Complex128, &0xC000u16.to_le_bytes());
    assert_eq!(half, pair(-2.0, 0.0));
    let integer = as_complex(I64, Complex128, &((1i64 << 53) - 1).to_le_bytes());
    assert_eq!(integer, pair(9_007_199_254_740_991.0, 0.0));
    let byte = as_complex(U8, Complex64, &[7]);
    assert_eq!(byte, [7f32.to_le_bytes(), 0f32.to_le_bytes()].concat());
    let narrow = as_complex(Complex128, Complex64, &pair(1e300, -0.5));
    let expected = [f32::INFINITY.to_le_bytes(), (-0.5f32).to_le_bytes()];
    assert_eq!(narrow, expected.concat());
    assert_eq!(
        as_complex(Complex64, Complex128, &narrow),
        pair(f64::INFINITY, -0.5)
    );
    for real in [F32, F64, I64, DType::Bool] {
        assert!(Conversion::new(Complex64, real, Plain).is_none());
        assert!(Conversion::new(Complex128, real, Saturate).is_none());
    }
}

#[test]
fn pairs_that_make_sense() {
    let (plain, others) = DType::ALL.split_at(18);
    let (copied, blocks) = others.split_at(2);
    assert!(plain.iter().all(|dtype| !dtype.is_block()) && blocks.iter().all(|b| b.is_block()));
    assert_eq!(copied, [DType::F8E4M3FNUZ, DType::F8E5M2FNUZ]);
    for path in CpuPath::available() {
        let exists = |from, to| Conversion::on(path, from, to, Plain).is_some();
        let pairs = plain
            .iter()
            .map(|&from| plain.iter().filter(|&&to| exists(from, to)).count());
        // Both complex dtypes become each other and themselves only.
        assert_eq!(pairs.sum::<usize>(), 16 * 18 + 2 * 2);
        for &block in blocks {
            assert!(exists(block, block));
            assert!(plain.iter().all(|&from| !exists(from, block)));
            assert!(!exists(block, DType::I8) && !exists(block, DType::Complex64));
        }
        for &only in copied
            .iter()
            .chain(blocks)
            .filter(|dtype| dtype.number() < 100)
        {
            let others = DType::ALL.iter().filter(|&&other| other != only);
            assert!(exists(only, only));
            for &other in others {
                assert!(
                    !exists(only, other) && !exists(other, only),
                    "{only:?} {other:?}"
                );
            }
        }
    }
    let copy = Conversion::new(DType::Q4_0, DType::Q4_0, Plain).unwrap();
    let input: Vec<u8> = (0..36).collect();
    assert_eq!((run(&copy, &input), copy.bytes_out()), (input, 18));
}

#[test]
fn blocks_become_other_floats_by_way_of_f32() {
    let plain_bytes = awkward();
    for &block in &DType::ALL[18..] {
        for path in CpuPath::available() {
            let on = |from, to, overflow| Conversion::on(path, from, to, overflow);
            let Some(to_f32) = on(block, DType::F32, Plain) else {
                assert!(on(block, DType::F16, Plain).is_none());
                continue;
            };
            let size = block.block_bytes() as usize;
            for count in [1, 3, plain_bytes.len() / size] {
                let input = &plain_bytes[..count * size];
                let middle = run(&to_f32, input);
                for to in [DType::F16, DType::BF16, DType::F64] {
                    for overflow in [Plain, Saturate] {
                        let direct = run(&on(block, to, overflow).unwrap(), input);
                        let twice = run(&on(DType::F32, to, overflow).unwrap(), &middle);
                        assert!(
                            direct == twice,
                            "{count} of {block:?} to {to:?} on {path:?}"
                        );
                    }
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod unit {
    use super::asm;

    /// Flushed subnormals on both sides, rounding up; and besides that every exception traps.
    pub const STRANGE: [u32; 2] = [0x1F80 | 0x8040 | 0x4000, 0x8040 | 0x4000];

    pub fn get() -> u32 {
        let mut state = 0u32;
        // SAFETY: writes 4 bytes to a local.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut state, options(nostack)) };
        state
    }

    pub fn set(state: u32) {
        // SAFETY: the tests compute with no floats until they set it back.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const state, options(nostack)) };
    }
}

#[cfg(target_arch = "aarch64")]
mod unit {
    use super::asm;

    /// Flushed subnormals, rounding up, one NaN for all, the other kind of f16.
    pub const STRANGE: [u64; 2] = [1 << 24 | 1 << 22, 1 << 24 | 1 << 22 | 1 << 25 | 1 << 26];

    pub fn get() -> u64 {
        let state: u64;
        // SAFETY: reads a register.
        unsafe { asm!("mrs {}, fpcr", out(reg) state, options(nostack)) };
        state
    }

    pub fn set(state: u64) {
        // SAFETY: the tests compute with no floats until they set it back.
        unsafe { asm!("msr fpcr, {}", in(reg) state, options(nostack)) };
    }
}

/// Patterns with many subnormals and values between those of narrower dtypes.
fn awkward() -> Vec<u8> {
    let mut state = 7u64;
    let mut words = vec![
        1u64,
        0x8000_0000_0000_0001,
        0x0010_0000_0000_0001,
        0x3FF0_0000_1000_0001,
    ];
    for _ in 0..500 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        words.extend([
            state,
            state >> 12,
            state & 0x807F_FFFF_807F_FFFF,
            state >> 33 << 3,
        ]);
    }
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn the_hosts_floating_point_unit_changes_nothing_and_stays() {
    let input = awkward();
    let plain = &DType::ALL[..18];
    for path in CpuPath::available() {
        for &from in plain {
            for &to in plain {
                let Some(conversion) = Conversion::on(path, from, to, Plain) else {
                    continue;
                };
                let expected = run(&conversion, &input);
                for strange in unit::STRANGE {
                    let before = unit::get();
                    unit::set(strange);
                    let result = run(&conversion, &input);
                    let after = unit::get();
                    unit::set(before);
                    assert_eq!(after, strange);
                    assert!(result == expected, "{from:?} to {to:?} on {path:?}");
                }
            }
        }
    }
}
