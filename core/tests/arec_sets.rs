//! Writers of sets on the simulated disk: shards by size, interrupted at every call, appended to.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod arec_tools;
mod crash;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_core::error::{Kind, Report};
use adit_core::map::Storage;
use adit_core::map::sim::SimStorage;
use adit_core::record::planted::{Bug, plant};
use adit_core::record::{
    Error, ReaderOptions, RecordReader, RecordWriter, Result, WriterOptions, recover,
};
use arec_tools::parse::parse;
use arec_tools::{Record, Tensor, append, images, ragged, records, small, write};
use crash::{EIO, Findings, Image, Outcome, ensure, explore};

const PATH: &str = "/data/train.json";

fn path() -> &'static Path {
    Path::new(PATH)
}

fn options() -> WriterOptions {
    WriterOptions {
        // Two blocks, header and footer.
        shard_bytes: 16384 * 4,
        ..small(&images(39))
    }
}

/// 20 records a shard.
fn all(count: usize) -> Vec<Record> {
    records(1, &images(39), count, 0)
}

fn open(image: &SimStorage) -> Result<RecordReader> {
    RecordReader::open_in(Arc::new(image.clone()), path(), &ReaderOptions::default())
}

fn read(reader: &RecordReader) -> Vec<Record> {
    let tensor = |lent: &adit_core::tensor::Lent<'_>| Tensor {
        dtype: lent.dtype,
        dims: lent.shape.dims().to_vec(),
        bytes: lent.bytes.to_vec(0, lent.bytes.len()).unwrap(),
    };
    (0..reader.len())
        .map(|index| reader.get(index).unwrap().iter().map(tensor).collect())
        .collect()
}

/// The shards' names in order.
fn shards(image: &SimStorage) -> Vec<PathBuf> {
    let mut names = image.names();
    names.retain(|name| {
        name.extension()
            .is_some_and(|extension| extension == "arec")
    });
    names.sort();
    names
}

#[test]
fn shards_begin_where_the_next_block_would_be_too_much() {
    let disk = SimStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let all = all(50);
    write(&storage, path(), &options(), &all).unwrap();
    let names = shards(&disk);
    let counts: Vec<usize> = names
        .iter()
        .map(|name| {
            let bytes = disk.contents(name).unwrap();
            assert!(bytes.len() <= 16384 * 4, "{}", bytes.len());
            parse(&bytes).records.len()
        })
        .collect();
    assert_eq!(counts, [20, 20, 10]);
    for (number, name) in names.iter().enumerate() {
        let name = name.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("train-"), "{name}");
        assert!(name.ends_with(&format!("-{number:05}.arec")), "{name}");
        assert_eq!(name.len(), "train-01234567-00000.arec".len());
    }
    let reader = open(&disk).unwrap();
    assert_eq!(reader.shards(), 3);
    assert!(read(&reader) == all);
    assert_eq!(disk.names().len(), 4);
}

#[test]
fn a_batch_goes_on_in_the_next_shard() {
    let disk = SimStorage::new();
    let all = all(50);
    let column = |field: usize, dims: &[i64]| Tensor {
        dtype: all[0][field].dtype,
        dims: dims.to_vec(),
        bytes: all.iter().flat_map(|r| r[field].bytes.clone()).collect(),
    };
    let (image, label) = (column(0, &[50, 39, 39]), column(1, &[50]));
    let mut writer = RecordWriter::create(Arc::new(disk.clone()), path(), &options()).unwrap();
    writer.set_metadata("source", b"a test").unwrap();
    writer.append_batch(&[image.view(), label.view()]).unwrap();
    assert_eq!(writer.count(), 50);
    writer.finish().unwrap();
    let reader = open(&disk).unwrap();
    assert!(read(&reader) == all);
    let entry = ("source".to_owned(), b"a test".to_vec());
    assert_eq!(reader.metadata().unwrap(), [entry]);
}

#[test]
fn shards_are_added_to_a_set() {
    let disk = SimStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let all = all(75);
    write(&storage, path(), &options(), &all[..30]).unwrap();
    let before = open(&disk).unwrap();
    let adding = WriterOptions {
        schema: None,
        ..options()
    };
    let mut writer = RecordWriter::append_to(Arc::clone(&storage), path(), &adding).unwrap();
    for record in &all[30..75] {
        append(&mut writer, record).unwrap();
    }
    assert_eq!(writer.count(), 45);
    let mut late = RecordWriter::append_to(Arc::clone(&storage), path(), &adding).unwrap();
    append(&mut late, &all[0]).unwrap();
    writer.finish().unwrap();
    assert!(read(&open(&disk).unwrap()) == all);
    assert!(read(&before) == all[..30]);
    // Whoever read the manifest before has shards for another set.
    let error = late.finish().unwrap_err();
    assert_eq!(error.kind(), Kind::Busy, "{error}");
    assert_eq!(error.place().path.as_deref(), Some(path()));
    drop(late);
    assert_eq!(shards(&disk).len(), 5);
    assert_eq!(disk.names().len(), 6);
    let other = WriterOptions {
        schema: Some(ragged()),
        ..options()
    };
    let error = RecordWriter::append_to(storage, path(), &other).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument, "{error}");
}

#[test]
fn an_unfinished_set_leaves_nothing_or_all() {
    for keep in [false, true] {
        for fails in [false, true] {
            let disk = SimStorage::new();
            let storage: Arc<dyn Storage> = Arc::new(disk.clone());
            let options = WriterOptions {
                keep_unfinished: keep,
                ..options()
            };
            let all = all(50);
            let mut writer = RecordWriter::create(Arc::clone(&storage), path(), &options).unwrap();
            for record in &all {
                append(&mut writer, record).unwrap();
            }
            let temporary = writer.temporary().unwrap().to_owned();
            writer.sync().unwrap();
            if fails {
                disk.fail_at(disk.calls() + 3, EIO);
                assert_eq!(writer.finish().unwrap_err().kind(), Kind::Io);
                let again = writer.finish().unwrap_err();
                assert_eq!(again.kind(), Kind::Poisoned, "{again}");
                let text = again.to_string();
                assert!(text.contains("train.json"), "{text}");
                let set = writer.set_metadata("a", b"b").unwrap_err();
                assert_eq!(set.kind(), Kind::Poisoned, "{set}");
                // What was synced can be found, and counted.
                assert_eq!(writer.temporary(), Some(temporary.as_path()));
                assert_eq!(writer.count(), 50);
            }
            drop(writer);
            if !keep {
                assert!(disk.names().is_empty(), "{:?}", disk.names());
                continue;
            }
            assert_eq!(shards(&disk).len(), 2);
            let saved = Path::new("/data/saved.arec");
            recover(&storage, &temporary, saved, None, &mut |_, _| true).unwrap();
            let last = parse(&disk.contents(saved).unwrap()).records;
            assert!(last == all[40..]);
        }
    }
}

/// Whatever manifest is there, its shards are: the old ones or the new.
fn check(
    image: &SimStorage,
    outcome: &Outcome<'_, Error>,
    old: &[Record],
    new: &[Record],
) -> std::result::Result<(), String> {
    let reader = open(image).map_err(|error| error.to_string())?;
    let mut progress = |_, _| true;
    let found = reader.verify(&mut progress).map_err(|e| e.to_string())?;
    ensure(found.bad_records + found.bad_parts == 0, || {
        format!("{:?}", found.first_bad)
    })?;
    let found = read(&reader);
    ensure(
        found == new || found == old && !outcome.acknowledged(),
        || "neither the old set nor the new one".to_owned(),
    )?;
    let temporary = |name: &PathBuf| name.to_string_lossy().ends_with(".adit-tmp");
    let left = image.names().iter().any(temporary);
    ensure(!left || outcome.image != Image::Live, || {
        format!("{:?} are left over", image.names())
    })
}

fn explore_set(adds: bool, bug: Option<Bug>) -> Findings {
    let all = all(45);
    let (old, added) = all.split_at(10);
    let disk = SimStorage::new();
    let calm: Arc<dyn Storage> = Arc::new(disk.clone());
    write(&calm, path(), &options(), old).unwrap();
    let files: Vec<(PathBuf, Vec<u8>)> = disk
        .names()
        .into_iter()
        .map(|name| (name.clone(), disk.contents(&name).unwrap()))
        .collect();
    let new = if adds { all.clone() } else { added.to_vec() };
    plant(bug);
    let findings = explore(
        |disk| {
            for (name, bytes) in &files {
                disk.put_durable(name, bytes);
            }
        },
        |storage| {
            let mut writer = match adds {
                true => RecordWriter::append_to(storage, path(), &options())?,
                false => RecordWriter::create(storage, path(), &options())?,
            };
            for record in added {
                append(&mut writer, record)?;
            }
            writer.finish()
        },
        |image, outcome| {
            catch_unwind(AssertUnwindSafe(|| check(image, outcome, old, &new)))
                .unwrap_or_else(|_| Err("a shard can't be read".to_owned()))
        },
    );
    plant(None);
    findings
}

#[test]
fn a_set_is_replaced_whole_or_not_at_all() {
    explore_set(false, None).assert_sound();
}

#[test]
fn a_set_grows_whole_or_not_at_all() {
    explore_set(true, None).assert_sound();
}

#[test]
fn a_planted_bug_is_caught() {
    explore_set(false, Some(Bug::ManifestFirst)).assert_caught();
}

#[test]
fn a_set_without_records_keeps_no_shard() {
    for keep_unfinished in [false, true] {
        let disk = SimStorage::new();
        let options = WriterOptions {
            keep_unfinished,
            ..options()
        };
        let mut writer = RecordWriter::create(Arc::new(disk.clone()), path(), &options).unwrap();
        writer.finish().unwrap();
        drop(writer);
        assert_eq!(disk.names(), [path()]);
        assert_eq!(open(&disk).unwrap().len(), 0);
    }
}
