//! Every path against the oracle's files, and against plain Rust on blocks of random bytes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[cfg(unix)]
#[path = "../../../tests/kernel_memory/guarded.rs"]
mod guarded;

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

#[cfg(target_arch = "x86_64")]
use super::super::convert::{Conversion, Overflow, Stores};
use super::*;
#[cfg(unix)]
use guarded::Guarded;

const TYPES: [DType; 23] = [
    DType::Q4_0,
    DType::Q4_1,
    DType::Q5_0,
    DType::Q5_1,
    DType::Q8_0,
    DType::Q2K,
    DType::Q3K,
    DType::Q4K,
    DType::Q5K,
    DType::Q6K,
    DType::Iq2Xxs,
    DType::Iq2Xs,
    DType::Iq3Xxs,
    DType::Iq1S,
    DType::Iq4Nl,
    DType::Iq3S,
    DType::Iq2S,
    DType::Iq4Xs,
    DType::Iq1M,
    DType::Tq1_0,
    DType::Tq2_0,
    DType::Mxfp4,
    DType::Nvfp4,
];

fn block_bytes(dtype: DType) -> usize {
    dtype.block_bytes() as usize
}

fn element_bytes(dtype: DType) -> usize {
    dtype.block_elements() as usize * 4
}

/// A loop under test and what to call it.
struct Tested {
    dtype: DType,
    run: Loop,
    what: String,
}

/// Every loop of every type on every available path.
fn tested() -> Vec<Tested> {
    let mut all = Vec::new();
    for path in CpuPath::available() {
        for dtype in TYPES {
            let mut add = |run, stores| {
                let what = format!("{} {} {stores}", dtype.name(), path.name());
                all.push(Tested { dtype, run, what });
            };
            add(kernel(path, dtype).unwrap(), "cached");
            if let Some(run) = streaming(path, dtype) {
                add(run, "streaming");
            }
        }
    }
    all
}

fn decoded(run: Loop, dtype: DType, blocks: &[u8]) -> Vec<u8> {
    let count = blocks.len() / block_bytes(dtype);
    let mut to = vec![0xa5; count * element_bytes(dtype)];
    // SAFETY: both have room for `count` blocks.
    unsafe { run(blocks.as_ptr(), to.as_mut_ptr(), count) };
    to
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "tests", "data", "dequant"]
        .iter()
        .collect()
}

fn hashes() -> HashMap<String, String> {
    let text = fs::read_to_string(folder().join("hashes.txt")).unwrap();
    let pairs = text.lines().map(|line| line.rsplit_once(' ').unwrap());
    pairs
        .map(|(name, hash)| (name.to_owned(), hash.to_owned()))
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// As `make.py` has it.
fn splitmix64(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()
    });
    words.flatten().take(bytes).collect()
}

fn assert_same(what: &str, elements: usize, found: &[u8], expected: &[u8]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    if found == expected {
        return;
    }
    let pairs = found.chunks(4).zip(expected.chunks(4));
    for (i, (found, expected)) in pairs.enumerate() {
        let (block, element) = (i / elements, i % elements);
        assert_eq!(found, expected, "{what}: block {block}, element {element}");
    }
}

#[test]
fn chosen_scales_give_what_gguf_gives() {
    for Tested { dtype, run, what } in tested() {
        let file = fs::read(folder().join(format!("{}.bin", dtype.name()))).unwrap();
        let count = file.len() / (block_bytes(dtype) + element_bytes(dtype));
        assert!(count >= 15, "{what}");
        let (blocks, bits) = file.split_at(count * block_bytes(dtype));
        let expected: Vec<u8> = bits.chunks(4).flat_map(to_native).collect();
        let elements = element_bytes(dtype) / 4;
        assert_same(&what, elements, &decoded(run, dtype, blocks), &expected);
        // Alone, too: loops may take several blocks at once.
        let blocks = blocks.chunks(block_bytes(dtype));
        for (block, expected) in blocks.zip(expected.chunks(element_bytes(dtype))) {
            assert_same(&what, elements, &decoded(run, dtype, block), expected);
        }
    }
}

fn to_native(bits: &[u8]) -> [u8; 4] {
    u32::from_le_bytes(bits.try_into().unwrap()).to_ne_bytes()
}

#[test]
fn random_blocks_give_what_gguf_gives() {
    let hashes = hashes();
    let blocks = |dtype: DType| splitmix64(dtype.number() as u64 - 100, 2048 * block_bytes(dtype));
    let scalar = TYPES.map(|dtype| {
        let run = kernel(CpuPath::Scalar, dtype).unwrap();
        let expected = decoded(run, dtype, &blocks(dtype));
        let little_endian: Vec<u8> = expected.chunks(4).flat_map(to_native).collect();
        let hash = &hashes[&format!("{} 2048", dtype.name())];
        assert_eq!(&sha256(&little_endian), hash, "{}", dtype.name());
        (dtype, expected)
    });
    for Tested { dtype, run, what } in tested() {
        let expected = &scalar.iter().find(|(of, _)| *of == dtype).unwrap().1;
        let found = decoded(run, dtype, &blocks(dtype));
        assert_same(&what, element_bytes(dtype) / 4, &found, expected);
    }
}

#[test]
fn grids_are_those_of_gguf() {
    fn hash<const N: usize>(rows: &[[i8; N]]) -> String {
        let bytes: Vec<u8> = rows
            .as_flattened()
            .iter()
            .map(|&value| value as u8)
            .collect();
        sha256(&bytes)
    }
    let hashes = hashes();
    for (name, hash) in [
        ("iq2_xxs", hash(&grids::IQ2_XXS_ROWS)),
        ("iq2_xs", hash(&grids::IQ2_XS_ROWS)),
        ("iq2_s", hash(&grids::IQ2_S_ROWS)),
        ("iq3_xxs", hash(&grids::IQ3_XXS_ROWS)),
        ("iq3_s", hash(&grids::IQ3_S_ROWS)),
        (
            "iq1_s",
            hash(&grids::IQ1_S_EIGHTHS.map(|row| row.map(|eighths| eighths / 8))),
        ),
    ] {
        assert_eq!(hash, hashes[&format!("grid {name}")], "{name}");
    }
}

#[test]
fn blocks_have_the_sizes_of_their_types() {
    let sizes = [
        (DType::Q4_0, size_of::<legacy::Q4_0>()),
        (DType::Q4_1, size_of::<legacy::Q4_1>()),
        (DType::Q5_0, size_of::<legacy::Q5_0>()),
        (DType::Q5_1, size_of::<legacy::Q5_1>()),
        (DType::Q8_0, size_of::<legacy::Q8_0>()),
        (DType::Mxfp4, size_of::<legacy::Mxfp4>()),
        (DType::Nvfp4, size_of::<legacy::Nvfp4>()),
        (DType::Q2K, size_of::<k::Q2K>()),
        (DType::Q3K, size_of::<k::Q3K>()),
        (DType::Q4K, size_of::<k::Q4K>()),
        (DType::Q5K, size_of::<k::Q5K>()),
        (DType::Q6K, size_of::<k::Q6K>()),
        (DType::Tq1_0, size_of::<ternary::Tq1_0>()),
        (DType::Tq2_0, size_of::<ternary::Tq2_0>()),
        (DType::Iq2Xxs, size_of::<iq::Iq2Xxs>()),
        (DType::Iq2Xs, size_of::<iq::Iq2Xs>()),
        (DType::Iq2S, size_of::<iq::Iq2S>()),
        (DType::Iq3Xxs, size_of::<iq::Iq3Xxs>()),
        (DType::Iq3S, size_of::<iq::Iq3S>()),
        (DType::Iq1S, size_of::<iq::Iq1S>()),
        (DType::Iq1M, size_of::<iq::Iq1M>()),
        (DType::Iq4Nl, size_of::<iq4::Iq4Nl>()),
        (DType::Iq4Xs, size_of::<iq4::Iq4Xs>()),
    ];
    assert_eq!(sizes.len(), TYPES.len());
    for (dtype, size) in sizes {
        assert_eq!(size, block_bytes(dtype), "{}", dtype.name());
    }
}

#[test]
fn types_without_dequantisation_have_no_loop() {
    for &dtype in DType::ALL {
        for path in CpuPath::ALL {
            let there = kernel(path, dtype).is_some();
            assert_eq!(
                there,
                TYPES.contains(&dtype),
                "{} {}",
                dtype.name(),
                path.name()
            );
        }
    }
}

#[test]
fn scales_are_every_f16() {
    for bits in 0..=u16::MAX {
        let scale = block::Scale(bits.to_le_bytes());
        let expected = half::f16::from_bits(bits).to_f32_const();
        assert_eq!(scale.is_finite(), expected.is_finite(), "{bits:#x}");
        if expected.is_nan() {
            assert!(scale.get().is_nan(), "{bits:#x}");
        } else {
            assert_eq!(scale.get().to_bits(), expected.to_bits(), "{bits:#x}");
        }
    }
}

/// Each f16 as the first scale of a short block, and every 29th of a long one.
#[test]
fn every_path_takes_every_f16_scale() {
    for Tested { dtype, run, what } in tested() {
        let size = block_bytes(dtype);
        let scale_at = match dtype {
            DType::Q2K => 80,
            DType::Q3K | DType::Q6K | DType::Tq1_0 | DType::Tq2_0 => size - 2,
            _ => 0,
        };
        let scales = (0..=u16::MAX).step_by(if dtype.block_elements() == 32 { 1 } else { 29 });
        let mut blocks = splitmix64(3, scales.len() * size);
        for (block, bits) in blocks.chunks_mut(size).zip(scales) {
            block[scale_at..scale_at + 2].copy_from_slice(&bits.to_le_bytes());
        }
        let scalar = kernel(CpuPath::Scalar, dtype).unwrap();
        let expected = decoded(scalar, dtype, &blocks);
        let found = decoded(run, dtype, &blocks);
        assert_same(&what, element_bytes(dtype) / 4, &found, &expected);
    }
}

/// Every count of blocks, at both ends of memory behind and before which nothing can be read or
/// written; and at other alignments of either side.
#[cfg(unix)]
#[test]
fn nothing_outside_is_read_or_written() {
    const MOST: usize = 70;
    for Tested { dtype, run, what } in tested() {
        let random = splitmix64(7, MOST * block_bytes(dtype));
        let scalar = kernel(CpuPath::Scalar, dtype).unwrap();
        let expected = decoded(scalar, dtype, &random);
        let mut from = Guarded::new(random.len() + 64);
        let mut to = Guarded::new(expected.len() + 64);
        for count in 0..=MOST {
            let blocks = &random[..count * block_bytes(dtype)];
            let len = count * element_bytes(dtype);
            for (source, target) in from.ends(blocks.len()).into_iter().zip(to.ends(len)) {
                from.put(source, blocks);
                to.fill();
                // SAFETY: both have room for `count` blocks.
                unsafe { run(source, target, count) };
                to.check(target, &expected[..len], &what);
            }
            let [_, source] = from.ends(blocks.len() + 1 + count % 15);
            from.put(source, blocks);
            let [_, target] = to.ends(len + 1 + count % 63);
            to.fill();
            // SAFETY: both have room for `count` blocks.
            unsafe { run(source, target, count) };
            to.check(target, &expected[..len], &what);
        }
    }
}

/// Results don't depend on the host's modes, which stay.
#[cfg(target_arch = "x86_64")]
#[test]
fn modes_of_the_host_change_nothing() {
    use std::arch::asm;

    /// `decoded` under another MXCSR, and MXCSR after it.
    fn under(mxcsr: u32, path: CpuPath, dtype: DType, blocks: &[u8]) -> (Vec<u8>, u32) {
        let conversion = Conversion::on(path, dtype, DType::F32, Overflow::Plain).unwrap();
        let count = blocks.len() / block_bytes(dtype);
        let mut to = vec![0; count * element_bytes(dtype)];
        let (mut before, mut after) = (0u32, 0u32);
        // SAFETY: stores 4 bytes to `before`.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut before) };
        // SAFETY: no reserved bit is set; no float is computed here until it is set back.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr) };
        // SAFETY: both have room for `count` blocks.
        unsafe { conversion.run(blocks.as_ptr(), to.as_mut_ptr(), count, Stores::Auto) };
        // SAFETY: stores 4 bytes to `after`.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut after) };
        // SAFETY: what it was.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const before) };
        (to, after)
    }

    const ALL_MASKED: u32 = 0x1f80;
    let all = CpuPath::available().flat_map(|path| TYPES.map(|dtype| (path, dtype)));
    for (path, dtype) in all {
        let mut blocks = splitmix64(5, 512 * block_bytes(dtype));
        blocks[0] = 1;
        let expected = decoded(kernel(path, dtype).unwrap(), dtype, &blocks);
        // FTZ with DAZ; rounding down, up and to zero; all at once.
        for modes in [0x8040, 0x2000, 0x4000, 0x6000, 0xe040] {
            let mxcsr = ALL_MASKED | modes;
            let (found, after) = under(mxcsr, path, dtype, &blocks);
            let what = format!("{} {} under {mxcsr:#x}", dtype.name(), path.name());
            assert_same(&what, element_bytes(dtype) / 4, &found, &expected);
            assert_eq!(after & !0x3f, mxcsr, "{what}");
        }
    }
}
