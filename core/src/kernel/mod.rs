//! Loops over elements: no files, no errors, only memory.

mod strided;

pub use strided::gather_strided;
