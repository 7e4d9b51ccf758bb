//! Sets of record files: opened by their manifest, or file by file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod set_tools;

use std::fs;
use std::path::Path;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Access, Backend, DataOptions};
use adit_core::record::{
    Error, Field, ReaderOptions, RecordReader, RecordWriter, Schema, WriterOptions, create_manifest,
};
use common::{Folder, disk, go_on};
use set_tools::{
    borrowed, check_all, check_error, fill, is_record, open, options, schema, set, shards, write,
};

#[test]
fn all_records_of_all_files() {
    let folder = Folder::new();
    let manifest = set(folder.path(), &[10, 1, 0, 25, 7]);
    let reader = open(&manifest);
    check_all(&reader, 43);
    assert_eq!((reader.shards(), reader.fields()), (5, 2));
    assert_eq!(reader.schema().unwrap(), schema());
    assert_eq!(reader.find_field("tokens"), Some(1));
    assert_eq!(reader.find_field("labels"), None);
    assert_eq!(reader.shard_of(9).unwrap(), (0, 9));
    assert_eq!(reader.shard_of(10).unwrap(), (1, 0));
    assert_eq!(reader.shard_of(11).unwrap(), (3, 0));
    assert_eq!(reader.shard_of(42).unwrap(), (4, 6));
    let error = reader.get(43).unwrap_err();
    check_error(
        &error,
        Kind::OutOfRange,
        &manifest,
        &["record 43", "it has 43"],
    );
    assert_eq!(
        reader.shard_of(u64::MAX).unwrap_err().kind(),
        Kind::OutOfRange
    );
    assert_eq!(
        reader.data(3).unwrap().origin().path().unwrap(),
        folder.join("3.arec")
    );
    let error = reader.data(5).unwrap_err();
    assert!(
        matches!(error, Error::NoShard { shard: 5, len: 5 }),
        "{error}"
    );
    let mut told = Vec::new();
    let found = reader
        .verify(&mut |done, all| {
            told.push(done);
            assert_eq!(all, 43);
            true
        })
        .unwrap();
    assert_eq!((found.records, found.bad_records), (43, 0));
    assert!(told.is_sorted() && told.last() == Some(&43), "{told:?}");
    let cancelled = reader.verify(&mut |done, _| done < 11).unwrap_err();
    assert_eq!(cancelled.kind(), Kind::Cancelled);
}

#[test]
fn files_as_one_from_any_folders() {
    let (one, two) = (Folder::new(), Folder::new());
    write(&one.join("a.arec"), 0..20);
    write(&two.join("a.arec"), 20..30);
    let paths = [one.join("a.arec"), two.join("a.arec")];
    let options = ReaderOptions::default();
    let reader = RecordReader::open_files(&borrowed(&paths), &options).unwrap();
    check_all(&reader, 30);
    assert_eq!(reader.metadata().unwrap(), []);
    let single = RecordReader::open_files(&[&paths[0]], &options).unwrap();
    check_all(&single, 20);
    assert_eq!(
        single.identity().unwrap(),
        open(&paths[0]).identity().unwrap()
    );

    let error = RecordReader::open_files(&[], &options).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    let missing = one.join("missing.arec");
    let error = RecordReader::open_files(&[&paths[0], &missing], &options).unwrap_err();
    check_error(&error, Kind::NotFound, &missing, &[]);
}

#[test]
fn a_set_has_the_number_of_its_files_in_their_order() {
    let (one, two) = (Folder::new(), Folder::new());
    let manifest = set(one.path(), &[5, 6]);
    let files = [one.join("0.arec"), one.join("1.arec")];
    let options = ReaderOptions::default();
    let in_order = RecordReader::open_files(&borrowed(&files), &options).unwrap();
    let number = open(&manifest).identity().unwrap();
    assert_eq!(in_order.identity().unwrap(), number);
    let turned = RecordReader::open_files(&[&files[1], &files[0]], &options).unwrap();
    assert_ne!(turned.identity().unwrap(), number);
    assert!(is_record(&turned.get(0).unwrap(), 5));
    // The same records, written anew.
    let again = set(two.path(), &[5, 6]);
    assert_ne!(open(&again).identity().unwrap(), number);
}

#[test]
fn an_empty_set_has_no_records() {
    let folder = Folder::new();
    let manifest = set(folder.path(), &[0]);
    let reader = open(&manifest);
    assert_eq!(
        (reader.len(), reader.is_empty(), reader.shards()),
        (0, true, 1)
    );
    assert_eq!(reader.get(0).unwrap_err().kind(), Kind::OutOfRange);
    assert_eq!(reader.verify(&mut go_on).unwrap().records, 0);
}

#[test]
fn only_the_manifest_is_read_at_open() {
    let folder = Folder::new();
    let manifest = set(folder.path(), &[3, 3, 3]);
    fs::remove_file(folder.join("1.arec")).unwrap();
    fs::write(folder.join("2.arec"), b"no record file").unwrap();
    let reader = open(&manifest);
    assert_eq!(reader.len(), 9);
    assert!(is_record(&reader.get(2).unwrap(), 2));
    // Told each time, and forgotten: it may be put back.
    for _ in 0..2 {
        let error = reader.get(4).unwrap_err();
        let words = ["missing", "set.json", "3 records"];
        check_error(&error, Kind::NotFound, &folder.join("1.arec"), &words);
    }
    let found = reader.verify(&mut go_on).unwrap();
    assert_eq!((found.records, found.bad_records), (9, 6));
    assert_eq!(found.first_bad.unwrap().kind(), Kind::NotFound);
}

#[test]
fn a_shard_that_comes_back_is_used() {
    let folder = Folder::new();
    let manifest = set(folder.path(), &[3, 3]);
    fs::rename(folder.join("1.arec"), folder.join("away")).unwrap();
    let reader = open(&manifest);
    assert_eq!(reader.get(3).unwrap_err().kind(), Kind::NotFound);
    fs::rename(folder.join("away"), folder.join("1.arec")).unwrap();
    check_all(&reader, 6);
}

#[test]
fn a_shard_that_is_another_file_is_told() {
    let folder = Folder::new();
    let manifest = set(folder.path(), &[4, 4]);
    let shard = folder.join("1.arec");
    let good = fs::read(&shard).unwrap();
    let read = || open(&manifest).get(5).map(|_| ()).unwrap_err();

    // Swapped: of the same length, another uuid.
    fs::copy(folder.join("0.arec"), &shard).unwrap();
    assert_eq!(fs::metadata(&shard).unwrap().len(), good.len() as u64);
    check_error(
        &read(),
        Kind::Malformed,
        &shard,
        &["its uuid is", "set.json"],
    );
    // Cut anywhere.
    for len in [0, 1, 4095, 4096, good.len() - 4096, good.len() - 1] {
        fs::write(&shard, &good[..len]).unwrap();
        let bytes = format!("it has {len} bytes, not {}", good.len());
        check_error(&read(), Kind::Truncated, &shard, &["it was cut", &bytes]);
    }
    // Grown.
    fs::write(&shard, [good.as_slice(), &[0]].concat()).unwrap();
    check_error(
        &read(),
        Kind::Malformed,
        &shard,
        &["another file than the shard"],
    );
    // Of another format.
    fs::write(&shard, vec![b'x'; good.len()]).unwrap();
    check_error(
        &read(),
        Kind::WrongFormat,
        &shard,
        &["set.json' names it as a shard"],
    );
    // No file.
    fs::remove_file(&shard).unwrap();
    fs::create_dir(&shard).unwrap();
    check_error(
        &read(),
        Kind::NotAFile,
        &shard,
        &["set.json' names it as a shard"],
    );
    fs::remove_dir(&shard).unwrap();
    fs::write(&shard, &good).unwrap();
    check_all(&open(&manifest), 8);
}

#[test]
fn a_manifest_that_says_otherwise_is_told() {
    let folder = Folder::new();
    let manifest = set(folder.path(), &[4, 4]);
    let text = fs::read_to_string(&manifest).unwrap();
    let shard = folder.join("0.arec");
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}: {text}");
        fs::write(&manifest, text.replacen(from, to, 1)).unwrap();
        open(&manifest).get(0).map(|_| ()).unwrap_err()
    };
    let error = with("\"u16\"", "\"i16\"");
    let words = ["field 1 is 'tokens' (u16 [any]), not 'tokens' (i16 [any])"];
    check_error(&error, Kind::Malformed, &shard, &words);
    let error = with("\"number\"", "\"count\"");
    check_error(&error, Kind::Malformed, &shard, &["field 0 is 'number'"]);
    let one_more = "\"fields\": [\n    {\"name\": \"x\", \"dtype\": \"u8\", \"kind\": \"fixed\", \"shape\": []},";
    let error = with("\"fields\": [", one_more);
    check_error(&error, Kind::Malformed, &shard, &["field 0 is 'number'"]);
    fs::write(
        &manifest,
        text.replacen("\"records\": 8", "\"records\": 9", 1)
            .replacen("\"records\": 4", "\"records\": 5", 1),
    )
    .unwrap();
    let error = open(&manifest).get(0).map(|_| ()).unwrap_err();
    check_error(
        &error,
        Kind::Malformed,
        &shard,
        &["it has 4 records, not 5"],
    );
    let footer = text.split("\"footer\": \"").nth(1).unwrap();
    let error = with(&footer[..16], "0000000000000000");
    check_error(&error, Kind::Malformed, &shard, &["footer's hash"]);
}

#[test]
fn damage_is_told_by_the_number_in_the_set() {
    let folder = Folder::new();
    let manifest = set(folder.path(), &[4, 4]);
    let shard = folder.join("1.arec");
    let mut bytes = fs::read(&shard).unwrap();
    let place = bytes
        .windows(8)
        .position(|bytes| bytes == 6u64.to_le_bytes())
        .unwrap();
    bytes[place] ^= 1;
    fs::write(&shard, &bytes).unwrap();
    let options = ReaderOptions {
        check: adit_core::record::Check::Always,
        ..ReaderOptions::default()
    };
    let reader = RecordReader::open(&manifest, &options).unwrap();
    let error = reader.get(6).unwrap_err();
    let words = ["record 2", "record 6 of the set", "number"];
    check_error(&error, Kind::Checksum, &shard, &words);
    assert_eq!(error.place().index, Some(6));
    assert_eq!(error.place().offset, Some(place as u64));
    let found = open(&manifest).verify(&mut go_on).unwrap();
    assert_eq!((found.records, found.bad_records), (8, 1));
    let first = found.first_bad.unwrap();
    assert_eq!(
        (first.kind(), first.place().index),
        (Kind::Checksum, Some(6))
    );
    let error = reader.dims(6, 2).unwrap_err();
    assert!(
        matches!(error, Error::NoField { field: 2, len: 2 }),
        "{error}"
    );
}

#[test]
fn a_manifest_is_made_of_sound_files_alone() {
    let (folder, other) = (Folder::new(), Folder::new());
    let paths = shards(folder.path(), &[2, 2]);
    let manifest = folder.join("set.json");
    let create = |shards: &[&Path]| create_manifest(disk(), &manifest, shards, false);
    let before = folder.names();
    let refused = |shards: &[&Path], kind, path: &Path, words: &[&str]| {
        check_error(&create(shards).unwrap_err(), kind, path, words);
        assert_eq!(folder.names(), before);
    };
    refused(&[], Kind::InvalidArgument, &manifest, &["no shards"]);
    let (first, second) = (paths[0].as_path(), paths[1].as_path());
    refused(
        &[first, first],
        Kind::InvalidArgument,
        &manifest,
        &["twice"],
    );
    let missing = folder.join("2.arec");
    refused(&[first, &missing], Kind::NotFound, &missing, &[]);
    write(&other.join("3.arec"), 0..1);
    let outside = other.join("3.arec");
    refused(
        &[first, &outside],
        Kind::InvalidArgument,
        &outside,
        &["in the folder of its manifest"],
    );

    // The manifest would stand where a shard does, by its name or by another one.
    for (at, shard) in [
        (first, first),
        (folder.join("linked.arec").as_path(), first),
    ] {
        if at != shard {
            fs::hard_link(shard, at).unwrap();
        }
        let whole = fs::read(shard).unwrap();
        let error = create_manifest(disk(), at, &[second, shard], true).unwrap_err();
        check_error(&error, Kind::InvalidArgument, at, &["would replace"]);
        assert!(fs::read(at).unwrap() == whole && fs::read(shard).unwrap() == whole);
    }
    fs::remove_file(folder.join("linked.arec")).unwrap();
    assert_eq!(folder.names(), before);

    // Another schema, a copy, another format, an unfinished file: made and taken away again.
    let mut labels = Schema::new();
    labels.add(Field::new("label", DType::I32, &[])).unwrap();
    let with_labels = WriterOptions {
        schema: Some(labels),
        ..WriterOptions::default()
    };
    let odd = folder.join("odd.arec");
    let mut writer = RecordWriter::create(disk(), &odd, &with_labels).unwrap();
    writer.finish().unwrap();
    let error = create(&[first, &odd]).unwrap_err();
    let words = [
        "0.arec",
        "field 0 is 'label' (i32 []), not 'number' (u64 [])",
    ];
    check_error(&error, Kind::Malformed, &odd, &words);
    let both = [first, odd.as_path()];
    let error = RecordReader::open_files(&both, &ReaderOptions::default()).unwrap_err();
    check_error(&error, Kind::Malformed, &odd, &words);
    fs::copy(first, &odd).unwrap();
    let error = create(&[first, &odd]).unwrap_err();
    check_error(
        &error,
        Kind::InvalidArgument,
        &manifest,
        &["'odd.arec'", "it is a copy"],
    );
    fs::write(&odd, b"RREC, or so").unwrap();
    check_error(&create(&[&odd]).unwrap_err(), Kind::WrongFormat, &odd, &[]);
    let whole = fs::read(first).unwrap();
    fs::write(&odd, &whole[..whole.len() - 4096]).unwrap();
    check_error(&create(&[&odd]).unwrap_err(), Kind::Unfinished, &odd, &[]);

    create(&[second, first]).unwrap();
    assert!(is_record(&open(&manifest).get(0).unwrap(), 2));
    let error = create(&[first]).unwrap_err();
    check_error(&error, Kind::Exists, &manifest, &[]);
    create_manifest(disk(), &manifest, &[first], true).unwrap();
    check_all(&open(&manifest), 2);
}

#[test]
fn shards_are_added_to_manifests_alone() {
    let folder = Folder::new();
    let paths = shards(folder.path(), &[2]);
    let append = |path: &Path| RecordWriter::append_to(disk(), path, &options()).unwrap_err();
    let before = folder.names();
    let words = ["it is an arec file", "the manifest of a set"];
    check_error(&append(&paths[0]), Kind::WrongFormat, &paths[0], &words);
    let other = folder.join("other.rrec");
    fs::write(&other, b"RREC, or so").unwrap();
    let words = ["isn't the manifest of a set"];
    check_error(&append(&other), Kind::WrongFormat, &other, &words);
    fs::remove_file(&other).unwrap();
    assert_eq!(folder.names(), before);
}

#[test]
fn appended_shards_are_seen_by_new_readers_alone() {
    let folder = Folder::new();
    let manifest = set(folder.path(), &[5]);
    let old = open(&manifest);
    assert!(is_record(&old.get(0).unwrap(), 0));
    let mut writer = RecordWriter::append_to(disk(), &manifest, &options()).unwrap();
    fill(&mut writer, 5..9);
    writer.finish().unwrap();
    assert_eq!((old.len(), old.shards()), (5, 1));
    check_all(&old, 5);
    let new = open(&manifest);
    assert_eq!(new.shards(), 2);
    check_all(&new, 9);
    assert_ne!(new.identity().unwrap(), old.identity().unwrap());
}

#[test]
fn a_set_opens_however_its_files_are() {
    let folder = Folder::new();
    let manifest = set(folder.path(), &[4, 9]);
    let with = |data: DataOptions| ReaderOptions {
        data,
        ..ReaderOptions::default()
    };
    for backend in [Backend::Auto, Backend::Map, Backend::Read] {
        for access in [Access::ReadOnly, Access::CopyOnWrite] {
            let options = with(DataOptions {
                backend,
                access,
                ..DataOptions::default()
            });
            check_all(&RecordReader::open(&manifest, &options).unwrap(), 13);
        }
    }
    let options = with(DataOptions {
        access: Access::ReadWrite,
        ..DataOptions::default()
    });
    let reader = RecordReader::open(&manifest, &options).unwrap();
    let error = reader.get(0).unwrap_err();
    check_error(
        &error,
        Kind::Unsupported,
        &folder.join("0.arec"),
        &["only read"],
    );
    let data = std::sync::Arc::clone(open(&folder.join("1.arec")).data(0).unwrap());
    let one = RecordReader::from_data(data, &ReaderOptions::default()).unwrap();
    assert_eq!((one.len(), one.shards()), (9, 1));
    let bytes = common::data_of(&fs::read(&manifest).unwrap());
    let error = RecordReader::from_data(bytes, &ReaderOptions::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongFormat);
    assert!(error.to_string().contains("open its path"), "{error}");
}

/// The numbers are those of python-xxhash 3.x over the bytes that the specification names.
#[test]
fn identities_are_those_of_the_specification() {
    let data = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data"));
    for (file, expected) in [
        (
            "arec/small.arec",
            0xf006_89aa_3624_9492_6e18_329c_e7f4_0465_u128,
        ),
        (
            "arec/ragged.arec",
            0x7ae3_9543_f1d5_6560_3f45_c337_7a3b_7cbc,
        ),
        (
            "rrec/f16_hand.rrec",
            0xf842_b242_92ed_c5ac_e13e_0acd_e005_6db5,
        ),
    ] {
        let reader = open(&data.join(file));
        assert_eq!(reader.identity().unwrap(), expected, "{file}");
    }
}
