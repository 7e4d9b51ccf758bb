//! What can go wrong with a conversion.

use std::path::PathBuf;

use crate::error::{Kind, Place, Report};
use crate::map::{self, Origin};
use crate::{array, record};

/// A result of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a conversion.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file's bytes can't be had.
    #[error(transparent)]
    Map(#[from] map::Error),
    /// The records that are read or written.
    #[error(transparent)]
    Record(#[from] record::Error),
    /// An array.
    #[error(transparent)]
    Array(#[from] array::Error),
    /// What was given doesn't fit together.
    #[error("{why}")]
    Argument {
        /// What is wrong.
        why: String,
    },
    /// An array that has no row for each record.
    #[error("{origin}: {why}")]
    Rows {
        /// The array's file.
        origin: Origin,
        /// What its shape is.
        why: String,
    },
    /// Records that can't all be one field.
    #[error("{origin}, record {index}, field {field}: {why}; give a schema, or write rrec")]
    NotAlike {
        /// The file or set.
        origin: Origin,
        /// The record.
        index: u64,
        /// The field's number.
        field: usize,
        /// What it is, and what those before it are.
        why: String,
        /// Its class.
        kind: Kind,
    },
    /// A folder that can't be told apart into records.
    #[error("{}: {why}", .path.display())]
    Folder {
        /// What is in the way.
        path: PathBuf,
        /// Why.
        why: &'static str,
        /// Its class.
        kind: Kind,
    },
    /// The caller's progress callback said so.
    #[error("cancelled")]
    Cancelled,
}

impl Report for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Map(error) => error.kind(),
            Error::Record(error) => error.kind(),
            Error::Array(error) => error.kind(),
            Error::Argument { .. } => Kind::InvalidArgument,
            Error::Rows { .. } => Kind::Shape,
            Error::NotAlike { kind, .. } | Error::Folder { kind, .. } => *kind,
            Error::Cancelled => Kind::Cancelled,
        }
    }

    fn os_code(&self) -> i32 {
        match self {
            Error::Map(error) => error.os_code(),
            Error::Record(error) => error.os_code(),
            Error::Array(error) => error.os_code(),
            _ => 0,
        }
    }

    fn place(&self) -> Place {
        let at = |path: Option<PathBuf>, index| Place {
            path,
            offset: None,
            index,
        };
        match self {
            Error::Map(error) => error.place(),
            Error::Record(error) => error.place(),
            Error::Array(error) => error.place(),
            Error::Rows { origin, .. } => at(origin.path().map(Into::into), None),
            Error::NotAlike { origin, index, .. } => {
                at(origin.path().map(Into::into), Some(*index))
            }
            Error::Folder { path, .. } => at(Some(path.clone()), None),
            Error::Argument { .. } | Error::Cancelled => Place::default(),
        }
    }
}
