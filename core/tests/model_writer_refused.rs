//! What the model writer refuses, and when its file appears.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod writer_tools;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Data, DataOptions};
use adit_core::model::{ModelWriter, ModelWriterOptions};
use common::{Folder, disk};
use writer_tools::{REPLACE, declared, read, small};

#[test]
fn what_is_refused_leaves_the_writer_as_it_was() {
    let folder = Folder::new();
    let path = folder.join("m.safetensors");
    let mut writer = declared(&disk(), &path, &REPLACE, &small()).unwrap();
    let refused: [(&str, DType, &[i64], Kind, &str); 10] = [
        (
            "odd",
            DType::F32,
            &[1],
            Kind::InvalidArgument,
            "that of tensor 0",
        ),
        (
            "__metadata__",
            DType::F32,
            &[1],
            Kind::InvalidArgument,
            "metadata",
        ),
        (
            "q",
            DType::Q4_0,
            &[32],
            Kind::DType,
            "no dtype q4_0; convert or dequantise",
        ),
        ("q", DType::Complex128, &[1], Kind::DType, "complex128"),
        ("s", DType::F32, &[2, -1], Kind::Shape, "dimension 1 is -1"),
        ("s", DType::F32, &[0, -1], Kind::Shape, "dimension 1 is -1"),
        (
            "s",
            DType::F32,
            &[i64::MAX, 2],
            Kind::Shape,
            "9223372036854775807 x 2",
        ),
        (
            "s",
            DType::F32,
            &[i64::MAX, i64::MAX, 0],
            Kind::Shape,
            "more than memory",
        ),
        ("s", DType::F4E2M1, &[3], Kind::Shape, "whole byte"),
        ("s", DType::F6E2M3, &[2, 3], Kind::Shape, "whole byte"),
    ];
    for (name, dtype, dims, kind, text) in refused {
        let error = writer.declare(name, dtype, dims).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        let place = error.place();
        assert_eq!(
            (place.path.as_ref(), place.index),
            (Some(&path), Some(5)),
            "{error}"
        );
    }
    assert_eq!(writer.count(), 5);
    // A zero first: nothing overflows.
    assert_eq!(
        writer
            .declare("s", DType::F32, &[0, i64::MAX, i64::MAX])
            .unwrap(),
        5
    );

    for error in [
        writer.location(0).unwrap_err(),
        writer.write(0, 0, b"abc").unwrap_err(),
        writer.finish().unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert!(error.to_string().contains("hasn't begun"), "{error}");
        assert_eq!(error.place().path.as_ref(), Some(&path));
    }
    let error = writer.location(6).unwrap_err();
    assert_eq!(
        (error.kind(), error.place().index),
        (Kind::OutOfRange, Some(6))
    );
    writer.begin().unwrap();
    for error in [
        writer.begin().unwrap_err(),
        writer.declare("late", DType::F32, &[1]).unwrap_err(),
        writer.set_metadata("late", "").unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert!(error.to_string().contains("has begun"), "{error}");
    }
    for (index, offset, text) in [
        (0, 1, "3 bytes"),
        (0, u64::MAX, "byte 18446744073709551615"),
        (6, 0, "6 are declared"),
    ] {
        let error = writer.write(index, offset, b"abc").unwrap_err();
        assert_eq!(error.kind(), Kind::OutOfRange);
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(error.place().index, Some(index as u64));
    }
    writer.write(5, 0, b"").unwrap();
    let model = small();
    for (number, own) in model.iter().enumerate() {
        writer.write(number, 0, &own.bytes).unwrap();
    }
    writer.finish().unwrap();
    for error in [
        writer.finish().unwrap_err(),
        writer.begin().unwrap_err(),
        writer.write(0, 0, b"").unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert!(error.to_string().contains("has finished"), "{error}");
    }
    assert_eq!(read(&*disk(), &path).unwrap().len(), 6);
}

#[test]
fn when_the_file_appears() {
    let folder = Folder::new();
    let path = folder.file("m.safetensors", b"old");
    // Dropped at any stage, nothing is left.
    let mut writer = declared(&disk(), &path, &REPLACE, &small()).unwrap();
    assert_eq!(folder.names().len(), 1);
    writer.begin().unwrap();
    assert_eq!(folder.names().len(), 2);
    writer.write(0, 0, b"abc").unwrap();
    // What is there so far is no model.
    let temporary = folder
        .names()
        .into_iter()
        .find(|name| name.ends_with(".adit-tmp"))
        .unwrap();
    assert!(temporary.starts_with("m.safetensors."), "{temporary}");
    let bytes = Data::open(&folder.join(&temporary), &DataOptions::default()).unwrap();
    assert_eq!(bytes.region().to_vec(0, 9).unwrap(), b"\0\0\0\0\0\0\0\0{");
    drop(writer);
    assert_eq!(folder.names(), ["m.safetensors"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"old");

    // Not to be replaced: told by begin, and by finish of a file that came meanwhile.
    let keep = ModelWriterOptions::default();
    let mut writer = declared(&disk(), &path, &keep, &small()).unwrap();
    let error = writer.begin().unwrap_err();
    assert_eq!(
        (error.kind(), error.place().path),
        (Kind::Exists, Some(path.clone()))
    );
    std::fs::remove_file(&path).unwrap();
    writer.begin().unwrap();
    for (number, own) in small().iter().enumerate() {
        writer.write(number, 0, &own.bytes).unwrap();
    }
    folder.file("m.safetensors", b"theirs");
    assert_eq!(writer.finish().unwrap_err().kind(), Kind::Exists);
    assert_eq!(writer.finish().unwrap_err().kind(), Kind::Poisoned);
    assert_eq!(writer.write(0, 0, b"").unwrap_err().kind(), Kind::Poisoned);
    assert_eq!(
        writer.declare("x", DType::F32, &[]).unwrap_err().kind(),
        Kind::Poisoned
    );
    assert_eq!(folder.names(), ["m.safetensors"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
}

#[test]
fn paths_that_cant_be_written() {
    let folder = Folder::new();
    std::fs::create_dir(folder.join("folder")).unwrap();
    for path in [folder.join(".."), folder.join("x/"), "".into(), "/".into()] {
        let error = ModelWriter::create(disk(), &path, &REPLACE).unwrap_err();
        assert_eq!(
            (error.kind(), error.place().path),
            (Kind::InvalidArgument, Some(path))
        );
    }
    for (path, kind) in [
        (folder.join("folder"), Kind::NotAFile),
        (folder.join("none/m.safetensors"), Kind::NotFound),
    ] {
        let mut writer = declared(&disk(), &path, &REPLACE, &small()).unwrap();
        let error = writer.begin().unwrap_err();
        assert_eq!((error.kind(), error.place().path), (kind, Some(path)));
    }
    // After a failure to begin, it can begin.
    let path = folder.join("later/m.safetensors");
    let mut writer = declared(&disk(), &path, &REPLACE, &small()).unwrap();
    assert_eq!(writer.begin().unwrap_err().kind(), Kind::NotFound);
    std::fs::create_dir(folder.join("later")).unwrap();
    writer.begin().unwrap();
    assert_eq!(writer.finish().unwrap_err().kind(), Kind::Unfinished);
}

#[test]
fn a_header_that_nobody_reads_is_refused() {
    let folder = Folder::new();
    let path = folder.join("m.safetensors");
    let mut writer = declared(&disk(), &path, &REPLACE, &small()).unwrap();
    writer
        .set_metadata("long", &"x".repeat(100_000_000))
        .unwrap();
    let error = writer.begin().unwrap_err();
    assert_eq!(error.kind(), Kind::OutOfRange);
    assert!(error.to_string().contains("100000000"), "{error}");
    assert!(folder.names().is_empty());
    writer
        .set_metadata("long", &"x".repeat(99_999_000))
        .unwrap();
    writer.begin().unwrap();
    let mut large = declared(&disk(), &path, &REPLACE, &[]).unwrap();
    for name in ["a", "b", "c"] {
        large.declare(name, DType::U8, &[i64::MAX]).unwrap();
    }
    assert_eq!(large.begin().unwrap_err().kind(), Kind::OutOfRange);
}
