//! Which values were found to be what was written: a table of fixed size.

use std::fmt;

use super::sync::{Ordering, Words};

/// Values that are remembered at most: 4 MiB.
const PLACES: usize = 1 << PLACES_LOG2;
const PLACES_LOG2: u32 = 19;
/// Spreads offsets, which are multiples of 64, over the places.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Offsets of records whose values are sound. Two that share a place drive each other out.
pub(crate) struct Touched(Words);

impl Touched {
    /// None: out of memory.
    pub(crate) fn new() -> Option<Touched> {
        Words::zeroed(PLACES).map(Touched)
    }

    #[inline]
    pub(crate) fn has(&self, offset: u64) -> bool {
        let place = self.0.get(place(offset));
        place.is_some_and(|place| place.load(Ordering::Relaxed) == offset)
    }

    #[inline]
    pub(crate) fn add(&self, offset: u64) {
        if let Some(place) = self.0.get(place(offset)) {
            place.store(offset, Ordering::Relaxed);
        }
    }
}

#[inline]
fn place(offset: u64) -> usize {
    // Less than PLACES.
    (offset.wrapping_mul(SPREAD) >> (u64::BITS - PLACES_LOG2)) as usize
}

impl fmt::Debug for Touched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Touched")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_there_and_nothing_else() {
        let Some(touched) = Touched::new() else {
            return;
        };
        // Of a log that is longer than the table can remember.
        let offsets = (0..PLACES as u64 * 3).map(|number| 16384 + number * 128);
        for offset in offsets.clone() {
            assert!(!touched.has(offset));
            touched.add(offset);
            assert!(touched.has(offset));
        }
        let still = offsets.filter(|&offset| touched.has(offset)).count();
        assert!(still > PLACES / 2, "{still}");
        assert!(still <= PLACES);
    }
}
