//! Batches that are each durable before the next, on a disk.

use std::fs::File;
use std::io::Write;

use super::engine::{Durable, Engine, OURS};
use super::work::{Folder, SIZES, Work, record_bytes};
use crate::harness::{Samples, Unit, report_wall, wall_time};
use crate::machine::kernel;
use crate::{Context, Result};

/// Batches of a round: sides take turns batch by batch, since a disk has better and worse moments.
const BATCHES: usize = 40;

/// Runs the benchmark.
///
/// # Errors
/// A side's.
pub fn run(context: &Context) -> Result<()> {
    for size in SIZES {
        let work = Work::new(size);
        let batches = if size.value > 1 << 12 {
            BATCHES / 4
        } else {
            BATCHES
        };
        let folder = Folder::new(context.scratch.folder(), OURS.short)?;
        let plain_folder = Folder::new(context.scratch.folder(), "plain")?;
        let mut engine = (OURS.open)(&folder, Durable::EachBatch)?;
        let mut file = File::create(plain_folder.join("plain"))?;
        let bytes = vec![1_u8; size.batch * record_bytes(size.value)];

        let (mut own, mut plain) = (Vec::new(), Vec::new());
        let mut batch = 0;
        for round in 0..=context.rounds {
            let (mut own_lap, mut plain_lap) = (0.0, 0.0);
            for turn in 0..batches {
                let mut write_plainly = || -> Result<()> {
                    plain_lap += wall_time(|| {
                        file.write_all(&bytes)?;
                        Ok(file.sync_data()?)
                    })?;
                    Ok(())
                };
                // Each goes first as often as the other.
                if turn % 2 == 0 {
                    write_plainly()?;
                    own_lap += write_batch(&work, &mut *engine, batch)?;
                } else {
                    own_lap += write_batch(&work, &mut *engine, batch)?;
                    write_plainly()?;
                }
                batch += 1;
            }
            if round > 0 {
                own.push(own_lap / batches as f64);
                plain.push(plain_lap / batches as f64);
            }
        }
        let name = format!(
            "disk, {}, each batch of {} synced, on the wall",
            size.name, size.batch
        );
        let rate = Unit::Rate((size.value * size.batch) as f64);
        let write = format!("write(2) and fdatasync of the same bytes ({})", kernel());
        let own = Samples::new(own);
        report_wall(&name, rate, &own, &Samples::new(plain), &write);
        #[cfg(feature = "heavy-peers")]
        for kind in super::heavy::KINDS {
            let folder = Folder::new(context.scratch.folder(), kind.short)?;
            let mut engine = (kind.open)(&folder, Durable::EachBatch)?;
            let batches = (0..=batches).map(|batch| write_batch(&work, &mut *engine, batch));
            let mut laps = batches.collect::<Result<Vec<f64>>>()?;
            laps.remove(0);
            crate::harness::report(&name, rate, &own, &Samples::new(laps), kind.name);
        }
    }
    Ok(())
}

fn write_batch(work: &Work, engine: &mut dyn Engine, batch: usize) -> Result<f64> {
    let mut spent = 0.0;
    let from = batch * work.size.batch;
    work.insert(engine, from..from + work.size.batch, |write| {
        spent += wall_time(write)?;
        Ok(())
    })?;
    Ok(spent)
}
