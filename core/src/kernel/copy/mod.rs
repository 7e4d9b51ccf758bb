//! Bytes copied from one place to another.

use super::cache::fence;
use super::convert::Stores;
use super::path::CpuPath;

#[cfg(target_arch = "x86_64")]
pub(super) mod x86;

/// Bytes up to which the C library's memcpy is as fast as any loop, and choosing one costs more
/// than it gains. (From 2112 bytes on glibc may use `rep movsb`: dl-cacheinfo.h, version 2.36.)
pub const SHORT_COPY: usize = 2112;

/// Up to here the loop of AVX-512 is the fastest: glibc 2.36 has turned to `rep movsb`, and input
/// and output still lie in the first cache. With AVX2 such a loop lost on one CPU of two.
#[cfg(target_arch = "x86_64")]
const AVX512_WINS: usize = 16 << 10;

/// # Safety
/// `from` is readable and `to` writable for `len` bytes, more than [`SHORT_COPY`], and the two don't
/// overlap; the CPU has what the loop is made of.
#[cfg(target_arch = "x86_64")]
type Loop = unsafe fn(from: *const u8, to: *mut u8, len: usize);

/// Copies `len` bytes. Every length goes to what was fastest for it: the C library's memcpy, unless
/// a loop of this room beats it.
///
/// Large copies are made for memory that was written before. Pages that the system has yet to give
/// come zeroed into the cache, and past it they are written twice: there [`Stores::Cached`] was up
/// to 1.8 times as fast as [`Stores::Streaming`].
///
/// # Safety
/// `from` is readable and `to` writable for `len` bytes, at any alignment, and the two don't
/// overlap (see [`overlaps`]). Another process may change what is read meanwhile.
#[inline]
pub unsafe fn copy(from: *const u8, to: *mut u8, len: usize, stores: Stores) {
    if len <= SHORT_COPY {
        // SAFETY: the caller's promise; bytes need no alignment.
        return unsafe { from.copy_to_nonoverlapping(to, len) };
    }
    // SAFETY: the caller's promise; the best path is one that the CPU has.
    unsafe { copy_on(CpuPath::best(), from, to, len, stores) }
}

/// As [`copy`], on a given path.
///
/// # Safety
/// As for [`copy`], and this CPU has the path ([`CpuPath::is_available`]).
#[inline]
pub unsafe fn copy_on(path: CpuPath, from: *const u8, to: *mut u8, len: usize, stores: Stores) {
    let streams = stores.over(len) == Stores::Streaming;
    // SAFETY: the caller's promise.
    unsafe { copy_bare(path, from, to, len, streams) };
    if streams {
        fence();
    }
}

/// As [`copy_on`], where a fence follows if it `streams`.
///
/// # Safety
/// That of [`copy_on`].
#[inline]
pub(super) unsafe fn copy_bare(
    path: CpuPath,
    from: *const u8,
    to: *mut u8,
    len: usize,
    streams: bool,
) {
    #[cfg(target_arch = "x86_64")]
    if len > SHORT_COPY {
        let loop_of = match (path, streams) {
            (CpuPath::Avx512, true) => Some(x86::stream_avx512 as Loop),
            (CpuPath::Avx2, true) => Some(x86::stream_avx2 as Loop),
            (CpuPath::Avx512, false) if len <= AVX512_WINS => Some(x86::copy_avx512 as Loop),
            _ => None,
        };
        if let Some(copy) = loop_of {
            // SAFETY: the caller's promise; small lengths were passed over.
            return unsafe { copy(from, to, len) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (path, streams);
    // SAFETY: the caller's promise; bytes need no alignment.
    unsafe { from.copy_to_nonoverlapping(to, len) }
}

/// Whether two stretches of memory have a byte in common.
#[must_use]
pub fn overlaps(a: *const u8, a_len: usize, b: *const u8, b_len: usize) -> bool {
    let (a, b) = (a.addr(), b.addr());
    let (low_len, distance) = if a <= b {
        (a_len, b - a)
    } else {
        (b_len, a - b)
    };
    a_len > 0 && b_len > 0 && distance < low_len
}
