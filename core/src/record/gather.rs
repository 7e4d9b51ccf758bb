//! Many records' field copied into one buffer.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use std::mem::MaybeUninit;

use super::error::{Error, Result};
use super::reader::{HEAD_WINDOW, RecordReader};
use super::rrec::{FIELDS, TensorHead};
use crate::dtype::DType;
use crate::kernel::{self, Conversion, Overflow, Stores};
use crate::map::{self, Data, Fetch, Io, Mapped, Window};
use crate::tensor::{MAX_DIMS, Shape};

/// How to gather. The default is the elements as they are stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct GatherOptions {
    /// How the records are read; `Auto` is from the map.
    pub io: Io,
    /// The dtype of the output; the records' where it is none.
    pub dtype: Option<DType>,
    /// What becomes of values that the output's dtype can't hold.
    pub overflow: Overflow,
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
const TOGETHER: usize = 256;

/// Bytes that are read before they are converted.
const READ: usize = 32 << 10;

/// What each record's elements go through.
#[derive(Clone, Copy, Debug)]
struct Recast {
    bytes: usize,
    /// None where the bytes stay as they are.
    conversion: Option<Conversion>,
    elements: usize,
    bytes_out: usize,
    stores: Stores,
}

/// Puts the records at some places of the data into a buffer that has room for exactly them.
type Put = fn(&Data, &[u64], Recast, &mut [MaybeUninit<u8>]) -> Result<()>;

impl RecordReader {
    /// Copies field `field` of the records `indices`, in that order, to the start of `out`. All
    /// must be alike in dtype and shape. Nothing of the copy need be aligned. The elements are
    /// converted on the way where that is asked for (see [`Conversion`]).
    ///
    /// # Errors
    /// Those of [`RecordReader::get`] but misalignment; [`Error::NoField`], [`Error::NotAlike`],
    /// [`Error::NoConversion`], [`Error::SmallBuffer`],
    /// [`map::Error::Truncated`](crate::map::Error::Truncated).
    pub fn gather(
        &self,
        field: usize,
        indices: &[u64],
        out: &mut [MaybeUninit<u8>],
        how: &GatherOptions,
    ) -> Result<Gathered> {
        if field >= FIELDS {
            return Err(Error::NoField { field, len: FIELDS });
        }
        // A file that was cut and grew again reads without an error, as zeros.
        self.data().still_whole()?;
        let gathered = match how.io {
            Io::Auto | Io::Map => {
                let from = &mut Mapped::new(self.data());
                self.gather_by(from, field, indices, out, how, gather_mapped)?
            }
            Io::Read => {
                let from = &mut Window::new(self.data(), HEAD_WINDOW);
                self.gather_by(from, field, indices, out, how, gather_read)?
            }
        };
        self.data().still_whole()?;
        Ok(gathered)
    }

    fn gather_by(
        &self,
        from: &mut impl Fetch,
        field: usize,
        indices: &[u64],
        out: &mut [MaybeUninit<u8>],
        how: &GatherOptions,
        put: Put,
    ) -> Result<Gathered> {
        let Some(&first) = indices
            .first()
            .or(if self.is_empty() { None } else { Some(&0) })
        else {
            return Ok(Gathered {
                dtype: how.dtype,
                shape: Shape::new(&[0]).unwrap_or_default(),
                bytes: 0,
            });
        };
        let alike = self.field_head(from, first, field)?;
        let Some(shape) = alike.shape().filter(|shape| shape.ndim() < MAX_DIMS) else {
            return Err(self.many_dims(&alike, first, field, MAX_DIMS.saturating_sub(1)));
        };
        let dtype = how.dtype.unwrap_or(alike.dtype);
        let conversion = if dtype == alike.dtype {
            None
        } else {
            let conversion = Conversion::new(alike.dtype, dtype, how.overflow);
            Some(conversion.ok_or_else(|| self.no_conversion(first, field, alike.dtype, dtype))?)
        };
        let elements = alike
            .bytes
            .checked_div(alike.dtype.block_bytes().into())
            .unwrap_or(0);
        let bytes_out = conversion.map_or(alike.bytes, |conversion| {
            elements.saturating_mul(conversion.bytes_out() as u64)
        });
        let count = indices.len() as u64;
        let needed = bytes_out.saturating_mul(count);
        let given = out.len() as u64;
        let small = || Error::SmallBuffer { needed, given };
        let size = |bytes: u64| usize::try_from(bytes).map_err(|_| small());
        let out = out.get_mut(..size(needed)?).ok_or_else(small)?;
        let recast = Recast {
            bytes: size(alike.bytes)?,
            conversion,
            elements: size(elements)?,
            bytes_out: size(bytes_out)?,
            stores: Stores::Auto.over(out.len()),
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
            let room = recast.bytes_out.saturating_mul(places.len());
            let (own, after) = rest.split_at_mut_checked(room).ok_or_else(small)?;
            rest = after;
            if recast.bytes > 0 {
                put(self.data(), places, recast, own)?;
            }
        }
        let mut dims = vec![i64::try_from(count).unwrap_or(i64::MAX)];
        dims.extend_from_slice(shape.dims());
        let shape = Shape::new(&dims).unwrap_or_default();
        Ok(Gathered {
            dtype: Some(dtype),
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
    fn no_conversion(&self, index: u64, field: usize, from: DType, to: DType) -> Error {
        let origin = self.data().origin().clone();
        Error::NoConversion {
            origin,
            index,
            field,
            from,
            to,
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

/// From the map. `out` has room for exactly the records at `places`, at most [`TOGETHER`].
fn gather_mapped(
    data: &Data,
    places: &[u64],
    recast: Recast,
    out: &mut [MaybeUninit<u8>],
) -> Result<()> {
    let mut rows = [std::ptr::null(); TOGETHER];
    for (row, &place) in rows.iter_mut().zip(places) {
        let len = recast.bytes as u64;
        let region = data.region().slice(place, len);
        *row = region
            .ok_or_else(|| map::Error::OutOfRange {
                origin: data.origin().clone(),
                offset: place,
                len,
                size: data.len(),
            })?
            .as_ptr();
    }
    let rows = rows.into_iter().take(places.len().min(TOGETHER));
    let (to, stores) = (out.as_mut_ptr().cast(), recast.stores);
    debug_assert!(recast.bytes_out.saturating_mul(places.len()) <= out.len());
    match &recast.conversion {
        // SAFETY: each row was found to lie in the map, which `data` keeps; `out` has room for
        // `bytes_out` a row, the same as `bytes` here, and is nobody else's, so not mapped.
        None => unsafe { kernel::gather(rows, recast.bytes, to, stores) },
        // SAFETY: as above; a row's `elements` have `bytes`, and `bytes_out` converted.
        Some(conversion) => unsafe {
            kernel::gather_converted(rows, conversion, recast.elements, to, stores)
        },
    }
    Ok(())
}

/// By pread. `out` has room for exactly the records at `places`.
fn gather_read(
    data: &Data,
    places: &[u64],
    recast: Recast,
    out: &mut [MaybeUninit<u8>],
) -> Result<()> {
    let rows = out.chunks_exact_mut(recast.bytes_out.max(1));
    for (&place, out) in places.iter().zip(rows) {
        match &recast.conversion {
            None => data.read(place, out)?,
            Some(conversion) => read_converted(data, place, conversion, recast.bytes, out)?,
        }
    }
    Ok(())
}

/// Reads the `bytes` at `place` and converts them to all of `out`, a piece at a time.
fn read_converted(
    data: &Data,
    place: u64,
    conversion: &Conversion,
    bytes: usize,
    out: &mut [MaybeUninit<u8>],
) -> Result<()> {
    let (size, size_out) = (
        conversion.from().block_bytes() as usize,
        conversion.bytes_out(),
    );
    let mut buffer = [MaybeUninit::uninit(); READ];
    let most = READ.checked_div(size).unwrap_or(0).max(1);
    let (mut place, mut left) = (place, bytes);
    for out in out.chunks_mut(most.saturating_mul(size_out)) {
        let elements = out.len().checked_div(size_out).unwrap_or(0);
        let piece = elements.saturating_mul(size).min(left);
        let Some(piece) = buffer.get_mut(..piece) else {
            break;
        };
        data.read(place, piece)?;
        let (from, to) = (piece.as_ptr().cast(), out.as_mut_ptr().cast());
        let elements = piece.len().checked_div(size).unwrap_or(0);
        // SAFETY: `read` filled the piece, which has so many elements; `out` has room for as many
        // converted; the buffer is no part of it.
        unsafe { conversion.run(from, to, elements, Stores::Cached) };
        place = place.saturating_add(piece.len() as u64);
        left = left.saturating_sub(piece.len());
    }
    Ok(())
}
