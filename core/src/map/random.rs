//! Numbers that nobody else has.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// Keyed by the system's randomness, which a forked child inherits, over the process and the time,
/// which it doesn't.
pub(crate) fn random_number() -> u64 {
    let mut random = RandomState::new().build_hasher();
    random.write_u32(std::process::id());
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    random.write_u128(now.map_or(0, |now| now.as_nanos()));
    random.finish()
}

/// For uuids and epochs.
pub(crate) fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    let (halves, _) = bytes.as_chunks_mut::<8>();
    for half in halves {
        *half = random_number().to_le_bytes();
    }
    bytes
}
