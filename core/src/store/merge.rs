//! Room in the index: a larger delta, or a new index file with what the delta has.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::delta::Delta;
use super::error::{Error, Result};
use super::format::End;
use super::growth::{FEW_RECORDS, bytes_for, delta, slots_in};
use super::index::{Base, Build, IndexSet, publish_index};
use super::log::Log;
use super::options::StoreAccess;
use super::recover::beside;
use super::replay::{Merges, rebuild};
use super::store::{Counters, Inner, Mark};

/// The thread that merges, while one does.
#[derive(Default)]
pub(crate) struct Merger {
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Merger {
    /// Waits for the merge that is under way. Merges begin with the writer's lock held.
    pub(crate) fn wait(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread that merges a store's index has panicked");
        }
    }
}

/// What goes into a new index.
struct Job {
    log: Arc<Log>,
    index: IndexSet,
    /// All that the deltas to be merged have lies below its tail.
    covered: Mark,
}

impl Inner {
    /// Makes room in the delta for `more` versions. By the writer.
    pub(super) fn make_room(self: &Arc<Inner>, more: usize) -> Result<()> {
        let mut index = self.lock_shared().index.clone();
        if index.base.is_bad() {
            // A snapshot or a merge has found it.
            self.rebuild_index()?;
            index = self.lock_shared().index.clone();
        }
        let active = &index.active;
        let wanted = active.len().saturating_add(more);
        if wanted <= active.capacity() {
            return Ok(());
        }
        let most = self.options.index_memory();
        // By four: each growth enters all versions again.
        let bytes = bytes_for(wanted, active.bytes().saturating_mul(4).min(most));
        if bytes <= most || active.len() == 0 {
            return self.grow(active, bytes);
        }
        self.merge(active, more)
    }

    /// Builds the index from the log alone: its file was found to be wrong. By the writer.
    #[cold]
    pub(super) fn rebuild_index(&self) -> Result<()> {
        self.merger.wait();
        self.checkpoint()?;
        self.remove_index();
        let (log, end) = {
            let shared = self.lock_shared();
            (Arc::clone(&shared.log), shared.appended.end)
        };
        self.rebuild_up_to(&log, end, Merges::ToFile)
    }

    fn rebuild_up_to(&self, log: &Log, end: End, merges: Merges) -> Result<()> {
        let (storage, path, options) = (&self.storage, &self.path, &self.options);
        let rebuilt = rebuild(storage, path, log, end, options, merges)?;
        self.lock_shared().index = rebuilt.index;
        Ok(())
    }

    /// Builds the index again where a look-up has found it wrong, so that the snapshots to come find
    /// all keys. Without the writer's lock held. What fails is logged: the log is as good as it was,
    /// and the look-ups that meet what is wrong say so.
    pub(super) fn mend_index(&self) {
        if !self.lock_shared().index.base.is_bad() {
            return;
        }
        if let Err(error) = self.mend() {
            log::error!("the index of {} can't be built again: {error}", self.origin);
        }
    }

    #[cold]
    fn mend(&self) -> Result<()> {
        let _writer = self.lock_writer();
        if !self.lock_shared().index.base.is_bad() {
            return Ok(());
        }
        if self.is_writable {
            log::warn!("the index of {} is wrong: built again", self.origin);
            match self.rebuild_index() {
                Ok(()) => return Ok(()),
                // Nothing can be written, and what isn't published never will be.
                Err(error @ Error::Poisoned { .. }) => log::debug!("{error}"),
                Err(error) => return Err(error),
            }
        }
        let (log, end) = {
            let shared = self.lock_shared();
            (Arc::clone(&shared.log), shared.published.end)
        };
        self.rebuild_up_to(&log, end, Merges::OnHeap)
    }

    fn remove_index(&self) {
        let path = self.index_path();
        match self.storage.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("cannot remove '{}': {error}", path.display());
            }
            _ => {}
        }
    }

    fn grow(&self, active: &Delta, bytes: u64) -> Result<()> {
        let grown = active.grown_to(bytes, &self.origin)?;
        self.lock_shared().index.active = grown;
        Ok(())
    }

    fn merge(self: &Arc<Inner>, active: &Delta, more: usize) -> Result<()> {
        let bytes = bytes_for(more, active.bytes().min(self.options.index_memory()));
        let next = delta(slots_in(bytes), &self.origin)?;
        self.merger.wait();
        if self.options.merge_thread && self.lock_shared().index.frozen.is_none() {
            return self.merge_by_thread(next);
        }
        self.checkpoint()?;
        let job = self.job();
        match self.build(&job, job.index.frozen.iter().chain([&job.index.active])) {
            Ok(base) => {
                self.lock_shared().index = IndexSet {
                    base: Arc::new(base),
                    frozen: None,
                    active: next,
                };
                Ok(())
            }
            Err(error) => {
                log::warn!("{} keeps more of its index in memory: {error}", self.origin);
                let active = &job.index.active;
                let wanted = active.len().saturating_add(more);
                self.grow(active, bytes_for(wanted, active.bytes()))
            }
        }
    }

    fn merge_by_thread(self: &Arc<Inner>, next: Arc<Delta>) -> Result<()> {
        let job = {
            let mut shared = self.lock_shared();
            let frozen = std::mem::replace(&mut shared.index.active, next);
            shared.index.frozen = Some(frozen);
            Job {
                log: Arc::clone(&shared.log),
                index: shared.index.clone(),
                covered: shared.appended,
            }
        };
        let inner = Arc::clone(self);
        let work = move || inner.merge_frozen(&job);
        match Builder::new().name("adit-merge".to_owned()).spawn(work) {
            Ok(thread) => {
                let mut slot = self.merger.thread.lock();
                let slot = slot.as_deref_mut();
                if let Ok(slot) = slot {
                    *slot = Some(thread);
                }
            }
            // The next one merges both.
            Err(error) => log::warn!("no thread merges the index of {}: {error}", self.origin),
        }
        Ok(())
    }

    fn merge_frozen(&self, job: &Job) {
        let built = self.checkpoint();
        let built = built.and_then(|()| self.build(job, job.index.frozen.iter()));
        match built {
            Ok(base) => {
                let mut shared = self.lock_shared();
                shared.index.base = Arc::new(base);
                shared.index.frozen = None;
            }
            // The next merge has both.
            Err(error) => log::warn!("the index of {} isn't merged: {error}", self.origin),
        }
    }

    /// The next opening builds it from the log.
    pub(super) fn remove_bad_index(&self) {
        if self.lock_shared().index.base.is_bad() {
            self.remove_index();
        }
    }

    /// Writes the index for the next opening, where that has much to do else. All is durable, and
    /// nobody writes or merges.
    pub(super) fn write_index(&self) {
        let job = self.job();
        if job.index.base.is_bad() {
            return;
        }
        let covered = job.index.base.covered().records;
        if job.covered.end.records.saturating_sub(covered) <= self.options.few_slots(FEW_RECORDS) {
            return;
        }
        let deltas = job.index.frozen.iter().chain([&job.index.active]);
        if let Err(error) = self.publish_index(&job, deltas) {
            log::warn!("{} is left without an index: {error}", self.origin);
        }
    }

    fn job(&self) -> Job {
        let shared = self.lock_shared();
        Job {
            log: Arc::clone(&shared.log),
            index: shared.index.clone(),
            covered: shared.appended,
        }
    }

    fn build<'a>(&self, job: &Job, deltas: impl Iterator<Item = &'a Arc<Delta>>) -> Result<Base> {
        self.publish_index(job, deltas)?;
        let on_heap = self.options.access == StoreAccess::Exclusive;
        let (header, end) = (&job.log.header, job.covered.end);
        let path = self.index_path();
        let base = Base::open(&self.storage, &path, header, end.tail, on_heap)?;
        let base = base.filter(|base| *base.covered() == end);
        Counters::count(&self.counters.merges);
        base.ok_or_else(|| Error::Busy {
            origin: self.origin.clone(),
            why: "somebody else has written its index file".to_owned(),
        })
    }

    fn publish_index<'a>(
        &self,
        job: &Job,
        deltas: impl Iterator<Item = &'a Arc<Delta>>,
    ) -> Result<()> {
        let view = job.log.view(job.covered.end.tail)?;
        let deltas: Vec<&Delta> = deltas.map(|delta| &**delta).collect();
        let build = Build {
            header: &job.log.header,
            covered: job.covered.end,
            live: job.covered.live,
            live_bytes: job.covered.live_bytes,
            base: &job.index.base,
            deltas: &deltas,
        };
        let mut key = Vec::new();
        let mut same_key = |one, other| view.have_same_key(one, other, &mut key);
        let path = self.index_path();
        publish_index(&self.storage, &path, &build, &mut same_key, &mut |_, _| {
            true
        })
    }

    pub(super) fn index_path(&self) -> PathBuf {
        beside(&self.path, ".idx")
    }
}
