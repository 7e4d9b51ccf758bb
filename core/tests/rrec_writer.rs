//! What the record writer writes, byte for byte, and what it refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;

use std::path::Path;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::DataOptions;
use adit_core::record::{Result, RrecReader};
use adit_core::tensor::TensorView;
use common::{
    Folder, Pair, Tensor, create_rrec, disk, encode, fixture, noise, read, strided, write,
};

/// The elements of a strided tensor in C order, one by one.
fn dense(bytes: &[u8], size: usize, dims: &[i64], strides: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    let count: i64 = dims.iter().product();
    for mut number in 0..count {
        let mut at = 0;
        for (dim, stride) in dims.iter().zip(strides).rev() {
            at += number % dim * stride;
            number /= dim;
        }
        out.extend(&bytes[at as usize * size..][..size]);
    }
    out
}

fn open(path: &Path) -> RrecReader {
    RrecReader::open(path, &DataOptions::default()).unwrap()
}

fn kind_of<T: std::fmt::Debug>(result: Result<T>) -> Kind {
    result.unwrap_err().kind()
}

#[test]
fn rewriting_a_peers_file_gives_the_same_bytes() {
    let folder = Folder::new();
    let mut same = 0;
    for entry in std::fs::read_dir(fixture(".")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "json") {
            let sidecar: serde_json::Value =
                serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let file = path.with_extension("");
            let by_peer = sidecar["producer"] == "rumus 0.3.1 RecordWriter";
            if by_peer || file.ends_with("f16_hand.rrec") {
                let records = read(&open(&file));
                let copy = folder.join("copy.rrec");
                write(&copy, &records);
                let (copy, file) = (std::fs::read(copy).unwrap(), std::fs::read(file).unwrap());
                assert!(copy == file, "{}", path.display());
                assert!(encode(&records) == file, "{}", path.display());
                same += 1;
            }
        }
    }
    assert_eq!(same, 9);
    assert_eq!(folder.names(), ["copy.rrec"]);
}

#[test]
fn strided_tensors_are_gathered_into_c_order() {
    let folder = Folder::new();
    let source = noise(1, &[2, 3, 4, 5]);
    let cases: &[(&[i64], &[i64])] = &[
        (&[4, 3], &[1, 4]),
        (&[5, 4, 3, 2], &[1, 5, 20, 60]),
        (&[3, 2, 5], &[20, 60, 1]),
        (&[3, 4], &[0, 1]),
        (&[3, 4], &[1, 0]),
        (&[7], &[0]),
        (&[60], &[2]),
        (&[3, 10], &[40, 3]),
        (&[2, 2, 5], &[60, 20, 1]),
        (&[1, 4, 1], &[i64::MAX, 5, i64::MIN]),
        (&[2, 1, 3, 1, 2, 1, 2, 1], &[60, -1, 20, 0, 10, 7, 1, 9]),
        (&[], &[]),
    ];
    let mut writer = create_rrec(disk(), &folder.join("set.rrec"), false).unwrap();
    let mut expected: Vec<Pair> = Vec::new();
    for &(dims, strides) in cases {
        let as_f32 = strided(&source.bytes, DType::F32, dims, strides).unwrap();
        let as_f16 = strided(&source.bytes, DType::F16, dims, strides).unwrap();
        writer.append(&[as_f32, as_f16]).unwrap();
        expected.push([(DType::F32, 4), (DType::F16, 2)].map(|(dtype, size)| {
            Tensor::new(dtype, dims, dense(&source.bytes, size, dims, strides))
        }));
    }
    writer.finish().unwrap();
    let bytes = std::fs::read(folder.join("set.rrec")).unwrap();
    assert_eq!(bytes, encode(&expected));
    assert_eq!(read(&open(&folder.join("set.rrec"))), expected);
}

#[test]
fn odd_numbers_of_f16_are_padded_with_zeros() {
    let folder = Folder::new();
    let path = folder.join("f16.rrec");
    let halves = Tensor::new(DType::F16, &[3], vec![0xAA; 6]);
    let none = Tensor::new(DType::F16, &[0], Vec::new());
    write(&path, &[[halves.clone(), none]]);
    let bytes = std::fs::read(&path).unwrap();
    let expected = [
        &[1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0][..],
        &[0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0, 0],
        &[1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
        &[64, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0],
    ];
    assert_eq!(bytes[64..], expected.concat());
    assert_eq!(read(&open(&path))[0][0], halves);
}

#[test]
fn shapes_of_no_and_eight_dimensions_and_no_elements() {
    let folder = Folder::new();
    let path = folder.join("shapes.rrec");
    let records = [
        [noise(1, &[]), noise(2, &[1, 2, 1, 3, 1, 2, 1, 2])],
        [noise(3, &[0]), noise(4, &[3, 0, i64::from(u32::MAX)])],
        [noise(5, &[2]), noise(6, &[0, 0, 0, 0, 0, 0, 0, 0])],
    ];
    write(&path, &records);
    assert_eq!(std::fs::read(&path).unwrap(), encode(&records));
    assert_eq!(read(&open(&path)), records);
}

#[test]
fn what_the_format_cant_hold_is_refused_and_changes_nothing() {
    let folder = Folder::new();
    let path = folder.join("set.rrec");
    let good = [noise(1, &[2, 3]), noise(2, &[])];
    let [input, target] = [good[0].view(), good[1].view()];
    let mut writer = create_rrec(disk(), &path, false).unwrap();
    writer.append(&[input, target]).unwrap();

    let bytes = vec![7; 64];
    for dtype in DType::ALL.iter().copied() {
        if matches!(dtype, DType::F32 | DType::F16) {
            continue;
        }
        // Fewer than one block or element of each: an empty tensor has a dtype as well.
        let other = strided(&bytes, dtype, &[0], &[1]).unwrap();
        for pair in [[other, target], [input, other]] {
            assert_eq!(kind_of(writer.append(&pair)), Kind::DType);
            assert_eq!(kind_of(writer.append_batch(&pair)), Kind::DType);
        }
    }
    let wide = i64::from(u32::MAX) + 1;
    for dims in [[wide, 0], [0, wide], [0, i64::MAX]] {
        let other = strided(&bytes, DType::F32, &dims, &[1, 1]).unwrap();
        let error = writer.append(&[input, other]).unwrap_err();
        assert_eq!(error.kind(), Kind::Shape);
        assert!(error.to_string().contains("field 1"), "{error}");
        assert_eq!(kind_of(writer.append(&[other, target])), Kind::Shape);
    }
    let none: [TensorView<'_>; 0] = [];
    assert_eq!(kind_of(writer.append(&none)), Kind::InvalidArgument);
    assert_eq!(kind_of(writer.append(&[input])), Kind::InvalidArgument);
    let three = [input, target, input];
    assert_eq!(kind_of(writer.append(&three)), Kind::InvalidArgument);
    assert_eq!(kind_of(writer.append_batch(&three)), Kind::InvalidArgument);

    assert_eq!(writer.count(), 1);
    writer.append(&[target, input]).unwrap();
    writer.finish().unwrap();
    let [input, target] = good.clone();
    let swapped = [target, input];
    assert_eq!(std::fs::read(&path).unwrap(), encode(&[good, swapped]));
}

#[test]
fn a_batch_is_its_rows() {
    let folder = Folder::new();
    let path = folder.join("set.rrec");
    let (images, labels) = (noise(1, &[4, 3, 5]), noise(2, &[7]));
    let mut writer = create_rrec(disk(), &path, false).unwrap();
    // Transposed images: row i is column i of each; every second label.
    let columns = strided(&images.bytes, DType::F32, &[3, 4, 5], &[5, 15, 1]).unwrap();
    let seconds = strided(&labels.bytes, DType::F32, &[3], &[2]).unwrap();
    writer.append_batch(&[columns, seconds]).unwrap();
    // Empty rows: their strides lead nowhere.
    let empty = strided(&[], DType::F32, &[2, 0, 3], &[i64::MAX, -5, 1]).unwrap();
    let halves = strided(&labels.bytes, DType::F16, &[2, 3], &[3, 1]).unwrap();
    writer.append_batch(&[empty, halves]).unwrap();
    // No rows at all, though more than the format's sizes could count.
    let none = strided(&[], DType::F32, &[0, 2], &[0, 0]).unwrap();
    writer.append_batch(&[none, none]).unwrap();
    assert_eq!(writer.count(), 5);
    writer.finish().unwrap();

    let mut expected: Vec<Pair> = Vec::new();
    for row in 0..3 {
        let from = &images.bytes[row as usize * 20..];
        let image = dense(from, 4, &[4, 5], &[15, 1]);
        let label = labels.bytes[row as usize * 8..][..4].to_vec();
        expected.push([
            Tensor::new(DType::F32, &[4, 5], image),
            Tensor::new(DType::F32, &[], label),
        ]);
    }
    for row in 0..2 {
        let halves = labels.bytes[row * 6..][..6].to_vec();
        expected.push([
            Tensor::new(DType::F32, &[0, 3], Vec::new()),
            Tensor::new(DType::F16, &[3], halves),
        ]);
    }
    assert_eq!(read(&open(&path)), expected);
    assert_eq!(std::fs::read(&path).unwrap(), encode(&expected));
}

#[test]
fn a_batch_is_checked_before_its_first_row_is_written() {
    let folder = Folder::new();
    let mut writer = create_rrec(disk(), &folder.join("set.rrec"), false).unwrap();
    let (three, two, scalar) = (noise(1, &[3, 2]), noise(2, &[2, 3]), noise(3, &[]));
    let error = writer
        .append_batch(&[three.view(), two.view()])
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Shape);
    assert!(
        error.to_string().contains("2 rows, the one before it 3"),
        "{error}"
    );
    let error = writer
        .append_batch(&[scalar.view(), two.view()])
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Shape);
    let wide = i64::from(u32::MAX) + 1;
    let row_too_wide = strided(&[], DType::F32, &[3, wide, 0], &[0; 3]).unwrap();
    let error = writer
        .append_batch(&[three.view(), row_too_wide])
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Shape);
    // The number of rows isn't in the file and may be any.
    let rows = strided(&[], DType::F32, &[0, 5], &[0; 2]).unwrap();
    writer.append_batch(&[rows, rows]).unwrap();
    assert_eq!(writer.count(), 0);
    writer.finish().unwrap();
    let empty = std::fs::read(folder.join("set.rrec")).unwrap();
    assert_eq!(
        empty,
        std::fs::read(fixture("empty_finished.rrec")).unwrap()
    );
}

#[test]
fn large_tensors_and_many_records_cross_the_writes() {
    const MIB: i64 = 1 << 20;
    let folder = Folder::new();
    let path = folder.join("large.rrec");
    let mut records: Vec<Pair> = Vec::new();
    // Around the size from which tensors bypass the buffer, small ones between and beside them.
    for (number, elements) in [MIB - 20, MIB - 1, MIB, MIB + 1, 3 * MIB]
        .into_iter()
        .enumerate()
    {
        let seed = number as u32 * 10;
        let large = noise(seed, &[elements]);
        let halves = Tensor::new(DType::F16, &[2 * elements - 1], large.bytes[2..].to_vec());
        records.push([noise(seed + 1, &[3]), large.clone()]);
        records.push([large, noise(seed + 2, &[])]);
        records.push([halves.clone(), halves]);
        records.extend((3..9).map(|n| [noise(seed + n, &[n.into()]), noise(n, &[])]));
    }
    records.extend((0..8000).map(|n| [noise(n, &[150]), noise(n + 1, &[i64::from(n % 7)])]));
    write(&path, &records);
    assert!(std::fs::read(&path).unwrap() == encode(&records));
    assert!(read(&open(&path)) == records);
}

#[test]
fn large_strided_tensors_go_out_part_by_part() {
    let folder = Folder::new();
    let path = folder.join("large.rrec");
    let source = noise(1, &[1500, 1000]);
    let cases: &[(&[i64], &[i64])] = &[
        (&[1000, 1500], &[1, 1000]),
        (&[3, 1_100_000], &[0, 1]),
        (&[3, 1_100_000, 1], &[200_000, 1, 0]),
        (&[1_100_000], &[1]),
        (&[1_200_000], &[0]),
        (&[2, 2, 500_000], &[1_000_000, 0, 1]),
        (&[1, 2, 600_000], &[7, 600_000, 1]),
        (&[5, 3, 100, 1000], &[300_000, 100_000, 1000, 1]),
        (&[3, 749_999], &[1, 2]),
        (&[1_499_997, 3], &[1, 1]),
    ];
    let mut writer = create_rrec(disk(), &path, false).unwrap();
    let mut expected: Vec<Pair> = Vec::new();
    let small = noise(2, &[5]);
    for &(dims, strides) in cases {
        let large = strided(&source.bytes, DType::F32, dims, strides).unwrap();
        writer.append(&[large, small.view()]).unwrap();
        let own = dense(&source.bytes, 4, dims, strides);
        expected.push([Tensor::new(DType::F32, dims, own), small.clone()]);
    }
    writer.finish().unwrap();
    assert!(std::fs::read(&path).unwrap() == encode(&expected));
}
