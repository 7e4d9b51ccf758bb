//! A file's bytes: mapped, read or given; how they come to the disk and leave the memory.
//!
//! [`Data`] is a file's bytes for reading. Everything that writes, syncs, renames, allocates or
//! maps goes through the [`Storage`] seam, so that whatever writes files can be tried on the
//! simulated storage (feature `sim`), which crashes, tears and fails on demand.

mod data;
mod direct;
mod flights;
mod error;
mod fetch;
mod heap;
mod inflate;
mod locks;
mod mapping;
mod open;
mod options;
mod origin;
mod os;
mod plain;
mod publish;
mod publish_lock;
mod random;
mod range;
mod region;
mod residency;
mod storage;
mod write;

pub use data::Data;
pub use direct::Direct;
pub use error::{Error, Result};
pub use fetch::{Fetch, Mapped, Window};
pub use flights::{Flights, Wanted};
pub use heap::{BulkAllocator, HeapBytes, SystemAllocator};
pub use locks::LockedRange;
pub use mapping::{MapMode, Mapping};
pub use options::{Access, Backend, BytesOwner, DataOptions, Io};
pub use origin::Origin;
pub(crate) use os::Owner;
pub(crate) use plain::not_plain;
pub use publish::Publication;
pub(crate) use publish::Published;
pub(crate) use publish_lock::PublishLock;
pub(crate) use random::{random_bytes, random_number};
pub use region::Region;
pub use residency::{Advice, Release, Residency};
#[cfg(any(test, feature = "sim"))]
pub use storage::sim;
pub(crate) use storage::{
    DescriptorPool, FileLock, LockableFile, has_no_locks, is_locked, network_file_system, read_full,
};
pub use storage::{FileId, FileInfo, FileKind, OsFile, RealStorage, Storage, StorageFile};

/// The length that stands for "up to the end" in ranges of bytes.
pub const TO_END: u64 = u64::MAX;

/// Told how much is done of how much; false stops the work.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

/// The size of a page of memory in bytes.
#[must_use]
pub fn page_size() -> usize {
    os::page_size()
}

/// Asks for huge pages behind memory that starts at a page: only a wish.
pub(crate) fn wish_for_huge_pages(ptr: *const u8, len: usize) {
    let _ = os::advise(ptr, len, os::MemoryAdvice::HugePage);
}

/// Whether the system couldn't read the memory that it was given.
pub(crate) fn is_bad_address(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(os::BAD_ADDRESS)
}

/// The bytes of memory that this process may use with its files' pages; none where nothing tells.
pub(crate) fn memory_limit() -> Option<u64> {
    os::memory_limit()
}
