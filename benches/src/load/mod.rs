//! 1 GiB of weights loaded from a safetensors file of 64 f16 tensors.
//!
//! Where threads or a disk are measured times are of the clock on the wall, and mean something on a
//! machine that does nothing else. What one thread does in memory is told in its CPU time.

mod cold;
mod copies;
mod warm;

pub use cold::run as cold;
pub use warm::run as warm;

use std::mem::MaybeUninit;

use crate::adit::{Arena, F16, F32, Items, Loading, Model, Stats};
use crate::data::Random;
use crate::machine::{free_bytes, free_memory};
use crate::memory::PlainMap;
use crate::models::{Name, write_safetensors};
use crate::scratch::ScratchFile;
use crate::{Context, Result};

const TENSORS: usize = 64;
const TENSOR_BYTES: usize = 16 << 20;
const BYTES: usize = TENSORS * TENSOR_BYTES;

/// Memory that must be free: source, target of f32, the page cache, a block of the library's.
const NEEDED: u64 = 6 << 30;

/// The file, where memory and disk have room; none, with a line that says so, where they haven't.
fn file(context: &Context) -> Result<Option<ScratchFile>> {
    let room = free_bytes(context.scratch.folder())?;
    if free_memory() < NEEDED || room < 2 * BYTES as u64 {
        println!("# skipped: it needs {NEEDED} bytes of free memory, and 2 GiB of disk");
        return Ok(None);
    }
    let file = context.scratch.file("load.safetensors");
    let shape = [TENSOR_BYTES / 2 / 2048, 2048];
    write_safetensors(
        &file,
        &Name::list(TENSORS)?,
        ("F16", 2),
        &shape,
        |number, bytes| {
            let mut random = Random(number as u64);
            // Every f16 but infinities and NaNs.
            for pair in bytes.chunks_exact_mut(2) {
                let bits = random.next() as u16;
                let bits = if bits & 0x7c00 == 0x7c00 {
                    bits & 0x83ff
                } else {
                    bits
                };
                pair.copy_from_slice(&bits.to_le_bytes());
            }
        },
    )?;
    Ok(Some(file))
}

/// The bytes of all tensors in a mapped file.
fn elements(map: &PlainMap) -> &[u8] {
    &map.bytes()[map.bytes().len() - BYTES..]
}

/// Loads all tensors into `buffer`, as f32 or as they are.
fn load_all(
    model: &Model,
    buffer: &mut [MaybeUninit<u8>],
    dtype: i32,
    how: &Loading,
) -> Result<Stats> {
    let each = match dtype {
        F32 => 2 * TENSOR_BYTES,
        _ => TENSOR_BYTES,
    };
    let mut items = Items::new()?;
    for (index, to) in buffer.chunks_exact_mut(each).take(TENSORS).enumerate() {
        items.add(model, index, dtype, Some(to))?;
    }
    let (_, stats) = items.load(how)?;
    Ok(stats)
}

/// Loads all tensors into one block of the library's.
fn load_arena(model: &Model, how: &Loading) -> Result<Arena> {
    let mut items = Items::new()?;
    for index in 0..TENSORS {
        items.add(model, index, F16, None)?;
    }
    let (arena, _) = items.load(how)?;
    Ok(arena)
}

fn threads_named(threads: u32) -> String {
    match threads {
        0 => "threads by default".to_owned(),
        1 => "1 thread".to_owned(),
        more => format!("{more} threads"),
    }
}
