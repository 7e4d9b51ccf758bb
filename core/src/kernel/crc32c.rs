//! CRC-32C (Castagnoli): CRC-32/ISCSI of the reveng catalogue, RFC 3720 section 12.1.

use std::mem::MaybeUninit;
use std::slice;

use crc_fast::{CrcAlgorithm, Digest};

/// Bytes that are copied before they are summed. The checksum wants a slice, and nobody can
/// promise that bytes of a mapped file stay as they are for as long as one lives. In cache the copy
/// halves the speed; from memory it costs little.
const PIECE: usize = 8 << 10;

/// The checksum of `len` bytes that come after others whose checksum is `seed`, which is 0 where
/// there are none.
///
/// # Safety
/// `from` is readable for `len` bytes, at any alignment. Another process may change them
/// meanwhile.
#[must_use]
pub unsafe fn crc32c(seed: u32, from: *const u8, len: usize) -> u32 {
    let mut sum = seed;
    let mut piece = MaybeUninit::<[u8; PIECE]>::uninit();
    let piece: *mut u8 = piece.as_mut_ptr().cast();
    for done in (0..len).step_by(PIECE) {
        let bytes = PIECE.min(len - done);
        let from = from.wrapping_add(done);
        // SAFETY: these are some of the `len` readable bytes, no more than the piece has room for.
        unsafe { from.copy_to_nonoverlapping(piece, bytes) };
        // SAFETY: so many bytes were just written, and nobody else has the piece.
        sum = sum_owned(sum, unsafe { slice::from_raw_parts(piece, bytes) });
    }
    sum
}

/// As [`crc32c`], of bytes that nobody changes meanwhile.
#[must_use]
pub fn crc32c_of(seed: u32, bytes: &[u8]) -> u32 {
    sum_owned(seed, bytes)
}

fn sum_owned(seed: u32, bytes: &[u8]) -> u32 {
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(!seed));
    digest.update(bytes);
    // A sum of 32 bits, in the type that has room for the widest that the crate knows.
    digest.finalize() as u32
}
