//! Loading into memory: the caller's, or one block for all.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::arena::Arena;
use super::cut::Cutter;
use super::error::{Error, Result, list_of};
use super::fill::{Hand, Place, Work};
use super::item::{Destination, Item};
use super::job::{Job, Piece};
use super::plan::{Plan, check_rooms};
use super::threads::{self, Queue};
use crate::map::{BulkAllocator, Io};

/// The least memory to work in that can be asked for.
pub const MIN_BUDGET: u64 = 1 << 20;

/// The most that tensors can be aligned to.
pub const MAX_ALIGN: usize = 2 << 20;

/// What a thread reads at once, at most.
const TASK: u64 = 8 << 20;

/// How to load. The default is as is best, in default amounts.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// Reading threads; 0 as is best, 1 starts none.
    pub threads: usize,
    /// How files are read: `Auto` is `Read`.
    pub io: Io,
    /// Read past the page cache, where the file system can.
    pub direct: bool,
    /// The most memory in bytes to work in, beside that of the items; 0 for 64 MiB, else at least
    /// [`MIN_BUDGET`].
    pub budget: u64,
    /// What tensors in the arena are aligned to, a power of two up to [`MAX_ALIGN`]; 0 for 64.
    pub align: usize,
    /// Where the arena's memory comes from, and that to work in.
    pub allocator: Option<Arc<dyn BulkAllocator>>,
}

impl fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadOptions")
            .field("threads", &self.threads)
            .field("direct", &self.direct)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

/// Told on the thread that called how a load goes; false stops it.
pub trait Watch {
    /// So many bytes of the output are done; the last call of a load that isn't stopped has all.
    fn progress(&mut self, _done: u64, _total: u64) -> bool {
        true
    }

    /// An item is whole where it belongs. Items end in any order, each once.
    fn item_done(&mut self, _item: usize) -> bool {
        true
    }
}

impl Watch for () {}

/// What a load did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of all items as they were written.
    pub bytes: u64,
    /// Bytes of the files that were read past the page cache.
    pub direct_bytes: u64,
    /// Memory that it worked in, beside that of the items.
    pub work_bytes: u64,
    /// Threads that read; 1 where it was the caller's own.
    pub threads: usize,
}

/// What a load gives.
#[derive(Debug)]
pub struct Loaded {
    /// The items that no other memory was given for.
    pub arena: Arena,
    /// What was done.
    pub stats: Stats,
}

/// Where each job's output starts.
fn places(items: &[Item], arena: &mut Arena) -> Result<Vec<Place>> {
    let mut places = list_of(items.len())?;
    for (item, room) in items.iter().zip(arena.rooms()) {
        places.push(match item.destination {
            Destination::Given(room) => Place(room.start()),
            Destination::Arena => Place(room.ok_or(Error::Internal("an item without a room"))?),
        });
    }
    Ok(places)
}

/// Loads all items, in the order in which the files have them.
///
/// Where several fail, the error is that of the first in this order. After a failure the memory
/// that was given for items has any contents.
///
/// # Errors
/// [`Error::Part`], [`Error::NoConversion`], [`Error::SmallRoom`], [`Error::Overlap`],
/// [`Error::Arguments`], [`Error::OutOfMemory`], [`Error::Item`], [`Error::Cancelled`].
pub fn load(items: &[Item], options: &LoadOptions, watch: &mut dyn Watch) -> Result<Loaded> {
    let plan = Plan::new(items, options, usize::MAX)?;
    check_rooms(items, &plan)?;
    load_planned(items, &plan, watch)
}

pub(super) fn load_planned(items: &[Item], plan: &Plan, watch: &mut dyn Watch) -> Result<Loaded> {
    plan.still_whole()?;
    let is_own = |number: usize| {
        let item = items.get(number);
        item.is_some_and(|item| matches!(item.destination, Destination::Arena))
    };
    let allocator = Arc::clone(&plan.allocator);
    let mut arena = Arena::new(&plan.jobs, &plan.order, is_own, plan.align, allocator)?;
    let places = places(items, &mut arena)?;
    let mut told = Told::new(plan, watch)?;
    // SAFETY: places in the arena are apart, those that were given are large enough and don't
    // overlap, and are this load's alone by the promise of Room::new.
    let (threads, work_bytes) = unsafe { run(plan, &places, &mut told) }?;
    plan.still_whole()?;
    told.is_all()?;
    // SAFETY: every piece is told of once it was filled, and no unit of any item is left.
    unsafe { arena.written() };
    let stats = Stats {
        bytes: plan.total,
        direct_bytes: plan.files.direct_bytes(),
        work_bytes,
        threads,
    };
    Ok(Loaded { arena, stats })
}

/// What is done, for the caller.
pub(super) struct Told<'a> {
    jobs: &'a [Job],
    left: Vec<u64>,
    done: u64,
    total: u64,
    watch: &'a mut dyn Watch,
}

impl<'a> Told<'a> {
    pub(super) fn new(plan: &'a Plan, watch: &'a mut dyn Watch) -> Result<Told<'a>> {
        let mut left = list_of(plan.jobs.len())?;
        left.extend(plan.jobs.iter().map(|job| job.units));
        Ok(Told {
            jobs: &plan.jobs,
            left,
            done: 0,
            total: plan.total,
            watch,
        })
    }

    /// Before anything is done.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.go_on(|watch, done, total| watch.progress(done, total))
    }

    /// Pieces are where they belong.
    pub(super) fn pieces(&mut self, pieces: &[Piece]) -> Result<()> {
        for piece in pieces {
            let (Some(job), Some(left)) = (self.jobs.get(piece.job), self.left.get_mut(piece.job))
            else {
                return Err(Error::Internal("a piece of no item was filled"));
            };
            let rest = left.checked_sub(piece.count);
            *left = rest.ok_or(Error::Internal("a piece was filled twice"))?;
            self.done = self.done.saturating_add(job.bytes_out(piece));
            if *left == 0 {
                self.go_on(|watch, _, _| watch.item_done(piece.job))?;
            }
        }
        if self.total > 0 {
            self.go_on(|watch, done, total| watch.progress(done, total))?;
        }
        Ok(())
    }

    /// Whether all there is has been told of.
    pub(super) fn is_all(&self) -> Result<()> {
        if self.left.iter().all(|&left| left == 0) {
            Ok(())
        } else {
            Err(Error::Internal("a part of an item was not filled"))
        }
    }

    fn go_on(&mut self, ask: impl FnOnce(&mut dyn Watch, u64, u64) -> bool) -> Result<()> {
        if ask(self.watch, self.done, self.total) {
            Ok(())
        } else {
            Err(Error::Cancelled)
        }
    }
}

/// What a thread tells: pieces that are done, what failed at which number of the work, or that it
/// ends.
enum Report {
    Done(Vec<Piece>),
    Failed(u64, Error),
    Ends,
}

/// Tells that a thread ends, however it does.
struct Ends<'a>(&'a Queue<Report>);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.push(Report::Ends);
    }
}

/// Fills every place and tells the threads and the working memory that it took.
///
/// # Safety
/// Each place is writable for its job's output, apart from all others, and nobody else reads or
/// writes there.
unsafe fn run(plan: &Plan, places: &[Place], told: &mut Told<'_>) -> Result<(usize, u64)> {
    let (stop, failed) = (AtomicBool::new(false), AtomicBool::new(false));
    let tasks = Mutex::new(Cutter::new(&plan.jobs, &plan.order, TASK));
    let work = Work {
        files: &plan.files,
        jobs: &plan.jobs,
        stop: &stop,
    };
    let next = |pieces: &mut Vec<Piece>| {
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.task(pieces)
    };
    told.begin()?;
    let alone = |told: &mut Told<'_>| {
        let mut hand = Hand::new(&work, &plan.allocator, plan.window);
        let mut pieces = Vec::new();
        while next(&mut pieces)?.is_some() {
            // SAFETY: the caller's promise; no piece is given out twice.
            unsafe { hand.fill_into(&pieces, places) }?;
            told.pieces(&pieces)?;
        }
        Ok((1, hand.window.taken()))
    };
    if plan.threads == 1 {
        return alone(told);
    }
    let taken = AtomicU64::new(0);
    let reports = Queue::new();
    let is_over = || failed.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed);
    let each = || {
        let _ends = Ends(&reports);
        let mut number = u64::MAX;
        // A panic in here, wherever it is, ends the load: no piece goes missing.
        let done = threads::catch(|| {
            let mut hand = Hand::new(&work, &plan.allocator, plan.window);
            let mut pieces = Vec::new();
            while !is_over()
                && let Some(next) = next(&mut pieces)?
            {
                number = next;
                // SAFETY: as above.
                unsafe { hand.fill_into(&pieces, places) }?;
                reports.push(Report::Done(std::mem::take(&mut pieces)));
            }
            taken.fetch_add(hand.window.taken(), Ordering::Relaxed);
            Ok(())
        });
        if let Err(error) = done {
            failed.store(true, Ordering::Relaxed);
            reports.push(Report::Failed(number, error));
        }
    };
    let end = || stop.store(true, Ordering::Relaxed);
    threads::beside(plan.threads, &each, &end, |count| {
        if count == 0 {
            return alone(told);
        }
        let mut first: Option<(u64, Error)> = None;
        let mut at_work = count;
        while at_work > 0 {
            match reports.pop() {
                Some(Report::Done(pieces)) if first.is_none() => told.pieces(&pieces)?,
                Some(Report::Done(_)) => {}
                // Those that came before it in the files are still at work.
                Some(Report::Failed(number, error)) => {
                    if first.as_ref().is_none_or(|first| number < first.0) {
                        first = Some((number, error));
                    }
                }
                Some(Report::Ends) | None => at_work -= 1,
            }
        }
        let all = || (count, taken.load(Ordering::Relaxed));
        first.map_or_else(|| Ok(all()), |(_, error)| Err(error))
    })
}
