//! A loader: batches in an epoch's order, filled ahead of their use.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use super::batch::Batch;
use super::cache::{self, Done, Heat};
use super::error::{Error, Result};
use super::fields::Plan;
use super::memory::Memory;
use super::options::{LoaderOptions, MAX_WORKERS};
use super::records::RecordSource;
use super::ring::{At, Head, Limits, Ring, Task};
use super::setup::{affordable, course_of, slots_of};
use super::slot::Slot;
use super::source::Source;
use super::state::State;
use super::stats::{Counters, LoaderStats, value};
use super::tokens::TokenSource;
use super::worker::{Hand, Shared};
use crate::map::{Io, Owner};
use crate::record::{FillOptions, RecordReader};

/// The name of every thread of a loader: a panic in one is told by the loader, as an error.
pub const THREAD_NAME: &str = "adit-loader";

/// Batches that may be held where nothing is said.
const HELD: usize = 2;

/// Batches of a set's records, epoch after epoch. One thread at a time uses it; its batches are used
/// and dropped on any.
pub struct Loader {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// What the caller's thread fills batches with, where there are no workers.
    hand: Option<Hand>,
    state: State,
    stats: LoaderStats,
    memory: Arc<Memory>,
    max_held: usize,
}

impl Loader {
    /// Opens a loader of a reader's records, and starts its threads.
    ///
    /// # Errors
    /// [`Error::Arguments`], [`Error::Plan`]; [`Error::Budget`], which tells the least that is
    /// needed; [`Error::OutOfMemory`], [`Error::NoThread`]; those of the reader's first record where
    /// its format declares no fields.
    pub fn open(reader: Arc<RecordReader>, options: &LoaderOptions) -> Result<Loader> {
        Loader::open_source(Arc::new(RecordSource::new(reader)?), options)
    }

    /// As [`Loader::open`], of windows over a flat array.
    ///
    /// # Errors
    /// As [`Loader::open`].
    pub fn open_tokens(tokens: TokenSource, options: &LoaderOptions) -> Result<Loader> {
        Loader::open_source(Arc::new(tokens), options)
    }

    /// As [`Loader::open`], of any source's records.
    ///
    /// # Errors
    /// As [`Loader::open`].
    pub fn open_source(source: Arc<dyn Source>, options: &LoaderOptions) -> Result<Loader> {
        let course = course_of(&*source, options)?;
        let state = State {
            identity: source.identity(),
            records: course.records,
            order: course.order,
            batch: course.partition.batch,
            uneven: course.partition.uneven,
            epoch: options.epoch,
            step: 0,
        };
        let places = course.partition.places();
        let rows = usize::try_from(places.end - places.start);
        let rows = rows.map_err(|_| Error::arguments("a batch is larger than memory"))?;
        let plan = Plan::new(&*source, options, rows)?;
        let workers = options.workers.unwrap_or(1);
        if workers > MAX_WORKERS {
            let why =
                format!("{workers} workers are asked for; at most {MAX_WORKERS} are possible");
            return Err(Error::arguments(why));
        }
        let max_held = if options.max_held == 0 {
            HELD
        } else {
            options.max_held
        };
        let depth = affordable(&plan, options, max_held, workers)?;
        let memory = Arc::new(Memory::new(options.memory_budget, depth));
        let slots = slots_of(&plan, options, depth, &memory)?;
        let drops = cache::drops(options.cache, source.bytes()) && options.io != Io::Direct;
        let limits = Limits {
            ahead: match options.io {
                Io::Direct => 0,
                _ => workers.max(1) as u64,
            },
            release_after: drops.then_some(depth),
        };
        let at = At {
            epoch: options.epoch,
            step: 0,
        };
        let fields = plan.read.iter().map(|column| column.field).collect();
        let shared = Arc::new(Shared {
            origin: source.origin(),
            how: FillOptions {
                io: match options.io {
                    Io::Auto => Io::Read,
                    io => io,
                },
                check: options.check,
                announced: true,
            },
            bad: options.bad,
            transform: options.transform.clone(),
            counters: Counters::default(),
            heat: Heat::default(),
            fields,
            done: Mutex::new(Done::new(course.records, course.order.block)),
            ring: Mutex::new(Ring::new(course, limits, slots, at)),
            work: Condvar::new(),
            ready: Condvar::new(),
            stop: AtomicBool::new(false),
            owner: Owner::this_process(),
            source,
            plan,
            course,
        });
        let mut loader = Loader {
            threads: Vec::new(),
            hand: None,
            state,
            stats: LoaderStats {
                slots: depth as u64,
                rank: options.partition.rank,
                world: options.partition.world,
                ..LoaderStats::default()
            },
            memory,
            max_held,
            shared,
        };
        loader.start(workers, options)?;
        Ok(loader)
    }

    fn start(&mut self, workers: usize, options: &LoaderOptions) -> Result<()> {
        if workers == 0 {
            self.hand = Some(Hand::new(&self.shared.plan, options, &self.memory)?);
        }
        for number in 0..workers {
            let hand = Hand::new(&self.shared.plan, options, &self.memory)?;
            let shared = Arc::clone(&self.shared);
            let builder = Builder::new().name(THREAD_NAME.to_owned());
            match builder.spawn(move || shared.work(hand)) {
                Ok(thread) => self.threads.push(thread),
                Err(source) if number == 0 => return Err(Error::NoThread { source }),
                Err(error) => {
                    log::info!("only {number} of {workers} threads to load with: {error}");
                    break;
                }
            }
        }
        self.stats.workers = self.threads.len() as u64;
        Ok(())
    }

    /// The steps of an epoch.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.shared.course.steps
    }

    /// The rows of a batch: this rank's part of a step.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.shared.plan.rows
    }

    /// The next batch; none at the end of an epoch, after which the next one begins. A batch that
    /// failed wasn't delivered: the next call tries it again.
    ///
    /// # Errors
    /// [`Error::Busy`] where as many batches are held as may be; [`Error::BadRecord`],
    /// [`Error::Transform`]; [`Error::Budget`] and [`Error::OutOfMemory`] for a batch that needs
    /// more than the others did; [`Error::Forked`], [`Error::Panicked`].
    #[allow(
        clippy::should_implement_trait,
        reason = "no iterator: it goes on after an epoch's end and after errors"
    )]
    pub fn next(&mut self) -> Result<Option<Batch>> {
        self.check_process()?;
        let mut waits = None;
        let next = self.head(&mut waits);
        if let Some(start) = waits {
            let waited = Instant::now().saturating_duration_since(start).as_nanos();
            let waited = u64::try_from(waited).unwrap_or(u64::MAX);
            self.stats.wait_ns = self.stats.wait_ns.saturating_add(waited);
        }
        let Some(slot) = next? else {
            self.state.epoch = self.state.epoch.wrapping_add(1);
            self.state.step = 0;
            return Ok(None);
        };
        self.shared.work.notify_one();
        self.state.epoch = slot.epoch;
        self.state.step = slot.step + 1;
        let batch = Batch::new(slot, &self.shared);
        let (replaced, masked) = batch.faults();
        self.stats.steps += 1;
        self.stats.records += batch.valid() as u64;
        self.stats.bytes = self.stats.bytes.saturating_add(batch.bytes());
        self.stats.replaced += replaced;
        self.stats.masked += masked;
        Ok(Some(batch))
    }

    /// Takes what stands at the head of the line, and waits for it or makes it; `waits` is when
    /// that began.
    fn head(&mut self, waits: &mut Option<Instant>) -> Result<Option<Slot>> {
        let shared = &*self.shared;
        let mut ring = shared.ring();
        loop {
            if let Some(what) = &ring.dead {
                let what = what.clone();
                return Err(Error::Panicked { what });
            }
            match ring.take(self.max_held)? {
                Head::Batch(slot) => return Ok(Some(slot)),
                Head::EpochEnds => return Ok(None),
                Head::Failed(error) => {
                    drop(ring);
                    shared.work.notify_one();
                    return Err(error);
                }
                Head::Wait => {}
            }
            waits.get_or_insert_with(Instant::now);
            let Some(hand) = &mut self.hand else {
                let waited = shared.ready.wait(ring);
                ring = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            match ring.claim()? {
                Some(Task::Fill(mut job)) => {
                    drop(ring);
                    let result = shared.fill(hand, &mut job);
                    ring = shared.ring();
                    ring.finish(*job, result);
                }
                Some(Task::Release(epoch, step)) => {
                    drop(ring);
                    shared.release(&epoch, step);
                    ring = shared.ring();
                }
                None => return Err(Error::Internal("a loader without a batch to fill")),
            }
        }
    }

    /// What was delivered so far: where a loader of the same set, seed and batch goes on, with
    /// whatever world, rank and workers. Batches that wait to be taken don't count.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Goes on where a state was taken. On failure nothing changes.
    ///
    /// # Errors
    /// [`Error::Plan`] where the bytes are no state, or one of another set or order;
    /// [`Error::Forked`].
    pub fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        self.check_process()?;
        let state = State::decode(bytes)?;
        state.check_against(&self.state)?;
        self.jump(state.epoch, state.step);
        Ok(())
    }

    /// Goes to the start of an epoch.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub fn set_epoch(&mut self, epoch: u64) -> Result<()> {
        self.check_process()?;
        self.jump(epoch, 0);
        Ok(())
    }

    fn jump(&mut self, epoch: u64, step: u64) {
        self.state.epoch = epoch;
        self.state.step = step;
        self.shared.ring().jump(At { epoch, step });
        self.shared.work.notify_all();
    }

    /// What it did so far.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub fn stats(&self) -> Result<LoaderStats> {
        self.check_process()?;
        let counters = &self.shared.counters;
        Ok(LoaderStats {
            read_bytes: value(&counters.read_bytes),
            cold_pages: value(&counters.cold_pages),
            dropped_bytes: value(&counters.dropped_bytes),
            memory: self.memory.used(),
            ..self.stats
        })
    }

    /// Whether this process opened it, rather than the one that it was forked from.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub fn check_process(&self) -> Result<()> {
        if self.shared.owner.is_this_process() {
            Ok(())
        } else {
            Err(Error::Forked)
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        if !self.shared.owner.is_this_process() {
            // The threads are the parent's, and one may have had the ring's lock at the fork.
            for thread in self.threads.drain(..) {
                std::mem::forget(thread);
            }
            std::mem::forget(Arc::clone(&self.shared));
            return;
        }
        self.shared.ring().is_closing = true;
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            // Panics of the work are caught in the thread.
            let _ = thread.join();
        }
        let slots = self.shared.ring().empty();
        drop(slots);
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (epoch, step) = (self.state.epoch, self.state.step);
        write!(
            f,
            "Loader({}, epoch {epoch}, step {step})",
            self.shared.origin
        )
    }
}
