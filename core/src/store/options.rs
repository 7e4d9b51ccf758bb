//! How a store is opened.

use super::planted::Bug;

/// What becomes of a store that isn't there, and of one that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenMode {
    /// It is opened for writing, made where there is none.
    #[default]
    Create,
    /// It must be there, and is opened for writing.
    Write,
    /// It must not be there, and is made.
    New,
    /// It must be there, and is opened for reading: nothing is written, locked or made.
    Read,
}

/// When writes become durable, and visible to snapshots and other processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Each write is durable when it returns, and visible then.
    #[default]
    Batch,
    /// As `Batch`, but writes of several threads at a time share one sync.
    Group,
    /// Visible at once; durable after a call of sync, a checkpoint or close.
    Explicit,
    /// Visible at once; durable after a call of sync. Close leaves no checkpoint.
    None,
}

/// When the checksums of values are compared as they are lent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueCheck {
    /// Never: verify does.
    #[default]
    Never,
    /// At about the first time that a value is lent: it is remembered in a table of fixed size.
    FirstTouch,
    /// Each time.
    Always,
}

/// How the file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreAccess {
    /// Mapped; refused on network file systems, where a map isn't what others see.
    #[default]
    Mapped,
    /// Mapped whatever the file system.
    MappedAnywhere,
    /// Read into memory that belongs to the snapshot, with the index on the heap, by one process:
    /// for network file systems.
    Exclusive,
}

/// How to open a store.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoreOptions {
    /// What may be there.
    pub mode: OpenMode,
    /// When writes become durable.
    pub sync: SyncPolicy,
    /// When values are checked.
    pub check: ValueCheck,
    /// How the file is read.
    pub access: StoreAccess,
    /// What offsets and addresses of values are multiples of, for a store that is made: a power of
    /// two from 64 to 4096; 0 for 64.
    pub align: u32,
    /// Bytes of address space kept for the file to grow into; 0 for the larger of 64 GiB and four
    /// times its length.
    pub reservation: u64,
    /// Keys that are expected: the index has room for them from the start.
    pub expected_keys: u64,
    /// Bytes of memory for the part of the index that isn't in its file yet; 0 for 64 MiB. There
    /// may be twice as much while it is merged.
    pub index_memory: u64,
    /// Bytes of log between checkpoints; 0 for 64 MiB.
    pub checkpoint_bytes: u64,
    /// The index is merged by a thread of the store's own, not by the write that finds it full.
    pub merge_thread: bool,
    /// Bugs that the crash tests must find.
    #[cfg(any(test, feature = "sim"))]
    pub planted: Option<Bug>,
}

impl StoreOptions {
    /// Whether there is this bug on purpose: never outside of tests.
    pub(crate) fn has(&self, bug: Bug) -> bool {
        #[cfg(any(test, feature = "sim"))]
        return self.planted == Some(bug);
        #[cfg(not(any(test, feature = "sim")))]
        {
            let _ = bug;
            false
        }
    }

    pub(crate) fn index_memory(&self) -> u64 {
        match self.index_memory {
            0 => 64 << 20,
            bytes => bytes,
        }
    }

    /// `slots`, or what the index's memory has room for where that is less.
    pub(crate) fn few_slots(&self, slots: u64) -> u64 {
        slots.min(self.index_memory() / 16)
    }

    pub(crate) fn checkpoint_bytes(&self) -> u64 {
        match self.checkpoint_bytes {
            0 => 64 << 20,
            bytes => bytes,
        }
    }
}
