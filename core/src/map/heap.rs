//! Bulk memory on the heap: aligned, fallible, by the caller's allocator where one is given.

use std::alloc::Layout;
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use super::error::{Error, Result};
use super::origin::Origin;
use super::os::{self, MemoryAdvice};
use super::region::Region;

/// The alignment of small bulk memory, and the least of any: a cache line.
const LINE: usize = 64;

/// From this size on memory is aligned for huge pages and they are asked for.
const HUGE: usize = 2 << 20;

/// Where bulk memory comes from.
///
/// # Safety
/// `allocate` returns memory that is writable for `size` bytes, aligned to `align`, and nobody
/// else's until `free` is called with the same three values.
pub unsafe trait BulkAllocator: Send + Sync {
    /// `size` bytes (never 0) at `align` (a power of two), or none.
    fn allocate(&self, size: usize, align: usize) -> Option<NonNull<u8>>;

    /// Takes back what `allocate` gave.
    ///
    /// # Safety
    /// `ptr` came from `allocate` of this allocator with this `size` and `align`, was not freed
    /// before, and is not used after.
    unsafe fn free(&self, ptr: NonNull<u8>, size: usize, align: usize);
}

/// The allocator of the Rust program or library.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemAllocator;

// SAFETY: std::alloc's contract is the trait's.
unsafe impl BulkAllocator for SystemAllocator {
    fn allocate(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        let layout = Layout::from_size_align(size, align)
            .ok()
            .filter(|_| size > 0)?;
        // SAFETY: the layout's size isn't 0.
        let ptr = NonNull::new(unsafe { std::alloc::alloc(layout) })?;
        if size >= HUGE {
            // Only a wish: where huge pages are off, the memory is as good.
            let _ = os::advise(ptr.as_ptr(), size - size % HUGE, MemoryAdvice::HugePage);
        }
        Some(ptr)
    }

    unsafe fn free(&self, ptr: NonNull<u8>, size: usize, align: usize) {
        if let Ok(layout) = Layout::from_size_align(size, align) {
            // SAFETY: the caller says that `allocate` gave ptr, with this very layout.
            unsafe { std::alloc::dealloc(ptr.as_ptr(), layout) };
        }
    }
}

/// Bytes on the heap that grow as they are filled.
pub struct HeapBytes {
    allocator: Arc<dyn BulkAllocator>,
    memory: Option<Memory>,
    len: usize,
    /// What addresses are multiples of.
    align: usize,
    /// What sizes are multiples of.
    unit: usize,
}

struct Memory {
    ptr: NonNull<u8>,
    size: usize,
    align: usize,
}

// SAFETY: the memory is owned, plain bytes; the allocator is Send and Sync by its trait.
unsafe impl Send for HeapBytes {}
// SAFETY: `&self` only hands out a Region, which reads.
unsafe impl Sync for HeapBytes {}

impl HeapBytes {
    /// No bytes yet, and no memory.
    #[must_use]
    pub fn new(allocator: Arc<dyn BulkAllocator>) -> HeapBytes {
        HeapBytes {
            allocator,
            memory: None,
            len: 0,
            align: LINE,
            unit: 1,
        }
    }

    /// As [`HeapBytes::new`], in whole pages of its own.
    #[must_use]
    pub fn in_pages(allocator: Arc<dyn BulkAllocator>) -> HeapBytes {
        let mut heap = HeapBytes::new(allocator);
        heap.align = os::page_size();
        heap.unit = os::page_size();
        heap
    }

    /// As [`HeapBytes::new`], at addresses that are multiples of `align`, a power of two.
    #[must_use]
    pub fn aligned(allocator: Arc<dyn BulkAllocator>, align: usize) -> HeapBytes {
        let mut heap = HeapBytes::new(allocator);
        heap.align = align.max(LINE);
        heap
    }

    /// Bytes that are filled so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is filled yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets the bytes and keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The memory's size.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.memory.as_ref().map_or(0, |memory| memory.size)
    }

    /// Makes room for `capacity` bytes in all.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], naming `origin`.
    pub fn grow(&mut self, capacity: usize, origin: &Origin) -> Result<()> {
        if capacity <= self.capacity() {
            return Ok(());
        }
        let align = if capacity >= HUGE {
            self.align.max(HUGE)
        } else {
            self.align
        };
        let room = capacity.checked_next_multiple_of(self.unit);
        let allocated = room.and_then(|size| Some((self.allocator.allocate(size, align)?, size)));
        let Some((ptr, size)) = allocated else {
            return Err(Error::OutOfMemory {
                bytes: capacity as u64,
                origin: origin.clone(),
            });
        };
        if let Some(old) = self.memory.take() {
            // SAFETY: both are memory of at least `len` bytes (len <= old size < capacity), the
            // new one is nobody else's yet, so they don't overlap.
            unsafe { ptr.copy_from_nonoverlapping(old.ptr, self.len) };
            self.give_back(&old);
        }
        self.memory = Some(Memory { ptr, size, align });
        Ok(())
    }

    /// The memory behind the filled bytes.
    pub fn spare_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        let Some(memory) = &self.memory else {
            return &mut [];
        };
        let spare = memory.ptr.as_ptr().wrapping_add(self.len).cast();
        // SAFETY: len <= size, so these size - len bytes are ours to write; `&mut self` keeps
        // everyone else away; MaybeUninit needs no initialisation and no alignment.
        unsafe { std::slice::from_raw_parts_mut(spare, memory.size - self.len) }
    }

    /// Where the memory behind the filled bytes starts: dangling where there is none. Unlike a slice
    /// it may be shared out: it is good until the next call that takes `&mut self`, but for
    /// [`HeapBytes::filled`].
    pub fn spare_start(&mut self) -> *mut u8 {
        let start = self
            .memory
            .as_ref()
            .map_or(NonNull::dangling(), |memory| memory.ptr);
        start.as_ptr().wrapping_add(self.len)
    }

    /// Counts `more` bytes of the spare memory as filled.
    ///
    /// # Safety
    /// The first `more` bytes of [`HeapBytes::spare_mut`] were written.
    pub unsafe fn filled(&mut self, more: usize) {
        debug_assert!(more <= self.capacity() - self.len);
        self.len += more;
    }

    /// Appends bytes; the room must have been made.
    pub fn extend(&mut self, bytes: &[u8]) -> bool {
        let Some(room) = self.spare_mut().get_mut(..bytes.len()) else {
            return false;
        };
        room.write_copy_of_slice(bytes);
        // SAFETY: the line above wrote exactly these bytes.
        unsafe { self.filled(bytes.len()) };
        true
    }

    /// The filled bytes.
    #[must_use]
    pub fn region(&self) -> Region<'_> {
        match &self.memory {
            // SAFETY: the first `len` bytes are filled and live as long as self, which the
            // result's lifetime borrows.
            Some(memory) => unsafe { Region::new(memory.ptr.as_ptr(), self.len) },
            None => Region::EMPTY,
        }
    }

    fn give_back(&self, memory: &Memory) {
        // SAFETY: this memory came from this allocator with these values; both callers have taken
        // it out of self and drop it after.
        unsafe { self.allocator.free(memory.ptr, memory.size, memory.align) };
    }
}

impl Drop for HeapBytes {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            self.give_back(&memory);
        }
    }
}

impl fmt::Debug for HeapBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeapBytes({} of {})", self.len, self.capacity())
    }
}
