//! What can go wrong with a load.

use std::path::Path;

use crate::dtype::DType;
use crate::error::{Kind, Place, Report};
use crate::map::{self, Origin};
use crate::tensor;

/// A result of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a load.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An item's bytes can't be had.
    #[error("item {item}: {source}")]
    Item {
        /// The item's number.
        item: u64,
        /// What is in the way.
        source: map::Error,
    },
    /// No such part of an item's tensor.
    #[error("item {item}, {origin}: {source}")]
    Part {
        /// The item's number.
        item: u64,
        /// The file.
        origin: Origin,
        /// Where the tensor starts in the file's bytes.
        offset: u64,
        /// What is in the way.
        source: Box<tensor::Error>,
    },
    /// A conversion that makes no sense.
    #[error(
        "item {item}, {origin}: no conversion from {} to {}", .dtype.name(), .asked.name()
    )]
    NoConversion {
        /// The item's number.
        item: u64,
        /// The file.
        origin: Origin,
        /// The file's dtype.
        dtype: DType,
        /// The caller's.
        asked: DType,
    },
    /// Less memory than an item needs.
    #[error("item {item} needs {needed} bytes, but its memory has {given}")]
    SmallRoom {
        /// The item's number.
        item: u64,
        /// The bytes that it needs.
        needed: u64,
        /// The bytes that were given.
        given: u64,
    },
    /// Memory that two items would be written to, or that an item is read from.
    #[error("the memory for item {item} overlaps {what}")]
    Overlap {
        /// The item's number.
        item: u64,
        /// What lies there too.
        what: String,
    },
    /// Items or options that don't go together.
    #[error("{why}")]
    Arguments {
        /// What doesn't fit, and what would.
        why: String,
        /// The item concerned.
        item: Option<u64>,
    },
    /// No memory for all tensors, or to work in.
    #[error("out of memory: {bytes} bytes for {what}")]
    OutOfMemory {
        /// The bytes.
        bytes: u64,
        /// What they are for.
        what: &'static str,
    },
    /// A callback of the caller's sink failed.
    #[error("the sink's {what} of slot {slot} failed with {code}")]
    Callback {
        /// Which one.
        what: &'static str,
        /// The slot.
        slot: usize,
        /// Its result.
        code: i32,
        /// The item whose bytes were on their way.
        item: Option<u64>,
    },
    /// A bug of this library in a thread of its own.
    #[error("internal error, a bug in adit, in a reading thread: {what}; please report it")]
    Panicked {
        /// The panic's message.
        what: String,
    },
    /// A bug of this library, seen where going on would give wrong bytes.
    #[error("internal error, a bug in adit: {0}; please report it")]
    Internal(&'static str),
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}

/// An empty list with room for `len`: what grows with the number of items may be more than there is
/// memory for.
pub(crate) fn list_of<T>(len: usize) -> Result<Vec<T>> {
    let mut list = Vec::new();
    reserve(&mut list, len)?;
    Ok(list)
}

/// Room for `more` at a list's end.
pub(crate) fn reserve<T>(list: &mut Vec<T>, more: usize) -> Result<()> {
    let reserved = list.try_reserve(more);
    reserved.map_err(|_| no_books(more.saturating_add(list.len()), size_of::<T>()))
}

#[cold]
pub(super) fn no_books(entries: usize, size: usize) -> Error {
    Error::OutOfMemory {
        bytes: entries.saturating_mul(size) as u64,
        what: "a list of all items",
    }
}

impl Report for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Item { source, .. } => source.kind(),
            Error::Part { source, .. } => source.kind(),
            Error::NoConversion { .. } => Kind::DType,
            Error::SmallRoom { .. } => Kind::OutOfRange,
            Error::Overlap { .. } | Error::Arguments { .. } => Kind::InvalidArgument,
            Error::OutOfMemory { .. } => Kind::OutOfMemory,
            Error::Callback { .. } => Kind::Callback,
            Error::Panicked { .. } | Error::Internal(_) => Kind::Internal,
            Error::Cancelled => Kind::Cancelled,
        }
    }

    fn os_code(&self) -> i32 {
        match self {
            Error::Item { source, .. } => source.os_code(),
            Error::Callback { code, .. } => *code,
            _ => 0,
        }
    }

    fn place(&self) -> Place {
        let of = |item: u64| Place {
            index: Some(item),
            ..Place::default()
        };
        match self {
            Error::Item { item, source } => Place {
                index: Some(*item),
                ..source.place()
            },
            Error::Part {
                item,
                origin,
                offset,
                ..
            } => Place {
                path: origin.path().map(Path::to_owned),
                offset: Some(*offset),
                index: Some(*item),
            },
            Error::NoConversion { item, origin, .. } => Place {
                path: origin.path().map(Path::to_owned),
                ..of(*item)
            },
            Error::SmallRoom { item, .. } | Error::Overlap { item, .. } => of(*item),
            Error::Arguments { item, .. } | Error::Callback { item, .. } => Place {
                index: *item,
                ..Place::default()
            },
            Error::OutOfMemory { .. }
            | Error::Panicked { .. }
            | Error::Internal(_)
            | Error::Cancelled => Place::default(),
        }
    }
}
