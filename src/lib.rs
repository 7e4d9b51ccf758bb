//! The C boundary of adit: one file per section of `adit.h`, in the header's order.
//!
//! A function here checks pointers, turns them into references, calls the engine and turns the
//! result into C. Whatever else it would do belongs into `adit-core`.

mod boundary;

// The sections, in the order in which the header has them.
mod array;
mod callbacks;
mod data;
mod dtype;
mod error;
mod record_reader;
mod record_recover;
mod record_schema;
mod record_writer;
mod tensor;
mod version;

#[cfg(feature = "test-hooks")]
mod test_hooks;
