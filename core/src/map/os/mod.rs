//! What differs between systems: the only place of this room with calls of one of them.
//!
//! `linux` is tested. `portable` stands in elsewhere with what the standard library has: advice
//! is ignored, residency isn't known. `--cfg adit_portable` takes it on Linux too, so that it is at
//! least compiled and tried there.

#[cfg(all(target_os = "linux", not(adit_portable)))]
mod linux;
#[cfg(all(target_os = "linux", not(adit_portable)))]
pub(super) use linux::*;

#[cfg(any(not(target_os = "linux"), adit_portable))]
mod portable;
#[cfg(any(not(target_os = "linux"), adit_portable))]
pub(super) use portable::*;

/// The process that something was made in: a forked child is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(Process);

impl Owner {
    pub(crate) fn this_process() -> Owner {
        Owner(process())
    }

    pub(crate) fn is_this_process(self) -> bool {
        self == Owner::this_process()
    }
}

/// Advice on a stretch of mapped memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemoryAdvice {
    Normal,
    Sequential,
    Random,
    WillNeed,
    HugePage,
    PopulateRead,
}

/// What direct reads of a file must be multiples of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DirectAlign {
    /// The memory's address.
    pub(super) memory: usize,
    /// The offset in the file, and the length.
    pub(super) offset: usize,
}
