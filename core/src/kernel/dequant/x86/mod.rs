//! Loops with AVX2 and with AVX-512. Types whose quants are whole bytes or nibbles have loops of
//! both; for the others AVX-512 was no faster, and the AVX2 loops serve both paths.

// Before the paths, which use its macros.
#[macro_use]
mod loops;

pub(super) mod avx2;
pub(super) mod avx512;
mod bytes;
mod stage;
