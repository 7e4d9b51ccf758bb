//! Conversions on the card, bit for bit against plain Rust on the host.
#![cfg(adit_gpu)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod gpu_tools;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::gpu::{Buffer, Device, MemoryPath, convert};
use adit_core::kernel::{Conversion, CpuPath, Overflow, Stores};
use adit_core::transfer::Item;
use gpu_tools::{PATHS, Random, all, data, get, open, put, send, source, tiny, to};

const PAIRS: [(DType, DType); 6] = [
    (DType::F16, DType::F32),
    (DType::BF16, DType::F32),
    (DType::Q8_0, DType::F32),
    (DType::Q8_0, DType::F16),
    (DType::Q4_0, DType::F32),
    (DType::Q4_0, DType::F16),
];

fn bytes_of(dtype: DType, elements: usize) -> usize {
    elements / dtype.block_elements() as usize * dtype.block_bytes() as usize
}

fn elements_of(dtype: DType, bytes: usize) -> usize {
    bytes / dtype.block_bytes() as usize * dtype.block_elements() as usize
}

/// What plain Rust makes of it, the definition of every path's results.
fn on_host(from: DType, to: DType, bytes: &[u8]) -> Vec<u8> {
    let conversion = Conversion::on(CpuPath::Scalar, from, to, Overflow::Plain).unwrap();
    let count = bytes.len() / from.block_bytes() as usize;
    let mut result = vec![0; bytes_of(to, elements_of(from, bytes.len()))];
    // SAFETY: both hold as many elements, which are counted in blocks.
    unsafe { conversion.run(bytes.as_ptr(), result.as_mut_ptr(), count, Stores::Auto) };
    result
}

/// A buffer of these bytes.
fn buffer(device: &Device, bytes: &[u8]) -> Buffer {
    let buffer = Buffer::create(device, bytes.len() as u64).unwrap();
    put(&buffer, 0, bytes).unwrap();
    buffer
}

fn on_card(device: &Device, from: DType, to: DType, bytes: &[u8]) -> Vec<u8> {
    let elements = elements_of(from, bytes.len());
    let source = buffer(device, bytes);
    let result = Buffer::create(device, bytes_of(to, elements) as u64).unwrap();
    let ticket = convert((&source, 0, from), (&result, 0, to), elements as u64).unwrap();
    ticket.wait(None).unwrap();
    all(&result)
}

#[track_caller]
fn assert_same(what: &str, unit: usize, found: &[u8], expected: &[u8]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    if found == expected {
        return;
    }
    let pairs = found.chunks(unit).zip(expected.chunks(unit));
    for (element, (found, expected)) in pairs.enumerate() {
        assert_eq!(found, expected, "{what}: element {element}");
    }
}

fn check(device: &Device, from: DType, to: DType, bytes: &[u8]) {
    let (found, expected) = (on_card(device, from, to, bytes), on_host(from, to, bytes));
    let what = format!("{} to {}", from.name(), to.name());
    assert_same(&what, to.block_bytes() as usize, &found, &expected);
}

#[test]
fn every_half_is_the_same() {
    let Some(device) = open(&tiny(MemoryPath::Auto)) else {
        return;
    };
    let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    check(&device, DType::F16, DType::F32, &bytes);
    check(&device, DType::BF16, DType::F32, &bytes);
    // As said by others: 1, the largest, the smallest, -0, infinity, and a NaN that signals.
    let known: [(u16, u32); 6] = [
        (0x3c00, 0x3f80_0000),
        (0x7bff, 0x477f_e000),
        (0x0001, 0x3380_0000),
        (0x8000, 0x8000_0000),
        (0x7c00, 0x7f80_0000),
        (0xfd55, 0xffea_a000),
    ];
    let halves: Vec<u8> = known.iter().flat_map(|pair| pair.0.to_le_bytes()).collect();
    let wanted: Vec<u8> = known.iter().flat_map(|pair| pair.1.to_le_bytes()).collect();
    let found = on_card(&device, DType::F16, DType::F32, &halves);
    assert_same("known halves", 4, &found, &wanted);
}

/// Blocks of Q8_0 whose scales are these, each with all 256 quants.
fn blocks_of_q8_0(scales: std::ops::Range<u32>) -> Vec<u8> {
    let quants: Vec<u8> = (0..=u8::MAX).collect();
    let mut blocks = Vec::new();
    for scale in scales {
        for quants in quants.chunks(32) {
            blocks.extend((scale as u16).to_le_bytes());
            blocks.extend(quants);
        }
    }
    blocks
}

/// Blocks of Q4_0 whose scales are these, each with all 16 quants in either half.
fn blocks_of_q4_0(scales: std::ops::Range<u32>) -> Vec<u8> {
    let mut blocks = Vec::new();
    for scale in scales {
        blocks.extend((scale as u16).to_le_bytes());
        blocks.extend((0..16u8).map(|low| low | (15 - low) << 4));
    }
    blocks
}

#[test]
fn every_scale_with_every_quant_is_the_same() {
    let Some(device) = open(&tiny(MemoryPath::Auto)) else {
        return;
    };
    for first in (0..1 << 16).step_by(1 << 13) {
        let bytes = blocks_of_q8_0(first..first + (1 << 13));
        check(&device, DType::Q8_0, DType::F32, &bytes);
        check(&device, DType::Q8_0, DType::F16, &bytes);
    }
    let bytes = blocks_of_q4_0(0..1 << 16);
    check(&device, DType::Q4_0, DType::F32, &bytes);
    check(&device, DType::Q4_0, DType::F16, &bytes);
}

#[test]
fn any_length_at_any_place_changes_nothing_else() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let mut random = Random::new(23);
        for round in 0..120 {
            let (from, to) = PAIRS[round % PAIRS.len()];
            let blocks = 1 + random.below(if round % 7 == 0 { 9000 } else { 70 }) as usize;
            let elements = blocks * from.block_elements() as usize;
            let (source_at, result_at) = (random.below(150) * 4, random.below(150) * 4);
            let source_bytes = random.bytes(bytes_of(from, elements));
            // Its last word may be part of it, or not.
            let end = source_at as usize + source_bytes.len() + random.below(6) as usize;
            let source = Buffer::create(&device, end as u64).unwrap();
            put(&source, source_at, &source_bytes).unwrap();
            let wanted = on_host(from, to, &source_bytes);
            let end = result_at as usize + wanted.len() + random.below(50) as usize;
            let mut model = random.bytes(end);
            let result = buffer(&device, &model);
            let (source, result_place) = ((&source, source_at, from), (&result, result_at, to));
            let ticket = convert(source, result_place, elements as u64).unwrap();
            ticket.wait(None).unwrap();
            assert!(ticket.is_done().unwrap());
            let at = result_at as usize;
            model[at..at + wanted.len()].copy_from_slice(&wanted);
            let what = format!("{memory:?} {} to {} {elements}", from.name(), to.name());
            assert_same(&what, 1, &all(&result), &model);
        }
    }
}

/// More of the result than the least that adapters see of a buffer at once.
#[test]
fn more_than_a_binding_holds_is_the_same() {
    let Some(device) = open(&tiny(MemoryPath::Auto)) else {
        return;
    };
    let limits = device.info().limits;
    let elements = (limits.binding_bytes.min(128 << 20) / 4 + 1001) as usize;
    if (elements as u64) * 4 > limits.buffer_bytes {
        common::skip("conversions over the limit of a binding", "larger buffers");
        return;
    }
    let bytes = Random::new(5).bytes(elements * 2);
    let source = buffer(&device, &bytes);
    let result = Buffer::create(&device, elements as u64 * 4 + 8).unwrap();
    let (from, to) = ((&source, 0, DType::F16), (&result, 4, DType::F32));
    let ticket = convert(from, to, elements as u64).unwrap();
    ticket.wait(None).unwrap();
    let wanted = on_host(DType::F16, DType::F32, &bytes);
    // Not through `assert_eq`, which would print them.
    assert!(get(&result, 4, wanted.len()) == wanted);
    assert_eq!(get(&result, 0, 4), [0; 4]);
    assert_eq!(get(&result, 4 + wanted.len() as u64, 4), [0; 4]);
}

#[test]
fn uploads_convert_on_the_card_as_on_the_host() {
    for memory in PATHS {
        let Some(device) = open(&tiny(memory)) else {
            return;
        };
        let mut random = Random::new(31);
        let mut uploads = Vec::new();
        let mut wanted = Vec::new();
        for (from, dtype) in PAIRS {
            // Less than a chunk, and some chunks.
            for blocks in [1, 2, 77, 20_011] {
                let elements = blocks * from.block_elements() as usize;
                let bytes = random.bytes(bytes_of(from, elements));
                let result = on_host(from, dtype, &bytes);
                for on_host in [false, true] {
                    let size = result.len() as u64 + 8;
                    let buffer = Buffer::create(&device, size).unwrap();
                    let item = Item {
                        dtype: Some(dtype),
                        ..Item::new(source(&data(&bytes), 0, from, elements))
                    };
                    let mut upload = to(&buffer, 4, item);
                    upload.on_host = on_host;
                    uploads.push(upload);
                    wanted.push((
                        buffer,
                        result.clone(),
                        format!("{memory:?} {}", from.name()),
                    ));
                }
            }
        }
        send(&uploads).unwrap();
        for (buffer, result, what) in wanted {
            let found = all(&buffer);
            let (before, found) = found.split_at(4);
            let (found, behind) = found.split_at(result.len());
            assert_eq!((before, behind), (&[0; 4][..], &[0; 4][..]), "{what}");
            assert_same(&what, 4, found, &result);
        }
    }
}

#[test]
fn threads_convert_at_once() {
    let Some(device) = open(&tiny(MemoryPath::Staging)) else {
        return;
    };
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let device = &device;
            scope.spawn(move || {
                let mut random = Random::new(100 + thread);
                for round in 0..12 {
                    // All begin with the same program, so that one of them makes it.
                    let (from, to) = PAIRS[round % PAIRS.len()];
                    let bytes = random.bytes(bytes_of(from, 32 * 200));
                    check(device, from, to, &bytes);
                }
            });
        }
    });
}

#[test]
fn nothing_to_convert_is_done() {
    let Some(device) = open(&tiny(MemoryPath::Auto)) else {
        return;
    };
    let (source, result) = (buffer(&device, &[1; 4]), buffer(&device, &[2; 4]));
    let ticket = convert((&source, 4, DType::F16), (&result, 4, DType::F32), 0).unwrap();
    assert!(ticket.is_done().unwrap());
    assert_eq!(all(&result), [2; 4]);
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let (Some(device), Some(other)) =
        (open(&tiny(MemoryPath::Auto)), open(&tiny(MemoryPath::Auto)))
    else {
        return;
    };
    let source = buffer(&device, &[0x3c; 340]);
    let result = buffer(&device, &[7; 640]);
    let elsewhere = buffer(&other, &[7; 640]);
    let (from, to) = (&source, &result);
    let case =
        |from: (&Buffer, u64, DType), to: (&Buffer, u64, DType), elements, kind, text: &str| {
            let error = convert(from, to, elements).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(text), "{error}");
        };
    use DType::{F16, F32, Q8_0};
    let wrong = Kind::InvalidArgument;
    case(
        (from, 2, F16),
        (to, 0, F32),
        1,
        wrong,
        "the source of a conversion starts at byte 2",
    );
    case(
        (from, 0, F16),
        (to, 6, F32),
        1,
        wrong,
        "the result of a conversion starts at byte 6",
    );
    case((from, 0, F16), (from, 0, F32), 1, wrong, "are the same one");
    case(
        (from, 0, F16),
        (&from.clone(), 128, F32),
        1,
        wrong,
        "are the same one",
    );
    case(
        (from, 0, F16),
        (&elsewhere, 0, F32),
        1,
        wrong,
        "on different devices",
    );
    case(
        (from, 0, F32),
        (to, 0, F16),
        1,
        Kind::DType,
        "doesn't convert f32 to f16; it converts",
    );
    case((from, 0, F16), (to, 0, F16), 1, Kind::DType, "f16 to f32");
    case(
        (from, 0, Q8_0),
        (to, 0, F32),
        33,
        Kind::Shape,
        "33 elements of q8_0 are no whole blocks",
    );
    let range = Kind::OutOfRange;
    case(
        (from, 0, F16),
        (to, 0, F32),
        161,
        range,
        "bytes 0 to 644 lie outside of a buffer of 640",
    );
    case(
        (from, 340, F16),
        (to, 0, F32),
        1,
        range,
        "bytes 340 to 342 lie outside",
    );
    case((from, 0, F16), (to, 640, F32), 1, range, "bytes 640 to 644");
    case(
        (from, 4, Q8_0),
        (to, 0, F32),
        320,
        range,
        "the source of a conversion: bytes 4 to 344",
    );
    case(
        (from, u64::MAX - 3, F16),
        (to, 0, F32),
        8,
        range,
        "the source",
    );
    case(
        (from, 0, F16),
        (to, u64::MAX - 3, F32),
        8,
        range,
        "the result",
    );
    case((from, 0, F16), (to, 0, F32), u64::MAX, range, "the source");
    case((from, 0, Q8_0), (to, 0, F32), !31, range, "the source");
    assert_eq!(all(&result), [7; 640]);
    assert!(device.status().lost.is_none());
    let ticket = convert((from, 0, Q8_0), (to, 0, F16), 320).unwrap();
    ticket.wait(None).unwrap();
    assert_eq!(all(&result), on_host(Q8_0, F16, &[0x3c; 340]));
}
