//! How long it takes to have a device.

use super::{Adapter, compare, named};
use crate::adit::{Gpu, Way};
use crate::harness::{Unit, wall_time};
use crate::{Context, Result};

/// Runs the benchmark.
///
/// # Errors
/// A side's.
pub fn run(context: &Context) -> Result<()> {
    let mut first = None;
    let seconds = wall_time(|| {
        first = Gpu::open(Way::Ring).ok();
        Ok(())
    })?;
    match first.take() {
        Some(_) => println!(
            "# adit_gpu_open, the first of this process: {:.1} ms",
            seconds * 1e3
        ),
        None => println!("# no adapter, told after {:.1} ms", seconds * 1e3),
    }
    let Some(adapter) = Adapter::find() else {
        return Ok(());
    };
    let ours = named("opened and closed again", || {
        wall_time(|| Gpu::open(Way::Ring).map(drop))
    });
    #[allow(unused_mut, reason = "with the peer")]
    let mut all = vec![ours];
    #[cfg(feature = "gpu-peer")]
    all.push(named(crate::WGPU, || {
        wall_time(|| super::peer::Peer::open(&adapter.name).map(drop))
    }));
    let _ = &adapter;
    if all.len() == 1 {
        let line = all.swap_remove(0);
        return alone(context.rounds, line);
    }
    compare(context.rounds, "a device", Unit::Time, 1, all)
}

fn alone(rounds: usize, line: super::Named<'_>) -> Result<()> {
    let mut sides = [line.side];
    let samples = crate::harness::interleave_all(rounds, &mut sides)?;
    let median = samples
        .iter()
        .flatten()
        .next()
        .map_or(f64::NAN, |one| one.median());
    println!("# a device, {}: {:.2} ms", line.name, median * 1e3);
    Ok(())
}
