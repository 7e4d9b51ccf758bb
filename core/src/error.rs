//! The classes of failure that a caller would handle apart.
//!
//! Each layer has an error enum of its own, with the path, offset and cause in its fields; all of
//! them answer [`Report`], which is what the C boundary (or any caller) needs to classify them.

use std::io;
use std::path::PathBuf;

/// A class of failure. Each stands for one thing that a caller would do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An argument that no state of the world would make right.
    InvalidArgument,
    /// The operating system refused a read, write or sync.
    Io,
    /// No such file, record or key.
    NotFound,
    /// The file's permissions, or a limit on the process, forbid it.
    Permission,
    /// The file exists and may not be replaced.
    Exists,
    /// A folder, FIFO, socket or device stands where a regular file is needed.
    NotAFile,
    /// A sound file perhaps, but of another format.
    WrongFormat,
    /// The right format by its magic, but its contents break the format's rules.
    Malformed,
    /// Bytes that differ from their checksum.
    Checksum,
    /// The writer died or was closed before it finished the file, or can't finish it yet.
    Unfinished,
    /// The file is shorter now than it was when it was opened.
    Truncated,
    /// A dtype that this call or format doesn't take.
    DType,
    /// A shape that this call or format doesn't take.
    Shape,
    /// The bytes don't lie at the alignment that their dtype needs.
    Misaligned,
    /// The handle or the file system is read-only.
    ReadOnly,
    /// Somebody else holds what this call needs.
    Busy,
    /// Done, but a power cut may undo it.
    NotDurable,
    /// The disk or a quota is full.
    NoSpace,
    /// A position, length or size outside what there is or what is allowed.
    OutOfRange,
    /// Memory ran out.
    OutOfMemory,
    /// Well-formed, but not something this build can do.
    Unsupported,
    /// An earlier failure left the handle unusable; only closing it is left.
    Poisoned,
    /// The handle was opened by the parent of this process.
    Forked,
    /// The caller's progress callback asked to stop.
    Cancelled,
    /// Another callback of the caller failed.
    Callback,
    /// What was waited for isn't done in the time given.
    Timeout,
    /// No GPU, or no driver for one.
    NoGpu,
    /// The GPU was reset or removed.
    GpuLost,
    /// The GPU's driver refused.
    Gpu,
    /// A bug of this library.
    Internal,
}

/// Where a failure happened, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: Option<PathBuf>,
    /// The byte offset in it.
    pub offset: Option<u64>,
    /// The number of the record, tensor or argument.
    pub index: Option<u64>,
}

/// What every error of this crate can tell beside its message.
pub trait Report: std::error::Error {
    /// The class of the failure.
    fn kind(&self) -> Kind;
    /// The operating system's error number, 0 where there is none.
    fn os_code(&self) -> i32;
    /// Where it happened.
    fn place(&self) -> Place;
}

/// The class of an error of the operating system.
#[must_use]
pub fn kind_of_io(error: &io::Error) -> Kind {
    // Too many open files, in the process or the system: a limit, and no fault of the disk.
    if cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24)) {
        return Kind::Permission;
    }
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Kind::NotFound,
        io::ErrorKind::PermissionDenied => Kind::Permission,
        io::ErrorKind::AlreadyExists => Kind::Exists,
        io::ErrorKind::IsADirectory => Kind::NotAFile,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Kind::NoSpace
        }
        io::ErrorKind::ReadOnlyFilesystem => Kind::ReadOnly,
        io::ErrorKind::ResourceBusy | io::ErrorKind::ExecutableFileBusy => Kind::Busy,
        io::ErrorKind::OutOfMemory => Kind::OutOfMemory,
        io::ErrorKind::InvalidFilename => Kind::InvalidArgument,
        io::ErrorKind::Unsupported => Kind::Unsupported,
        _ => Kind::Io,
    }
}
