//! What bytes are called in messages.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where bytes come from: the name that errors give them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file with a path.
    Path(PathBuf),
    /// A file given by its descriptor.
    Descriptor(i32),
    /// Bytes that the caller gave.
    Memory,
}

impl Origin {
    /// The path, where there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Origin::Path(path) => Some(path),
            Origin::Descriptor(_) | Origin::Memory => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Path(path) => write!(f, "'{}'", path.display()),
            Origin::Descriptor(number) => write!(f, "file descriptor {number}"),
            Origin::Memory => f.write_str("bytes in memory"),
        }
    }
}
