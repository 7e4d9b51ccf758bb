//! How to open a file's bytes, and what can own bytes.

use std::fmt;
use std::sync::Arc;

use super::heap::{BulkAllocator, HeapBytes, SystemAllocator};
use super::region::Region;

/// How a file's bytes come into memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// Mapped; read where the file system can't map.
    #[default]
    Auto,
    /// Mapped, or an error.
    Map,
    /// Read to the heap: no later change of the file shows.
    Read,
}

/// How bytes are read that are copied out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Io {
    /// As is best.
    #[default]
    Auto,
    /// From the map: fast, and a fault where the file is cut during the call.
    Map,
    /// By pread: a file cut during the call is an error.
    Read,
    /// As `Read`, past the page cache where the file system can and the call knows how.
    Direct,
}

/// Whether the bytes can be written in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    #[default]
    ReadOnly,
    /// A write copies its page; the others stay the file's, which never changes. On the heap the
    /// bytes are a copy anyway.
    CopyOnWrite,
    /// A write changes the file, for all who have it mapped or read it.
    ReadWrite,
}

/// How to open a file's bytes. The default maps and does nothing else.
#[derive(Clone, Default)]
pub struct DataOptions {
    /// How they come into memory.
    pub backend: Backend,
    /// Whether they can be written in memory; `ReadWrite` needs a map.
    pub access: Access,
    /// Ask for huge pages.
    pub huge_pages: bool,
    /// Bring all pages into memory now.
    pub populate: bool,
    /// Keep all pages in memory; an error where the limit on locked memory is too low.
    pub lock: bool,
    /// Decompress gzip and zstd, up to so many bytes; other content is opened as it is.
    pub decompress: Option<u64>,
    /// Where heap memory comes from.
    pub allocator: Option<Arc<dyn BulkAllocator>>,
}

impl DataOptions {
    /// Memory on the heap as the options ask for it: whole pages where it will be locked, so that
    /// locking and unlocking it is nobody else's affair.
    pub(super) fn heap(&self) -> HeapBytes {
        let allocator = self
            .allocator
            .clone()
            .unwrap_or_else(|| Arc::new(SystemAllocator));
        if self.lock {
            HeapBytes::in_pages(allocator)
        } else {
            HeapBytes::new(allocator)
        }
    }
}

impl fmt::Debug for DataOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataOptions")
            .field("backend", &self.backend)
            .field("decompress", &self.decompress)
            .finish_non_exhaustive()
    }
}

/// Bytes that somebody else owns and lends.
///
/// # Safety
/// `region` gives the same readable bytes, unmoved, until the owner is dropped.
pub unsafe trait BytesOwner: Send + Sync {
    /// The bytes.
    fn region(&self) -> Region<'_>;
}
