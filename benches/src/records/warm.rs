//! 256 random records from a large file in the page cache, into one buffer.
//!
//! Each side of each round has record numbers of its own: what one side has just read must not
//! lie in the cache for the next. Bytes are counted once, those of conversions read and written.

use std::cell::RefCell;
use std::hint::black_box;
use std::mem::MaybeUninit;

use super::BATCH;
use super::file::{Pool, spoil};
use super::places::places;
use super::python::{ARRAY_RECORD, ARRAY_RECORD_COPIED, H5PY, LMDB, Peers};
use crate::adit::{Check, F32, Gathering, Layout, Reader, RecordIo};
use crate::convert::half_f16_to_f32;
use crate::data::Random;
use crate::harness::{Samples, Side, Unit, interleave, report, report_wall, time, wall_time};
use crate::machine::{free_bytes, free_memory, libc};
use crate::memory::{HugeBuffer, PlainMap, copy};
use crate::{Context, HALF, Result};

/// Bytes of records in the file.
const BYTES: usize = 512 << 20;

/// Batches of one run, and of one in Python.
const BATCHES: usize = 64;
const FEW: usize = 16;

const SIZES: [(usize, &str); 2] = [(4 << 10, "4 KiB"), (12 << 10, "12 KiB")];

/// Puts a batch of records into a buffer.
type Gather<'a> = &'a mut dyn FnMut(&[u64], &mut [MaybeUninit<u8>]) -> Result<()>;

/// Seconds of the CPU and on the wall for a batch.
type Measured = [f64; 2];

struct Set {
    unchecked: Reader,
    checked: Reader,
    plain: PlainMap,
    places: Vec<u64>,
    bytes: usize,
}

/// Runs the benchmark.
///
/// # Errors
/// A side's, or values that differ.
pub fn run(context: &Context) -> Result<()> {
    let room = free_memory().min(free_bytes(context.scratch.folder())?);
    if room < 6 * BYTES as u64 {
        println!("# skipped: it needs 3 GiB of memory and of disk");
        return Ok(());
    }
    let records = Pool::new()?;
    for (bytes, size) in SIZES {
        let file = context.scratch.file("warm.arec");
        records.write(&file, BYTES / bytes, bytes, Layout::default())?;
        let plain = PlainMap::open_populated(&file)?;
        let unchecked = Reader::open_checked(&file, Check::Never)?;
        let set = Set {
            places: places(&unchecked, plain.bytes(), records.record(0, bytes))?,
            checked: Reader::open_checked(&file, Check::OnCopy)?,
            unchecked,
            plain,
            bytes,
        };
        measure(context, &records, &set, size)?;
    }
    Ok(())
}

fn measure(context: &Context, records: &Pool, set: &Set, size: &str) -> Result<()> {
    let buffer = RefCell::new(HugeBuffer::new(2 * BATCH * set.bytes)?);
    check(records, set, &mut buffer.borrow_mut())?;
    let over = |turn: usize, gather: Gather<'_>| -> Result<Measured> {
        let indices = Random(turn as u64).indices(BATCHES * BATCH, set.places.len());
        let mut buffer = buffer.borrow_mut();
        let mut cpu = 0.0;
        let wall = wall_time(|| {
            cpu = time(BATCHES, || {
                for batch in indices.chunks_exact(BATCH) {
                    gather(batch, buffer.bytes_mut())?;
                    black_box(buffer.bytes());
                }
                Ok(())
            })?;
            Ok(())
        })?;
        Ok([cpu, wall / BATCHES as f64])
    };
    let (as_is, as_f32) = (
        Gathering::new(RecordIo::Auto, 0),
        Gathering::new(RecordIo::Auto, F32),
    );
    let ours = |reader, how| {
        let over = &over;
        let side: Side<'_, 2> = Box::new(move |turn| {
            let reader: &Reader = reader;
            over(turn, &mut |batch, out| {
                black_box(reader.gather_as(batch, out, how)?);
                Ok(())
            })
        });
        side
    };
    let peers = Peers::start(
        context,
        &[ARRAY_RECORD, ARRAY_RECORD_COPIED, LMDB, H5PY],
        set.places.len(),
        set.bytes,
    )?;
    let known = peers.as_ref().map(|peers| peers.kinds.as_slice());
    let known = known.unwrap_or_default();
    let peer = |at: usize| -> Side<'_, 2> {
        match peers.as_ref().zip(known.get(at)) {
            Some((peers, (kind, _))) => peers.side(*kind, FEW),
            None => Box::new(|_| Ok([f64::NAN; 2])),
        }
    };
    let sides: [Side<'_, 2>; 10] = [
        ours(&set.unchecked, &as_is),
        ours(&set.checked, &as_is),
        ours(&set.unchecked, &as_f32),
        ours(&set.checked, &as_f32),
        Box::new(|turn| {
            over(turn, &mut |batch, out| {
                set.copy_plainly(batch, out);
                Ok(())
            })
        }),
        Box::new(|turn| {
            let indices = Random(turn as u64).indices(BATCHES * BATCH, set.places.len());
            let mut buffer = buffer.borrow_mut();
            let seconds = time(BATCHES, || {
                indices
                    .chunks_exact(BATCH)
                    .try_for_each(|batch| set.convert_plainly(batch, buffer.plain_mut()))
            })?;
            Ok([seconds; 2])
        }),
        peer(0),
        peer(1),
        peer(2),
        peer(3),
    ];
    let [
        unchecked,
        checked,
        wide,
        wide_checked,
        plain,
        half,
        theirs @ ..,
    ] = interleave(context.rounds, sides)?;
    let rate = Unit::Rate((BATCH * set.bytes) as f64);
    let name = format!("warm gather of {BATCH} random {size} records");
    let memcpy = format!("memcpy, per record ({})", libc());
    let never = format!("{name}, check never");
    report(&never, rate, &unchecked[0], &plain[0], &memcpy);
    let on_copy = format!("{name}, check on copy");
    report(&on_copy, rate, &checked[0], &plain[0], &memcpy);
    let both = Unit::Rate((3 * BATCH * set.bytes) as f64);
    let converted = format!("{HALF}, per record");
    for (own, how) in [(&wide, "never"), (&wide_checked, "on copy")] {
        let name = format!("{name}, f16 to f32, check {how}");
        report(&name, both, &own[0], &half[0], &converted);
    }
    for ((_, peer), theirs) in known.iter().zip(&theirs) {
        let told: [(&str, &Samples); 2] = [(&never, &unchecked[1]), (&on_copy, &checked[1])];
        for (name, own) in told {
            report_wall(&format!("{name}, wall time"), rate, own, &theirs[1], peer);
        }
    }
    Ok(())
}

impl Set {
    fn record(&self, index: u64) -> &[u8] {
        let start = self.places[index as usize] as usize;
        &self.plain.bytes()[start..start + self.bytes]
    }

    fn copy_plainly(&self, batch: &[u64], out: &mut [MaybeUninit<u8>]) {
        for (&index, out) in batch.iter().zip(out.chunks_exact_mut(self.bytes)) {
            copy(black_box(self.record(index)), out);
        }
    }

    fn convert_plainly(&self, batch: &[u64], out: &mut [u8]) -> Result<()> {
        for (&index, out) in batch.iter().zip(out.chunks_exact_mut(2 * self.bytes)) {
            half_f16_to_f32(black_box(self.record(index)), out)?;
        }
        Ok(())
    }
}

/// Whether all sides give what was written, every record once: so all maps are touched.
fn check(records: &Pool, set: &Set, buffer: &mut HugeBuffer) -> Result<()> {
    let indices: Vec<u64> = (0..set.places.len() as u64).collect();
    let as_is = Gathering::new(RecordIo::Auto, 0);
    for batch in indices.chunks_exact(BATCH) {
        for reader in [&set.unchecked, &set.checked] {
            spoil(buffer);
            reader.gather_as(batch, buffer.bytes_mut(), &as_is)?;
            records.check(batch, buffer.bytes(), set.bytes, "the library")?;
        }
        set.copy_plainly(batch, buffer.bytes_mut());
        records.check(batch, buffer.bytes(), set.bytes, "memcpy")?;
    }
    let (batch, _) = indices.split_at(BATCH);
    let mut expected = vec![0; buffer.bytes().len()];
    set.convert_plainly(batch, &mut expected)?;
    let how = Gathering::new(RecordIo::Auto, F32);
    set.checked.gather_as(batch, buffer.bytes_mut(), &how)?;
    if buffer.bytes() != expected {
        return Err("other values were gathered than half makes".into());
    }
    Ok(())
}
