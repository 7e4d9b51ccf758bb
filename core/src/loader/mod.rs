//! Batches of a set's records for training: every record of it once an epoch, in one order for all
//! ranks, cut for many of them, filled by threads of the loader's ahead of their use.

mod batch;
mod bijection;
mod cache;
mod columns;
mod environment;
mod error;
mod faults;
mod fields;
mod lanes;
mod handle;
mod memory;
mod options;
mod order;
mod partition;
mod plan_error;
mod records;
mod ring;
mod room;
mod setup;
mod slot;
mod source;
mod stage;
mod state;
mod stats;
mod token_reads;
mod tokens;
mod transform;
mod worker;

pub use batch::Batch;
pub use environment::Ranks;
pub use error::{Error, Result};
pub use faults::{MASKED, NO_RECORD, PADDING, REPLACED, SOUND};
pub use handle::{Loader, THREAD_NAME};
pub use options::{
    BadRecord, Cache, FieldOption, LoaderOptions, MAX_DEPTH, MAX_WORKERS, OutputField, RaggedMode,
};
pub use order::{MOST_LANES, MOST_RECORDS, Order, OrderOptions, Shuffle, Window};
pub use partition::{MOST_BATCH, MOST_WORLD, Partition, Uneven};
pub use plan_error::PlanError;
pub use source::{Judge, Source, SourceField};
pub use state::{STATE_BYTES, State};
pub use stats::LoaderStats;
pub use tokens::TokenSource;
pub use transform::{Sample, Transform};
