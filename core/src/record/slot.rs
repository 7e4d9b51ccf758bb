//! A value that is made at its first use, without a lock: a child forked while another thread
//! made it would wait for that thread for ever.

use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Empty, or a value that stays until the slot is dropped.
pub(in crate::record) struct Slot<T: Send + Sync> {
    /// NULL, or a box's.
    value: AtomicPtr<T>,
    owned: PhantomData<Box<T>>,
}

impl<T: Send + Sync> Slot<T> {
    pub(in crate::record) fn new() -> Slot<T> {
        Slot {
            value: AtomicPtr::new(ptr::null_mut()),
            owned: PhantomData,
        }
    }

    #[inline]
    pub(in crate::record) fn get(&self) -> Option<&T> {
        let value = self.value.load(Ordering::Acquire);
        // SAFETY: NULL, or what `set` leaked from a box before it stored it (release, acquire): it
        // is never changed and freed by the drop alone, which needs the slot for itself.
        unsafe { value.as_ref() }
    }

    /// Puts a value in, unless another thread was faster: then that one's stays.
    pub(in crate::record) fn set(&self, value: T) -> &T {
        let own = Box::into_raw(Box::new(value));
        let empty = ptr::null_mut();
        let stored = self
            .value
            .compare_exchange(empty, own, Ordering::AcqRel, Ordering::Acquire);
        let there = match stored {
            Ok(_) => own,
            Err(there) => {
                // SAFETY: made from a box above, and stored nowhere.
                drop(unsafe { Box::from_raw(own) });
                there
            }
        };
        // SAFETY: in the slot, so as in `get`; not NULL.
        unsafe { &*there }
    }
}

impl<T: Send + Sync> Drop for Slot<T> {
    fn drop(&mut self) {
        let value = *self.value.get_mut();
        if !value.is_null() {
            // SAFETY: `set` made it from a box; nobody has a reference, they borrow the slot.
            drop(unsafe { Box::from_raw(value) });
        }
    }
}

impl<T: Send + Sync> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.get().is_some() {
            "full"
        } else {
            "empty"
        };
        write!(f, "Slot({what})")
    }
}

impl<T: Send + Sync> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_first_value_stays_and_all_are_dropped() {
        let counted = Arc::new(());
        let slot = Slot::new();
        assert!(slot.get().is_none());
        let values: Vec<*const (usize, Arc<()>)> = std::thread::scope(|scope| {
            let set = |number| {
                let (slot, counted) = (&slot, Arc::clone(&counted));
                scope.spawn(move || ptr::from_ref(slot.set((number, counted))).addr())
            };
            let threads: Vec<_> = (0..8).map(set).collect();
            let joined = threads.into_iter().map(|thread| thread.join().unwrap());
            joined.map(ptr::without_provenance).collect()
        });
        let own = ptr::from_ref(slot.get().unwrap());
        assert!(values.iter().all(|value| value.addr() == own.addr()));
        assert_eq!(Arc::strong_count(&counted), 2);
        drop(slot);
        assert_eq!(Arc::strong_count(&counted), 1);
    }
}
