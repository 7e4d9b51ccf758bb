//! Arrays that are a file each: `.npy` and `MMAP`, mapped, made, changed and read.
//!
//! Each format has one file that knows its bytes ([`Format`]); what works for all of them doesn't
//! know which one it has.

mod append;
mod appender;
mod create;
mod elements;
mod error;
mod file;
mod header;
mod literal;
mod mmap;
mod npy;
mod read;
#[cfg(test)]
mod tests;

pub use create::Creation;
pub use error::{Error, Result};
pub use file::{Array, ArrayOptions};
pub use header::Format;
pub use read::{Copied, ReadOptions};
