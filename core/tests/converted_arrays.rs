//! Arrays side by side that become records.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod converted_tools;

use std::fs;
use std::path::{Path, PathBuf};

use adit_core::convert::{Result, convert_arrays};
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::record::WriterOptions;
use common::{Folder, disk, go_on};
use converted_tools::*;

/// An npy file of version 1.0, by the format's description alone.
fn npy(
    folder: &Folder,
    name: &str,
    descr: &str,
    fortran: bool,
    shape: &str,
    data: &[u8],
) -> PathBuf {
    let order = if fortran { "True" } else { "False" };
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(data);
    folder.file(name, &file)
}

fn convert(paths: &[&Path], names: &[&str], to: &Path) -> Result<u64> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    convert_arrays(
        &disk(),
        &paths,
        &names,
        to,
        &WriterOptions::default(),
        &mut go_on,
    )
}

#[test]
fn rows_become_records() {
    let folder = Folder::new();
    let digits = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/digits"));
    let paths = ["images_u8.npy", "labels_u8.npy"].map(|name| digits.join(name));
    let to = folder.join("digits.arec");
    let count = convert(&paths.each_ref().map(PathBuf::as_path), &[], &to);
    assert_eq!(count.unwrap(), 1797);
    let reader = open(&to);
    let fields = [
        row("images_u8", DType::U8, &[8, 8]),
        row("labels_u8", DType::U8, &[]),
    ];
    assert_eq!(rows_of(&reader), fields);
    let files = paths.map(|path| fs::read(path).unwrap()[128..].to_vec());
    for (index, record) in read_all(&reader).iter().enumerate() {
        assert_eq!(record[0].bytes, files[0][index * 64..][..64]);
        assert_eq!(record[1].bytes, files[1][index..][..1]);
    }
}

/// In any order of bytes and dimensions.
#[test]
fn records_are_little_endian_and_in_c_order() {
    let folder = Folder::new();
    let big: Vec<u8> = (0..12u16)
        .flat_map(|value| (value * 300).to_be_bytes())
        .collect();
    // Column after column: element (i, j) is i + 3 * j.
    let columns: Vec<u8> = (0..12i32).flat_map(i32::to_le_bytes).collect();
    let a = npy(&folder, "a.b.npy", ">u2", false, "(3, 2, 2)", &big);
    let b = npy(&folder, "b.npy", "<i4", true, "(3, 4)", &columns);
    let to = folder.join("out.arec");
    assert_eq!(convert(&[&a, &b], &[], &to).unwrap(), 3);
    let reader = open(&to);
    let fields = [row("a.b", DType::U16, &[2, 2]), row("b", DType::I32, &[4])];
    assert_eq!(rows_of(&reader), fields);
    for (i, record) in read_all(&reader).iter().enumerate() {
        let values = (0..4).map(|j| (i as u16 * 4 + j) * 300);
        assert_eq!(
            record[0].bytes,
            values.flat_map(u16::to_le_bytes).collect::<Vec<_>>()
        );
        let values = (0..4).map(|j| i as i32 + 3 * j);
        assert_eq!(
            record[1].bytes,
            values.flat_map(i32::to_le_bytes).collect::<Vec<_>>()
        );
    }
}

/// More rows than are held at once, and rows longer than that.
#[test]
fn many_rows_go_in_parts() {
    let folder = Folder::new();
    let data = bytes(5, 3 * (7 << 20));
    let long = npy(&folder, "long.npy", "|u1", false, "(3, 7340032)", &data);
    let other: Vec<u8> = (0..3u64).flat_map(u64::to_le_bytes).collect();
    let other = npy(&folder, "other.npy", "<u8", false, "(3,)", &other);
    let to = folder.join("long.arec");
    assert_eq!(
        convert(&[&long, &other, &long], &["a", "n", "b"], &to).unwrap(),
        3
    );
    for (index, record) in read_all(&open(&to)).iter().enumerate() {
        let wanted = &data[index * 7_340_032..][..7_340_032];
        assert!(record[0].bytes == wanted && record[2].bytes == wanted);
        assert_eq!(record[1].bytes, (index as u64).to_le_bytes());
    }
    let rows: Vec<u8> = (0..1_200_000u64).flat_map(u64::to_le_bytes).collect();
    let rows = npy(&folder, "rows.npy", "<u8", false, "(1200000,)", &rows);
    let mut told = Vec::new();
    let mut progress = |done, total| {
        told.push((done, total));
        true
    };
    let to = folder.join("rows.arec");
    let options = WriterOptions::default();
    let count = convert_arrays(&disk(), &[rows], &[], &to, &options, &mut progress).unwrap();
    assert_eq!(count, 1_200_000);
    // In more than one part of 8 MiB.
    assert_eq!(told.first(), Some(&(1 << 20, 1_200_000)));
    assert_eq!(told.last(), Some(&(1_200_000, 1_200_000)));
    let reader = open(&to);
    for index in [0, 1, 1 << 20, (1 << 20) + 1, 1_199_999] {
        let bytes = reader.get(index).unwrap()[0].bytes.to_vec(0, 8).unwrap();
        assert_eq!(bytes, index.to_le_bytes());
    }
}

#[test]
fn arrays_without_rows_make_a_file_without_records() {
    let folder = Folder::new();
    let none = npy(&folder, "none.npy", "<f4", false, "(0, 5)", &[]);
    let to = folder.join("none.arec");
    assert_eq!(convert(&[&none], &[], &to).unwrap(), 0);
    let reader = open(&to);
    assert_eq!(reader.len(), 0);
    assert_eq!(rows_of(&reader), [row("none", DType::F32, &[5])]);
}

/// Paths, names, and what is told of them.
type Case<'a> = (&'a [&'a Path], &'a [&'a str], Kind, &'a [&'a str]);

#[test]
fn what_does_not_fit_together_is_told() {
    let folder = Folder::new();
    let three = npy(&folder, "three.npy", "|u1", false, "(3,)", &[1, 2, 3]);
    let two = npy(&folder, "two.npy", "|u1", false, "(2,)", &[1, 2]);
    let none = npy(&folder, "scalar.npy", "|u1", false, "()", &[1]);
    let text = folder.file("text.npy", b"no array");
    let to = folder.join("out.arec");
    let cases: [Case; 7] = [
        (
            &[&three, &two],
            &[],
            Kind::Shape,
            &["two.npy", "it has 2 rows", "three.npy' has 3"],
        ),
        (&[&none], &[], Kind::Shape, &["scalar.npy", "no dimensions"]),
        (&[], &[], Kind::InvalidArgument, &["no arrays"]),
        (
            &[&three],
            &["a", "b"],
            Kind::InvalidArgument,
            &["1 arrays, but 2 names"],
        ),
        (&[&three, &three], &[], Kind::InvalidArgument, &["three"]),
        (&[&text], &[], Kind::WrongFormat, &["text.npy"]),
        (
            &[Path::new("/no/such.npy")],
            &[],
            Kind::NotFound,
            &["/no/such.npy"],
        ),
    ];
    for (paths, names, kind, says) in cases {
        let error = convert(paths, names, &to).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        for words in says {
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
        assert!(!to.exists());
    }
    let paths = [two];
    let options = WriterOptions::default();
    let stopped = convert_arrays(&disk(), &paths, &[], &to, &options, &mut |_, _| false);
    assert_eq!(stopped.unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(
        folder.names(),
        ["scalar.npy", "text.npy", "three.npy", "two.npy"]
    );
}
