//! Batches written without a sync, index included; then the same stores read.

use std::fs::File;
use std::io::Write;
use std::time::Instant;

use super::engine::{Durable, Kind, OURS, SIMD_R_DRIVE, sync_files};
use super::work::{Folder, SIZES, Work, record_bytes};
use super::{get, long_rounds};
use crate::harness::{Samples, Side, Unit, interleave, report, report_wall, time};
use crate::machine::kernel;
use crate::scratch::Scratch;
use crate::{Context, Result};

/// CPU seconds of an entry's insertion, the same with close, and those on the wall with close and
/// with a sync of what that leaves unsynced.
type Laps = [f64; 3];

/// Fills and reads stores of all sizes.
///
/// # Errors
/// A side's, or sides that disagree.
pub fn run(context: &Context, scratch: &Scratch, place: &str) -> Result<()> {
    for size in SIZES {
        let work = Work::new(size);
        let folders = fill_all(context, scratch, place, &work)?;
        get::run(context, &folders, place, &work)?;
    }
    Ok(())
}

/// What is left is each engine's last store.
fn fill_all(
    context: &Context,
    scratch: &Scratch,
    place: &str,
    work: &Work,
) -> Result<Vec<(Kind, Folder)>> {
    let own = Folder::new(scratch.folder(), OURS.short)?;
    let peer = Folder::new(scratch.folder(), SIMD_R_DRIVE.short)?;
    let plain = Folder::new(scratch.folder(), "plain")?;
    let sides: [Side<'_, 3>; 3] = [
        Box::new(|_| fill(&OURS, &own, work)),
        Box::new(|_| fill(&SIMD_R_DRIVE, &peer, work)),
        Box::new(|_| write_plainly(&plain, work)),
    ];
    let [ours, theirs, written] = interleave(long_rounds(context), sides)?;
    drop(plain);
    let write = format!("write(2) of the same batches ({})", kernel());
    let name = tell(place, work, &ours, &theirs, SIMD_R_DRIVE.name);
    report(
        &name,
        Unit::Rate(work.size.value as f64),
        &ours[0],
        &written[0],
        &write,
    );

    let mut folders = vec![(OURS, own), (SIMD_R_DRIVE, peer)];
    for &kind in heavy_kinds() {
        let folder = Folder::new(scratch.folder(), kind.short)?;
        // Once: they take long, and what is looked for is a factor.
        let laps = fill(&kind, &folder, work)?.map(|lap| Samples::new(vec![lap]));
        tell(place, work, &ours, &laps, kind.name);
        folders.push((kind, folder));
    }
    Ok(folders)
}

fn tell(
    place: &str,
    work: &Work,
    ours: &[Samples; 3],
    theirs: &[Samples; 3],
    peer: &str,
) -> String {
    let rate = Unit::Rate(work.size.value as f64);
    let name = format!(
        "{place}, {}, batches of {}",
        work.size.name, work.size.batch
    );
    let insert = format!("{name}, insert");
    report(&insert, rate, &ours[0], &theirs[0], peer);
    let close = format!("{name}, insert and close");
    report(&close, rate, &ours[1], &theirs[1], peer);
    if place != "tmpfs" {
        let synced = format!("{name}, insert, close, all synced, on the wall");
        report_wall(&synced, rate, &ours[2], &theirs[2], peer);
    }
    insert
}

#[cfg(feature = "heavy-peers")]
fn heavy_kinds() -> &'static [Kind] {
    &super::heavy::KINDS
}

#[cfg(not(feature = "heavy-peers"))]
fn heavy_kinds() -> &'static [Kind] {
    println!("# left out: LMDB, redb, fjall (the feature heavy-peers)");
    &[]
}

fn fill(kind: &Kind, folder: &Folder, work: &Work) -> Result<Laps> {
    folder.empty()?;
    let count = work.size.count;
    let mut engine = (kind.open)(folder, Durable::Later)?;
    let (mut spent, mut wall) = (0.0, 0.0);
    work.insert(&mut *engine, 0..count, |write| {
        let start = Instant::now();
        spent += time(1, write)?;
        wall += start.elapsed().as_secs_f64();
        Ok(())
    })?;
    let start = Instant::now();
    let closing = time(1, || engine.close())?;
    sync_files(folder)?;
    wall += start.elapsed().as_secs_f64();
    Ok([spent, spent + closing, wall].map(|seconds| seconds / count as f64))
}

/// The bytes of our log, one write a batch.
fn write_plainly(folder: &Folder, work: &Work) -> Result<Laps> {
    folder.empty()?;
    let (count, batch) = (work.size.count, work.size.batch);
    let bytes = vec![1_u8; batch * record_bytes(work.size.value)];
    let mut file = File::create(folder.join("plain"))?;
    let start = Instant::now();
    let spent = time(1, || {
        for _ in 0..count.div_ceil(batch) {
            file.write_all(&bytes)?;
        }
        Ok(())
    })?;
    sync_files(folder)?;
    let wall = start.elapsed().as_secs_f64();
    Ok([spent, spent, wall].map(|seconds| seconds / count as f64))
}
