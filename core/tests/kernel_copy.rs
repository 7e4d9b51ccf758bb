//! Copies: every path and every choice of stores gives the bytes, and touches no others.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod kernel_memory;

use adit_core::kernel::{CpuPath, Stores, copy, copy_on, overlaps};
use kernel_memory::{CANARY, Guarded, noise, paths};

const STORES: [Stores; 3] = [Stores::Auto, Stores::Cached, Stores::Streaming];

/// Every length from 0 on, then those around where another loop begins: the one of AVX-512, its
/// last step, the streams of four pages.
fn lengths() -> impl Iterator<Item = usize> {
    let edges = [
        2112,
        2112 + 256,
        4096,
        12 << 10,
        16 << 10,
        (16 << 10) + 64,
        32 << 10,
        48 << 10,
    ];
    let around = edges
        .into_iter()
        .flat_map(|edge| [edge - 65, edge - 1, edge, edge + 1, edge + 63]);
    (0..=600).chain(around)
}

#[test]
fn every_path_copies_every_length_between_guard_pages() {
    let most = lengths().max().unwrap();
    let (mut from, mut to) = (Guarded::new(most), Guarded::new(most));
    let noise = noise(from.bytes().len());
    from.bytes_mut().copy_from_slice(&noise);
    for path in paths() {
        for stores in STORES {
            for len in lengths() {
                let sources = from.ends(len);
                let targets = to.ends(len);
                for (source, target) in sources.into_iter().flat_map(|s| targets.map(|t| (s, t))) {
                    to.fill();
                    // SAFETY: both have `len` bytes, in maps of their own; the path is available.
                    unsafe { copy_on(path, source, target, len, stores) };
                    let read = source.addr() - from.start().addr();
                    let wrote = target.addr() - to.start().addr();
                    let what = (path, stores, len, read, wrote);
                    to.check(target, &noise[read..read + len], &what);
                }
            }
        }
    }
}

#[test]
fn every_alignment_of_both_sides() {
    const LEN: usize = 20_000;
    let (mut from, mut to) = (Guarded::new(LEN + 256), Guarded::new(LEN + 256));
    let noise = noise(from.bytes().len());
    from.bytes_mut().copy_from_slice(&noise);
    for path in paths() {
        for stores in STORES {
            for len in [100, 2113, 2500, LEN] {
                for (read, wrote) in (0..64).map(|skew| (skew * 7 % 64, skew)) {
                    to.fill();
                    let source = from.start().wrapping_add(read);
                    let target = to.start().wrapping_add(wrote);
                    // SAFETY: both have `len` bytes there; the path is available.
                    unsafe { copy_on(path, source, target, len, stores) };
                    let what = (path, stores, len, read, wrote);
                    to.check(target, &noise[read..read + len], &what);
                }
            }
        }
    }
}

#[test]
fn a_copy_larger_than_any_threshold() {
    const LEN: usize = (32 << 20) + 12_345;
    let from = noise(LEN + 5);
    for stores in STORES {
        let mut to = vec![CANARY; LEN + 3];
        // SAFETY: both have the bytes, and are vectors of their own.
        unsafe { copy(from.as_ptr().add(5), to.as_mut_ptr().add(1), LEN, stores) };
        assert!(to[1..=LEN] == from[5..], "{stores:?}");
        assert_eq!((to[0], to[LEN + 1], to[LEN + 2]), (CANARY, CANARY, CANARY));
    }
}

#[test]
fn nothing_is_copied_from_nowhere() {
    for path in paths() {
        for stores in STORES {
            // SAFETY: no bytes are read or written.
            unsafe { copy_on(path, std::ptr::null(), std::ptr::null_mut(), 0, stores) };
        }
    }
    assert!(CpuPath::best().is_available());
}

#[test]
fn overlaps_means_a_byte_in_common() {
    let bytes = [0u8; 16];
    let at = |index: usize| bytes.as_ptr().wrapping_add(index);
    assert!(overlaps(at(0), 4, at(0), 4));
    assert!(overlaps(at(0), 4, at(3), 1));
    assert!(!overlaps(at(0), 4, at(4), 4));
    assert!(overlaps(at(3), 1, at(0), 4));
    assert!(!overlaps(at(4), 4, at(0), 4));
    assert!(overlaps(at(2), 1, at(0), 16));
    assert!(!overlaps(at(2), 0, at(0), 16));
    assert!(!overlaps(at(0), 16, at(2), 0));
    let last = std::ptr::without_provenance::<u8>(usize::MAX);
    assert!(overlaps(last, 1, last, 1));
    assert!(!overlaps(last, 1, std::ptr::null(), usize::MAX));
    // Every two stretches in a small space, against the definition.
    for (a, a_len, b, b_len) in (0..7usize.pow(4)).map(|n| (n % 7, n / 7 % 7, n / 49 % 7, n / 343))
    {
        let common = (a..a + a_len).any(|byte| (b..b + b_len).contains(&byte));
        assert_eq!(
            overlaps(at(a), a_len, at(b), b_len),
            common,
            "{a} {a_len} {b} {b_len}"
        );
    }
}
