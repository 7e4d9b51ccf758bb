//! Records in the native format, and the loader: against what the machine can do, and against the
//! formats that others train from.
//!
//! Where threads, processes or a disk are measured times are of the clock on the wall, and mean
//! something on a machine that does nothing else.

mod cold;
mod file;
mod loader;
mod open;
mod places;
mod pool;
mod processes;
mod python;
mod uring;
mod warm;
mod write;

pub use cold::run as cold;
pub use loader::run as loader;
pub use open::run as open;
pub use processes::run as processes;
pub use warm::run as warm;
pub use write::run as write;

use crate::adit::Reader;
use crate::cache::cached_bytes;
use crate::scratch::ScratchFile;
use crate::{Result, cache};

/// Records of a batch.
const BATCH: usize = 256;

/// A page of memory.
const PAGE: usize = 4 << 10;

/// Has a file that `reader` has open leave the page cache, and sees to it that it has.
///
/// # Errors
/// The system's, the library's, pages that stay.
fn evict(file: &ScratchFile, reader: &Reader) -> Result<()> {
    // What is in the reader's own map stays in the cache.
    reader.release()?;
    if cached_bytes(file)? == 0 {
        return Ok(());
    }
    cache::evict(file)
}

/// Bytes that this process had disks read for it.
///
/// # Errors
/// The system's.
fn read_from_disks() -> Result<u64> {
    let told = std::fs::read_to_string("/proc/self/io")?;
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("read_bytes: "));
    Ok(line.ok_or("/proc/self/io tells no read_bytes")?.parse()?)
}
