//! What kernels know of the caches: how large they are, how lines are fetched ahead of use, and
//! how stores past them are ordered.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::convert::Stores;

/// Bytes of a cache line on every CPU that has a path of its own here.
pub(super) const LINE: usize = 64;

/// The smallest threshold that any cache leads to. Below it, streaming lost on every CPU tried.
pub(super) const LEAST_THRESHOLD: usize = 4 << 20;

/// The largest. A server reports hundreds of MiB that many cores, and other guests, share; there
/// an ordinary copy fell off from 48 MiB on, whatever was reported.
const MOST_THRESHOLD: usize = 32 << 20;

/// Where the CPU doesn't tell: right for a last-level cache of 32 MiB.
const USUAL_THRESHOLD: usize = 16 << 20;

impl Stores {
    /// The choice for this much output: what [`Stores::Auto`] comes to, the others as they are.
    #[must_use]
    #[inline]
    pub fn over(self, bytes: usize) -> Stores {
        match self {
            Stores::Auto if bytes < LEAST_THRESHOLD => Stores::Cached,
            Stores::Auto if bytes >= streaming_threshold() => Stores::Streaming,
            Stores::Auto => Stores::Cached,
            chosen => chosen,
        }
    }
}

/// Bytes of output from which streaming stores pay.
#[inline]
pub(super) fn streaming_threshold() -> usize {
    static THRESHOLD: AtomicUsize = AtomicUsize::new(0);
    match THRESHOLD.load(Ordering::Relaxed) {
        0 => {
            let threshold = threshold_of(data_caches());
            THRESHOLD.store(threshold, Ordering::Relaxed);
            threshold
        }
        threshold => threshold,
    }
}

/// The sizes of the second and of the last level, 0 where unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct DataCaches {
    second: usize,
    last: usize,
}

/// Half of the last level holds the output, the other half the input; and what fits into a core's
/// own cache twice is never streamed.
fn threshold_of(caches: DataCaches) -> usize {
    if caches.last == 0 {
        return USUAL_THRESHOLD;
    }
    let least = caches.second.saturating_mul(2).max(LEAST_THRESHOLD);
    (caches.last / 2).max(least).min(MOST_THRESHOLD)
}

/// As the CPU itself tells (Intel SDM vol. 2A, CPUID leaf 4; AMD APM vol. 3, leaf 8000_001D, which
/// has the same fields).
#[cfg(target_arch = "x86_64")]
fn data_caches() -> DataCaches {
    use std::arch::x86_64::__cpuid_count;

    const EXTENDED: u32 = 0x8000_0000;
    const TOPOLOGY_EXTENSIONS: u32 = 1 << 22;

    let largest = __cpuid_count(0, 0).eax;
    let largest_extended = __cpuid_count(EXTENDED, 0).eax;
    let amd_tells = largest_extended >= EXTENDED + 0x1d
        && __cpuid_count(EXTENDED + 1, 0).ecx & TOPOLOGY_EXTENSIONS != 0;
    let leaf = match (amd_tells, largest) {
        (true, _) => EXTENDED + 0x1d,
        (false, 4..) => 4,
        (false, _) => return DataCaches::default(),
    };
    let mut caches = DataCaches::default();
    // The list ends with a cache of no type; no CPU has as many as are looked for.
    for number in 0..16 {
        let told = __cpuid_count(leaf, number);
        let (kind, level) = (told.eax & 31, told.eax >> 5 & 7);
        let (data, unified) = (1, 3);
        if kind == 0 {
            break;
        }
        if kind != data && kind != unified {
            continue;
        }
        let field = |from: u32, bits: u32| (told.ebx >> from & ((1 << bits) - 1)) as usize + 1;
        let sets = told.ecx as usize + 1;
        let bytes = field(0, 12) * field(12, 10) * field(22, 10);
        let size = bytes.saturating_mul(sets);
        if level == 2 {
            caches.second = size;
        }
        if level >= 2 {
            caches.last = caches.last.max(size);
        }
    }
    caches
}

#[cfg(not(target_arch = "x86_64"))]
fn data_caches() -> DataCaches {
    DataCaches::default()
}

/// Brings the cache line of `at` into the nearest cache; any address will do.
#[inline(always)]
pub(super) fn prefetch(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and faults at no address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Brings the cache line of `at` into the second cache; any address will do.
#[inline(always)]
pub(super) fn prefetch_far(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and faults at no address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Orders stores past the caches before whatever the caller does next.
#[inline]
pub(super) fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 CPU has SSE.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threshold_follows_the_caches() {
        let of = |second: usize, last: usize| threshold_of(DataCaches { second, last }) >> 10;
        assert_eq!(of(0, 0), 16 << 10);
        assert_eq!(of(1 << 20, 32 << 20), 16 << 10);
        assert_eq!(of(2 << 20, 480 << 20), 32 << 10);
        assert_eq!(of(256 << 10, 6 << 20), 4 << 10);
        assert_eq!(of(4 << 20, 8 << 20), 8 << 10);
        assert_eq!(of(1 << 20, 1 << 20), 4 << 10);
        assert_eq!(of(usize::MAX, usize::MAX), 32 << 10);
    }

    #[test]
    fn this_cpu_tells_something_sane() {
        let caches = data_caches();
        assert!(caches.last >= caches.second, "{caches:?}");
        assert!((LEAST_THRESHOLD..=MOST_THRESHOLD).contains(&streaming_threshold()));
        assert_eq!(streaming_threshold(), threshold_of(caches));
    }

    #[test]
    fn auto_streams_from_the_threshold_on() {
        let threshold = streaming_threshold();
        assert_eq!(Stores::Auto.over(threshold - 1), Stores::Cached);
        assert_eq!(Stores::Auto.over(threshold), Stores::Streaming);
        assert_eq!(Stores::Auto.over(0), Stores::Cached);
        assert_eq!(Stores::Cached.over(usize::MAX), Stores::Cached);
        assert_eq!(Stores::Streaming.over(0), Stores::Streaming);
    }
}
