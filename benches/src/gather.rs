//! 256 random records of 12 KiB from a large file in the page cache, copied into one buffer.
//!
//! Each side of each round has record numbers of its own: what one side has just read must not
//! lie in the cache for the next. Bytes are counted once.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::path::Path;

use rumus::data::RecordDataset;

use crate::adit::{F32, Reader};
use crate::data::{IMAGE_BYTES, Images, RECORD_BYTES, Random, image_at, with_peers_copy};
use crate::harness::{Side, Unit, interleave, report, time};
use crate::machine::{free_bytes, free_memory, libc};
use crate::memory::{HugeBuffer, PlainMap, bytes_of, copy};
use crate::sum::sum;
use crate::{Context, RUMUS, Result, rows};

const BATCH: usize = 256;
const BATCH_BYTES: usize = BATCH * IMAGE_BYTES;

/// Batches of one run.
const BATCHES: usize = 64;

/// Puts a batch of records into a buffer, or reads them alone.
type Gather<'a> = &'a mut dyn FnMut(&[u64], &mut [MaybeUninit<u8>]) -> Result<()>;

/// One file, open three times, all of it touched.
struct Set {
    ours: Reader,
    peer: RecordDataset,
    plain: PlainMap,
    records: usize,
}

/// Runs the benchmark.
///
/// # Errors
/// A side's, or values that differ.
pub fn run(context: &Context) -> Result<()> {
    let images = Images::new();
    let file = context.scratch.file("gather.rrec");
    let records = records(context.scratch.folder())?;
    images.write(&file, records)?;
    let set = Set {
        ours: Reader::open(&file)?,
        peer: RecordDataset::open(file.text()?)?,
        plain: PlainMap::open(&file)?,
        records,
    };
    let mut buffer = HugeBuffer::new(BATCH_BYTES)?;
    set.check(&images, &mut buffer)?;
    println!(
        "# {records} records of {IMAGE_BYTES} bytes and a label, {} bytes, in the page cache; \
         {BATCH} a gather into one buffer in huge pages; {} kB of maps in huge pages",
        set.plain.bytes().len(),
        huge_kilobytes()
    );
    measure(context, &set, buffer)?;
    rows::measure(context, &set.plain, set.records)
}

fn measure(context: &Context, set: &Set, buffer: HugeBuffer) -> Result<()> {
    let buffer = std::cell::RefCell::new(buffer);
    let over = |turn: usize, gather: Gather<'_>| {
        let indices = Random(turn as u64).indices(BATCHES * BATCH, set.records);
        let mut buffer = buffer.borrow_mut();
        let seconds = time(BATCHES, || {
            for batch in indices.chunks_exact(BATCH) {
                gather(batch, buffer.bytes_mut())?;
                black_box(buffer.bytes());
            }
            Ok(())
        })?;
        Ok([seconds])
    };
    let mut part = 0;
    let sides: [Side<'_, 1>; 5] = [
        Box::new(|turn| {
            over(turn, &mut |batch, out| {
                black_box(set.ours.gather(0, batch, out)?);
                Ok(())
            })
        }),
        Box::new(|turn| {
            over(turn, &mut |batch, out| {
                set.copy_plainly(batch, out);
                Ok(())
            })
        }),
        Box::new(|turn| {
            over(turn, &mut |batch, out| {
                set.copy_peers(batch, out);
                Ok(())
            })
        }),
        Box::new(|turn| {
            over(turn, &mut |batch, _| {
                black_box(set.sum_records(batch));
                Ok(())
            })
        }),
        Box::new(|_| {
            // Each run reads the next part of the file, so that it comes from memory.
            let mut parts = set.plain.bytes().chunks_exact(BATCHES * BATCH_BYTES);
            let count = parts.len();
            let bytes = parts.nth(part % count).unwrap_or_default();
            part += 1;
            let seconds = time(BATCHES, || {
                black_box(sum(black_box(bytes)));
                Ok(())
            })?;
            Ok([seconds])
        }),
    ];
    let [[ours], [plain], [peer], [random], [sequential]] = interleave(context.rounds, sides)?;
    let name = "gather of 256 random 12 KiB records";
    let rate = Unit::Rate(BATCH_BYTES as f64);
    report(name, rate, &ours, &peer, RUMUS);
    let memcpy = format!("memcpy, per record ({})", libc());
    report(name, rate, &ours, &plain, &memcpy);
    let random_read = "random read of the records, one core (sum, widest loads)";
    report(name, rate, &ours, &random, random_read);
    let sequential_read = "sequential read, one core (sum, widest loads)";
    report(name, rate, &ours, &sequential, sequential_read);
    Ok(())
}

impl Set {
    /// The records at known places of a map, one memcpy each.
    fn copy_plainly(&self, batch: &[u64], out: &mut [MaybeUninit<u8>]) {
        let bytes = self.plain.bytes();
        for (&index, out) in batch.iter().zip(out.chunks_exact_mut(IMAGE_BYTES)) {
            let start = image_at(index as usize);
            copy(black_box(&bytes[start..start + IMAGE_BYTES]), out);
        }
    }

    /// The peer's copies of the records, copied together.
    fn copy_peers(&self, batch: &[u64], out: &mut [MaybeUninit<u8>]) {
        for (&index, out) in batch.iter().zip(out.chunks_exact_mut(IMAGE_BYTES)) {
            with_peers_copy(&self.peer, index, |image, _| copy(image, out));
        }
    }

    fn sum_records(&self, batch: &[u64]) -> u64 {
        let bytes = self.plain.bytes();
        let image = |&index: &u64| {
            let start = image_at(index as usize);
            sum(&bytes[start..start + IMAGE_BYTES])
        };
        batch.iter().map(image).sum()
    }

    /// Whether all sides give what was written, every record once: so all maps are touched.
    fn check(&self, images: &Images, buffer: &mut HugeBuffer) -> Result<()> {
        let indices: Vec<u64> = (0..self.records as u64).collect();
        for batch in indices.chunks_exact(BATCH) {
            let tensor = self.ours.gather(0, batch, buffer.bytes_mut())?;
            if (tensor.dtype(), tensor.dims()) != (F32, &[BATCH as i64, 3, 32, 32]) {
                return Err(format!("a gather gave {tensor:?}").into());
            }
            compare(images, batch, buffer, "the library")?;
            self.copy_plainly(batch, buffer.bytes_mut());
            compare(images, batch, buffer, "memcpy")?;
            self.copy_peers(batch, buffer.bytes_mut());
            compare(images, batch, buffer, RUMUS)?;
        }
        Ok(())
    }
}

/// Compares the buffer with what was written, and spoils it for the next side.
fn compare(images: &Images, batch: &[u64], buffer: &mut HugeBuffer, whose: &str) -> Result<()> {
    for (&index, image) in batch.iter().zip(buffer.bytes().chunks_exact(IMAGE_BYTES)) {
        let index = index as usize;
        images.check(index, image, bytes_of(&images.label(index)), whose)?;
    }
    buffer.bytes_mut().fill(MaybeUninit::new(0xa5));
    Ok(())
}

/// A multiple of the batch for 1 GiB of records, or 512 MiB where memory or disk are short.
fn records(folder: &Path) -> Result<usize> {
    let (large, small) = (1_usize << 30, 1_usize << 29);
    let room = free_memory().min(free_bytes(folder)?);
    let bytes = if room / 2 > large as u64 {
        large
    } else {
        small
    };
    Ok(bytes.div_ceil(RECORD_BYTES).next_multiple_of(BATCH))
}

/// How much of all maps of files the kernel has put into huge pages.
fn huge_kilobytes() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = maps
        .lines()
        .find_map(|line| line.strip_prefix("FilePmdMapped:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}
