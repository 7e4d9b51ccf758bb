//! Memory between two pages that can't be touched.

#![allow(dead_code, reason = "each test uses its part")]

use std::fmt::Debug;
use std::{ptr, slice};

/// What no kernel has touched.
pub const CANARY: u8 = 0xA5;

/// Bytes with a page before and a page behind that fault.
pub struct Guarded {
    map: *mut u8,
    page: usize,
    room: usize,
}

impl Guarded {
    /// Room for at least `len` bytes.
    pub fn new(len: usize) -> Guarded {
        // SAFETY: no pointers go in.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
        let room = len.next_multiple_of(page).max(page);
        let (none, private) = (libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new map touches no memory that is there.
        let map = unsafe { libc::mmap(ptr::null_mut(), room + 2 * page, none, private, -1, 0) };
        assert_ne!(map, libc::MAP_FAILED);
        let guarded = Guarded {
            map: map.cast(),
            page,
            room,
        };
        let (inner, both) = (guarded.start().cast(), libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: these are pages of the new map, which nobody uses yet.
        let done = unsafe { libc::mprotect(inner, room, both) };
        assert_eq!(done, 0);
        guarded
    }

    /// The first byte of all.
    pub fn start(&self) -> *mut u8 {
        self.map.wrapping_add(self.page)
    }

    /// `len` bytes that start at the first byte, and `len` that end at the last one.
    pub fn ends(&self, len: usize) -> [*mut u8; 2] {
        assert!(len <= self.room);
        [self.start(), self.start().wrapping_add(self.room - len)]
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: mapped and zeroed for as long as `self`; a test looks while no kernel writes.
        unsafe { slice::from_raw_parts(self.start(), self.room) }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`, and borrowed mutably.
        unsafe { slice::from_raw_parts_mut(self.start(), self.room) }
    }

    /// Puts bytes at `at`, which lies inside.
    pub fn put(&mut self, at: *const u8, bytes: &[u8]) {
        let first = at.addr() - self.start().addr();
        self.bytes_mut()[first..first + bytes.len()].copy_from_slice(bytes);
    }

    /// Makes all of it canaries.
    pub fn fill(&mut self) {
        self.bytes_mut().fill(CANARY);
    }

    /// That the bytes at `at` are as expected, and all others as [`Guarded::fill`] left them.
    pub fn check(&self, at: *const u8, expected: &[u8], what: &dyn Debug) {
        let wrote = at.addr() - self.start().addr();
        let (before, rest) = self.bytes().split_at(wrote);
        let (own, behind) = rest.split_at(expected.len());
        assert!(own == expected, "{what:?}: {} bytes", expected.len());
        let canaries = [CANARY; 4096];
        let mut outside = before.chunks(4096).chain(behind.chunks(4096));
        let kept = outside.all(|chunk| *chunk == canaries[..chunk.len()]);
        assert!(kept, "{what:?}: outside of {} bytes", expected.len());
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the map that `new` made; nobody holds it any more.
        unsafe { libc::munmap(self.map.cast(), self.room + 2 * self.page) };
    }
}
