//! What is wrong at a byte of a file, until it is known of which.

use super::error::Error;
use crate::map::{self, Origin};

/// What is wrong, and where in the file.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) class: Class,
    pub(super) offset: u64,
    pub(super) tensor: Option<String>,
    pub(super) why: String,
}

#[derive(Debug)]
pub(super) enum Class {
    WrongFormat,
    Malformed,
    Unsupported,
    /// There is no memory for so many bytes.
    NoMemory(u64),
    /// The file can't be read.
    Data(Box<map::Error>),
}

impl Fault {
    #[cold]
    pub(super) fn new(class: Class, offset: u64, why: impl Into<String>) -> Fault {
        Fault {
            class,
            offset,
            tensor: None,
            why: why.into(),
        }
    }

    #[cold]
    pub(super) fn malformed(offset: u64, why: impl Into<String>) -> Fault {
        Fault::new(Class::Malformed, offset, why)
    }

    #[cold]
    pub(super) fn unsupported(offset: u64, why: impl Into<String>) -> Fault {
        Fault::new(Class::Unsupported, offset, why)
    }

    #[cold]
    pub(super) fn no_memory(bytes: u64) -> Fault {
        Fault::new(Class::NoMemory(bytes), 0, "")
    }

    /// The same, of this tensor.
    pub(super) fn in_tensor(self, name: String) -> Fault {
        Fault {
            tensor: Some(name),
            ..self
        }
    }

    /// The error of a file.
    pub(super) fn of(self, origin: &Origin) -> Error {
        let (origin, tensor) = (origin.clone(), self.tensor);
        let (offset, why) = (self.offset, self.why);
        match self.class {
            Class::WrongFormat => Error::WrongFormat { origin, why },
            Class::Malformed => Error::Malformed {
                origin,
                offset,
                tensor,
                why,
            },
            Class::Unsupported => Error::Unsupported {
                origin,
                offset,
                tensor,
                what: why,
            },
            Class::NoMemory(bytes) => map::Error::OutOfMemory { bytes, origin }.into(),
            Class::Data(error) => (*error).into(),
        }
    }
}

impl From<map::Error> for Fault {
    fn from(error: map::Error) -> Fault {
        Fault::new(Class::Data(Box::new(error)), 0, "")
    }
}
