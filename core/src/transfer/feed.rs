//! Slots of a sink filled, submitted and waited for.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::error::{Error, Result, list_of};
use super::fill::{Hand, Place, Work};
use super::job::Piece;
use super::load::{Stats, Told, Watch};
use super::pack::{Cargo, Packer, Slots};
use super::plan::Plan;
use super::sink::Sink;
use super::threads::{self, Queue};

pub(super) fn feed(
    plan: &Plan,
    slots: Slots,
    sink: &mut dyn Sink,
    watch: &mut dyn Watch,
) -> Result<Stats> {
    plan.still_whole()?;
    let mut carried = list_of(slots.count)?;
    carried.resize_with(slots.count, Cargo::default);
    let mut feed = Feed {
        plan,
        carried,
        spare: Vec::new(),
        free: (0..slots.count).collect(),
        submitted: VecDeque::new(),
        given: 0,
        sink,
        told: Told::new(plan, watch)?,
    };
    let (threads, work_bytes) = feed.run(slots)?;
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
    cargo: Cargo,
    memory: Place,
}

impl Order {
    /// Fills the slot.
    ///
    /// # Safety
    /// Its memory is writable for the cargo, and nobody else reads or writes there.
    unsafe fn fill(&self, hand: &mut Hand<'_>) -> Result<()> {
        let place = |at: usize| {
            let part = self.cargo.parts.get(at);
            let part = part.ok_or(Error::Internal("a piece without a part"))?;
            Ok(self.memory.0.wrapping_add(part.start))
        };
        // SAFETY: the caller's promise; parts of a cargo are apart.
        unsafe { hand.fill_all(&self.cargo.pieces, &place) }
    }
}

/// A slot that was filled, or not.
struct Filled {
    order: Order,
    result: Result<()>,
}

/// A slot that isn't submitted yet, and what it carries once it was filled.
struct InLine {
    slot: usize,
    cargo: Option<Cargo>,
}

struct Feed<'a> {
    plan: &'a Plan,
    /// What each slot carries, from its submit to its wait.
    carried: Vec<Cargo>,
    /// Lists for what slots will carry.
    spare: Vec<Cargo>,
    free: VecDeque<usize>,
    /// The oldest first.
    submitted: VecDeque<usize>,
    /// How many slots were given out.
    given: u64,
    sink: &'a mut dyn Sink,
    told: Told<'a>,
}

impl Feed<'_> {
    /// Feeds everything; at the end no slot is submitted any more, whatever happened.
    fn run(&mut self, slots: Slots) -> Result<(usize, u64)> {
        let stop = AtomicBool::new(false);
        let work = Work {
            files: &self.plan.files,
            jobs: &self.plan.jobs,
            stop: &stop,
        };
        let mut packer = Packer::new(&self.plan.jobs, &self.plan.order, slots);
        let all = || {
            self.told.begin()?;
            let done = if self.plan.threads == 1 {
                self.alone(&work, &mut packer)
            } else {
                self.in_parallel(&work, &mut packer)
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

    fn alone(&mut self, work: &Work<'_>, packer: &mut Packer<'_>) -> Result<(usize, u64)> {
        let mut hand = Hand::new(work, &self.plan.allocator, self.plan.window);
        while let Some(order) = self.next(packer)? {
            // SAFETY: the slot's memory is writable for all that fits into a slot, and this load's
            // alone until it is submitted, by the sink's promise.
            unsafe { order.fill(&mut hand) }?;
            self.submit(order.slot, order.cargo)?;
        }
        Ok((1, hand.window.taken()))
    }

    fn in_parallel(&mut self, work: &Work<'_>, packer: &mut Packer<'_>) -> Result<(usize, u64)> {
        let taken = AtomicU64::new(0);
        let (orders, filled) = (Queue::<Order>::new(), Queue::<Filled>::new());
        let plan = self.plan;
        let each = || {
            let mut hand = None;
            while let Some(order) = orders.pop() {
                // Whatever happens to it, every order is answered: it is waited for.
                let result = threads::catch(|| {
                    let new = || Hand::new(work, &plan.allocator, plan.window);
                    let hand = hand.get_or_insert_with(new);
                    // SAFETY: as in `alone`; a slot is given out once until it is submitted.
                    unsafe { order.fill(hand) }
                });
                filled.push(Filled { order, result });
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
                return self.alone(work, packer).map(|(count, _)| count);
            }
            self.deal(packer, count, &orders, &filled).map(|()| count)
        })
        .map(|count| (count, taken.load(Ordering::Relaxed)))
    }

    /// Gives slots out to be filled, and submits what was, in the order of the work.
    fn deal(
        &mut self,
        packer: &mut Packer<'_>,
        threads: usize,
        orders: &Queue<Order>,
        filled: &Queue<Filled>,
    ) -> Result<()> {
        let mut filling = 0;
        let mut more = true;
        let mut failed: Option<(u64, Error)> = None;
        // The slots from the first that isn't submitted yet on. No slot is waited for in vain: the
        // first of these is being filled, if there are any.
        let mut line: VecDeque<InLine> = VecDeque::with_capacity(self.carried.len());
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
            let Some(Filled { order, result }) = report else {
                match self.next(packer)? {
                    Some(next) => {
                        line.push_back(InLine {
                            slot: next.slot,
                            cargo: None,
                        });
                        orders.push(next);
                        filling += 1;
                    }
                    None => more = false,
                }
                continue;
            };
            filling -= 1;
            if let Err(error) = result {
                if failed.as_ref().is_none_or(|first| order.number < first.0) {
                    failed = Some((order.number, error));
                }
                continue;
            }
            let place = order.number.saturating_sub(first);
            let entry = usize::try_from(place).ok().and_then(|at| line.get_mut(at));
            let entry = entry.ok_or(Error::Internal("a slot was filled twice"))?;
            entry.cargo = Some(order.cargo);
            while failed.is_none()
                && let Some(front) = line.front_mut()
                && let Some(cargo) = front.cargo.take()
            {
                let slot = front.slot;
                self.submit(slot, cargo)?;
                line.pop_front();
                first += 1;
            }
        }
        failed.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// What comes next, with a free slot for it: the oldest that was submitted is waited for where
    /// there is no other.
    fn next(&mut self, packer: &mut Packer<'_>) -> Result<Option<Order>> {
        let mut cargo = self.spare.pop().unwrap_or_default();
        packer.next(&mut cargo, &mut |empty| self.told.pieces(&[empty]))?;
        let Some(first) = cargo.pieces.first().copied() else {
            return Ok(None);
        };
        if self.free.is_empty() {
            self.wait_for_oldest()?;
        }
        let slot = self.free.pop_front();
        let slot = slot.ok_or(Error::Internal("no slot for a piece"))?;
        let memory = self.sink.acquire(slot);
        let memory = memory.map_err(|code| self.callback("acquire", slot, code, &first))?;
        if memory.is_null() {
            let why = format!("the sink's acquire gave no memory for slot {slot}");
            return Err(Error::Arguments { why, item: None });
        }
        self.given += 1;
        Ok(Some(Order {
            number: self.given,
            slot,
            cargo,
            memory: Place(memory),
        }))
    }

    fn submit(&mut self, slot: usize, cargo: Cargo) -> Result<()> {
        let carried = self.carried.get_mut(slot);
        let carried = carried.ok_or(Error::Internal("a slot that isn't the sink's"))?;
        *carried = cargo;
        if let Err(code) = self.sink.submit(slot, &carried.parts) {
            let first = carried.first()?;
            return Err(self.callback("submit", slot, code, &first));
        }
        self.submitted.push_back(slot);
        Ok(())
    }

    /// Waits for the copy that was submitted first, if there is one.
    fn wait_for_oldest(&mut self) -> Result<()> {
        let Some(slot) = self.submitted.pop_front() else {
            return Ok(());
        };
        let waited = self.sink.wait(slot);
        let carried = self.carried.get_mut(slot);
        let carried = carried.ok_or(Error::Internal("a slot that isn't the sink's"))?;
        let cargo = std::mem::take(carried);
        let first = cargo.first()?;
        waited.map_err(|code| self.callback("wait", slot, code, &first))?;
        self.free.push_back(slot);
        let told = self.told.pieces(&cargo.pieces);
        self.spare.push(cargo);
        told
    }

    fn callback(&self, what: &'static str, slot: usize, code: i32, first: &Piece) -> Error {
        let item = self.plan.jobs.get(first.job).map(|job| job.item);
        Error::Callback {
            what,
            slot,
            code,
            item,
        }
    }
}
