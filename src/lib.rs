//! The C boundary of adit: one file or folder per section of `adit.h`, in the header's order.
//!
//! A function here checks pointers, turns them into references, calls the engine and turns the
//! result into C. Whatever else it would do belongs into `adit-core`.

mod boundary;

// The sections, in the order in which the header has them.
mod version;
mod error;
mod dtype;
mod tensor;
mod callbacks;
mod data;
mod record_schema;
mod record_writer;
mod record_reader;
mod record_set;
mod record_recover;
mod record_convert;
mod array;
mod model;
mod model_writer;
mod loader;
mod load;
mod gpu;
mod store;
mod foreign_store;
mod hash;
mod dlpack;
mod kernel;

#[cfg(feature = "test-hooks")]
mod test_hooks;
