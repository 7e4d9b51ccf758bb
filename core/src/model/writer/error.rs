//! What can go wrong while a model is written.

use std::io;
use std::path::Path;

use crate::dtype::DType;
use crate::error::{Kind, Place, Report, kind_of_io};
use crate::map::{self, Origin};
use crate::tensor;

/// A result of writing.
pub type Result<T> = std::result::Result<T, WriteError>;

/// What can go wrong while a model is written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A file can't be made or written.
    #[error(transparent)]
    Map(#[from] map::Error),
    /// More files than may be open at once.
    #[error(
        "{source}; the {files} files of the model, its index among them, are all open while it is \
         written: raise the limit of open files, or shard_bytes"
    )]
    TooManyFiles {
        /// As many as there would be.
        files: u64,
        /// The first that can't be made.
        source: map::Error,
    },
    /// A name that a tensor can't have.
    #[error("{origin}, tensor {index}: the name '{name}' {why}")]
    Name {
        /// The model.
        origin: Origin,
        /// The tensor's number.
        index: u64,
        /// The name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A dtype that safetensors files don't have.
    #[error(
        "{origin}, tensor '{name}': safetensors files have no dtype {}; convert or dequantise the \
         elements first", .dtype.name()
    )]
    DType {
        /// The model.
        origin: Origin,
        /// The tensor's number.
        index: u64,
        /// Its name.
        name: String,
        /// Its dtype.
        dtype: DType,
    },
    /// A shape that no file can hold.
    #[error("{origin}, tensor '{name}': {source}")]
    Shape {
        /// The model.
        origin: Origin,
        /// The tensor's number.
        index: u64,
        /// Its name.
        name: String,
        /// What is wrong with the shape.
        source: Box<tensor::Error>,
    },
    /// A header that readers refuse.
    #[error(
        "the header of {origin} would have {bytes} bytes, and readers refuse more than {most}: \
         shorten names and metadata, or set a limit on the bytes of a shard"
    )]
    HeaderTooLong {
        /// The file.
        origin: Origin,
        /// The header's bytes.
        bytes: u64,
        /// As many as there may be.
        most: u64,
    },
    /// More bytes than a file can have.
    #[error("{origin} would have more bytes than a file can")]
    TooLarge {
        /// The file.
        origin: Origin,
    },
    /// A file that readers would take for the model instead of the shards.
    #[error(
        "{origin} is there, and programs that read sharded models take it before the index: remove \
         it, or write the model under another name"
    )]
    Shadowed {
        /// The file.
        origin: Origin,
    },
    /// No such tensor.
    #[error("tensor {index} of {origin} was asked for, but {len} are declared")]
    NoTensor {
        /// The model.
        origin: Origin,
        /// The number asked for.
        index: u64,
        /// How many there are.
        len: u64,
    },
    /// Bytes outside of a tensor.
    #[error(
        "{origin}, tensor '{name}': {len} bytes were to be written at its byte {offset}, but it has \
         {size}"
    )]
    Outside {
        /// The file.
        origin: Origin,
        /// The tensor's number.
        index: u64,
        /// Its name.
        name: String,
        /// Where in the tensor.
        offset: u64,
        /// How many bytes.
        len: u64,
        /// The tensor's bytes.
        size: u64,
    },
    /// Bytes that were to be written, in memory that can't be read.
    #[error(
        "{origin}, tensor '{name}': the bytes given as its bytes {start} to {end} can't be read: \
         {source}; if they are mapped from a file, it was cut; give them again"
    )]
    Unreadable {
        /// The file.
        origin: Origin,
        /// The tensor's number.
        index: u64,
        /// Its name.
        name: String,
        /// Where in the tensor they start.
        start: u64,
        /// And where they end.
        end: u64,
        /// Where in the file they start.
        offset: u64,
        /// The system's own error.
        source: io::Error,
    },
    /// Too many gaps to keep count of.
    #[error(
        "{origin}, tensor '{name}': the bytes written so far lie in {most} pieces with gaps between \
         them, and no more are kept count of; fill gaps first, or write longer pieces"
    )]
    TooScattered {
        /// The file.
        origin: Origin,
        /// The tensor's number.
        index: u64,
        /// Its name.
        name: String,
        /// The most pieces.
        most: u64,
    },
    /// Bytes are missing.
    #[error(
        "{origin} isn't whole: of tensor '{name}' bytes {start} to {end} of {size} were never \
         written{}; write them and finish again", others_too(*.others)
    )]
    Unfinished {
        /// The file.
        origin: Origin,
        /// The tensor's number.
        index: u64,
        /// Its name.
        name: String,
        /// The first byte of it that is missing.
        start: u64,
        /// Where the next that is there begins.
        end: u64,
        /// The tensor's bytes.
        size: u64,
        /// Where in the file the first missing byte lies.
        offset: u64,
        /// How many other tensors aren't whole.
        others: u64,
    },
    /// A call at the wrong time.
    #[error("{origin}: {why}")]
    State {
        /// The model.
        origin: Origin,
        /// What came before it, and what to do.
        why: &'static str,
    },
    /// A writer that has failed.
    #[error("writing {origin} failed earlier: nothing more can be written, close the writer")]
    Poisoned {
        /// The model.
        origin: Origin,
    },
    /// Memory ran out.
    #[error("out of memory: {bytes} bytes to write {origin}")]
    OutOfMemory {
        /// The model.
        origin: Origin,
        /// The bytes asked for.
        bytes: u64,
    },
}

fn others_too(count: u64) -> String {
    match count {
        0 => String::new(),
        1 => ", and another tensor isn't whole either".to_owned(),
        count => format!(", and {count} other tensors aren't whole either"),
    }
}

impl Report for WriteError {
    fn kind(&self) -> Kind {
        match self {
            WriteError::Map(error) | WriteError::TooManyFiles { source: error, .. } => error.kind(),
            WriteError::Name { .. } | WriteError::State { .. } => Kind::InvalidArgument,
            WriteError::DType { .. } => Kind::DType,
            WriteError::Shape { source, .. } => source.kind(),
            WriteError::Unreadable { source, .. } => kind_of_io(source),
            WriteError::HeaderTooLong { .. }
            | WriteError::TooLarge { .. }
            | WriteError::NoTensor { .. }
            | WriteError::Outside { .. }
            | WriteError::TooScattered { .. } => Kind::OutOfRange,
            WriteError::Shadowed { .. } => Kind::Exists,
            WriteError::Unfinished { .. } => Kind::Unfinished,
            WriteError::Poisoned { .. } => Kind::Poisoned,
            WriteError::OutOfMemory { .. } => Kind::OutOfMemory,
        }
    }

    fn os_code(&self) -> i32 {
        match self {
            WriteError::Map(error) | WriteError::TooManyFiles { source: error, .. } => {
                error.os_code()
            }
            WriteError::Unreadable { source, .. } => source.raw_os_error().unwrap_or(0),
            _ => 0,
        }
    }

    fn place(&self) -> Place {
        let (origin, offset, index) = match self {
            WriteError::Map(error) | WriteError::TooManyFiles { source: error, .. } => {
                return error.place();
            }
            WriteError::Name { origin, index, .. }
            | WriteError::DType { origin, index, .. }
            | WriteError::Shape { origin, index, .. }
            | WriteError::NoTensor { origin, index, .. }
            | WriteError::Outside { origin, index, .. }
            | WriteError::TooScattered { origin, index, .. } => (origin, None, Some(*index)),
            WriteError::Unreadable {
                origin,
                index,
                offset,
                ..
            }
            | WriteError::Unfinished {
                origin,
                index,
                offset,
                ..
            } => (origin, Some(*offset), Some(*index)),
            WriteError::HeaderTooLong { origin, .. }
            | WriteError::TooLarge { origin }
            | WriteError::Shadowed { origin }
            | WriteError::State { origin, .. }
            | WriteError::Poisoned { origin }
            | WriteError::OutOfMemory { origin, .. } => (origin, None, None),
        };
        Place {
            path: origin.path().map(Path::to_owned),
            offset,
            index,
        }
    }
}
