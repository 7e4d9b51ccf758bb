//! How batches are made.

use std::fmt;
use std::sync::Arc;

use super::order::OrderOptions;
use super::partition::{Partition, Uneven};
use super::transform::Transform;
use crate::dtype::DType;
use crate::kernel::Overflow;
use crate::map::{BulkAllocator, Io};
use crate::record::Check;

/// The most batches that a loader has memory for.
pub const MAX_DEPTH: usize = 1024;

/// The most threads of a loader.
pub const MAX_WORKERS: usize = 1024;

/// What becomes of the kernel's cache of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    /// `Keep` where the whole set fits into the memory that the process may use, else `Drop`.
    #[default]
    Auto,
    /// The kernel keeps what it likes.
    Keep,
    /// What this loader has delivered for good is let go of: whole windows of the order. Pages that
    /// another process maps stay.
    Drop,
}

/// What becomes of a batch with a record that can't be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BadRecord {
    /// The batch isn't delivered: its error is. The next call tries it again.
    #[default]
    Fail,
    /// Another record stands in its place: the one 1, 2, 4, ... 2^15 places on, the first that is
    /// sound.
    Replace,
    /// Zeros stand in its place.
    Mask,
}

/// What becomes of a field whose records differ in size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RaggedMode {
    /// Back to back, with a tensor of where each starts.
    #[default]
    Packed,
    /// Each filled up with zeros to so many positions of its first dimension, with a tensor of its
    /// own sizes.
    Padded {
        /// The positions.
        length: u64,
        /// Whether longer ones are cut; else they are bad records.
        cut: bool,
    },
}

/// A field of the batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldOption {
    /// The field's name in the set.
    pub name: String,
    /// The dtype of the batches; none for the set's.
    pub dtype: Option<DType>,
    /// What becomes of records that differ in size.
    pub ragged: RaggedMode,
}

/// A tensor that a transform makes of each record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputField {
    /// Its name in the batches.
    pub name: String,
    /// Its dtype.
    pub dtype: DType,
    /// Its dimensions.
    pub dims: Vec<i64>,
}

/// How batches are made of records.
#[derive(Clone)]
pub struct LoaderOptions {
    /// The order of an epoch.
    pub order: OrderOptions,
    /// The part of each step that is this loader's.
    pub partition: Partition,
    /// The first epoch.
    pub epoch: u64,
    /// How records are read; `Auto` is by pread, announced ahead.
    pub io: Io,
    /// What becomes of the kernel's cache.
    pub cache: Cache,
    /// Threads that fill batches: 0 for none, so that `next` does; none for 1.
    pub workers: Option<usize>,
    /// Batches that there is memory for, those held among them; 0 for a few more than are held.
    pub depth: usize,
    /// Batches that may be held at once; 0 for 2.
    pub max_held: usize,
    /// The fields of the batches; none for all, packed. With a transform: what it is given.
    pub fields: Vec<FieldOption>,
    /// What becomes of values that a field's dtype can't hold.
    pub overflow: Overflow,
    /// What becomes of records that can't be had.
    pub bad: BadRecord,
    /// Makes the batches' tensors of each record's.
    pub transform: Option<Arc<dyn Transform>>,
    /// What the transform makes.
    pub outputs: Vec<OutputField>,
    /// Where the batches' memory comes from.
    pub allocator: Option<Arc<dyn BulkAllocator>>,
    /// The most bytes of all batches together; 0 for no limit. What each worker reads through isn't
    /// among them: with a transform some 4 MiB of its records, or 16 of a ragged field; past the
    /// page cache 1 MiB or more.
    pub memory_budget: u64,
    /// When checksums are compared.
    pub check: Option<Check>,
}

impl LoaderOptions {
    /// Batches of so many records for one process, all else by default.
    #[must_use]
    pub fn new(batch: u64) -> LoaderOptions {
        LoaderOptions {
            order: OrderOptions::default(),
            partition: Partition {
                batch,
                world: 1,
                rank: 0,
                uneven: Uneven::default(),
            },
            epoch: 0,
            io: Io::Auto,
            cache: Cache::Auto,
            workers: None,
            depth: 0,
            max_held: 0,
            fields: Vec::new(),
            overflow: Overflow::default(),
            bad: BadRecord::Fail,
            transform: None,
            outputs: Vec::new(),
            allocator: None,
            memory_budget: 0,
            check: None,
        }
    }
}

impl fmt::Debug for LoaderOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoaderOptions")
            .field("order", &self.order)
            .field("partition", &self.partition)
            .field("epoch", &self.epoch)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}
