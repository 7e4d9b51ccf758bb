//! Memory that a kernel can't touch outside of without a fault.

#![allow(dead_code, reason = "each test uses its part")]

use std::ptr;

use adit_core::kernel::CpuPath;

const PAGE: usize = 4096;

/// Bytes between two pages that can't be touched.
pub struct Guarded {
    map: *mut u8,
    room: usize,
}

impl Guarded {
    /// Room for at least `len` bytes.
    pub fn new(len: usize) -> Guarded {
        let room = len.next_multiple_of(PAGE).max(PAGE);
        let (none, private) = (libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new map touches no memory that is there.
        let map = unsafe { libc::mmap(ptr::null_mut(), room + 2 * PAGE, none, private, -1, 0) };
        assert_ne!(map, libc::MAP_FAILED);
        let map: *mut u8 = map.cast();
        let both = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: these are pages of the new map, which nobody uses yet.
        let done = unsafe { libc::mprotect(map.add(PAGE).cast(), room, both) };
        assert_eq!(done, 0);
        Guarded { map, room }
    }

    /// The first byte of all.
    pub fn start(&self) -> *mut u8 {
        self.map.wrapping_add(PAGE)
    }

    /// `len` bytes that start at the first byte, and `len` that end at the last one.
    pub fn ends(&self, len: usize) -> [*mut u8; 2] {
        assert!(len <= self.room);
        [self.start(), self.start().wrapping_add(self.room - len)]
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: mapped and zeroed for as long as `self`; a test looks while no kernel writes.
        unsafe { std::slice::from_raw_parts(self.start(), self.room) }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.room) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the map that `new` made; nobody holds it any more.
        unsafe { libc::munmap(self.map.cast(), self.room + 2 * PAGE) };
    }
}

/// Bytes that repeat late and differ from their neighbours.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// The paths that this CPU has, printed so that a log shows what was tested.
pub fn paths() -> Vec<CpuPath> {
    let paths: Vec<CpuPath> = CpuPath::available().collect();
    println!("paths: {paths:?}");
    assert!(paths.contains(&CpuPath::Scalar));
    paths
}
