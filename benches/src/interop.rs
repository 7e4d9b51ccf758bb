//! What the library and its peers make of each other's files.

mod foreign;
mod mmap;
mod npy;
mod records;

use crate::data::Random;

/// Fewer than `end` dimensions, small enough for any number of them, some of them 0.
fn random_shape(random: &mut Random, end: u64) -> Vec<usize> {
    let ndim = random.below(end);
    let dim = |random: &mut Random| match random.below(12) {
        0 => 0,
        1 => 7,
        other => 1 + other as usize % 4,
    };
    (0..ndim).map(|_| dim(random)).collect()
}
