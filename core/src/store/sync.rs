//! What [`super::delta`] and [`super::live`] share between threads. The models in `loom/` put loom's
//! in its place.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ops::Deref;
use std::ptr::NonNull;

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, PoisonError};

use crate::map;

/// A cache line.
const LINE: usize = 64;
/// From this size on the memory is aligned for huge pages, and they are asked for.
const HUGE: usize = 2 << 20;

/// Zeroed words on cache lines of their own. The system gives the memory as it is touched.
pub(crate) struct Words {
    memory: NonNull<u8>,
    layout: Layout,
    first: NonNull<AtomicU64>,
    len: usize,
}

// SAFETY: the memory is owned, and holds atomics only.
unsafe impl Send for Words {}
// SAFETY: as for Send.
unsafe impl Sync for Words {}

impl Words {
    /// None: out of memory.
    pub(crate) fn zeroed(len: usize) -> Option<Words> {
        let bytes = len.checked_mul(size_of::<AtomicU64>())?;
        let align = if bytes < HUGE { LINE } else { HUGE };
        // Aligned here: the allocator would touch all of what it aligns.
        let layout = Layout::from_size_align(bytes.checked_add(align)?, size_of::<u64>()).ok()?;
        // SAFETY: the size isn't 0, since the alignment isn't.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let skipped = memory.align_offset(align);
        if skipped > align {
            // Only Miri may say so of an address.
            // SAFETY: just allocated with this layout, and used by nobody.
            unsafe { dealloc(memory.as_ptr(), layout) };
            return None;
        }
        // SAFETY: at most `align` bytes further, of bytes + align.
        let first = unsafe { memory.add(skipped) };
        if bytes >= HUGE {
            map::wish_for_huge_pages(first.as_ptr(), bytes);
        }
        Some(Words {
            memory,
            layout,
            first: first.cast(),
            len,
        })
    }
}

impl Deref for Words {
    type Target = [AtomicU64];

    #[inline]
    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: `len` words lie from `first` on, aligned, zeroed once (which is a valid atomic),
        // and ours until self is dropped.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: alloc_zeroed gave the memory for this layout.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) };
    }
}

/// Brings the cache line of a value closer.
#[inline]
pub(crate) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and faults at no address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
            std::ptr::from_ref(value).cast(),
        )
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
