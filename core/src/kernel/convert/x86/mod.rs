//! x86-64's vector paths.

pub(super) mod avx2;
pub(super) mod avx512;
