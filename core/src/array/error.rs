//! What can go wrong with an array's file.

use std::path::Path;

use crate::dtype::DType;
use crate::error::{Kind, Place, Report};
use crate::map::{self, Origin};
use crate::tensor;

/// A result of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with an array's file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file's bytes can't be had.
    #[error(transparent)]
    Map(#[from] map::Error),
    /// Another kind of file.
    #[error("{origin} is no array file, neither npy nor MMAP: {why}")]
    WrongFormat {
        /// The file.
        origin: Origin,
        /// How its first bytes differ.
        why: String,
    },
    /// A file of a known format, by its magic, that breaks the format's rules.
    #[error("{origin} is broken at byte {offset}: {why}")]
    Malformed {
        /// The file.
        origin: Origin,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// Sound, but not something that can be read, or not in this way.
    #[error("{origin}, byte {offset}: {what}")]
    Unsupported {
        /// The file.
        origin: Origin,
        /// Where in it.
        offset: u64,
        /// What can't be read, and what to do instead.
        what: String,
    },
    /// Another dtype than the one named or needed.
    #[error(
        "{origin}, byte {offset}: the elements are {}, not {}", .dtype.name(), .asked.name()
    )]
    DType {
        /// The file.
        origin: Origin,
        /// Where the dtype stands in it.
        offset: u64,
        /// The file's.
        dtype: DType,
        /// The caller's.
        asked: DType,
    },
    /// A conversion that makes no sense.
    #[error("{origin}: no conversion from {} to {}", .dtype.name(), .asked.name())]
    NoConversion {
        /// The file.
        origin: Origin,
        /// The file's dtype.
        dtype: DType,
        /// The caller's.
        asked: DType,
    },
    /// A part of the array that isn't there.
    #[error("{origin}: {why}")]
    OutOfRange {
        /// The file.
        origin: Origin,
        /// Which dimension, and how far.
        why: String,
    },
    /// A buffer of the wrong size.
    #[error("{origin}: the elements take {needed} bytes, but the buffer has {given}")]
    SmallBuffer {
        /// The file.
        origin: Origin,
        /// The bytes needed.
        needed: u64,
        /// The bytes given.
        given: u64,
    },
    /// Rows that don't fit below the array's.
    #[error("{origin}: {why}")]
    Rows {
        /// The file.
        origin: Origin,
        /// What the shapes are.
        why: String,
    },
    /// Bytes behind the elements, where rows were to go.
    #[error(
        "{origin} has {bytes} bytes after its {rows} rows: rows of an append that was interrupted, \
         or somebody's own data. If they may be lost, open the array with the flag to overwrite \
         what trails"
    )]
    Trailing {
        /// The file.
        origin: Origin,
        /// Where they start.
        offset: u64,
        /// How many.
        bytes: u64,
        /// The rows of the array.
        rows: i64,
    },
    /// The file isn't what it was when it was opened.
    #[error("{origin} {what} since it was opened here; open it again")]
    Changed {
        /// The file.
        origin: Origin,
        /// What happened to it.
        what: &'static str,
    },
    /// An append failed in a way that leaves the file in doubt.
    #[error("an append to {origin} has failed before; open the array again to see what it holds")]
    AppendFailed {
        /// The file.
        origin: Origin,
    },
    /// The caller's progress callback asked to stop.
    #[error("cancelled; nothing new stands at {origin}")]
    Cancelled {
        /// The file.
        origin: Origin,
    },
    /// The array is sound, but no tensor can be lent from it.
    #[error("{origin}: {source}")]
    Tensor {
        /// The file.
        origin: Origin,
        /// What is in the way.
        source: tensor::Error,
    },
}

impl Report for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Map(error) => error.kind(),
            Error::WrongFormat { .. } => Kind::WrongFormat,
            Error::Malformed { .. } => Kind::Malformed,
            Error::Unsupported { .. } => Kind::Unsupported,
            Error::DType { .. } | Error::NoConversion { .. } => Kind::DType,
            Error::OutOfRange { .. } | Error::SmallBuffer { .. } => Kind::OutOfRange,
            Error::Rows { .. } => Kind::Shape,
            Error::Trailing { .. } => Kind::Unfinished,
            Error::Changed { .. } => Kind::Busy,
            Error::AppendFailed { .. } => Kind::Poisoned,
            Error::Cancelled { .. } => Kind::Cancelled,
            Error::Tensor { source, .. } => source.kind(),
        }
    }

    fn os_code(&self) -> i32 {
        match self {
            Error::Map(error) => error.os_code(),
            _ => 0,
        }
    }

    fn place(&self) -> Place {
        let (origin, offset) = match self {
            Error::Map(error) => return error.place(),
            Error::WrongFormat { origin, .. } => (origin, Some(0)),
            Error::Malformed { origin, offset, .. }
            | Error::Unsupported { origin, offset, .. }
            | Error::DType { origin, offset, .. }
            | Error::Trailing { origin, offset, .. } => (origin, Some(*offset)),
            Error::NoConversion { origin, .. }
            | Error::OutOfRange { origin, .. }
            | Error::SmallBuffer { origin, .. }
            | Error::Rows { origin, .. }
            | Error::Changed { origin, .. }
            | Error::AppendFailed { origin }
            | Error::Cancelled { origin } => (origin, None),
            Error::Tensor { origin, source } => (origin, source.place().offset),
        };
        Place {
            path: origin.path().map(Path::to_owned),
            offset,
            index: None,
        }
    }
}

/// What a parser found wrong: it knows the bytes, not the file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    class: Class,
    offset: u64,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    WrongFormat,
    Malformed,
    Unsupported,
}

impl Fault {
    pub(super) fn wrong_format(why: impl Into<String>) -> Fault {
        Fault {
            class: Class::WrongFormat,
            offset: 0,
            text: why.into(),
        }
    }

    pub(super) fn malformed(offset: u64, why: impl Into<String>) -> Fault {
        Fault {
            class: Class::Malformed,
            offset,
            text: why.into(),
        }
    }

    pub(super) fn unsupported(offset: u64, what: impl Into<String>) -> Fault {
        Fault {
            class: Class::Unsupported,
            offset,
            text: what.into(),
        }
    }

    /// The error of the file that holds the bytes.
    pub(super) fn of(self, origin: &Origin) -> Error {
        let (origin, offset) = (origin.clone(), self.offset);
        match self.class {
            Class::WrongFormat => Error::WrongFormat {
                origin,
                why: self.text,
            },
            Class::Malformed => Error::Malformed {
                origin,
                offset,
                why: self.text,
            },
            Class::Unsupported => Error::Unsupported {
                origin,
                offset,
                what: self.text,
            },
        }
    }
}
