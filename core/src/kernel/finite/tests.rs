//! What is found, against conversions and dequantisation of the same bytes.

use super::super::{Conversion, Overflow, Stores};
use super::*;

fn to_f32(dtype: DType, bytes: &[u8]) -> Option<Vec<f32>> {
    let conversion = Conversion::new(dtype, DType::F32, Overflow::Plain)?;
    let count = bytes.len() / dtype.block_bytes() as usize;
    let mut out = vec![0f32; count * conversion.bytes_out() / 4];
    // SAFETY: `count` elements or blocks on both sides.
    unsafe {
        conversion.run(
            bytes.as_ptr(),
            out.as_mut_ptr().cast(),
            count,
            Stores::Cached,
        );
    }
    Some(out)
}

#[test]
fn small_floats_are_what_their_conversion_says() {
    for (dtype, patterns) in [
        (DType::F16, 65536u32),
        (DType::BF16, 65536),
        (DType::F8E4M3FN, 256),
        (DType::F8E5M2, 256),
        (DType::F8E8M0, 256),
    ] {
        let size = dtype.block_bytes() as usize;
        let bytes: Vec<u8> = (0..patterns)
            .flat_map(|bits| bits.to_le_bytes().into_iter().take(size))
            .collect();
        let values = to_f32(dtype, &bytes).unwrap_or_default();
        assert_eq!(values.len(), patterns as usize);
        let count = |is: fn(f32) -> bool| values.iter().filter(|&&value| is(value)).count();
        let expected = NonFinite {
            nans: count(f32::is_nan) as u64,
            infinities: count(f32::is_infinite) as u64,
            first: values
                .iter()
                .position(|value| !value.is_finite())
                .map(|at| at as u64),
        };
        assert!(expected.nans > 0, "{dtype:?}");
        assert_eq!(non_finite(dtype, &bytes), expected, "{dtype:?}");
        for (element, value) in bytes.chunks(size).zip(&values) {
            let alone = non_finite(dtype, element);
            assert_eq!(
                alone.first.is_none(),
                value.is_finite(),
                "{dtype:?} {value}"
            );
        }
    }
}

#[test]
fn one_among_many_is_found_wherever_it_is() {
    let infinity = |dtype| match dtype {
        DType::F64 | DType::Complex128 => f64::NEG_INFINITY.to_le_bytes().to_vec(),
        _ => f32::NEG_INFINITY.to_le_bytes().to_vec(),
    };
    for dtype in [DType::F32, DType::F64, DType::Complex64, DType::Complex128] {
        let size = dtype.block_bytes() as usize;
        for count in [1, 7, 64, 333] {
            // The largest finite number, and never an exponent of ones alone.
            let mut bytes = vec![0x7e; count * size];
            assert_eq!(non_finite(dtype, &bytes), NonFinite::default());
            let bad = infinity(dtype);
            for part in 0..count * size / bad.len() {
                let at = part * bad.len()..(part + 1) * bad.len();
                bytes.splice(at.clone(), bad.iter().copied());
                let expected = NonFinite {
                    nans: 0,
                    infinities: 1,
                    first: Some((part * bad.len() / size) as u64),
                };
                assert_eq!(non_finite(dtype, &bytes), expected, "{dtype:?} {part}");
                bytes.splice(at, std::iter::repeat_n(0x7e, bad.len()));
            }
        }
    }
    for dtype in [DType::F8E4M3FNUZ, DType::F8E5M2FNUZ] {
        let bytes: Vec<u8> = (0..=255).collect();
        let found = non_finite(dtype, &bytes);
        assert_eq!((found.nans, found.first), (1, Some(128)));
    }
}

/// A block all of whose outputs are finite has good scales, and one with bad scales has
/// outputs that aren't.
#[test]
fn scales_are_what_dequantisation_says() {
    let mut state = 1u64;
    let mut noise = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (state >> 56) as u8
    };
    let mut compared = 0;
    for &dtype in DType::ALL.iter().filter(|dtype| has_scales(**dtype)) {
        if matches!(dtype, DType::Mxfp4 | DType::Nvfp4) {
            continue;
        }
        let size = dtype.block_bytes() as usize;
        for _ in 0..2000 {
            let mut block: Vec<u8> = (0..size).map(|_| noise()).collect();
            // Every third block is bad at some byte: an exponent of ones comes by.
            if let Some(byte) = block.get_mut(usize::from(noise()) % size) {
                *byte |= 0x7c;
            }
            let Some(values) = to_f32(dtype, &block) else {
                break;
            };
            let finite = values.iter().all(|value| value.is_finite());
            assert_eq!(
                non_finite(dtype, &block).first.is_none(),
                finite,
                "{dtype:?}"
            );
            compared += u32::from(!finite);
        }
    }
    assert!(compared > 1000, "{compared}");
}

#[test]
fn scales_that_ggml_reads_as_numbers() {
    let mut block = [0u8; 34];
    block[17] = 0xff;
    let found = non_finite(DType::Mxfp4, &block);
    assert_eq!((found.nans, found.first), (1, Some(1)));
    let mut block = [0u8; 72];
    block[36 + 3] = 0x7f;
    let found = non_finite(DType::Nvfp4, &block);
    assert_eq!((found.nans, found.first), (1, Some(1)));
    let mut block = [0u8; 40];
    block[4..8].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let found = non_finite(DType::Q8_1, &block);
    assert_eq!((found.infinities, found.first), (1, Some(0)));
}

#[test]
fn what_is_always_finite() {
    for &dtype in DType::ALL {
        let some = may_be_non_finite(dtype) || has_scales(dtype);
        let none = matches!(
            dtype,
            DType::Bool
                | DType::I8
                | DType::I16
                | DType::I32
                | DType::I64
                | DType::U8
                | DType::U16
                | DType::U32
                | DType::U64
                | DType::F6E2M3
                | DType::F6E3M2
                | DType::F4E2M1
        );
        assert_eq!(some, !none, "{dtype:?}");
        let size = dtype.block_bytes() as usize;
        let bad = match dtype {
            DType::F8E4M3FNUZ | DType::F8E5M2FNUZ => 0x80,
            _ => 0xff,
        };
        assert_eq!(non_finite(dtype, &vec![bad; size]).first.is_none(), none);
        assert_eq!(non_finite(dtype, &vec![0; size]), NonFinite::default());
    }
}
