//! Random look-ups, each value's first word read.

use std::path::Path;

use super::engine::{Durable, Engine, Kind, own_log};
use super::work::{Folder, Key, Work};
use crate::adit::{Snapshot, Store, StoreOptions};
use crate::data::Random;
use crate::harness::{Samples, Unit, report, time};
use crate::memory::PlainMap;
use crate::{Context, Result};

/// Look-ups of a round and side: of other keys in each round, so that the caches have few of them.
const LOOKUPS: usize = 200_000;

/// Looks up the same keys in each of the stores, and by bare loads.
///
/// # Errors
/// A side's, or sides that find different values.
pub fn run(context: &Context, folders: &[(Kind, Folder)], place: &str, work: &Work) -> Result<()> {
    let own_folder = &folders.first().ok_or("no store")?.1;
    let mut engines: Vec<(&str, Box<dyn Engine>)> = Vec::new();
    for (kind, folder) in folders {
        let mut engine = (kind.open)(folder, Durable::Later)?;
        engine.settle()?;
        engines.push((kind.name, engine));
    }
    // Readers may read beside the first handle.
    let checked = Checked::open(own_folder)?;
    let loads = Loads::new(&checked.snapshot, own_folder)?;

    let mut samples: Vec<Vec<f64>> = vec![Vec::new(); engines.len() + 3];
    for round in 0..=context.rounds {
        let (keys, sum) = work.some_keys(LOOKUPS, 1_000 + round as u64);
        let mut laps = Vec::new();
        for (name, engine) in &engines {
            let mut found = 0;
            laps.push(time(LOOKUPS, || {
                found = engine.sum(&keys)?;
                Ok(())
            })?);
            if found != sum {
                return Err(format!("{name} found other values").into());
            }
        }
        laps.push(time(LOOKUPS, || checked.sum(&keys).map(drop))?);
        let steps = loads.steps(&checked.snapshot, &keys)?;
        let mut bare = 0;
        laps.push(time(LOOKUPS, || {
            bare = loads.chained(&steps);
            Ok(())
        })?);
        laps.push(time(LOOKUPS, || {
            bare = bare.wrapping_add(loads.unchained(&steps));
            Ok(())
        })?);
        std::hint::black_box(bare);
        for (own, lap) in samples.iter_mut().zip(laps) {
            if round > 0 {
                own.push(lap);
            }
        }
    }
    let name = format!("{place}, {}, get", work.size.name);
    let mut samples = samples.into_iter().map(Samples::new);
    let ours = samples.next().ok_or("no samples")?;
    for ((peer, _), theirs) in engines.iter().skip(1).zip(samples.by_ref()) {
        report(&name, Unit::Time, &ours, &theirs, peer);
    }
    let others = [
        "adit, values checked at first touch",
        "loads of index, record, value, each waiting for the one before",
        "the same loads, waiting within a look-up only",
    ];
    for (peer, theirs) in others.iter().zip(samples) {
        report(&name, Unit::Time, &ours, &theirs, peer);
    }
    Ok(())
}

/// A second handle, for reading, that checks values as it lends them first.
struct Checked {
    snapshot: Snapshot,
    _store: Store,
}

impl Checked {
    fn open(folder: &Path) -> Result<Checked> {
        let options = StoreOptions::reading().checked();
        let store = Store::open(&own_log(folder), &options)?;
        Ok(Checked {
            snapshot: store.snapshot()?,
            _store: store,
        })
    }

    fn sum(&self, keys: &[Key]) -> Result<u64> {
        let mut sum: u64 = 0;
        for key in keys {
            sum = sum.wrapping_add(self.snapshot.first_word(key)?);
        }
        Ok(sum)
    }
}

/// Loads from the store's own files, mapped plainly: a random word of the index, then the record's
/// first one and the value's first one.
struct Loads {
    index: PlainMap,
    log: PlainMap,
    start: *const u8,
}

/// Where a look-up's loads are.
struct Step {
    bucket: usize,
    value: usize,
}

impl Loads {
    fn new(snapshot: &Snapshot, folder: &Path) -> Result<Loads> {
        let log = PlainMap::open_populated(&own_log(folder))?;
        let index = PlainMap::open_populated(&folder.join("store.idx"))?;
        // The first entry's value is the first one in the log, behind head, epoch record and its own.
        let first = snapshot.place(&Work::key(0))?;
        let at = first_value_at(&log)?;
        Ok(Loads {
            index,
            log,
            start: first.wrapping_sub(at),
        })
    }

    fn steps(&self, snapshot: &Snapshot, keys: &[Key]) -> Result<Vec<Step>> {
        let mut random = Random(7);
        let buckets = (self.index.bytes().len() / 64) as u64;
        let mut steps = Vec::with_capacity(keys.len());
        for key in keys {
            let value = snapshot.place(key)?.addr() - self.start.addr();
            if value + 8 > self.log.bytes().len() {
                return Err("a value outside of the file".into());
            }
            let bucket = 64 * random.below(buckets) as usize;
            steps.push(Step { bucket, value });
        }
        Ok(steps)
    }

    fn chained(&self, steps: &[Step]) -> u64 {
        let (index, log) = (self.index.bytes(), self.log.bytes());
        let nothing = std::hint::black_box(0_usize);
        let mut last: usize = 0;
        let mut sum: u64 = 0;
        for step in steps {
            let bucket = at(index, step.bucket + (last & nothing));
            let record = at(log, step.value - 64 + (bucket as usize & nothing));
            let value = at(log, step.value + (record as usize & nothing));
            last = value as usize;
            sum = sum.wrapping_add(value);
        }
        sum
    }

    fn unchained(&self, steps: &[Step]) -> u64 {
        let (index, log) = (self.index.bytes(), self.log.bytes());
        let nothing = std::hint::black_box(0_usize);
        let mut sum: u64 = 0;
        for step in steps {
            let bucket = at(index, step.bucket);
            let record = at(log, step.value - 64 + (bucket as usize & nothing));
            let value = at(log, step.value + (record as usize & nothing));
            sum = sum.wrapping_add(value);
        }
        sum
    }
}

/// Where the first value lies: head and epoch record are found by the magic that records start with.
fn first_value_at(log: &PlainMap) -> Result<usize> {
    const HEAD: usize = 16 << 10;
    let bytes = log.bytes();
    let magic = bytes.get(HEAD..HEAD + 4).ok_or("a short log")?;
    let second = (HEAD + 64..HEAD + 1_024)
        .step_by(64)
        .find(|&at| bytes.get(at..at + 4) == Some(magic));
    Ok(second.ok_or("no second record")? + 64)
}

#[inline]
fn at(bytes: &[u8], offset: usize) -> u64 {
    bytes
        .get(offset..offset + 8)
        .and_then(|bytes| bytes.first_chunk())
        .map_or(0, |word| u64::from_le_bytes(*word))
}
