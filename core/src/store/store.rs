//! An open store: what is shared by its threads.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::{Error, Result};
use super::format::{End, Header};
use super::index::IndexSet;
use super::live::LiveTails;
use super::lock_file::LockFile;
use super::log::{Log, View};
use super::merge::Merger;
use super::options::StoreOptions;
use super::syncs::Syncs;
use crate::map::{self, Origin, Owner, Storage};

/// An open store. All methods may be called by any threads at the same time.
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

/// Locks are taken in this order: `writer`, `merger`, the token of `syncs`, `lock`, `shared`.
pub(crate) struct Inner {
    pub(crate) storage: Arc<dyn Storage>,
    /// Absolute, links resolved.
    pub(crate) path: PathBuf,
    /// As the caller gave it.
    pub(crate) origin: Origin,
    pub(crate) options: StoreOptions,
    pub(crate) owner: Owner,
    pub(crate) is_writable: bool,
    /// Until the store is closed.
    pub(crate) lock: Mutex<Option<LockFile>>,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) merger: Merger,
    pub(crate) syncs: Syncs,
    pub(crate) shared: Mutex<Shared>,
    pub(crate) is_compacting: AtomicBool,
    pub(crate) counters: Counters,
}

/// The state after some whole batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Commits of this handle.
    pub(crate) sequence: u64,
    pub(crate) end: End,
    pub(crate) live: u64,
    /// Bytes of the records that hold live keys, gaps included.
    pub(crate) live_bytes: u64,
}

/// What a snapshot needs, under a lock that is never held over I/O.
pub(crate) struct Shared {
    /// Changes with the writer's lock and the token of `syncs` held too.
    pub(crate) log: Arc<Log>,
    pub(crate) index: IndexSet,
    /// The tails of the snapshots of this log that live: added under this lock.
    pub(crate) live_tails: Arc<LiveTails>,
    /// What new snapshots see.
    pub(crate) published: Mark,
    /// What has been written, and is in the index: at `published` or behind it. Changes with the
    /// writer's lock held too.
    pub(crate) appended: Mark,
}

/// Whoever holds this may append.
pub(crate) struct Writer {
    /// The store was closed.
    pub(crate) is_closed: bool,
    /// This handle has written its epoch to this log.
    pub(crate) has_epoch: bool,
    /// What is under way that keeps others from appending.
    pub(crate) busy: Option<&'static str>,
    /// Of the log, for looking up what is replaced.
    pub(crate) view: Option<View>,
}

/// What stats tell, counted where it happens.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) merges: AtomicU64,
    pub(crate) compactions: AtomicU64,
    /// Snapshots that live: of all logs.
    pub(crate) snapshots: Arc<AtomicU64>,
    /// Behind the tail when the store was opened.
    pub(crate) torn_bytes: AtomicU64,
    /// Records that the index file didn't have when the store was opened.
    pub(crate) replayed: AtomicU64,
    /// The index was built anew when the store was opened.
    pub(crate) rebuilt_index: AtomicBool,
}

impl Counters {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Inner {
    pub(crate) fn lock_shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer's lock, whatever state it is in.
    pub(crate) fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to append, where nothing is in the way.
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::ReadOnly`], [`Error::Poisoned`], [`Error::Busy`],
    /// [`map::Error::Closed`].
    pub(crate) fn begin_write(&self) -> Result<MutexGuard<'_, Writer>> {
        self.check_writable()?;
        let writer = self.lock_writer();
        self.syncs.check(&self.origin)?;
        let origin = || self.origin.clone();
        if writer.is_closed {
            return Err(Error::Map(map::Error::Closed {
                origin: origin(),
                why: "been closed",
            }));
        }
        match writer.busy {
            None => Ok(writer),
            Some(why) => Err(Error::Busy {
                origin: origin(),
                why: why.to_owned(),
            }),
        }
    }

    /// # Errors
    /// [`Error::Forked`], [`Error::ReadOnly`].
    pub(crate) fn check_writable(&self) -> Result<()> {
        self.check_process()?;
        if self.is_writable {
            return Ok(());
        }
        let origin = self.origin.clone();
        Err(Error::ReadOnly { origin })
    }

    pub(crate) fn header(&self) -> Header {
        self.lock_shared().log.header
    }

    /// Before any lock: one that another thread held at the fork is never given back.
    pub(crate) fn check_process(&self) -> Result<()> {
        if self.owner.is_this_process() {
            return Ok(());
        }
        let origin = self.origin.clone();
        Err(Error::Forked { origin })
    }

    /// Lets new snapshots, and readers in other processes, see all up to `mark`.
    pub(crate) fn publish(&self, mark: &Mark) {
        // First: what others are told never goes back.
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let uuid = {
            let mut shared = self.lock_shared();
            if shared.published.end.tail > mark.end.tail {
                return;
            }
            shared.published = *mark;
            shared.log.header.uuid
        };
        if let Some(lock) = &*lock {
            lock.publish(uuid, mark.end.tail);
        }
    }
}

impl Store {
    /// The absolute path, links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store('{}')", self.inner.path.display())
    }
}
