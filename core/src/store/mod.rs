//! An append-only key/value store: values that are never lost, pointers that never move.
//!
//! The format is in `docs/store-format.md`.

mod batch;
mod checkpoint;
mod commit;
mod compact;
mod compact_copy;
mod create;
mod delta;
mod error;
mod follow;
mod foreign;
mod format;
mod get;
mod growth;
mod index;
mod iter;
mod kept;
mod live;
mod lock_file;
mod log;
#[cfg(test)]
mod log_tests;
mod merge;
mod network;
mod new_log;
mod open;
mod options;
#[cfg(not(any(test, feature = "sim")))]
mod planted;
#[cfg(any(test, feature = "sim"))]
pub mod planted;
mod recover;
mod replay;
mod resync;
mod salvage;
mod scan;
mod snapshot;
mod stats;
#[expect(clippy::module_inception, reason = "the type of the same name")]
mod store;
mod stream;
mod survey;
mod sync;
mod syncs;
mod tensor;
mod touched;
mod verify;
mod window;
#[cfg(test)]
mod write_tests;

pub use batch::Batch;
pub use error::{Error, Result};
pub use foreign::{Copied, ForeignEntry, ForeignIter, ForeignLayout, ForeignOrder, ForeignStore};
pub use format::{MAX_KEY, MAX_VALUE};
pub use get::Value;
pub use iter::{Item, Iter, IterOptions, Order};
pub use options::{OpenMode, StoreAccess, StoreOptions, SyncPolicy, ValueCheck};
pub use salvage::{Salvage, salvage};
pub use snapshot::Snapshot;
pub use stats::StoreStats;
pub use store::Store;
pub use stream::PutStream;
pub use verify::{Damage, OnDamage, Verified, verify_file};
