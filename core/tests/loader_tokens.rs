//! Token windows as batches: what stands in them, however they are read, cut and converted.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::sync::Arc;

use adit_core::array::Array;
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::loader::{
    Batch, Error, FieldOption, Loader, LoaderOptions, Order, OrderOptions, Partition, RaggedMode,
    Source, TokenSource, Uneven,
};
use adit_core::map::{Data, DataOptions, Io};
use adit_core::tensor;

const HEADER: usize = 1024;

fn token(index: u64) -> u16 {
    (index.wrapping_mul(40_503) >> 3) as u16
}

/// A header of another program's, then tokens.
fn file_bytes(count: u64) -> Vec<u8> {
    let mut bytes = vec![0xEE; HEADER];
    bytes.extend((0..count).flat_map(|index| token(index).to_le_bytes()));
    bytes
}

fn opened(folder: &common::Folder, count: u64) -> Arc<Data> {
    let path = folder.file("tokens.bin", &file_bytes(count));
    Arc::new(Data::open(&path, &DataOptions::default()).unwrap())
}

fn bytes_of(batch: &Batch) -> Vec<u8> {
    let lent = batch.tensor(0).unwrap();
    let mut out = Vec::new();
    for at in 0..lent.bytes.len() as u64 {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        assert!(lent.bytes.copy_to(at, &mut byte));
        // SAFETY: the copy wrote it.
        out.push(unsafe { byte[0].assume_init() });
    }
    out
}

fn window(start: u64, length: u64) -> Vec<u16> {
    (start..start + length).map(token).collect()
}

fn options(seed: u64, batch: u64) -> LoaderOptions {
    LoaderOptions {
        order: OrderOptions {
            seed,
            block: 8,
            window: 3,
            ..OrderOptions::default()
        },
        partition: Partition {
            batch,
            uneven: Uneven::Keep,
            ..Partition::default()
        },
        ..LoaderOptions::new(batch)
    }
}

#[test]
fn batches_have_the_windows_of_the_order_however_they_are_read() {
    let folder = common::Folder::new();
    let data = opened(&folder, 5000);
    for (length, stride) in [(65, 64), (65, 0), (33, 100), (1, 1), (7, 3)] {
        let source = TokenSource::from_data(&data, HEADER as u64, DType::U16, length, stride);
        let source = Arc::new(source.unwrap());
        let stride = if stride == 0 { length } else { stride };
        assert_eq!(source.len(), (5000 - length) / stride + 1);
        for io in [Io::Auto, Io::Map, Io::Read, Io::Direct] {
            for dtype in [None, Some(DType::I32), Some(DType::I64), Some(DType::F32)] {
                let mut how = options(9, 32);
                how.io = io;
                how.fields = vec![FieldOption {
                    name: "tokens".to_owned(),
                    dtype,
                    ragged: RaggedMode::Packed,
                }];
                let order = Order::new(source.len(), &how.order, 0).unwrap();
                let mut loader = Loader::open_source(Arc::clone(&source) as _, &how).unwrap();
                let mut records = Vec::new();
                for step in 0..how.partition.steps(source.len()) {
                    how.partition.take(&order, step, &mut records).unwrap();
                    let batch = loader.next().unwrap().unwrap();
                    assert_eq!(batch.valid(), records.len());
                    assert_eq!(&batch.records()[..records.len()], records);
                    assert_eq!(batch.name(0), Some("tokens"));
                    let tensor = batch.tensor(0).unwrap();
                    assert_eq!(tensor.shape.dims(), [32, i64::try_from(length).unwrap()]);
                    assert_eq!(tensor.dtype, dtype.unwrap_or(DType::U16));
                    let all: Vec<u16> = records
                        .iter()
                        .flat_map(|record| window(record * stride, length))
                        .collect();
                    let mut expected: Vec<u8> = match dtype {
                        None => all.iter().flat_map(|token| token.to_le_bytes()).collect(),
                        Some(DType::I32) => all
                            .iter()
                            .flat_map(|&token| i32::from(token).to_le_bytes())
                            .collect(),
                        Some(DType::I64) => all
                            .iter()
                            .flat_map(|&token| i64::from(token).to_le_bytes())
                            .collect(),
                        _ => all
                            .iter()
                            .flat_map(|&token| f32::from(token).to_le_bytes())
                            .collect(),
                    };
                    let bytes = bytes_of(&batch);
                    expected.resize(bytes.len(), 0);
                    assert!(
                        bytes == expected,
                        "{length} {stride} {io:?} {dtype:?} {step}"
                    );
                }
                assert!(loader.next().unwrap().is_none());
            }
        }
    }
}

#[test]
fn the_last_window_ends_where_the_tokens_do() {
    for (count, length, stride, windows) in [
        (0, 1, 1, 0),
        (1, 1, 1, 1),
        (64, 65, 64, 0),
        (65, 65, 64, 1),
        (128, 65, 64, 1),
        (129, 65, 64, 2),
        (10, 3, 4, 2),
        (11, 3, 4, 3),
        (5, 5, u64::MAX, 1),
    ] {
        let data = common::data_of(&file_bytes(count));
        let source =
            TokenSource::from_data(&data, HEADER as u64, DType::U16, length, stride).unwrap();
        assert_eq!(source.len(), windows, "{count} {length} {stride}");
    }
    // An odd byte at the end is no token.
    let mut bytes = file_bytes(3);
    bytes.push(7);
    let data = common::data_of(&bytes);
    let source = TokenSource::from_data(&data, HEADER as u64, DType::U16, 1, 1).unwrap();
    assert_eq!(source.len(), 3);
}

#[test]
fn an_array_is_taken_as_it_lies() {
    let folder = common::Folder::new();
    let mut npy = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    let mut header = "{'descr': '<i4', 'fortran_order': False, 'shape': (100,), }".to_owned();
    while header.len() < 117 {
        header.push(' ');
    }
    header.push('\n');
    npy.extend_from_slice(header.as_bytes());
    npy.extend((0..100i32).flat_map(|value| (value * 3).to_le_bytes()));
    let path = folder.file("tokens.npy", &npy);
    let array = Array::open(&path, &Default::default()).unwrap();
    let source = Arc::new(TokenSource::new(&array.source().unwrap(), 11, 10).unwrap());
    drop(array);
    assert_eq!(source.len(), 9);
    let mut loader = Loader::open_source(source, &options(1, 4)).unwrap();
    while let Some(batch) = loader.next().unwrap() {
        let bytes = bytes_of(&batch);
        for (row, &record) in batch.records().iter().enumerate().take(batch.valid()) {
            let start = i32::try_from(record).unwrap() * 10;
            let expected: Vec<u8> = (start..start + 11)
                .flat_map(|value| (value * 3).to_le_bytes())
                .collect();
            assert_eq!(&bytes[row * 44..(row + 1) * 44], expected);
        }
    }
}

#[test]
fn what_is_no_row_of_tokens_is_refused() {
    let data = common::data_of(&file_bytes(100));
    let array = |offset, dtype, dims: &[i64]| tensor::Source {
        data: Arc::clone(&data),
        offset,
        dtype,
        shape: tensor::Shape::new(dims).unwrap(),
    };
    let refused = |array: &tensor::Source, length| {
        let error = TokenSource::new(array, length, 1).unwrap_err();
        (error.kind(), error.to_string())
    };
    let (kind, text) = refused(&array(1024, DType::U16, &[10, 10]), 5);
    assert_eq!(kind, Kind::Shape);
    assert!(
        text.ends_with("can't be taken as tokens: [10, 10] has not one dimension"),
        "{text}"
    );
    assert_eq!(refused(&array(1024, DType::U16, &[]), 5).0, Kind::Shape);
    let (kind, text) = refused(&array(1024, DType::Q8_0, &[32]), 5);
    assert_eq!(kind, Kind::DType);
    assert!(text.ends_with("elements of q8_0 come in blocks"), "{text}");
    let (kind, text) = refused(&array(1024, DType::U16, &[100]), 0);
    assert_eq!(kind, Kind::InvalidArgument);
    assert!(text.ends_with("a window of 0 elements is none"), "{text}");
    assert_eq!(
        refused(&array(1024, DType::U16, &[100]), u64::MAX).0,
        Kind::InvalidArgument
    );
    assert_eq!(
        refused(&array(1024, DType::U16, &[101]), 5).0,
        Kind::OutOfRange
    );
    assert_eq!(
        refused(&array(1025, DType::U16, &[100]), 5).0,
        Kind::OutOfRange
    );
    let beyond = TokenSource::from_data(&data, 5000, DType::U16, 5, 1).unwrap_err();
    assert_eq!(beyond.kind(), Kind::OutOfRange);
    // Nothing to load is told at once.
    let none = TokenSource::from_data(&data, 1024, DType::U16, 101, 1).unwrap();
    let error = Loader::open_source(Arc::new(none), &options(0, 1)).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(error.to_string().ends_with("has no records"), "{error}");
}

#[test]
fn other_tokens_or_windows_are_another_set() {
    let mut other = file_bytes(3000);
    other[HEADER + 5] ^= 1;
    let mut late = file_bytes(3000);
    *late.last_mut().unwrap() ^= 1;
    let sources = [
        (file_bytes(3000), DType::U16, 65, 64),
        (file_bytes(3000), DType::I16, 65, 64),
        (file_bytes(3001), DType::U16, 65, 64),
        (file_bytes(3000), DType::U16, 64, 64),
        (file_bytes(3000), DType::U16, 65, 65),
        (other, DType::U16, 65, 64),
        (late, DType::U16, 65, 64),
    ];
    let identity = |(bytes, dtype, length, stride): &(Vec<u8>, DType, u64, u64)| {
        let data = common::data_of(bytes);
        let source = TokenSource::from_data(&data, HEADER as u64, *dtype, *length, *stride);
        source.unwrap().identity()
    };
    let mut all: Vec<u128> = sources.iter().map(identity).collect();
    assert_eq!(all[0], identity(&sources[0]));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), sources.len());
}

#[test]
fn a_file_that_is_cut_is_an_error_of_its_window() {
    let folder = common::Folder::new();
    let data = opened(&folder, 5000);
    let source = TokenSource::from_data(&data, HEADER as u64, DType::U16, 50, 50).unwrap();
    let mut how = options(3, 10);
    how.workers = Some(0);
    how.io = Io::Read;
    let mut loader = Loader::open_source(Arc::new(source), &how).unwrap();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(folder.join("tokens.bin"));
    file.unwrap().set_len(HEADER as u64 + 2 * 2500).unwrap();
    let error = loop {
        match loader.next() {
            Ok(Some(batch)) => {
                assert!(
                    batch.records()[..batch.valid()]
                        .iter()
                        .all(|&record| record < 50)
                );
            }
            Ok(None) => unreachable!("half of the windows are gone"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), Kind::Truncated, "{error}");
    let Error::BadRecord { record, .. } = error else {
        unreachable!("{error}");
    };
    assert!(record >= 50, "{record}");
}
