//! What a release gives back of a large tensor: this process's memory and the page cache, as the
//! system counts them before and after.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use super::{Name, write_safetensors};
use crate::adit::Model;
use crate::cache::cached_bytes;
use crate::sum::sum;
use crate::{Context, Result};

/// f32: 256 MiB.
const ELEMENTS: usize = 64 << 20;

const MIB: f64 = (1 << 20) as f64;

/// Runs the benchmark: no peer gives anything back but by closing.
///
/// # Errors
/// The library's, and memory that isn't given back.
pub fn run(context: &Context) -> Result<()> {
    let file = context.scratch.file("release.safetensors");
    write_safetensors(
        &file,
        &Name::list(1)?,
        ("F32", 4),
        &[ELEMENTS],
        |_, bytes| {
            bytes.fill(1);
        },
    )?;
    let model = Model::open(&file)?;
    tell("opened", &file, None)?;
    let before = touch(&model, &file)?;
    let freed = model.release(0, false)?;
    let after = tell("released", &file, Some(freed))?;
    gone("resident memory", before.resident - after.resident)?;
    let before = touch(&model, &file)?;
    let freed = model.release(0, true)?;
    let after = tell("released, page cache too", &file, Some(freed))?;
    gone("resident memory", before.resident - after.resident)?;
    gone("the page cache", before.cached - after.cached)?;
    touch(&model, &file)?;
    Ok(())
}

struct Held {
    resident: f64,
    cached: f64,
}

fn touch(model: &Model, file: &Path) -> Result<Held> {
    if black_box(sum(model.tensor(0)?.bytes())) != 4 * ELEMENTS as u64 {
        return Err("other values than were written".into());
    }
    tell("all read", file, None)
}

fn tell(when: &str, file: &Path, freed: Option<u64>) -> Result<Held> {
    let held = Held {
        resident: resident_file_bytes()? / MIB,
        cached: cached_bytes(file)? as f64 / MIB,
    };
    let freed = freed.map_or(String::new(), |freed| {
        format!("; freed by its own account: {:.1} MiB", freed as f64 / MIB)
    });
    println!(
        "# 256 MiB tensor, {when}: files' pages in this process {:.1} MiB, the file in the page \
         cache {:.1} MiB{freed}",
        held.resident, held.cached
    );
    Ok(held)
}

fn gone(what: &str, mib: f64) -> Result<()> {
    // But for pages that are shared, and those of code that was run in between.
    if mib > 250.0 {
        return Ok(());
    }
    Err(format!("of 256 MiB of {what} only {mib:.1} MiB were given back").into())
}

/// Pages of files that are this process's memory, in bytes.
fn resident_file_bytes() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssFile:"));
    let kilobytes = line.ok_or("/proc/self/status has no RssFile")?;
    let kilobytes: f64 = kilobytes.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024.0)
}
