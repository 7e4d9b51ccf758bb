//! Models read through and looked into, and their tensors read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod model_tools;

use std::mem::MaybeUninit;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::model::{Finding, Model, ModelReadOptions, Verified, VerifyOptions};
use adit_core::tensor::Slice;
use common::{Folder, data_of, go_on};
use model_tools::{Named, model, safetensors};

const ALL: VerifyOptions = VerifyOptions {
    non_finite: true,
    scales: true,
};

fn f32s(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

fn verify(model: &Model, options: &VerifyOptions) -> Verified {
    model.verify(options, &mut go_on).unwrap()
}

/// Tensors of several kinds; of more than one piece is the first.
fn mixed() -> Vec<Named<'static>> {
    const LONG: usize = 300_000;
    let mut long = vec![1.5f32; LONG];
    long[262_145] = f32::NAN;
    long[262_150] = f32::NEG_INFINITY;
    long[299_999] = f32::INFINITY;
    let mut complex = f32s([1.0; 8]);
    complex[5 * 4..6 * 4].copy_from_slice(&f32::NAN.to_le_bytes());
    vec![
        ("long", "F32", vec![LONG as i64], f32s(long)),
        (
            "good",
            "F32",
            vec![2, 2],
            f32s([f32::MAX, f32::MIN, 0.0, 1e-45]),
        ),
        (
            "half",
            "F16",
            vec![3],
            vec![0xff, 0x7b, 0x00, 0xfc, 0x01, 0x7c],
        ),
        ("brain", "BF16", vec![2], vec![0x80, 0x7f, 0xff, 0x7f]),
        ("integers", "I32", vec![2], vec![0xff; 8]),
        ("complex", "C64", vec![4], complex),
        ("e4m3", "F8_E4M3", vec![4], vec![0x7e, 0x7f, 0xff, 0x00]),
        ("none", "F32", vec![0, 5], vec![]),
    ]
}

fn found(model: &Model, name: &str, nans: u64, infinities: u64, first: u64, at: u64) -> Finding {
    let index = model.tensors().find(name.as_bytes()).unwrap();
    Finding {
        index,
        scales: false,
        nans,
        infinities,
        first,
        offset: model.entry(index).unwrap().offset + at,
    }
}

#[test]
fn what_is_not_finite_is_told() {
    let folder = Folder::new();
    let tensors = mixed();
    let bytes: u64 = tensors.iter().map(|tensor| tensor.3.len() as u64).sum();
    let (on_disk, path) = model(&folder, &tensors, 8);
    let file = data_of(&std::fs::read(&path).unwrap());
    let in_memory = Model::from_data(vec![file], &Default::default()).unwrap();
    for model in [&on_disk, &in_memory] {
        let verified = verify(model, &ALL);
        assert_eq!((verified.tensors, verified.bytes), (7, bytes));
        assert_eq!(verified.bad_tensors, 5);
        assert_eq!(
            verified.findings,
            [
                found(model, "long", 1, 2, 262_145, 262_145 * 4),
                found(model, "half", 1, 1, 1, 2),
                found(model, "brain", 1, 1, 0, 0),
                found(model, "complex", 1, 0, 2, 16),
                found(model, "e4m3", 2, 0, 1, 1),
            ]
        );
        for options in [
            VerifyOptions::default(),
            VerifyOptions {
                scales: true,
                ..VerifyOptions::default()
            },
        ] {
            let verified = verify(model, &options);
            assert_eq!((verified.tensors, verified.bytes), (7, bytes));
            assert_eq!((verified.bad_tensors, verified.findings.len()), (0, 0));
        }
    }
}

#[test]
fn many_findings_are_counted_and_some_kept() {
    let names: Vec<String> = (0..1200).map(|number| format!("{number:04}")).collect();
    let tensors: Vec<Named<'_>> = names
        .iter()
        .map(|name| (name.as_str(), "F32", vec![1], f32s([f32::NAN])))
        .collect();
    let model = Model::from_data(
        vec![data_of(&safetensors(&tensors, 8))],
        &Default::default(),
    )
    .unwrap();
    let verified = verify(&model, &ALL);
    assert_eq!((verified.tensors, verified.bad_tensors), (1200, 1200));
    assert_eq!(verified.findings.len(), 1000);
    assert!(
        verified
            .findings
            .iter()
            .enumerate()
            .all(|(at, own)| own.index == at)
    );
}

#[test]
fn progress_is_in_bytes_and_can_stop() {
    let folder = Folder::new();
    let (model, _) = model(&folder, &mixed(), 8);
    let mut told = Vec::new();
    let verified = model.verify(&ALL, &mut |done, total| {
        told.push((done, total));
        true
    });
    let bytes = verified.unwrap().bytes;
    assert!(told.is_sorted() && told.iter().all(|&(_, total)| total == bytes));
    assert_eq!(told.last(), Some(&(bytes, bytes)));
    assert!(told.len() >= 9, "{told:?}");
    for stop in 1..=told.len() {
        let mut calls = 0;
        let stopped = model.verify(&ALL, &mut |_, _| {
            calls += 1;
            calls < stop
        });
        assert_eq!(stopped.unwrap_err().kind(), Kind::Cancelled);
        assert_eq!(calls, stop);
    }
}

#[test]
fn a_cut_file_is_an_error_of_its_tensor() {
    let folder = Folder::new();
    let (model, path) = model(&folder, &mixed(), 8);
    let complex = model.tensors().find(b"complex").unwrap();
    let end = model.entry(complex).unwrap().offset + 5;
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(end).unwrap();
    let error = model.verify(&ALL, &mut go_on).unwrap_err();
    assert_eq!(error.kind(), Kind::Truncated);
    assert!(error.to_string().contains("tensor 'complex'"), "{error}");
    let place = error.place();
    assert_eq!(place.path.as_deref(), Some(path.as_path()));
    assert_eq!(
        (place.index, place.offset),
        (Some(complex as u64), Some(end - 5))
    );

    let mut out = [MaybeUninit::uninit(); 32];
    let error = model
        .read(complex, &ModelReadOptions::default(), &mut out)
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Truncated);
    assert!(error.to_string().contains("tensor 'complex'"), "{error}");
    assert_eq!(error.place().index, Some(complex as u64));
}

/// A GGUF file, version 3, of tensors of a ggml type each, in either byte order.
fn gguf(tensors: &[(&str, u32, u64, Vec<u8>)], big_endian: bool) -> Vec<u8> {
    let u32s = |value: u32| match big_endian {
        true => value.to_be_bytes(),
        false => value.to_le_bytes(),
    };
    let u64s = |value: u64| match big_endian {
        true => value.to_be_bytes(),
        false => value.to_le_bytes(),
    };
    let mut file = b"GGUF".to_vec();
    file.extend(u32s(3));
    file.extend(u64s(tensors.len() as u64));
    file.extend(u64s(0));
    let mut data = Vec::new();
    for (name, ggml, elements, bytes) in tensors {
        file.extend(u64s(name.len() as u64));
        file.extend(name.bytes());
        file.extend(u32s(1));
        file.extend(u64s(*elements));
        file.extend(u32s(*ggml));
        file.extend(u64s(data.len() as u64));
        data.extend_from_slice(bytes);
        data.resize(data.len().next_multiple_of(32), 0xff);
    }
    file.resize(file.len().next_multiple_of(32), 0);
    file.extend(data);
    file
}

fn blocks() -> Vec<(&'static str, u32, u64, Vec<u8>)> {
    // Q8_0: an f16 and 32 bytes. The second block's scale is infinite, the third's NaN.
    let mut q8_0 = vec![0x3c; 4 * 34];
    q8_0[34..36].copy_from_slice(&[0x00, 0x7c]);
    q8_0[68..70].copy_from_slice(&[0x01, 0xfe]);
    // A Q4_1 block: d, m, 16 bytes.
    let mut q4_1 = vec![0x3c; 20];
    q4_1[2..4].copy_from_slice(&[0x00, 0xfc]);
    vec![
        ("f32", 0, 2, f32s([1.0, f32::NAN])),
        ("q8_0", 8, 128, q8_0),
        ("good", 8, 32, vec![0x3c; 34]),
        ("q4_1", 3, 32, q4_1),
        ("strange", 77, 9, vec![0xff; 64]),
        ("after", 24, 3, vec![1; 3]),
    ]
}

#[test]
fn scales_of_blocks() {
    let file = gguf(&blocks(), false);
    let model = Model::from_data(vec![data_of(&file)], &Default::default()).unwrap();
    let strange = model.tensors().find(b"strange").unwrap();
    assert_eq!(model.entry(strange).unwrap().dtype, None);
    let scales = |name, nans, infinities, first, at| Finding {
        scales: true,
        ..found(&model, name, nans, infinities, first, at)
    };
    let verified = verify(&model, &ALL);
    let expected = [
        found(&model, "f32", 1, 0, 1, 4),
        scales("q8_0", 1, 1, 1, 34),
        scales("q4_1", 0, 1, 0, 0),
    ];
    assert_eq!(verified.findings, expected);
    // The one of an unknown type is read up to where the next starts.
    assert_eq!(verified.tensors, 6);
    assert_eq!(verified.bytes, 8 + 4 * 34 + 34 + 20 + 64 + 3);
    let only = |non_finite, scales| {
        let options = VerifyOptions { non_finite, scales };
        verify(&model, &options).findings
    };
    assert_eq!(only(true, false), expected[..1]);
    assert_eq!(only(false, true), expected[1..]);
    assert_eq!(only(false, false), []);

    let file = gguf(&blocks(), true);
    let model = Model::from_data(vec![data_of(&file)], &Default::default()).unwrap();
    assert!(model.big_endian());
    let swapped = verify(&model, &ALL);
    assert_eq!((swapped.tensors, swapped.bytes), (6, verified.bytes));
    assert_eq!(swapped.findings, []);
}

fn read(model: &Model, name: &str, options: &ModelReadOptions) -> (DType, Vec<i64>, Vec<u8>) {
    let index = model.tensors().find(name.as_bytes()).unwrap();
    let size = model.read_size(index, options).unwrap();
    let mut out = vec![MaybeUninit::new(0xa5u8); size.bytes as usize];
    let done = model.read(index, options, &mut out).unwrap();
    assert_eq!(done, size);
    // SAFETY: every byte was initialised above.
    let out = out
        .iter()
        .map(|byte| unsafe { byte.assume_init() })
        .collect();
    (done.dtype, done.shape.dims().to_vec(), out)
}

#[test]
fn tensors_are_read_as_asked() {
    let values: Vec<f32> = (0..24).map(|n| n as f32 / 2.0).collect();
    let tensors = [("w", "F32", vec![4, 6], f32s(values.clone()))];
    let model = Model::from_data(
        vec![data_of(&safetensors(&tensors, 8))],
        &Default::default(),
    )
    .unwrap();
    let options = ModelReadOptions {
        slice: Slice {
            rows: Some(1..3),
            columns: Some(2..5),
        },
        dtype: Some(DType::F64),
        ..ModelReadOptions::default()
    };
    let chosen = [8, 9, 10, 14, 15, 16].map(|at| f64::from(values[at]).to_le_bytes());
    let expected = (DType::F64, vec![2, 3], chosen.concat());
    assert_eq!(read(&model, "w", &options), expected);
    let whole = read(&model, "w", &ModelReadOptions::default());
    assert_eq!(whole, (DType::F32, vec![4, 6], f32s(values)));

    let mut out = [MaybeUninit::uninit(); 48];
    let fails = |index, options: &ModelReadOptions, out: &mut [MaybeUninit<u8>]| {
        let error = model.read(index, options, out).unwrap_err();
        (error.kind(), error.to_string())
    };
    let (kind, text) = fails(0, &options, &mut out[..47]);
    assert_eq!(kind, Kind::OutOfRange);
    assert_eq!(
        text,
        "bytes in memory, tensor 'w': the elements take 48 bytes, but the buffer has 47"
    );
    let none = ModelReadOptions {
        dtype: Some(DType::Q4_0),
        ..options.clone()
    };
    let (kind, text) = fails(0, &none, &mut out);
    assert_eq!(kind, Kind::DType);
    assert!(
        text.contains("'w': no conversion from f32 to q4_0"),
        "{text}"
    );
    assert_eq!(model.read_size(0, &none).unwrap_err().kind(), Kind::DType);
    let beyond = ModelReadOptions {
        slice: Slice {
            rows: Some(2..5),
            columns: None,
        },
        ..options.clone()
    };
    let (kind, text) = fails(0, &beyond, &mut out);
    assert_eq!(kind, Kind::OutOfRange);
    assert!(
        text.contains("rows 2 to 5 were asked for, but the tensor has 4"),
        "{text}"
    );
    assert_eq!(fails(1, &options, &mut out).0, Kind::OutOfRange);

    let file = gguf(&blocks(), false);
    let model = Model::from_data(vec![data_of(&file)], &Default::default()).unwrap();
    let dequantised = ModelReadOptions {
        slice: Slice {
            rows: Some(0..32),
            columns: None,
        },
        dtype: Some(DType::F32),
        ..ModelReadOptions::default()
    };
    // The scale is 0x3c3c, each value 0x3c.
    let expected = (
        DType::F32,
        vec![32],
        f32s([60.0 * (1.0 + 60.0 / 1024.0); 32]),
    );
    assert_eq!(read(&model, "q8_0", &dequantised), expected);
    let strange = model.tensors().find(b"strange").unwrap();
    let refused = model.read(strange, &ModelReadOptions::default(), &mut out);
    assert_eq!(refused.unwrap_err().kind(), Kind::Unsupported);
}
