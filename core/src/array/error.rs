//! What can go wrong with an array's file.

use std::path::Path;

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
    #[error("{origin} is not an npy file: {why}")]
    WrongFormat {
        /// The file.
        origin: Origin,
        /// How its first bytes differ.
        why: String,
    },
    /// An npy file by its magic that breaks the format's rules.
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
            Error::Malformed { origin, offset, .. } | Error::Unsupported { origin, offset, .. } => {
                (origin, Some(*offset))
            }
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
