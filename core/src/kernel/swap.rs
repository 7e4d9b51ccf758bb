//! Elements turned from one byte order to the other.

use super::path::CpuPath;

/// Copies `count` elements of `size` bytes each with their bytes in reverse order: of 2, 4 or 8
/// bytes. Elements of any other size have no order and are copied as they are; a complex number is
/// two elements.
///
/// # Safety
/// `from` is readable and `to` writable for `size * count` bytes, at any alignment, and the two
/// are the same or don't overlap. Another process may change what is read meanwhile.
pub unsafe fn swap_bytes(from: *const u8, to: *mut u8, size: usize, count: usize) {
    // SAFETY: the caller's promise; the best path is one that the CPU has.
    unsafe { swap_bytes_on(CpuPath::best(), from, to, size, count) }
}

/// As [`swap_bytes`], on a given path.
///
/// # Safety
/// As for [`swap_bytes`], and this CPU has the path ([`CpuPath::is_available`]).
pub unsafe fn swap_bytes_on(
    path: CpuPath,
    from: *const u8,
    to: *mut u8,
    size: usize,
    count: usize,
) {
    let swap: Swap = match path {
        #[cfg(target_arch = "x86_64")]
        CpuPath::Avx512 => swap_avx512,
        #[cfg(target_arch = "x86_64")]
        CpuPath::Avx2 => swap_avx2,
        _ => swap_plainly,
    };
    // SAFETY: the caller's promise.
    unsafe { swap(from, to, size, count) }
}

type Swap = unsafe fn(from: *const u8, to: *mut u8, size: usize, count: usize);

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn swap_avx512(from: *const u8, to: *mut u8, size: usize, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { swap_plainly(from, to, size, count) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn swap_avx2(from: *const u8, to: *mut u8, size: usize, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { swap_plainly(from, to, size, count) }
}

/// Plain, but inlined into functions that the compiler may use vectors in.
///
/// # Safety
/// That of [`swap_bytes`].
#[inline(always)]
unsafe fn swap_plainly(from: *const u8, to: *mut u8, size: usize, count: usize) {
    match size {
        // SAFETY: the caller's promise, for elements of 2 bytes.
        2 => unsafe { each(from, to, count, u16::swap_bytes) },
        // SAFETY: the caller's promise, for elements of 4 bytes.
        4 => unsafe { each(from, to, count, u32::swap_bytes) },
        // SAFETY: the caller's promise, for elements of 8 bytes.
        8 => unsafe { each(from, to, count, u64::swap_bytes) },
        // SAFETY: the caller's promise.
        _ => unsafe { from.copy_to(to, size * count) },
    }
}

/// # Safety
/// `from` is readable and `to` writable for `count` of `T`, at any alignment, and they are the same
/// or don't overlap; any bits are a `T`.
#[inline(always)]
unsafe fn each<T: Copy>(from: *const u8, to: *mut u8, count: usize, swap: impl Fn(T) -> T) {
    let (from, to) = (from.cast::<T>(), to.cast::<T>());
    for number in 0..count {
        // SAFETY: element `number` of `count` readable ones.
        let value = unsafe { from.wrapping_add(number).read_unaligned() };
        // SAFETY: element `number` of `count` writable ones.
        unsafe { to.wrapping_add(number).write_unaligned(swap(value)) };
    }
}
