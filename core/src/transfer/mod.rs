//! Many tensors copied out of files at once: by several threads, converted on the way, into the
//! caller's memory, into one block, or to wherever the caller's own copies go.

mod arena;
mod cut;
mod error;
mod feed;
mod files;
mod fill;
mod item;
mod job;
mod load;
mod pack;
#[cfg(test)]
mod pack_tests;
mod plan;
mod sink;
#[cfg(test)]
mod tests;
mod threads;

pub use arena::Arena;
pub use error::{Error, Result};
#[cfg(adit_gpu)]
pub(crate) use error::{list_of, reserve};
pub use item::{Destination, Item, Output, Room};
pub use load::{LoadOptions, Loaded, MAX_ALIGN, MIN_BUDGET, Stats, Watch, load};
pub use pack::MAX_PARTS;
pub use sink::{MAX_SLOTS, MIN_SLOT_BYTES, Part, Sink, load_to_sink};
pub use threads::THREAD_NAME;
