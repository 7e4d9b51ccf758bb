//! The record writer and recovery on the simulated disk, interrupted at every call.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod crash;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::sim::SimStorage;
use adit_core::map::{DataOptions, Storage};
use adit_core::record::{Error, RecordWriter, Result, RrecReader, recover};
use common::{Pair, create_rrec, encode, ends, go_on, noise, read, strided};
use crash::{EIO, ENOSPC, Image, Outcome, ensure, explore};

fn path() -> &'static Path {
    Path::new("/data/set.rrec")
}

fn old() -> Vec<Pair> {
    (0..3).map(|n| [noise(n, &[50]), noise(n, &[])]).collect()
}

/// Records that end at no sector.
fn few() -> Vec<Pair> {
    (10..20)
        .map(|n| [noise(n, &[3, 31]), noise(n, &[2])])
        .collect()
}

/// Records with a tensor that bypasses the buffer among them.
fn large() -> Vec<Pair> {
    let mut records = few();
    records.push([noise(30, &[1 << 20]), noise(31, &[5])]);
    records.extend(few());
    records
}

/// As `large`, and more than a buffer of others.
fn many() -> Vec<Pair> {
    let mut records = large();
    records.extend((40..50).map(|n| [noise(n, &[100, 1100]), noise(n, &[3])]));
    records
}

fn append(writer: &mut RecordWriter, [input, target]: &Pair) -> Result<()> {
    writer.append(&[input.view(), target.view()])
}

fn write(storage: Arc<dyn Storage>, records: &[Pair]) -> Result<()> {
    let mut writer = create_rrec(storage, path(), true)?;
    for pair in records {
        append(&mut writer, pair)?;
    }
    writer.finish()
}

/// The path holds all of the old bytes or all of the new ones, and these once `finish` said so.
fn whole(
    image: &SimStorage,
    outcome: &Outcome<'_, Error>,
    before: Option<&[u8]>,
    after: &[u8],
) -> std::result::Result<(), String> {
    let found = image.contents(path());
    let is_new = found.as_deref() == Some(after);
    ensure(is_new || found.as_deref() == before, || {
        format!("{:?} bytes, neither old nor new", found.map(|f| f.len()))
    })?;
    ensure(is_new || !outcome.acknowledged(), || {
        "finished, but not there".to_owned()
    })
}

fn leftovers(image: &SimStorage) -> Vec<PathBuf> {
    let mut names = image.names();
    names.retain(|name| name != path());
    names
}

/// Where the process lives on, no temporary is left; where it was killed, the temporary is no
/// record file, or unfinished, or the whole set, and gives its whole records.
fn temporary(
    image: &SimStorage,
    outcome: &Outcome<'_, Error>,
    records: &[Pair],
) -> std::result::Result<(), String> {
    let left = leftovers(image);
    match outcome.image {
        Image::Live => ensure(left.is_empty(), || format!("{left:?} are left over")),
        // Unfinished, it may have holes that nobody can tell from records; finished, it is whole.
        Image::PowerCut { .. } => {
            for name in left {
                if is_torn(&image.contents(&name).unwrap_or_default(), records) {
                    continue;
                }
                if let Ok(reader) = RrecReader::open_in(image, &name, &DataOptions::default()) {
                    ensure(read(&reader) == records, || {
                        format!("{name:?} opens, but has holes")
                    })?;
                }
            }
            Ok(())
        }
        Image::Killed { .. } => {
            for name in left {
                check_killed(image, &name, records)?;
            }
            Ok(())
        }
    }
}

/// The disk here tears the header at any byte; what is there of the index's offset misleads.
fn is_torn(bytes: &[u8], records: &[Pair]) -> bool {
    let offset = bytes.get(16..24).unwrap_or(&[0; 8]);
    offset != [0; 8] && offset != &encode(records)[16..24]
}

fn check_killed(
    image: &SimStorage,
    name: &Path,
    records: &[Pair],
) -> std::result::Result<(), String> {
    let bytes = image.contents(name).unwrap_or_default();
    let size = bytes.len() as u64;
    let is_torn = is_torn(&bytes, records);
    let opened = RrecReader::open_in(image, name, &DataOptions::default());
    match opened.as_ref().map_err(Report::kind) {
        Ok(reader) => ensure(read(reader) == records, || "opens, but isn't whole".into())?,
        Err(Kind::Unfinished) => {}
        Err(Kind::WrongFormat) if size < 64 => {}
        Err(Kind::Malformed) if is_torn => {}
        Err(kind) => return Err(format!("the temporary is {kind:?} with {size} bytes")),
    }
    let storage: Arc<dyn Storage> = Arc::new(image.clone());
    let saved = Path::new("/data/saved.rrec");
    match recover(&storage, name, saved, None, &mut go_on) {
        Ok(recovery) => {
            let reader = RrecReader::open_in(image, saved, &DataOptions::default());
            let found = read(&reader.map_err(|error| error.to_string())?);
            let count = found.len();
            ensure(found == records[..count], || "invented records".to_owned())?;
            ensure(recovery.records == count as u64, || "miscounted".to_owned())?;
            // All that is whole was saved, up to where another shape begins.
            let ends = ends(records);
            ensure(recovery.stop_offset == ends[count], || {
                format!("stopped at {recovery:?}")
            })?;
            let next = records.get(count);
            let next = next.filter(|next| next[0].dims == records[0][0].dims);
            ensure(next.is_none() || ends[count + 1] > size, || {
                format!("{recovery:?}, but the temporary has {size} bytes")
            })
        }
        Err(error) => ensure(image.contents(saved).is_none() && size < 1000, || {
            format!("{error}, but the temporary has {size} bytes")
        }),
    }
}

#[test]
fn a_set_is_replaced_whole_or_not_at_all() {
    let (before, after) = (encode(&old()), encode(&few()));
    let findings = explore(
        |disk| disk.put_durable(path(), &before),
        |storage| write(storage, &few()),
        |image, outcome| {
            whole(image, outcome, Some(&before), &after)?;
            temporary(image, outcome, &few())
        },
    );
    findings.assert_sound();
    // create, records, index, header, sync, rename, folder sync
    assert_eq!(findings.calls, 9);
}

#[test]
fn a_set_of_many_writes_appears_whole_or_not_at_all() {
    let (records, after) = (large(), encode(&large()));
    let findings = explore(
        |_| {},
        |storage| write(storage, &records),
        |image, outcome| {
            whole(image, outcome, None, &after)?;
            temporary(image, outcome, &records)
        },
    );
    findings.assert_sound();
    // As above, and two more writes: before the large tensor, and the tensor itself.
    assert_eq!(findings.calls, 11);
}

#[test]
fn a_planted_bug_is_caught() {
    let (before, after) = (encode(&old()), encode(&few()));
    for plant in [SimStorage::ignore_sync, SimStorage::ignore_folder_sync] {
        let findings = explore(
            |disk| {
                disk.put_durable(path(), &before);
                plant(disk);
            },
            |storage| write(storage, &few()),
            |image, outcome| whole(image, outcome, Some(&before), &after),
        );
        findings.assert_caught();
    }
}

#[test]
fn what_recovery_saves_appears_whole_or_not_at_all() {
    let from = Path::new("/data/damaged.rrec");
    let mut damaged = encode(&few());
    damaged.truncate(64 + 4 * 400);
    let kept = 4 * 400 / ((4 + 8 + 4 + 93 * 4) + (4 + 4 + 4 + 8));
    let after = encode(&few()[..kept]);
    explore(
        |disk| disk.put_durable(from, &damaged),
        |storage| recover(&storage, from, path(), None, &mut go_on).map(|_| ()),
        |image, outcome| {
            whole(image, outcome, None, &after)?;
            ensure(image.contents(from).as_ref() == Some(&damaged), || {
                "the damaged file was touched".to_owned()
            })?;
            let left = leftovers(image).len() - 1;
            ensure(outcome.image != Image::Live || left == 0, || {
                format!("{:?} are left over", image.names())
            })
        },
    )
    .assert_sound();
}

/// The first call that fails, then the next ones on the same writer.
#[test]
fn a_failure_poisons_the_writer() {
    let records = many();
    let calm = SimStorage::new();
    write(Arc::new(calm.clone()), &records).unwrap();
    // Creating is two calls: the temporary, and the header that says what it is.
    for call in 3..=calm.calls() {
        for (errno, kind) in [(EIO, Kind::Io), (ENOSPC, Kind::NoSpace)] {
            // The last call syncs the folder: the file stands there.
            let kind = if call == calm.calls() {
                Kind::NotDurable
            } else {
                kind
            };
            let disk = SimStorage::new();
            disk.fail_at(call, errno);
            let storage: Arc<dyn Storage> = Arc::new(disk.clone());
            let mut writer = create_rrec(storage, path(), true).unwrap();
            let error = records
                .iter()
                .try_for_each(|pair| append(&mut writer, pair))
                .and_then(|()| writer.finish())
                .unwrap_err();
            assert_eq!((error.kind(), error.os_code()), (kind, errno), "{error}");
            let made = disk.calls();
            let column = noise(1, &[2]);
            let later = [
                append(&mut writer, &records[0]),
                writer.append_batch(&[column.view(), column.view()]),
                writer.finish(),
                writer.finish(),
            ];
            for result in later {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), Kind::Poisoned, "call {call}: {error}");
                assert!(error.to_string().contains("set.rrec"), "{error}");
            }
            assert_eq!(disk.calls(), made, "nothing is written any more");
        }
    }
}

/// A tensor that repeats one element 2^62 times goes out in parts until the disk is full: sizes
/// and memory are no matter.
#[test]
fn a_tensor_larger_than_any_disk_fills_it() {
    let disk = SimStorage::new();
    disk.fail_at(4, ENOSPC);
    let mut writer = create_rrec(Arc::new(disk.clone()), path(), true).unwrap();
    let dims = [3, 715_827_883, 2_147_483_647];
    let huge = strided(&[1, 2], DType::F16, &dims, &[0, 0, 0]).unwrap();
    assert_eq!(huge.bytes(), (1 << 63) - 2);
    let error = writer.append(&[huge, huge]).unwrap_err();
    assert_eq!(error.kind(), Kind::NoSpace);
    assert_eq!(
        writer.append(&[huge, huge]).unwrap_err().kind(),
        Kind::Poisoned
    );
    assert_eq!(writer.count(), 0);
    drop(writer);
    assert!(disk.names().is_empty());
}
