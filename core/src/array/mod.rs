//! Arrays in files: `.npy`, mapped, without a copy.

mod error;
mod file;
mod literal;
mod npy;

pub use error::{Error, Result};
pub use file::Array;
