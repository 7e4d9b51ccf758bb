//! A part of an array copied into a caller's buffer, in C order, native byte order and any dtype.

use std::mem::MaybeUninit;

use super::error::{Error, Result};
use super::file::Array;
use super::select::{Block, Selection};
use crate::dtype::DType;
use crate::kernel::{Conversion, Overflow, Stores, Strided, copy_strided, swap_bytes};
use crate::map::{self, Access, Io};
use crate::tensor::dense_bytes;

/// The bytes of the file that are worked on at once: they stay in a core's own cache.
const WINDOW: u64 = 256 << 10;

/// How many elements are read at most for one that is wanted, where reading is a copy.
const SPARSEST: u64 = 16;

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
    /// [`map::Error::Truncated`], the system's.
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
            Io::Auto | Io::Read => self.data.access() == Access::CopyOnWrite,
        };
        self.data.still_whole()?;
        let mut reading = Reading {
            array: self,
            out,
            from_map: from_map || !self.data.has_file(),
            conversion,
            size: self.header.dtype.block_bytes() as usize,
            buffers: Buffers::default(),
        };
        reading.all(&start, &counts)?;
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

/// Memory that a reading works in; each grows to what a block needs.
#[derive(Default)]
struct Buffers {
    /// What was read of the file.
    span: Vec<MaybeUninit<u8>>,
    /// The selected elements, side by side in the file's order, in this machine's byte order.
    dense: Vec<MaybeUninit<u8>>,
    /// The same, converted.
    converted: Vec<MaybeUninit<u8>>,
}

struct Reading<'a> {
    array: &'a Array,
    out: &'a mut [MaybeUninit<u8>],
    from_map: bool,
    conversion: Option<Conversion>,
    /// The bytes of an element in the file.
    size: usize,
    buffers: Buffers,
}

impl Reading<'_> {
    fn all(&mut self, start: &[i64], counts: &[i64]) -> Result<()> {
        let header = &self.array.header;
        // Bytes that need no work go to their place in one piece, however large.
        let plain = self.conversion.is_none() && !header.is_swapped();
        let select = |limit, sparsest| {
            Selection::new(
                &header.dims,
                header.fortran_order,
                start,
                counts,
                limit,
                sparsest,
            )
        };
        let window = WINDOW / self.size as u64;
        let selection = match (plain, self.from_map) {
            (true, true) => select(u64::MAX, 0),
            (true, false) => {
                let whole = select(u64::MAX, 1);
                if whole.is_one_block() && !header.fortran_order {
                    whole
                } else {
                    select(window, SPARSEST)
                }
            }
            (false, true) => select(window, 0),
            (false, false) => select(window, SPARSEST),
        };
        selection.each(|block| self.block(block))
    }

    fn block(&mut self, block: &Block) -> Result<()> {
        let (span, elements) = (block.span as usize, block.elements as usize);
        let out_size = self.conversion.map_or(self.size, |conversion| {
            conversion.to().block_bytes() as usize
        });
        let at = block.to as usize * out_size;
        let header = &self.array.header;
        let (plain, swapped) = (
            self.conversion.is_none() && !header.is_swapped(),
            header.is_swapped(),
        );
        let in_order = block.is_in_order();
        if plain && block.is_dense() && in_order && !self.from_map {
            let (from, bytes) = (block.from * self.size as u64, elements * self.size);
            let outside = || self.array.outside(from, bytes as u64);
            let out = self.out.get_mut(at..at + bytes).ok_or_else(outside)?;
            return Ok(self.array.data.read(header.data_offset + from, out)?);
        }
        let source = self.source(block, span)?;
        let out = self.out.as_mut_ptr().cast::<u8>().wrapping_add(at);
        if plain {
            let from = Strided {
                start: source,
                strides: &block.from_strides,
            };
            let to = Strided {
                start: out,
                strides: &block.to_strides,
            };
            // SAFETY: `source` has the block's span, which its indices reach and no further; `out`
            // has room for the selection, and the block's places lie in it; it is a buffer of the
            // caller's alone.
            unsafe { copy_strided(from, to, self.size, &block.shape) };
            return Ok(());
        }
        let mut values = source;
        if !block.is_dense() || swapped {
            let dense = if self.conversion.is_none() && in_order {
                out
            } else {
                room(&mut self.buffers.dense, elements * self.size, self.array)?
            };
            if block.is_dense() {
                self.swap(source, dense, elements);
            } else {
                let strides = c_strides(&block.shape);
                let to = Strided {
                    start: dense,
                    strides: &strides,
                };
                let from = Strided {
                    start: source,
                    strides: &block.from_strides,
                };
                // SAFETY: as above; `dense` has room for the block's elements side by side.
                unsafe { copy_strided(from, to, self.size, &block.shape) };
                if swapped {
                    self.swap(dense, dense, elements);
                }
            }
            values = dense;
        }
        let Some(conversion) = self.conversion else {
            if !in_order {
                self.place(values, out, block, self.size);
            }
            return Ok(());
        };
        if in_order {
            // SAFETY: `values` has the block's elements, and `out` room for them side by side.
            unsafe { conversion.run(values, out, elements, Stores::Auto) };
            return Ok(());
        }
        let converted = room(&mut self.buffers.converted, elements * out_size, self.array)?;
        // SAFETY: `values` has the block's elements, and `converted` room for them.
        unsafe { conversion.run(values, converted, elements, Stores::Cached) };
        self.place(converted, out, block, out_size);
        Ok(())
    }

    /// The block's bytes, where they are or where they were read to.
    fn source(&mut self, block: &Block, span: usize) -> Result<*const u8> {
        let array = self.array;
        let (offset, bytes) = (block.from * self.size as u64, span * self.size);
        if self.from_map {
            return Ok(array.piece(offset, bytes as u64)?.as_ptr());
        }
        room(&mut self.buffers.span, bytes, array)?;
        let outside = || array.outside(offset, bytes as u64);
        let span = self.buffers.span.get_mut(..bytes).ok_or_else(outside)?;
        array.data.read(array.header.data_offset + offset, span)?;
        Ok(span.as_ptr().cast())
    }

    fn swap(&self, from: *const u8, to: *mut u8, elements: usize) {
        // Complex numbers are swapped part by part.
        let part = self.array.header.dtype.align() as usize;
        // SAFETY: both have `elements` elements, and are the same or apart.
        unsafe { swap_bytes(from, to, part, elements * self.size / part) };
    }

    /// Puts elements that lie side by side to their places in the output.
    fn place(&self, values: *const u8, out: *mut u8, block: &Block, size: usize) {
        let strides = c_strides(&block.shape);
        let from = Strided {
            start: values,
            strides: &strides,
        };
        let to = Strided {
            start: out,
            strides: &block.to_strides,
        };
        // SAFETY: `values` has the block's elements side by side; their places lie in the output.
        unsafe { copy_strided(from, to, size, &block.shape) };
    }
}

fn c_strides(shape: &[i64]) -> Vec<i64> {
    let mut strides = vec![1; shape.len()];
    let mut step: i64 = 1;
    for (stride, &dim) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step = step.saturating_mul(dim);
    }
    strides
}

/// The start of a buffer that has room for `bytes`.
fn room(buffer: &mut Vec<MaybeUninit<u8>>, bytes: usize, array: &Array) -> Result<*mut u8> {
    if buffer.len() < bytes {
        buffer
            .try_reserve_exact(bytes - buffer.len())
            .map_err(|_| map::Error::OutOfMemory {
                bytes: bytes as u64,
                origin: array.data.origin().clone(),
            })?;
        buffer.resize(bytes, MaybeUninit::uninit());
    }
    Ok(buffer.as_mut_ptr().cast())
}
