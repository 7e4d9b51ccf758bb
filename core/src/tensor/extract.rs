//! Chosen elements of a file's bytes copied out, in C order: read or from the map, their bytes
//! swapped, converted.
//!
//! This is for one tensor at a time: any selection, any order, on the caller's thread.
//! `transfer/fill.rs` fills the outputs of many: of rows and columns only, but by several threads
//! that share a budget, past the page cache, small neighbours at once, and can be stopped.

use std::mem::MaybeUninit;

use super::select::{Block, Selection};
use crate::dtype::DType;
use crate::kernel::{Conversion, Stores, Strided, copy, copy_strided, swap_bytes};
use crate::map::{self, Data};

/// The bytes of the file that are worked on at once: they stay in a core's own cache.
const WINDOW: u64 = 256 << 10;

/// Bytes that are read over for nothing rather than with one more call to the system: out of the
/// page cache, runs of 256 bytes to 16 KiB, both took the same time at gaps of 1 to 3 KiB.
pub(crate) const GAP: u64 = 2 << 10;

/// Runs of so many bytes are read each to their place, however far apart.
const LONG_RUN: u64 = 64 << 10;

/// Elements in a file's bytes, or blocks of them where the dtype has these.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored<'a> {
    pub(crate) data: &'a Data,
    /// Where element 0 lies.
    pub(crate) offset: u64,
    pub(crate) dtype: DType,
    /// Whether they have the other byte order than this machine.
    pub(crate) swapped: bool,
    /// Whether they are copied from memory, not read.
    pub(crate) from_map: bool,
    /// What becomes of them, where they don't stay what they are.
    pub(crate) conversion: Option<Conversion>,
}

/// Which of the elements: all counted in elements or blocks, whichever the dtype has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) dims: &'a [i64],
    /// Whether the first dimension varies fastest in the file.
    pub(crate) fortran_order: bool,
    /// The first position and the number of positions in each dimension, inside of `dims`.
    pub(crate) start: &'a [i64],
    pub(crate) counts: &'a [i64],
}

impl Stored<'_> {
    /// Fills `out` with the elements, in C order.
    ///
    /// # Errors
    /// [`map::Error::OutOfRange`] where `out` or the file has fewer bytes than they have,
    /// [`map::Error::OutOfMemory`], those of [`Data::read`].
    pub(crate) fn copy_to(
        &self,
        wanted: &Wanted<'_>,
        out: &mut [MaybeUninit<u8>],
    ) -> map::Result<()> {
        let size = self.dtype.block_bytes() as usize;
        let out_size = self.conversion.map_or(size, |known| known.bytes_out());
        if wanted.counts.contains(&0) {
            return Ok(());
        }
        let needed = wanted
            .counts
            .iter()
            .try_fold(out_size, |bytes, &count| {
                bytes.checked_mul(usize::try_from(count).ok()?)
            })
            .filter(|&needed| needed <= out.len() && wanted.dims.len() == wanted.counts.len());
        let Some(needed) = needed else {
            return Err(self.outside(self.offset, out.len() as u64));
        };
        let stores = match self.conversion {
            // Each window is small; together they may still be more than the caches hold.
            Some(_) => Stores::Auto.over(needed),
            None => Stores::Auto,
        };
        let mut extraction = Extraction {
            stored: self,
            out,
            size,
            out_size,
            stores,
            buffers: Buffers::default(),
        };
        extraction.all(wanted)
    }

    #[cold]
    fn outside(&self, offset: u64, len: u64) -> map::Error {
        map::Error::OutOfRange {
            origin: self.data.origin().clone(),
            offset,
            len,
            size: self.data.len(),
        }
    }

    /// The start of a buffer that has room for `bytes`.
    fn room(&self, buffer: &mut Vec<MaybeUninit<u8>>, bytes: usize) -> map::Result<*mut u8> {
        if buffer.len() < bytes {
            buffer
                .try_reserve_exact(bytes - buffer.len())
                .map_err(|_| map::Error::OutOfMemory {
                    bytes: bytes as u64,
                    origin: self.data.origin().clone(),
                })?;
            buffer.resize(bytes, MaybeUninit::uninit());
        }
        Ok(buffer.as_mut_ptr().cast())
    }
}

/// Memory that is worked in; each grows to what a block needs.
#[derive(Default)]
struct Buffers {
    /// What was read of the file.
    span: Vec<MaybeUninit<u8>>,
    /// The selected elements, side by side in the file's order, in this machine's byte order.
    dense: Vec<MaybeUninit<u8>>,
    /// The same, converted.
    converted: Vec<MaybeUninit<u8>>,
}

struct Extraction<'a> {
    stored: &'a Stored<'a>,
    /// Room for all elements that are wanted, at least.
    out: &'a mut [MaybeUninit<u8>],
    /// The bytes of an element (or block) in the file, and in the output.
    size: usize,
    out_size: usize,
    stores: Stores,
    buffers: Buffers,
}

impl Extraction<'_> {
    fn all(&mut self, wanted: &Wanted<'_>) -> map::Result<()> {
        let Wanted {
            dims,
            fortran_order,
            start,
            counts,
        } = *wanted;
        // Bytes that need no work go to their place in one piece, however large.
        let plain = self.stored.conversion.is_none() && !self.stored.swapped;
        let select = |limit, gap| Selection::new(dims, fortran_order, start, counts, limit, gap);
        let size = self.size as u64;
        let (window, gap) = (WINDOW / size, GAP / size);
        let selection = match (plain, self.stored.from_map) {
            (true, true) => select(u64::MAX, u64::MAX),
            (true, false) => {
                let runs = select(u64::MAX, 0);
                let long = runs.block_elements().saturating_mul(size) >= LONG_RUN;
                if (long || runs.is_one_block()) && !fortran_order {
                    runs
                } else {
                    select(window, gap)
                }
            }
            (false, true) => select(window, u64::MAX),
            (false, false) => select(window, gap),
        };
        selection.each(|block| self.block(block))
    }

    fn block(&mut self, block: &Block) -> map::Result<()> {
        let (span, elements) = (block.span as usize, block.elements as usize);
        let at = block.to as usize * self.out_size;
        let swapped = self.stored.swapped;
        let plain = self.stored.conversion.is_none() && !swapped;
        let in_order = block.is_in_order();
        let place = self.stored.offset + block.from * self.size as u64;
        if plain && block.is_dense() && in_order && !self.stored.from_map {
            let bytes = elements * self.size;
            let outside = || self.stored.outside(place, bytes as u64);
            let out = self.out.get_mut(at..at + bytes).ok_or_else(outside)?;
            return self.stored.data.read(place, out);
        }
        let source = self.source(place, span * self.size)?;
        let out = self.out.as_mut_ptr().cast::<u8>().wrapping_add(at);
        if plain {
            if block.is_dense() && in_order {
                // SAFETY: as below, for elements side by side on both sides.
                unsafe { copy(source, out, elements * self.size, self.stores) };
                return Ok(());
            }
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
            let dense = if self.stored.conversion.is_none() && in_order {
                out
            } else {
                self.stored
                    .room(&mut self.buffers.dense, elements * self.size)?
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
        let Some(conversion) = self.stored.conversion else {
            if !in_order {
                self.place(values, out, block, self.size);
            }
            return Ok(());
        };
        if in_order {
            // SAFETY: `values` has the block's elements, and `out` room for them side by side.
            unsafe { conversion.run(values, out, elements, self.stores) };
            return Ok(());
        }
        let converted = self
            .stored
            .room(&mut self.buffers.converted, elements * self.out_size)?;
        // SAFETY: `values` has the block's elements, and `converted` room for them.
        unsafe { conversion.run(values, converted, elements, Stores::Cached) };
        self.place(converted, out, block, self.out_size);
        Ok(())
    }

    /// The `bytes` bytes at `place`, where they are or where they were read to.
    fn source(&mut self, place: u64, bytes: usize) -> map::Result<*const u8> {
        let stored = self.stored;
        let outside = || stored.outside(place, bytes as u64);
        if stored.from_map {
            let region = stored.data.region().slice(place, bytes as u64);
            return Ok(region.ok_or_else(outside)?.as_ptr());
        }
        stored.room(&mut self.buffers.span, bytes)?;
        let span = self.buffers.span.get_mut(..bytes).ok_or_else(outside)?;
        stored.data.read(place, span)?;
        Ok(span.as_ptr().cast())
    }

    fn swap(&self, from: *const u8, to: *mut u8, elements: usize) {
        // Complex numbers are swapped part by part.
        let part = self.stored.dtype.align() as usize;
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
