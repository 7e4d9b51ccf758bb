//! Puts of many threads, each durable when it returns, on a disk.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::engine::own_log;
use super::work::{Folder, SMALL, Work, record_bytes};
use crate::adit::{SYNC_BATCH, SYNC_GROUP, Store, StoreOptions};
use crate::harness::{Samples, Unit, report};
use crate::machine::kernel;
use crate::{Context, Result};

const THREADS: [usize; 3] = [1, 4, 16];

/// For each side and round.
const TIME: Duration = Duration::from_millis(300);

/// Runs the benchmark.
///
/// # Errors
/// A side's.
pub fn run(context: &Context) -> Result<()> {
    let work = Work::new(SMALL);
    for threads in THREADS {
        let mut samples: [Vec<f64>; 3] = Default::default();
        let (mut puts, mut syncs) = (0, 0);
        for round in 0..=context.rounds {
            let group = puts_of(context, &work, threads, SYNC_GROUP)?;
            let each = puts_of(context, &work, threads, SYNC_BATCH)?;
            let plain = plain_puts(context)?;
            if round > 0 {
                (puts, syncs) = (puts + group.puts, syncs + group.syncs);
                for (own, seconds) in samples.iter_mut().zip([group.each, each.each, plain]) {
                    own.push(seconds);
                }
            }
        }
        let [group, each, plain] = samples.map(Samples::new);
        let name = format!("disk, puts of 64 B by {threads} threads, group, on the wall");
        let write = format!("one thread's write(2) and fdatasync ({})", kernel());
        report(&name, Unit::Time, &group, &plain, &write);
        report(
            &name,
            Unit::Time,
            &group,
            &each,
            "adit, a sync for each put",
        );
        println!("#   {puts} puts, {syncs} syncs");
    }
    Ok(())
}

struct Puts {
    puts: u64,
    syncs: u64,
    /// Seconds on the wall for one put of all threads together.
    each: f64,
}

fn puts_of(context: &Context, work: &Work, threads: usize, sync: i32) -> Result<Puts> {
    let folder = Folder::new(context.scratch.folder(), "group")?;
    let options = StoreOptions::writing(sync);
    let store = Store::open(&own_log(&folder), &options)?;
    store.put(b"first", b"the epoch record goes with it")?;
    let before = store.stats()?;
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let put_on = || -> std::result::Result<(), String> {
        while start.elapsed() < TIME {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let put = store.put(&Work::key(index), work.value(index));
            put.map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(put_on)).collect();
        running.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err("a thread panicked".to_owned()))
        })
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let stats = store.stats()?;
    let puts = next.load(Ordering::Relaxed) as u64;
    if stats.live_keys != puts + 1 {
        return Err(format!("{} keys of {puts} puts", stats.live_keys).into());
    }
    Ok(Puts {
        puts,
        syncs: stats.syncs - before.syncs,
        each: seconds / puts as f64,
    })
}

fn plain_puts(context: &Context) -> Result<f64> {
    let folder = Folder::new(context.scratch.folder(), "plain")?;
    let mut file = File::create(folder.join("plain"))?;
    let bytes = vec![1_u8; record_bytes(SMALL.value)];
    let start = Instant::now();
    let mut puts = 0_u32;
    while start.elapsed() < TIME {
        file.write_all(&bytes)?;
        file.sync_data()?;
        puts += 1;
    }
    Ok(start.elapsed().as_secs_f64() / f64::from(puts))
}
