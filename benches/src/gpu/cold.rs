//! A file that isn't in the page cache, to a buffer.

use std::fs::File;
use std::io::Read;

use super::{Adapter, Named, compare, fill, named};
use crate::adit::{BYTE, Gpu, Uploads};
use crate::cache::evict;
use crate::harness::{Unit, wall_time};
use crate::machine::{free_bytes, free_memory, kernel};
use crate::memory::HugeBuffer;
use crate::{Context, Result};

const BYTES: usize = 1 << 30;

/// What a plain read asks for at once.
const READ: usize = 4 << 20;

/// The most rounds: each reads the file again and again from the disk.
const MOST_ROUNDS: usize = 5;

/// Runs the benchmark.
///
/// # Errors
/// A side's, or bytes that differ.
pub fn run(context: &Context) -> Result<()> {
    let Some(adapter) = Adapter::find() else {
        return Ok(());
    };
    if free_memory() < 6 * BYTES as u64 || free_bytes(context.scratch.folder())? < 2 * BYTES as u64
    {
        println!("# skipped: it needs 6 GiB of free memory, and 2 GiB of disk");
        return Ok(());
    }
    let mut bytes = vec![0; BYTES];
    fill(&mut bytes);
    let file = &context.scratch.file("gpu-cold");
    std::fs::write(&**file, &bytes)?;
    let mut all: Vec<Named<'_>> = Vec::new();
    for &way in adapter.ways() {
        let buffer = Gpu::open(way)?.buffer(BYTES)?;
        let upload = move || {
            let mut items = Uploads::new()?;
            items.add_file(file, (BYTE, BYTES), &buffer, 0, false)?;
            items.upload()
        };
        // Once before, so that the buffer's memory is there, as that of the plain read is.
        upload()?;
        all.push(named(way.name(), move || {
            evict(file)?;
            wall_time(&upload)
        }));
    }
    drop(bytes);
    let ours = all.len();
    let mut to = HugeBuffer::new(BYTES)?;
    let plain = format!("read of 4 MiB at a time into warm memory ({})", kernel());
    all.push(named(plain, move || {
        evict(file)?;
        wall_time(|| {
            let mut file = File::open(&**file)?;
            let mut parts = to.plain_mut().chunks_mut(READ);
            Ok(parts.try_for_each(|part| file.read_exact(part))?)
        })
    }));
    let rounds = context.rounds.min(MOST_ROUNDS);
    let unit = Unit::Rate(BYTES as f64);
    compare(rounds, "1 GiB file not in the page cache", unit, ours, all)
}
