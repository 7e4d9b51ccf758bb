//! The index of a log, made ready: the index file where it fits, and what came since.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod run;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::run::Run;
use super::delta::Delta;
use super::error::{Error, Result};
use super::format::{End, Header, Slot};
use super::growth::{FEW_SLOTS, delta, slots_in};
use super::index::{Base, Found, IndexSet};
use super::live::LiveTails;
use super::log::{Log, Record, View};
use super::options::{StoreAccess, StoreOptions};
#[cfg(any(test, feature = "sim"))]
use super::planted::Bug;
use super::recover::{Tail, beside, read_page};
use super::scan::{CheckValues, Scanner, Step};
use crate::map::{Origin, Storage};

/// What becomes of a delta that is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merges {
    /// It goes to the index file: all of the log below the tail is durable.
    ToFile,
    /// It stays in memory: nothing may be written.
    OnHeap,
}

/// Live keys, and the bytes of the records that hold them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) live: u64,
    pub(crate) live_bytes: u64,
}

impl Counts {
    /// A record of a key comes, `before` is the newest one so far.
    pub(crate) fn apply(&mut self, before: Option<&Found>, record: &Record) {
        if let Some(before) = before.filter(|before| !before.is_deleted) {
            self.live = self.live.saturating_sub(1);
            self.live_bytes = self.live_bytes.saturating_sub(before.record.bytes());
        }
        if record.head.kind.has_value() {
            self.live = self.live.saturating_add(1);
            self.live_bytes = self.live_bytes.saturating_add(record.bytes());
        }
    }

    fn are_of(&self, slot: &Slot) -> bool {
        (self.live, self.live_bytes) == (slot.live, slot.live_bytes)
    }
}

/// An index that is ready.
pub(crate) struct Replayed {
    pub(crate) index: IndexSet,
    pub(crate) counts: Counts,
    /// Records that the index file didn't have.
    pub(crate) records: u64,
    /// There was no index file that fits, and there is more than nothing to have in one.
    pub(crate) rebuilt: bool,
}

/// Makes the index of the log as far as its tail.
///
/// # Errors
/// [`Error::Damaged`] below the tail; the system's.
pub(crate) fn replay(
    storage: &Arc<dyn Storage>,
    path: &Path,
    log: &Log,
    tail: &Tail,
    options: &StoreOptions,
    merges: Merges,
) -> Result<Replayed> {
    let job = Job::new(storage, path, log, tail, options, merges)?;
    if let Some(base) = job.fitting_base()? {
        match job.run(base, false) {
            Ok(Some(replayed)) => return Ok(replayed),
            Ok(None) => {}
            Err(error @ (Error::Index { .. } | Error::Record { .. } | Error::Damaged { .. })) => {
                log::warn!("the index is built again: {error}");
            }
            Err(error) => return Err(error),
        }
    }
    job.run_from_start()
}

/// As [`replay`], whatever index file there is: it was found to be wrong.
///
/// # Errors
/// As [`replay`].
pub(crate) fn rebuild(
    storage: &Arc<dyn Storage>,
    path: &Path,
    log: &Log,
    end: End,
    options: &StoreOptions,
    merges: Merges,
) -> Result<Replayed> {
    let tail = Tail {
        header: log.header,
        slot: None,
        end,
        durable: end.tail,
        torn_bytes: 0,
    };
    Job::new(storage, path, log, &tail, options, merges)?.run_from_start()
}

/// An index that is in use, and how far it goes.
pub(crate) struct Indexed {
    pub(crate) index: IndexSet,
    pub(crate) counts: Counts,
    pub(crate) end: End,
}

/// Brings an index in use as far as the log's tail. After an error it must not be used for new
/// snapshots any more. `published` is the tail of the newest snapshots.
///
/// # Errors
/// As [`replay`].
pub(crate) fn catch_up(
    storage: &Arc<dyn Storage>,
    path: &Path,
    log: &Log,
    tail: &Tail,
    options: &StoreOptions,
    indexed: Indexed,
    seen: (u64, &LiveTails),
) -> Result<Indexed> {
    let job = Job::new(storage, path, log, tail, options, Merges::OnHeap)?;
    let mut run = Run::new(&job, indexed, seen)?;
    job.replay_to_tail(&mut run, None)?;
    Ok(Indexed {
        index: run.index,
        counts: run.counts,
        end: run.applied,
    })
}

struct Job<'a> {
    storage: &'a Arc<dyn Storage>,
    index_path: PathBuf,
    view: View,
    log: &'a Log,
    tail: &'a Tail,
    options: &'a StoreOptions,
    merges: Merges,
}

impl<'a> Job<'a> {
    fn new(
        storage: &'a Arc<dyn Storage>,
        path: &Path,
        log: &'a Log,
        tail: &'a Tail,
        options: &'a StoreOptions,
        merges: Merges,
    ) -> Result<Job<'a>> {
        Ok(Job {
            storage,
            index_path: beside(path, ".idx"),
            view: log.view(tail.end.tail)?,
            log,
            tail,
            options,
            merges,
        })
    }

    fn run_from_start(&self) -> Result<Replayed> {
        let start = End::start(&self.tail.header);
        let empty = Base::empty(Origin::Path(self.index_path.clone()), &start);
        let rebuilt = self.run(empty, true)?;
        // Only an index that was given is ever refused.
        rebuilt.ok_or_else(|| Error::out_of_memory(&self.log.origin, 0))
    }

    /// The index file, where it is one of this log as it is.
    fn fitting_base(&self) -> Result<Option<Base>> {
        let on_heap = self.options.access == StoreAccess::Exclusive;
        let mut header = self.log.header;
        let trusting = self.trusts_any_index();
        let mut len = self.tail.end.tail;
        if trusting {
            header = self.whatever_index_header(header);
            len = u64::MAX;
        }
        let base = Base::open(self.storage, &self.index_path, &header, len, on_heap)?;
        let Some(base) = base.filter(|base| trusting || self.fits(base.covered())) else {
            return Ok(None);
        };
        Ok(Some(base))
    }

    fn fits(&self, covered: &End) -> bool {
        let fits = match covered.last {
            0 => *covered == End::start(&self.log.header),
            last => {
                covered.tail <= self.tail.end.tail
                    && self.view.record(last).is_ok_and(|record| {
                        record.head.chain == covered.chain && record.extent.end == covered.tail
                    })
            }
        };
        if !fits {
            let path = self.index_path.display();
            log::info!(
                "'{path}' is of another state of {}: it is built again",
                self.log.origin
            );
        }
        fits
    }

    /// None where the counts show that `base` isn't the index that it says it is.
    fn run(&self, base: Base, is_rebuilt: bool) -> Result<Option<Replayed>> {
        let from = *base.covered();
        let indexed = Indexed {
            counts: Counts {
                live: base.live(),
                live_bytes: base.live_bytes(),
            },
            end: from,
            index: IndexSet {
                base: Arc::new(base),
                frozen: None,
                active: self.first_delta()?,
            },
        };
        // Nobody looks yet.
        let unseen = LiveTails::new();
        let mut run = Run::new(self, indexed, (u64::MAX, &unseen))?;
        let mut slot = self.tail.slot.filter(|slot| slot.end.tail >= from.tail);
        if self.trusts_any_index() {
            slot = None;
        }
        if !self.replay_to_tail(&mut run, slot)? {
            if !is_rebuilt {
                log::warn!("'{}' is wrong: built again", self.index_path.display());
                return Ok(None);
            }
            let origin = &self.log.origin;
            log::warn!("a checkpoint of {origin} counts other keys than there are");
        }
        let at = run.applied;
        Ok(Some(Replayed {
            index: run.index,
            counts: run.counts,
            records: at.records.saturating_sub(from.records),
            rebuilt: is_rebuilt && at.records > 0,
        }))
    }

    /// Whether a checkpoint on the way counts the keys that there are.
    fn replay_to_tail(&self, run: &mut Run<'_>, mut slot: Option<Slot>) -> Result<bool> {
        let (origin, header) = (&self.log.origin, &self.log.header);
        let (from, end) = (run.applied, self.tail.end);
        let file = &*self.log.file;
        let mut agrees = true;
        let mut scanner = Scanner::new(file, origin, header, from, end.tail, CheckValues::No);
        #[cfg(any(test, feature = "sim"))]
        scanner.plant(self.options.planted);
        let stop = loop {
            if let Some(checkpoint) = slot.filter(|slot| scanner.position().tail >= slot.end.tail) {
                slot = None;
                run.apply_soon()?;
                agrees = run.counts.are_of(&checkpoint);
            }
            match scanner.next()? {
                Step::Record(record, _) => run.take(record)?,
                Step::BatchEnd(_) => {}
                Step::Stop(stop) => break stop,
            }
        };
        run.apply_soon()?;
        let at = run.applied;
        if from.tail < end.tail && (at.tail, at.last, at.chain) != (end.tail, end.last, end.chain) {
            return Err(Error::Damaged {
                origin: origin.clone(),
                offset: stop.offset,
                why: stop.why.to_owned(),
                sound: at.records,
            });
        }
        Ok(agrees)
    }

    fn first_delta(&self) -> Result<Arc<Delta>> {
        // A delta takes six of ten slots.
        let wanted = self.options.expected_keys.saturating_mul(2);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let most = slots_in(self.options.index_memory());
        delta(wanted.max(FEW_SLOTS).min(most), &self.log.origin)
    }

    #[cfg(any(test, feature = "sim"))]
    fn trusts_any_index(&self) -> bool {
        self.options.planted == Some(Bug::StaleIndex)
    }

    #[cfg(not(any(test, feature = "sim")))]
    fn trusts_any_index(&self) -> bool {
        false
    }

    /// For the planted bug: the header that the index file asks for.
    fn whatever_index_header(&self, header: Header) -> Header {
        let origin = Origin::Path(self.index_path.clone());
        let file = self.storage.open(&self.index_path);
        let page = file.ok().and_then(|file| read_page(&*file, &origin).ok());
        let uuid = page.and_then(|(page, _)| page.get(24..)?.first_chunk::<16>().copied());
        Header {
            uuid: uuid.unwrap_or(header.uuid),
            ..header
        }
    }
}
