//! Compaction: what is live, in its order, in a new log that takes the old one's name.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::compact_copy::{Copied, Copy};
use super::error::{Error, Result};
use super::format::{End, Header, Slot};
use super::live::LiveTails;
use super::log::Log;
use super::new_log::NewLog;
use super::snapshot::{Seen, Through};
use super::store::{Counters, Inner, Mark, Store};
use crate::map::{self, Progress, random_bytes};

/// While writes go on, what they have added is copied this often at most without holding them up.
const ROUNDS: usize = 8;
/// What is copied while they wait, if it doesn't become less.
const LITTLE: u64 = 1 << 20;

const BUSY: &str = "a compaction is under way";

impl Store {
    /// Writes what is live to a new file, in the order of the log, which then takes the place of the
    /// old one, at once. Reading and writing go on meanwhile; snapshots keep the old file, and
    /// everybody else goes on with the new one. `progress` is told bytes of the old log. What fails
    /// or is cancelled leaves the store as it was.
    ///
    /// # Errors
    /// [`Error::Busy`] for another compaction, or a stream; [`Error::ReadOnly`],
    /// [`Error::Poisoned`], [`Error::Forked`], [`Error::Cancelled`]; [`Error::Damaged`] and
    /// [`Error::Record`], which is never left behind; [`map::Error::Exists`] where another file
    /// stands at the path; the system's. After [`map::Error::NotDurable`] the new file has taken the
    /// place, but the store can't be written any more.
    pub fn compact(&self, progress: Option<Progress<'_>>) -> Result<()> {
        let inner = &self.inner;
        let _alone = Alone::begin(inner)?;
        let mut go_on = |_, _| true;
        let progress = progress.unwrap_or(&mut go_on);
        let (mut copy, mut from) = begin(inner, progress)?;
        for number in 0..ROUNDS {
            let seen = Seen::mended(inner, Through::Map)?;
            let to = seen.mark.end;
            if number > 0 && to.tail.saturating_sub(from.tail) < LITTLE {
                break;
            }
            copy.round(from, &seen)?;
            from = to;
            // The last sync, which others wait for, has little to do then.
            copy.sync()?;
        }
        finish(inner, copy, from)
    }
}

/// The right to compact.
struct Alone<'a>(&'a AtomicBool);

impl<'a> Alone<'a> {
    fn begin(inner: &'a Inner) -> Result<Alone<'a>> {
        // Streams begin with this lock held.
        let _writer = inner.begin_write()?;
        if inner.is_compacting.swap(true, Ordering::AcqRel) {
            return Err(busy(inner));
        }
        Ok(Alone(&inner.is_compacting))
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn busy(inner: &Inner) -> Error {
    Error::Busy {
        origin: inner.origin.clone(),
        why: BUSY.to_owned(),
    }
}

impl Inner {
    /// For what can't go on beside a compaction, with the writer's lock held.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub(super) fn check_not_compacting(&self) -> Result<()> {
        match self.is_compacting.load(Ordering::Acquire) {
            true => Err(busy(self)),
            false => Ok(()),
        }
    }
}

fn begin<'a>(inner: &'a Inner, progress: Progress<'a>) -> Result<(Copy<'a>, End)> {
    let old = inner.header();
    let header = Header {
        uuid: random_bytes(),
        ..old
    };
    let log = NewLog::create(&inner.storage, &inner.path, header, true)?;
    let copy = Copy::new(inner, log, header, progress)?;
    Ok((copy, End::start(&old)))
}

/// Copies what is left while nobody writes, and lets the new log take the place.
fn finish(inner: &Inner, mut copy: Copy<'_>, from: End) -> Result<()> {
    let mut writer = inner.begin_write()?;
    inner.merger.wait();
    let (published, appended) = {
        let shared = inner.lock_shared();
        (shared.published, shared.appended)
    };
    if published != appended {
        // Commits that wait for a sync.
        inner.checkpoint()?;
    }
    let seen = Seen::new(inner, Through::Map)?;
    copy.round(from, &seen)?;
    let sequence = seen.mark.sequence;
    drop(seen);
    let token = inner.syncs.take();
    inner.syncs.check(&inner.origin)?;
    let old = Arc::clone(&inner.lock_shared().log);
    let Copied {
        mut log,
        made,
        index,
        index_file,
        counts,
    } = copy.finish()?;
    let end = log.seal(counts.live, counts.live_bytes)?;
    check_name(inner, &old)?;
    let lock = inner.lock.lock();
    let lock = lock.unwrap_or_else(std::sync::PoisonError::into_inner);
    let log_lock = match &*lock {
        Some(lock) => Some(lock.lock_log(&inner.storage, log.temporary(), &*made.file)?),
        None => None,
    };
    let not_durable = match log.publish_sealed() {
        Ok(()) => None,
        Err(error @ Error::Map(map::Error::NotDurable { .. })) => Some(error),
        Err(error) => {
            // A rename that failed may have been done all the same.
            if check_name(inner, &old).is_err() {
                let why = format!("it can't be told which file stands at its path ({error})");
                inner.syncs.poison(why);
            }
            return Err(error);
        }
    };
    let mark = Mark {
        sequence,
        end,
        live: counts.live,
        live_bytes: counts.live_bytes,
    };
    token.set_slot(Slot {
        sequence: 1,
        end,
        live: counts.live,
        live_bytes: counts.live_bytes,
    });
    token.set_durable(&mark);
    let uuid = made.header.uuid;
    {
        let mut shared = inner.lock_shared();
        shared.log = made;
        shared.index = index;
        shared.live_tails = Arc::new(LiveTails::new());
        (shared.published, shared.appended) = (mark, mark);
    }
    writer.view = None;
    writer.has_epoch = false;
    if let Some(lock) = &*lock {
        lock.keep(log_lock.unwrap_or_default());
        lock.publish(uuid, end.tail);
    }
    if let Some(file) = index_file {
        file.give_name(&inner.index_path());
    }
    Counters::count(&inner.counters.compactions);
    match not_durable {
        None => Ok(()),
        Some(error) => {
            // A crash may bring the old log back, without what would be written now.
            inner
                .syncs
                .poison(format!("a compaction can't be made durable ({error})"));
            Err(error)
        }
    }
}

/// Whether the old log still has its name: another file that has it is somebody else's.
fn check_name(inner: &Inner, old: &Log) -> Result<()> {
    let origin = &inner.origin;
    let named = named(inner, &inner.path).map_err(map::Error::io("find", origin))?;
    let own = old.file.info().map_err(map::Error::io("look at", origin))?;
    if named == own.id {
        return Ok(());
    }
    let origin = origin.clone();
    Err(map::Error::Exists { origin }.into())
}

fn named(inner: &Inner, path: &Path) -> io::Result<Option<map::FileId>> {
    Ok(inner.storage.info(path)?.id)
}
