//! What can go wrong with a model's files.

use std::path::Path;

use crate::error::{Kind, Place, Report};
use crate::map::{self, Origin};
use crate::tensor;

/// A result of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a model's files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file's bytes can't be had.
    #[error(transparent)]
    Map(#[from] map::Error),
    /// Another kind of file.
    #[error("{origin} is no model file: {why}")]
    WrongFormat {
        /// The file.
        origin: Origin,
        /// How its first bytes differ.
        why: String,
    },
    /// A file of a known format that breaks the format's rules.
    #[error("{origin} is broken at byte {offset}: {}{why}", tensor_named(.tensor.as_deref()))]
    Malformed {
        /// The file.
        origin: Origin,
        /// Where in it.
        offset: u64,
        /// The name of the tensor concerned.
        tensor: Option<String>,
        /// What is wrong there.
        why: String,
    },
    /// Sound, but not something that can be read, or not in this way.
    #[error("{origin}, byte {offset}: {}{what}", tensor_named(.tensor.as_deref()))]
    Unsupported {
        /// The file.
        origin: Origin,
        /// Where in it.
        offset: u64,
        /// The name of the tensor concerned.
        tensor: Option<String>,
        /// What can't be read, and what to do instead.
        what: String,
    },
    /// Files that don't make one model: a shard that is missing, a tensor that is twice there.
    #[error("{origin}: {why}")]
    Set {
        /// The file where it shows.
        origin: Origin,
        /// What doesn't fit.
        why: String,
        /// [`Kind::NotFound`] or [`Kind::Malformed`].
        kind: Kind,
    },
    /// A tensor, or a part of it, that can't be had in the way asked for.
    #[error("{origin}, tensor '{name}': {source}")]
    Tensor {
        /// The file.
        origin: Origin,
        /// The tensor's name.
        name: String,
        /// Its number.
        index: u64,
        /// Where its elements start in the file's bytes.
        offset: u64,
        /// What is in the way.
        source: tensor::Error,
    },
    /// The bytes of a tensor can't be had.
    #[error("tensor '{name}': {source}")]
    Bytes {
        /// The tensor's name.
        name: String,
        /// Its number.
        index: u64,
        /// What is in the way.
        source: map::Error,
    },
    /// No such tensor.
    #[error("tensor {index} was asked for, but the model has {len}")]
    NoTensor {
        /// The number asked for.
        index: u64,
        /// How many there are.
        len: u64,
    },
    /// Metadata of another kind, or too large for what was asked for.
    #[error("metadata '{key}' {why}")]
    Metadata {
        /// The key.
        key: String,
        /// What it is, and isn't.
        why: String,
        /// [`Kind::DType`], [`Kind::OutOfRange`].
        kind: Kind,
    },
    /// More unlocked than was locked.
    #[error("tensor {index}, '{name}', isn't locked as often as it is to be unlocked")]
    NotLocked {
        /// The tensor's number.
        index: u64,
        /// Its name.
        name: String,
    },
    /// The caller's progress callback asked to stop.
    #[error("cancelled")]
    Cancelled,
}

fn tensor_named(name: Option<&str>) -> String {
    name.map(|name| format!("tensor '{name}': "))
        .unwrap_or_default()
}

impl Report for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Map(error) | Error::Bytes { source: error, .. } => error.kind(),
            Error::WrongFormat { .. } => Kind::WrongFormat,
            Error::Malformed { .. } => Kind::Malformed,
            Error::Unsupported { .. } => Kind::Unsupported,
            Error::Set { kind, .. } | Error::Metadata { kind, .. } => *kind,
            Error::Tensor { source, .. } => source.kind(),
            Error::NoTensor { .. } => Kind::OutOfRange,
            Error::NotLocked { .. } => Kind::InvalidArgument,
            Error::Cancelled => Kind::Cancelled,
        }
    }

    fn os_code(&self) -> i32 {
        match self {
            Error::Map(error) | Error::Bytes { source: error, .. } => error.os_code(),
            _ => 0,
        }
    }

    fn place(&self) -> Place {
        let (origin, offset, index) = match self {
            Error::Map(error) => return error.place(),
            Error::Bytes { index, source, .. } => {
                return Place {
                    index: Some(*index),
                    ..source.place()
                };
            }
            Error::WrongFormat { origin, .. } => (origin, Some(0), None),
            Error::Malformed { origin, offset, .. } | Error::Unsupported { origin, offset, .. } => {
                (origin, Some(*offset), None)
            }
            Error::Tensor {
                origin,
                offset,
                index,
                ..
            } => (origin, Some(*offset), Some(*index)),
            Error::Set { origin, .. } => (origin, None, None),
            Error::NoTensor { index, .. } | Error::NotLocked { index, .. } => {
                return Place {
                    index: Some(*index),
                    ..Place::default()
                };
            }
            Error::Metadata { .. } | Error::Cancelled => return Place::default(),
        };
        Place {
            path: origin.path().map(Path::to_owned),
            offset,
            index,
        }
    }
}
