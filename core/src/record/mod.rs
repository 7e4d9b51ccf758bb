//! Training records: files of many small tensors, written once and read at random.
//!
//! One format so far, rrec version 1, in `rrec.rs`; what works for all formats doesn't know it.

mod error;
mod gather;
mod reader;
mod recover;
mod rrec;
mod schema;
mod verify;
mod writer;

pub use crate::map::Progress;
pub use error::{Error, Result};
pub use gather::{GatherOptions, Gathered};
pub use reader::{RecordReader, RecordTensor, Records};
pub use recover::{Recovery, StopReason, recover};
pub use rrec::FIELDS;
pub use schema::{Field, FieldShape, Schema};
pub use verify::Verification;
pub use writer::RecordWriter;

/// When a progress callback is due: at once, then after so many records or bytes.
#[derive(Debug)]
struct Pace {
    records: u64,
    bytes: u64,
}

impl Pace {
    const RECORDS: u64 = 1024;
    const BYTES: u64 = 16 << 20;

    fn new() -> Pace {
        Pace {
            records: Pace::RECORDS,
            bytes: 0,
        }
    }

    /// Counts what was done since the last call.
    fn is_due(&mut self, records: u64, bytes: u64) -> bool {
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
