//! The writer of arec files and recovery on the simulated disk, interrupted at every call.

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

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::error::{Kind, Report};
use adit_core::map::Storage;
use adit_core::map::sim::SimStorage;
use adit_core::record::planted::{Bug, plant};
use adit_core::record::{
    Error, ReaderOptions, RecordReader, RecordWriter, Result, Schema, WriterOptions, recover,
};
use arec_tools::parse::{Header, parse};
use arec_tools::{Random, Record, Tensor, append, images, ragged, records, small, write};
use crash::{EIO, ENOSPC, Findings, Image, Outcome, ensure, explore};

const EFBIG: i32 = 27;

fn path() -> &'static Path {
    Path::new("/data/set.arec")
}

fn go_on(_: u64, _: u64) -> bool {
    true
}

/// What a scenario writes, and after how many records it syncs.
struct Plan {
    schema: Schema,
    records: Vec<Record>,
    syncs: &'static [usize],
}

/// Three blocks of fixed records; copies in the first and the last, in both turns and over one
/// another.
fn fixed() -> Plan {
    let schema = images(39);
    Plan {
        records: records(1, &schema, 25, 0),
        // 10 records a block.
        syncs: &[2, 5, 7, 9, 12, 23, 24],
        schema,
    }
}

/// Ragged records, one of several strides among them, with copies before it and behind it.
fn with_large() -> Plan {
    let schema = ragged();
    let mut all = records(2, &schema, 14, 16);
    let mut large = all[3].clone();
    large[0] = Tensor::random(&mut Random::new(3), DType::U16, &[20_000]);
    all.insert(9, large);
    Plan {
        schema,
        records: all,
        syncs: &[3, 8, 10, 12, 13],
    }
}

/// Writes, and tells how many records a sync has acknowledged, or the end.
fn run(storage: Arc<dyn Storage>, plan: &Plan, synced: &Cell<usize>) -> Result<()> {
    synced.set(0);
    let mut writer = RecordWriter::create(storage, path(), &small(&plan.schema))?;
    for (number, record) in plan.records.iter().enumerate() {
        append(&mut writer, record)?;
        if plan.syncs.contains(&(number + 1)) {
            writer.sync()?;
            synced.set(number + 1);
        }
    }
    writer.finish()
}

/// The path holds the whole old file, the whole new one or nothing; what was acknowledged is there.
fn check(
    image: &SimStorage,
    outcome: &Outcome<'_, Error>,
    plan: &Plan,
    synced: usize,
    old: Option<&[u8]>,
) -> std::result::Result<(), String> {
    let found = image.contents(path());
    let is_old = found.as_deref() == old;
    if !is_old {
        let Some(found) = found else {
            return Err("the old file is gone".to_owned());
        };
        ensure(parse(&found).records == plan.records, || {
            "neither old nor new".to_owned()
        })?;
    }
    ensure(!is_old || !outcome.acknowledged(), || {
        "finished, but not there".to_owned()
    })?;
    let mut left = image.names();
    left.retain(|name| name != path());
    if outcome.image == Image::Live {
        return ensure(left.is_empty(), || format!("{left:?} are left over"));
    }
    // A process that lived on has removed what it had; else it is to be recovered.
    let died = matches!(outcome.fault, crash::Fault::Died { .. });
    if died && is_old {
        ensure(synced == 0 || left.len() == 1, || {
            format!("{synced} records were synced, and {left:?} is there")
        })?;
    }
    for name in &left {
        let least = if died && is_old { synced } else { 0 };
        check_temporary(image, name, plan, least)?;
    }
    Ok(())
}

fn check_temporary(
    image: &SimStorage,
    name: &Path,
    plan: &Plan,
    least: usize,
) -> std::result::Result<(), String> {
    let bytes = image.contents(name).unwrap_or_default();
    let storage: Arc<dyn Storage> = Arc::new(image.clone());
    // A trailer says that all before it is there.
    let opened = RecordReader::open_in(Arc::clone(&storage), name, &ReaderOptions::default());
    match opened.as_ref().map_err(Report::kind) {
        Ok(_) => ensure(parse(&bytes).records == plan.records, || {
            "the temporary opens, but isn't whole".to_owned()
        })?,
        Err(Kind::Unfinished) => {}
        // The header never reached the disk whole.
        Err(_) if least == 0 => {}
        Err(kind) => return Err(format!("the temporary is {kind:?}")),
    }
    let saved = PathBuf::from("/data/saved.arec");
    match recover(&storage, name, &saved, None, &mut go_on) {
        Ok(recovery) => {
            let found = parse(&image.contents(&saved).unwrap_or_default()).records;
            let count = found.len();
            let _ = storage.remove(&saved);
            ensure(found == plan.records[..count], || {
                "invented records".to_owned()
            })?;
            ensure(recovery.records == count as u64, || "miscounted".to_owned())?;
            ensure(count >= least, || {
                format!("{count} records saved, but {least} were synced")
            })?;
            let model = Header::parse(&bytes).saved(&bytes).len();
            ensure(count == model, || {
                format!("{count} records saved of {model}: {recovery:?}")
            })
        }
        Err(error) => {
            ensure(image.contents(&saved).is_none(), || {
                format!("{error}, but something was saved")
            })?;
            ensure(least == 0, || {
                format!("{error}, but {least} records were synced")
            })
        }
    }
}

fn explore_plan(plan: &Plan, bug: Option<Bug>) -> Findings {
    let synced = Cell::new(0);
    let old = b"another file".to_vec();
    plant(bug);
    let findings = explore(
        |disk| disk.put_durable(path(), &old),
        |storage| run(storage, plan, &synced),
        |image, outcome| {
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                check(image, outcome, plan, synced.get(), Some(&old))
            }));
            caught.unwrap_or_else(|_| Err("what is there breaks the format".to_owned()))
        },
    );
    plant(None);
    findings
}

#[test]
fn fixed_records_survive() {
    let findings = explore_plan(&fixed(), None);
    findings.assert_sound();
    assert!(findings.calls > 25, "{}", findings.calls);
}

#[test]
fn ragged_records_survive() {
    let findings = explore_plan(&with_large(), None);
    findings.assert_sound();
    assert!(findings.calls > 25, "{}", findings.calls);
}

#[test]
fn planted_bugs_are_caught() {
    for bug in [Bug::NoSync, Bug::TrailerFirst, Bug::NoChecksum] {
        let mut plan = fixed();
        if bug == Bug::TrailerFirst {
            // The first block is durable, and leaves no copies that a sync would follow.
            plan.syncs = &[10];
        }
        let findings = explore_plan(&plan, Some(bug));
        let count = findings.violations.len();
        assert!(
            count > 0,
            "{bug:?}: {} images, and all are well",
            findings.images
        );
    }
}

#[test]
fn what_recovery_saves_appears_whole_or_not_at_all() {
    let plan = fixed();
    let disk = SimStorage::new();
    write(
        &(Arc::new(disk.clone()) as Arc<dyn Storage>),
        path(),
        &small(&plan.schema),
        &plan.records,
    )
    .unwrap();
    let mut damaged = disk.contents(path()).unwrap();
    // In the middle of the third block.
    damaged.truncate(16384 * 3 + 2000);
    let from = Path::new("/data/damaged");
    explore(
        |disk| disk.put_durable(from, &damaged),
        |storage| recover(&storage, from, path(), None, &mut go_on).map(|_| ()),
        |image, outcome| {
            let found = image.contents(path());
            let right = found
                .as_deref()
                .map(|bytes| parse(bytes).records == plan.records[..20]);
            ensure(right != Some(false), || "other records".to_owned())?;
            ensure(right.is_some() || !outcome.acknowledged(), || {
                "acknowledged, but not there".to_owned()
            })?;
            ensure(image.contents(from).as_ref() == Some(&damaged), || {
                "the damaged file was touched".to_owned()
            })
        },
    )
    .assert_sound();
}

/// The first call that fails, then the next ones on the same writer.
#[test]
fn a_failure_poisons_the_writer() {
    for plan in [fixed(), with_large()] {
        let calm = SimStorage::new();
        run(Arc::new(calm.clone()), &plan, &Cell::new(0)).unwrap();
        // Creating is two calls: the temporary and the header.
        for call in 3..=calm.calls() {
            for (errno, kind) in [(EIO, Kind::Io), (ENOSPC, Kind::NoSpace), (EFBIG, Kind::Io)] {
                let is_last = call == calm.calls();
                let kind = if is_last { Kind::NotDurable } else { kind };
                let disk = SimStorage::new();
                disk.fail_at(call, errno);
                poison(&disk, &plan, call, (errno, kind));
                // The last call syncs the folder: the file stands there.
                let left: &[&Path] = if is_last { &[path()] } else { &[] };
                assert_eq!(disk.names(), left, "call {call}");
            }
        }
    }
}

fn poison(disk: &SimStorage, plan: &Plan, call: u64, expected: (i32, Kind)) {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let mut writer = RecordWriter::create(storage, path(), &small(&plan.schema)).unwrap();
    let mut all = plan.records.iter().enumerate();
    let error = all
        .try_for_each(|(number, record)| {
            append(&mut writer, record)?;
            match plan.syncs.contains(&(number + 1)) {
                true => writer.sync(),
                false => Ok(()),
            }
        })
        .and_then(|()| writer.finish())
        .unwrap_err();
    let (errno, kind) = expected;
    assert_eq!(error.os_code(), errno, "call {call}: {error}");
    // What a file system can't hold is told in different ways.
    assert!(
        error.kind() == kind || errno == EFBIG,
        "call {call}: {error}"
    );
    let made = disk.calls();
    let later = [
        append(&mut writer, &plan.records[0]),
        writer.sync(),
        writer.set_metadata("key", b"value"),
        writer.finish(),
        writer.finish(),
    ];
    for result in later {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::Poisoned, "call {call}: {error}");
        assert!(error.to_string().contains("set.arec"), "{error}");
    }
    assert_eq!(disk.calls(), made, "nothing is written any more");
}

#[test]
fn what_is_unfinished_is_kept_on_demand() {
    for fails in [false, true] {
        let plan = fixed();
        let disk = SimStorage::new();
        let options = WriterOptions {
            keep_unfinished: true,
            ..small(&plan.schema)
        };
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let mut writer = RecordWriter::create(Arc::clone(&storage), path(), &options).unwrap();
        for record in &plan.records {
            append(&mut writer, record).unwrap();
        }
        if fails {
            disk.fail_at(disk.calls() + 1, EIO);
        }
        assert_eq!(writer.sync().is_err(), fails);
        let temporary = writer.temporary().unwrap().to_owned();
        drop(writer);
        assert_eq!(disk.names(), std::slice::from_ref(&temporary));
        let saved = Path::new("/data/saved.arec");
        let recovery = recover(&storage, &temporary, saved, None, &mut go_on).unwrap();
        // A failed write has written a part of the copy: the two blocks before are whole.
        let count = if fails { 20 } else { 25 };
        assert_eq!(recovery.records, count);
        let found = parse(&disk.contents(saved).unwrap()).records;
        assert!(found == plan.records[..count as usize]);
    }
}
