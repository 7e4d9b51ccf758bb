//! Appending records of 3x32x32 f32 and a label.
//!
//! One run creates a file, appends, finishes and removes it. Creating and removing aren't timed,
//! and neither is making tensors: each side appends the same two every time. Ours is durable once
//! it is finished, which the peer leaves to whoever calls it: so the time with finish is told twice,
//! once as both do it, and once with an fsync after the peer's.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use rumus::data::RecordWriter;

use crate::adit::Writer;
use crate::data::{FILE_HEAD, IMAGE, Images, PAYLOAD_BYTES, RECORD_BYTES, peers_tensor};
use crate::harness::{Side, Unit, interleave, report};
use crate::machine::kernel;
use crate::scratch::ScratchFile;
use crate::{Context, RUMUS, Result};

/// 246 MB: ours holds back at most 8 MiB of it.
const RECORDS: usize = 20_000;

/// The size of the plain writes, that of the library's own.
const WRITE: usize = 4 << 20;

/// Seconds after the appends, after finish, and after an fsync on top of it.
type Laps = [f64; 3];

/// Runs the benchmark.
///
/// # Errors
/// A side's, or files that differ.
pub fn run(context: &Context) -> Result<()> {
    let images = Images::new();
    let (own_file, peer_file, plain_file) = (
        context.scratch.file("append-ours.rrec"),
        context.scratch.file("append-peer.rrec"),
        context.scratch.file("append-plain"),
    );
    let ours = || append_ours(&images, &own_file);
    let peer = || append_peers(&images, &peer_file);
    let plain = || write_plainly(&plain_file);

    ours()?;
    peer()?;
    if std::fs::read(&*own_file)? != std::fs::read(&*peer_file)? {
        return Err("the library and the peer wrote different files".into());
    }
    own_file.remove()?;
    peer_file.remove()?;

    let sides: [Side<'_, 3>; 3] = [
        Box::new(|_| and_remove(ours, &own_file)),
        Box::new(|_| and_remove(peer, &peer_file)),
        Box::new(|_| and_remove(plain, &plain_file)),
    ];
    let [
        [appended, finished, synced],
        [peer_appended, peer_finished, peer_synced],
        [written, _, written_synced],
    ] = interleave(context.rounds, sides)?;

    println!("# {RECORDS} records of {PAYLOAD_BYTES} bytes; times are for one record");
    let write = format!("write(2), 4 MiB ({})", kernel());
    let synced_write = format!("write(2), 4 MiB, and fsync ({})", kernel());
    let rate = Unit::Rate(PAYLOAD_BYTES as f64);
    let unsynced = "append, without finish";
    report(unsynced, Unit::Time, &appended, &peer_appended, RUMUS);
    report(unsynced, rate, &appended, &written, &write);
    let ours_synced = "append and finish, ours synced";
    report(ours_synced, Unit::Time, &finished, &peer_finished, RUMUS);
    let both = "append and finish, both synced";
    report(both, Unit::Time, &synced, &peer_synced, RUMUS);
    report(both, rate, &synced, &written_synced, &synced_write);
    Ok(())
}

fn and_remove(side: impl Fn() -> Result<Laps>, file: &ScratchFile) -> Result<Laps> {
    let laps = side()?;
    file.remove()?;
    Ok(laps.map(|seconds| seconds / RECORDS as f64))
}

fn append_ours(images: &Images, file: &ScratchFile) -> Result<Laps> {
    let label = images.label(0);
    let tensors = images.tensors(images.image(0), &label)?;
    let mut writer = Writer::create(file)?;
    let start = Instant::now();
    for _ in 0..RECORDS {
        writer.append(black_box(&tensors))?;
    }
    let appended = start.elapsed().as_secs_f64();
    writer.finish()?;
    let finished = start.elapsed().as_secs_f64();
    Ok([appended, finished, finished])
}

fn append_peers(images: &Images, file: &ScratchFile) -> Result<Laps> {
    let image = peers_tensor(images.image(0), &IMAGE);
    let label = peers_tensor(&images.label(0), &[1]);
    let mut writer = RecordWriter::create(file.text()?)?;
    let start = Instant::now();
    for _ in 0..RECORDS {
        writer.append(black_box(&image), black_box(&label))?;
    }
    let appended = start.elapsed().as_secs_f64();
    writer.finish()?;
    let finished = start.elapsed().as_secs_f64();
    File::options().write(true).open(&**file)?.sync_all()?;
    Ok([appended, finished, start.elapsed().as_secs_f64()])
}

/// Writes as many bytes as the file of records has.
fn write_plainly(file: &ScratchFile) -> Result<Laps> {
    let bytes = vec![1_u8; WRITE];
    let mut left = FILE_HEAD + RECORDS * (RECORD_BYTES + 16);
    let mut out = File::create(&**file)?;
    let start = Instant::now();
    while left > 0 {
        let part = left.min(WRITE);
        out.write_all(black_box(&bytes[..part]))?;
        left -= part;
    }
    let written = start.elapsed().as_secs_f64();
    out.sync_all()?;
    Ok([written, written, start.elapsed().as_secs_f64()])
}
