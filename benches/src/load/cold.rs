//! Loads from a file that isn't in the page cache: before each the file is made to leave it, and
//! that it has is checked.
//!
//! What lies between the kernel and the disk, such as a host's own cache, may still have it.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt;

use super::copies::copy_by;
use super::{BYTES, elements, file, load_all, threads_named};
use crate::adit::{F16, Loading, Model};
use crate::cache::evict;
use crate::harness::{Samples, Side, Unit, interleave, report_wall, wall_time};
use crate::machine::kernel;
use crate::memory::{HugeBuffer, PlainMap};
use crate::scratch::ScratchFile;
use crate::{Context, Result};

/// The most rounds: each reads the file again and again from the disk.
const MOST_ROUNDS: usize = 5;

/// What a plain read asks for at once.
const READ: usize = 4 << 20;

/// Threads, and whether reads go past the page cache.
const LOADS: [(u32, bool); 8] = [
    (0, false),
    (1, false),
    (2, false),
    (4, false),
    (0, true),
    (1, true),
    (2, true),
    (4, true),
];

/// Runs the benchmark.
///
/// # Errors
/// A side's.
pub fn run(context: &Context) -> Result<()> {
    let Some(file) = file(context)? else {
        return Ok(());
    };
    let rounds = context.rounds.min(MOST_ROUNDS);
    println!(
        "# time on the wall, open and close included; {rounds} rounds; the file not in the page cache"
    );
    let to = RefCell::new(HugeBuffer::new(BYTES)?);
    for direct in [false, true] {
        let how = Loading {
            direct,
            ..Loading::new(0)
        };
        let stats = load_all(&Model::open(&file)?, to.borrow_mut().bytes_mut(), F16, &how)?;
        println!(
            "# direct {direct}: {} of {} bytes past the page cache, {} threads by default",
            stats.direct_bytes, stats.bytes, stats.threads
        );
    }
    let plain = |copy: fn(&ScratchFile, &mut HugeBuffer) -> Result<()>| {
        let (file, to) = (&file, &to);
        let side: Side<'_, 1> = Box::new(move |_| {
            evict(file)?;
            Ok([wall_time(|| copy(file, &mut to.borrow_mut()))?])
        });
        side
    };
    let load = |(threads, direct)| {
        let (file, to) = (&file, &to);
        let side: Side<'_, 1> = Box::new(move |_| {
            evict(file)?;
            let how = Loading {
                direct,
                ..Loading::new(threads)
            };
            let mut to = to.borrow_mut();
            Ok([wall_time(|| {
                load_all(&Model::open(file)?, to.bytes_mut(), F16, &how).map(drop)
            })?])
        });
        side
    };
    let [a, b, c, d, e, f, g, h] = LOADS.map(load);
    let sides = [
        plain(mapped),
        plain(populated),
        plain(read),
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
    ];
    let [mapped, populated, read, loads @ ..] = interleave(rounds, sides)?;
    let kernel = kernel();
    // The last is for the plainest of ours alone.
    let peers = [
        (mapped, format!("memcpy from a cold map ({kernel})")),
        (populated, format!("MAP_POPULATE and memcpy ({kernel})")),
        (read, format!("pread of 4 MiB at a time ({kernel})")),
    ];
    for ((threads, direct), [ours]) in LOADS.iter().zip(&loads) {
        tell(*threads, *direct, ours, &peers);
    }
    Ok(())
}

fn tell(threads: u32, direct: bool, ours: &Samples, peers: &[([Samples; 1], String)]) {
    let how = if direct { ", direct" } else { "" };
    let name = format!("load 1 GiB cold, {}{how}", threads_named(threads));
    let plainest = (threads, direct) == (1, false);
    let most = if plainest {
        peers.len()
    } else {
        peers.len() - 1
    };
    for ([peer], peer_name) in &peers[..most] {
        report_wall(&name, Unit::Rate(BYTES as f64), ours, peer, peer_name);
    }
}

fn mapped(file: &ScratchFile, to: &mut HugeBuffer) -> Result<()> {
    let map = PlainMap::open(file)?;
    copy_by(1, elements(&map), to.bytes_mut());
    Ok(())
}

fn populated(file: &ScratchFile, to: &mut HugeBuffer) -> Result<()> {
    let map = PlainMap::open_populated(file)?;
    copy_by(1, elements(&map), to.bytes_mut());
    Ok(())
}

fn read(file: &ScratchFile, to: &mut HugeBuffer) -> Result<()> {
    let file = File::open(&**file)?;
    let mut offset = file.metadata()?.len() - BYTES as u64;
    for part in to.plain_mut().chunks_mut(READ) {
        file.read_exact_at(part, offset)?;
        offset += part.len() as u64;
    }
    Ok(())
}
