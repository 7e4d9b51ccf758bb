//! Saving what a file has that was never finished, whatever the format.

use std::path::Path;
use std::sync::Arc;

use super::arec::{self, Header};
use super::error::{Error, Result};
use super::rrec;
use super::schema::Schema;
use crate::map::{Data, DataOptions, Progress, Storage};

/// Why a recovery stopped where it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The last record ends where the file ends, or its index or footer begins.
    End,
    /// A record, or of arec a block, is cut by the end of the file.
    Cut,
    /// Only zeros follow, or of rrec a record ends in them: space that was perhaps never written.
    Zeros,
    /// What follows doesn't fit the schema, or of arec is no whole block of this file.
    Mismatch,
}

/// What a recovery saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Whole records saved.
    pub records: u64,
    /// Where in the damaged file the walk stopped: all before it was saved.
    pub stop_offset: u64,
    /// The bytes from there to the end of the file, or to its index: 0 where all was saved.
    pub dropped_bytes: u64,
    /// Why it stopped.
    pub reason: StopReason,
}

/// Saves the whole records of the damaged file at `from` into a new one of its format at `to`, which
/// must not exist. The damaged file is only read. `schema` is for rrec, whose records don't say what
/// they are; of an arec file it must be the file's own. `progress` is told bytes walked and in all.
///
/// # Errors
/// [`Error::WrongFormat`], [`Error::Version`], [`Error::Schema`], [`Error::NothingToRecover`],
/// [`Error::Cancelled`]; those of opening, reading and writing.
pub fn recover(
    storage: &Arc<dyn Storage>,
    from: &Path,
    to: &Path,
    schema: Option<&Schema>,
    progress: Progress<'_>,
) -> Result<Recovery> {
    let data = Data::open_in(storage.as_ref(), from, &DataOptions::default())?;
    let mut start = Vec::new();
    data.read_to(0, data.len().min(START) as usize, &mut start)?;
    if !Header::is_start(&start) {
        return rrec::recover(storage, &data, to, schema, progress);
    }
    let header = Header::read(&data)?;
    if schema.is_some_and(|schema| !header.layout.is_of(schema)) {
        return Err(Error::Schema {
            why: format!("it isn't that of {}", data.origin()),
        });
    }
    arec::recover(storage, &data, header, to, progress)
}

/// Enough of a file to tell its format.
const START: u64 = 64;
