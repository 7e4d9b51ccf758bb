//! 256 random records of 4 KiB from a file of 2 GiB that isn't in the page cache: it is made to
//! leave it before each batch, and that it has is checked.
//!
//! What lies between the kernel and the disk, such as a host's own cache, may still have it.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt;

use super::file::{Pool as Records, spoil};
use super::places::places;
use super::pool::Pool;
use super::uring::Ring;
use super::{BATCH, PAGE, evict, read_from_disks};
use crate::adit::{Check, Gathering, Layout, Reader, RecordIo};
use crate::data::Random;
use crate::harness::{Side, Unit, interleave, report_wall, wall_time};
use crate::machine::{free_bytes, kernel};
use crate::memory::{HugeBuffer, PlainMap, copy};
use crate::scratch::ScratchFile;
use crate::{Context, Result};

const RECORD: usize = 4 << 10;
const BATCH_BYTES: usize = BATCH * RECORD;

/// Bytes of records in the large file, and in the one that shows what pages cost.
const LARGE: usize = 2 << 30;
const SMALL: usize = 512 << 20;

/// Batches of a run.
const BATCHES: usize = 8;

/// Threads of the peer that has many.
const THREADS: usize = 16;

/// How ours reads.
const OURS: [(RecordIo, &str); 3] = [
    (RecordIo::Auto, "auto"),
    (RecordIo::Read, "read"),
    (RecordIo::Direct, "direct"),
];

/// One file, open for ours and known to the peers.
struct Set {
    file: ScratchFile,
    ours: Reader,
    places: Vec<u64>,
}

/// Seconds of a batch, and bytes that disks read for a byte that was asked for.
type Measured = [f64; 2];

/// Runs the benchmark.
///
/// # Errors
/// A side's, or values that differ.
pub fn run(context: &Context) -> Result<()> {
    if free_bytes(context.scratch.folder())? < (LARGE + SMALL) as u64 * 5 / 4 {
        println!("# skipped: it needs 3 GiB of disk");
        return Ok(());
    }
    println!("# time on the wall; the file not in the page cache before each batch");
    let records = Records::new()?;
    let set = Set::write(context, &records, "cold.arec", LARGE, true)?;
    measure(context, &records, &set)?;
    drop(set);
    let set = Set::write(context, &records, "packed.arec", SMALL, false)?;
    read_packed(context, &set)
}

impl Set {
    fn write(
        context: &Context,
        records: &Records,
        name: &str,
        bytes: usize,
        pages: bool,
    ) -> Result<Set> {
        let file = context.scratch.file(name);
        let layout = Layout {
            pages,
            ..Layout::default()
        };
        records.write(&file, bytes / RECORD, RECORD, layout)?;
        let ours = Reader::open_checked(&file, Check::OnCopy)?;
        let map = PlainMap::open(&file)?;
        let places = places(&ours, map.bytes(), records.record(0, RECORD))?;
        Ok(Set { file, ours, places })
    }

    fn indices(&self, turn: usize) -> Vec<u64> {
        Random(turn as u64).indices(BATCHES * BATCH, self.places.len())
    }

    fn places_of(&self, batch: &[u64]) -> Vec<u64> {
        batch
            .iter()
            .map(|&index| self.places[index as usize])
            .collect()
    }

    /// Runs some batches of other records in each turn, each from a file that isn't in memory.
    fn batches(&self, turn: usize, read: impl FnMut(&[u64]) -> Result<()>) -> Result<Measured> {
        self.some(BATCHES, turn, read)
    }

    fn some(
        &self,
        count: usize,
        turn: usize,
        mut read: impl FnMut(&[u64]) -> Result<()>,
    ) -> Result<Measured> {
        let (mut seconds, mut disk) = (0.0, 0);
        for batch in self.indices(turn).chunks_exact(BATCH).take(count) {
            evict(&self.file, &self.ours)?;
            let before = read_from_disks()?;
            seconds += wall_time(|| read(batch))?;
            disk += read_from_disks()? - before;
        }
        let used = (count * BATCH_BYTES) as f64;
        Ok([seconds / count as f64, disk as f64 / used])
    }
}

fn measure(context: &Context, records: &Records, set: &Set) -> Result<()> {
    let buffer = RefCell::new(HugeBuffer::new(BATCH_BYTES)?);
    check(records, set, &mut buffer.borrow_mut())?;
    let plain = File::open(&*set.file)?;
    let mut pool = Pool::start(&set.file, THREADS, BATCH, RECORD)?;
    let ours = |io| {
        let (set, buffer) = (&set, &buffer);
        let how = Gathering::new(io, 0);
        let side: Side<'_, 2> = Box::new(move |turn| {
            let mut buffer = buffer.borrow_mut();
            set.batches(turn, |batch| {
                set.ours
                    .gather_as(batch, buffer.bytes_mut(), &how)
                    .map(drop)
            })
        });
        side
    };
    let [auto, read, direct] = OURS.map(|(io, _)| ours(io));
    let sides: [Side<'_, 2>; 9] = [
        auto,
        read,
        direct,
        map_side(set, &buffer, false),
        map_side(set, &buffer, true),
        Box::new(|turn| {
            let mut buffer = buffer.borrow_mut();
            set.batches(turn, |batch| {
                let rows = buffer.plain_mut().chunks_exact_mut(RECORD);
                for (place, row) in set.places_of(batch).into_iter().zip(rows) {
                    plain.read_exact_at(row, place)?;
                }
                Ok(())
            })
        }),
        Box::new(|turn| set.batches(turn, |batch| pool.read(&set.places_of(batch)))),
        ring_side(set, &buffer, false),
        ring_side(set, &buffer, true),
    ];
    let [
        ours @ ..,
        mapped,
        random_map,
        single,
        many,
        ring,
        direct_ring,
    ] = interleave(context.rounds, sides)?;
    let kernel = kernel();
    let peers = [
        (
            mapped,
            format!("memcpy from a default map, opened and closed ({kernel})"),
        ),
        (
            random_map,
            format!("memcpy from a map with MADV_RANDOM, opened and closed ({kernel})"),
        ),
        (single, format!("pread on one thread ({kernel})")),
        (many, format!("pread on {THREADS} kept threads ({kernel})")),
        (ring, format!("io_uring, {BATCH} at a time ({kernel})")),
        (
            direct_ring,
            format!("io_uring, O_DIRECT, {BATCH} at a time ({kernel})"),
        ),
    ];
    for ((_, io), [seconds, disk]) in OURS.iter().zip(&ours) {
        let name = format!("cold gather of {BATCH} random 4 KiB records, page-aware, {io}");
        for ([theirs, _], peer) in peers.iter().filter(|([theirs, _], _)| theirs.is_known()) {
            report_wall(&name, Unit::Rate(BATCH_BYTES as f64), seconds, theirs, peer);
        }
        println!(
            "#   bytes read from disk for a byte used: {:.3}",
            disk.median()
        );
    }
    for ([_, disk], peer) in &peers {
        println!(
            "# {peer}: bytes read from disk for a byte used: {:.3}",
            disk.median()
        );
    }
    Ok(())
}

/// Copies from a map; the default one reads so far ahead that one batch of it has to do.
fn map_side<'a>(set: &'a Set, buffer: &'a RefCell<HugeBuffer>, random: bool) -> Side<'a, 2> {
    let count = if random { BATCHES } else { 1 };
    Box::new(move |turn| {
        let mut buffer = buffer.borrow_mut();
        set.some(count, turn, |batch| {
            let map = PlainMap::open(&set.file)?;
            if random {
                map.advise_random()?;
            }
            copy_all(&map, &set.places_of(batch), &mut buffer);
            Ok(())
        })
    })
}

/// Reads by io_uring, where there is one; else a side without a number.
fn ring_side<'a>(set: &'a Set, buffer: &'a RefCell<HugeBuffer>, direct: bool) -> Side<'a, 2> {
    let mut ring = match Ring::open(&set.file, direct, BATCH) {
        Ok(ring) => ring,
        Err(error) => {
            println!("# left out: io_uring, O_DIRECT {direct}: {error}");
            return Box::new(|_| Ok([f64::NAN, f64::NAN]));
        }
    };
    Box::new(move |turn| {
        let mut buffer = buffer.borrow_mut();
        set.batches(turn, |batch| {
            ring.read(&set.places_of(batch), RECORD, buffer.bytes_mut())
        })
    })
}

/// What records cost that may lie over three pages where two would do: without the flag for pages.
fn read_packed(context: &Context, set: &Set) -> Result<()> {
    let mut buffer = HugeBuffer::new(BATCH_BYTES)?;
    let over = set.places.iter().filter(|&place| place % PAGE as u64 != 0);
    println!(
        "# not page-aware: {} of {} records lie over two pages",
        over.count(),
        set.places.len()
    );
    for (io, name) in OURS {
        let how = Gathering::new(io, 0);
        let mut disk = Vec::new();
        for turn in 0..=context.rounds {
            let [_, read] = set.batches(turn, |batch| {
                set.ours
                    .gather_as(batch, buffer.bytes_mut(), &how)
                    .map(drop)
            })?;
            disk.push(read);
        }
        let disk = crate::harness::Samples::new(disk);
        println!(
            "#   {name}: bytes read from disk for a byte used: {:.3}",
            disk.median()
        );
    }
    Ok(())
}

fn copy_all(map: &PlainMap, places: &[u64], buffer: &mut HugeBuffer) {
    let rows = buffer.bytes_mut().chunks_exact_mut(RECORD);
    for (&place, row) in places.iter().zip(rows) {
        let start = place as usize;
        copy(&map.bytes()[start..start + RECORD], row);
    }
}

/// Whether all sides that keep their bytes give what was written.
fn check(records: &Records, set: &Set, buffer: &mut HugeBuffer) -> Result<()> {
    let indices = set.indices(1 << 20);
    let (batch, _) = indices.split_at(BATCH);
    for (io, name) in OURS {
        spoil(buffer);
        let how = Gathering::new(io, 0);
        set.ours.gather_as(batch, buffer.bytes_mut(), &how)?;
        records.check(batch, buffer.bytes(), RECORD, name)?;
    }
    spoil(buffer);
    copy_all(&PlainMap::open(&set.file)?, &set.places_of(batch), buffer);
    records.check(batch, buffer.bytes(), RECORD, "memcpy")?;
    for direct in [false, true] {
        if let Ok(mut ring) = Ring::open(&set.file, direct, BATCH) {
            spoil(buffer);
            ring.read(&set.places_of(batch), RECORD, buffer.bytes_mut())?;
            records.check(batch, buffer.bytes(), RECORD, "io_uring")?;
        }
    }
    Ok(())
}
