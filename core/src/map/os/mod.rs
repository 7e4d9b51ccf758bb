//! What differs between systems: the only place of this room with calls of one of them.
//!
//! `linux` is tested. `portable` stands in elsewhere with what the standard library has: advice
//! is ignored, residency isn't known.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(super) use linux::*;

#[cfg(not(target_os = "linux"))]
mod portable;
#[cfg(not(target_os = "linux"))]
pub(super) use portable::*;

/// Advice on a stretch of mapped memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemoryAdvice {
    Normal,
    Sequential,
    Random,
    WillNeed,
    HugePage,
    DontNeed,
    PopulateRead,
}

/// Which pages of a stretch are in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pages {
    /// In this process's page tables.
    pub resident: u64,
    /// In the page cache.
    pub cached: u64,
}
