//! What the delta needs of core/src/store/index.

#[path = "../../../core/src/store/index/entry.rs"]
mod entry;

pub(crate) use entry::{Entry, home};
