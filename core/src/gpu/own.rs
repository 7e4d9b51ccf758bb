//! What only the process that made it may let go of.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::map::Owner;

/// How many devices are open, and in the upper half whose: a process's number.
static OPEN: AtomicU64 = AtomicU64::new(0);

/// One of the devices that are open. Forked children inherit drivers in the middle of the parent's
/// work, and crash when they open one anew beside them, some of them not before their end.
#[derive(Debug)]
pub(super) struct Opened(());

impl Opened {
    /// None in the child of a process that had devices open.
    pub(super) fn new() -> Option<Opened> {
        let own = u64::from(std::process::id()) << 32;
        let one_more = |open: u64| {
            let (whose, count) = (open & !u64::from(u32::MAX), open & u64::from(u32::MAX));
            match count {
                0 => Some(own | 1),
                _ if whose == own => open.checked_add(1),
                _ => None,
            }
        };
        let counted = OPEN.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        counted.ok().map(|_| Opened(()))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A driver's object. In a forked child it is left alone: the driver's threads are the parent's, and
/// destroying it would wait for them.
pub(super) struct Own<T> {
    value: ManuallyDrop<T>,
    owner: Owner,
}

impl<T> Own<T> {
    pub(super) fn new(value: T) -> Own<T> {
        Own {
            value: ManuallyDrop::new(value),
            owner: Owner::this_process(),
        }
    }

    pub(super) fn is_ours(this: &Own<T>) -> bool {
        this.owner.is_this_process()
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        if Own::is_ours(self) {
            // SAFETY: nothing uses the value after its owner's drop.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        }
    }
}

impl<T> Deref for Own<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Own<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
