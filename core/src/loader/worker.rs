//! What a loader's threads do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::cache::{Done, Heat};
use super::columns::Columns;
use super::error::{Error, Result};
use super::faults::Rows;
use super::fields::Plan;
use super::memory::Memory;
use super::options::{BadRecord, LoaderOptions};
use super::ring::{Course, Epoch, Job, Ring, Task};
use super::slot::Slot;
use super::source::Source;
use super::stage::Stage;
use super::stats::{Counters, add};
use super::transform::Transform;
use crate::map::{Origin, Owner};
use crate::record::FillOptions;

/// What a loader, its threads and its batches share.
pub(super) struct Shared {
    pub(super) source: Arc<dyn Source>,
    pub(super) origin: Origin,
    pub(super) plan: Plan,
    pub(super) course: Course,
    pub(super) how: FillOptions,
    pub(super) bad: BadRecord,
    pub(super) transform: Option<Arc<dyn Transform>>,
    pub(super) counters: Counters,
    pub(super) heat: Heat,
    /// The source's fields that are read.
    pub(super) fields: Vec<usize>,
    pub(super) done: Mutex<Done>,
    pub(super) ring: Mutex<Ring>,
    /// There may be work.
    pub(super) work: Condvar,
    /// The head of the line may be ready.
    pub(super) ready: Condvar,
    /// What is begun is of no use any more.
    pub(super) stop: AtomicBool,
    pub(super) owner: Owner,
}

impl Shared {
    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn ring(&self) -> MutexGuard<'_, Ring> {
        // Changed by code that doesn't panic half-way.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes back the memory of a batch that is dropped.
    pub(super) fn take_back(&self, slot: Slot) {
        let mut ring = self.ring();
        if ring.is_closing {
            drop(ring);
            drop(slot);
            return;
        }
        ring.release(slot);
        drop(ring);
        self.work.notify_one();
    }

    /// Works until the loader closes.
    pub(super) fn work(&self, hand: Hand) {
        let all = AssertUnwindSafe(|| self.work_on(hand));
        let why = match catch_unwind(all) {
            Ok(()) => return,
            Err(payload) => message_of(payload.as_ref()),
        };
        self.ring().dead = Some(why);
        self.ready.notify_all();
    }

    fn work_on(&self, mut hand: Hand) {
        let mut ring = self.ring();
        while !ring.is_closing {
            match ring.claim_or_refuse() {
                Some(Task::Fill(mut job)) => {
                    drop(ring);
                    let result = self.fill(&mut hand, &mut job);
                    ring = self.ring();
                    if ring.finish(*job, result) {
                        self.ready.notify_one();
                    }
                }
                Some(Task::Release(epoch, step)) => {
                    drop(ring);
                    self.release(&epoch, step);
                    ring = self.ring();
                }
                None => {
                    if ring.is_refused() {
                        self.ready.notify_one();
                    }
                    let waited = self.work.wait(ring);
                    ring = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Fills a batch; a panic is an error.
    pub(super) fn fill(&self, hand: &mut Hand, job: &mut Job) -> Result<()> {
        let fill = AssertUnwindSafe(|| self.fill_step(hand, job));
        // What it works on is a batch, which is filled again or never looked at, and lists that
        // every use overwrites.
        catch_unwind(fill).unwrap_or_else(|payload| {
            let what = message_of(payload.as_ref());
            Err(Error::Panicked { what })
        })
    }

    fn fill_step(&self, hand: &mut Hand, job: &mut Job) -> Result<()> {
        let partition = &self.course.partition;
        for (epoch, step) in job.announce.drain(..) {
            if !self.heat.is_due(step) {
                continue;
            }
            partition.take(&epoch.order, step, &mut hand.rows)?;
            let announced = self.source.announce(&hand.rows, &self.fields);
            add(&self.counters.cold_pages, announced.cold_pages);
            self.heat.saw(&announced);
        }
        let slot = &mut job.slot;
        slot.valid = partition.take(&job.epoch.order, slot.step, &mut slot.rows.records)?;
        slot.rows.begin(slot.valid)?;
        let filled = slot.rows.records.len();
        match (&self.transform, &mut hand.stage) {
            (Some(transform), Some(stage)) => {
                stage.make(self, &**transform, &job.epoch, slot)?;
            }
            _ => {
                let read = self.read(&mut slot.columns, &mut slot.rows, 0..filled)?;
                add(&self.counters.read_bytes, read);
            }
        }
        slot.columns
            .fill_up(self.plan.columns(), filled, self.plan.rows)?;
        slot.fill_up(self.plan.rows)
    }

    /// Reads some of a batch's rows to columns that have room for them, and tells how many bytes
    /// that were.
    pub(super) fn read(
        &self,
        columns: &mut Columns,
        rows: &mut Rows,
        part: std::ops::Range<usize>,
    ) -> Result<u64> {
        let first = part.start;
        let numbers = rows.lend_numbers(part)?;
        let whose = (&self.origin, self.course.records);
        let mut judge = |row: usize, error| rows.judge(first + row, error, self.bad, whose);
        let source = &*self.source;
        let counts = columns.fill(source, &self.plan.read, &numbers, &self.how, &mut judge);
        rows.take_back(numbers);
        Ok(counts?.bytes)
    }

    /// Lets go of the cache of what a step was the last to use.
    pub(super) fn release(&self, epoch: &Epoch, step: u64) {
        let batch = self.course.partition.batch;
        let from = step.saturating_mul(batch);
        let to = from.saturating_add(batch).min(self.course.records);
        // Past the last whole step nothing is used.
        let to = if step + 1 == self.course.steps {
            self.course.records
        } else {
            to
        };
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = done.pass(&*self.source, epoch, from, to);
        add(&self.counters.dropped_bytes, dropped);
    }

    pub(super) fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// What a thread has for itself.
pub(super) struct Hand {
    /// The records of a step to be announced.
    rows: Vec<u64>,
    stage: Option<Stage>,
}

impl Hand {
    pub(super) fn new(plan: &Plan, options: &LoaderOptions, memory: &Memory) -> Result<Hand> {
        let stage = match options.transform {
            Some(_) => Some(Stage::new(plan, options.overflow, memory)?),
            None => None,
        };
        Ok(Hand {
            rows: Vec::new(),
            stage,
        })
    }
}

fn message_of(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
