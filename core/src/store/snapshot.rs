//! The store as it was after one write, for as long as somebody looks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{Error, Result};
use super::follow;
use super::format::Header;
use super::index::{Found, IndexSet};
use super::kept::Kept;
use super::live::LiveTails;
use super::log::{Log, View};
use super::options::ValueCheck;
use super::store::{Inner, Mark, Store};
use super::touched::Touched;
use crate::map::Owner;

/// The store as it was when this was taken. What it lends stays where it is and what it is as long
/// as it lives: through writes, growth, deletion, compaction and the close of the store.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) seen: Arc<Seen>,
    /// What was read, where the log isn't mapped.
    pub(super) kept: Kept,
}

/// What snapshots and their iterators look into.
pub(super) struct Seen {
    pub(super) view: View,
    pub(super) index: IndexSet,
    pub(super) header: Header,
    pub(super) mark: Mark,
    pub(super) check: ValueCheck,
    /// Where values are checked once.
    pub(super) touched: Option<Arc<Touched>>,
    _lives: Lives,
}

/// Keeps the versions that a snapshot sees in the index.
struct Lives {
    tails: Arc<LiveTails>,
    tail: u64,
    count: Arc<AtomicU64>,
    owner: Owner,
}

impl Drop for Lives {
    fn drop(&mut self) {
        // A child's copy has no writer that cares, and a lock that another thread may have held.
        if self.owner.is_this_process() {
            self.tails.remove(self.tail);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// How the log is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Through {
    /// A map, where the log has one.
    Map,
    /// System calls: of a file that was cut they are errors, not faults.
    File,
}

impl Seen {
    pub(super) fn new(inner: &Inner, through: Through) -> Result<Seen> {
        inner.check_process()?;
        if !inner.is_writable {
            follow::refresh(inner)?;
        }
        let (log, index, mark, lives) = {
            let shared = inner.lock_shared();
            let tails = Arc::clone(&shared.live_tails);
            let mark = shared.published;
            if !tails.add(mark.end.tail) {
                return Err(Error::out_of_memory(&inner.origin, 0));
            }
            let count = Arc::clone(&inner.counters.snapshots);
            count.fetch_add(1, Ordering::Relaxed);
            let lives = Lives {
                tails,
                tail: mark.end.tail,
                count,
                owner: inner.owner,
            };
            let log: Arc<Log> = Arc::clone(&shared.log);
            (log, shared.index.clone(), mark, lives)
        };
        let check = inner.options.check;
        let touched = match check {
            ValueCheck::FirstTouch => log.touched(),
            ValueCheck::Never | ValueCheck::Always => None,
        };
        Ok(Seen {
            view: match through {
                Through::Map => log.view(mark.end.tail)?,
                Through::File => log.unmapped_view(mark.end.tail),
            },
            index,
            header: log.header,
            mark,
            check,
            touched,
            _lives: lives,
        })
    }

    /// As [`Seen::new`], with an index in which nothing wrong was found so far. Without the writer's
    /// lock held.
    pub(super) fn mended(inner: &Inner, through: Through) -> Result<Seen> {
        inner.check_process()?;
        inner.mend_index();
        Seen::new(inner, through)
    }

    /// The record that a key has its value from.
    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Result<Option<Found>> {
        let found = self.index.find(&self.view, self.header.hash(key), key)?;
        Ok(found.filter(|found| !found.is_deleted))
    }
}

impl Store {
    /// What is published now: what is durable, or with [`super::SyncPolicy::Explicit`] and
    /// [`super::SyncPolicy::None`] all that was written. Never a part of a batch.
    ///
    /// # Errors
    /// Out of memory or address space; [`Error::Forked`].
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot {
            seen: Arc::new(Seen::mended(&self.inner, Through::Map)?),
            kept: Kept::new(),
        })
    }
}

impl Snapshot {
    /// The keys that are there.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.seen.mark.live
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last commit of the store's handle that it shows.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.seen.mark.sequence
    }

    /// Whether a key is there. Its value isn't looked at.
    ///
    /// # Errors
    /// [`Error::Record`] and [`Error::Index`] for what is damaged; where the log isn't mapped, the
    /// system's.
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        Ok(self.seen.find(key)?.is_some())
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} up to {}", self.view.origin(), self.view.tail)
    }
}
