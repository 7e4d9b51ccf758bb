//! What can be wrong with a tensor.

use crate::dtype::DType;
use crate::error::{Kind, Place, Report};

/// A result of this floor.
pub type Result<T> = std::result::Result<T, Error>;

/// What can be wrong with a tensor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fewer than 0 dimensions or more than 8.
    #[error("{ndim} dimensions; a tensor has 0 to 8")]
    Dimensions {
        /// The number given.
        ndim: i64,
    },
    /// A negative dimension.
    #[error("dimension {axis} is {dim}; none can be negative")]
    Negative {
        /// Which one.
        axis: usize,
        /// Its size.
        dim: i64,
    },
    /// More bytes than there can be.
    #[error("a shape of {elements} {} elements is more than memory can hold", .dtype.name())]
    TooLarge {
        /// The number of elements, as text since it fits no integer.
        elements: String,
        /// Their dtype.
        dtype: DType,
    },
    /// Rows that don't consist of whole blocks.
    #[error("the innermost dimension {dim} isn't a multiple of {}'s {} elements a block",
        .dtype.name(), .dtype.block_elements())]
    Blocks {
        /// The innermost dimension.
        dim: i64,
        /// The dtype.
        dtype: DType,
    },
    /// Strides that can't be followed.
    #[error(
        "stride {stride} of dimension {axis} is negative; give the array in its memory's order"
    )]
    Stride {
        /// Which one.
        axis: usize,
        /// The stride in elements.
        stride: i64,
    },
    /// Fewer bytes than shape and strides reach.
    #[error("shape and strides reach {needed} bytes, but the tensor has {nbytes}")]
    TooShort {
        /// Bytes that shape and strides reach.
        needed: u64,
        /// Bytes that there are.
        nbytes: u64,
    },
    /// Elements at an address that their dtype can't have.
    #[error(
        "{} elements at byte {offset} don't lie at a multiple of {} bytes in memory; \
         copy them out instead", .dtype.name(), .dtype.align()
    )]
    Misaligned {
        /// Where they start in the file's bytes.
        offset: u64,
        /// Their dtype.
        dtype: DType,
    },
    /// Elements without data.
    #[error("the tensor has {nbytes} bytes of elements but its data is NULL")]
    NoData {
        /// The bytes.
        nbytes: u64,
    },
}

impl Report for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::NoData { .. } | Error::TooShort { .. } | Error::Stride { .. } => {
                Kind::InvalidArgument
            }
            Error::Misaligned { .. } => Kind::Misaligned,
            _ => Kind::Shape,
        }
    }

    fn os_code(&self) -> i32 {
        0
    }

    fn place(&self) -> Place {
        match self {
            Error::Misaligned { offset, .. } => Place {
                offset: Some(*offset),
                ..Place::default()
            },
            _ => Place::default(),
        }
    }
}
