//! Memory to a buffer that was used before.

use std::fs;

use super::{Adapter, Named, check, compare, fill, named};
use crate::adit::Gpu;
use crate::harness::{Unit, wall_time};
use crate::machine::{free_memory, libc};
use crate::memory::{HugeBuffer, copy_over};
use crate::{Context, Result};

const SIZES: [(&str, usize); 2] = [("256 MiB", 256 << 20), ("1 GiB", 1 << 30)];

/// Source, targets of each side, and what the peer keeps beside them.
const TIMES: u64 = 8;

/// Runs the benchmark.
///
/// # Errors
/// A side's, or bytes that differ.
pub fn run(context: &Context) -> Result<()> {
    let Some(adapter) = Adapter::find() else {
        return Ok(());
    };
    for (name, size) in SIZES {
        if free_memory() < TIMES * size as u64 {
            println!("# {name} skipped: it needs {TIMES} times as much free memory");
            continue;
        }
        let mut source = HugeBuffer::new(size)?;
        fill(source.plain_mut());
        let source = source.bytes();
        tell_memory(&adapter, name, source)?;
        measure(context, &adapter, name, source)?;
    }
    Ok(())
}

fn measure(context: &Context, adapter: &Adapter, name: &str, source: &[u8]) -> Result<()> {
    let mut all: Vec<Named<'_>> = Vec::new();
    for &way in adapter.ways() {
        let buffer = Gpu::open(way)?.buffer(source.len())?;
        buffer.upload(0, source)?;
        check(&buffer, source)?;
        all.push(named(way.name(), move || {
            wall_time(|| buffer.upload(0, source))
        }));
    }
    let ours = all.len();
    let mut huge = HugeBuffer::new(source.len())?;
    all.push(named(
        format!("memcpy ({}) to huge pages", libc()),
        move || {
            wall_time(|| {
                copy_over(source, huge.plain_mut());
                Ok(())
            })
        },
    ));
    let mut plain = source.to_vec();
    all.push(named(
        format!("memcpy ({}) to plain memory", libc()),
        move || {
            wall_time(|| {
                copy_over(source, &mut plain);
                Ok(())
            })
        },
    ));
    #[cfg(feature = "gpu-peer")]
    for way in super::peer::WAYS {
        let mut peer = super::peer::Peer::open(&adapter.name)?;
        let buffer = peer.buffer(source.len());
        let title = format!("{} of {}", way.name(), crate::WGPU);
        all.push(named(title, move || {
            wall_time(|| peer.upload(way, &buffer, source))
        }));
    }
    let unit = Unit::Rate(source.len() as f64);
    compare(context.rounds, &format!("upload {name}"), unit, ours, all)
}

/// What the first upload of a device takes of the host's memory at its height, beside the buffer.
fn tell_memory(adapter: &Adapter, name: &str, source: &[u8]) -> Result<()> {
    // Where the card's memory is the host's, the buffer's pages come with what writes them.
    let buffer_bytes = if adapter.shared { source.len() } else { 0 };
    let tell = |way: &str, work: &mut dyn FnMut() -> Result<()>| {
        let before = reset_height()?;
        work()?;
        let extra = status("VmHWM:")?.saturating_sub(before + buffer_bytes as u64);
        println!("# upload {name}, {way}: {} KiB of host memory", extra >> 10);
        Result::Ok(())
    };
    for &way in adapter.ways() {
        let buffer = Gpu::open(way)?.buffer(source.len())?;
        tell(way.name(), &mut || buffer.upload(0, source))?;
    }
    #[cfg(feature = "gpu-peer")]
    for way in super::peer::WAYS {
        let mut peer = super::peer::Peer::open(&adapter.name)?;
        let buffer = peer.buffer(source.len());
        let title = format!("{} of {}", way.name(), crate::WGPU);
        tell(&title, &mut || peer.upload(way, &buffer, source))?;
    }
    Ok(())
}

/// Has the process's height be what it has now, and tells that.
fn reset_height() -> Result<u64> {
    fs::write("/proc/self/clear_refs", "5")?;
    status("VmHWM:")
}

fn status(field: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    Ok(kilobytes.ok_or("the kernel doesn't tell the process's memory")? << 10)
}
