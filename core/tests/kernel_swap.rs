//! Byte orders and checksums against their definitions.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod kernel_memory;

use adit_core::kernel::{crc32c, swap_bytes, swap_bytes_on};
use kernel_memory::{Guarded, noise, paths};

#[test]
fn every_path_swaps_every_count_between_guard_pages() {
    const MOST: usize = 300;
    let (mut from, mut to) = (Guarded::new(16 * MOST + 64), Guarded::new(16 * MOST + 64));
    let noise = noise(from.bytes().len());
    from.bytes_mut().copy_from_slice(&noise);
    for path in paths() {
        for (size, width) in [(2, 2), (4, 4), (8, 8), (16, 1), (1, 1), (3, 1)] {
            for count in 0..=MOST {
                let len = size * count;
                let [first, last] = from.ends(len);
                // Odd addresses too, where the length leaves room before the end.
                let targets = to.ends(len);
                let skewed = (
                    to.start().wrapping_add(1 + count % 7),
                    first.wrapping_add(3),
                );
                let pairs = [(targets[1], last), (targets[0], first), skewed];
                for (target, source) in pairs {
                    to.fill();
                    // SAFETY: both have the bytes, in maps of their own; the path is available.
                    unsafe { swap_bytes_on(path, source, target, size, count) };
                    let read = source.addr() - from.start().addr();
                    let wrote = target.addr() - to.start().addr();
                    let mut expected = noise[read..read + len].to_vec();
                    expected.chunks_exact_mut(width).for_each(<[u8]>::reverse);
                    let what = (path, size, count, read, wrote);
                    to.check(target, &expected, &what);
                }
            }
        }
    }
}

#[test]
fn swapped_twice_is_as_before() {
    let from = noise(4096);
    let (mut once, mut twice) = (vec![0; 4096], vec![0; 4096]);
    for size in [2, 4, 8] {
        // SAFETY: all have 4096 bytes and are vectors of their own.
        unsafe { swap_bytes(from.as_ptr(), once.as_mut_ptr(), size, 4096 / size) };
        // SAFETY: as above.
        unsafe { swap_bytes(once.as_ptr(), twice.as_mut_ptr(), size, 4096 / size) };
        assert!(once != from && twice == from, "{size}");
    }
}

fn crc_of(seed: u32, bytes: &[u8]) -> u32 {
    // SAFETY: a slice's bytes.
    unsafe { crc32c(seed, bytes.as_ptr(), bytes.len()) }
}

/// A bit at a time, from the polynomial 0x1EDC6F41 reflected.
fn crc_by_bits(bytes: &[u8]) -> u32 {
    let mut state = u32::MAX;
    for &byte in bytes {
        state ^= u32::from(byte);
        for _ in 0..8 {
            state = state >> 1 ^ if state & 1 == 1 { 0x82F6_3B78 } else { 0 };
        }
    }
    !state
}

#[test]
fn checksums_of_rfc_3720() {
    // RFC 3720, appendix B.4; the last is the check value of the reveng catalogue.
    let up: Vec<u8> = (0..32).collect();
    let down: Vec<u8> = (0..32).rev().collect();
    let read_command = [
        0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0,
        0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(crc_of(0, &[0; 32]), 0x8a91_36aa);
    assert_eq!(crc_of(0, &[0xff; 32]), 0x62a8_ab43);
    assert_eq!(crc_of(0, &up), 0x46dd_794e);
    assert_eq!(crc_of(0, &down), 0x113f_db5c);
    assert_eq!(crc_of(0, &read_command), 0xd996_3a56);
    assert_eq!(crc_of(0, b"123456789"), 0xe306_9283);
    assert_eq!(crc_of(0, &[]), 0);
    assert_eq!(crc_of(0x1234_5678, &[]), 0x1234_5678);
}

#[test]
fn checksums_of_every_length_and_split() {
    let bytes = noise(1200);
    for len in 0..bytes.len() {
        assert_eq!(
            crc_of(0, &bytes[..len]),
            crc_by_bits(&bytes[..len]),
            "{len}"
        );
    }
    let (skewed, whole) = (&bytes[3..], crc_by_bits(&bytes[3..]));
    for split in 0..=skewed.len() {
        let (head, tail) = skewed.split_at(split);
        assert_eq!(crc_of(crc_of(0, head), tail), whole, "{split}");
    }
}

#[test]
fn checksums_over_several_pieces_at_any_address() {
    let bytes = noise(40_000);
    for skew in 0..9 {
        for len in [8191, 8192, 8193, 16_384, 24_577, 39_991] {
            let own = &bytes[skew..skew + len];
            let whole = crc_by_bits(own);
            assert_eq!(crc_of(0, own), whole, "{skew} {len}");
            let (head, tail) = own.split_at(len / 3);
            assert_eq!(crc_of(crc_of(0, head), tail), whole, "{skew} {len}");
        }
    }
}

#[test]
fn checksums_read_nothing_outside() {
    let mut memory = Guarded::new(20_000);
    let noise = noise(memory.bytes().len());
    memory.bytes_mut().copy_from_slice(&noise);
    for len in (0..700).chain([8191, 8192, 8193, 20_000]) {
        for at in memory.ends(len) {
            let read = at.addr() - memory.start().addr();
            // SAFETY: `len` bytes of the memory.
            let sum = unsafe { crc32c(0, at, len) };
            assert_eq!(sum, crc_by_bits(&noise[read..read + len]), "{len}");
        }
    }
}
