//! arec: the native record format, as `docs/record-format.md` has it.
//!
//! `layout.rs` is everything that follows from the fields and options. `header.rs`, `frame.rs`,
//! `table.rs`, `directory.rs`, `trailer.rs` and `metadata.rs` know the bytes of each part and do no
//! I/O but on given bytes. `file.rs`, `places.rs`, `lend.rs` and `verify.rs` read a finished file;
//! `writer.rs` writes one, block by block (`filling.rs`); `recover.rs` saves one that was never
//! finished. `whole.rs` tells whether a block is whole, for whoever walks blocks.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

mod columns;
mod copies;
pub(in crate::record) mod directory;
mod divisor;
mod field;
pub(in crate::record) mod file;
mod filling;
mod fits;
mod footer;
pub(in crate::record) mod frame;
pub(in crate::record) mod header;
pub(in crate::record) mod layout;
mod lend;
pub(in crate::record) mod metadata;
mod parts;
mod places;
mod plan;
mod recover;
mod stage;
pub(in crate::record) mod table;
pub(in crate::record) mod trailer;
#[cfg(test)]
mod tests;
mod verify;
pub(in crate::record) mod whole;
mod writer;

pub use lend::ArecTensor;
pub(crate) use metadata::LONGEST as MOST_METADATA;
pub use plan::ArecOptions;
pub(crate) use {file::ArecFile, header::Header, layout::Layout};
pub(super) use {fits::set_entry, recover::recover, writer::ArecWriter, writer::Limits};
