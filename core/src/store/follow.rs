//! Reading beside a writer that may live, in this process or another.
//!
//! The writer's word on the lock file says up to where its log is published: what lies below is
//! checked as any log is, what lies behind isn't looked at. Where there is no writer, or one that
//! is still opening the store, all whole batches count; one may come at any time and overwrite what
//! lies behind the tail, so that what was read without a writer holds only if none has come
//! meanwhile.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::path::Path;
use std::sync::Arc;

use super::error::{Error, Result};
use super::format::{End, Header};
use super::live::LiveTails;
use super::lock_file::Board;
use super::log::Log;
use super::network;
use super::options::{StoreAccess, StoreOptions};
use super::recover::{Recovered, Tail, len, read_header, read_slot, recover, scan_to_stop};
use super::replay::{Counts, Indexed, catch_up};
use super::scan::{CheckValues, Scanner};
use super::store::{Inner, Mark, Shared};
use crate::map::{self, Origin, Storage, StorageFile};

/// How often a writer may come, go or compact while its log is read.
const TRIES: usize = 64;

/// Up to where a log may be looked at.
#[derive(Clone, Copy, Debug)]
struct Reach {
    limit: u64,
    board: Board,
    /// The writer has said so, and not just anybody.
    is_published: bool,
}

impl Reach {
    fn of(
        storage: &dyn Storage,
        path: &Path,
        file: &dyn StorageFile,
        origin: &Origin,
        header: &Header,
    ) -> Result<Reach> {
        // Before the board: what a writer has written that comes after is left out.
        let len = len(file, origin)?;
        let board = Board::read(storage, path, file);
        let words = board.words.filter(|words| words.uuid == header.uuid);
        let mut reach = Reach {
            limit: len,
            board,
            is_published: false,
        };
        match words {
            _ if !board.is_writer_alive || board.is_opening() => {}
            Some(words) => (reach.limit, reach.is_published) = (words.tail, true),
            // What it says can't be read.
            None => {
                let slot = read_slot(file, origin, header)?;
                reach.limit = slot.map_or(0, |slot| slot.end.tail);
            }
        }
        Ok(reach)
    }

    /// Whether the log is whole as far as it is published: it ends with `end`, behind which
    /// something stops it.
    fn check(&self, origin: &Origin, offset: u64, why: &str, end: &End) -> Result<()> {
        if !self.is_published || end.tail >= self.limit {
            return Ok(());
        }
        Err(Error::Damaged {
            origin: origin.clone(),
            offset,
            why: format!("{why}, but the writer has published more"),
            sound: end.records,
        })
    }

    /// Whether the log, which was found to end at `tail`, may have been found so because a writer
    /// came meanwhile: none where it couldn't be read.
    fn is_stale(
        &self,
        storage: &dyn Storage,
        path: &Path,
        file: &dyn StorageFile,
        tail: Option<u64>,
    ) -> bool {
        if self.board.is_writer_alive && !self.board.is_opening() {
            let is_short = self.is_published && tail.is_some_and(|tail| tail < self.limit);
            return is_short && self.is_of_an_earlier_writer(storage, path, file);
        }
        let now = Board::read(storage, path, file);
        let has_begun = now.is_writer_alive && !now.is_opening();
        has_begun || now.words != self.board.words
    }

    /// Whether what seemed to be the words of a living writer are those of one before it: it has the
    /// lock for a moment before it says anything, and after a power cut the log may end before what
    /// the last one had published.
    #[cold]
    fn is_of_an_earlier_writer(
        &self,
        storage: &dyn Storage,
        path: &Path,
        file: &dyn StorageFile,
    ) -> bool {
        let writer = |board: &Board| board.words.map(|words| (words.uuid, words.epoch));
        for _ in 0..TRIES {
            let now = Board::read(storage, path, file);
            if !now.is_writer_alive || writer(&now) != writer(&self.board) {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }
}

/// A log that was opened for reading.
pub(crate) struct Opened {
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) recovered: Recovered,
}

/// Opens the log at `path`, absolute with all links resolved, for reading.
///
/// # Errors
/// As [`recover`] and [`network::check`].
pub(crate) fn open(
    storage: &Arc<dyn Storage>,
    path: &Path,
    origin: &Origin,
    options: &StoreOptions,
) -> Result<Opened> {
    for tries_left in (0..TRIES).rev() {
        let file = storage.open(path);
        let file = file.map_err(map::Error::io("open", origin))?;
        let header = read_header(&*file, origin, false)?;
        network::check(&*file, origin, options.access)?;
        let reach = Reach::of(&**storage, path, &*file, origin, &header)?;
        let limit = Some(reach.limit);
        let recovered = recover(storage, path, &file, origin, options, limit);
        let tail = recovered.as_ref().ok();
        let tail = tail.map(|recovered| recovered.end.tail);
        let is_settled = match &recovered {
            _ if reach.is_stale(&**storage, path, &*file, tail) => false,
            // Compacted meanwhile: the index and the board may be of the log that has come.
            _ if !is_named(&**storage, path, &*file) => false,
            // The writer was at both slots, one after the other, as they were read; or both are
            // damaged.
            Ok(recovered) => {
                !reach.board.is_writer_alive || recovered.slot.is_some() || tries_left == 0
            }
            Err(_) => true,
        };
        if is_settled {
            let recovered = recovered?;
            reach.check(
                origin,
                recovered.end.tail,
                "no valid record",
                &recovered.end,
            )?;
            return Ok(Opened { file, recovered });
        }
    }
    Err(Error::Busy {
        origin: origin.clone(),
        why: "writers come, go or compact it again and again".to_owned(),
    })
}

/// Brings a handle that was opened for reading up to what is published now.
///
/// # Errors
/// [`Error::Damaged`]; those of opening the log that a compaction has left; the system's. What was
/// seen before is seen still.
pub(crate) fn refresh(inner: &Inner) -> Result<()> {
    // One at a time.
    let mut reader = inner.lock_writer();
    let (log, index, live_tails, from) = {
        let shared = inner.lock_shared();
        let (log, live_tails) = (Arc::clone(&shared.log), Arc::clone(&shared.live_tails));
        (log, shared.index.clone(), live_tails, shared.published)
    };
    let (storage, path) = (&inner.storage, &*inner.path);
    let news = news(&**storage, path, &log, from.end);
    // After that: what the log that has come by then says counts.
    if reader.busy.is_some() || !is_named(&**storage, path, &*log.file) {
        reopen(inner)?;
        reader.busy = None;
        return Ok(());
    }
    let Some(tail) = news? else {
        return Ok(());
    };
    let indexed = Indexed {
        index,
        counts: Counts {
            live: from.live,
            live_bytes: from.live_bytes,
        },
        end: from.end,
    };
    let seen = (from.end.tail, &*live_tails);
    match catch_up(storage, path, &log, &tail, &inner.options, indexed, seen) {
        Ok(indexed) => publish(&mut inner.lock_shared(), indexed),
        Err(error) => {
            log::warn!("{}: its index is made anew: {error}", inner.origin);
            reader.busy = Some("its index isn't whole");
            reopen(inner)?;
            reader.busy = None;
        }
    }
    Ok(())
}

/// Goes on with what stands at the path now.
fn reopen(inner: &Inner) -> Result<()> {
    let (origin, options) = (&inner.origin, &inner.options);
    let Opened { file, recovered } = open(&inner.storage, &inner.path, origin, options)?;
    let is_mapped = options.access != StoreAccess::Exclusive;
    let (header, reservation) = (recovered.header, options.reservation);
    let log = Log::new(file, origin.clone(), header, is_mapped, reservation);
    let indexed = Indexed {
        index: recovered.index,
        counts: Counts {
            live: recovered.live,
            live_bytes: recovered.live_bytes,
        },
        end: recovered.end,
    };
    let mut shared = inner.lock_shared();
    shared.log = Arc::new(log);
    shared.live_tails = Arc::new(LiveTails::new());
    publish(&mut shared, indexed);
    Ok(())
}

fn publish(shared: &mut Shared, indexed: Indexed) {
    let mark = Mark {
        sequence: shared.published.sequence,
        end: indexed.end,
        live: indexed.counts.live,
        live_bytes: indexed.counts.live_bytes,
    };
    shared.index = indexed.index;
    (shared.published, shared.appended) = (mark, mark);
}

/// Whether a file still has its name.
pub(crate) fn is_named(storage: &dyn Storage, path: &Path, file: &dyn StorageFile) -> bool {
    if !storage.is_shared() {
        return true;
    }
    match (storage.info(path), file.info()) {
        (Ok(named), Ok(own)) => named.id == own.id,
        // Removed, or out of reach: it is the newest that there is.
        _ => true,
    }
}

/// What there is in the log behind `from`, whole batches that are published, if anything: none
/// where there is nothing.
///
/// # Errors
/// [`Error::Damaged`] where the log isn't whole as far as it is published; the system's.
pub(crate) fn news(
    storage: &dyn Storage,
    path: &Path,
    log: &Log,
    from: End,
) -> Result<Option<Tail>> {
    let (file, origin, header) = (&*log.file, &log.origin, &log.header);
    for _ in 0..TRIES {
        let reach = Reach::of(storage, path, file, origin, header)?;
        if reach.limit <= from.tail {
            return Ok(None);
        }
        let mut scanner = Scanner::new(file, origin, header, from, reach.limit, CheckValues::Yes);
        let stop = scan_to_stop(&mut scanner);
        let end = scanner.end();
        let tail = stop.is_ok().then_some(end.tail);
        if reach.is_stale(storage, path, file, tail) {
            continue;
        }
        let stop = stop?;
        reach.check(origin, stop.offset, stop.why, &end)?;
        return Ok((end.tail > from.tail).then_some(Tail {
            header: *header,
            slot: None,
            end,
            durable: from.tail,
            torn_bytes: 0,
        }));
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
