//! What can go wrong with a file's bytes.

use std::io;
use std::path::Path;

use super::origin::Origin;
use super::os;
use super::storage::FileKind;
use crate::error::{Kind, Place, Report, kind_of_io};

/// A result of this floor.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a file's bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} {origin}{}: {source}", at(*offset))]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// To which file.
        origin: Origin,
        /// Where in it.
        offset: Option<u64>,
        /// The system's own error.
        source: io::Error,
    },
    /// A folder, FIFO, socket or device.
    #[error("{origin} is {what}, not a regular file")]
    NotAFile {
        /// The path or descriptor.
        origin: Origin,
        /// What stands there.
        what: &'static str,
        /// EISDIR for a folder, 0 else.
        os_code: i32,
    },
    /// The whole file stands at the path, but its folder couldn't be synced.
    #[error(
        "{origin} is published whole, but its folder can't be synced, so that a power cut may \
         undo it: {source}"
    )]
    NotDurable {
        /// The file.
        origin: Origin,
        /// The system's own error.
        source: io::Error,
    },
    /// A file stands at the path and was not to be replaced.
    #[error("{origin} exists already; it was left as it is")]
    Exists {
        /// The path.
        origin: Origin,
    },
    /// Somebody put a file of theirs at the temporary's name.
    #[error(
        "{origin} isn't the file that was written, somebody put another one there; nothing was \
         published, write it again"
    )]
    Swapped {
        /// The temporary.
        origin: Origin,
    },
    /// A file that was to be opened for writing in a way that can't write it.
    #[error("{origin} can't be opened for writing: {why}")]
    NotWritable {
        /// The file.
        origin: Origin,
        /// What is in the way.
        why: &'static str,
    },
    /// Bytes that can't be written, or whose changes never reach the file.
    #[error("{origin} is {mode}: {why}")]
    ReadOnly {
        /// The file.
        origin: Origin,
        /// How it was opened.
        mode: &'static str,
        /// What that means for what was asked for.
        why: &'static str,
    },
    /// Another open file has the lock.
    #[error("{origin} is locked by somebody else who writes to it")]
    Busy {
        /// The file.
        origin: Origin,
    },
    /// A flush failed before.
    #[error(
        "a flush of {origin} has failed before: what was written since the last good one may be \
         lost whatever a later flush says; save the array elsewhere"
    )]
    FlushFailed {
        /// The file.
        origin: Origin,
    },
    /// A range outside the bytes.
    #[error("bytes {offset} to {offset}+{len} of {origin} were asked for, but it has {size}")]
    OutOfRange {
        /// The file.
        origin: Origin,
        /// Start of the range.
        offset: u64,
        /// Its length.
        len: u64,
        /// The bytes that there are.
        size: u64,
    },
    /// The file has become shorter than it was at open.
    #[error(
        "{origin} was cut while open: it had {expected} bytes and now ends at {actual}; \
         what a pointer into it still reads past that is lost, close it and get the file again"
    )]
    Truncated {
        /// The file.
        origin: Origin,
        /// Where the bytes that were asked for start.
        offset: u64,
        /// Its length at open.
        expected: u64,
        /// Its length now.
        actual: u64,
    },
    /// Decompression would pass the cap.
    #[error(
        "{origin} decompresses to more than the {cap} bytes allowed; \
         raise the cap if the file is to be trusted"
    )]
    OverCap {
        /// The compressed file.
        origin: Origin,
        /// The cap in bytes.
        cap: u64,
    },
    /// Compressed bytes that break their format's rules.
    #[error("cannot decompress {origin} as {format}: {why}")]
    Compressed {
        /// The compressed file.
        origin: Origin,
        /// gzip or zstd.
        format: &'static str,
        /// What the decoder says.
        why: String,
        /// Malformed, a wrong checksum, or a feature that isn't supported.
        kind: Kind,
    },
    /// Memory ran out.
    #[error("out of memory: {bytes} bytes for {origin}")]
    OutOfMemory {
        /// The bytes asked for.
        bytes: u64,
        /// For what.
        origin: Origin,
    },
    /// A handle of the parent process.
    #[error("{origin} was opened by the parent of this process, which alone can go on with this")]
    Forked {
        /// The file.
        origin: Origin,
    },
    /// Bytes that were to be written, in memory that can't be read.
    #[error(
        "the bytes for byte {offset} of {origin} can't be read: {source}; if they are mapped from \
         a file, it was cut"
    )]
    Unreadable {
        /// The file to write.
        origin: Origin,
        /// Where in it they were to go.
        offset: u64,
        /// The system's own error.
        source: io::Error,
    },
    /// A file whose writing has ended.
    #[error("writing {origin} has {why} before; nothing more can be written")]
    Closed {
        /// The file.
        origin: Origin,
        /// How it ended.
        why: &'static str,
    },
    /// A path that can't be used.
    #[error("the path {path:?} names no file: {why}")]
    BadPath {
        /// The path.
        path: std::path::PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

fn at(offset: Option<u64>) -> String {
    offset
        .map(|offset| format!(" at byte {offset}"))
        .unwrap_or_default()
}

impl Error {
    /// Of bytes for `origin` that lie in a map that was cut.
    pub(crate) fn unreadable(origin: Origin, offset: u64) -> Error {
        let source = io::Error::from_raw_os_error(os::BAD_ADDRESS);
        Error::Unreadable {
            origin,
            offset,
            source,
        }
    }

    /// What stands there is no regular file.
    pub(crate) fn not_a_file(kind: FileKind, origin: Origin) -> Error {
        let (what, os_code) = match kind {
            FileKind::Folder => ("a folder", os::IS_A_FOLDER),
            FileKind::Fifo => ("a named pipe", 0),
            FileKind::Socket => ("a socket", 0),
            FileKind::Device => ("a device", 0),
            FileKind::Link => ("a symbolic link", 0),
            FileKind::Regular => ("of another kind", 0),
        };
        Error::NotAFile {
            origin,
            what,
            os_code,
        }
    }

    /// For `map_err`: an I/O error while doing `action` to `origin`.
    pub(crate) fn io(
        action: &'static str,
        origin: &Origin,
    ) -> impl FnOnce(io::Error) -> Error + use<> {
        let origin = origin.clone();
        move |source| Error::Io {
            action,
            origin,
            offset: None,
            source,
        }
    }

    /// As [`Error::io`], at a byte offset.
    pub(crate) fn io_at(
        action: &'static str,
        origin: &Origin,
        offset: u64,
    ) -> impl FnOnce(io::Error) -> Error + use<> {
        let origin = origin.clone();
        move |source| Error::Io {
            action,
            origin,
            offset: Some(offset),
            source,
        }
    }

    /// As [`Error::io`], for a path.
    pub(crate) fn io_path(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> Error + use<> {
        Error::io(action, &Origin::Path(path.to_owned()))
    }
}

impl Report for Error {
    fn kind(&self) -> Kind {
        match self {
            // A set's file that was replaced, as it is where that is seen when it is opened first;
            // a stale handle of the system's has its code.
            Error::Io { source, .. }
                if source.kind() == io::ErrorKind::StaleNetworkFileHandle
                    && source.raw_os_error().is_none() =>
            {
                Kind::Malformed
            }
            Error::Io { source, .. } | Error::Unreadable { source, .. } => kind_of_io(source),
            Error::NotAFile { .. } => Kind::NotAFile,
            Error::NotDurable { .. } => Kind::NotDurable,
            Error::Exists { .. } => Kind::Exists,
            Error::Swapped { .. } => Kind::NotFound,
            Error::NotWritable { .. } => Kind::Unsupported,
            Error::ReadOnly { .. } => Kind::ReadOnly,
            Error::Busy { .. } => Kind::Busy,
            Error::OutOfRange { .. } | Error::OverCap { .. } => Kind::OutOfRange,
            Error::Truncated { .. } => Kind::Truncated,
            Error::Compressed { kind, .. } => *kind,
            Error::OutOfMemory { .. } => Kind::OutOfMemory,
            Error::Forked { .. } => Kind::Forked,
            Error::Closed { .. } | Error::FlushFailed { .. } => Kind::Poisoned,
            Error::BadPath { .. } => Kind::InvalidArgument,
        }
    }

    fn os_code(&self) -> i32 {
        match self {
            Error::Io { source, .. }
            | Error::NotDurable { source, .. }
            | Error::Unreadable { source, .. } => source.raw_os_error().unwrap_or(0),
            Error::NotAFile { os_code, .. } => *os_code,
            _ => 0,
        }
    }

    fn place(&self) -> Place {
        let (origin, offset) = match self {
            Error::Io { origin, offset, .. } => (origin, *offset),
            Error::OutOfRange { origin, offset, .. }
            | Error::Truncated { origin, offset, .. }
            | Error::Unreadable { origin, offset, .. } => (origin, Some(*offset)),
            Error::NotAFile { origin, .. }
            | Error::NotDurable { origin, .. }
            | Error::Exists { origin }
            | Error::Swapped { origin }
            | Error::NotWritable { origin, .. }
            | Error::ReadOnly { origin, .. }
            | Error::Busy { origin }
            | Error::FlushFailed { origin }
            | Error::OverCap { origin, .. }
            | Error::Compressed { origin, .. }
            | Error::OutOfMemory { origin, .. }
            | Error::Closed { origin, .. }
            | Error::Forked { origin } => (origin, None),
            Error::BadPath { path, .. } => {
                return Place {
                    path: Some(path.clone()),
                    ..Place::default()
                };
            }
        };
        Place {
            path: origin.path().map(Path::to_owned),
            offset,
            index: None,
        }
    }
}
