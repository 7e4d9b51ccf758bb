//! A published file appears whole or not at all, whatever happens on the way.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(missing_docs, reason = "tests")]

mod crash;

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::Arc;

use adit_core::map::sim::SimStorage;
use adit_core::map::{Error, Publication, Result, Storage};
use crash::{Findings, Image, Outcome, ensure, explore};

const PATH: &str = "/data/set.bin";

fn path() -> &'static Path {
    Path::new(PATH)
}

fn old() -> Vec<u8> {
    b"old ".repeat(700)
}

/// No zeros, so that lost sectors show, and no two sectors alike.
fn new() -> Vec<u8> {
    (0..5000u32).map(|n| (n % 251) as u8 + 1).collect()
}

/// Several writes that don't end at sectors, the first bytes last.
fn write(publication: &mut Publication) -> Result<()> {
    let new = new();
    publication.allocate(new.len() as u64)?;
    for range in [700..1500, 1500..4000, 4000..5000, 0..700] {
        publication.write(&new[range.clone()], range.start as u64)?;
    }
    Ok(())
}

fn publish(storage: Arc<dyn Storage>, replace: bool) -> Result<()> {
    let mut publication = Publication::create(storage, path(), replace)?;
    write(&mut publication)?;
    publication.publish()
}

/// The path holds `before` or all of the new bytes, and these once that was acknowledged.
fn whole(
    image: &SimStorage,
    outcome: &Outcome<'_, Error>,
    before: Option<&[u8]>,
) -> std::result::Result<(), String> {
    let found = image.contents(path());
    let is_new = found.as_deref() == Some(&new()[..]);
    ensure(is_new || found.as_deref() == before, || {
        format!("neither old nor new, but {}", sketch(found.as_deref()))
    })?;
    ensure(is_new || !outcome.acknowledged(), || {
        "published, but not there".to_owned()
    })
}

fn sketch(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else {
        return "nothing".to_owned();
    };
    let firsts: Vec<String> = bytes.chunks(512).map(|s| format!("{:02x}", s[0])).collect();
    format!("{} bytes, by sector {}", bytes.len(), firsts.join(" "))
}

/// Where the process lives on after an error, the old file stands there alone.
fn tidy(
    image: &SimStorage,
    outcome: &Outcome<'_, Error>,
    before: Option<&[u8]>,
) -> std::result::Result<(), String> {
    if outcome.image != Image::Live {
        return Ok(());
    }
    // The one failure after which the new file stands: its name is given, but not synced.
    let renamed = outcome.disturbed().starts_with("sync folder");
    let stands = before.is_some() || renamed || outcome.acknowledged();
    let wanted = if stands { vec![path()] } else { Vec::new() };
    ensure(image.names() == wanted, || {
        format!("{:?} are left over", image.names())
    })?;
    let is_old = image.contents(path()).as_deref() == before;
    ensure(is_old || renamed || outcome.acknowledged(), || {
        "an error, but the new file stands there".to_owned()
    })
}

fn replacing(setup: impl Fn(&SimStorage)) -> Findings {
    let old = old();
    explore(
        |disk| {
            disk.put_durable(path(), &old);
            setup(disk);
        },
        |storage| publish(storage, true),
        |image, outcome| {
            whole(image, outcome, Some(&old))?;
            tidy(image, outcome, Some(&old))
        },
    )
}

#[test]
fn replacing_a_file_is_atomic() {
    let findings = replacing(|_| {});
    findings.assert_sound();
    // create, allocate, 4 writes, sync, rename, folder sync
    assert_eq!(findings.calls, 9);
}

#[test]
fn a_missing_sync_is_caught() {
    replacing(SimStorage::ignore_sync).assert_caught();
}

#[test]
fn a_missing_folder_sync_is_caught() {
    replacing(SimStorage::ignore_folder_sync).assert_caught();
}

/// What a failed sync lost stays lost, though the next one says that all is well.
#[test]
fn a_second_try_after_a_failed_sync_is_no_success() {
    let old = old();
    explore(
        |disk| disk.put_durable(path(), &old),
        |storage| {
            let mut publication = Publication::create(storage, path(), true)?;
            write(&mut publication)?;
            publication.publish().or_else(|_| publication.publish())
        },
        |image, outcome| whole(image, outcome, Some(&old)),
    )
    .assert_sound();
}

#[test]
fn a_new_file_appears_whole() {
    for replace in [false, true] {
        explore(
            |_| {},
            |storage| publish(storage, replace),
            |image, outcome| {
                whole(image, outcome, None)?;
                tidy(image, outcome, None)
            },
        )
        .assert_sound();
    }
}

#[test]
fn an_existing_file_is_refused_before_anything_is_written() {
    let disk = SimStorage::new();
    disk.put_durable(path(), &old());
    let refused = publish(Arc::new(disk.clone()), false);
    assert!(matches!(refused, Err(Error::Exists { .. })), "{refused:?}");
    assert_eq!(disk.calls(), 0);
    assert_eq!(disk.contents(path()), Some(old()));
}

#[test]
fn a_file_that_came_meanwhile_is_never_touched() {
    let shared = RefCell::new(SimStorage::new());
    let came = Cell::new(false);
    explore(
        |disk| {
            *shared.borrow_mut() = disk.clone();
            came.set(false);
        },
        |storage| {
            let mut publication = Publication::create(storage, path(), false)?;
            shared.borrow().put_durable(path(), &old());
            came.set(true);
            write(&mut publication)?;
            publication.publish()
        },
        |image, outcome| {
            let wanted = came.get().then(old);
            ensure(image.contents(path()) == wanted, || "touched".to_owned())?;
            ensure(outcome.result.is_err(), || "published over it".to_owned())?;
            let exists = matches!(outcome.result, Err(Error::Exists { .. }));
            ensure(exists || !outcome.disturbed().is_empty(), || {
                "refused for another reason".to_owned()
            })?;
            // A cleanup that fails leaves the temporary, and nothing can be done about it.
            let stuck = outcome.disturbed().starts_with("remove");
            let alone = image.names().len() == usize::from(came.get());
            ensure(outcome.image != Image::Live || stuck || alone, || {
                format!("{:?} are left over", image.names())
            })
        },
    )
    .assert_sound();
}

/// As above, but with the bug in the writer rather than below it.
#[test]
fn careless_writers_are_caught() {
    let old = old();
    let write_all = |storage: &dyn Storage, at: &str| {
        let file = storage.create_new(Path::new(at))?;
        file.write_all_at(&new(), 0)?;
        Ok::<_, std::io::Error>(file)
    };
    let in_place = |storage: Arc<dyn Storage>| {
        storage.remove(path())?;
        write_all(&*storage, PATH)?.sync()?;
        storage.sync_folder(Path::new("/data"))
    };
    let synced_late = |storage: Arc<dyn Storage>| {
        let file = write_all(&*storage, "/data/temporary")?;
        storage.rename(Path::new("/data/temporary"), path())?;
        file.sync()?;
        storage.sync_folder(Path::new("/data"))
    };
    let writers: [&dyn Fn(Arc<dyn Storage>) -> std::io::Result<()>; 2] = [&in_place, &synced_late];
    for writer in writers {
        let findings = explore(
            |disk| disk.put_durable(path(), &old),
            writer,
            |image, _| {
                let found = image.contents(path());
                let sound = found.as_ref() == Some(&old) || found == Some(new());
                ensure(sound, || sketch(found.as_deref()))
            },
        );
        findings.assert_caught();
    }
}
