//! Records written, against the bare stream of `write(2)` calls with the same bytes.
//!
//! On a disk both make their file durable before they end, and times are those of the clock on the
//! wall; on a file system in memory, where that costs nothing, they are of the CPU: what is seen there
//! is the library's own work.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::file::Pool;
use crate::adit::{ANY, BYTE, Layout, Tensor, Writer};
use crate::data::Random;
use crate::harness::{Side, Unit, interleave, report, report_wall, time, wall_time};
use crate::machine::{free_bytes, free_memory, kernel};
use crate::memory::HugeBuffer;
use crate::scratch::Scratch;
use crate::{Context, Result};

/// Bytes of records in a file.
const BYTES: usize = 512 << 20;

/// What the bare stream writes at once: as much as a block of the library's.
const WRITE: usize = 4 << 20;

/// Each round writes some files of half a gigabyte to a disk.
const MOST_ROUNDS: usize = 3;

const SIZES: [(usize, &str); 3] = [(4 << 10, "4 KiB"), (64 << 10, "64 KiB"), (1 << 20, "1 MiB")];

const TMPFS: &str = "/dev/shm";

/// Runs the benchmark.
///
/// # Errors
/// A side's.
pub fn run(context: &Context) -> Result<()> {
    println!("# from create to a durable file, which is removed then; on tmpfs in CPU time");
    let pool = Pool::new()?;
    measure(context, &pool, &context.scratch, "disk")?;
    if !Path::new(TMPFS).is_dir() || free_memory() < 4 * BYTES as u64 {
        println!("# left out: no {TMPFS}, or too little memory");
        return Ok(());
    }
    measure(context, &pool, &Scratch::below(Path::new(TMPFS))?, "tmpfs")
}

fn measure(context: &Context, pool: &Pool, scratch: &Scratch, place: &str) -> Result<()> {
    if free_bytes(scratch.folder())? < 2 * BYTES as u64 {
        println!("# skipped: {place} has less than 1 GiB");
        return Ok(());
    }
    let rounds = context.rounds.min(MOST_ROUNDS);
    // Both sides' bytes come from memory that is as warm.
    let stream = stream(pool)?;
    for (bytes, size) in SIZES {
        let count = BYTES / bytes;
        let timed = |work: &dyn Fn(&Path) -> Result<()>| {
            let file = scratch.file("written.arec");
            let mut cpu = 0.0;
            let wall = wall_time(|| {
                cpu = time(1, || work(&file))?;
                Ok(())
            })?;
            Ok([wall, cpu])
        };
        let sides: [Side<'_, 2>; 4] = [
            Box::new(|_| timed(&|file| pool.write(file, count, bytes, Layout::default()))),
            Box::new(|_| timed(&|file| write_batches(&stream, file, count, bytes))),
            Box::new(|_| timed(&|file| write_ragged(pool, file, count, bytes))),
            Box::new(|_| timed(&|file| write_bare(&stream, file))),
        ];
        let [single, batches, ragged, bare] = interleave(rounds, sides)?;
        let peer = format!(
            "write(2) of {WRITE} bytes at a time, fdatasync ({})",
            kernel()
        );
        for (ours, how) in [
            (single, "one at a time"),
            (batches, "in batches"),
            (ragged, "ragged"),
        ] {
            let name = format!("write 512 MiB of {size} records, {how}, {place}");
            let rate = Unit::Rate(BYTES as f64);
            match place {
                "disk" => report_wall(&name, rate, &ours[0], &bare[0], &peer),
                _ => report(
                    &format!("{name}, CPU time"),
                    rate,
                    &ours[1],
                    &bare[1],
                    &peer,
                ),
            }
        }
    }
    Ok(())
}

/// As many bytes as are written at once, from the pool.
fn stream(pool: &Pool) -> Result<HugeBuffer> {
    let mut stream = HugeBuffer::new(4 * WRITE)?;
    for (number, part) in stream.plain_mut().chunks_exact_mut(1 << 20).enumerate() {
        part.copy_from_slice(pool.record(number as u64, 1 << 20));
    }
    Ok(stream)
}

fn write_bare(stream: &HugeBuffer, path: &Path) -> Result<()> {
    let file = File::create(path)?;
    let parts = stream.bytes().chunks_exact(WRITE).cycle();
    for (number, part) in parts.take(BYTES / WRITE).enumerate() {
        file.write_all_at(part, (number * WRITE) as u64)?;
    }
    Ok(file.sync_data()?)
}

fn write_batches(stream: &HugeBuffer, path: &Path, count: usize, bytes: usize) -> Result<()> {
    let dims = [bytes as i64];
    let mut writer = Writer::create_arec(path, BYTE, &dims, Layout::default())?;
    let rows = WRITE / bytes;
    let parts = stream.bytes().chunks_exact(WRITE).cycle();
    for part in parts.take(count / rows) {
        let column = Tensor::over(part, BYTE, &[rows as i64, bytes as i64])?;
        writer.append_batch(&[column])?;
    }
    writer.finish()
}

/// Records of half to one and a half times the size.
fn write_ragged(pool: &Pool, path: &Path, count: usize, bytes: usize) -> Result<()> {
    let mut writer = Writer::create_arec(path, BYTE, &[ANY], Layout::default())?;
    let mut random = Random(5);
    let (mut left, least) = (count * bytes, bytes / 2);
    let mut index = 0;
    while left > 0 {
        let own = (least + random.below(bytes as u64 + 1) as usize).min(left);
        let values = Tensor::over(pool.record(index, own), BYTE, &[own as i64])?;
        writer.append(&[values])?;
        left -= own;
        index += 1;
    }
    writer.finish()
}
