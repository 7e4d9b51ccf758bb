//! The hash of keys.

/// XXH3-64 of `bytes` with a seed (xxHash 0.8; 0 is the seed of those that have none).
#[must_use]
#[inline]
pub fn hash(bytes: &[u8], seed: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(bytes, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_xxh3() {
        // xxHash's own figures: tests/sanity_test_vectors.h of xxHash 0.8.3, XXH3 of no bytes.
        assert_eq!(hash(b"", 0), 0x2D06_8005_38D3_94C2);
        // A key of the simd-r-drive fixtures, as their sidecars give it.
        assert_eq!(hash(b"key-000", 0), 0x84dd_8c01_a707_69f5);
    }
}
