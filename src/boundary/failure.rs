//! A failure on its way to the caller.

use std::fmt::Display;

use adit_core::error::{Kind, Place, Report};

use crate::error::adit_status;

/// What a body gives back.
pub(crate) type Outcome = Result<(), Failure>;

/// Why a call doesn't give what was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An outcome of a program's normal course: a status without an error object.
    Quiet(adit_status),
    /// A status with an error object. Boxed: every call passes its outcome on, and moving so many
    /// bytes takes longer than a small call's work.
    Loud(Box<Loud>),
}

/// What becomes an error object.
#[derive(Debug)]
pub(crate) struct Loud {
    pub(crate) status: adit_status,
    pub(crate) os_code: i32,
    pub(crate) message: String,
    pub(crate) place: Place,
}

impl Failure {
    pub(crate) fn new(status: adit_status, message: impl Display) -> Failure {
        let message = message.to_string();
        Failure::Loud(Box::new(Loud {
            status,
            os_code: 0,
            message,
            place: Place::default(),
        }))
    }

    pub(crate) fn invalid(message: impl Display) -> Failure {
        Failure::new(adit_status::ADIT_ERR_INVALID_ARGUMENT, message)
    }

    pub(crate) fn null(parameter: &str) -> Failure {
        Failure::invalid(format_args!("{parameter} is NULL"))
    }
}

impl<E: Report> From<E> for Failure {
    fn from(error: E) -> Failure {
        let status = match error.kind() {
            Kind::Cancelled => return Failure::Quiet(adit_status::ADIT_CANCELLED),
            Kind::Timeout => return Failure::Quiet(adit_status::ADIT_TIMEOUT),
            kind => status_of(kind),
        };
        Failure::Loud(Box::new(Loud {
            status,
            os_code: error.os_code(),
            message: error.to_string(),
            place: error.place(),
        }))
    }
}

/// The status of a class of failure.
pub(crate) fn status_of(kind: Kind) -> adit_status {
    match kind {
        Kind::InvalidArgument => adit_status::ADIT_ERR_INVALID_ARGUMENT,
        Kind::Io => adit_status::ADIT_ERR_IO,
        Kind::NotFound => adit_status::ADIT_ERR_NOT_FOUND,
        Kind::Permission => adit_status::ADIT_ERR_PERMISSION,
        Kind::Exists => adit_status::ADIT_ERR_EXISTS,
        Kind::NotAFile => adit_status::ADIT_ERR_NOT_A_FILE,
        Kind::WrongFormat => adit_status::ADIT_ERR_WRONG_FORMAT,
        Kind::Malformed => adit_status::ADIT_ERR_MALFORMED,
        Kind::Checksum => adit_status::ADIT_ERR_CHECKSUM,
        Kind::Unfinished => adit_status::ADIT_ERR_UNFINISHED,
        Kind::Truncated => adit_status::ADIT_ERR_TRUNCATED,
        Kind::DType => adit_status::ADIT_ERR_DTYPE,
        Kind::Shape => adit_status::ADIT_ERR_SHAPE,
        Kind::Misaligned => adit_status::ADIT_ERR_MISALIGNED,
        Kind::ReadOnly => adit_status::ADIT_ERR_READ_ONLY,
        Kind::Busy => adit_status::ADIT_ERR_BUSY,
        Kind::NotDurable => adit_status::ADIT_ERR_NOT_DURABLE,
        Kind::NoSpace => adit_status::ADIT_ERR_NO_SPACE,
        Kind::OutOfRange => adit_status::ADIT_ERR_OUT_OF_RANGE,
        Kind::OutOfMemory => adit_status::ADIT_ERR_OUT_OF_MEMORY,
        Kind::Unsupported => adit_status::ADIT_ERR_UNSUPPORTED,
        Kind::Poisoned => adit_status::ADIT_ERR_POISONED,
        Kind::Forked => adit_status::ADIT_ERR_FORKED,
        Kind::Cancelled => adit_status::ADIT_CANCELLED,
        Kind::Callback => adit_status::ADIT_ERR_CALLBACK,
        Kind::Timeout => adit_status::ADIT_TIMEOUT,
        Kind::NoGpu => adit_status::ADIT_ERR_NO_GPU,
        Kind::GpuLost => adit_status::ADIT_ERR_GPU_LOST,
        Kind::Gpu => adit_status::ADIT_ERR_GPU,
        Kind::Internal => adit_status::ADIT_ERR_INTERNAL,
    }
}
