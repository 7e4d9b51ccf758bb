//! Eight processes that gather from one file at the same time.

use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::time::Instant;

use super::BATCH;
use super::file::Pool;
use super::places::places;
use crate::adit::{Check, Gathering, Layout, Reader, RecordIo};
use crate::data::Random;
use crate::harness::{Side, Unit, interleave, report_wall};
use crate::machine::{free_bytes, free_memory, libc};
use crate::memory::{HugeBuffer, PlainMap, copy};
use crate::scratch::ScratchFile;
use crate::{Context, Result};

const RECORD: usize = 4 << 10;
const BYTES: usize = 512 << 20;
const PROCESSES: usize = 8;

/// Batches of each process.
const BATCHES: usize = 256;

/// Runs the benchmark.
///
/// # Errors
/// A side's, or a process that fails.
pub fn run(context: &Context) -> Result<()> {
    let room = free_memory().min(free_bytes(context.scratch.folder())?);
    if room < 3 * BYTES as u64 {
        println!("# skipped: it needs 2 GiB of memory and of disk");
        return Ok(());
    }
    println!(
        "# time on the wall; each of the processes opens the file and gathers {BATCHES} batches"
    );
    let records = Pool::new()?;
    let file = context.scratch.file("processes.arec");
    records.write(&file, BYTES / RECORD, RECORD, Layout::default())?;
    let places = {
        let (reader, map) = (Reader::open(&file)?, PlainMap::open_populated(&file)?);
        places(&reader, map.bytes(), records.record(0, RECORD))?
    };
    let ours = |check| {
        let (file, places) = (&file, &places);
        move |turn| gather(file, places.len(), check, turn)
    };
    let plain = |turn| copy_plainly(&file, &places, turn);
    let sides: [Side<'_, 1>; 6] = [
        Box::new(|turn| at_once(PROCESSES, turn, &ours(Check::OnCopy))),
        Box::new(|turn| at_once(1, turn, &ours(Check::OnCopy))),
        Box::new(|turn| at_once(PROCESSES, turn, &ours(Check::Never))),
        Box::new(|turn| at_once(1, turn, &ours(Check::Never))),
        Box::new(|turn| at_once(PROCESSES, turn, &plain)),
        Box::new(|turn| at_once(1, turn, &plain)),
    ];
    let [many, one, unchecked, one_unchecked, plain, one_plain] =
        interleave(context.rounds, sides)?;
    let rate = Unit::Rate((BATCH * RECORD) as f64);
    let name = format!("{PROCESSES} processes gather 4 KiB records of one file");
    let checked = format!("{name}, check on copy");
    let never = format!("{name}, check never");
    report_wall(&checked, rate, &many[0], &one[0], "one process of the same");
    report_wall(
        &never,
        rate,
        &unchecked[0],
        &one_unchecked[0],
        "one process of the same",
    );
    let memcpy = format!("memcpy, per record, as many processes ({})", libc());
    report_wall(&checked, rate, &many[0], &plain[0], &memcpy);
    report_wall(&never, rate, &unchecked[0], &plain[0], &memcpy);
    let name = format!("memcpy by {PROCESSES} processes, for comparison");
    report_wall(
        &name,
        rate,
        &plain[0],
        &one_plain[0],
        "one process of the same",
    );
    Ok(())
}

/// Runs `work` in so many processes; seconds of the clock for one of all their batches.
fn at_once(processes: usize, turn: usize, work: &dyn Fn(usize) -> Result<()>) -> Result<[f64; 1]> {
    let (mut go, mut ready) = (pipe()?, pipe()?);
    let mut children = Vec::new();
    for number in 0..processes {
        // SAFETY: this program has no other threads here, so the child may do what it likes.
        let child = unsafe { libc::fork() };
        match child {
            0 => {
                let told = ready.1.write_all(&[1]);
                // All start when they are all there.
                let heard = told.and_then(|()| go.0.read_exact(&mut [0]));
                let seed = turn * PROCESSES + number;
                let done = heard.map_err(Into::into).and_then(|()| work(seed));
                if let Err(error) = &done {
                    eprintln!("a process: {error}");
                }
                // SAFETY: ends the child without what the parent's exit does.
                unsafe { libc::_exit(i32::from(done.is_err())) };
            }
            -1 => return Err(std::io::Error::last_os_error().into()),
            child => children.push(child),
        }
    }
    let mut there = vec![0; processes];
    ready.0.read_exact(&mut there)?;
    let start = Instant::now();
    go.1.write_all(&there)?;
    let mut failed = 0;
    for child in children {
        let mut status = 0;
        // SAFETY: a child of this process that wasn't waited for, and a live place.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        if waited != child || status != 0 {
            failed += 1;
        }
    }
    if failed > 0 {
        return Err(format!("{failed} processes failed").into());
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok([seconds / (processes * BATCHES) as f64])
}

fn gather(file: &ScratchFile, count: usize, check: Check, seed: usize) -> Result<()> {
    let reader = Reader::open_checked(file, check)?;
    let mut buffer = HugeBuffer::new(BATCH * RECORD)?;
    let how = Gathering::new(RecordIo::Auto, 0);
    let indices = Random(seed as u64).indices(BATCHES * BATCH, count);
    for batch in indices.chunks_exact(BATCH) {
        reader.gather_as(batch, buffer.bytes_mut(), &how)?;
    }
    Ok(())
}

fn copy_plainly(file: &ScratchFile, places: &[u64], seed: usize) -> Result<()> {
    let map = PlainMap::open(file)?;
    let mut buffer = HugeBuffer::new(BATCH * RECORD)?;
    let indices = Random(seed as u64).indices(BATCHES * BATCH, places.len());
    for batch in indices.chunks_exact(BATCH) {
        let rows = buffer.bytes_mut().chunks_exact_mut(RECORD);
        for (&index, row) in batch.iter().zip(rows) {
            let start = places[index as usize] as usize;
            copy(&map.bytes()[start..start + RECORD], row);
        }
    }
    Ok(())
}

fn pipe() -> Result<(std::fs::File, std::fs::File)> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    let status = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    if status != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    // SAFETY: a descriptor that was just made, and is nobody else's.
    let from = unsafe { std::fs::File::from_raw_fd(ends[0]) };
    // SAFETY: as above.
    let to = unsafe { std::fs::File::from_raw_fd(ends[1]) };
    Ok((from, to))
}
