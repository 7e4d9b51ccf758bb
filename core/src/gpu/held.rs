//! Which threads have chunks of which ring: one that waits for more while having some may wait for ever.

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    /// The rings that this thread has chunks of, the innermost callback's last. Nothing to drop: threads
    /// may outlive the library.
    static HELD: Cell<[usize; MOST_HELD]> = const { Cell::new([0; MOST_HELD]) };
}

/// How many uploads on different devices can be in one another's callbacks.
const MOST_HELD: usize = 4;

/// That this thread has chunks of a ring.
pub(super) struct Held {
    at: usize,
    /// It is this thread's.
    here: PhantomData<*const ()>,
}

impl Held {
    /// Of the ring at this address; none where it has some of that already.
    pub(super) fn new(ring: usize) -> Option<Held> {
        let mut held = HELD.get();
        let at = held.iter().position(|&other| other == 0)?;
        if held.contains(&ring) {
            return None;
        }
        *held.get_mut(at)? = ring;
        HELD.set(held);
        let here = PhantomData;
        Some(Held { at, here })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = HELD.get();
        if let Some(own) = held.get_mut(self.at) {
            *own = 0;
        }
        HELD.set(held);
    }
}
