//! Stores filled and read, against other engines and against what the machine can do.
//!
//! Ours checks no value's checksum on get unless a line says so: as the others here, which check none
//! (simd-r-drive, LMDB, redb) or as they read from the disk (fjall). What is looked up is in memory
//! on every side: nothing is measured cold.

mod compact;
mod engine;
mod fill;
mod get;
mod group;
#[cfg(feature = "heavy-peers")]
mod heavy;
mod large;
mod sync;
mod work;

use std::path::Path;

pub use compact::run as compact;
pub use group::run as group;
pub use large::run as large;
pub use sync::run as sync;

use crate::scratch::Scratch;
use crate::{Context, Result};

/// Where there is memory alone.
const TMPFS: &str = "/dev/shm";

/// Rounds of what takes seconds each time.
const MOST_LONG_ROUNDS: usize = 3;

fn long_rounds(context: &Context) -> usize {
    context.rounds.min(MOST_LONG_ROUNDS)
}

/// A folder on a file system without a disk, where there is one.
fn in_memory() -> Result<Option<Scratch>> {
    let folder = Path::new(TMPFS);
    if !folder.is_dir() {
        println!("# left out: no {TMPFS}");
        return Ok(None);
    }
    Ok(Some(Scratch::below(folder)?))
}

/// Filling and reading on tmpfs.
///
/// # Errors
/// A side's, or sides that disagree.
pub fn tmpfs(context: &Context) -> Result<()> {
    match in_memory()? {
        Some(scratch) => fill::run(context, &scratch, "tmpfs"),
        None => Ok(()),
    }
}

/// Filling and reading on a disk's file system.
///
/// # Errors
/// A side's, or sides that disagree.
pub fn disk(context: &Context) -> Result<()> {
    fill::run(context, &context.scratch, "disk")
}
