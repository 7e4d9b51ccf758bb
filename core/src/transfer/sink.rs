//! Loading to wherever the caller's own copies go: through slots of memory.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::cut::{Cutter, Sizes};
use super::error::{Error, Result};
use super::fill::{Hand, Place, Work};
use super::item::{Destination, Item};
use super::job::Piece;
use super::load::{LoadOptions, Stats, Told, Watch};
use super::plan::Plan;
use super::threads::{self, Queue};

/// The most slots that a sink can have.
pub const MAX_SLOTS: usize = 4096;

/// The least bytes of a slot: a block of any dtype, converted, fits.
pub const MIN_SLOT_BYTES: usize = 4096;

/// A device, as the load sees it: slots of memory that are filled, and copies from them that go on
/// by themselves. All is called on the thread that called the load. An error is a number of the
/// caller's, which ends the load.
///
/// For each slot the calls come in turn: acquire, submit, wait. What was submitted is waited for
/// whatever happens, unless its submit failed. Items are submitted as their files have them, each
/// from its start to its end.
///
/// # Safety
/// `acquire` gives memory that is writable for [`Sink::slot_bytes`] bytes, and nobody else's, until
/// the slot's `submit`, or until the load ends.
pub unsafe trait Sink {
    /// How many slots there are: with two or more, one is filled while another is copied.
    fn slots(&self) -> usize;

    /// The bytes of each.
    fn slot_bytes(&self) -> usize;

    /// The memory of a slot, to be filled.
    ///
    /// # Errors
    /// Any number.
    fn acquire(&mut self, slot: usize) -> std::result::Result<*mut u8, i32>;

    /// Starts copying the slot's first `bytes` bytes to byte `offset` of what `item` becomes.
    ///
    /// # Errors
    /// Any number.
    fn submit(
        &mut self,
        slot: usize,
        item: usize,
        offset: u64,
        bytes: usize,
    ) -> std::result::Result<(), i32>;

    /// Returns when the copy from the slot is done, so that it can be filled again.
    ///
    /// # Errors
    /// Any number.
    fn wait(&mut self, slot: usize) -> std::result::Result<(), i32>;
}

/// Loads all items, none with memory of its own, through the slots of a sink: in the order in which
/// the files have them, filled by several threads. A slot carries whole elements, or blocks, of one
/// item. Progress counts what was waited for.
///
/// # Errors
/// As [`super::load`]; [`Error::Callback`].
pub fn load_to_sink(
    items: &[Item],
    sink: &mut dyn Sink,
    options: &LoadOptions,
    watch: &mut dyn Watch,
) -> Result<Stats> {
    let (slots, slot_bytes) = (sink.slots(), sink.slot_bytes());
    let arguments = |why: String, item| Err(Error::Arguments { why, item });
    if slots == 0 || slots > MAX_SLOTS {
        let why = format!("the sink has {slots} slots; 1 to {MAX_SLOTS} are possible");
        return arguments(why, None);
    }
    if slot_bytes < MIN_SLOT_BYTES {
        let why = format!(
            "the sink's slots have {slot_bytes} bytes; at least {MIN_SLOT_BYTES} are needed"
        );
        return arguments(why, None);
    }
    let given = |item: &Item| matches!(item.destination, Destination::Given(_));
    if let Some(item) = items.iter().position(given) {
        let why = format!("item {item} has memory of its own, but goes to a sink");
        return arguments(why, Some(item as u64));
    }
    let plan = Plan::new(items, options, slots)?;
    feed(&plan, (slots, slot_bytes), sink, watch)
}

pub(super) fn feed(
    plan: &Plan,
    (slots, slot_bytes): (usize, usize),
    sink: &mut dyn Sink,
    watch: &mut dyn Watch,
) -> Result<Stats> {
    plan.still_whole()?;
    let mut feed = Feed {
        plan,
        carried: vec![None; slots],
        free: (0..slots).collect(),
        submitted: VecDeque::with_capacity(slots),
        slot_bytes,
        given: 0,
        sink,
        told: Told::new(plan, watch)?,
    };
    let (threads, work_bytes) = feed.run()?;
    plan.still_whole()?;
    feed.told.is_all()?;
    Ok(Stats {
        bytes: plan.total,
        direct_bytes: plan.files.direct_bytes(),
        work_bytes,
        threads,
    })
}

/// A slot to be filled, by its number in the order of the work.
struct Order {
    number: u64,
    slot: usize,
    piece: Piece,
    memory: Place,
}

/// A slot that was filled, or not.
struct Filled {
    number: u64,
    result: Result<()>,
}

struct Feed<'a> {
    plan: &'a Plan,
    /// What each slot is for, from its acquire to its wait.
    carried: Vec<Option<Piece>>,
    free: VecDeque<usize>,
    /// The oldest first.
    submitted: VecDeque<usize>,
    slot_bytes: usize,
    /// How many slots were given out.
    given: u64,
    sink: &'a mut dyn Sink,
    told: Told<'a>,
}

impl Feed<'_> {
    /// Feeds everything; at the end no slot is submitted any more, whatever happened.
    fn run(&mut self) -> Result<(usize, u64)> {
        let stop = AtomicBool::new(false);
        let work = Work {
            files: &self.plan.files,
            jobs: &self.plan.jobs,
            stop: &stop,
        };
        let sizes = Sizes {
            read: u64::MAX,
            written: self.slot_bytes as u64,
        };
        let mut cutter = Cutter::new(&self.plan.jobs, &self.plan.order, sizes);
        let all = || {
            self.told.begin()?;
            let done = if self.plan.threads == 1 {
                self.alone(&work, &mut cutter)
            } else {
                self.in_parallel(&work, &mut cutter)
            }?;
            while !self.submitted.is_empty() {
                self.wait_for_oldest()?;
            }
            Ok(done)
        };
        // Copies go on when a callback of the caller's panics, or this library does.
        let result = catch_unwind(AssertUnwindSafe(all));
        while let Some(slot) = self.submitted.pop_front() {
            // The failure that came first is the one to tell.
            let _ = self.sink.wait(slot);
        }
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }

    fn alone(&mut self, work: &Work<'_>, cutter: &mut Cutter<'_>) -> Result<(usize, u64)> {
        let mut hand = Hand::new(work, &self.plan.allocator, self.plan.window);
        while let Some(order) = self.next(cutter)? {
            // SAFETY: the slot's memory is writable for a piece and this load's alone until it is
            // submitted, by the sink's promise.
            unsafe { hand.fill(&order.piece, order.memory.0) }?;
            self.submit(order.slot)?;
        }
        Ok((1, hand.window.taken()))
    }

    fn in_parallel(&mut self, work: &Work<'_>, cutter: &mut Cutter<'_>) -> Result<(usize, u64)> {
        let taken = AtomicU64::new(0);
        let (orders, filled) = (Queue::<Order>::new(), Queue::<Filled>::new());
        let plan = self.plan;
        let each = || {
            let mut hand = None;
            while let Some(Order {
                number,
                piece,
                memory,
                ..
            }) = orders.pop()
            {
                // Whatever happens to it, every order is answered: it is waited for.
                let result = threads::catch(|| {
                    let new = || Hand::new(work, &plan.allocator, plan.window);
                    let hand = hand.get_or_insert_with(new);
                    // SAFETY: as in `alone`; a slot is given out once until it is submitted.
                    unsafe { hand.fill(&piece, memory.0) }
                });
                filled.push(Filled { number, result });
            }
            let window = hand.map_or(0, |hand| hand.window.taken());
            taken.fetch_add(window, Ordering::Relaxed);
        };
        let end = || {
            work.stop.store(true, Ordering::Relaxed);
            orders.close();
        };
        threads::beside(plan.threads, &each, &end, |count| {
            if count == 0 {
                return self.alone(work, cutter).map(|(count, _)| count);
            }
            self.deal(cutter, count, &orders, &filled).map(|()| count)
        })
        .map(|count| (count, taken.load(Ordering::Relaxed)))
    }

    /// Gives slots out to be filled, and submits what was, in the order of the work.
    fn deal(
        &mut self,
        cutter: &mut Cutter<'_>,
        threads: usize,
        orders: &Queue<Order>,
        filled: &Queue<Filled>,
    ) -> Result<()> {
        let mut filling = 0;
        let mut more = true;
        let mut failed: Option<(u64, Error)> = None;
        // The slots from the first that isn't submitted yet on, and whether each is filled. No slot
        // is waited for in vain: the first of these is being filled, if there are any.
        let mut line: VecDeque<(usize, bool)> = VecDeque::with_capacity(self.carried.len());
        let mut first = self.given + 1;
        loop {
            let may_give = more && failed.is_none() && filling < threads;
            let has_slot = !self.free.is_empty() || !self.submitted.is_empty();
            // What is filled goes before a wait for what is being copied.
            let report = if may_give && has_slot {
                if self.free.is_empty() {
                    filled.try_pop()
                } else {
                    None
                }
            } else if filling > 0 {
                filled.pop()
            } else {
                break;
            };
            let Some(report) = report else {
                match self.next(cutter)? {
                    Some(next) => {
                        line.push_back((next.slot, false));
                        orders.push(next);
                        filling += 1;
                    }
                    None => more = false,
                }
                continue;
            };
            filling -= 1;
            if let Err(error) = report.result {
                if failed.as_ref().is_none_or(|first| report.number < first.0) {
                    failed = Some((report.number, error));
                }
                continue;
            }
            let place = report.number.saturating_sub(first);
            let entry = usize::try_from(place).ok().and_then(|at| line.get_mut(at));
            entry.ok_or(Error::Internal("a slot was filled twice"))?.1 = true;
            while failed.is_none()
                && let Some(&(slot, true)) = line.front()
            {
                self.submit(slot)?;
                line.pop_front();
                first += 1;
            }
        }
        failed.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// The next piece that needs a slot, with a free one: the oldest that was submitted is waited
    /// for where there is no other.
    fn next(&mut self, cutter: &mut Cutter<'_>) -> Result<Option<Order>> {
        let piece = loop {
            match cutter.piece() {
                None => return Ok(None),
                // Of an item without elements.
                Some(piece) if piece.count == 0 => self.told.pieces(&[piece])?,
                Some(piece) => break piece,
            }
        };
        if self.free.is_empty() {
            self.wait_for_oldest()?;
        }
        let slot = self.free.pop_front();
        let slot = slot.ok_or(Error::Internal("no slot for a piece"))?;
        let memory = self.sink.acquire(slot);
        let memory = memory.map_err(|code| self.callback("acquire", slot, code, &piece))?;
        if memory.is_null() {
            let why = format!("the sink's acquire gave no memory for slot {slot}");
            return Err(Error::Arguments { why, item: None });
        }
        let carried = self.carried.get_mut(slot);
        *carried.ok_or(Error::Internal("a slot that isn't the sink's"))? = Some(piece);
        self.given += 1;
        Ok(Some(Order {
            number: self.given,
            slot,
            piece,
            memory: Place(memory),
        }))
    }

    fn submit(&mut self, slot: usize) -> Result<()> {
        let piece = self.carried.get(slot).copied().flatten();
        let piece = piece.ok_or(Error::Internal("a slot without a piece"))?;
        let job = self.plan.jobs.get(piece.job);
        let job = job.ok_or(Error::Internal("a piece of no item"))?;
        let (offset, bytes) = (job.place_of(&piece), job.bytes_out(&piece));
        let submitted = self.sink.submit(slot, piece.job, offset, bytes as usize);
        submitted.map_err(|code| self.callback("submit", slot, code, &piece))?;
        self.submitted.push_back(slot);
        Ok(())
    }

    /// Waits for the copy that was submitted first, if there is one.
    fn wait_for_oldest(&mut self) -> Result<()> {
        let Some(slot) = self.submitted.pop_front() else {
            return Ok(());
        };
        let waited = self.sink.wait(slot);
        let piece = self.carried.get_mut(slot).and_then(Option::take);
        let piece = piece.ok_or(Error::Internal("a slot without a piece"))?;
        waited.map_err(|code| self.callback("wait", slot, code, &piece))?;
        self.free.push_back(slot);
        self.told.pieces(&[piece])
    }

    fn callback(&self, what: &'static str, slot: usize, code: i32, piece: &Piece) -> Error {
        let item = self.plan.jobs.get(piece.job).map(|job| job.item);
        Error::Callback {
            what,
            slot,
            code,
            item,
        }
    }
}
