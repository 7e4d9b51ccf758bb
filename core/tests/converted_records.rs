//! Record files and sets written anew by conversions.
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

use adit_core::convert::{Error, convert_records};
use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::record::{ArecOptions, RecordWriter, WriterOptions};
use common::{Folder, Pair, Tensor, disk, go_on, noise, write};
use converted_tools::*;

fn pairs(records: &[Pair]) -> Vec<Vec<Tensor>> {
    records.iter().map(|pair| pair.to_vec()).collect()
}

/// Documents, a field of two sizes of its own, bytes, and a label.
fn mixed_rows() -> Vec<Row> {
    vec![
        row("tokens", DType::U16, &[-1]),
        row("label", DType::I32, &[]),
        row("boxes", DType::F32, &[-1, 4]),
        bytes_row("image"),
    ]
}

fn mixed(count: u64) -> Vec<Vec<Tensor>> {
    let record = |n: u64| {
        let tokens = n as i64 % 7 * 11;
        let boxes = n as i64 % 3;
        let image = 100 + n as i64 % 900;
        vec![
            Tensor::new(DType::U16, &[tokens], bytes(n, tokens as usize * 2)),
            Tensor::new(DType::I32, &[], (n as i32).to_le_bytes().to_vec()),
            Tensor::new(DType::F32, &[boxes, 4], bytes(n + 1, boxes as usize * 16)),
            Tensor::new(DType::U8, &[image], bytes(n + 2, image as usize)),
        ]
    };
    (0..count).map(record).collect()
}

#[test]
fn rrec_becomes_arec() {
    let folder = Folder::new();
    let records: Vec<Pair> = (0..2000)
        .map(|n| [noise(n, &[3, 4]), noise(n + 9, &[])])
        .collect();
    let (from, to) = (folder.join("a.rrec"), folder.join("b.arec"));
    write(&from, &records);
    let mut told = Vec::new();
    let mut progress = |done, total| {
        told.push((done, total));
        true
    };
    let count = convert_records(
        &disk(),
        &from,
        &to,
        &WriterOptions::default(),
        &mut progress,
    );
    assert_eq!(count.unwrap(), 2000);
    assert_eq!(told.first(), Some(&(0, 2000)));
    assert_eq!(told.last(), Some(&(2000, 2000)));
    let reader = open(&to);
    let fields = [
        row("input", DType::F32, &[3, 4]),
        row("target", DType::F32, &[]),
    ];
    assert_eq!(rows_of(&reader), fields);
    assert_eq!(read_all(&reader), pairs(&records));
    assert_eq!(reader.verify(&mut go_on).unwrap().bad_records, 0);

    // And back: byte for byte what it was.
    let back = folder.join("c.rrec");
    assert_eq!(convert(&to, &back, &rrec()).unwrap(), 2000);
    assert!(fs::read(&back).unwrap() == fs::read(&from).unwrap());
    assert_eq!(folder.names(), ["a.rrec", "b.arec", "c.rrec"]);
}

#[test]
fn sizes_that_differ_become_each_records_own() {
    let folder = Folder::new();
    let records: Vec<Pair> = (0..30)
        .map(|n| [noise(n, &[3, i64::from(n % 4)]), noise(n, &[2])])
        .collect();
    let (from, to) = (folder.join("a.rrec"), folder.join("b.arec"));
    write(&from, &records);
    convert(&from, &to, &WriterOptions::default()).unwrap();
    let reader = open(&to);
    let fields = [
        row("input", DType::F32, &[3, -1]),
        row("target", DType::F32, &[2]),
    ];
    assert_eq!(rows_of(&reader), fields);
    assert_eq!(read_all(&reader), pairs(&records));
}

#[test]
fn records_that_no_field_takes_are_named() {
    let folder = Folder::new();
    let half = Tensor::new(DType::F16, &[2], vec![0, 60, 0, 64]);
    let cases: [(Pair, Kind, &str); 2] = [
        (
            [noise(7, &[5]), half],
            Kind::DType,
            "record 4, field 1: it is f16, those before are f32",
        ),
        (
            [noise(7, &[5, 1]), noise(7, &[2])],
            Kind::Shape,
            "record 4, field 0: it has 2 dimensions, those before have 1",
        ),
    ];
    let (from, to) = (folder.join("a.rrec"), folder.join("b.arec"));
    for (odd, kind, says) in cases {
        let mut records: Vec<Pair> = (0..4).map(|n| [noise(n, &[5]), noise(n, &[2])]).collect();
        records.push(odd);
        write(&from, &records);
        let error = convert(&from, &to, &WriterOptions::default()).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(says), "{error}");
        let place = error.place();
        assert_eq!((place.path, place.index), (Some(from.clone()), Some(4)));
        assert_eq!(folder.names(), ["a.rrec"]);
    }
    write(&from, &[]);
    let error = convert(&from, &to, &WriterOptions::default()).unwrap_err();
    assert!(
        error.to_string().contains("a.rrec' has no records"),
        "{error}"
    );
    assert_eq!(error.kind(), Kind::InvalidArgument);
}

#[test]
fn layout_and_shards_change_the_records_do_not() {
    let folder = Folder::new();
    let (one, records) = (folder.join("one.arec"), mixed(700));
    let mut writer = RecordWriter::create(disk(), &one, &arec(&mixed_rows())).unwrap();
    for record in &records {
        let views: Vec<_> = record.iter().map(Tensor::view).collect();
        writer.append(&views).unwrap();
    }
    writer.set_metadata("source", b"here").unwrap();
    writer.set_metadata("empty", b"").unwrap();
    writer.finish().unwrap();

    let pages = WriterOptions {
        arec: ArecOptions {
            align: 256,
            pages: true,
            block_bytes: 64 << 10,
            ..ArecOptions::default()
        },
        ..WriterOptions::default()
    };
    let shards = WriterOptions {
        arec: ArecOptions {
            block_bytes: 16 << 10,
            ..ArecOptions::default()
        },
        shard_bytes: 100_000,
        ..WriterOptions::default()
    };
    let plain = WriterOptions::default();
    let mut from = one.clone();
    for (name, options) in [
        ("two.arec", &pages),
        ("set.json", &shards),
        ("three.arec", &plain),
    ] {
        let to = folder.join(name);
        assert_eq!(convert(&from, &to, options).unwrap(), 700);
        let reader = open(&to);
        assert_eq!(rows_of(&reader), mixed_rows(), "{name}");
        assert_eq!(read_all(&reader), records, "{name}");
        let mut metadata = reader.metadata().unwrap().to_vec();
        metadata.sort();
        let told = [("empty", ""), ("source", "here")]
            .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
        assert_eq!(metadata, told, "{name}");
        assert_eq!(
            reader.shards() > 3,
            name == "set.json",
            "{}",
            reader.shards()
        );
        assert_eq!(reader.verify(&mut go_on).unwrap().bad_records, 0);
        from = to;
    }
}

#[test]
fn damage_is_not_passed_on() {
    let folder = Folder::new();
    let (from, to) = (folder.join("a.arec"), folder.join("b.arec"));
    let records = mixed(50);
    write_with(&from, &arec(&mixed_rows()), &records);
    let mut file = fs::read(&from).unwrap();
    let image = &records[33][3].bytes;
    let at = file.windows(image.len()).position(|window| window == image);
    file[at.unwrap() + 50] ^= 4;
    fs::write(&from, file).unwrap();
    let error = convert(&from, &to, &WriterOptions::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Checksum);
    assert_eq!(error.place().index, Some(33));
    let said = error.to_string();
    assert!(said.contains("a.arec") && said.contains("image"), "{said}");
    assert_eq!(folder.names(), ["a.arec"]);
}

#[test]
fn a_conversion_that_is_cancelled_leaves_nothing() {
    let folder = Folder::new();
    let (from, to) = (folder.join("a.rrec"), folder.join("b.arec"));
    let records: Vec<Pair> = (0..5000).map(|n| [noise(n, &[2]), noise(n, &[])]).collect();
    write(&from, &records);
    // In the look at all records, in the writing, and at its end.
    let mut calls = 0;
    convert_records(
        &disk(),
        &from,
        &to,
        &WriterOptions::default(),
        &mut |_, _| {
            calls += 1;
            true
        },
    )
    .unwrap();
    assert!(calls > 10, "{calls}");
    fs::remove_file(&to).unwrap();
    for stop in [0, 1, calls / 2 + 1, calls - 1] {
        let mut left = stop;
        let mut progress = |_, _| {
            left -= 1;
            left >= 0
        };
        let result = convert_records(
            &disk(),
            &from,
            &to,
            &WriterOptions::default(),
            &mut progress,
        );
        assert!(
            matches!(result, Err(Error::Cancelled)),
            "{stop}: {result:?}"
        );
        assert_eq!(folder.names(), ["a.rrec"]);
    }
}

#[test]
fn a_file_is_converted_over_itself() {
    let folder = Folder::new();
    let path = folder.join("a.arec");
    let records = mixed(40);
    write_with(&path, &arec(&mixed_rows()), &records);
    let options = WriterOptions {
        arec: ArecOptions {
            align: 4096,
            ..ArecOptions::default()
        },
        ..WriterOptions::default()
    };
    let before = fs::metadata(&path).unwrap().len();
    assert_eq!(convert(&path, &path, &options).unwrap(), 40);
    assert!(fs::metadata(&path).unwrap().len() > before);
    assert_eq!(read_all(&open(&path)), records);
    assert_eq!(folder.names(), ["a.arec"]);
}

/// Cut while it is read, which a map would answer with a signal.
#[test]
fn a_set_that_is_cut_is_an_error() {
    let folder = Folder::new();
    let (from, to) = (folder.join("a.arec"), folder.join("b.arec"));
    write_with(&from, &arec(&mixed_rows()), &mixed(5000));
    let len = fs::metadata(&from).unwrap().len();
    let mut cut = false;
    let mut progress = |done, _| {
        if done > 0 && !cut {
            let file = fs::File::options().write(true).open(&from).unwrap();
            file.set_len(len / 8).unwrap();
            cut = true;
        }
        true
    };
    let options = WriterOptions::default();
    let error = convert_records(&disk(), &from, &to, &options, &mut progress).unwrap_err();
    assert_eq!(error.kind(), Kind::Truncated, "{error}");
    assert_eq!(error.place().path, Some(from.clone()));
    assert_eq!(folder.names(), ["a.arec"]);
}

/// The same of a file whose records are looked at one by one: in the look and in the copy.
#[test]
fn an_rrec_file_that_is_cut_is_an_error() {
    let records: Vec<Pair> = (0..20_000)
        .map(|n| [noise(n, &[3, 4]), noise(n + 9, &[])])
        .collect();
    for options in [rrec(), WriterOptions::default()] {
        let folder = Folder::new();
        let (from, to) = (folder.join("a.rrec"), folder.join("b"));
        write(&from, &records);
        let mut cut = false;
        let mut progress = |done, _| {
            if done > 0 && !cut {
                let file = fs::File::options().write(true).open(&from).unwrap();
                file.set_len(4096).unwrap();
                cut = true;
            }
            true
        };
        let error = convert_records(&disk(), &from, &to, &options, &mut progress).unwrap_err();
        assert!(cut);
        assert_eq!(error.kind(), Kind::Truncated, "{error}");
        assert_eq!(error.place().path, Some(from.clone()));
        assert_eq!(folder.names(), ["a.rrec"]);
    }
}
