//! What can go wrong with records.

use std::path::Path;

use crate::dtype::DType;
use crate::error::{Kind, Place, Report};
use crate::map::{self, Origin};
use crate::tensor;

/// A result of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with records.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// From the floor below.
    #[error(transparent)]
    Map(#[from] map::Error),
    /// Not a record file at all.
    #[error("{origin} is no record file: {why}")]
    WrongFormat {
        /// The file.
        origin: Origin,
        /// What it has instead.
        why: String,
    },
    /// A record file of a version that this build doesn't know.
    #[error("{origin} is an {format} file of version {version}; only version 1 is known")]
    Version {
        /// The file.
        origin: Origin,
        /// rrec or arec.
        format: &'static str,
        /// Its version.
        version: u32,
    },
    /// The writer never finished.
    #[error("{origin} was never finished: {why}; adit_record_recover saves the whole records")]
    Unfinished {
        /// The file.
        origin: Origin,
        /// What is missing.
        why: String,
    },
    /// A part of a file, other than a record's field, that isn't what was written.
    #[error(
        "{origin} is damaged: the {what} at byte {offset} isn't what was written; get the file \
         again"
    )]
    Damaged {
        /// The file.
        origin: Origin,
        /// Where the part starts.
        offset: u64,
        /// Which part.
        what: String,
    },
    /// A field of a record that isn't what was written.
    #[error(
        "{origin}, record {index}: the bytes of field {field:?}, at byte {offset}, differ from \
         their checksum; get the file again, or do without the record"
    )]
    Checksum {
        /// The file.
        origin: Origin,
        /// The record's number.
        index: u64,
        /// The field's name.
        field: String,
        /// Where the field's bytes start.
        offset: u64,
    },
    /// A sound file with something that this build doesn't know.
    #[error("{origin} has at byte {offset} {what}, which this build doesn't know")]
    NotKnown {
        /// The file.
        origin: Origin,
        /// Where.
        offset: u64,
        /// What it has.
        what: String,
    },
    /// A record that the format has no room for.
    #[error(
        "a record would have more than {most} bytes, the most at its alignment; align it to more"
    )]
    LongRecord {
        /// The most that the format has room for.
        most: u64,
    },
    /// A file or record that breaks the format's rules.
    #[error("{origin}{} is damaged at byte {offset}: {why}", of_record(*index))]
    Malformed {
        /// The file.
        origin: Origin,
        /// Where.
        offset: u64,
        /// The record's number.
        index: Option<u64>,
        /// What is wrong there.
        why: String,
    },
    /// A record number that there isn't.
    #[error("record {index} of {origin} was asked for, but it has {len}")]
    NoRecord {
        /// The file.
        origin: Origin,
        /// The number.
        index: u64,
        /// How many records there are.
        len: u64,
    },
    /// A field number that there isn't.
    #[error("field {field} was asked for, but records have {len} fields")]
    NoField {
        /// The number.
        field: usize,
        /// How many fields there are.
        len: usize,
    },
    /// A file of a set that there isn't.
    #[error("shard {shard} was asked for, but there are {len}")]
    NoShard {
        /// The number.
        shard: usize,
        /// How many there are.
        len: usize,
    },
    /// A file that doesn't belong to its set as it is.
    #[error("{origin}: {why}")]
    Set {
        /// The file.
        origin: Origin,
        /// What is wrong.
        why: String,
        /// What kind of failure that is.
        kind: Kind,
    },
    /// What is wrong with a record of a set, told by its file.
    #[error("{source} (record {index} of the set)")]
    OfSet {
        /// The record's number in the set.
        index: u64,
        /// What is wrong, with the record's number in its file.
        source: Box<Error>,
    },
    /// A tensor that can't be lent or written.
    #[error("{}{origin}{}, field {field}: {source}", of(*index), of_record(*index))]
    Tensor {
        /// The file.
        origin: Origin,
        /// The record's number.
        index: Option<u64>,
        /// The field's number.
        field: usize,
        /// What is wrong.
        source: tensor::Error,
    },
    /// More dimensions than a tensor can tell.
    #[error(
        "{origin}{}, field {field} has {ndim} dimensions, a tensor here at most {most}", of_record(Some(*index))
    )]
    ManyDims {
        /// The file.
        origin: Origin,
        /// The record's number.
        index: u64,
        /// The field's number.
        field: usize,
        /// Its dimensions.
        ndim: u64,
        /// The most that the call can give.
        most: usize,
    },
    /// A dtype that the format doesn't have.
    #[error("field {field} is {}; rrec version 1 holds f32 and f16 only", .dtype.name())]
    FormatDType {
        /// The field's number.
        field: usize,
        /// The dtype given.
        dtype: DType,
    },
    /// A shape that the format doesn't have.
    #[error("field {field}: {why}")]
    FormatShape {
        /// The field's number.
        field: usize,
        /// What is wrong.
        why: String,
    },
    /// A tensor that isn't of its field's dtype.
    #[error("field {field}, {name:?}, is {}, the tensor {}", .expected.name(), .found.name())]
    FieldDType {
        /// The field's number.
        field: usize,
        /// The field's name.
        name: String,
        /// The field's dtype.
        expected: DType,
        /// The tensor's.
        found: DType,
    },
    /// What only the native format has.
    #[error("rrec version 1 has no {what}; arec has")]
    FormatLacks {
        /// What was asked for.
        what: &'static str,
    },
    /// A key or value that a file can't take.
    #[error("the metadata can't be taken: {why}")]
    Metadata {
        /// What is wrong.
        why: String,
    },
    /// More metadata than a file takes.
    #[error(
        "the metadata can't be taken: with {key:?} it would have {bytes} bytes, at most {most}"
    )]
    LongMetadata {
        /// The key being set.
        key: String,
        /// The bytes of all.
        bytes: u64,
        /// The most.
        most: u64,
    },
    /// A schema whose records can't be.
    #[error("the schema doesn't fit: {why}")]
    SchemaShape {
        /// What is wrong.
        why: String,
    },
    /// A record that can't be written.
    #[error("record {index} for {origin}: {source}")]
    Refused {
        /// The file being written.
        origin: Origin,
        /// The number that the record would have.
        index: u64,
        /// Why.
        source: Box<Error>,
    },
    /// Records whose fields differ where one buffer needs them alike.
    #[error(
        "{origin}{}, field {field} is {found}, but the first record asked for is {first}; \
         records of one gather must be alike", of_record(Some(*index))
    )]
    NotAlike {
        /// The file.
        origin: Origin,
        /// The record's number.
        index: u64,
        /// The field's number.
        field: usize,
        /// Its dtype and shape.
        found: String,
        /// The first record's.
        first: String,
    },
    /// Elements that can't become those that were asked for.
    #[error(
        "{origin}{}, field {field} is {}, which can't be converted to {}",
        of_record(Some(*index)), .from.name(), .to.name()
    )]
    NoConversion {
        /// The file.
        origin: Origin,
        /// The first record's number.
        index: u64,
        /// The field's number.
        field: usize,
        /// Its dtype.
        from: DType,
        /// The dtype asked for.
        to: DType,
    },
    /// A record too long for what it is to be padded to.
    #[error(
        "{origin}{}, field {field} has a first dimension of {size}, more than the {most} to pad to",
        of_record(Some(*index))
    )]
    TooLong {
        /// The file.
        origin: Origin,
        /// The record's number.
        index: u64,
        /// The field's number.
        field: usize,
        /// Its first dimension.
        size: u64,
        /// The most.
        most: u64,
    },
    /// A buffer too small for what was asked for.
    #[error("the buffer has {given} bytes, but {needed} are needed")]
    SmallBuffer {
        /// The bytes needed.
        needed: u64,
        /// The bytes given.
        given: u64,
    },
    /// A schema that doesn't fit the format.
    #[error("the schema doesn't fit: {why}")]
    Schema {
        /// What is wrong.
        why: String,
    },
    /// Records that can't be padded so.
    #[error("{why}")]
    Padding {
        /// Which, and why.
        why: String,
    },
    /// A writer that can only be closed.
    #[error("the writer of {origin} {why}; only closing it is left")]
    Closed {
        /// The file.
        origin: Origin,
        /// Why.
        why: &'static str,
        /// Whether an earlier failure is the reason.
        poisoned: bool,
    },
    /// Nothing could be saved.
    #[error("{origin} holds no whole record: at byte {offset}, {why}")]
    NothingToRecover {
        /// The file.
        origin: Origin,
        /// Where the walk stopped.
        offset: u64,
        /// Why it stopped.
        why: &'static str,
    },
    /// The caller's progress callback said so.
    #[error("cancelled")]
    Cancelled,
}

fn of_record(index: Option<u64>) -> String {
    index
        .map(|index| format!(", record {index}"))
        .unwrap_or_default()
}

fn of(index: Option<u64>) -> &'static str {
    if index.is_some() { "" } else { "for " }
}

impl Report for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Map(error) => error.kind(),
            Error::WrongFormat { .. } => Kind::WrongFormat,
            Error::Version { .. } | Error::ManyDims { .. } | Error::NotKnown { .. } => {
                Kind::Unsupported
            }
            Error::Damaged { .. } | Error::Checksum { .. } => Kind::Checksum,
            Error::Unfinished { .. } => Kind::Unfinished,
            Error::Malformed { .. } | Error::NothingToRecover { .. } => Kind::Malformed,
            Error::NoRecord { .. }
            | Error::NoField { .. }
            | Error::NoShard { .. }
            | Error::LongRecord { .. }
            | Error::LongMetadata { .. }
            | Error::SmallBuffer { .. } => Kind::OutOfRange,
            Error::Set { kind, .. } => *kind,
            Error::OfSet { source, .. } => source.kind(),
            Error::Tensor { source, .. } => source.kind(),
            Error::Refused { source, .. } => source.kind(),
            Error::FormatLacks { .. } => Kind::Unsupported,
            Error::Metadata { .. } => Kind::InvalidArgument,
            Error::FieldDType { .. } | Error::FormatDType { .. } | Error::NoConversion { .. } => {
                Kind::DType
            }
            Error::FormatShape { .. }
            | Error::SchemaShape { .. }
            | Error::NotAlike { .. }
            | Error::TooLong { .. } => Kind::Shape,
            Error::Schema { .. } | Error::Padding { .. } => Kind::InvalidArgument,
            Error::Closed { poisoned: true, .. } => Kind::Poisoned,
            Error::Closed { .. } => Kind::InvalidArgument,
            Error::Cancelled => Kind::Cancelled,
        }
    }

    fn os_code(&self) -> i32 {
        match self {
            Error::Map(error) => error.os_code(),
            Error::OfSet { source, .. } => source.os_code(),
            _ => 0,
        }
    }

    fn place(&self) -> Place {
        let place = |origin: &Origin, offset, index| Place {
            path: origin.path().map(Path::to_owned),
            offset,
            index,
        };
        match self {
            Error::Map(error) => error.place(),
            Error::OfSet { index, source } => Place {
                index: Some(*index),
                ..source.place()
            },
            Error::WrongFormat { origin, .. }
            | Error::Set { origin, .. }
            | Error::Version { origin, .. }
            | Error::Unfinished { origin, .. }
            | Error::Closed { origin, .. } => place(origin, None, None),
            Error::Malformed {
                origin,
                offset,
                index,
                ..
            } => place(origin, Some(*offset), *index),
            Error::Checksum {
                origin,
                index,
                offset,
                ..
            } => place(origin, Some(*offset), Some(*index)),
            Error::Damaged { origin, offset, .. }
            | Error::NotKnown { origin, offset, .. }
            | Error::NothingToRecover { origin, offset, .. } => place(origin, Some(*offset), None),
            Error::NoRecord { origin, index, .. }
            | Error::Refused { origin, index, .. }
            | Error::ManyDims { origin, index, .. }
            | Error::NotAlike { origin, index, .. }
            | Error::TooLong { origin, index, .. }
            | Error::NoConversion { origin, index, .. } => place(origin, None, Some(*index)),
            Error::Tensor {
                origin,
                index,
                source,
                ..
            } => place(origin, source.place().offset, *index),
            _ => Place::default(),
        }
    }
}
