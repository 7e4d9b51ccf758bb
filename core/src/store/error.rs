//! What can go wrong with stores.

use std::path::Path;

use crate::error::{Kind, Place, Report};
use crate::map::{self, Origin};
use crate::tensor;

/// A result of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with stores.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// From the floor below.
    #[error(transparent)]
    Map(#[from] map::Error),
    /// Not a store at all.
    #[error("{origin} is no store, and is left as it is: {why}")]
    WrongFormat {
        /// The file.
        origin: Origin,
        /// What it has instead.
        why: String,
    },
    /// A store that this version can't read, or can't use in this way.
    #[error("{origin}: {what}")]
    Unsupported {
        /// The file.
        origin: Origin,
        /// What it is, and what to do instead.
        what: String,
    },
    /// Bytes that were whole once and aren't now.
    #[error(
        "{origin} is damaged at byte {offset}: {why}; {sound} records before it are sound, \
         adit_store_salvage copies all that are"
    )]
    Damaged {
        /// The file.
        origin: Origin,
        /// Where.
        offset: u64,
        /// What is wrong there.
        why: String,
        /// Records before it that are sound, as far as was looked.
        sound: u64,
    },
    /// A record that isn't what it was when it was written.
    #[error("the record at byte {offset} of {origin} is damaged: {why}")]
    Record {
        /// The file.
        origin: Origin,
        /// Where the record starts.
        offset: u64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An index that isn't what it was when it was written. It is built again for the next
    /// snapshot.
    #[error("{origin} is damaged at byte {offset}: {why}; a new snapshot has it built again")]
    Index {
        /// The index file.
        origin: Origin,
        /// Where.
        offset: u64,
        /// What is wrong there.
        why: &'static str,
    },
    /// A key that is too long.
    #[error("a key of {len} bytes; keys have at most 65535")]
    KeyTooLong {
        /// Its length.
        len: u64,
    },
    /// A value that is too long.
    #[error("a value of {len} bytes; values have at most 2^48")]
    ValueTooLong {
        /// Its length.
        len: u64,
    },
    /// Another handle has the store open for writing, or a stream or a compaction is under way.
    #[error("{origin} is busy: {why}")]
    Busy {
        /// The file.
        origin: Origin,
        /// Who does what.
        why: String,
    },
    /// A write through a handle that was opened for reading.
    #[error("{origin} was opened for reading only")]
    ReadOnly {
        /// The file.
        origin: Origin,
    },
    /// An earlier sync failed.
    #[error(
        "{origin} can't be written any more: {why}; what was acknowledged before is safe, close the \
         store and open it again"
    )]
    Poisoned {
        /// The file.
        origin: Origin,
        /// What failed.
        why: String,
    },
    /// A handle that was inherited by a forked child.
    #[error("{origin} was opened by the parent of this process: open it again")]
    Forked {
        /// The file.
        origin: Origin,
    },
    /// A value that is no tensor was asked for as one, or one that can't be lent.
    #[error("the value at byte {offset} of {origin} can't be lent as a tensor: {why}")]
    NoTensor {
        /// The file.
        origin: Origin,
        /// Where the record starts.
        offset: u64,
        /// Why not.
        why: String,
    },
    /// A tensor that can't be stored.
    #[error("this tensor can't be stored: {0}")]
    Tensor(#[from] tensor::Error),
    /// A buffer that is too small.
    #[error("the value has {len} bytes, but there is room for {room}")]
    NoRoom {
        /// The value's length.
        len: u64,
        /// The buffer's.
        room: u64,
    },
    /// The caller's progress callback asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    pub(crate) fn out_of_memory(origin: &Origin, bytes: u64) -> Error {
        Error::Map(map::Error::OutOfMemory {
            origin: origin.clone(),
            bytes,
        })
    }
}

impl Report for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Map(error) => error.kind(),
            Error::WrongFormat { .. } => Kind::WrongFormat,
            Error::Unsupported { .. } => Kind::Unsupported,
            Error::Damaged { .. } => Kind::Malformed,
            Error::Record { .. } | Error::Index { .. } => Kind::Checksum,
            Error::KeyTooLong { .. } | Error::ValueTooLong { .. } | Error::NoRoom { .. } => {
                Kind::OutOfRange
            }
            Error::Busy { .. } => Kind::Busy,
            Error::ReadOnly { .. } => Kind::ReadOnly,
            Error::Poisoned { .. } => Kind::Poisoned,
            Error::Forked { .. } => Kind::Forked,
            Error::NoTensor { .. } => Kind::DType,
            Error::Tensor(error) => error.kind(),
            Error::Cancelled => Kind::Cancelled,
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
            Error::Damaged { origin, offset, .. }
            | Error::Record { origin, offset, .. }
            | Error::Index { origin, offset, .. }
            | Error::NoTensor { origin, offset, .. } => (origin, Some(*offset)),
            Error::WrongFormat { origin, .. }
            | Error::Unsupported { origin, .. }
            | Error::Busy { origin, .. }
            | Error::ReadOnly { origin }
            | Error::Poisoned { origin, .. }
            | Error::Forked { origin } => (origin, None),
            Error::KeyTooLong { .. }
            | Error::ValueTooLong { .. }
            | Error::NoRoom { .. }
            | Error::Tensor(_)
            | Error::Cancelled => return Place::default(),
        };
        Place {
            path: origin.path().map(Path::to_owned),
            offset,
            index: None,
        }
    }
}
