//! The tails of the snapshots that live.

use super::sync::{Mutex, PoisonError};

/// The tails of the snapshots of one log that live. A snapshot's tail is added under the same lock
/// under which the published tail is read for it.
#[derive(Debug)]
pub(crate) struct LiveTails {
    /// In ascending order, each with the number of its snapshots.
    tails: Mutex<Vec<(u64, usize)>>,
}

impl LiveTails {
    pub(crate) fn new() -> LiveTails {
        LiveTails {
            tails: Mutex::new(Vec::new()),
        }
    }

    /// False, and nothing added: out of memory.
    #[must_use]
    pub(crate) fn add(&self, tail: u64) -> bool {
        self.with(
            |tails| match tails.binary_search_by_key(&tail, |&(tail, _)| tail) {
                Ok(at) => {
                    if let Some((_, snapshots)) = tails.get_mut(at) {
                        *snapshots += 1;
                    }
                    true
                }
                Err(at) => {
                    let has_room = tails.try_reserve(1).is_ok();
                    if has_room {
                        tails.insert(at, (tail, 1));
                    }
                    has_room
                }
            },
        )
    }

    /// Takes back one that was added.
    pub(crate) fn remove(&self, tail: u64) {
        self.with(|tails| {
            let Ok(at) = tails.binary_search_by_key(&tail, |&(tail, _)| tail) else {
                return;
            };
            match tails.get_mut(at) {
                Some((_, snapshots)) if *snapshots > 1 => *snapshots -= 1,
                _ => drop(tails.remove(at)),
            }
        });
    }

    /// Whether one has after < tail <= up_to.
    pub(crate) fn any_in(&self, after: u64, up_to: u64) -> bool {
        self.with(|tails| {
            let first = tails.partition_point(|&(tail, _)| tail <= after);
            tails.get(first).is_some_and(|&(tail, _)| tail <= up_to)
        })
    }

    /// Snapshots that live.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.with(|tails| tails.iter().map(|&(_, snapshots)| snapshots).sum())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<(u64, usize)>) -> T) -> T {
        work(&mut self.tails.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
