//! All ways in which the store's writer and its readers can meet in the index in memory, tried one
//! after the other: the very files of the engine, with loom's atomics and locks.
//!
//! `cargo test --release --manifest-path loom/Cargo.toml`

#![cfg(test)]
#![allow(dead_code, reason = "the models need a part of what they include")]

mod index;
mod models;
mod sync;

#[path = "../../core/src/store/delta.rs"]
mod delta;
#[path = "../../core/src/store/live.rs"]
mod live;

/// The delta with the bugs of build.rs.
mod planted {
    use super::{index, live, sync};

    pub(crate) mod place_first {
        include!(concat!(env!("OUT_DIR"), "/place_first.rs"));
    }
    pub(crate) mod live_not_asked {
        include!(concat!(env!("OUT_DIR"), "/live_not_asked.rs"));
    }
    pub(crate) mod published_not_asked {
        include!(concat!(env!("OUT_DIR"), "/published_not_asked.rs"));
    }
}
