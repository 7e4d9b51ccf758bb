//! What an index says of a key.

/// A record of a key: where it starts, and whether it takes the key away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) offset: u64,
    pub(crate) is_deleted: bool,
}

impl Entry {
    /// Offsets are multiples of 64: the lowest bit is free.
    const DELETED: u64 = 1;

    /// Never 0: no record starts there.
    #[inline]
    pub(crate) fn word(self) -> u64 {
        self.offset | u64::from(self.is_deleted)
    }

    #[inline]
    pub(crate) fn of(word: u64) -> Entry {
        Entry {
            offset: word & !Entry::DELETED,
            is_deleted: word & Entry::DELETED != 0,
        }
    }
}

/// The bucket of `buckets` where the search for a hash starts: greater hashes never have lesser
/// ones.
#[inline]
pub(crate) fn home(hash: u64, buckets: u64) -> u64 {
    let product = u128::from(hash).wrapping_mul(u128::from(buckets));
    // The upper half: less than `buckets`.
    u64::try_from(product >> 64).unwrap_or(0)
}
