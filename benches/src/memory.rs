//! Bytes read and kept without the library: what the machine can do.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::{NonNull, null_mut};

use crate::Result;

const HUGE_PAGE: usize = 2 << 20;

/// The kernel's mapping of a file or of fresh memory.
#[derive(Debug)]
struct Pages {
    start: NonNull<u8>,
    len: usize,
}

impl Pages {
    fn map(len: usize, protection: i32, flags: i32, file: i32) -> Result<Pages> {
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing.
        let start = unsafe { libc::mmap(null_mut(), len, protection, flags, file, 0) };
        if start == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error().into());
        }
        let start = NonNull::new(start.cast()).ok_or("mmap gave NULL")?;
        Ok(Pages { start, len })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and what it lent was tied to its lifetime.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// A file, mapped plainly.
#[derive(Debug)]
pub struct PlainMap(Pages);

impl PlainMap {
    /// Maps the whole file at `path`.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> Result<PlainMap> {
        PlainMap::open_with(path, libc::MAP_SHARED)
    }

    /// Maps the whole file at `path`, and has the kernel read all of it before.
    ///
    /// # Errors
    /// The system's.
    pub fn open_populated(path: &Path) -> Result<PlainMap> {
        PlainMap::open_with(path, libc::MAP_SHARED | libc::MAP_POPULATE)
    }

    fn open_with(path: &Path, flags: i32) -> Result<PlainMap> {
        let file = File::open(path)?;
        let len = usize::try_from(file.metadata()?.len())?;
        let file = file.as_raw_fd();
        Ok(PlainMap(Pages::map(len, libc::PROT_READ, flags, file)?))
    }

    /// Tells the kernel that the bytes will be read here and there.
    ///
    /// # Errors
    /// The system's.
    pub fn advise_random(&self) -> Result<()> {
        let (start, len) = (self.0.start.as_ptr(), self.0.len);
        // SAFETY: this value's own mapping; the advice changes no contents.
        match unsafe { libc::madvise(start.cast(), len, libc::MADV_RANDOM) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error().into()),
        }
    }

    /// The file's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: mapped readable for as long as this lives; nobody writes to a benchmark's files
        // while they are open.
        unsafe { std::slice::from_raw_parts(self.0.start.as_ptr(), self.0.len) }
    }
}

/// A buffer in huge pages, where the system has them, and at a multiple of their size.
#[derive(Debug)]
pub struct HugeBuffer {
    pages: Pages,
    skip: usize,
    len: usize,
}

impl HugeBuffer {
    /// `len` bytes of zeros, all in memory.
    ///
    /// # Errors
    /// The system's.
    pub fn new(len: usize) -> Result<HugeBuffer> {
        let mut buffer = HugeBuffer::untouched(len)?;
        buffer.bytes_mut().fill(MaybeUninit::new(0));
        Ok(buffer)
    }

    /// `len` bytes of zeros, none of them in memory before they are used.
    ///
    /// # Errors
    /// The system's.
    pub fn untouched(len: usize) -> Result<HugeBuffer> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let room = len.next_multiple_of(HUGE_PAGE) + HUGE_PAGE;
        let pages = Pages::map(room, libc::PROT_READ | libc::PROT_WRITE, flags, -1)?;
        let skip = pages.start.as_ptr().align_offset(HUGE_PAGE);
        let mut buffer = HugeBuffer { pages, skip, len };
        let (start, whole) = (buffer.bytes_mut().as_mut_ptr(), room - HUGE_PAGE);
        // SAFETY: a range of the mapping just made; advice changes no contents. Only a wish: its
        // failure is a system without huge pages.
        unsafe { libc::madvise(start.cast(), whole, libc::MADV_HUGEPAGE) };
        Ok(buffer)
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        let start = self.pages.start.as_ptr().wrapping_add(self.skip).cast();
        // SAFETY: `new` mapped at least `len` bytes from here, readable and writable.
        unsafe { std::slice::from_raw_parts_mut(start, self.len) }
    }

    /// The bytes, to be changed.
    pub fn plain_mut(&mut self) -> &mut [u8] {
        let start = self.pages.start.as_ptr().wrapping_add(self.skip);
        // SAFETY: as in `bytes_mut`; fresh mapped memory is zeros.
        unsafe { std::slice::from_raw_parts_mut(start, self.len) }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let start = self.pages.start.as_ptr().wrapping_add(self.skip);
        // SAFETY: as in `bytes_mut`; fresh mapped memory is zeros.
        unsafe { std::slice::from_raw_parts(start, self.len) }
    }
}

/// `memcpy` of the C library, and not what the compiler would make of a copy.
#[inline]
pub fn copy(from: &[u8], to: &mut [MaybeUninit<u8>]) {
    let len = from.len().min(to.len());
    // SAFETY: both slices have `len` bytes, and can't overlap as one is unique.
    unsafe { libc::memcpy(to.as_mut_ptr().cast(), from.as_ptr().cast(), len) };
}

/// As [`copy`], over bytes that are something already; `to` is as long as `from`.
#[inline]
pub fn copy_over(from: &[u8], to: &mut [u8]) {
    let len = from.len().min(to.len());
    // SAFETY: as in `copy`.
    unsafe { libc::memcpy(to.as_mut_ptr().cast(), from.as_ptr().cast(), len) };
}

/// The bytes of numbers.
#[must_use]
pub fn bytes_of(values: &[f32]) -> &[u8] {
    // SAFETY: the same memory, which has four initialised bytes a number.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}
