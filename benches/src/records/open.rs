//! Opening: a file with a hundred million records of their own sizes, and a set of 10,000 shards.

use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use crate::adit::{ANY, BYTE, Check, Layout, Reader, Tensor, Writer};
use crate::cache::{cached_bytes, evict};
use crate::harness::{Side, Unit, interleave, report, time, wall_time};
use crate::machine::{free_bytes, free_memory, kernel};
use crate::memory::PlainMap;
use crate::scratch::{Scratch, ScratchFile};
use crate::{Context, Result};

/// Records, where there is room for them, and where there isn't.
const MANY: usize = 100_000_000;
const FEWER: usize = 20_000_000;

/// What a record costs on the disk, and of the writer's memory, at most.
const DISK: u64 = 140;
const MEMORY: u64 = 60;

/// The longest record.
const LONGEST: usize = 16;

/// Records that are appended at once, all as long.
const ROWS: usize = 1_000;

const SHARDS: usize = 10_000;

/// Opens of a run.
const OPENS: usize = 200;

const TMPFS: &str = "/dev/shm";

/// Runs the benchmark.
///
/// # Errors
/// A side's.
pub fn run(context: &Context) -> Result<()> {
    println!("# CPU time of an open and a close, of a cold open on the wall");
    open_large(context)?;
    open_shards(context)
}

fn open_large(context: &Context) -> Result<()> {
    let room = free_bytes(context.scratch.folder())? / DISK;
    let room = room.min(free_memory() / MEMORY);
    let count = match room {
        room if room > MANY as u64 => MANY,
        room if room > FEWER as u64 => FEWER,
        _ => {
            println!("# skipped: it needs 3 GB of disk");
            return Ok(());
        }
    };
    let file = context.scratch.file("large.arec");
    let start = Instant::now();
    write_ragged(&file, count)?;
    println!(
        "# {count} ragged records of 1 to {LONGEST} bytes: {} bytes, written in {:.1} s",
        file.metadata()?.len(),
        start.elapsed().as_secs_f64()
    );
    look(&file, count)?;
    let mut cold = Vec::new();
    for _ in 0..=context.rounds {
        evict(&file)?;
        cold.push(wall_time(|| Reader::open(&file).map(drop))?);
        println!(
            "#   {} bytes in the page cache after a cold open",
            cached_bytes(&file)?
        );
    }
    let cold = crate::harness::Samples::new(cold);
    println!("#   cold open: {:.0} µs", cold.median() * 1e6);
    let name = format!("open and close, arec of {count} ragged records, warm");
    let bare = format!("open, fstat, mmap, munmap, close ({})", kernel());
    compare(context, &name, &file, &bare, |path| {
        black_box(PlainMap::open(path)?.bytes().len());
        Ok(())
    })
}

/// Whether the last record, whose row is at the end of the footer, is what was written.
fn look(file: &ScratchFile, count: usize) -> Result<()> {
    let reader = Reader::open_checked(file, Check::OnCopy)?;
    if reader.len() != count as u64 {
        return Err(format!("{} records and not {count}", reader.len()).into());
    }
    for index in [0, count / 2, count - 1] {
        let found = reader.lend(index as u64)?.bytes().len();
        if found != 1 + (index / ROWS) % LONGEST {
            return Err(format!("record {index} has {found} bytes").into());
        }
    }
    Ok(())
}

fn write_ragged(path: &Path, count: usize) -> Result<()> {
    let bytes: Vec<u8> = (0..ROWS * LONGEST).map(|at| at as u8).collect();
    let mut writer = Writer::create_arec(path, BYTE, &[ANY], Layout::default())?;
    for number in 0..count / ROWS {
        let own = 1 + number % LONGEST;
        let column = Tensor::over(&bytes, BYTE, &[ROWS as i64, own as i64])?;
        writer.append_batch(&[column])?;
    }
    writer.finish()
}

fn open_shards(context: &Context) -> Result<()> {
    // Files are many here, and what a disk takes to make each durable isn't measured.
    let parent = Path::new(TMPFS);
    if !parent.is_dir() || free_memory() < 4 << 30 {
        println!("# left out: no {TMPFS}, or too little memory");
        return Ok(());
    }
    let scratch = Scratch::below(parent)?;
    let manifest = scratch.file("shards.json");
    let start = Instant::now();
    let shards = write_shards(&manifest)?;
    println!(
        "# a set of {shards} shards: a manifest of {} bytes, written in {:.1} s",
        manifest.metadata()?.len(),
        start.elapsed().as_secs_f64()
    );
    let name = format!("open and close, set of {shards} shards");
    let peer = format!("its manifest read whole ({})", kernel());
    compare(context, &name, &manifest, &peer, |path| {
        black_box(std::fs::read(path)?);
        Ok(())
    })
}

/// Shards of the least blocks there are, each filled to its limit.
fn write_shards(manifest: &Path) -> Result<usize> {
    const BLOCK: u64 = 16 << 10;
    const RECORD: usize = 8 << 10;
    let layout = Layout {
        block_bytes: BLOCK,
        shard_bytes: BLOCK,
        pages: false,
    };
    let bytes = vec![7; RECORD];
    let mut writer = Writer::create_arec(manifest, BYTE, &[RECORD as i64], layout)?;
    let folder = manifest.parent().ok_or("no folder")?;
    let mut shards = 0;
    while shards < SHARDS {
        for _ in 0..50 {
            writer.append(&[Tensor::over(&bytes, BYTE, &[RECORD as i64])?])?;
        }
        shards = std::fs::read_dir(folder)?.count();
    }
    writer.finish()?;
    Ok(std::fs::read_dir(folder)?.count() - 1)
}

fn compare(
    context: &Context,
    name: &str,
    path: &Path,
    peer_name: &str,
    peer: impl Fn(&Path) -> Result<()>,
) -> Result<()> {
    File::open(path)?;
    let sides: [Side<'_, 1>; 2] = [
        Box::new(|_| {
            let opens = || (0..OPENS).try_for_each(|_| Reader::open(path).map(drop));
            Ok([time(OPENS, opens)?])
        }),
        Box::new(|_| {
            let opens = || (0..OPENS).try_for_each(|_| peer(path));
            Ok([time(OPENS, opens)?])
        }),
    ];
    let [[ours], [peer]] = interleave(context.rounds, sides)?;
    report(name, Unit::Time, &ours, &peer, peer_name);
    Ok(())
}
