//! The engine of adit: tensors straight from files.
//!
//! The floors, ground floor first. A floor imports only from those below it, and rooms of one
//! floor don't import one another (`tests/floors.rs` holds this):
//!
//! 1. [`error`], [`dtype`], `json`
//! 2. [`map`] (a file's bytes), [`kernel`] (loops over elements)
//! 3. [`tensor`] (dtype, shape and strides over borrowed bytes)
//! 4. [`record`], [`mod@array`], [`model`], [`store`] (file formats)
//! 5. [`transfer`] (many tensors loaded at once), [`loader`] (batches of records),
//!    [`convert`] (records from other files)
//! 6. [`gpu`] (a sink of `transfer`)
//!
//! Every file is hostile until it is checked: arithmetic on sizes from files is checked, nothing
//! is allocated by a number that a file claims, and nothing panics on a file's contents.

pub mod array;
pub mod convert;
pub mod dtype;
pub mod error;
pub mod gpu;
mod json;
pub mod kernel;
pub mod loader;
pub mod map;
pub mod model;
pub mod record;
pub mod store;
pub mod tensor;
pub mod transfer;
