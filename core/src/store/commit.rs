//! Writes: appended at the tail, entered in the index, made durable by policy, then published.

use std::sync::{Arc, MutexGuard};

use super::batch::{Batch, Entry, region, seal, zeros};
use super::error::{Error, Result};
use super::format::{End, HEAD, Head, MAX_LOG, RecordType, UNIT, durable_distance, put};
use super::index::{self, IndexSet};
use super::live::LiveTails;
use super::log::{Log, View};
use super::options::SyncPolicy;
use super::planted::Bug;
use super::store::{Counters, Inner, Mark, Store, Writer};
use crate::dtype::DType;
use crate::map::{self, Region, random_bytes};
use crate::tensor::Shape;

/// Keys whose places in the index are fetched ahead.
const AHEAD: usize = 12;

impl Store {
    /// Writes a batch and returns its sequence number: 1 for the first commit of this handle. An
    /// empty batch writes nothing and returns the latest. The batch stays as it is, and can be
    /// written again.
    ///
    /// # Errors
    /// The system's, which leaves the store as it was; [`Error::Busy`] while a stream or a
    /// compaction has the store; [`Error::ReadOnly`], [`Error::Poisoned`], [`Error::Forked`].
    pub fn write(&self, batch: &mut Batch) -> Result<u64> {
        self.inner.commit(batch)
    }

    /// Gives a key a value.
    ///
    /// # Errors
    /// As [`Store::write`] and [`Batch::put`].
    pub fn put(&self, key: &[u8], value: Region<'_>) -> Result<u64> {
        self.inner.check_writable()?;
        self.inner.commit(&mut Batch::of_put(key, value)?)
    }

    /// Gives a key a tensor: its elements in C order.
    ///
    /// # Errors
    /// As [`Store::write`] and [`Batch::put_tensor`].
    pub fn put_tensor(
        &self,
        key: &[u8],
        dtype: DType,
        shape: &Shape,
        elements: Region<'_>,
    ) -> Result<u64> {
        self.inner.check_writable()?;
        let mut batch = Batch::of_tensor(key, dtype, shape, elements)?;
        self.inner.commit(&mut batch)
    }

    /// Takes a key away, whether it is there or not.
    ///
    /// # Errors
    /// As [`Store::write`] and [`Batch::delete`].
    pub fn delete(&self, key: &[u8]) -> Result<u64> {
        self.inner.check_writable()?;
        let mut batch = Batch::new();
        batch.delete(key)?;
        self.inner.commit(&mut batch)
    }

    /// Makes all commits up to a sequence number durable, and visible where they weren't; 0 for all
    /// so far.
    ///
    /// # Errors
    /// As [`Store::write`]; after a failed sync the store can't be written any more.
    pub fn sync(&self, sequence: u64) -> Result<()> {
        self.inner.check_writable()?;
        self.inner.syncs.check(&self.inner.origin)?;
        let last = self.inner.lock_shared().appended.sequence;
        let wanted = match sequence {
            0 => last,
            sequence => sequence.min(last),
        };
        self.inner.sync_to(wanted)
    }
}

/// What is appended behind, and looked up in.
pub(super) struct Place {
    pub(super) log: Arc<Log>,
    pub(super) index: IndexSet,
    pub(super) live_tails: Arc<LiveTails>,
    pub(super) appended: Mark,
    pub(super) published: u64,
}

impl Inner {
    fn commit(self: &Arc<Inner>, batch: &mut Batch) -> Result<u64> {
        self.check_writable()?;
        // The hashes are the same in all logs of a store.
        batch.hash_keys(&self.header());
        let mut writer = self.begin_write()?;
        if batch.is_empty() {
            return Ok(self.lock_shared().appended.sequence);
        }
        self.make_room(batch.len())?;
        let mut place = self.place();
        let mut appended = self.append(&mut writer, &place, batch, None);
        // Found before anything was written.
        if let Err(error @ Error::Index { .. }) = &appended {
            log::warn!("the index is built again: {error}");
            self.rebuild_index()?;
            self.make_room(batch.len())?;
            place = self.place();
            appended = self.append(&mut writer, &place, batch, None);
        }
        let mark = appended?;
        self.finish(writer, &mark)?;
        Ok(mark.sequence)
    }

    /// Whether an epoch comes before what is appended next.
    pub(super) fn needs_epoch(&self, writer: &Writer) -> bool {
        !writer.has_epoch && !self.options.has(Bug::NoEpoch)
    }

    pub(super) fn place(&self) -> Place {
        let shared = self.lock_shared();
        Place {
            log: Arc::clone(&shared.log),
            index: shared.index.clone(),
            live_tails: Arc::clone(&shared.live_tails),
            appended: shared.appended,
            published: shared.published.end.tail,
        }
    }

    /// Makes what was appended durable and visible as the policy says.
    pub(super) fn finish(&self, writer: MutexGuard<'_, Writer>, mark: &Mark) -> Result<()> {
        Counters::count(&self.counters.commits);
        match self.options.sync {
            SyncPolicy::Batch => self.sync_to(mark.sequence),
            SyncPolicy::Group => {
                // Others append while this one waits.
                drop(writer);
                self.sync_to(mark.sequence)
            }
            SyncPolicy::Explicit => {
                self.publish(mark);
                let unsynced = mark.end.tail.saturating_sub(self.syncs.durable());
                if unsynced >= self.options.checkpoint_bytes()
                    && let Err(error) = self.checkpoint()
                {
                    // What this write promises is done. The next one, or a sync, tells.
                    log::error!("{} has no checkpoint: {error}", self.origin);
                }
                Ok(())
            }
            SyncPolicy::None => {
                self.publish(mark);
                Ok(())
            }
        }
    }

    /// Writes the batch at the tail, and `more` behind it, and enters it in the index, where it isn't
    /// seen yet.
    pub(super) fn append(
        &self,
        writer: &mut Writer,
        place: &Place,
        batch: &mut Batch,
        more: Option<Region<'_>>,
    ) -> Result<Mark> {
        let Place { log, appended, .. } = place;
        let header = &log.header;
        let room = MAX_LOG.saturating_sub(appended.end.tail);
        let most = batch.most_bytes(header.align());
        if most > room {
            return Err(Error::ValueTooLong { len: most });
        }
        let mut view = self.view(writer, log, appended.end.tail)?;
        find_replaced(&place.index, &view, batch)?;
        let epoch = Epoch::new(self, writer, log, appended.end)?;
        let end = batch.seal(header, epoch.end, self.syncs.durable());
        let mut pieces = Vec::new();
        let reserved = pieces.try_reserve(8);
        reserved.map_err(|_| Error::out_of_memory(&self.origin, 0))?;
        pieces.extend(epoch.piece());
        batch.gather(header.align(), &mut pieces)?;
        // There is room: what has more is a batch of one.
        pieces.extend(more);
        // What a write that fails has left there must not go on from what is written over it.
        writer.has_epoch = false;
        self.write_pieces(log, &pieces, appended.end.tail)?;
        drop(pieces);
        view.tail = end.tail;
        let mark = enter_all(place, &view, batch, end);
        let mark = mark.inspect_err(|error| {
            // In the log, but not in the index.
            let why = format!("what was written can't be found again ({error})");
            self.syncs.poison(why);
        })?;
        writer.view = Some(view);
        writer.has_epoch = true;
        self.lock_shared().appended = mark;
        Ok(mark)
    }

    /// A view of the log as far as `tail`, the last one's map where that reaches.
    pub(super) fn view(&self, writer: &mut Writer, log: &Arc<Log>, tail: u64) -> Result<View> {
        match writer.view.take() {
            Some(mut view) if view.is_of(log) && view.reaches(tail) => {
                view.tail = tail;
                Ok(view)
            }
            _ => log.view(tail),
        }
    }

    /// Writes what comes next. A failure leaves the tail: what has got there is written over, and
    /// until then made no record.
    pub(super) fn write_pieces(&self, log: &Log, pieces: &[Region<'_>], at: u64) -> Result<()> {
        let Err(error) = log.file.write_vectored_at(pieces, at) else {
            return Ok(());
        };
        if let Err(error) = log.file.write_region_at(zeros(HEAD), at) {
            log::debug!("{} keeps a part of a failed write: {error}", self.origin);
        }
        Err(Error::Map(if map::is_bad_address(&error) {
            map::Error::unreadable(self.origin.clone(), at)
        } else {
            map::Error::io_at("write", &self.origin, at)(error)
        }))
    }
}

/// The record that a writer's first batch comes behind.
pub(super) struct Epoch {
    record: Option<[u8; UNIT as usize]>,
    /// Behind it.
    pub(super) end: End,
}

impl Epoch {
    /// Nothing where there is one.
    pub(super) fn new(inner: &Inner, writer: &Writer, log: &Log, end: End) -> Result<Epoch> {
        if !inner.needs_epoch(writer) {
            return Ok(Epoch { record: None, end });
        }
        let nonce = random_bytes();
        let head = Head {
            kind: RecordType::Epoch,
            is_last: true,
            key_len: 16,
            value_len: 0,
            key_hash: log.header.hash(&nonce),
            crc: 0,
            durable_distance: durable_distance(end.tail, inner.syncs.durable()),
            chain: 0,
            prev: end.last,
        };
        let (sealed, end) = seal(&log.header, end, &head);
        let mut record = [0; UNIT as usize];
        put(&mut record, 0, &sealed);
        put(&mut record, HEAD, &nonce);
        Ok(Epoch {
            record: Some(record),
            end,
        })
    }

    pub(super) fn piece(&self) -> Option<Region<'_>> {
        self.record.as_ref().map(|record| region(record))
    }
}

/// Finds the live records that the batch's take the place of, before anything is written: an error
/// leaves the store as it was.
fn find_replaced(index: &IndexSet, view: &View, batch: &mut Batch) -> Result<()> {
    let is_empty = index.active.len() == 0 && index.frozen.is_none() && index.base.live() == 0;
    for number in 0..batch.len() {
        let mut replaced = 0;
        if !is_empty {
            if let Some(soon) = batch.entries().get(number + AHEAD) {
                index.prefetch(soon.hash);
            }
            let Some(entry) = batch.entries().get(number) else {
                break;
            };
            let found = index.find(view, entry.hash, batch.key(entry))?;
            let live = found.filter(|found| !found.is_deleted);
            replaced = live.map_or(0, |found| found.record.bytes());
        }
        if let Some(entry) = batch.entries_mut().get_mut(number) {
            entry.replaced = replaced;
        }
    }
    Ok(())
}

/// Enters the batch's records, which are written and end at `end`, and counts.
fn enter_all(place: &Place, view: &View, batch: &Batch, end: End) -> Result<Mark> {
    let active = &place.index.active;
    let mut mark = Mark {
        sequence: place.appended.sequence.saturating_add(1),
        end,
        ..place.appended
    };
    for (number, entry) in batch.entries().iter().enumerate() {
        if let Some(soon) = batch.entries().get(number + AHEAD) {
            active.prefetch(soon.hash);
        }
        let mut replaced = entry.replaced;
        let is_known = active.candidates(entry.hash, u64::MAX).next().is_some();
        let is_entered = if is_known {
            let key = batch.key(entry);
            match earlier(place, view, batch, entry)? {
                // No snapshot ever sees it.
                Some(earlier) => {
                    replaced = match earlier.kind.has_value() {
                        true => earlier.len,
                        false => 0,
                    };
                    active.replace(entry.hash, earlier.version(), entry.version())
                }
                None => active.enter(
                    entry.hash,
                    entry.version(),
                    place.published,
                    &place.live_tails,
                    |offset| view.has_key(&view.record(offset)?, key),
                )?,
            }
        } else {
            active.insert(entry.hash, entry.version())
        };
        if !is_entered {
            return Err(Error::out_of_memory(view.origin(), active.bytes()));
        }
        if replaced > 0 {
            mark.live = mark.live.saturating_sub(1);
            mark.live_bytes = mark.live_bytes.saturating_sub(replaced);
        }
        if entry.kind.has_value() {
            mark.live = mark.live.saturating_add(1);
            mark.live_bytes = mark.live_bytes.saturating_add(entry.len);
        }
    }
    Ok(mark)
}

/// The last entry before this one in the same batch with the same key.
fn earlier<'a>(
    place: &Place,
    view: &View,
    batch: &'a Batch,
    entry: &Entry,
) -> Result<Option<&'a Entry>> {
    let entries = batch.entries();
    let start = entries.first().map_or(u64::MAX, |first| first.offset);
    for version in place.index.active.candidates(entry.hash, u64::MAX) {
        if version.offset < start {
            continue;
        }
        let at = entries.binary_search_by_key(&version.offset, |entry| entry.offset);
        let found = at.ok().and_then(|at| entries.get(at));
        if let Some(found) = found.filter(|found| batch.key(found) == batch.key(entry)) {
            return Ok(Some(found));
        }
        debug_assert!(view.record(version.offset).is_ok());
    }
    Ok(None)
}

impl Entry {
    fn version(&self) -> index::Entry {
        index::Entry {
            offset: self.offset,
            is_deleted: self.kind == RecordType::Delete,
        }
    }
}
