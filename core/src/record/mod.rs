//! Training records: files of many small tensors, written once and read at random.
//!
//! Two formats: arec, the native one, in `arec/`, and rrec version 1 in `rrec/`. What works for all
//! formats doesn't know which one it has.

mod arec;
mod error;
mod gather;
#[cfg(not(any(test, feature = "sim")))]
mod planted;
#[cfg(any(test, feature = "sim"))]
pub mod planted;
mod reader;
mod recover;
mod rrec;
mod schema;
mod set;
mod slot;
mod span;
mod writer;

pub use crate::map::Progress;
pub use arec::{ArecOptions, ArecTensor};
pub use error::{Error, Result};
pub use gather::{
    Announced, Column, FillCounts, FillOptions, GatherOptions, Gathered, Judge, Out, Room, Verdict,
};
pub(crate) use reader::FileRef;
pub use reader::{Check, FieldTensor, ReaderOptions, RecordReader};
pub use recover::{Recovery, StopReason, recover};
pub(crate) use rrec::RecordPart;
pub use rrec::format::FIELDS;
pub use rrec::{RecordTensor, Records, RrecReader, RrecWriter, Verification};
pub use schema::{Field, FieldShape, Schema};
pub use set::create_manifest;
pub use writer::{RecordFormat, RecordWriter, WriterOptions};

/// When a progress callback is due: at once, then after so many records or bytes.
#[derive(Debug)]
pub(crate) struct Pace {
    records: u64,
    bytes: u64,
}

impl Pace {
    const RECORDS: u64 = 1024;
    const BYTES: u64 = 16 << 20;

    pub(crate) fn new() -> Pace {
        Pace {
            records: Pace::RECORDS,
            bytes: 0,
        }
    }

    /// Counts what was done since the last call.
    pub(crate) fn is_due(&mut self, records: u64, bytes: u64) -> bool {
        self.records = self.records.saturating_add(records);
        self.bytes = self.bytes.saturating_add(bytes);
        let due = self.records >= Pace::RECORDS || self.bytes >= Pace::BYTES;
        if due {
            *self = Pace {
                records: 0,
                bytes: 0,
            };
        }
        due
    }
}
