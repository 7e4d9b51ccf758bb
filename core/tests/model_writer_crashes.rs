//! The model writer on the simulated disk, interrupted at every call.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod crash;
mod writer_tools;

use std::path::Path;
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::Storage;
use adit_core::map::sim::SimStorage;
use adit_core::model::{ModelWriterOptions, WriteError};
use crash::{EIO, ENOSPC, Fault, Findings, Image, Outcome, ensure, explore};
use writer_tools::{REPLACE, Weights, declared, read, sorted};

const PATH: &str = "/data/m.safetensors";
const INDEX: &str = "/data/m.safetensors.index.json";

fn path() -> &'static Path {
    Path::new(PATH)
}

/// Tensors of more than a sector, and of less.
fn model(seed: u8) -> Vec<Weights> {
    vec![
        Weights::new(seed, "a", DType::F32, &[300]),
        Weights::new(seed + 1, "b", DType::U8, &[700]),
        Weights::new(seed + 2, "c", DType::I64, &[200]),
    ]
}

const SHARDED: ModelWriterOptions = ModelWriterOptions {
    shard_bytes: Some(1900),
    replace: true,
};
const NEW_SET: ModelWriterOptions = ModelWriterOptions {
    replace: false,
    ..SHARDED
};

/// In pieces that end at no sector, the first last.
fn save(
    storage: &Arc<dyn Storage>,
    options: &ModelWriterOptions,
    model: &[Weights],
) -> Result<(), WriteError> {
    let mut writer = declared(storage, path(), options, model)?;
    writer.begin()?;
    for (number, own) in model.iter().enumerate().rev() {
        let (head, tail) = own.bytes.split_at(own.bytes.len() / 3);
        writer.write(number, head.len() as u64, tail)?;
        writer.write(number, 0, head)?;
    }
    writer.finish()
}

fn saved(options: &ModelWriterOptions, model: &[Weights]) -> SimStorage {
    let disk = SimStorage::new();
    save(
        &(Arc::new(disk.clone()) as Arc<dyn Storage>),
        options,
        model,
    )
    .unwrap();
    disk
}

/// Puts everything of another disk there, durably.
fn put_all(disk: &SimStorage, from: &SimStorage) {
    for name in from.names() {
        disk.put_durable(&name, &from.contents(&name).unwrap());
    }
}

type Check = Result<(), String>;

/// Nothing is left over where the process lives on.
fn tidy(image: &SimStorage, outcome: &Outcome<'_, WriteError>) -> Check {
    let left: Vec<_> = image
        .names()
        .into_iter()
        .filter(|name| name.to_string_lossy().ends_with(".adit-tmp"))
        .collect();
    ensure(outcome.image != Image::Live || left.is_empty(), || {
        format!("{left:?} are left over")
    })
}

/// What is read there is all of the old model, all of the new one, or, where it may be, nothing;
/// the new one once that was acknowledged.
fn whole(
    image: &SimStorage,
    outcome: &Outcome<'_, WriteError>,
    at: &str,
    old: Option<&[Weights]>,
    new: &[Weights],
    may_be_gone: bool,
) -> Check {
    let found = match read(image, Path::new(at)) {
        Ok(found) => Some(found),
        Err(error) if error.kind() == Kind::NotFound && image.contents(Path::new(at)).is_none() => {
            None
        }
        Err(error) => return Err(format!("it can't be read: {error}")),
    };
    let is_new = found.as_ref() == Some(&sorted(new));
    let is_old = found == old.map(sorted);
    let is_gone = found.is_none() && may_be_gone;
    ensure(is_new || is_old || is_gone, || "a mix".to_owned())?;
    ensure(is_new || !outcome.acknowledged(), || {
        "finished, but not there".to_owned()
    })
}

fn replaced(plant: impl Fn(&SimStorage)) -> Findings {
    let (old, new) = (model(1), model(50));
    let before = saved(&REPLACE, &old);
    explore(
        |disk| {
            put_all(disk, &before);
            plant(disk);
        },
        |storage| save(&storage, &REPLACE, &new),
        |image, outcome| {
            whole(image, outcome, PATH, Some(&old), &new, false)?;
            tidy(image, outcome)
        },
    )
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    let findings = replaced(|_| {});
    findings.assert_sound();
    // create, allocate, header, 6 writes, sync, prefix, sync, rename, folder sync
    assert_eq!(findings.calls, 14);
}

#[test]
fn planted_bugs_are_caught() {
    replaced(SimStorage::ignore_sync).assert_caught();
    replaced(SimStorage::ignore_folder_sync).assert_caught();
    set_replaced(SimStorage::ignore_sync).assert_caught();
    set_replaced(SimStorage::ignore_folder_sync).assert_caught();
}

#[test]
fn a_new_file_appears_whole_or_not_at_all() {
    let new = model(50);
    let options = ModelWriterOptions::default();
    explore(
        |_| {},
        |storage| save(&storage, &options, &new),
        |image, outcome| {
            whole(image, outcome, PATH, None, &new, false)?;
            tidy(image, outcome)
        },
    )
    .assert_sound();
}

/// What unfinished files leave is no model, also after a power cut.
#[test]
fn temporaries_are_no_models_unless_whole() {
    let new = model(50);
    explore(
        |_| {},
        |storage| save(&storage, &REPLACE, &new),
        |image, outcome| {
            for name in image.names() {
                if let Ok(found) = read(image, &name) {
                    ensure(found == sorted(&new), || format!("{name:?} has holes"))?;
                }
            }
            ensure(
                outcome.fault != Fault::None || outcome.result.is_ok(),
                || "failed undisturbed".to_owned(),
            )
        },
    )
    .assert_sound();
}

#[test]
fn a_new_set_appears_whole_or_not_at_all() {
    let new = model(50);
    for options in [SHARDED, NEW_SET] {
        explore(
            |_| {},
            |storage| save(&storage, &options, &new),
            |image, outcome| {
                whole(image, outcome, INDEX, None, &new, false)?;
                // An error leaves no shard, but for that of the very last sync.
                let is_last = |error: &WriteError| error.kind() == Kind::NotDurable;
                let stands = outcome.result.as_ref().err().is_none_or(is_last);
                let is_bare = image.names().is_empty();
                ensure(outcome.image != Image::Live || stands || is_bare, || {
                    format!("{:?} are left over", image.names())
                })?;
                tidy(image, outcome)
            },
        )
        .assert_sound();
    }
}

fn set_replaced(plant: impl Fn(&SimStorage)) -> Findings {
    let (old, new) = (model(1), model(50));
    let before = saved(&SHARDED, &old);
    explore(
        |disk| {
            put_all(disk, &before);
            plant(disk);
        },
        |storage| save(&storage, &SHARDED, &new),
        |image, outcome| {
            whole(image, outcome, INDEX, Some(&old), &new, true)?;
            tidy(image, outcome)
        },
    )
}

/// The old set, no index, or the new set: never a mix.
#[test]
fn a_set_is_replaced_without_a_mix() {
    let findings = set_replaced(|_| {});
    findings.assert_sound();
    // index: create, write; of 2 shards: create, allocate, header; 6 writes; of 2 shards: sync,
    // prefix, sync; index: sync; the lock file; index: remove the old one, folder sync; of 2
    // shards: sync, rename, folder sync; index: sync, rename, folder sync; no lock file
    assert_eq!(findings.calls, 2 + 6 + 6 + 6 + 1 + 1 + 2 + 6 + 3 + 1);
}

/// The old set stays whole up to the removal of its index, whatever fails before it.
#[test]
fn a_set_stays_until_the_new_one_is_on_the_disk() {
    let (old, new) = (model(1), model(50));
    let before = saved(&SHARDED, &old);
    explore(
        |disk| put_all(disk, &before),
        |storage| save(&storage, &SHARDED, &new),
        |image, outcome| {
            let (Fault::Died { call } | Fault::Failed { call, .. }) = outcome.fault else {
                return Ok(());
            };
            let removal = 2 + 6 + 6 + 6 + 1 + 1 + 1;
            if call >= removal {
                return Ok(());
            }
            let found = read(image, Path::new(INDEX)).map_err(|error| error.to_string())?;
            ensure(found == sorted(&old), || "the old set is gone".to_owned())
        },
    )
    .assert_sound();
}

/// The first call that fails, then the next ones on the same writer.
#[test]
fn a_failure_poisons_the_writer() {
    let new = model(1);
    for options in [REPLACE, SHARDED] {
        // That the lock file can't be removed is no failure.
        let unlocking = u64::from(options.shard_bytes.is_some());
        let calls = saved(&options, &new).calls() - unlocking;
        let shards = if options.shard_bytes.is_some() { 2 } else { 1 };
        let begun = if shards == 2 { 8 } else { 3 };
        for call in begun + 1..=calls {
            for (errno, kind) in [(EIO, Kind::Io), (ENOSPC, Kind::NoSpace)] {
                let kind = if call == calls {
                    Kind::NotDurable
                } else {
                    kind
                };
                let disk = SimStorage::new();
                disk.fail_at(call, errno);
                let storage: Arc<dyn Storage> = Arc::new(disk.clone());
                let mut writer = declared(&storage, path(), &options, &new).unwrap();
                writer.begin().unwrap();
                assert_eq!(writer.shards(), shards);
                let error = new
                    .iter()
                    .enumerate()
                    .flat_map(|(number, own)| {
                        let (head, tail) = own.bytes.split_at(100);
                        [(number, 0, head), (number, 100, tail)]
                    })
                    .try_for_each(|(number, offset, bytes)| writer.write(number, offset, bytes))
                    .and_then(|()| writer.finish())
                    .unwrap_err();
                assert_eq!(
                    (error.kind(), error.os_code()),
                    (kind, errno),
                    "{call}: {error}"
                );
                let made = disk.calls();
                for result in [
                    writer.write(0, 0, b"x"),
                    writer.finish(),
                    writer.begin(),
                    writer.declare("x", DType::U8, &[]).map(|_| ()),
                ] {
                    let error = result.unwrap_err();
                    assert_eq!(error.kind(), Kind::Poisoned, "{call}: {error}");
                    assert!(error.to_string().contains("m.safetensors"), "{error}");
                }
                assert_eq!(disk.calls(), made, "nothing is written any more");
            }
        }
    }
}

/// A failure to begin leaves nothing, and the writer can begin again.
#[test]
fn a_failure_to_begin_can_be_tried_again() {
    let new = model(1);
    for (options, begun, at) in [(REPLACE, 3, PATH), (SHARDED, 8, INDEX)] {
        for call in 1..=begun {
            for (errno, kind) in [(EIO, Kind::Io), (ENOSPC, Kind::NoSpace)] {
                let disk = SimStorage::new();
                disk.fail_at(call, errno);
                let storage: Arc<dyn Storage> = Arc::new(disk.clone());
                let mut writer = declared(&storage, path(), &options, &new).unwrap();
                let error = writer.begin().unwrap_err();
                assert_eq!((error.kind(), error.os_code()), (kind, errno), "{error}");
                assert!(disk.names().is_empty(), "{:?}", disk.names());
                writer.begin().unwrap();
                for (number, own) in new.iter().enumerate() {
                    writer.write(number, 0, &own.bytes).unwrap();
                }
                writer.finish().unwrap();
                assert_eq!(read(&disk, Path::new(at)).unwrap(), sorted(&new));
            }
        }
    }
}

/// All shards are open at once: where the system refuses one more, the error says what to change.
#[test]
fn too_many_files_for_the_system() {
    const EMFILE: i32 = 24;
    let mut told = 0;
    for call in 1..=8 {
        let disk = SimStorage::new();
        disk.fail_at(call, EMFILE);
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let mut writer = declared(&storage, path(), &SHARDED, &model(1)).unwrap();
        let error = writer.begin().unwrap_err();
        assert_eq!((error.kind(), error.os_code()), (Kind::Permission, EMFILE));
        let text = error.to_string();
        if text.contains("create") {
            assert!(text.contains("the 3 files of the model"), "{text}");
            assert!(
                text.contains("raise the limit of open files, or shard_bytes"),
                "{text}"
            );
            assert!(error.place().path.is_some());
            told += 1;
        }
        assert!(disk.names().is_empty(), "{:?}", disk.names());
    }
    assert_eq!(told, 3, "the index and two shards");
}
