//! A part of an array copied into a caller's buffer, in C order, native byte order and any dtype.

use std::mem::MaybeUninit;

use super::error::{Error, Result};
use super::file::Array;
use crate::dtype::DType;
use crate::kernel::{Conversion, Overflow};
use crate::map::{Access, Io};
use crate::tensor::{Stored, Wanted, dense_bytes};

/// What to read of an array, and as what. The default is all of it, as it is stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOptions<'a> {
    /// The first position in each dimension; 0 in all where it is none.
    pub start: Option<&'a [i64]>,
    /// The number of positions in each dimension; all from `start` on where it is none.
    pub counts: Option<&'a [i64]>,
    /// The dtype of the output; the array's where it is none.
    pub dtype: Option<DType>,
    /// What becomes of values that the output's dtype can't hold.
    pub overflow: Overflow,
    /// How the file is read. `Auto` is `Read` where there is a file, but for arrays open
    /// copy-on-write, whose changes are in memory.
    pub io: Io,
}

/// What a reading put into the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The elements' type.
    pub dtype: DType,
    /// The dimensions, outermost first.
    pub dims: Vec<i64>,
    /// The bytes written.
    pub bytes: u64,
}

impl Array {
    /// Copies the elements of a part to the start of `out`, in C order and this machine's byte
    /// order. Nothing of the copy need be aligned.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::NoConversion`], [`Error::SmallBuffer`],
    /// [`map::Error::Truncated`](crate::map::Error::Truncated), the system's.
    pub fn read(&self, options: &ReadOptions<'_>, out: &mut [MaybeUninit<u8>]) -> Result<Copied> {
        let origin = || self.data.origin().clone();
        let (start, counts) = self.part(options)?;
        let dtype = options.dtype.unwrap_or(self.header.dtype);
        let conversion = if dtype == self.header.dtype {
            None
        } else {
            let known = Conversion::new(self.header.dtype, dtype, options.overflow);
            Some(known.ok_or_else(|| Error::NoConversion {
                origin: origin(),
                dtype: self.header.dtype,
                asked: dtype,
            })?)
        };
        let needed = dense_bytes(&counts, dtype).map_err(|source| Error::Tensor {
            origin: origin(),
            source,
        })?;
        let given = out.len() as u64;
        let Some(out) = usize::try_from(needed)
            .ok()
            .and_then(|needed| out.get_mut(..needed))
        else {
            return Err(Error::SmallBuffer {
                origin: origin(),
                needed,
                given,
            });
        };
        let from_map = match options.io {
            Io::Map => true,
            Io::Auto | Io::Read | Io::Direct => self.data.access() == Access::CopyOnWrite,
        };
        let stored = Stored {
            data: &self.data,
            offset: self.header.data_offset,
            dtype: self.header.dtype,
            swapped: self.header.is_swapped(),
            from_map: from_map || !self.data.has_file(),
            conversion,
        };
        let wanted = Wanted {
            dims: &self.header.dims,
            fortran_order: self.header.fortran_order,
            start: &start,
            counts: &counts,
        };
        self.data.still_whole()?;
        stored.copy_to(&wanted, out)?;
        self.data.still_whole()?;
        Ok(Copied {
            dtype,
            dims: counts,
            bytes: needed,
        })
    }

    /// The first positions and the counts that are asked for.
    fn part(&self, options: &ReadOptions<'_>) -> Result<(Vec<i64>, Vec<i64>)> {
        let dims = &self.header.dims;
        let start = match options.start {
            Some(start) => start.to_vec(),
            None => vec![0; dims.len()],
        };
        let counts = match options.counts {
            Some(counts) => counts.to_vec(),
            None => dims
                .iter()
                .zip(&start)
                .map(|(&dim, &start)| dim.saturating_sub(start))
                .collect(),
        };
        self.check_part(&start, &counts)?;
        Ok((start, counts))
    }

    fn check_part(&self, start: &[i64], counts: &[i64]) -> Result<()> {
        let dims = &self.header.dims;
        let fault = |why: String| Error::OutOfRange {
            origin: self.data.origin().clone(),
            why,
        };
        if start.len() != dims.len() || counts.len() != dims.len() {
            let why = format!(
                "the array has {} dimensions, but {} first positions and {} counts were given",
                dims.len(),
                start.len(),
                counts.len()
            );
            return Err(fault(why));
        }
        for (axis, ((&dim, &start), &count)) in dims.iter().zip(start).zip(counts).enumerate() {
            let end = start.checked_add(count);
            if start < 0 || count < 0 || end.is_none_or(|end| end > dim) {
                let why = format!(
                    "positions {start} to {start}+{count} of dimension {axis} were asked for, but \
                     it has {dim}"
                );
                return Err(fault(why));
            }
        }
        Ok(())
    }
}
