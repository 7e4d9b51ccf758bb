//! A whole 256 MiB array file, which lies in the page cache, read into a buffer that is used again.

use std::cell::RefCell;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;

use crate::adit::{Array, F32, Format, Io, Tensor};
use crate::blocks::fill;
use crate::harness::{Side, Unit, interleave, report, time};
use crate::machine::{kernel, libc};
use crate::memory::{HugeBuffer, PlainMap, copy_over};
use crate::{Context, Result};

const BYTES: usize = 256 << 20;

/// Runs the benchmark.
///
/// # Errors
/// A side's, or bytes that differ.
pub fn run(context: &Context) -> Result<()> {
    let mut written = HugeBuffer::new(BYTES)?;
    fill(written.plain_mut());
    let path = context.scratch.file("read.npy");
    let tensor = Tensor::over(written.bytes(), F32, &[BYTES as i64 / 4])?;
    Array::write(&path, &tensor, Format::Npy)?;

    let array = Array::open(&path)?;
    let (plain, file) = (PlainMap::open(&path)?, File::open(&*path)?);
    let head = plain.bytes().len() - BYTES;
    let from = &plain.bytes()[head..];
    let buffer = RefCell::new(HugeBuffer::new(BYTES)?);
    let read = |io| {
        let mut to = buffer.borrow_mut();
        let seconds = time(1, || array.read(to.bytes_mut(), io))?;
        Ok([seconds])
    };
    for io in [Io::Auto, Io::Map] {
        buffer.borrow_mut().plain_mut().fill(0);
        let _: Result<[f64; 1]> = read(io);
        if buffer.borrow().bytes() != written.bytes() {
            return Err(format!("{io:?}: other bytes than were written").into());
        }
    }

    let sides: [Side<'_, 1>; 4] = [
        Box::new(|_| read(Io::Auto)),
        Box::new(|_| read(Io::Map)),
        Box::new(|_| {
            let mut to = buffer.borrow_mut();
            let seconds = time(1, || {
                copy_over(black_box(from), to.plain_mut());
                Ok(())
            })?;
            Ok([seconds])
        }),
        Box::new(|_| {
            let mut to = buffer.borrow_mut();
            let seconds = time(1, || Ok(file.read_exact_at(to.plain_mut(), head as u64)?))?;
            Ok([seconds])
        }),
    ];
    let [[auto], [map], [memcpy], [pread]] = interleave(2 * context.rounds + 1, sides)?;
    let (memcpy_name, pread_name) = (
        format!("memcpy from a plain map ({})", libc()),
        format!("pread ({})", kernel()),
    );
    let rate = Unit::Rate(BYTES as f64);
    let name = "read a 256 MiB .npy into a kept buffer";
    report(name, rate, &auto, &memcpy, &memcpy_name);
    report(name, rate, &auto, &pread, &pread_name);
    let name = "read a 256 MiB .npy into a kept buffer, from the map";
    report(name, rate, &map, &memcpy, &memcpy_name);
    report(name, rate, &map, &pread, &pread_name);
    Ok(())
}
