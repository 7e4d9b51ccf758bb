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
    /// Elements of less than a byte that don't fill their last byte.
    #[error("{elements} elements of {} don't end at a whole byte", .dtype.name())]
    Packed {
        /// Their number.
        elements: u64,
        /// The dtype.
        dtype: DType,
    },
    /// A part of a tensor that isn't there.
    #[error("{what} {start} to {end} were asked for, but the tensor has {dim}")]
    NoPart {
        /// Rows or columns.
        what: &'static str,
        /// The first position.
        start: u64,
        /// The one after the last.
        end: u64,
        /// How many there are.
        dim: i64,
    },
    /// Rows or columns that begin or end inside of a block.
    #[error("{what} {start} to {end} don't begin and end at {}'s blocks of {} elements",
        .dtype.name(), .dtype.block_elements())]
    InBlock {
        /// Rows or columns.
        what: &'static str,
        /// The first position.
        start: u64,
        /// The one after the last.
        end: u64,
        /// The dtype.
        dtype: DType,
    },
    /// A part of a tensor that has no such dimension.
    #[error("a tensor of {ndim} dimensions has no {what} to choose from")]
    NoAxis {
        /// Rows or columns.
        what: &'static str,
        /// How many dimensions it has.
        ndim: usize,
    },
    /// A part that was made of another tensor, or by hand.
    #[error("the part isn't one of this tensor's")]
    OtherPart,
    /// A conversion that makes no sense.
    #[error("no conversion from {} to {}", .from.name(), .to.name())]
    NoConversion {
        /// The elements' dtype.
        from: DType,
        /// The one asked for.
        to: DType,
    },
    /// A buffer of the wrong size.
    #[error("the elements take {needed} bytes, but the buffer has {given}")]
    SmallBuffer {
        /// The bytes needed.
        needed: u64,
        /// The bytes given.
        given: u64,
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
    /// Elements at an address that isn't what the caller needs.
    #[error(
        "the elements at byte {offset} don't lie at a multiple of {asked} bytes in memory, but of \
         {actual}; copy them out instead"
    )]
    Unaligned {
        /// Where they start in the file's bytes.
        offset: u64,
        /// What the caller needs.
        asked: u64,
        /// What the address is a multiple of.
        actual: u64,
    },
    /// A dtype that DLPack doesn't have.
    #[error("DLPack has no dtype {}, whose elements come in blocks", .dtype.name())]
    NoDlPack {
        /// The dtype.
        dtype: DType,
    },
    /// A layout of DLPack that isn't known.
    #[error("DLPack version {major}.{minor}; versions 1.x are known")]
    DlPackVersion {
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
    },
    /// Memory that the CPU doesn't read.
    #[error("the DLPack tensor is on device type {device}, not in the CPU's memory; copy it there")]
    DlPackDevice {
        /// DLPack's device type.
        device: i32,
    },
    /// Elements of DLPack that no dtype has.
    #[error("DLPack type code {code} with {bits} bits and {lanes} lanes is no dtype")]
    DlPackType {
        /// The kind of number.
        code: u8,
        /// Bits a lane.
        bits: u8,
        /// Lanes an element.
        lanes: u16,
    },
    /// Strides that a tensor without any would have.
    #[error(
        "the DLPack tensor is one element repeated in every dimension: strides that are all 0 \
         stand for C order here; copy it"
    )]
    Repeated,
    /// Dimensions without sizes.
    #[error("the tensor has {ndim} dimensions but its shape is NULL")]
    NoShape {
        /// Their number.
        ndim: i64,
    },
    /// An offset that leads out of memory.
    #[error("the DLPack tensor's byte offset {offset} leads out of memory")]
    FarOffset {
        /// The offset.
        offset: u64,
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
            Error::NoData { .. }
            | Error::FarOffset { .. }
            | Error::NoShape { .. }
            | Error::OtherPart
            | Error::TooShort { .. }
            | Error::Stride { .. } => Kind::InvalidArgument,
            Error::NoPart { .. } | Error::SmallBuffer { .. } => Kind::OutOfRange,
            Error::Misaligned { .. } | Error::Unaligned { .. } => Kind::Misaligned,
            Error::NoDlPack { .. } | Error::DlPackType { .. } | Error::NoConversion { .. } => {
                Kind::DType
            }
            Error::DlPackVersion { .. } | Error::DlPackDevice { .. } | Error::Repeated => {
                Kind::Unsupported
            }
            _ => Kind::Shape,
        }
    }

    fn os_code(&self) -> i32 {
        0
    }

    fn place(&self) -> Place {
        match self {
            Error::Misaligned { offset, .. } | Error::Unaligned { offset, .. } => Place {
                offset: Some(*offset),
                ..Place::default()
            },
            _ => Place::default(),
        }
    }
}
