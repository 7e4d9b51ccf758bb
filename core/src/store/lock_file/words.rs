//! The bytes of a lock file: `docs/store-format.md`.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::io;
use std::mem::MaybeUninit;

use super::TRIES;
use crate::kernel::hash;
use crate::store::format::{bytes_at, put, u64_at};

const MAGIC: [u8; 8] = *b"ADITLOCK";
/// The bytes of the file that are used.
pub(super) const LEN: usize = 56;
const HASHED: std::ops::Range<usize> = 16..48;
const HASH_AT: usize = 48;

/// What a writer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// Of the log.
    pub(crate) uuid: [u8; 16],
    /// One more for each opening for writing.
    pub(crate) epoch: u64,
    /// Up to where the log is published; 0 where nothing is yet.
    pub(crate) tail: u64,
}

impl Words {
    pub(super) fn encode(&self, pid: u64) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 8, &pid.to_le_bytes());
        put(&mut bytes, 16, &self.uuid);
        put(&mut bytes, 32, &self.epoch.to_le_bytes());
        put(&mut bytes, 40, &self.tail.to_le_bytes());
        let sum = Words::hash(&bytes);
        put(&mut bytes, HASH_AT, &sum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; LEN]) -> Option<Words> {
        let is_right = is_ours(bytes) && u64_at(bytes, HASH_AT) == Words::hash(bytes);
        is_right.then(|| Words {
            uuid: bytes_at(bytes, 16),
            epoch: u64_at(bytes, 32),
            tail: u64_at(bytes, 40),
        })
    }

    fn hash(bytes: &[u8; LEN]) -> u64 {
        hash(bytes.get(HASHED).unwrap_or_default(), 0)
    }
}

fn is_ours(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// What a lock file has in it.
pub(super) enum Contents {
    /// Nothing, or the zeros that a crash of the system may leave of a file that was never synced.
    Nothing,
    /// Of this process.
    Words(Words, u64),
    /// Ours, but not whole: of this process.
    Wrong(u64),
    Foreign,
}

/// The first bytes of a file, zeros where it ends earlier.
fn some_bytes(
    mut read_at: impl FnMut(&mut [MaybeUninit<u8>], u64) -> io::Result<usize>,
) -> io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    let mut got = [MaybeUninit::new(0); LEN];
    let count = read_at(&mut got, 0)?;
    for (byte, got) in bytes.iter_mut().zip(got).take(count) {
        // SAFETY: each was initialised above, and reads write nothing but bytes.
        *byte = unsafe { got.assume_init() };
    }
    Ok(bytes)
}

pub(super) fn read(
    mut read_at: impl FnMut(&mut [MaybeUninit<u8>], u64) -> io::Result<usize>,
    len: u64,
) -> io::Result<Contents> {
    let mut contents = Contents::Nothing;
    for _ in 0..TRIES {
        let bytes = some_bytes(&mut read_at)?;
        let pid = u64_at(&bytes, 8);
        if let Some(words) = Words::decode(&bytes) {
            return Ok(Contents::Words(words, pid));
        }
        if !is_ours(&bytes) {
            let is_nothing = bytes == [0; LEN] && len <= LEN as u64;
            return Ok(if is_nothing {
                Contents::Nothing
            } else {
                Contents::Foreign
            });
        }
        // A writer may be at it.
        contents = Contents::Wrong(pid);
    }
    Ok(contents)
}
