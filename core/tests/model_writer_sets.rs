//! Sharded models: which tensor goes into which file, names, index, and sets that are replaced.

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

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Barrier, Mutex};

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::{Backend, FileKind, RealStorage, Storage, StorageFile};
use adit_core::model::{Model, ModelOptions, ModelWriter, ModelWriterOptions};
use common::{Folder, disk};
use writer_tools::{Weights, contents, declared, read, sorted, write};

/// As many bytes as their names say.
fn model(seed: u8) -> Vec<Weights> {
    let own = |(number, &(name, size)): (usize, &(&str, i64))| {
        Weights::new(seed + number as u8, name, DType::U8, &[size])
    };
    let sizes = [
        ("b 60", 60),
        ("a 40", 40),
        ("c 1000", 1000),
        ("é 1", 1),
        ("d 99", 99),
        ("0", 0),
    ];
    sizes.iter().enumerate().map(own).collect()
}

fn options(limit: u64, replace: bool) -> ModelWriterOptions {
    ModelWriterOptions {
        shard_bytes: Some(limit),
        replace,
    }
}

const SET: [&str; 4] = [
    "m-00001-of-00003.safetensors",
    "m-00002-of-00003.safetensors",
    "m-00003-of-00003.safetensors",
    "m.safetensors.index.json",
];

#[test]
fn shards_and_their_index() {
    let folder = Folder::new();
    let path = folder.join("m.safetensors");
    let model = model(1);
    let mut writer = declared(&disk(), &path, &options(100, false), &model).unwrap();
    writer.set_metadata("format", "pt").unwrap();
    writer.begin().unwrap();
    assert_eq!(writer.shards(), 3);
    for (number, own) in model.iter().enumerate() {
        writer.write(number, 0, &own.bytes).unwrap();
    }
    let locations: Vec<_> = (0..6)
        .map(|number| writer.location(number).unwrap())
        .collect();
    let shards: Vec<usize> = locations.iter().map(|location| location.shard).collect();
    assert_eq!(shards, [0, 0, 1, 2, 2, 2]);
    assert_eq!(folder.names().len(), 4);
    writer.finish().unwrap();
    assert_eq!(folder.names(), SET);

    let index = std::fs::read_to_string(folder.join(SET[3])).unwrap();
    let expected = r#"{
  "metadata": {
    "total_size": 1200
  },
  "weight_map": {
    "0": "m-00003-of-00003.safetensors",
    "a 40": "m-00001-of-00003.safetensors",
    "b 60": "m-00001-of-00003.safetensors",
    "c 1000": "m-00002-of-00003.safetensors",
    "d 99": "m-00003-of-00003.safetensors",
    "é 1": "m-00003-of-00003.safetensors"
  }
}
"#;
    assert_eq!(index, expected);
    assert_eq!(
        read(&*disk(), &folder.join(SET[3])).unwrap(),
        sorted(&model)
    );
    // Each file is a model by itself, with the metadata, and holds what was told.
    for (number, own) in model.iter().enumerate() {
        let shard = folder.join(SET[locations[number].shard]);
        let opened = Model::open(&shard, &ModelOptions::default()).unwrap();
        let index = opened.tensors().find(own.name.as_bytes()).unwrap();
        assert_eq!(
            opened.entry(index).unwrap().offset,
            locations[number].offset
        );
        assert_eq!(opened.metadata().find(b"format"), Some(0));
        let bytes = std::fs::read(&shard).unwrap();
        let start = locations[number].offset as usize;
        assert_eq!(bytes[start..][..own.bytes.len()], own.bytes);
    }
}

#[test]
fn one_file_where_one_is_enough() {
    let folder = Folder::new();
    let path = folder.join("m.safetensors");
    write(&disk(), &path, &options(1200, false), &model(1)).unwrap();
    assert_eq!(folder.names(), ["m.safetensors"]);
    let huge = [Weights::new(1, "huge", DType::U8, &[5000])];
    write(&disk(), &path, &options(1200, true), &huge).unwrap();
    assert_eq!(folder.names(), ["m.safetensors"]);
}

#[test]
fn what_stands_there() {
    for (at, name) in SET.iter().enumerate() {
        let folder = Folder::new();
        let path = folder.join("m.safetensors");
        let there = folder.file(name, b"old");
        let mut writer = declared(&disk(), &path, &options(100, false), &model(1)).unwrap();
        let error = writer.begin().unwrap_err();
        assert_eq!(
            (error.kind(), error.place().path),
            (Kind::Exists, Some(there.clone()))
        );
        std::fs::remove_file(&there).unwrap();
        // And what comes meanwhile: nothing is published, and it is left alone.
        writer.begin().unwrap();
        for (number, own) in model(1).iter().enumerate() {
            writer.write(number, 0, &own.bytes).unwrap();
        }
        folder.file(name, b"theirs");
        let error = writer.finish().unwrap_err();
        assert_eq!(
            (error.kind(), error.place().path),
            (Kind::Exists, Some(there.clone()))
        );
        assert_eq!(folder.names(), [SET[at]]);
        assert_eq!(std::fs::read(&there).unwrap(), b"theirs");
        // Replaced if asked for.
        write(&disk(), &path, &options(100, true), &model(1)).unwrap();
        assert_eq!(folder.names(), SET);
        assert_eq!(
            read(&*disk(), &folder.join(SET[3])).unwrap(),
            sorted(&model(1))
        );
    }
}

/// A file at the path itself would be read instead of the shards: whatever is asked for.
#[test]
fn a_file_at_the_path_itself() {
    let folder = Folder::new();
    let path = folder.file("m.safetensors", b"old");
    for replace in [false, true] {
        let mut writer = declared(&disk(), &path, &options(100, replace), &model(1)).unwrap();
        let error = writer.begin().unwrap_err();
        assert_eq!(
            (error.kind(), error.place().path),
            (Kind::Exists, Some(path.clone()))
        );
        assert!(error.to_string().contains("before the index"), "{error}");
        assert_eq!(folder.names(), ["m.safetensors"]);
    }
}

/// Also one that came while the set was written: the old set stays.
#[test]
fn a_file_that_comes_to_the_path_itself() {
    let folder = Folder::new();
    let path = folder.join("m.safetensors");
    for old in [false, true] {
        if old {
            written(&path, &model(1)).finish().unwrap();
        }
        let mut writer = written(&path, &model(9));
        folder.file("m.safetensors", b"theirs");
        let error = writer.finish().unwrap_err();
        assert_eq!(
            (error.kind(), error.place().path),
            (Kind::Exists, Some(path.clone()))
        );
        assert!(error.to_string().contains("before the index"), "{error}");
        drop(writer);
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(folder.names(), if old { &SET[..] } else { &[] });
    }
    assert_eq!(
        read(&*disk(), &folder.join(SET[3])).unwrap(),
        sorted(&model(1))
    );
}

const LOCK: &str = "m.safetensors.adit-lock";

/// Begins and writes everything; only finishing is left.
fn written(path: &Path, model: &[Weights]) -> ModelWriter {
    let mut writer = declared(&disk(), path, &options(100, true), model).unwrap();
    writer.begin().unwrap();
    for (number, own) in model.iter().enumerate() {
        writer.write(number, 0, &own.bytes).unwrap();
    }
    writer
}

/// Whoever comes last wins, with all files. Open files of two threads are to one another as those
/// of two processes are.
#[test]
fn sets_that_are_finished_at_once_are_not_mixed() {
    let folder = Folder::new();
    let path = folder.join("m.safetensors");
    let models = [model(1), model(100)];
    let both = Barrier::new(models.len());
    for _ in 0..50 {
        std::thread::scope(|threads| {
            for model in &models {
                let mut writer = written(&path, model);
                let both = &both;
                threads.spawn(move || {
                    both.wait();
                    writer.finish().unwrap();
                });
            }
        });
        let found = read(&*disk(), &folder.join(SET[3])).unwrap();
        assert!(models.iter().any(|model| found == sorted(model)));
        assert_eq!(folder.names(), SET);
    }
}

#[test]
fn a_lock_file_that_was_left_behind() {
    let folder = Folder::new();
    let path = folder.join("m.safetensors");
    folder.file(LOCK, b"");
    written(&path, &model(1)).finish().unwrap();
    assert_eq!(folder.names(), SET);

    // What can't be locked keeps the old set as it is.
    let mut writer = written(&path, &model(9));
    std::fs::create_dir(folder.join(LOCK)).unwrap();
    let error = writer.finish().unwrap_err();
    assert_eq!(
        (error.kind(), error.place().path),
        (Kind::NotAFile, Some(folder.join(LOCK)))
    );
    drop(writer);
    assert_eq!(
        read(&*disk(), &folder.join(SET[3])).unwrap(),
        sorted(&model(1))
    );
    std::fs::remove_dir(folder.join(LOCK)).unwrap();
    assert_eq!(folder.names(), SET);
}

#[test]
fn a_set_replaced_under_its_reader() {
    let folder = Folder::new();
    let path = folder.join("m.safetensors");
    let index = folder.join(SET[3]);
    write(&disk(), &path, &options(100, true), &model(1)).unwrap();
    let old = Model::open(&index, &ModelOptions::default()).unwrap();
    write(&disk(), &path, &options(100, true), &model(9)).unwrap();
    assert_eq!(contents(&old), sorted(&model(1)));
    assert_eq!(read(&*disk(), &index).unwrap(), sorted(&model(9)));
    assert_eq!(folder.names(), SET);
}

/// The disk, on which somebody does something when a file is about to be opened.
struct Meddled<F> {
    name: &'static str,
    meddle: Mutex<Option<F>>,
}

impl<F> fmt::Debug for Meddled<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meddled({})", self.name)
    }
}

impl<F: FnOnce() + Send> Storage for Meddled<F> {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        if path.ends_with(self.name)
            && let Some(meddle) = self.meddle.lock().unwrap().take()
        {
            meddle();
        }
        RealStorage.open(path)
    }
    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        RealStorage.open_to_write(path)
    }
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        RealStorage.create_new(path)
    }
    fn kind(&self, path: &Path) -> io::Result<Option<FileKind>> {
        RealStorage.kind(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealStorage.rename(from, to)
    }
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealStorage.rename_new(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealStorage.remove(path)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        RealStorage.sync_folder(folder)
    }
}

/// The old set's first shard is open already when the new set comes.
#[test]
fn a_set_replaced_while_it_is_opened() {
    let folder = Folder::new();
    let path = folder.join("m.safetensors");
    let index = folder.join(SET[3]);
    for backend in [Backend::Auto, Backend::Read] {
        written(&path, &model(1)).finish().unwrap();
        let mut writer = written(&path, &model(9));
        let storage = Meddled {
            name: SET[1],
            meddle: Mutex::new(Some(move || writer.finish().unwrap())),
        };
        let mut options = ModelOptions::default();
        options.data.backend = backend;
        let opened = Model::open_in(&storage, &index, &options).unwrap();
        assert_eq!(contents(&opened), sorted(&model(9)));
    }

    // And where it goes away.
    let storage = Meddled {
        name: SET[1],
        meddle: Mutex::new(Some(|| std::fs::remove_file(&index).unwrap())),
    };
    let error = Model::open_in(&storage, &index, &ModelOptions::default()).unwrap_err();
    assert_eq!(
        (error.kind(), error.place().path),
        (Kind::NotFound, Some(index.clone()))
    );
}

#[test]
fn names() {
    let folder = Folder::new();
    write(
        &disk(),
        &folder.join("x.bin"),
        &options(1100, false),
        &model(1),
    )
    .unwrap();
    assert_eq!(
        folder.names(),
        [
            "x.bin-00001-of-00002.safetensors",
            "x.bin-00002-of-00002.safetensors",
            "x.bin.safetensors.index.json"
        ]
    );
    let path = folder.path().join(OsStr::from_bytes(b"\xff.safetensors"));
    let mut writer = declared(&disk(), &path, &options(100, false), &model(1)).unwrap();
    let error = writer.begin().unwrap_err();
    assert_eq!(
        (error.kind(), error.place().path),
        (Kind::InvalidArgument, Some(path.clone()))
    );
    assert!(error.to_string().contains("UTF-8"), "{error}");
    // One file has no index.
    write(&disk(), &path, &options(1200, false), &model(1)).unwrap();
    assert_eq!(read(&*disk(), &path).unwrap(), sorted(&model(1)));
}
