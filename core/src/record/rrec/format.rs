//! The bytes of rrec version 1, little-endian, as rumus 0.3.1 writes them.
//!
//! Header of 64 bytes: `RREC`, u32 version 1, u64 number of records, u64 offset of the index, 40
//! zero bytes. Records back to back, each an input tensor and a target tensor. A tensor: u32
//! number of dimensions, u32 each dimension, u32 dtype (0 f32, 1 f16), the elements in C order,
//! zeros up to a multiple of 4 bytes. The index: u64 offset and u64 length of each record. The
//! writer patches the header last, so zeros there mean that it never finished.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use crate::dtype::DType;
use crate::map::{self, Data, Fetch, Origin, Window};
use crate::record::error::{Error, Result};
use crate::tensor::{MAX_DIMS, Shape};

/// The tensors of a record: input and target.
pub const FIELDS: usize = 2;

/// What rumus calls them.
pub(in crate::record) const FIELD_NAMES: [&str; FIELDS] = ["input", "target"];

const HEADER_LEN: usize = 64;
pub(super) const HEADER_BYTES: u64 = HEADER_LEN as u64;
pub(super) const ENTRY_BYTES: u64 = 16;

/// The most dimensions that are read. Files can claim 2^32; whoever looks at a tensor would read
/// them all.
pub(super) const MOST_DIMS: u32 = 1024;

const MAGIC: [u8; 4] = *b"RREC";
const VERSION: u32 = 1;

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) records: u64,
    pub(super) index_offset: u64,
}

impl Header {
    /// What a writer puts there until it finishes.
    pub(super) const UNFINISHED: Header = Header {
        records: 0,
        index_offset: 0,
    };

    pub(super) fn encode(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let fields = MAGIC
            .into_iter()
            .chain(VERSION.to_le_bytes())
            .chain(self.records.to_le_bytes())
            .chain(self.index_offset.to_le_bytes());
        for (byte, value) in bytes.iter_mut().zip(fields) {
            *byte = value;
        }
        bytes
    }

    /// Reads the header and checks magic and version alone.
    pub(super) fn read(data: &Data) -> Result<Header> {
        let origin = || data.origin().clone();
        if data.len() < HEADER_BYTES {
            let why = format!(
                "it has {} bytes, the header alone has {HEADER_BYTES}",
                data.len()
            );
            return Err(Error::WrongFormat {
                origin: origin(),
                why,
            });
        }
        let mut head = Window::new(data, HEADER_LEN);
        let magic = head.u32_at(0)?.to_le_bytes();
        let version = head.u32_at(4)?;
        if magic != MAGIC {
            let why = format!(
                "it starts with {:?}, not \"RREC\"",
                magic.escape_ascii().to_string()
            );
            return Err(Error::WrongFormat {
                origin: origin(),
                why,
            });
        }
        if version != VERSION {
            return Err(Error::Version {
                origin: origin(),
                format: "rrec",
                version,
            });
        }
        Ok(Header {
            records: head.u64_at(8)?,
            index_offset: head.u64_at(16)?,
        })
    }

    /// Where entry `index` of the index lies. No overflow: [`Header::check`] found the whole index
    /// inside the file.
    pub(super) fn entry_at(self, index: u64) -> u64 {
        self.index_offset
            .wrapping_add(index.wrapping_mul(ENTRY_BYTES))
    }

    /// Checks that the file was finished and holds its whole index.
    pub(super) fn check(self, data: &Data) -> Result<()> {
        let origin = || data.origin().clone();
        // No index lies there: the writer never got so far, or died over these very bytes.
        if self.index_offset == Header::UNFINISHED.index_offset {
            let bytes = data.len().saturating_sub(HEADER_BYTES);
            let why = format!("its header names no index, and {bytes} bytes follow it");
            return Err(Error::Unfinished {
                origin: origin(),
                why,
            });
        }
        let malformed = |offset, why| {
            Err(Error::Malformed {
                origin: origin(),
                offset,
                index: None,
                why,
            })
        };
        if self.index_offset < HEADER_BYTES {
            let why = format!(
                "the index is said to lie at byte {}, in the header",
                self.index_offset
            );
            return malformed(16, why);
        }
        let end = self
            .records
            .checked_mul(ENTRY_BYTES)
            .and_then(|bytes| self.index_offset.checked_add(bytes));
        match end {
            Some(end) if end <= data.len() => Ok(()),
            _ => malformed(
                8,
                format!(
                    "the index of {} records at byte {} doesn't fit into the file's {} bytes: \
                     it was cut, or its header is wrong",
                    self.records,
                    self.index_offset,
                    data.len()
                ),
            ),
        }
    }
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl Entry {
    pub(super) fn encode(self) -> [u8; 16] {
        let (offset, length) = (self.offset.to_le_bytes(), self.length.to_le_bytes());
        let mut bytes = [0; 16];
        for (byte, value) in bytes.iter_mut().zip(offset.into_iter().chain(length)) {
            *byte = value;
        }
        bytes
    }

    pub(super) fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    /// Entry `index` of the index, checked to lie between header and index. `index` must be
    /// below the number of records that [`Header::check`] accepted.
    #[inline]
    pub(super) fn fetch(
        from: &mut impl Fetch,
        header: Header,
        index: u64,
        origin: &Origin,
    ) -> Result<Entry> {
        let entry = Entry::load(from, header, index)?;
        let inside = match entry.offset.checked_add(entry.length) {
            Some(end) => entry.offset >= HEADER_BYTES && end <= header.index_offset,
            None => false,
        };
        if inside {
            Ok(entry)
        } else {
            Err(entry.outside(header, index, origin))
        }
    }

    /// Entry `index` of the index, as it stands there.
    #[inline]
    pub(super) fn load(from: &mut impl Fetch, header: Header, index: u64) -> map::Result<Entry> {
        let at = header.entry_at(index);
        Ok(Entry {
            offset: from.u64_at(at)?,
            length: from.u64_at(at.wrapping_add(8))?,
        })
    }

    #[cold]
    fn outside(self, header: Header, index: u64, origin: &Origin) -> Error {
        let why = format!(
            "its index entry says byte {} and length {}, but records lie between byte \
             {HEADER_BYTES} and byte {}",
            self.offset, self.length, header.index_offset
        );
        Error::Malformed {
            origin: origin.clone(),
            offset: header.entry_at(index),
            index: Some(index),
            why,
        }
    }
}

/// What stands before a tensor's elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct TensorHead {
    pub(super) dtype: DType,
    /// The number of dimensions, as claimed and found to fit the record.
    pub(super) ndim: u32,
    /// The first [`MAX_DIMS`] of them, then, where there are no more, the dtype's tag. Kept as
    /// they were read: turned into a shape and copied, they would cost more than reading them.
    words: [u32; MAX_DIMS + 1],
    /// Where the tensor starts.
    pub(super) offset: u64,
    /// Where its elements start.
    pub(super) data_at: u64,
    /// The bytes of its elements.
    pub(super) bytes: u64,
    /// Where the next tensor starts.
    pub(super) end: u64,
}

/// Why a tensor can't be read, at a byte.
pub(super) enum Flaw {
    Map(map::Error),
    At(u64, String),
}

impl From<map::Error> for Flaw {
    fn from(error: map::Error) -> Flaw {
        Flaw::Map(error)
    }
}

impl Flaw {
    #[cold]
    pub(super) fn into_error(self, origin: &Origin, index: u64) -> Error {
        match self {
            Flaw::Map(error) => Error::Map(error),
            Flaw::At(offset, why) => Error::Malformed {
                origin: origin.clone(),
                offset,
                index: Some(index),
                why,
            },
        }
    }
}

impl TensorHead {
    /// A place for [`TensorHead::load`].
    pub(super) const NONE: TensorHead = TensorHead {
        dtype: DType::F32,
        ndim: 0,
        words: [0; MAX_DIMS + 1],
        offset: 0,
        data_at: 0,
        bytes: 0,
        end: 0,
    };

    /// Reads the head of the tensor at byte `at` of a record that ends at byte `limit`.
    pub(super) fn fetch(
        from: &mut impl Fetch,
        at: u64,
        limit: u64,
    ) -> std::result::Result<TensorHead, Flaw> {
        let mut head = TensorHead::NONE;
        head.load(from, at, limit)?;
        Ok(head)
    }

    /// As [`TensorHead::fetch`], in place: moving heads would cost more than reading them.
    #[inline]
    pub(super) fn load(
        &mut self,
        from: &mut impl Fetch,
        at: u64,
        limit: u64,
    ) -> std::result::Result<(), Flaw> {
        let cut = |what: &str| {
            Flaw::At(
                at,
                format!("the record ends at byte {limit}, inside a tensor's {what}"),
            )
        };
        let dims_at = at
            .checked_add(4)
            .filter(|&end| end <= limit)
            .ok_or_else(|| cut("head"))?;
        let ndim = from.u32_at(at)?;
        self.ndim = ndim;
        if ndim > MOST_DIMS {
            let why = format!("a tensor claims {ndim} dimensions; {MOST_DIMS} at most are read");
            return Err(Flaw::At(at, why));
        }
        let dtype_at = dims_at
            .checked_add(u64::from(ndim).wrapping_mul(4))
            .filter(|&end| end.checked_add(4).is_some_and(|end| end <= limit))
            .ok_or_else(|| cut(&format!("{ndim} dimensions")))?;

        let (elements, tag) = match self.words.get_mut(..=ndim as usize) {
            Some(words) => {
                from.u32s_at(dims_at, words)?;
                let mut elements = Elements::ONE;
                let Some((&mut tag, dims)) = words.split_last_mut() else {
                    return Err(cut("head"));
                };
                for &mut dim in dims {
                    elements.times(dim);
                }
                (elements.count(), tag)
            }
            None => (self.many_dims(from, dims_at)?, from.u32_at(dtype_at)?),
        };
        let Some(dtype) = dtype_of_tag(tag) else {
            return Err(Flaw::At(
                dtype_at,
                format!("{tag} is no dtype; 0 is f32, 1 is f16"),
            ));
        };
        let data_at = dtype_at.wrapping_add(4);
        // Saturated, these are beyond any limit.
        let bytes = elements.saturating_mul(dtype.block_bytes().into());
        let end = padded(bytes).saturating_add(data_at);
        if end > limit {
            return Err(cut("elements"));
        }
        self.dtype = dtype;
        self.offset = at;
        self.data_at = data_at;
        self.bytes = bytes;
        self.end = end;
        Ok(())
    }

    /// The number of elements of more dimensions than a shape has.
    #[cold]
    fn many_dims(&mut self, from: &mut impl Fetch, dims_at: u64) -> map::Result<u64> {
        let mut elements = Elements::ONE;
        for axis in 0..u64::from(self.ndim) {
            elements.times(from.u32_at(dims_at.wrapping_add(axis.wrapping_mul(4)))?);
        }
        Ok(elements.count())
    }

    /// The dimensions; none where there are more than [`MAX_DIMS`].
    #[inline]
    pub(super) fn dims(&self) -> Option<&[u32]> {
        let ndim = self.ndim as usize;
        if ndim > MAX_DIMS {
            None
        } else {
            self.words.get(..ndim)
        }
    }

    /// The shape; none where it has more dimensions than [`MAX_DIMS`].
    pub(super) fn shape(&self) -> Option<Shape> {
        self.dims().map(Shape::from_u32)
    }

    /// Dimension `axis`, which must be below `ndim`.
    pub(super) fn dim(&self, from: &mut impl Fetch, axis: u32) -> map::Result<u32> {
        let axis = u64::from(axis).wrapping_mul(4);
        from.u32_at(self.offset.wrapping_add(4).wrapping_add(axis))
    }
}

/// The product of dimensions: 0 as soon as one is 0, however the others would overflow.
struct Elements {
    /// Of the others; saturated.
    product: u64,
    zero: bool,
}

impl Elements {
    const ONE: Elements = Elements {
        product: 1,
        zero: false,
    };

    #[inline]
    fn times(&mut self, dim: u32) {
        self.zero |= dim == 0;
        self.product = self.product.saturating_mul(u64::from(dim.max(1)));
    }

    #[inline]
    fn count(&self) -> u64 {
        if self.zero { 0 } else { self.product }
    }
}

/// `bytes` rounded up to a multiple of 4; saturated.
#[inline]
pub(super) fn padded(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(4).unwrap_or(u64::MAX)
}

pub(super) fn dtype_of_tag(tag: u32) -> Option<DType> {
    match tag {
        0 => Some(DType::F32),
        1 => Some(DType::F16),
        _ => None,
    }
}

/// The tag of a dtype; none where the format doesn't have it.
pub(super) fn tag_of_dtype(dtype: DType) -> Option<u32> {
    match dtype {
        DType::F32 => Some(0),
        DType::F16 => Some(1),
        _ => None,
    }
}
