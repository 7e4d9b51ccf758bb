//! Keyed permutations of the numbers below `len`, one number at a time, without memory.
//!
//! A Feistel network over two digits, of which one has the base `a` and the other `b`, so that
//! `a x b` is hardly more than `len`, and what falls outside of `len` goes through it again (cycle
//! walking). Both are from Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA
//! 2002. Nothing here is secret: the permutation has to look random, no more.

/// What 2^64 is in golden sections: the step of SplitMix64.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Pairs of rounds, one for each digit. Both numbers were measured: docs/loader.md.
const PAIRS: usize = 3;
/// Few numbers need more to be mixed well.
const PAIRS_OF_FEW: usize = 6;
const FEW: u64 = 256;

/// The output function of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
/// Generators", OOPSLA 2014; the constants are Stafford's "Mix13").
#[inline]
pub(super) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What a key is for: the first word that goes into it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// Which block stands in which slot.
    Blocks = 1,
    /// The records of a window.
    Window = 2,
    /// What a transform may draw from for a record.
    Record = 3,
}

/// The key of a purpose: all of `words`, one after the other.
pub(super) fn key(purpose: Purpose, words: &[u64]) -> u64 {
    words
        .iter()
        .fold(absorb(0, purpose as u64), |key, &word| absorb(key, word))
}

fn absorb(key: u64, word: u64) -> u64 {
    mix((key ^ word).wrapping_add(STEP))
}

/// A permutation of `0..len`.
#[derive(Clone, Debug)]
pub(super) struct Bijection {
    len: u64,
    high: u64,
    low: u64,
    keys: [[u64; 2]; PAIRS_OF_FEW],
    pairs: usize,
}

impl Bijection {
    /// The permutation of `0..len` under `key`. `len` is at most 2^60.
    pub(super) fn new(len: u64, key: u64) -> Bijection {
        let high = ceil_sqrt(len).max(1);
        let low = len.div_ceil(high).max(1);
        let mut state = key;
        let mut next = || {
            state = state.wrapping_add(STEP);
            mix(state)
        };
        let pairs = if len < FEW { PAIRS_OF_FEW } else { PAIRS };
        let mut keys = [[0; 2]; PAIRS_OF_FEW];
        for pair in keys.iter_mut().take(pairs) {
            *pair = [next(), next()];
        }
        Bijection {
            len,
            high,
            low,
            keys,
            pairs,
        }
    }

    /// Where `number` goes. Both are below `len`.
    #[inline]
    pub(super) fn to(&self, number: u64) -> u64 {
        debug_assert!(number < self.len);
        let mut number = number;
        loop {
            number = self.forth(number);
            if number < self.len {
                return number;
            }
        }
    }

    /// What goes to `number`. Both are below `len`.
    pub(super) fn from(&self, number: u64) -> u64 {
        debug_assert!(number < self.len);
        let mut number = number;
        loop {
            number = self.back(number);
            if number < self.len {
                return number;
            }
        }
    }

    #[inline]
    fn forth(&self, number: u64) -> u64 {
        let (mut high, mut low) = (number / self.low, number % self.low);
        for [upper, lower] in self.keys.iter().take(self.pairs) {
            high = plus(high, draw(low, *upper, self.high), self.high);
            low = plus(low, draw(high, *lower, self.low), self.low);
        }
        high.wrapping_mul(self.low).wrapping_add(low)
    }

    fn back(&self, number: u64) -> u64 {
        let (mut high, mut low) = (number / self.low, number % self.low);
        for [upper, lower] in self.keys.iter().take(self.pairs).rev() {
            low = minus(low, draw(high, *lower, self.low), self.low);
            high = minus(high, draw(low, *upper, self.high), self.high);
        }
        high.wrapping_mul(self.low).wrapping_add(low)
    }
}

/// A number below `base` that `digit` and `key` choose.
#[inline]
fn draw(digit: u64, key: u64, base: u64) -> u64 {
    let product = u128::from(mix(digit.wrapping_add(key))).wrapping_mul(u128::from(base));
    (product >> 64) as u64
}

/// The sum of two digits in their base, which is at most 2^61.
#[inline]
fn plus(digit: u64, other: u64, base: u64) -> u64 {
    let sum = digit.wrapping_add(other);
    if sum >= base {
        sum.wrapping_sub(base)
    } else {
        sum
    }
}

#[inline]
fn minus(digit: u64, other: u64, base: u64) -> u64 {
    if digit >= other {
        digit.wrapping_sub(other)
    } else {
        digit.wrapping_add(base).wrapping_sub(other)
    }
}

/// The least number whose square is at least `number`.
fn ceil_sqrt(number: u64) -> u64 {
    let root = number.isqrt();
    if root.wrapping_mul(root) < number {
        root.wrapping_add(1)
    } else {
        root
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_number_is_hit_once_and_found_again() {
        for len in (1..300).chain([1000, 1023, 1024, 1025, 4095, 65_537]) {
            for seed in 0..3 {
                let bijection = Bijection::new(len, key(Purpose::Blocks, &[seed, len]));
                let mut seen = vec![false; usize::try_from(len).unwrap()];
                for number in 0..len {
                    let to = bijection.to(number);
                    assert!(!std::mem::replace(
                        &mut seen[usize::try_from(to).unwrap()],
                        true
                    ));
                    assert_eq!(bijection.from(to), number);
                }
            }
        }
    }

    #[test]
    fn the_largest_sets_go_through_it_too() {
        for len in [
            1 << 60,
            (1 << 60) - 1,
            1_000_000_000_000,
            (1 << 59) + 12_345,
        ] {
            let bijection = Bijection::new(len, 7);
            for number in [0, 1, 2, len / 2, len - 2, len - 1] {
                let to = bijection.to(number);
                assert!(to < len);
                assert_eq!(bijection.from(to), number);
            }
        }
    }

    #[test]
    fn squares_are_covered() {
        for number in 0..10_000u64 {
            let root = ceil_sqrt(number);
            assert!(root * root >= number);
            assert!(root == 0 || (root - 1) * (root - 1) < number);
        }
        assert_eq!(ceil_sqrt(1 << 60), 1 << 30);
        assert_eq!(ceil_sqrt((1 << 60) - 1), 1 << 30);
    }
    /// The vectors are made from docs/loader.md by a script of its own.
    #[test]
    fn permutations_are_those_of_the_text() {
        let path = "../tests/data/loader/golden.json";
        let golden: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let all = golden["permutations"].as_array().unwrap();
        assert!(all.len() > 5);
        for one in all {
            let number = |value: &serde_json::Value| value.as_u64().unwrap();
            let bijection = Bijection::new(number(&one["n"]), number(&one["key"]));
            let (from, to) = (
                one["from"].as_array().unwrap(),
                one["to"].as_array().unwrap(),
            );
            for (from, to) in from.iter().zip(to) {
                assert_eq!(bijection.to(number(from)), number(to), "{one}");
                assert_eq!(bijection.from(number(to)), number(from), "{one}");
            }
        }
    }
}
