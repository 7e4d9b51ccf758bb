//! Memory between two pages that can't be touched.

use std::ptr;

/// What no loop has touched.
pub(super) const CANARY: u8 = 0xa5;

/// At least `room` bytes, with a page that faults before and behind.
pub(super) struct Guarded {
    base: *mut u8,
    page: usize,
    room: usize,
}

impl Guarded {
    pub(super) fn new(room: usize) -> Guarded {
        // SAFETY: no pointers go in.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let room = room.next_multiple_of(page);
        let (flags, no) = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, libc::PROT_NONE);
        // SAFETY: a fresh mapping, at no address in particular.
        let base = unsafe { libc::mmap(ptr::null_mut(), room + 2 * page, no, flags, -1, 0) };
        assert_ne!(base, libc::MAP_FAILED);
        let base = base.cast::<u8>();
        let inner = base.wrapping_add(page).cast();
        // SAFETY: the pages between the first and the last of the mapping above.
        let answer = unsafe { libc::mprotect(inner, room, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(answer, 0);
        Guarded { base, page, room }
    }

    fn inner(&self) -> *mut u8 {
        self.base.wrapping_add(self.page)
    }

    /// Where `len` bytes lie that start, or end, at a page that faults.
    pub(super) fn place(&self, len: usize, at_end: bool) -> *mut u8 {
        assert!(len <= self.room);
        self.inner()
            .wrapping_add(if at_end { self.room - len } else { 0 })
    }

    pub(super) fn put(&self, bytes: &[u8], at_end: bool) -> *const u8 {
        let place = self.place(bytes.len(), at_end);
        // SAFETY: the room was checked in `place`.
        unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        place
    }

    pub(super) fn fill(&self) {
        // SAFETY: the bytes between the guards.
        unsafe { self.inner().write_bytes(CANARY, self.room) };
    }

    /// That `len` bytes at that place are as expected, and all others as [`Guarded::fill`] left
    /// them.
    pub(super) fn check(&self, what: &str, len: usize, at_end: bool, expected: &[u8]) {
        // SAFETY: the bytes between the guards, all written by `fill`.
        let all = unsafe { std::slice::from_raw_parts(self.inner(), self.room) };
        let start = if at_end { self.room - len } else { 0 };
        assert_eq!(&all[start..start + len], expected, "{what}, {len} bytes");
        let (before, behind) = (&all[..start], &all[start + len..]);
        let canary = vec![CANARY; self.room];
        let untouched = *before == canary[..before.len()] && *behind == canary[..behind.len()];
        assert!(untouched, "{what}: wrote outside of {len} bytes");
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, which nothing borrows.
        unsafe { libc::munmap(self.base.cast(), self.room + 2 * self.page) };
    }
}
