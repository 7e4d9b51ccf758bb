//! Bugs on purpose: a crash test that doesn't find them proves nothing.

#[cfg(any(test, feature = "sim"))]
use std::cell::Cell;

/// A bug to plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The last copy of a block is written over before the block is durable.
    NoSync,
    /// The trailer is written before all else is durable.
    TrailerFirst,
    /// Recovery takes records whose fields don't have their checksums.
    NoChecksum,
    /// A set's manifest is published before its last shard.
    ManifestFirst,
}

#[cfg(any(test, feature = "sim"))]
thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Plants a bug, or takes it away again, in what this thread does.
#[cfg(any(test, feature = "sim"))]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

#[cfg(any(test, feature = "sim"))]
pub(super) fn has(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

#[cfg(not(any(test, feature = "sim")))]
pub(super) const fn has(_: Bug) -> bool {
    false
}
