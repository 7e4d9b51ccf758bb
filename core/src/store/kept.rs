//! Memory that a snapshot keeps for what it lent.

use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::map::{HeapBytes, Region};

/// Values that were read, until this is dropped. Without a lock: a forked child can't be kept waiting
/// by a thread that it doesn't have.
pub(crate) struct Kept {
    newest: AtomicPtr<Node>,
    owns: PhantomData<Box<Node>>,
}

struct Node {
    _bytes: HeapBytes,
    before: *mut Node,
}

// SAFETY: the nodes are owned, and HeapBytes is Send and Sync.
unsafe impl Send for Kept {}
// SAFETY: `&self` only adds nodes, by compare and exchange; none is changed or freed before drop.
unsafe impl Sync for Kept {}

impl Kept {
    pub(crate) fn new() -> Kept {
        Kept {
            newest: AtomicPtr::new(ptr::null_mut()),
            owns: PhantomData,
        }
    }

    /// Lends the bytes as long as this lives; none: out of memory.
    pub(crate) fn keep(&self, bytes: HeapBytes) -> Option<Region<'_>> {
        let mut node = Vec::new();
        node.try_reserve_exact(1).ok()?;
        let region = bytes.region();
        // SAFETY: the memory of HeapBytes doesn't move with it, and the node that owns it now is
        // dropped with self, which the result's lifetime borrows.
        let region = unsafe { Region::new(region.as_ptr(), region.len()) };
        let mut before = self.newest.load(Ordering::Relaxed);
        node.push(Node {
            _bytes: bytes,
            before,
        });
        let node = Box::into_raw(node.into_boxed_slice()).cast::<Node>();
        loop {
            // SAFETY: the node is nobody else's until it is exchanged in.
            unsafe { (*node).before = before };
            let order = (Ordering::Release, Ordering::Relaxed);
            match self
                .newest
                .compare_exchange_weak(before, node, order.0, order.1)
            {
                Ok(_) => return Some(region),
                Err(now) => before = now,
            }
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut next = *self.newest.get_mut();
        while !next.is_null() {
            let slice = ptr::slice_from_raw_parts_mut(next, 1);
            // SAFETY: each node came from Box::into_raw in `keep`, as a slice of one, stands in the
            // chain once, and `&mut self` says that nobody else is at it.
            let node = unsafe { Box::from_raw(slice) };
            next = node.first().map_or(ptr::null_mut(), |node| node.before);
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}
