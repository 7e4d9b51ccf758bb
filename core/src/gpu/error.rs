//! What can go wrong with a GPU.

use std::path::Path;

use crate::dtype::DType;
use crate::error::{Kind, Place, Report};
use crate::map::{self, Origin};
use crate::model;
use crate::transfer;

/// A result of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a GPU.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No driver, no adapter, or none of those that were asked for.
    #[error("no GPU: {why}")]
    NoGpu {
        /// What was looked for.
        why: String,
    },
    /// A build without the cargo feature.
    #[error("this build of adit has no GPU support: its cargo feature `gpu` is off")]
    NotBuilt,
    /// What doesn't go together, or not with this device.
    #[error("{why}")]
    Arguments {
        /// What doesn't fit, and what would.
        why: String,
        /// The item concerned.
        item: Option<u64>,
    },
    /// A place that a buffer doesn't have.
    #[error("{what}: bytes {offset} to {} lie outside of a buffer of {size}", .offset.saturating_add(*.bytes))]
    OutOfRange {
        /// What was asked for.
        what: &'static str,
        /// The first byte.
        offset: u64,
        /// How many.
        bytes: u64,
        /// The buffer's.
        size: u64,
        /// The item concerned.
        item: Option<u64>,
    },
    /// More than the adapter can do at once.
    #[error(
        "{what} of {bytes} bytes is more than the limit of '{adapter}', {limit} bytes: {instead}"
    )]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// The adapter's name.
        adapter: String,
        /// Its size.
        bytes: u64,
        /// The adapter's limit.
        limit: u64,
        /// What can be done.
        instead: &'static str,
    },
    /// A conversion that isn't done on the card.
    #[error("the card doesn't convert {} to {}; it converts {can}", .from.name(), .to.name())]
    NoConversion {
        /// The dtype that there is.
        from: DType,
        /// That which was asked for.
        to: DType,
        /// What can be done.
        can: String,
    },
    /// Elements of a block dtype that are no whole blocks.
    #[error("{elements} elements of {} are no whole blocks of {}", .dtype.name(), .dtype.block_elements())]
    PartOfBlock {
        /// The dtype.
        dtype: DType,
        /// How many.
        elements: u64,
    },
    /// A tensor of a model, or a row of one, that no buffer holds.
    #[error(
        "{}tensor {index} '{name}' of {origin} takes {bytes} bytes, more than a buffer's limit, {limit}: {instead}",
        of_row(*.row)
    )]
    TensorTooLarge {
        /// Its file.
        origin: Origin,
        /// Where its bytes start there.
        offset: u64,
        /// Its number in the model.
        index: u64,
        /// Its name.
        name: String,
        /// Whether it is a row of it.
        row: bool,
        /// The bytes.
        bytes: u64,
        /// The most that a buffer can have.
        limit: u64,
        /// What can be done.
        instead: &'static str,
    },
    /// A tensor of a model whose file failed.
    #[error("tensor {index} '{name}': {source}")]
    Tensor {
        /// Its number in the model.
        index: u64,
        /// Its name.
        name: String,
        /// What is wrong with the file.
        source: Box<map::Error>,
    },
    /// A model that has a tensor which can't be had.
    #[error(transparent)]
    Model(Box<model::Error>),
    /// Something that this adapter, or this library, can't do.
    #[error("{why}")]
    Unsupported {
        /// What, and why.
        why: String,
    },
    /// The device is gone; only closing it is left.
    #[error("the GPU '{adapter}' was lost: {why}")]
    Lost {
        /// The adapter's name.
        adapter: String,
        /// The driver's text.
        why: String,
    },
    /// The device is the one of the process that this one was forked from.
    #[error(
        "the GPU '{adapter}' was opened before a fork, and can't be used in the forked child: the \
         driver's threads are the parent's"
    )]
    Forked {
        /// The adapter's name.
        adapter: String,
    },
    /// The child of a process with devices open can't have any of its own.
    #[error(
        "this process was forked from one that had a GPU open, whose drivers don't work in it: open \
         devices in the child of a process without any, or in a new program"
    )]
    ForkedBeside,
    /// No memory on the card, or for what goes there. The device goes on.
    #[error("'{adapter}' is out of memory: {what} of {bytes} bytes: {why}")]
    OutOfMemory {
        /// The adapter's name.
        adapter: String,
        /// What it was for.
        what: &'static str,
        /// How much.
        bytes: u64,
        /// The driver's text.
        why: String,
    },
    /// The driver, or the layer above it, refused.
    #[error("'{adapter}': {what}: {why}")]
    Failed {
        /// The adapter's name.
        adapter: String,
        /// What was being done.
        what: &'static str,
        /// The driver's text.
        why: String,
    },
    /// A wait took longer than it may.
    #[error("the GPU isn't done yet")]
    Timeout,
    /// From the files, or the loading.
    #[error(transparent)]
    Transfer(#[from] transfer::Error),
    /// A bug of this library, seen where going on would give wrong bytes.
    #[error("internal error, a bug in adit: {0}; please report it")]
    Internal(&'static str),
}

fn of_row(row: bool) -> &'static str {
    if row { "a row of " } else { "" }
}

impl Report for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::NoGpu { .. } => Kind::NoGpu,
            Error::NotBuilt | Error::Unsupported { .. } => Kind::Unsupported,
            Error::Arguments { .. } => Kind::InvalidArgument,
            Error::OutOfRange { .. } | Error::TooLarge { .. } | Error::TensorTooLarge { .. } => {
                Kind::OutOfRange
            }
            Error::Tensor { source, .. } => source.kind(),
            Error::Model(error) => error.kind(),
            Error::NoConversion { .. } => Kind::DType,
            Error::PartOfBlock { .. } => Kind::Shape,
            Error::Lost { .. } => Kind::GpuLost,
            Error::Forked { .. } | Error::ForkedBeside => Kind::Forked,
            Error::OutOfMemory { .. } => Kind::OutOfMemory,
            Error::Failed { .. } => Kind::Gpu,
            Error::Timeout => Kind::Timeout,
            Error::Transfer(error) => error.kind(),
            Error::Internal(_) => Kind::Internal,
        }
    }

    fn os_code(&self) -> i32 {
        match self {
            Error::Transfer(error) => error.os_code(),
            Error::Tensor { source, .. } => source.os_code(),
            Error::Model(error) => error.os_code(),
            _ => 0,
        }
    }

    fn place(&self) -> Place {
        match self {
            Error::Transfer(error) => error.place(),
            Error::Model(error) => error.place(),
            Error::Tensor { index, source, .. } => Place {
                index: Some(*index),
                ..source.place()
            },
            Error::TensorTooLarge {
                origin,
                offset,
                index,
                ..
            } => Place {
                path: origin.path().map(Path::to_owned),
                offset: Some(*offset),
                index: Some(*index),
            },
            Error::Arguments { item, .. } => Place {
                index: *item,
                ..Place::default()
            },
            Error::OutOfRange { item, offset, .. } => Place {
                index: *item,
                offset: Some(*offset),
                ..Place::default()
            },
            _ => Place::default(),
        }
    }
}
