//! Many records' field copied into one buffer.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use std::mem::MaybeUninit;

use super::error::{Error, Result};
use super::reader::{HEAD_WINDOW, RecordReader};
use super::rrec::{FIELDS, TensorHead};
use crate::dtype::DType;
use crate::map::{Fetch, Mapped, Region, Window};
use crate::tensor::{MAX_DIMS, Shape};

/// How gathered bytes are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GatherIo {
    /// As is best: from the map.
    #[default]
    Auto,
    /// From the map: fast, and a fault where the file is cut during the call.
    Map,
    /// By pread: a file cut during the call is an error.
    Read,
}

/// What a gather put into the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// The elements' type; none where the set is empty, so that nobody can tell.
    pub dtype: Option<DType>,
    /// The number of records, then a record's dimensions.
    pub shape: Shape,
    /// The bytes written.
    pub bytes: u64,
}

/// Records whose heads are fetched together.
const TOGETHER: usize = 64;

/// The largest records that are fetched while the one before is copied: two fit into the smallest
/// cache; the CPU's own prefetch is good enough for larger ones.
const FETCHED: usize = 16 << 10;

/// A piece of a record that is copied at once.
const PIECE: usize = 4096;

const CACHE_LINE: usize = 64;

/// Copies a record, fetching the next one meanwhile.
fn copy_piecewise(region: Region<'_>, at: u64, next: u64, out: &mut [MaybeUninit<u8>]) {
    if out.len() > FETCHED {
        let copied = region.copy_to(at, out);
        debug_assert!(copied);
        return;
    }
    let (mut at, mut next) = (at, next);
    for piece in out.chunks_mut(PIECE) {
        let bytes = piece.len() as u64;
        for line in (0..bytes).step_by(CACHE_LINE) {
            region.prefetch(next.wrapping_add(line));
        }
        let copied = region.copy_to(at, piece);
        debug_assert!(copied);
        at = at.saturating_add(bytes);
        next = next.saturating_add(bytes);
    }
}

impl RecordReader {
    /// Copies field `field` of the records `indices`, in that order, to the start of `out`. All
    /// must be alike in dtype and shape. Nothing of the copy need be aligned.
    ///
    /// # Errors
    /// Those of [`RecordReader::get`] but misalignment; [`Error::NoField`], [`Error::NotAlike`],
    /// [`Error::SmallBuffer`], [`map::Error::Truncated`](crate::map::Error::Truncated).
    pub fn gather(
        &self,
        field: usize,
        indices: &[u64],
        out: &mut [MaybeUninit<u8>],
        io: GatherIo,
    ) -> Result<Gathered> {
        if field >= FIELDS {
            return Err(Error::NoField { field, len: FIELDS });
        }
        match io {
            GatherIo::Auto | GatherIo::Map => {
                self.data().still_whole()?;
                let region = self.data().region();
                let copy = |at: u64, next: u64, out: &mut [MaybeUninit<u8>]| {
                    copy_piecewise(region, at, next, out);
                    Ok(())
                };
                let gathered =
                    self.gather_by(&mut Mapped::new(self.data()), field, indices, out, copy)?;
                self.data().still_whole()?;
                Ok(gathered)
            }
            GatherIo::Read => {
                // A file that was cut and grew again reads without an error, as zeros.
                self.data().still_whole()?;
                let copy = |at: u64, _: u64, out: &mut [MaybeUninit<u8>]| {
                    self.data().read(at, out).map_err(Error::from)
                };
                let mut window = Window::new(self.data(), HEAD_WINDOW);
                let gathered = self.gather_by(&mut window, field, indices, out, copy)?;
                self.data().still_whole()?;
                Ok(gathered)
            }
        }
    }

    fn gather_by(
        &self,
        from: &mut impl Fetch,
        field: usize,
        indices: &[u64],
        out: &mut [MaybeUninit<u8>],
        copy: impl Fn(u64, u64, &mut [MaybeUninit<u8>]) -> Result<()>,
    ) -> Result<Gathered> {
        let Some(&first) = indices
            .first()
            .or(if self.is_empty() { None } else { Some(&0) })
        else {
            return Ok(Gathered {
                dtype: None,
                shape: Shape::new(&[0]).unwrap_or_default(),
                bytes: 0,
            });
        };
        let alike = self.field_head(from, first, field)?;
        let Some(shape) = alike.shape().filter(|shape| shape.ndim() < MAX_DIMS) else {
            return Err(self.many_dims(&alike, first, field, MAX_DIMS.saturating_sub(1)));
        };
        let count = indices.len() as u64;
        let needed = alike.bytes.saturating_mul(count);
        let given = out.len() as u64;
        let (Some(out), Ok(bytes)) = (
            usize::try_from(needed)
                .ok()
                .and_then(|needed| out.get_mut(..needed)),
            usize::try_from(alike.bytes),
        ) else {
            return Err(Error::SmallBuffer { needed, given });
        };
        let mut rest = out;
        for indices in indices.chunks(TOGETHER) {
            self.announce(from, indices);
            let mut places = [0; TOGETHER];
            for (place, &index) in places.iter_mut().zip(indices) {
                let head = self.field_head(from, index, field)?;
                if !head.is_alike(&alike) {
                    return Err(self.not_alike(&head, &alike, index, field));
                }
                *place = head.data_at;
            }
            let places = places.get(..indices.len()).unwrap_or_default();
            for (number, &place) in places.iter().enumerate().filter(|_| bytes > 0) {
                let next = places.get(number.saturating_add(1)).unwrap_or(&place);
                let (own, after) = rest.split_at_mut(bytes);
                rest = after;
                copy(place, *next, own)?;
            }
        }
        let mut dims = vec![i64::try_from(count).unwrap_or(i64::MAX)];
        dims.extend_from_slice(shape.dims());
        let shape = Shape::new(&dims).unwrap_or_default();
        Ok(Gathered {
            dtype: Some(alike.dtype),
            shape,
            bytes: needed,
        })
    }

    /// Starts fetching index entries and heads, so that their cache misses overlap.
    fn announce(&self, from: &mut impl Fetch, indices: &[u64]) {
        for &index in indices {
            if !from.soon(self.header().entry_at(index)) {
                return;
            }
        }
        for &index in indices {
            // What is wrong with a record is told in its turn.
            let Ok(entry) = self.entry(from, index) else {
                return;
            };
            from.soon(entry.offset);
            // The last tensor's head stands near the end, if its elements are few.
            from.soon(entry.end().wrapping_sub(16));
        }
    }

    #[cold]
    fn not_alike(&self, head: &TensorHead, first: &TensorHead, index: u64, field: usize) -> Error {
        let name = |head: &TensorHead| match head.shape() {
            Some(shape) => format!("{} {shape}", head.dtype.name()),
            None => format!("{} of {} dimensions", head.dtype.name(), head.ndim),
        };
        let origin = self.data().origin().clone();
        Error::NotAlike {
            origin,
            index,
            field,
            found: name(head),
            first: name(first),
        }
    }
}
