//! Loads from a file in the page cache: the limit is a memcpy of as much memory.

use std::cell::RefCell;
use std::hint::black_box;

use super::copies::{convert_by, copy_by};
use super::{BYTES, TENSOR_BYTES, elements, file, load_all, load_arena, threads_named};
use crate::adit::{F16, F32, Io, Loading, Model};
use crate::convert::half_f16_to_f32;
use crate::harness::{Samples, Side, Unit, interleave, report, report_wall, time, wall_time};
use crate::machine::libc;
use crate::memory::{HugeBuffer, PlainMap};
use crate::scratch::ScratchFile;
use crate::{Context, HALF, Result};

/// Bytes of f32 that an f16 becomes, for each of its own.
const SCALE: usize = 2;

/// Runs the benchmark.
///
/// # Errors
/// A side's, or values that differ.
pub fn run(context: &Context) -> Result<()> {
    let Some(file) = file(context)? else {
        return Ok(());
    };
    println!("# GB/s of the file's bytes, conversions of those read and written");
    let map = PlainMap::open_populated(&file)?;
    let to = RefCell::new(HugeBuffer::new(SCALE * BYTES)?);
    check(&file, elements(&map), &mut to.borrow_mut())?;
    for threads in [1, 2] {
        measure_copies(context, &file, &map, &to, threads)?;
        measure_conversions(context, &file, &map, &to, threads)?;
    }
    Ok(())
}

/// Seconds of this thread's CPU for one thread, of the clock on the wall for more.
fn measured(threads: u32, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    match threads {
        1 => time(1, work),
        _ => wall_time(work),
    }
}

fn tell(threads: u32, name: &str, rate: Unit, ours: &Samples, peer: &Samples, peer_name: &str) {
    match threads {
        1 => report(&format!("{name}, CPU time"), rate, ours, peer, peer_name),
        _ => report_wall(&format!("{name}, wall time"), rate, ours, peer, peer_name),
    }
}

fn check(file: &ScratchFile, written: &[u8], to: &mut HugeBuffer) -> Result<()> {
    let model = Model::open(file)?;
    for io in [Io::Auto, Io::Map] {
        to.plain_mut().fill(0);
        load_all(
            &model,
            to.bytes_mut(),
            F16,
            &Loading {
                io,
                ..Loading::new(2)
            },
        )?;
        if &to.bytes()[..BYTES] != written {
            return Err("other bytes were loaded than were written".into());
        }
    }
    let arena = load_arena(&model, &Loading::new(2))?;
    for (index, part) in written.chunks_exact(TENSOR_BYTES).enumerate() {
        if arena.tensor(index)?.bytes() != part {
            return Err("an arena has other bytes than were written".into());
        }
    }
    drop(arena);
    let mut converted = vec![0; SCALE * BYTES];
    half_f16_to_f32(written, &mut converted)?;
    load_all(&model, to.bytes_mut(), F32, &Loading::new(2))?;
    if to.bytes() != converted {
        return Err("other values were loaded than half makes".into());
    }
    Ok(())
}

fn measure_copies(
    context: &Context,
    file: &ScratchFile,
    map: &PlainMap,
    to: &RefCell<HugeBuffer>,
    threads: u32,
) -> Result<()> {
    let model = Model::open(file)?;
    let mut hot = HugeBuffer::new(BYTES)?;
    hot.plain_mut().copy_from_slice(elements(map));
    let into_buffers = |io| {
        let mut to = to.borrow_mut();
        let how = Loading {
            io,
            ..Loading::new(threads)
        };
        Ok([measured(threads, || {
            load_all(&model, to.bytes_mut(), F16, &how).map(drop)
        })?])
    };
    let copied = |from: &[u8]| {
        let mut to = to.borrow_mut();
        let to = &mut to.bytes_mut()[..BYTES];
        Ok([measured(threads, || {
            copy_by(threads, black_box(from), to);
            Ok(())
        })?])
    };
    let sides: [Side<'_, 1>; 6] = [
        Box::new(|_| into_buffers(Io::Auto)),
        Box::new(|_| into_buffers(Io::Map)),
        Box::new(|_| copied(hot.bytes())),
        Box::new(|_| copied(elements(map))),
        Box::new(|_| {
            let seconds = measured(threads, || {
                load_arena(&model, &Loading::new(threads)).map(drop)
            })?;
            Ok([seconds])
        }),
        Box::new(|_| {
            let seconds = measured(threads, || {
                let mut fresh = HugeBuffer::untouched(BYTES)?;
                copy_by(threads, black_box(hot.bytes()), fresh.bytes_mut());
                black_box(fresh.bytes());
                Ok(())
            })?;
            Ok([seconds])
        }),
    ];
    let [[read], [mapped], [limit], [map_limit], [arena], [fresh]] =
        interleave(context.rounds, sides)?;
    let (rate, on) = (Unit::Rate(BYTES as f64), threads_named(threads));
    let memcpy = format!("memcpy from memory on {on} ({})", libc());
    let name = format!("load 1 GiB warm into kept buffers, {on}");
    tell(threads, &name, rate, &read, &limit, &memcpy);
    let mapped_name = format!("{name}, from the map");
    tell(threads, &mapped_name, rate, &mapped, &limit, &memcpy);
    let touched = format!("memcpy from a map that was read before, on {on}");
    tell(threads, &name, rate, &read, &map_limit, &touched);
    let name = format!("load 1 GiB warm into an arena, and free it, {on}");
    tell(threads, &name, rate, &arena, &limit, &memcpy);
    let fresh_name = format!("memcpy to fresh huge pages, and free them, on {on}");
    tell(threads, &name, rate, &arena, &fresh, &fresh_name);
    Ok(())
}

fn measure_conversions(
    context: &Context,
    file: &ScratchFile,
    map: &PlainMap,
    to: &RefCell<HugeBuffer>,
    threads: u32,
) -> Result<()> {
    let model = Model::open(file)?;
    let sides: [Side<'_, 1>; 2] = [
        Box::new(|_| {
            let mut to = to.borrow_mut();
            let how = Loading::new(threads);
            Ok([measured(threads, || {
                load_all(&model, to.bytes_mut(), F32, &how).map(drop)
            })?])
        }),
        Box::new(|_| {
            let mut to = to.borrow_mut();
            let to = to.plain_mut();
            let seconds = measured(threads, || {
                convert_by(
                    threads,
                    black_box(elements(map)),
                    to,
                    SCALE,
                    half_f16_to_f32,
                )
            })?;
            Ok([seconds])
        }),
    ];
    let [[ours], [half]] = interleave(context.rounds, sides)?;
    let (rate, on) = (
        Unit::Rate(((1 + SCALE) * BYTES) as f64),
        threads_named(threads),
    );
    let name = format!("load 1 GiB of f16 warm as f32 into kept buffers, {on}");
    let peer = format!("{HALF} on a map that was read before, on {on}");
    tell(threads, &name, rate, &ours, &half, &peer);
    Ok(())
}
