//! A part of a tensor copied into a caller's buffer, converted or dequantised on the way.

use std::mem::MaybeUninit;

use super::error::Error;
use super::extract::{Stored, Wanted};
use super::part::Part;
use super::shape::Shape;
use super::source::Source;
use crate::dtype::DType;
use crate::error::{Kind, Place, Report};
use crate::kernel::{Conversion, Overflow};
use crate::map::{self, Access, Io};

/// As what to read a part, and how. The default is as it is stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct PartOptions {
    /// The dtype of the output; the tensor's where it is none.
    pub dtype: Option<DType>,
    /// What becomes of values that the output's dtype can't hold.
    pub overflow: Overflow,
    /// How the file is read. `Auto` is `Read` where there is a file, but for bytes that are open
    /// copy-on-write, whose changes are in memory.
    pub io: Io,
}

/// What a reading put into the buffer: dense, in C order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPart {
    /// The elements' type.
    pub dtype: DType,
    /// The shape.
    pub shape: Shape,
    /// The bytes written.
    pub bytes: u64,
}

/// Why a part can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file's bytes can't be had.
    #[error(transparent)]
    Map(#[from] map::Error),
    /// The tensor can't be had in the way asked for.
    #[error(transparent)]
    Tensor(#[from] Error),
}

impl Report for ReadError {
    fn kind(&self) -> Kind {
        match self {
            ReadError::Map(error) => error.kind(),
            ReadError::Tensor(error) => error.kind(),
        }
    }

    fn os_code(&self) -> i32 {
        match self {
            ReadError::Map(error) => error.os_code(),
            ReadError::Tensor(error) => error.os_code(),
        }
    }

    fn place(&self) -> Place {
        match self {
            ReadError::Map(error) => error.place(),
            ReadError::Tensor(error) => error.place(),
        }
    }
}

impl Part {
    /// The bytes of the part as elements of `dtype`, side by side.
    ///
    /// # Errors
    /// [`Error::NoConversion`], [`Error::TooLarge`].
    pub fn bytes_as(&self, dtype: DType) -> super::Result<u64> {
        self.conversion(dtype, Overflow::Plain)?;
        self.shape.bytes(dtype)
    }

    /// None where the elements are to stay what they are.
    fn conversion(&self, to: DType, overflow: Overflow) -> super::Result<Option<Conversion>> {
        let from = self.dtype;
        if from == to {
            return Ok(None);
        }
        match Conversion::new(from, to, overflow) {
            Some(conversion) => Ok(Some(conversion)),
            None => Err(Error::NoConversion { from, to }),
        }
    }
}

impl Source {
    /// Copies a part to the start of `out`, in C order. Nothing of the copy need be aligned.
    ///
    /// Where it is read, not copied from the map, a file that was cut is an error.
    ///
    /// # Errors
    /// [`Error::NoConversion`], [`Error::SmallBuffer`], [`Error::OtherPart`],
    /// [`map::Error::Truncated`], the system's.
    pub fn read(
        &self,
        part: &Part,
        options: &PartOptions,
        out: &mut [MaybeUninit<u8>],
    ) -> std::result::Result<ReadPart, ReadError> {
        let shape = part.shape;
        let [stride, run, runs] = self.blocks_of(part).ok_or(Error::OtherPart)?;
        let dtype = options.dtype.unwrap_or(part.dtype);
        let conversion = part.conversion(dtype, options.overflow)?;
        let needed = shape.bytes(dtype)?;
        let given = out.len() as u64;
        let out = usize::try_from(needed)
            .ok()
            .and_then(|needed| out.get_mut(..needed))
            .ok_or(Error::SmallBuffer { needed, given })?;
        let in_memory = self.data.access() == Access::CopyOnWrite || !self.data.has_file();
        let stored = Stored {
            data: &self.data,
            offset: part.offset,
            dtype: part.dtype,
            swapped: false,
            from_map: in_memory || options.io == Io::Map,
            conversion,
        };
        let wanted = Wanted {
            dims: &[runs, stride],
            fortran_order: false,
            start: &[0, 0],
            counts: &[runs, run],
        };
        self.data.still_whole()?;
        stored.copy_to(&wanted, out)?;
        self.data.still_whole()?;
        Ok(ReadPart {
            dtype,
            shape,
            bytes: needed,
        })
    }

    /// The blocks from run to run, in a run, and the runs of a part; none where they aren't what
    /// its shape has, or don't lie in the tensor.
    fn blocks_of(&self, part: &Part) -> Option<[i64; 3]> {
        let size = u64::from(self.dtype.block_bytes());
        let total = self.shape.bytes(self.dtype).ok()?;
        let end = part.offset.checked_add(part.span())?;
        let fits = part.dtype == self.dtype
            && part.offset >= self.offset
            && end <= self.offset.checked_add(total)?
            && part.run_bytes.is_multiple_of(size)
            && part.stride.is_multiple_of(size)
            && part.stride >= part.run_bytes
            && part.run_bytes.checked_mul(part.runs)? == part.shape.bytes(part.dtype).ok()?;
        if !fits {
            return None;
        }
        let blocks = |bytes: u64| i64::try_from(bytes / size).ok();
        Some([
            blocks(part.stride)?,
            blocks(part.run_bytes)?,
            i64::try_from(part.runs).ok()?,
        ])
    }
}
