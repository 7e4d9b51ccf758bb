//! The hash of keys.

/// XXH3-64 of `bytes` with a seed (xxHash 0.8; 0 is the seed of those that have none).
#[must_use]
#[inline]
pub fn hash(bytes: &[u8], seed: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(bytes, seed)
}

/// As [`hash`], of bytes that come one piece after the other.
#[derive(Clone)]
pub struct Hasher(xxhash_rust::xxh3::Xxh3);

impl Hasher {
    /// No bytes yet.
    #[must_use]
    pub fn new(seed: u64) -> Hasher {
        Hasher(xxhash_rust::xxh3::Xxh3::with_seed(seed))
    }

    /// Further bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all bytes so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.0.digest()
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hasher").field(&self.hash()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hash_as_a_whole() {
        let bytes: Vec<u8> = (0..5000u32).map(|n| ((n * n) >> 3) as u8).collect();
        for len in [0, 1, 200, 240, 241, 1024, 5000] {
            let mut hasher = Hasher::new(77);
            for piece in bytes[..len].chunks(97) {
                hasher.add(piece);
            }
            assert_eq!(hasher.hash(), hash(&bytes[..len], 77), "{len}");
        }
    }

    #[test]
    fn it_is_xxh3() {
        // xxHash's own figures: tests/sanity_test_vectors.h of xxHash 0.8.3, XXH3 of no bytes.
        assert_eq!(hash(b"", 0), 0x2D06_8005_38D3_94C2);
        // A key of the simd-r-drive fixtures, as their sidecars give it.
        assert_eq!(hash(b"key-000", 0), 0x84dd_8c01_a707_69f5);
    }
}
