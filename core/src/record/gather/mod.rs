//! Many records' fields copied into the caller's buffers, whatever format they lie in.
//!
//! All of it is [`RecordReader::fill`](super::RecordReader::fill): several fields of some records
//! at once, each record's fault told by itself. `dense.rs` has the cases of one field where the
//! first fault ends the call. `locate.rs` finds records, `mapped.rs` and `read.rs` copy them, and
//! `announce.rs` tells the kernel of them beforehand.

mod announce;
mod dense;
mod fill;
mod kept;
mod locate;
mod mapped;
mod options;
mod piece;
mod plan;
mod read;
mod rows;
mod scratch;
mod sight;

pub use announce::Announced;
pub(super) use locate::Alike;
pub use options::{
    Column, FillCounts, FillOptions, GatherOptions, Gathered, Judge, Out, Room, Verdict,
};
pub(super) use scratch::Tools;
