//! Loader: batches for training
//!
//! A loader gives the records of a reader, or windows of tokens, in batches, in a shuffled order, to
//! one of many ranks, and knows how to go on where a run was interrupted. It fills batches ahead of
//! their use, with threads of its own, into memory that it reuses; a batch is a handle whose tensors
//! point into that memory.
//!
//! Steps. options->batch is the *global* batch: the records of one step over all ranks. Step k of an
//! epoch is the positions from k x batch on in the epoch's order, and rank r of `world` takes its own
//! share of them, from r x batch / world on; so what a step trains on doesn't depend on the number of
//! ranks. Where batch isn't a multiple of world, shares differ by one row. A last step that isn't full
//! is dropped, filled up with records from the epoch's start, or kept short, as options->uneven says;
//! a batch has as many rows in every step, and adit_batch_info.valid says how many of them count. Every
//! rank makes the same number of steps: nobody waits for ever in an Allreduce.
//!
//! Order. ADIT_ORDER_SHUFFLED is a pure function of seed, epoch, the set, and the options: it takes no
//! memory, and is the same on every machine, whatever world, workers and depth are. The set is cut into
//! blocks of options->block records; the blocks' order is shuffled, and then the records within
//! windows of options->window blocks: 0, the whole set, mixes best; a smaller window reads the file in
//! stretches, which is what makes a set larger than memory fast on a disk, and ADIT_CACHE_DROP
//! possible. docs/loader.md says how well each mixes. options->canonical_nodes cuts the blocks into as
//! many lanes, so that each of as many nodes reads windows of its own; it is part of the order: keep
//! it when the number of nodes changes. ADIT_ORDER_SEQUENTIAL is the records as they are.
//!
//! Epochs. adit_loader_next answers ADIT_END once when the epoch's last step has been delivered; the
//! call after it begins the next epoch, in another order. adit_loader_set_epoch goes to the start of
//! any.
//!
//! Resume. adit_loader_state_save writes at most ADIT_LOADER_STATE_BYTES bytes: the set's identity, the
//! order's options, epoch, and the steps *delivered* by adit_loader_next, not those filled ahead. Save it
//! with the model that these steps have made. adit_loader_state_load, on a loader of the same set and
//! order, goes to the step after them: exactly the batches follow that would have, also with another
//! world, rank, other workers, fields or depth. It is the same in every rank: one may save it for all.
//!
//! Held batches. A batch is its own until adit_batch_release, whatever happens to the loader: its
//! memory isn't reused, and outlives adit_loader_close. options->max_held batches may be out at a time;
//! the next adit_loader_next is then ADIT_ERR_BUSY.
//!
//! Memory. A loader has memory for `depth` batches, those held among them, aligned to 4096 bytes, from
//! options->allocator where there is one (pinned memory, say); options->memory_budget caps it: depth is
//! made less to fit, and where not even max_held batches and one to fill fit, opening is
//! ADIT_ERR_OUT_OF_RANGE. Ragged fields make a batch's memory grow up to its largest.
//!
//! Threads. options->workers threads called "adit-loader" read, convert and call options->transform;
//! with ADIT_LOADER_NO_THREADS there are none, and adit_loader_next does the work. Calls on a loader
//! need the caller's exclusion; batches may be read, and released, on any threads. adit_loader_close
//! stops the threads at any time; it waits for the batch that each reads, with a transform for the
//! records that it reads together.
//!
//! Forks. In a child every call on an inherited loader but adit_loader_steps is ADIT_ERR_FORKED; closing
//! it, and releasing inherited batches, is right there. Open a loader after forking.
//!
//! Bad records. A record that is damaged, can't be read, or fails its checksum never makes a batch
//! short. As options->bad_record says, adit_loader_next fails and tells its number (the step counts as
//! not delivered, and the same call tries it again), or another record of the set takes its place,
//! or zeros do; adit_batch_flags tells which rows these are.
//!
//! Cache. Batches are announced to the system in coalesced ranges before they are read, by pread by
//! default, so that a file that is cut is ADIT_ERR_TRUNCATED and not SIGBUS. ADIT_IO_MAP copies from
//! the map: fastest for what is in memory. ADIT_IO_DIRECT reads past the page cache. With
//! ADIT_CACHE_DROP the pages of each window are let go when it is done, so that an epoch larger than
//! memory pushes nothing else out; it needs windows of a few blocks, and a file system that lets go of
//! pages; other processes that have the file mapped keep them.

mod batch;
mod fields;
mod next;
mod open;
mod options;
mod state;
mod transform;

use adit_core::loader::Loader;

use crate::boundary::{Handle, Opaque};

/// A loader.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_loader(Handle<Loader>);

// SAFETY: repr(transparent) over Handle<Loader>.
unsafe impl Opaque for adit_loader {
    type Value = Loader;
    const PARAMETER: &'static str = "loader";
}
