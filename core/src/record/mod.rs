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

pub use error::{Error, Result};
pub use gather::{GatherIo, Gathered};
pub use reader::{RecordReader, Records};
pub use recover::{Recovery, StopReason, recover};
pub use rrec::FIELDS;
pub use schema::{Field, FieldShape, Schema};
pub use verify::Verification;
pub use writer::RecordWriter;

/// Told how much is done of how much; false stops the work.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> bool;
