//! Sets: many files read as one, listed by a manifest.

mod create;
mod firsts;
pub(crate) mod identity;
pub(crate) mod manifest;
mod reader;
mod shards;
mod verify;

pub use create::create_manifest;
pub(crate) use manifest::Manifest;
pub(crate) use reader::SetReader;
pub(super) use shards::SetWriter;
