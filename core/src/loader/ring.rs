//! Which batch is filled next, in which memory, and which is delivered next.

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::{Error, Result};
use super::order::{Order, OrderOptions};
use super::partition::Partition;
use super::slot::Slot;

/// What all epochs have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    pub(super) records: u64,
    pub(super) order: OrderOptions,
    pub(super) partition: Partition,
    pub(super) steps: u64,
}

/// An epoch's order.
#[derive(Debug)]
pub(super) struct Epoch {
    pub(super) number: u64,
    pub(super) order: Order,
}

/// A step of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) epoch: u64,
    pub(super) step: u64,
}

/// A batch to be filled.
#[derive(Debug)]
pub(super) struct Job {
    /// Its place in the line.
    ticket: u64,
    generation: u64,
    pub(super) slot: Slot,
    pub(super) epoch: Arc<Epoch>,
    /// Steps to be announced before it is filled.
    pub(super) announce: Vec<(Arc<Epoch>, u64)>,
}

/// What a worker is to do.
#[derive(Debug)]
pub(super) enum Task {
    Fill(Box<Job>),
    /// Let go of the cache of what this step was the last to use.
    Release(Arc<Epoch>, u64),
}

#[derive(Debug)]
enum Entry {
    /// A worker has the slot.
    Filling,
    Filled(Slot, Arc<Epoch>),
    /// To be told, and then filled again.
    Failed(Slot, Arc<Epoch>, Error),
    /// To be filled again.
    Again(Slot, Arc<Epoch>),
    EpochEnds,
}

/// What stands at the head of the line.
#[derive(Debug)]
pub(super) enum Head {
    Batch(Slot),
    EpochEnds,
    Failed(Error),
    /// Not yet.
    Wait,
}

/// How far work goes ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Steps that are announced before they are filled.
    pub(super) ahead: u64,
    /// Steps after which what was delivered is let go of; none for never.
    pub(super) release_after: Option<usize>,
}

/// The line of batches from the one to be delivered next on.
#[derive(Debug)]
pub(super) struct Ring {
    course: Course,
    limits: Limits,
    free: Vec<Slot>,
    /// In the order of delivery.
    line: VecDeque<Entry>,
    /// The ticket of the line's head.
    first: u64,
    /// Another after each jump: what was begun before it is of no use.
    generation: u64,
    next: At,
    announced: At,
    /// Steps from `next` up to `announced`.
    ahead: u64,
    epochs: VecDeque<Arc<Epoch>>,
    delivered: VecDeque<(Arc<Epoch>, u64)>,
    pub(super) held: usize,
    pub(super) is_closing: bool,
    /// Why no batch could be begun; the next call is told, and then it is tried again.
    refused: Option<Error>,
    /// Why nothing goes on any more.
    pub(super) dead: Option<String>,
}

impl Course {
    fn epoch(&self, number: u64) -> Result<Arc<Epoch>> {
        let order = Order::new(self.records, &self.order, number)?;
        Ok(Arc::new(Epoch { number, order }))
    }

    fn after(&self, at: At) -> At {
        if at.step + 1 < self.steps {
            At {
                step: at.step + 1,
                ..at
            }
        } else {
            At {
                epoch: at.epoch.wrapping_add(1),
                step: 0,
            }
        }
    }
}

impl Ring {
    pub(super) fn new(course: Course, limits: Limits, slots: Vec<Slot>, at: At) -> Ring {
        let mut ring = Ring {
            course,
            limits,
            free: slots,
            line: VecDeque::new(),
            first: 0,
            generation: 0,
            next: at,
            announced: at,
            ahead: 0,
            epochs: VecDeque::new(),
            delivered: VecDeque::new(),
            held: 0,
            is_closing: false,
            refused: None,
            dead: None,
        };
        ring.jump(at);
        ring
    }

    /// Goes on at another step, which may be the one behind an epoch's last.
    pub(super) fn jump(&mut self, at: At) {
        self.generation += 1;
        self.first += self.line.len() as u64;
        for entry in self.line.drain(..) {
            match entry {
                Entry::Filled(slot, _) | Entry::Failed(slot, ..) | Entry::Again(slot, _) => {
                    self.free.push(slot);
                }
                Entry::Filling | Entry::EpochEnds => {}
            }
        }
        self.delivered.clear();
        self.refused = None;
        self.next = at;
        if at.step >= self.course.steps {
            self.line.push_back(Entry::EpochEnds);
            self.next = self.course.after(at);
        }
        self.announced = self.next;
        self.ahead = 0;
    }

    fn epoch(&mut self, number: u64) -> Result<Arc<Epoch>> {
        if let Some(epoch) = self.epochs.iter().find(|epoch| epoch.number == number) {
            return Ok(Arc::clone(epoch));
        }
        let epoch = self.course.epoch(number)?;
        // Two are in use at the turn of an epoch.
        if self.epochs.len() == 2 {
            self.epochs.pop_front();
        }
        self.epochs.push_back(Arc::clone(&epoch));
        Ok(epoch)
    }

    /// As [`Ring::claim`], by a worker: an error waits for whoever takes batches.
    pub(super) fn claim_or_refuse(&mut self) -> Option<Task> {
        if self.refused.is_some() {
            return None;
        }
        self.claim().unwrap_or_else(|error| {
            self.refused = Some(error);
            None
        })
    }

    /// Whether a worker's claim failed, and nobody was told yet.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// What is to be done next, if anything is.
    pub(super) fn claim(&mut self) -> Result<Option<Task>> {
        let later = self.limits.release_after;
        if later.is_some_and(|later| self.delivered.len() > later)
            && let Some((epoch, step)) = self.delivered.pop_front()
        {
            return Ok(Some(Task::Release(epoch, step)));
        }
        for (ticket, entry) in (self.first..).zip(&mut self.line) {
            if !matches!(entry, Entry::Again(..)) {
                continue;
            }
            if let Entry::Again(slot, epoch) = std::mem::replace(entry, Entry::Filling) {
                let generation = self.generation;
                return Ok(Some(Task::Fill(Box::new(Job {
                    ticket,
                    generation,
                    slot,
                    epoch,
                    announce: Vec::new(),
                }))));
            }
        }
        let at = self.next;
        // Before a slot is taken: it would be lost.
        let (epoch, announce) = if self.free.is_empty() {
            return Ok(None);
        } else {
            (self.epoch(at.epoch)?, self.announce_next()?)
        };
        let Some(mut slot) = self.free.pop() else {
            return Ok(None);
        };
        (slot.epoch, slot.step) = (at.epoch, at.step);
        let ticket = self.first + self.line.len() as u64;
        self.line.push_back(Entry::Filling);
        self.next = self.course.after(at);
        self.ahead = self.ahead.saturating_sub(1);
        if self.next.epoch != at.epoch {
            self.line.push_back(Entry::EpochEnds);
        }
        Ok(Some(Task::Fill(Box::new(Job {
            ticket,
            generation: self.generation,
            slot,
            epoch,
            announce,
        }))))
    }

    /// The steps to announce with the next one, which is among them where it wasn't announced.
    fn announce_next(&mut self) -> Result<Vec<(Arc<Epoch>, u64)>> {
        let mut steps = Vec::new();
        if self.limits.ahead == 0 {
            return Ok(steps);
        }
        while self.ahead <= self.limits.ahead {
            let at = self.announced;
            steps.push((self.epoch(at.epoch)?, at.step));
            self.announced = self.course.after(at);
            self.ahead += 1;
        }
        Ok(steps)
    }

    /// Takes a filled batch, or one that failed; true where somebody may wait for it.
    pub(super) fn finish(&mut self, job: Job, result: Result<()>) -> bool {
        let Job {
            ticket,
            generation,
            slot,
            epoch,
            ..
        } = job;
        let place = ticket
            .checked_sub(self.first)
            .filter(|_| generation == self.generation);
        let place = place.and_then(|place| usize::try_from(place).ok());
        match place.and_then(|place| self.line.get_mut(place)) {
            Some(entry) => {
                *entry = match result {
                    Ok(()) => Entry::Filled(slot, epoch),
                    Err(error) => Entry::Failed(slot, epoch, error),
                };
                place == Some(0)
            }
            None => {
                self.free.push(slot);
                false
            }
        }
    }

    /// Takes what stands at the head of the line, if it is ready: at most `max_held` batches are
    /// given out.
    pub(super) fn take(&mut self, max_held: usize) -> Result<Head> {
        let Some(entry) = self.line.pop_front() else {
            return self.wait_unless_refused(max_held);
        };
        match entry {
            Entry::EpochEnds => {
                self.first += 1;
                Ok(Head::EpochEnds)
            }
            entry if self.held >= max_held => {
                self.line.push_front(entry);
                self.wait_unless_busy(max_held)
            }
            Entry::Filled(slot, epoch) => {
                self.first += 1;
                self.held += 1;
                if self.limits.release_after.is_some() {
                    self.delivered.push_back((epoch, slot.step));
                }
                Ok(Head::Batch(slot))
            }
            Entry::Failed(slot, epoch, error) => {
                self.line.push_front(Entry::Again(slot, epoch));
                Ok(Head::Failed(error))
            }
            entry @ (Entry::Filling | Entry::Again(..)) => {
                self.line.push_front(entry);
                Ok(Head::Wait)
            }
        }
    }

    fn wait_unless_busy(&self, max_held: usize) -> Result<Head> {
        if self.held >= max_held {
            return Err(Error::Busy { held: self.held });
        }
        Ok(Head::Wait)
    }

    /// What no batch can be begun for, where nothing else stands in the line.
    fn wait_unless_refused(&mut self, max_held: usize) -> Result<Head> {
        let head = self.wait_unless_busy(max_held)?;
        Ok(self.refused.take().map_or(head, Head::Failed))
    }

    /// Takes a slot back from the caller.
    pub(super) fn release(&mut self, slot: Slot) {
        self.held = self.held.saturating_sub(1);
        self.free.push(slot);
    }

    /// Gives the memory of all batches that nobody has.
    pub(super) fn empty(&mut self) -> Vec<Slot> {
        self.jump(self.next);
        std::mem::take(&mut self.free)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::kernel::Overflow;
    use crate::loader::columns::Columns;
    use crate::loader::memory::Memory;
    use crate::map::{BulkAllocator, SystemAllocator};

    #[test]
    fn what_a_worker_cannot_begin_is_told_once_and_tried_again() {
        let allocator: Arc<dyn BulkAllocator> = Arc::new(SystemAllocator);
        let memory = Arc::new(Memory::new(0, 1));
        let columns = Columns::new(&[], 1, Overflow::default(), &allocator, &memory).unwrap();
        let course = Course {
            records: 3,
            // No order has such blocks.
            order: OrderOptions::default(),
            partition: Partition::default(),
            steps: 3,
        };
        let limits = Limits {
            ahead: 0,
            release_after: None,
        };
        let at = At { epoch: 0, step: 0 };
        let mut ring = Ring::new(course, limits, vec![Slot::new(columns)], at);
        assert!(ring.claim_or_refuse().is_none());
        assert!(ring.claim_or_refuse().is_none());
        assert!(ring.is_refused());
        assert!(matches!(
            ring.take(2),
            Ok(Head::Failed(Error::Plan(
                super::super::PlanError::Option { .. }
            )))
        ));
        assert!(!ring.is_refused());
        ring.course.order.block = 1;
        assert!(matches!(ring.claim_or_refuse(), Some(Task::Fill(_))));
        assert!(matches!(ring.take(2), Ok(Head::Wait)));
    }
}
