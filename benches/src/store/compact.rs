//! Compaction of a store half of which is dead.

use simd_r_drive_17::DataStore;

use super::engine::{Durable, Kind, OURS, SIMD_R_DRIVE, own_log, peer_log, sync_files};
use super::work::{Folder, Size, Work};
use super::{in_memory, long_rounds};
use crate::adit::{Store, StoreOptions};
use crate::harness::{Side, Unit, interleave, report, report_wall, time, wall_time};
use crate::scratch::Scratch;
use crate::{Context, Result};

/// Written twice each.
const SIZES: [Size; 2] = [
    Size {
        name: "500 k x 64 B",
        count: 500_000,
        value: 64,
        batch: 1_000,
    },
    Size {
        name: "8 k x 64 KiB",
        count: 8_192,
        value: 64 << 10,
        batch: 100,
    },
];

/// Runs the benchmark.
///
/// # Errors
/// A side's.
pub fn run(context: &Context) -> Result<()> {
    if let Some(scratch) = in_memory()? {
        compact(context, &scratch, "tmpfs")?;
    }
    compact(context, &context.scratch, "disk")
}

fn compact(context: &Context, scratch: &Scratch, place: &str) -> Result<()> {
    for size in SIZES {
        let work = Work::new(size);
        let own = fill_twice(&OURS, scratch, &work)?;
        let peer = fill_twice(&SIMD_R_DRIVE, scratch, &work)?;
        let copy = Folder::new(scratch.folder(), "copy")?;
        let copy_of = |folder: &Folder| -> Result<()> {
            copy.empty()?;
            folder.copy_to(&copy)?;
            // What the copying left to write isn't the compaction's.
            sync_files(&copy)
        };
        let sides: [Side<'_, 2>; 2] = [
            Box::new(|_| {
                copy_of(&own)?;
                let store = Store::open(&own_log(&copy), &StoreOptions::default())?;
                let mut wall = 0.0;
                let spent = time(1, || {
                    wall = wall_time(|| store.compact())?;
                    Ok(())
                })?;
                if store.stats()?.live_keys != size.count as u64 {
                    return Err("keys are gone".into());
                }
                Ok([spent, wall])
            }),
            Box::new(|_| {
                copy_of(&peer)?;
                let mut store = DataStore::open(&peer_log(&copy))?;
                let mut wall = 0.0;
                let spent = time(1, || {
                    wall = wall_time(|| {
                        store.compact()?;
                        // Ours is durable when it returns.
                        sync_files(&copy)
                    })?;
                    Ok(())
                })?;
                Ok([spent, wall])
            }),
        ];
        let [[own_spent, own_wall], [spent, wall]] = interleave(long_rounds(context), sides)?;
        let name = format!("{place}, {} twice, compact and sync", size.name);
        let rate = Unit::Rate((size.count * size.value) as f64);
        report(&name, rate, &own_spent, &spent, SIMD_R_DRIVE.name);
        let name = format!("{name}, on the wall");
        report_wall(&name, rate, &own_wall, &wall, SIMD_R_DRIVE.name);
    }
    Ok(())
}

fn fill_twice(kind: &Kind, scratch: &Scratch, work: &Work) -> Result<Folder> {
    let folder = Folder::new(scratch.folder(), kind.short)?;
    let mut engine = (kind.open)(&folder, Durable::Later)?;
    for _ in 0..2 {
        work.insert(&mut *engine, 0..work.size.count, |write| write())?;
    }
    engine.close()?;
    Ok(folder)
}
