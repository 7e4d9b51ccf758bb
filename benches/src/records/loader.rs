//! Epochs of the loader, against a plain loop: a shuffled list of records, each read by pread.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;

use super::file::Pool;
use super::places::places;
use super::python::{ARRAY_RECORD_COPIED, MDS, Peers};
use super::{BATCH, evict};
use crate::adit::{Check, Epoch, Layout, Loader, Reader, RecordIo};
use crate::data::Random;
use crate::harness::{Samples, Side, Unit, interleave, report_wall, wall_time};
use crate::machine::{free_bytes, free_memory, kernel};
use crate::memory::{HugeBuffer, PlainMap};
use crate::scratch::ScratchFile;
use crate::{Context, Result};

const RECORD: usize = 4 << 10;
const BATCH_BYTES: usize = BATCH * RECORD;
const BYTES: usize = 1 << 30;

/// Records of the peers' sets: fewer, as Python writes them.
const PEERS: usize = 64 << 10;

/// Batches of a cold plain loop, and of peers.
const FEW: usize = 32;

const WINDOW: u64 = 16;

/// Threads, checks.
const OURS: [(u32, Check); 4] = [
    (0, Check::OnCopy),
    (1, Check::OnCopy),
    (2, Check::OnCopy),
    (1, Check::Never),
];

const LONG_ROUNDS: usize = 3;

struct Set {
    file: ScratchFile,
    reader: Reader,
    plain: File,
    places: Vec<u64>,
}

/// Runs the benchmark.
///
/// # Errors
/// A side's, or records that come not once.
pub fn run(context: &Context) -> Result<()> {
    let room = free_memory().min(free_bytes(context.scratch.folder())?);
    if room < 4 * BYTES as u64 {
        println!("# skipped: it needs 4 GiB of memory and of disk");
        return Ok(());
    }
    println!("# time on the wall for a batch of {BATCH} records, an epoch each of 1 GiB");
    let records = Pool::new()?;
    let file = context.scratch.file("loader.arec");
    records.write(&file, BYTES / RECORD, RECORD, Layout::default())?;
    let reader = Reader::open(&file)?;
    let map = PlainMap::open_populated(&file)?;
    let set = Set {
        places: places(&reader, map.bytes(), records.record(0, RECORD))?,
        plain: File::open(&*file)?,
        reader,
        file,
    };
    drop(map);
    measure_warm(context, &set)?;
    measure_cold(context, &set)
}

impl Set {
    /// Seconds of a batch, over an epoch.
    fn epoch(&self, workers: u32, check: Check, io: RecordIo, seed: usize) -> Result<f64> {
        let how = Epoch {
            batch: BATCH as u64,
            window: WINDOW,
            workers,
            io: io as i32,
            check: check as i32,
            seed: seed as u64,
        };
        let mut batches = 0;
        let seconds = wall_time(|| {
            let mut loader = Loader::open(&self.reader, &how)?;
            while let Some(len) = loader.next(|bytes| black_box(bytes).len())? {
                if len != BATCH_BYTES {
                    return Err(format!("a batch of {len} bytes").into());
                }
                batches += 1;
            }
            Ok(())
        })?;
        match self.places.len() / BATCH {
            all if all == batches => Ok(seconds / batches as f64),
            all => Err(format!("{batches} batches and not {all}").into()),
        }
    }

    /// Seconds of a batch, over the first `batches` of a shuffled list of all records.
    fn plain_loop(&self, batches: usize, seed: usize, buffer: &mut HugeBuffer) -> Result<f64> {
        let mut order = self.places.clone();
        let mut random = Random(seed as u64);
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at as u64 + 1) as usize);
        }
        let seconds = wall_time(|| {
            for batch in order.chunks_exact(BATCH).take(batches) {
                let rows = buffer.plain_mut().chunks_exact_mut(RECORD);
                for (&place, row) in batch.iter().zip(rows) {
                    self.plain.read_exact_at(row, place)?;
                }
                black_box(buffer.bytes());
            }
            Ok(())
        })?;
        Ok(seconds / batches as f64)
    }
}

fn told(workers: u32, check: Check) -> String {
    let check = match check {
        Check::OnCopy => "check on copy",
        Check::Never => "check never",
    };
    match workers {
        0 => format!("no workers, {check}"),
        1 => format!("1 worker, {check}"),
        more => format!("{more} workers, {check}"),
    }
}

fn measure_warm(context: &Context, set: &Set) -> Result<()> {
    let ours = OURS.map(|(workers, check)| {
        let side: Side<'_, 1> =
            Box::new(move |turn| Ok([set.epoch(workers, check, RecordIo::Auto, turn)?]));
        side
    });
    let peers = Peers::start(context, &[ARRAY_RECORD_COPIED, MDS], PEERS, RECORD)?;
    let known = peers.as_ref().map(|peers| peers.kinds.as_slice());
    let known = known.unwrap_or_default();
    let peer = |at: usize| -> Side<'_, 1> {
        match peers.as_ref().zip(known.get(at)) {
            Some((peers, (kind, _))) => peers.side(*kind, FEW),
            None => Box::new(|_| Ok([f64::NAN])),
        }
    };
    let mut buffer = HugeBuffer::new(BATCH_BYTES)?;
    let [a, b, c, d] = ours;
    let sides = [
        a,
        b,
        c,
        d,
        Box::new(|turn| {
            let all = set.places.len() / BATCH;
            Ok([set.plain_loop(all, turn, &mut buffer)?])
        }),
        peer(0),
        peer(1),
    ];
    let [ours @ .., plain, first, second] = interleave(context.rounds.min(LONG_ROUNDS), sides)?;
    report_all("warm", &ours, &plain);
    for ((_, peer), [theirs]) in known.iter().zip([first, second]) {
        for ((workers, check), [ours]) in OURS.iter().zip(&ours) {
            let name = format!("loader, warm, {}", told(*workers, *check));
            let peer = format!("{peer}, {PEERS} records");
            report_wall(&name, Unit::Rate(BATCH_BYTES as f64), ours, &theirs, &peer);
        }
    }
    Ok(())
}

fn measure_cold(context: &Context, set: &Set) -> Result<()> {
    let evicted = |io| {
        move |(workers, check)| {
            let side: Side<'_, 1> = Box::new(move |turn| {
                evict(&set.file, &set.reader)?;
                Ok([set.epoch(workers, check, io, turn)?])
            });
            side
        }
    };
    let [a, b, c, d] = OURS.map(evicted(RecordIo::Auto));
    let direct = evicted(RecordIo::Direct)((1, Check::OnCopy));
    let mut buffer = HugeBuffer::new(BATCH_BYTES)?;
    let sides = [
        a,
        b,
        c,
        d,
        direct,
        Box::new(|turn| {
            evict(&set.file, &set.reader)?;
            Ok([set.plain_loop(FEW, turn, &mut buffer)?])
        }),
    ];
    let [a, b, c, d, [direct], plain] = interleave(context.rounds.min(LONG_ROUNDS), sides)?;
    println!("# cold, the plain loop reads {FEW} batches");
    report_all("cold", &[a, b, c, d], &plain);
    let rate = Unit::Rate(BATCH_BYTES as f64);
    let name = "loader, cold, direct, 1 worker, check on copy";
    report_wall(name, rate, &direct, &plain[0], &plain_name());
    Ok(())
}

fn plain_name() -> String {
    format!("a plain loop of pread over a shuffled list ({})", kernel())
}

fn report_all(state: &str, ours: &[[Samples; 1]; 4], plain: &[Samples; 1]) {
    for ((workers, check), [ours]) in OURS.iter().zip(ours) {
        let name = format!("loader, {state}, {}", told(*workers, *check));
        report_wall(
            &name,
            Unit::Rate(BATCH_BYTES as f64),
            ours,
            &plain[0],
            &plain_name(),
        );
    }
}
