//! What can go wrong with a loader.

use super::plan_error::PlanError;
use crate::error::{Kind, Place, Report};
use crate::map::{self, Origin};
use crate::record;

/// A result of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a loader.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// From the set.
    #[error(transparent)]
    Record(#[from] record::Error),
    /// From the bytes.
    #[error(transparent)]
    Map(#[from] map::Error),
    /// A record that can't be had, and no other may or could stand for it.
    #[error("record {record} of {origin}: {source}{}", of_tries(*tried))]
    BadRecord {
        /// The set.
        origin: Origin,
        /// The record's number.
        record: u64,
        /// How many others were tried in its place.
        tried: u32,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The caller's transform failed.
    #[error("the transform of record {record} of {origin} failed with {code}")]
    Transform {
        /// The set.
        origin: Origin,
        /// The record's number.
        record: u64,
        /// Its result.
        code: i32,
    },
    /// Options that don't go together, or not with the set.
    #[error("{why}")]
    Arguments {
        /// What doesn't fit, and what would.
        why: String,
    },
    /// From the plan of an epoch: its order, its parts, its state.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Bytes or an array that no windows of tokens can be taken of.
    #[error("{origin} can't be taken as tokens: {why}")]
    Tokens {
        /// The file.
        origin: Origin,
        /// The class of failure.
        kind: Kind,
        /// What is in the way.
        why: String,
    },
    /// More batches at once than was agreed.
    #[error("{held} batches are held, as many as max_held allows: release one first")]
    Busy {
        /// How many.
        held: usize,
    },
    /// Less memory than the batches need.
    #[error(
        "memory_budget is {budget} bytes, but {what} {needed}: give more, or take smaller batches"
    )]
    Budget {
        /// The bytes given.
        budget: u64,
        /// The bytes needed.
        needed: u64,
        /// What for.
        what: &'static str,
    },
    /// No memory.
    #[error("out of memory: {bytes} bytes for {what}")]
    OutOfMemory {
        /// The bytes.
        bytes: u64,
        /// What they are for.
        what: &'static str,
    },
    /// No thread could be started.
    #[error("cannot start a loader's thread: {source}; workers = none needs no thread")]
    NoThread {
        /// What the system says.
        source: std::io::Error,
    },
    /// A loader of the parent process.
    #[error("this loader was opened by the parent of this process; open another one here")]
    Forked,
    /// A bug of this library, or a panic of the transform, in a worker.
    #[error("internal error, a bug in adit, in a loader's worker: {what}; please report it")]
    Panicked {
        /// The panic's message.
        what: String,
    },
    /// A bug of this library, seen where going on would give wrong bytes.
    #[error("internal error, a bug in adit: {0}; please report it")]
    Internal(&'static str),
}

fn of_tries(tried: u32) -> String {
    if tried == 0 {
        return String::new();
    }
    format!("; {tried} others were tried in its place, and failed too")
}

impl Error {
    pub(crate) fn arguments(why: impl Into<String>) -> Error {
        Error::Arguments { why: why.into() }
    }

    #[cold]
    pub(crate) fn no_memory(bytes: usize, what: &'static str) -> Error {
        let bytes = bytes as u64;
        Error::OutOfMemory { bytes, what }
    }
}

impl Report for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Record(error) => error.kind(),
            Error::Map(error) => error.kind(),
            Error::BadRecord { source, .. } => source.kind(),
            Error::Transform { .. } => Kind::Callback,
            Error::Plan(error) => error.kind(),
            Error::Tokens { kind, .. } => *kind,
            Error::Arguments { .. } => Kind::InvalidArgument,
            Error::Busy { .. } => Kind::Busy,
            Error::Budget { .. } => Kind::OutOfRange,
            Error::OutOfMemory { .. } => Kind::OutOfMemory,
            Error::NoThread { source } => crate::error::kind_of_io(source),
            Error::Forked => Kind::Forked,
            Error::Panicked { .. } | Error::Internal(_) => Kind::Internal,
        }
    }

    fn os_code(&self) -> i32 {
        match self {
            Error::Record(error) => error.os_code(),
            Error::Map(error) => error.os_code(),
            Error::BadRecord { source, .. } => source.os_code(),
            Error::Transform { code, .. } => *code,
            Error::NoThread { source } => source.raw_os_error().unwrap_or(0),
            _ => 0,
        }
    }

    fn place(&self) -> Place {
        match self {
            Error::Record(error) => error.place(),
            Error::Map(error) => error.place(),
            // In a set the number in the file is another: the caller's is the set's.
            Error::BadRecord { record, source, .. } => Place {
                index: Some(*record),
                ..source.place()
            },
            Error::Transform { origin, record, .. } => Place {
                path: origin.path().map(std::path::Path::to_owned),
                offset: None,
                index: Some(*record),
            },
            Error::Tokens { origin, .. } => Place {
                path: origin.path().map(std::path::Path::to_owned),
                ..Place::default()
            },
            _ => Place::default(),
        }
    }
}
