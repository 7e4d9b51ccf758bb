//! Making commits durable: one sync at a time, for all that were written by then.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::checkpoint;
use super::error::{Error, Result};
use super::format::Slot;
use super::planted::Bug;
use super::store::{Counters, Inner, Mark};
use crate::map::{self, Origin};

/// The token: whoever has it syncs the log and writes checkpoints.
pub(crate) struct Syncs {
    state: Mutex<State>,
    changed: Condvar,
    /// Everything in the log below this is durable.
    durable: AtomicU64,
    is_poisoned: AtomicBool,
}

struct State {
    is_taken: bool,
    /// All commits up to this one are durable, and visible.
    sequence: u64,
    /// The sync that failed.
    poison: Option<String>,
    /// The newest checkpoint.
    slot: Slot,
}

/// Whether a checkpoint is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checkpoint {
    /// Where enough has been written since the last one.
    Sometimes,
    /// Where anything has.
    Now,
}

/// The right to sync, until it is dropped.
pub(crate) struct Token<'a> {
    syncs: &'a Syncs,
}

impl Syncs {
    /// `slot` is the newest checkpoint, and everything below `durable` is.
    pub(crate) fn new(slot: Slot, durable: u64) -> Syncs {
        Syncs {
            state: Mutex::new(State {
                is_taken: false,
                sequence: 0,
                poison: None,
                slot,
            }),
            changed: Condvar::new(),
            durable: AtomicU64::new(durable),
            is_poisoned: AtomicBool::new(false),
        }
    }

    /// Everything in the log below this is durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// # Errors
    /// [`Error::Poisoned`].
    pub(crate) fn check(&self, origin: &Origin) -> Result<()> {
        if !self.is_poisoned.load(Ordering::Acquire) {
            return Ok(());
        }
        let why = self.lock().poison.clone().unwrap_or_default();
        Err(poisoned(origin, why))
    }

    /// Lets every later write fail: what is on the disk isn't known any more.
    pub(crate) fn poison(&self, why: String) {
        let mut state = self.lock();
        state.poison.get_or_insert(why);
        self.is_poisoned.store(true, Ordering::Release);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for the token.
    pub(crate) fn take(&self) -> Token<'_> {
        let mut state = self.lock();
        while state.is_taken {
            state = self.wait(state);
        }
        state.is_taken = true;
        Token { syncs: self }
    }

    /// Waits until a commit is durable, or for the token; none where it is.
    fn take_for(&self, sequence: u64, origin: &Origin) -> Result<Option<Token<'_>>> {
        let mut state = self.lock();
        loop {
            if state.sequence >= sequence {
                return Ok(None);
            }
            if let Some(why) = &state.poison {
                return Err(poisoned(origin, why.clone()));
            }
            if !state.is_taken {
                state.is_taken = true;
                return Ok(Some(Token { syncs: self }));
            }
            state = self.wait(state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let waited = self.changed.wait(state);
        waited.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Token<'_> {
    /// The newest checkpoint.
    pub(crate) fn slot(&self) -> Slot {
        self.syncs.lock().slot
    }

    pub(crate) fn set_slot(&self, slot: Slot) {
        self.syncs.lock().slot = slot;
    }

    /// Says that all up to `mark` is durable.
    pub(crate) fn set_durable(&self, mark: &Mark) {
        let mut state = self.syncs.lock();
        state.sequence = state.sequence.max(mark.sequence);
        self.syncs.durable.store(mark.end.tail, Ordering::Release);
    }
}

impl Drop for Token<'_> {
    fn drop(&mut self) {
        self.syncs.lock().is_taken = false;
        self.syncs.changed.notify_all();
    }
}

impl Inner {
    /// Makes all up to a commit durable, and then visible.
    ///
    /// # Errors
    /// The system's, once; [`Error::Poisoned`] ever after.
    pub(crate) fn sync_to(&self, sequence: u64) -> Result<()> {
        match self.syncs.take_for(sequence, &self.origin)? {
            None => Ok(()),
            Some(token) => self.sync_with(&token, Checkpoint::Sometimes),
        }
    }

    /// Makes all that is appended durable and visible, with a checkpoint where that says less.
    ///
    /// # Errors
    /// As [`Inner::sync_to`].
    pub(crate) fn checkpoint(&self) -> Result<()> {
        let token = self.syncs.take();
        self.syncs.check(&self.origin)?;
        self.sync_with(&token, Checkpoint::Now)
    }

    fn sync_with(&self, token: &Token<'_>, checkpoint: Checkpoint) -> Result<()> {
        let (log, mark) = {
            let shared = self.lock_shared();
            (shared.log.clone(), shared.appended)
        };
        if self.options.has(Bug::PublishFirst) {
            self.publish(&mark);
            checkpoint::write(self, token, &log, &mark, checkpoint);
        }
        if self.syncs.durable() < mark.end.tail && !self.options.has(Bug::NoSync) {
            let synced = log.file.sync_data();
            Counters::count(&self.counters.syncs);
            if let Err(error) = synced {
                self.syncs.poison(format!("a sync failed ({error})"));
                return Err(map::Error::io("sync", &self.origin)(error).into());
            }
        }
        // Before those that wait for it go on: a snapshot of theirs has it.
        self.publish(&mark);
        token.set_durable(&mark);
        checkpoint::write(self, token, &log, &mark, checkpoint);
        Ok(())
    }
}

fn poisoned(origin: &Origin, why: String) -> Error {
    let origin = origin.clone();
    Error::Poisoned { origin, why }
}
