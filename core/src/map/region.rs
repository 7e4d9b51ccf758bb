//! A stretch of mapped memory that somebody else may change at any time.
//!
//! A `&[u8]` promises the compiler that nobody writes to the bytes while it lives. Nobody can
//! promise that for a mapped file, so mapped bytes travel as pointer and length, are loaded once by
//! volatile reads into locals, and copied out by raw copies.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::os;

/// Readable bytes for `'a`, whose contents may change underneath.
#[derive(Clone, Copy, Debug)]
pub struct Region<'a> {
    ptr: *const u8,
    len: usize,
    lends: PhantomData<&'a ()>,
}

// SAFETY: a Region only reads, and every read is volatile or a raw copy of plain bytes, for which
// any value is valid; which thread does it makes no difference.
unsafe impl Send for Region<'_> {}
// SAFETY: as for Send: shared use is reads only.
unsafe impl Sync for Region<'_> {}

impl Default for Region<'_> {
    fn default() -> Self {
        Region::EMPTY
    }
}

/// An integer at any address.
#[repr(C, packed)]
struct Unaligned<T>(T);

impl<'a> Region<'a> {
    /// No bytes at all.
    pub const EMPTY: Region<'static> = Region {
        ptr: std::ptr::null(),
        len: 0,
        lends: PhantomData,
    };

    /// The `len` bytes from `ptr`.
    ///
    /// # Safety
    /// The bytes are mapped readable for as long as `'a`, and `len` is at most `isize::MAX`.
    #[must_use]
    pub unsafe fn new(ptr: *const u8, len: usize) -> Region<'a> {
        Region {
            ptr,
            len,
            lends: PhantomData,
        }
    }

    /// The first byte's address; null where there are no bytes.
    #[must_use]
    pub fn as_ptr(self) -> *const u8 {
        if self.len == 0 {
            std::ptr::null()
        } else {
            self.ptr
        }
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The `len` bytes at `offset`, where they all lie inside.
    #[must_use]
    #[inline]
    pub fn slice(self, offset: u64, len: u64) -> Option<Region<'a>> {
        let end = offset.checked_add(len)?;
        if end > self.len as u64 {
            return None;
        }
        let (offset, len) = (usize::try_from(offset).ok()?, usize::try_from(len).ok()?);
        // Within the region, or one past its end; wrapping_add needs no proof for a null one.
        Some(Region {
            ptr: self.ptr.wrapping_add(offset),
            len,
            lends: PhantomData,
        })
    }

    /// The first `len` bytes, or all where there are fewer.
    #[must_use]
    pub(super) fn first(self, len: usize) -> Region<'a> {
        Region {
            len: len.min(self.len),
            ..self
        }
    }

    /// The little-endian u32 at `offset`, at any alignment, loaded once.
    #[must_use]
    #[inline]
    pub fn u32_at(self, offset: u64) -> Option<u32> {
        let place = self.slice(offset, 4)?.ptr.cast::<Unaligned<u32>>();
        // SAFETY: `slice` checked that 4 readable bytes lie here; the packed type needs no
        // alignment and any bit pattern is a u32.
        let value = unsafe { place.read_volatile() };
        Some(u32::from_le(value.0))
    }

    /// Fills `out` with the little-endian u32s from `offset` on, each loaded once; false, and
    /// nothing loaded, where they don't all lie inside.
    #[must_use]
    #[inline]
    pub fn u32s_at(self, offset: u64, out: &mut [u32]) -> bool {
        let Some(from) = self.slice(offset, size_of_val(out) as u64) else {
            return false;
        };
        let from = from.ptr.cast::<Unaligned<u32>>();
        for (number, word) in out.iter_mut().enumerate() {
            // SAFETY: `slice` checked that size_of_val(out) readable bytes lie here, and `number`
            // is below out.len(); the packed type needs no alignment.
            let value = unsafe { from.wrapping_add(number).read_volatile() };
            *word = u32::from_le(value.0);
        }
        true
    }

    /// The little-endian u64 at `offset`, at any alignment, loaded once.
    #[must_use]
    #[inline]
    pub fn u64_at(self, offset: u64) -> Option<u64> {
        let place = self.slice(offset, 8)?.ptr.cast::<Unaligned<u64>>();
        // SAFETY: `slice` checked that 8 readable bytes lie here; the packed type needs no
        // alignment and any bit pattern is a u64.
        let value = unsafe { place.read_volatile() };
        Some(u64::from_le(value.0))
    }

    /// Whether these are just the bytes, each loaded once.
    #[must_use]
    #[inline]
    pub fn is_equal_to(self, bytes: &[u8]) -> bool {
        if self.len != bytes.len() {
            return false;
        }
        let (words, rest) = bytes.as_chunks::<8>();
        let mut at = 0;
        for word in words {
            if self.u64_at(at) != Some(u64::from_le_bytes(*word)) {
                return false;
            }
            at += 8;
        }
        rest.iter().zip(at..).all(|(byte, at)| {
            self.slice(at, 1).is_some_and(|place| {
                // SAFETY: `slice` checked that the byte is readable.
                let value = unsafe { place.ptr.read_volatile() };
                value == *byte
            })
        })
    }

    /// The little-endian u64s from `offset` on, at any alignment, each loaded once.
    #[must_use]
    #[inline]
    pub fn u64s_at<const N: usize>(self, offset: u64) -> Option<[u64; N]> {
        let from = self.slice(offset, (N * 8) as u64)?.ptr;
        let from = from.cast::<Unaligned<u64>>();
        Some(std::array::from_fn(|number| {
            // SAFETY: `slice` checked that N times 8 readable bytes lie here, and `number` is below
            // N; the packed type needs no alignment and any bit pattern is a u64.
            let value = unsafe { from.wrapping_add(number).read_volatile() };
            u64::from_le(value.0)
        }))
    }

    /// Brings the cache line of `offset` closer.
    // Kernels have the same of their own: rooms of one floor don't import one another.
    #[inline]
    pub fn prefetch(self, offset: u64) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch reads nothing and faults at no address.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
                self.ptr
                    .wrapping_add(usize::try_from(offset).unwrap_or(0))
                    .cast(),
            )
        };
        #[cfg(not(target_arch = "x86_64"))]
        let _ = offset;
    }

    /// Copies the bytes at `offset` to all of `out`; false, and nothing copied, where they don't
    /// all lie inside.
    #[must_use]
    #[inline]
    pub fn copy_to(self, offset: u64, out: &mut [MaybeUninit<u8>]) -> bool {
        let Some(from) = self.slice(offset, out.len() as u64) else {
            return false;
        };
        // SAFETY: `slice` checked that out.len() readable bytes lie at from.ptr; out is writable
        // memory that nobody else holds, so it can't be the mapped bytes; u8 needs no alignment.
        unsafe {
            from.ptr
                .copy_to_nonoverlapping(out.as_mut_ptr().cast(), out.len())
        };
        true
    }

    /// Whether the bytes can be read: mapped from a file that was cut, they can't. Short ones aren't
    /// worth the question.
    pub(crate) fn is_readable(self) -> bool {
        self.is_empty() || os::is_readable(self)
    }

    /// A copy on the heap of the `len` bytes at `offset`, for parsers.
    #[must_use]
    pub fn to_vec(self, offset: u64, len: usize) -> Option<Vec<u8>> {
        self.slice(offset, len as u64)?;
        let mut bytes: Vec<u8> = Vec::new();
        bytes.try_reserve_exact(len).ok()?;
        let copied = self.copy_to(offset, bytes.spare_capacity_mut().get_mut(..len)?);
        debug_assert!(copied);
        // SAFETY: copy_to wrote the first `len` bytes, which are within the capacity.
        unsafe { bytes.set_len(len) };
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stay_inside() {
        let bytes = [1u8, 2, 3, 4, 5, 6, 7, 8, 9];
        // SAFETY: the array outlives the region.
        let region = unsafe { Region::new(bytes.as_ptr(), bytes.len()) };
        assert_eq!(region.u32_at(1), Some(0x0504_0302));
        assert_eq!(region.u64_at(1), Some(0x0908_0706_0504_0302));
        assert_eq!(region.u64_at(2), None);
        let mut words = [0; 2];
        assert!(region.u32s_at(1, &mut words));
        assert_eq!(words, [0x0504_0302, 0x0908_0706]);
        assert!(!region.u32s_at(2, &mut words));
        assert_eq!(region.u32_at(u64::MAX), None);
        assert!(region.is_equal_to(&bytes));
        assert!(!region.is_equal_to(&bytes[..8]));
        assert!(!region.is_equal_to(&[1, 2, 3, 4, 5, 6, 7, 8, 8]));
        assert!(!region.is_equal_to(&[1, 2, 3, 4, 5, 6, 7, 7, 9]));
        assert!(Region::EMPTY.is_equal_to(&[]));
        assert_eq!(region.to_vec(7, 2), Some(vec![8, 9]));
        assert_eq!(region.to_vec(7, 3), None);
        assert_eq!(region.slice(9, 0).map(Region::len), Some(0));
        assert!(region.slice(10, 0).is_none());
        assert!(Region::EMPTY.as_ptr().is_null());
    }
}
