//! The copying part of a compaction: rounds of live records to a new log, and its index.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Error, Result};
use super::format::{End, FIRST, Header, RecordType};
use super::growth::{FEW_RECORDS, FEW_SLOTS, delta};
use super::index::{Base, Build, Entry, Found, IndexSet, publish_index};
use super::live::LiveTails;
use super::log::{Log, Record, View};
use super::new_log::NewLog;
use super::options::StoreAccess;
use super::recover::beside;
use super::replay::Counts;
use super::scan::{CheckValues, Scanner, Step};
use super::snapshot::Seen;
use super::store::Inner;
use super::window::Window;
use crate::map::{self, Origin, Progress, Storage};

/// Records that are looked up at a time.
const GROUP: usize = 32;

/// A compaction as far as it has come.
pub(super) struct Copy<'a> {
    inner: &'a Inner,
    new: NewLog,
    /// The same for reading.
    made: Arc<Log>,
    index: IndexSet,
    index_file: Option<IndexFile>,
    counts: Counts,
    /// The log ended here when the round began: what lies behind has no key of before twice.
    round: Option<View>,
    rounds: usize,
    progress: Progress<'a>,
}

/// What comes of it.
pub(super) struct Copied {
    pub(super) log: NewLog,
    pub(super) made: Arc<Log>,
    pub(super) index: IndexSet,
    pub(super) index_file: Option<IndexFile>,
    pub(super) counts: Counts,
}

/// The index of the new log under a temporary name: removed when dropped.
pub(super) struct IndexFile {
    storage: Arc<dyn Storage>,
    path: PathBuf,
}

impl IndexFile {
    /// The index can be done without: a failure is logged.
    pub(super) fn give_name(self, path: &Path) {
        if let Err(error) = self.storage.rename(&self.path, path) {
            log::warn!("'{}' isn't the new index: {error}", path.display());
        }
    }
}

impl Drop for IndexFile {
    fn drop(&mut self) {
        // Renamed, it isn't there any more.
        if let Ok(Some(_)) = self.storage.kind(&self.path)
            && let Err(error) = self.storage.remove(&self.path)
        {
            log::warn!("cannot remove '{}': {error}", self.path.display());
        }
    }
}

/// Records of the old log with their keys, one behind the other.
#[derive(Default)]
struct Group {
    records: Vec<Record>,
    keys: Vec<u8>,
}

impl Group {
    fn add(&mut self, record: Record, key: &[u8], origin: &Origin) -> Result<()> {
        let refused = |_| Error::out_of_memory(origin, key.len() as u64);
        self.records.try_reserve(1).map_err(refused)?;
        self.keys.try_reserve(key.len()).map_err(refused)?;
        self.records.push(record);
        self.keys.extend_from_slice(key);
        Ok(())
    }

    fn entries(&self) -> impl Iterator<Item = (&Record, &[u8])> {
        let mut keys = &*self.keys;
        self.records.iter().map(move |record| {
            let len = usize::from(record.head.key_len);
            let (key, rest) = keys.split_at_checked(len).unwrap_or_default();
            keys = rest;
            (record, key)
        })
    }
}

impl<'a> Copy<'a> {
    pub(super) fn new(
        inner: &'a Inner,
        mut new: NewLog,
        header: Header,
        progress: Progress<'a>,
    ) -> Result<Copy<'a>> {
        let (file, _, _, end) = new.written()?;
        let options = &inner.options;
        let made = Log::new(
            file,
            inner.origin.clone(),
            header,
            options.access != StoreAccess::Exclusive,
            options.reservation,
        );
        let origin = Origin::Path(inner.index_path());
        Ok(Copy {
            inner,
            new,
            made: Arc::new(made),
            index: IndexSet {
                base: Arc::new(Base::empty(origin, &end)),
                frozen: None,
                active: delta(few_slots(inner), &inner.origin)?,
            },
            index_file: None,
            counts: Counts::default(),
            round: None,
            rounds: 0,
            progress,
        })
    }

    /// Copies what of the old log behind `from` is live in `seen`, and the deletions that matter.
    pub(super) fn round(&mut self, from: End, seen: &Seen) -> Result<()> {
        let Seen { view, header, .. } = seen;
        let to = seen.mark.end;
        self.tell(from.tail, to.tail)?;
        let end = self.new.written()?.3;
        self.round = match self.rounds {
            0 => None,
            _ => Some(self.made.view(end.tail)?),
        };
        let file = view.file();
        let (origin, limit) = (view.origin(), to.tail);
        let mut scanner = Scanner::new(file, origin, header, from, limit, CheckValues::No);
        let mut values = Window::new(file, origin, limit);
        let mut group = Group::default();
        let stop = loop {
            match scanner.next()? {
                Step::Record(record, key) if record.head.kind != RecordType::Epoch => {
                    seen.index.prefetch(record.head.key_hash);
                    group.add(record, key, origin)?;
                    if group.records.len() == GROUP {
                        self.copy_group(&mut group, seen, &mut values)?;
                        self.tell(record.extent.end, to.tail)?;
                    }
                }
                Step::Record(..) | Step::BatchEnd(_) => {}
                Step::Stop(stop) => break stop,
            }
        };
        self.copy_group(&mut group, seen, &mut values)?;
        let at = scanner.position();
        if (at.tail, at.last, at.chain) != (to.tail, to.last, to.chain) {
            return Err(Error::Damaged {
                origin: origin.clone(),
                offset: stop.offset,
                why: stop.why.to_owned(),
                sound: at.records,
            });
        }
        self.tell(to.tail, to.tail)?;
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds == 1
            && self.new.written()?.3.records > self.inner.options.few_slots(FEW_RECORDS)
        {
            self.merge()?;
        }
        Ok(())
    }

    /// Makes durable what was copied so far.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.new.sync()
    }

    pub(super) fn finish(self) -> Result<Copied> {
        Ok(Copied {
            log: self.new,
            made: self.made,
            index: self.index,
            index_file: self.index_file,
            counts: self.counts,
        })
    }

    fn tell(&mut self, at: u64, of: u64) -> Result<()> {
        let (done, all) = (at.saturating_sub(FIRST), of.saturating_sub(FIRST));
        match (self.progress)(done, all) {
            true => Ok(()),
            false => Err(Error::Cancelled),
        }
    }

    fn copy_group(
        &mut self,
        group: &mut Group,
        seen: &Seen,
        values: &mut Window<'_>,
    ) -> Result<()> {
        for (record, key) in group.entries() {
            let hash = record.head.key_hash;
            let is_newest = match seen.index.find(&seen.view, hash, key)? {
                Some(found) => found.record.offset == record.offset,
                // Taken away, and the index has forgotten since: any of its deletes will do.
                None => !record.head.kind.has_value() && !self.has_in_round(hash, key)?,
            };
            if !is_newest {
                continue;
            }
            let before = self.before(hash, key)?;
            let is_there = before.is_some_and(|before| !before.is_deleted);
            if !is_there && !record.head.kind.has_value() {
                continue;
            }
            // Before: an index file has all that lies below the tail that it covers.
            if self.index.active.len() >= self.index.active.capacity() {
                self.make_room()?;
            }
            let copied = self.new.copy(record, values)?;
            self.counts.apply(before.as_ref(), &copied);
            self.enter(&copied, key, before.is_some())?;
        }
        group.records.clear();
        group.keys.clear();
        Ok(())
    }

    /// What an earlier round has copied of this key.
    fn before(&self, hash: u64, key: &[u8]) -> Result<Option<Found>> {
        match &self.round {
            None => Ok(None),
            Some(view) => self.index.find(view, hash, key),
        }
    }

    /// Whether this round has copied a record of this key, and its index still has that.
    fn has_in_round(&mut self, hash: u64, key: &[u8]) -> Result<bool> {
        let Some(start) = self.round.as_ref().map(|view| view.tail) else {
            return Ok(false);
        };
        let active = Arc::clone(&self.index.active);
        let entries = active.candidates(hash, u64::MAX);
        let mut view = None;
        for entry in entries.filter(|entry| entry.offset >= start) {
            if view.is_none() {
                let tail = self.new.written()?.3.tail;
                view = Some(self.made.view(tail)?);
            }
            if let Some(view) = &view
                && view.has_key(&view.record(entry.offset)?, key)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn enter(&mut self, record: &Record, key: &[u8], is_known: bool) -> Result<()> {
        let hash = record.head.key_hash;
        let entry = Entry {
            offset: record.offset,
            is_deleted: !record.head.kind.has_value(),
        };
        let active = &self.index.active;
        let is_entered = match (&self.round, is_known) {
            (Some(view), true) => {
                let nobody = LiveTails::new();
                // Versions of this round are of other keys, and behind the view.
                let has_key = |offset| match offset < view.tail {
                    true => view.has_key(&view.record(offset)?, key),
                    false => Ok(false),
                };
                active.enter(hash, entry, u64::MAX, &nobody, has_key)?
            }
            _ => active.insert(hash, entry),
        };
        match is_entered {
            true => Ok(()),
            false => Err(Error::out_of_memory(&self.inner.origin, active.bytes())),
        }
    }

    #[cold]
    fn make_room(&mut self) -> Result<()> {
        let Inner {
            options, origin, ..
        } = self.inner;
        match self.index.double(options.index_memory(), origin)? {
            true => Ok(()),
            false => self.merge(),
        }
    }

    /// What was entered so far goes to the index file, under its temporary name.
    fn merge(&mut self) -> Result<()> {
        let Inner {
            storage, options, ..
        } = self.inner;
        let covered = self.new.written()?.3;
        let header = &self.made.header;
        let path = beside(self.new.temporary(), ".idx");
        let view = self.made.view(covered.tail)?;
        let build = Build {
            header,
            covered,
            live: self.counts.live,
            live_bytes: self.counts.live_bytes,
            base: &self.index.base,
            deltas: &[&self.index.active],
        };
        let mut key = Vec::new();
        let mut same_key = |one, other| view.have_same_key(one, other, &mut key);
        let mut go_on = |_, _| true;
        self.index_file.get_or_insert_with(|| IndexFile {
            storage: Arc::clone(storage),
            path: path.clone(),
        });
        publish_index(storage, &path, &build, &mut same_key, &mut go_on)?;
        let on_heap = options.access == StoreAccess::Exclusive;
        let base = Base::open(storage, &path, header, covered.tail, on_heap)?;
        let base = base.filter(|base| *base.covered() == covered);
        let origin = || Origin::Path(path);
        let base = base.ok_or_else(|| map::Error::Exists { origin: origin() })?;
        self.index = IndexSet {
            base: Arc::new(base),
            frozen: None,
            active: self.index.active.emptied(&self.inner.origin)?,
        };
        Ok(())
    }
}

fn few_slots(inner: &Inner) -> usize {
    let slots = inner.options.few_slots(FEW_SLOTS as u64);
    usize::try_from(slots).unwrap_or(FEW_SLOTS)
}
