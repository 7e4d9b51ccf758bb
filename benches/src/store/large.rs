//! 10 M keys: looked up one by one and by sixteens, opened after a close and after a kill, and the
//! memory that this takes.

use std::path::Path;
use std::time::Instant;

use simd_r_drive_17::DataStore;
use simd_r_drive_17::traits::DataStoreReader;

use super::engine::{Durable, OURS, SIMD_R_DRIVE, own_log, peer_log};
use super::work::{Folder, Key, Size, Work, word};
use super::{in_memory, long_rounds};
use crate::adit::{Batch, SYNC_EXPLICIT, Store, StoreOptions, StoreStats};
use crate::harness::{Side, Unit, interleave, report, report_wall, time, wall_time};
use crate::machine::{free_bytes, free_memory};
use crate::{Context, Result};

const SIZE: Size = Size {
    name: "10 M x 64 B",
    count: 10_000_000,
    value: 64,
    batch: 1_000,
};

/// What the files of both sides, and simd-r-drive's index, take.
const ROOM: u64 = 8 << 30;

const LOOKUPS: usize = 400_000;

/// The keys of one call.
const MANY: usize = 16;

/// Runs the benchmark.
///
/// # Errors
/// A side's, or sides that disagree.
pub fn run(context: &Context) -> Result<()> {
    let Some(scratch) = in_memory()? else {
        return Ok(());
    };
    if free_memory().min(free_bytes(scratch.folder())?) < ROOM {
        println!("# left out: {} GB aren't free", ROOM >> 30);
        return Ok(());
    }
    let work = Work::new(SIZE);
    let own = Folder::new(scratch.folder(), OURS.short)?;
    let peer = Folder::new(scratch.folder(), SIMD_R_DRIVE.short)?;
    let mut engine = (SIMD_R_DRIVE.open)(&peer, Durable::Later)?;
    work.insert(&mut *engine, 0..SIZE.count, |write| write())?;
    engine.close()?;
    fill_and_kill(&scratch, &own, &work)?;
    reopen(context, &own, &peer)?;
    look_up(context, &own, &peer, &work)
}

/// Fills ours; in the middle of it all, and before the close, its files are copied: that is what a
/// killed process leaves.
fn fill_and_kill(scratch: &crate::scratch::Scratch, own: &Folder, work: &Work) -> Result<()> {
    let options = StoreOptions::writing(SYNC_EXPLICIT);
    let store = Store::open(&own_log(own), &options)?;
    let mut batch = Batch::new()?;
    let (mut slowest, mut most) = (0.0_f64, 0);
    let start = Instant::now();
    for from in (0..SIZE.count).step_by(SIZE.batch) {
        batch.clear()?;
        for index in from..from + SIZE.batch {
            batch.put(&Work::key(index), work.value(index))?;
        }
        slowest = slowest.max(wall_time(|| store.write(&mut batch))?);
        if from % 100_000 == 0 {
            most = most.max(store.stats()?.index_memory_bytes);
        }
    }
    println!(
        "# filled in {:.2} s on the wall; the slowest batch took {:.1} ms",
        start.elapsed().as_secs_f64(),
        1e3 * slowest
    );
    tell_memory("when filled", &store.stats()?);
    println!("# the most index in memory at any time: {}", MiB(most));

    let killed = Folder::new(scratch.folder(), "killed")?;
    own.copy_to(&killed)?;
    let mut stats = StoreStats::default();
    let (mut spent, mut wall) = (0.0, 0.0);
    for _ in 0..2 {
        killed.empty()?;
        own.copy_to(&killed)?;
        let start = Instant::now();
        spent = time(1, || {
            let store = Store::open(&own_log(&killed), &options)?;
            wall = start.elapsed().as_secs_f64();
            stats = store.stats()?;
            std::mem::forget(store);
            Ok(())
        })?;
    }
    println!(
        "# opened after a kill: {:.1} ms on the wall, {:.1} ms of CPU; {} records read, {} keys",
        1e3 * wall,
        1e3 * spent,
        stats.replayed_records,
        stats.live_keys
    );
    tell_memory("after that", &stats);
    drop(batch);
    let closing = wall_time(|| {
        drop(store);
        Ok(())
    })?;
    println!("# closed in {:.1} ms", 1e3 * closing);
    Ok(())
}

fn tell_memory(when: &str, stats: &StoreStats) {
    println!(
        "# {when}: index in memory {} of at most {}, mapped {}; {} merges, {} checkpoints, {} syncs",
        MiB(stats.index_memory_bytes),
        MiB(stats.index_memory_cap),
        MiB(stats.index_mapped_bytes),
        stats.merges,
        stats.checkpoints,
        stats.syncs
    );
}

struct MiB(u64);

impl std::fmt::Display for MiB {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} MiB", self.0 as f64 / f64::from(1 << 20))
    }
}

/// Opening, and the first look-up: an engine that puts its work off is measured too.
fn reopen(context: &Context, own: &Path, peer: &Path) -> Result<()> {
    let key = Work::key(SIZE.count / 2);
    let sides: [Side<'_, 2>; 2] = [
        Box::new(|_| {
            let start = Instant::now();
            let mut wall = 0.0;
            let spent = time(1, || {
                let store = Store::open(&own_log(own), &StoreOptions::default())?;
                store.snapshot()?.first_word(&key)?;
                wall = start.elapsed().as_secs_f64();
                drop(store);
                Ok(())
            })?;
            Ok([spent, wall])
        }),
        Box::new(|_| {
            let start = Instant::now();
            let mut store = None;
            let spent = time(1, || {
                let opened = DataStore::open(&peer_log(peer))?;
                opened.read(&key)?.ok_or("a key is missing")?;
                store = Some(opened);
                Ok(())
            })?;
            Ok([spent, start.elapsed().as_secs_f64()])
        }),
    ];
    let [[own_spent, own_wall], [spent, wall]] = interleave(long_rounds(context), sides)?;
    let name = format!("tmpfs, {}, open and get after a close", SIZE.name);
    let whole = format!("{name}, ours closed too");
    report(&whole, Unit::Time, &own_spent, &spent, SIMD_R_DRIVE.name);
    let wall_name = format!("{name}, on the wall");
    report_wall(&wall_name, Unit::Time, &own_wall, &wall, SIMD_R_DRIVE.name);

    let store = Store::open(&own_log(own), &StoreOptions::reading())?;
    tell_memory("opened after a close", &store.stats()?);
    Ok(())
}

fn look_up(context: &Context, own: &Path, peer: &Path, work: &Work) -> Result<()> {
    let store = Store::open(&own_log(own), &StoreOptions::reading())?;
    let snapshot = store.snapshot()?;
    let theirs = DataStore::open(&peer_log(peer))?;
    let one_by_one = |keys: &[Key]| {
        let mut sum: u64 = 0;
        for key in keys {
            sum = sum.wrapping_add(snapshot.first_word(key)?);
        }
        Ok(sum)
    };
    let many = |keys: &[Key]| {
        let mut sum: u64 = 0;
        for keys in keys.as_chunks::<MANY>().0 {
            sum = sum.wrapping_add(snapshot.first_words(keys)?);
        }
        Ok(sum)
    };
    let peer_one_by_one = |keys: &[Key]| {
        let mut sum: u64 = 0;
        for key in keys {
            let entry = theirs.read(key)?.ok_or("a key is missing")?;
            sum = sum.wrapping_add(word(entry.as_slice()));
        }
        Ok(sum)
    };
    let peer_many = |keys: &[Key]| {
        let mut sum: u64 = 0;
        for keys in keys.as_chunks::<MANY>().0 {
            let keys: [&[u8]; MANY] = std::array::from_fn(|index| keys[index].as_slice());
            for entry in theirs.batch_read(&keys)? {
                sum = sum.wrapping_add(word(entry.ok_or("a key is missing")?.as_slice()));
            }
        }
        Ok(sum)
    };
    // All sides of a round look up the same keys.
    let side = |round: usize, look_up: &dyn Fn(&[Key]) -> Result<u64>| {
        let (keys, sum) = work.some_keys(LOOKUPS, 100 + round as u64);
        let mut found = 0;
        let spent = time(LOOKUPS, || {
            found = look_up(&keys)?;
            Ok(())
        })?;
        if found != sum {
            return Err("other values were found".into());
        }
        Ok([spent])
    };
    let sides: [Side<'_, 1>; 4] = [
        Box::new(|turn| side(turn / 4, &one_by_one)),
        Box::new(|turn| side(turn / 4, &peer_one_by_one)),
        Box::new(|turn| side(turn / 4, &many)),
        Box::new(|turn| side(turn / 4, &peer_many)),
    ];
    let [[own_one], [peer_one], [own_many], [peer_many]] = interleave(context.rounds, sides)?;
    let name = format!("tmpfs, {}, get", SIZE.name);
    report(&name, Unit::Time, &own_one, &peer_one, SIMD_R_DRIVE.name);
    let name = format!("tmpfs, {}, get_many of {MANY}, each", SIZE.name);
    report(&name, Unit::Time, &own_many, &peer_many, SIMD_R_DRIVE.name);
    report(&name, Unit::Time, &own_many, &own_one, "adit, one by one");
    Ok(())
}
