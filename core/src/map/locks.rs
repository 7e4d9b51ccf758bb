//! Pages kept in memory, counted: a page that two locks share stays until both are gone.

use std::collections::BTreeMap;
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::data::{Data, os_range};
use super::error::{Error, Result};
use super::os::{self, Owner};

/// What is locked in one process, by address: one page may belong to two files' heap bytes.
#[derive(Debug)]
struct Locked {
    owner: Owner,
    counts: RwLock<Counts>,
    /// Of the process that this one was forked from.
    _before: Option<&'static Locked>,
}

impl Locked {
    /// What is locked in this process. A forked child starts anew: the kernel gives it none of its
    /// parent's locks, and one of the parent's threads may have held the counts at the fork.
    fn here() -> &'static Locked {
        static NEWEST: AtomicPtr<Locked> = AtomicPtr::new(null_mut());
        let mut ptr = NEWEST.load(Ordering::Acquire);
        loop {
            // SAFETY: null, or stored below from a box that is never freed.
            let newest = unsafe { ptr.as_ref() };
            if let Some(own) = newest.filter(|newest| newest.owner.is_this_process()) {
                return own;
            }
            let own = Box::into_raw(Box::new(Locked {
                owner: Owner::this_process(),
                counts: RwLock::default(),
                _before: newest,
            }));
            match NEWEST.compare_exchange(ptr, own, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => ptr = own,
                Err(other) => {
                    // SAFETY: from into_raw above, and shared with nobody.
                    drop(unsafe { Box::from_raw(own) });
                    ptr = other;
                }
            }
        }
    }

    // The counts are changed by code that doesn't panic.

    fn counts(&self) -> RwLockReadGuard<'_, Counts> {
        self.counts.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts_mut(&self) -> RwLockWriteGuard<'_, Counts> {
        self.counts.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A range of a file's bytes whose pages stay in memory for as long as this lives; not in a forked
/// child, which has none of its parent's locks.
#[derive(Debug)]
pub struct LockedRange {
    /// Holds the pages: locks end before their memory does.
    data: Arc<Data>,
    pages: Range<usize>,
    owner: Owner,
}

impl LockedRange {
    /// Locks the pages of `len` bytes at `offset` of the data: brings them into memory and keeps
    /// them there. Where that fails, none is locked that wasn't before.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::Truncated`], the system's: the limit on locked memory is low
    /// by default.
    pub fn new(data: Arc<Data>, offset: u64, len: u64) -> Result<LockedRange> {
        let (offset, len) = data.range(offset, len)?;
        let region = data.region().slice(offset, len).filter(|_| len > 0);
        // Data that was locked when it was opened stays so: there is nothing to count.
        let pages = match region.filter(|_| !data.locked) {
            Some(region) => {
                let (start, len) = os_range(region);
                let len = len.next_multiple_of(os::page_size());
                start.addr()..start.addr().saturating_add(len)
            }
            None => 0..0,
        };
        data.still_whole()?;
        let locked = Locked::here();
        let owner = locked.owner;
        if pages.is_empty() {
            return Ok(LockedRange { data, pages, owner });
        }
        locked.counts_mut().add(&pages);
        // Counted first and locked without holding the counts, since that reads the pages from the
        // disk: who shares a page locks it again, and nobody unlocks it meanwhile.
        let range = LockedRange { data, pages, owner };
        let Err(error) = os::lock(address(range.pages.start), range.pages.len()) else {
            return Ok(range);
        };
        let data = Arc::clone(&range.data);
        // Unlocks what nobody else has: a lock that failed half-way has marked its pages too.
        drop(range);
        data.still_whole()?;
        Err(Error::io_at(
            "lock in memory (is the limit on locked memory, ulimit -l, high enough?)",
            data.origin(),
            offset,
        )(error))
    }

    /// The bytes of the pages that this keeps in memory: 0 where all of the data was locked when it
    /// was opened.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.pages.len() as u64
    }
}

impl Drop for LockedRange {
    fn drop(&mut self) {
        if self.pages.is_empty() || !self.owner.is_this_process() {
            return;
        }
        let mut counts = Locked::here().counts_mut();
        for range in counts.remove(&self.pages) {
            if let Err(error) = os::unlock(address(range.start), range.len()) {
                log::info!("{}: not unlocked: {error}", self.data.origin());
            }
        }
    }
}

/// Calls `work` with each stretch of a page-aligned range that no lock keeps in memory, while none
/// can be added; several threads may do so at once.
pub(super) fn each_unlocked<E>(
    ptr: *const u8,
    len: usize,
    mut work: impl FnMut(*const u8, usize) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let counts = Locked::here().counts();
    let range = ptr.addr()..ptr.addr().saturating_add(len);
    counts.uncovered(&range).into_iter().try_for_each(|free| {
        let before = free.start.saturating_sub(range.start);
        work(ptr.wrapping_add(before), free.len())
    })
}

/// The system is told addresses; nothing is read through these.
fn address(at: usize) -> *const u8 {
    std::ptr::without_provenance(at)
}

/// How many locks each stretch of addresses has: from the key to the end beside the count. The
/// stretches don't overlap, and none has a count of 0.
#[derive(Debug, Default)]
struct Counts(BTreeMap<usize, (usize, usize)>);

impl Counts {
    /// What of a range has no lock, in order.
    fn uncovered(&self, range: &Range<usize>) -> Vec<Range<usize>> {
        let mut free = Vec::new();
        let mut at = range.start;
        let before = self.0.range(..range.start).next_back();
        if let Some((_, &(end, _))) = before {
            at = at.max(end);
        }
        for (&start, &(end, _)) in self.0.range(range.clone()) {
            if at < start {
                free.push(at..start);
            }
            at = at.max(end);
        }
        if at < range.end {
            free.push(at..range.end);
        }
        free
    }

    fn add(&mut self, range: &Range<usize>) {
        let free = self.uncovered(range);
        self.split(range.start);
        self.split(range.end);
        for (_, (_, count)) in self.0.range_mut(range.clone()) {
            *count = count.saturating_add(1);
        }
        for range in free {
            self.0.insert(range.start, (range.end, 1));
        }
    }

    /// Takes back an [`Counts::add`] of the same range: what has no lock any more.
    fn remove(&mut self, range: &Range<usize>) -> Vec<Range<usize>> {
        self.split(range.start);
        self.split(range.end);
        let mut free = Vec::new();
        for (&start, (end, count)) in self.0.range_mut(range.clone()) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                free.push(start..*end);
            }
        }
        for range in &free {
            self.0.remove(&range.start);
        }
        free
    }

    /// Has no stretch reach across `at`.
    fn split(&mut self, at: usize) {
        let Some((_, stretch)) = self.0.range_mut(..at).next_back() else {
            return;
        };
        let (end, count) = *stretch;
        if end > at {
            stretch.0 = at;
            self.0.insert(at, (end, count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_has_locks_of_its_own() {
        // Where nothing is ever mapped.
        let range = 16..32;
        // As a thread that is at them when another one forks.
        let mut held = Locked::here().counts_mut();
        held.add(&range);
        // SAFETY: the child has this thread alone and ends by _exit.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: ends the child where it waits for what nobody lets go.
            unsafe { libc::alarm(20) };
            let mut free = 0;
            let all = each_unlocked::<()>(address(range.start), 16, |_, len| {
                free += len;
                Ok(())
            });
            let works = all.is_ok() && free == 16;
            // SAFETY: ends the child at once, with none of the parent's destructors.
            unsafe { libc::_exit(i32::from(!works)) };
        }
        let mut status = 0;
        // SAFETY: waits for the child just forked; `status` is writable.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        held.remove(&range);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn every_page_is_counted(
            steps in prop::collection::vec((0usize..30, 1usize..12, any::<bool>()), 1..60)
        ) {
            let mut counts = Counts::default();
            let mut plain = [0u32; 64];
            let mut held: Vec<Range<usize>> = Vec::new();
            for (start, len, add) in steps {
                let range = start..start + len;
                let zeros = |plain: &[u32; 64], range: &Range<usize>| -> Vec<usize> {
                    range.clone().filter(|&at| plain[at] == 0).collect()
                };
                if add || held.is_empty() {
                    let free: Vec<usize> = counts.uncovered(&range).into_iter().flatten().collect();
                    prop_assert_eq!(free, zeros(&plain, &range));
                    range.clone().for_each(|at| plain[at] += 1);
                    counts.add(&range);
                    held.push(range);
                } else {
                    let range = held.swap_remove(start % held.len());
                    range.clone().for_each(|at| plain[at] -= 1);
                    let free: Vec<usize> = counts.remove(&range).into_iter().flatten().collect();
                    prop_assert_eq!(free, zeros(&plain, &range));
                }
            }
            for range in held {
                counts.remove(&range);
            }
            prop_assert!(counts.0.is_empty());
        }
    }
}
