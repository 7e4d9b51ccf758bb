//! Records entered in an index one after the other.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::sync::Arc;

use super::{Counts, Indexed, Job, Merges};
use crate::store::error::{Error, Result};
use crate::store::format::{End, RecordType};
use crate::store::index::{Base, Build, Entry, IndexSet, build_on_heap, publish_index};
use crate::store::live::LiveTails;
use crate::store::log::Record;
use crate::store::options::StoreAccess;

/// Records whose index entries are fetched at a time.
const AHEAD: usize = 16;

/// Records that go into an index, in their order.
pub(super) struct Run<'a> {
    job: &'a Job<'a>,
    pub(super) index: IndexSet,
    pub(super) counts: Counts,
    /// Behind the last record that is in the index.
    pub(super) applied: End,
    /// The next ones, whose places in the index are being fetched.
    soon: Vec<Record>,
    /// The tail of the newest snapshots, and those of all that live.
    seen: (u64, &'a LiveTails),
    key: Vec<u8>,
    other_key: Vec<u8>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        job: &'a Job<'a>,
        from: Indexed,
        seen: (u64, &'a LiveTails),
    ) -> Result<Run<'a>> {
        let origin = &job.log.origin;
        let mut soon = Vec::new();
        let reserved = soon.try_reserve_exact(AHEAD);
        let bytes = (AHEAD as u64).saturating_mul(size_of::<Record>() as u64);
        reserved.map_err(|_| Error::out_of_memory(origin, bytes))?;
        Ok(Run {
            job,
            counts: from.counts,
            applied: from.end,
            index: from.index,
            soon,
            seen,
            key: Vec::new(),
            other_key: Vec::new(),
        })
    }

    #[inline]
    pub(super) fn take(&mut self, record: Record) -> Result<()> {
        self.index.prefetch(record.head.key_hash);
        self.soon.push(record);
        match self.soon.len() < AHEAD {
            true => Ok(()),
            false => self.apply_soon(),
        }
    }

    pub(super) fn apply_soon(&mut self) -> Result<()> {
        let mut records = std::mem::take(&mut self.soon);
        for record in &records {
            self.apply(record)?;
            self.applied = End {
                tail: record.extent.end,
                last: record.offset,
                chain: record.head.chain,
                records: self.applied.records.saturating_add(1),
            };
        }
        records.clear();
        self.soon = records;
        Ok(())
    }

    #[inline]
    fn apply(&mut self, record: &Record) -> Result<()> {
        if record.head.kind == RecordType::Epoch {
            return Ok(());
        }
        let entry = Entry {
            offset: record.offset,
            is_deleted: record.head.kind == RecordType::Delete,
        };
        if self.index.active.len() >= self.index.active.capacity() {
            self.make_room()?;
        }
        let hash = record.head.key_hash;
        let entered = if self.is_known(hash)? {
            self.enter(hash, entry, record)?
        } else {
            self.counts.apply(None, record);
            self.index.active.insert(hash, entry)
        };
        match entered {
            true => Ok(()),
            false => {
                let bytes = self.index.active.bytes();
                Err(Error::out_of_memory(&self.job.log.origin, bytes))
            }
        }
    }

    /// A key of which there may be versions already.
    fn enter(&mut self, hash: u64, entry: Entry, record: &Record) -> Result<bool> {
        let view = &self.job.view;
        view.key(record, &mut self.key)?;
        let key = &self.key;
        let before = self.index.find(view, hash, key)?;
        self.counts.apply(before.as_ref(), record);
        let has_key = |offset| view.has_key(&view.record(offset)?, key);
        let active = &self.index.active;
        let (published, live) = self.seen;
        active.enter(hash, entry, published, live, has_key)
    }

    fn is_known(&self, hash: u64) -> Result<bool> {
        let mut versions = self.index.active.candidates(hash, u64::MAX);
        if versions.next().is_some() {
            return Ok(true);
        }
        for candidate in self.index.base.candidates(hash) {
            if candidate?.hash == hash {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A larger delta, or an empty one beside a new index.
    #[cold]
    fn make_room(&mut self) -> Result<()> {
        let origin = &self.job.log.origin;
        let most = self.job.options.index_memory();
        if self.index.double(most, origin)? {
            return Ok(());
        }
        let base = self.merged()?;
        self.index.base = Arc::new(base);
        self.index.active = self.index.active.emptied(origin)?;
        Ok(())
    }

    fn merged(&mut self) -> Result<Base> {
        let Job {
            storage,
            index_path,
            view,
            log,
            ..
        } = self.job;
        let build = Build {
            header: &log.header,
            covered: self.applied,
            live: self.counts.live,
            live_bytes: self.counts.live_bytes,
            base: &self.index.base,
            deltas: &[&self.index.active],
        };
        let key = &mut self.other_key;
        let mut same_key = |one, other| view.have_same_key(one, other, key);
        let mut go_on = |_, _| true;
        if self.job.merges == Merges::ToFile {
            let on_heap = self.job.options.access == StoreAccess::Exclusive;
            let published = publish_index(storage, index_path, &build, &mut same_key, &mut go_on);
            match published {
                Ok(()) => {
                    let made = Base::open(storage, index_path, &log.header, view.tail, on_heap)?;
                    if let Some(base) = made.filter(|base| *base.covered() == self.applied) {
                        return Ok(base);
                    }
                }
                // Nothing is lost without the file but time.
                Err(error @ Error::Map(_)) => log::warn!("the index stays in memory: {error}"),
                Err(error) => return Err(error),
            }
        }
        build_on_heap(index_path, &build, &mut same_key, &mut go_on)
    }
}
