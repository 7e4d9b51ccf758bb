//! Windows over a flat array of tokens as a loader's source.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};

use super::error::{Error, Result};
use super::records::FOLIO;
use super::source::{Judge, Source, SourceField};
use super::token_reads::{Aside, Cast, Reads};
use crate::dtype::DType;
use crate::error::Kind;
use crate::kernel::{self, Conversion, Stores};
use crate::map::{self, Data, Direct, Io, Origin, Release};
use crate::record::{Announced, Column, FillCounts, FillOptions, Out, Verdict};
use crate::tensor::{Shape, Source as Array};

/// The name of the only field.
const FIELD: &str = "tokens";

/// What is read at once where it is converted.
const READ: usize = 16 << 10;

/// What calls at the same time may leave; more is freed.
const POOLED: usize = 16;

/// Windows that lie nearer to each other than this are announced as one.
const NEAR: u64 = 16 << 10;

/// The bytes at either end that go into the identity.
const LOOKED_AT: u64 = 4096;

/// Windows of `length` elements of a flat array, one every `stride` elements: what records are
/// elsewhere. For a model that predicts the next of T tokens, T + 1 elements every T. What is left at
/// the end and makes no whole window is left out.
#[derive(Debug)]
pub struct TokenSource {
    data: Arc<Data>,
    /// Where the first element lies, in bytes.
    offset: u64,
    length: u64,
    stride: u64,
    /// The bytes of an element.
    size: u64,
    windows: u64,
    field: [SourceField; 1],
    identity: u128,
    direct: OnceLock<Option<Direct>>,
    /// What calls that went past the page cache left for the next.
    pool: Mutex<Vec<Aside>>,
}

impl TokenSource {
    /// Windows over an array of one dimension; a `stride` of 0 is `length`.
    ///
    /// # Errors
    /// [`Error::Tokens`] for another number of dimensions, elements in blocks, a window of nothing,
    /// or elements that don't lie within the bytes; [`Error::Map`] where these can't be read.
    pub fn new(array: &Array, length: u64, stride: u64) -> Result<TokenSource> {
        let refuse = |kind, why| {
            let origin = array.data.origin().clone();
            Err(Error::Tokens { origin, kind, why })
        };
        let &[count] = array.shape.dims() else {
            let why = format!("{} has not one dimension", array.shape);
            return refuse(Kind::Shape, why);
        };
        let dtype = array.dtype;
        if dtype.is_block() {
            let why = format!("elements of {} come in blocks", dtype.name());
            return refuse(Kind::DType, why);
        }
        if length == 0 || i64::try_from(length).is_err() {
            let why = format!("a window of {length} elements is none");
            return refuse(Kind::InvalidArgument, why);
        }
        let count = u64::try_from(count).unwrap_or(0);
        let size = u64::from(dtype.block_bytes());
        let bytes = count.checked_mul(size).unwrap_or(map::TO_END - 1);
        array.data.range(array.offset, bytes)?;
        let stride = if stride == 0 { length } else { stride };
        let windows = match count.checked_sub(length) {
            Some(rest) => rest / stride + 1,
            None => 0,
        };
        let data = Arc::clone(&array.data);
        let words = [array.offset, count, length, stride];
        Ok(TokenSource {
            identity: identity(&data, array.offset, bytes, dtype, words)?,
            data,
            offset: array.offset,
            length,
            stride,
            size,
            windows,
            field: [SourceField {
                name: FIELD.to_owned(),
                dtype,
                dims: vec![i64::try_from(length).unwrap_or(i64::MAX)],
            }],
            direct: OnceLock::new(),
            pool: Mutex::new(Vec::new()),
        })
    }

    /// Windows over the elements from byte `offset` on to the end of `data`, such as those behind a
    /// header of another program's.
    ///
    /// # Errors
    /// As [`TokenSource::new`].
    pub fn from_data(
        data: &Arc<Data>,
        offset: u64,
        dtype: DType,
        length: u64,
        stride: u64,
    ) -> Result<TokenSource> {
        let (_, bytes) = data.range(offset, map::TO_END)?;
        let count = bytes / u64::from(dtype.block_bytes().max(1));
        let shape = Shape::new(&[i64::try_from(count).unwrap_or(i64::MAX)]);
        let shape = shape.map_err(|_| Error::Internal("a count that is no shape"))?;
        let array = Array {
            data: Arc::clone(data),
            offset,
            dtype,
            shape,
        };
        TokenSource::new(&array, length, stride)
    }

    /// The bytes of a window in the data: found to lie there when this was made.
    fn span(&self, window: u64) -> Option<Range<u64>> {
        if window >= self.windows {
            return None;
        }
        let start = self.offset + window * self.stride * self.size;
        Some(start..start + self.length * self.size)
    }

    fn cast(&self, column: &Column<'_>) -> Result<Cast> {
        let [field] = &self.field;
        let (from, to) = (field.dtype, column.dtype);
        let conversion = (from != to).then(|| Conversion::new(from, to, column.overflow));
        if let Some(None) = conversion {
            return Err(Error::Tokens {
                origin: self.data.origin().clone(),
                kind: Kind::DType,
                why: format!("{} can't be converted to {}", from.name(), to.name()),
            });
        }
        let large = || Error::no_memory(usize::MAX, "a window of tokens");
        let cast = Cast::new(conversion.flatten(), self.length, self.size);
        cast.ok_or_else(large)
    }

    fn no_window(&self, window: u64) -> Error {
        Error::Record(crate::record::Error::NoRecord {
            origin: self.data.origin().clone(),
            index: window,
            len: self.windows,
        })
    }

    fn direct(&self) -> Option<&Direct> {
        self.direct.get_or_init(|| self.data.direct()).as_ref()
    }

    /// What an earlier call left, for a call past the page cache.
    fn aside(&self, direct: Option<&Direct>) -> Option<Aside> {
        let left = self.pool.try_lock().ok().and_then(|mut pool| pool.pop());
        direct.map(|direct| left.unwrap_or_else(|| Aside::new(direct)))
    }

    /// Copies all windows at once from the map; false, with nothing done, where one isn't there.
    fn gather(&self, rows: &[u64], cast: &Cast, out: &mut [MaybeUninit<u8>]) -> bool {
        let region = self.data.region();
        let len = self.length * self.size;
        let there = |&row: &u64| {
            let span = self.span(row)?;
            Some(region.slice(span.start, len)?.as_ptr())
        };
        if !rows.iter().all(|row| there(row).is_some()) || out.len() < cast.bytes_out * rows.len() {
            return false;
        }
        // All are there.
        let rows = rows.iter().map(|row| there(row).unwrap_or_default());
        let (to, stores) = (out.as_mut_ptr().cast(), Stores::Auto);
        match &cast.conversion {
            // SAFETY: each row was found to lie in the bytes, which `data` keeps; `out` has room
            // for `bytes_out` a row, the same as is read, and is nobody else's.
            None => unsafe { kernel::gather(rows, cast.bytes_out, to, stores) },
            // SAFETY: as above; a row has so many elements, which come to `bytes_out` converted.
            Some(conversion) => unsafe {
                kernel::gather_converted(rows, conversion, cast.elements, to, stores)
            },
        }
        true
    }

    /// Fills all of `out` with the window at `row`.
    fn read(
        &self,
        row: u64,
        cast: &Cast,
        io: &mut Reads<'_>,
        out: &mut [MaybeUninit<u8>],
    ) -> Result<()> {
        let span = self.span(row).ok_or_else(|| self.no_window(row))?;
        let Some(conversion) = &cast.conversion else {
            return Ok(io.read(&self.data, span.start, out)?);
        };
        let mut buffer = [MaybeUninit::uninit(); READ];
        let size = self.size as usize;
        let most = READ / size;
        let mut at = span.start;
        for out in out.chunks_mut(most * conversion.bytes_out()) {
            let elements = out.len() / conversion.bytes_out();
            let piece = buffer.get_mut(..elements * size);
            let piece = piece.ok_or(Error::Internal("a piece larger than its buffer"))?;
            io.read(&self.data, at, piece)?;
            let (from, to) = (piece.as_ptr().cast(), out.as_mut_ptr().cast());
            // SAFETY: all of the piece was read, so many elements; `out` has room for as many
            // converted; the buffer is no part of it.
            unsafe { conversion.run(from, to, elements, Stores::Cached) };
            at += piece.len() as u64;
        }
        Ok(())
    }
}

// SAFETY: a fill that succeeds has copied or read each row, or put zeros there.
unsafe impl Source for TokenSource {
    fn len(&self) -> u64 {
        self.windows
    }

    fn origin(&self) -> Origin {
        self.data.origin().clone()
    }

    fn identity(&self) -> u128 {
        self.identity
    }

    fn bytes(&self) -> u64 {
        let each = self.stride.min(self.length) * self.size;
        self.windows.saturating_mul(each)
    }

    fn fields(&self) -> &[SourceField] {
        &self.field
    }

    fn shape(&self, _record: u64, _field: usize) -> Result<Shape> {
        let [field] = &self.field;
        Shape::new(&field.dims).map_err(|_| Error::Internal("a window that is no shape"))
    }

    fn fill(
        &self,
        rows: &[u64],
        columns: &mut [Column<'_>],
        how: &FillOptions,
        judge: Judge<'_>,
    ) -> Result<FillCounts> {
        let direct = match how.io {
            Io::Direct => self.direct(),
            _ => None,
        };
        let mut io = Reads::new(direct, self.aside(direct))?;
        let mut instead: Vec<(usize, Option<u64>)> = Vec::new();
        for column in columns {
            let cast = self.cast(column)?;
            let Out::Fixed(out) = &mut column.out else {
                return Err(Error::Internal("windows of one length that are packed"));
            };
            let needed = cast.bytes_out.saturating_mul(rows.len());
            let out = out.get_mut(..needed);
            let out = out.ok_or(Error::Internal("less room than the windows need"))?;
            io.counts.bytes += (rows.len() as u64).saturating_mul(self.length * self.size);
            if how.io == Io::Map && instead.is_empty() && self.gather(rows, &cast, out) {
                continue;
            }
            let spans = rows.iter().map(|&row| self.span(row));
            let done = io.together(spans, &cast, out)?;
            for (number, (&row, out)) in rows
                .iter()
                .zip(out.chunks_exact_mut(cast.bytes_out))
                .enumerate()
            {
                if instead.is_empty() && done.get(number).is_some_and(|done| *done) {
                    continue;
                }
                let known = instead.iter().rev().find(|(other, _)| *other == number);
                let mut from = known.map_or(Some(row), |(_, instead)| *instead);
                loop {
                    let Some(window) = from else {
                        out.fill(MaybeUninit::new(0));
                        break;
                    };
                    let Err(error) = self.read(window, &cast, &mut io, out) else {
                        break;
                    };
                    from = match judge(number, error)? {
                        Verdict::Mask => None,
                        Verdict::Replace(other) => Some(other),
                    };
                    instead.push((number, from));
                }
            }
        }
        let (counts, aside) = io.end();
        if let (Some(aside), Ok(mut pool)) = (aside, self.pool.try_lock())
            && pool.len() < POOLED
        {
            pool.push(aside);
        }
        Ok(counts)
    }

    fn announce(&self, rows: &[u64], _fields: &[usize]) -> Announced {
        let mut announced = Announced::default();
        let mut spans: Vec<Range<u64>> = Vec::new();
        if !self.data.has_file() || spans.try_reserve(rows.len()).is_err() {
            return announced;
        }
        spans.extend(rows.iter().filter_map(|&row| self.span(row)));
        spans.sort_unstable_by_key(|span| span.start);
        announced.bytes = (spans.len() as u64).saturating_mul(self.length * self.size);
        let mut tell = |span: Range<u64>| {
            let (offset, len) = (span.start, span.end - span.start);
            announced.ranges += 1;
            if let Ok(Some((pages, cold))) = self.data.cold_pages(offset, len) {
                announced.pages += pages;
                announced.cold_pages += cold;
                if cold == 0 {
                    return;
                }
            }
            // What is wrong with the file is told when it is read.
            let _ = self.data.prefetch(offset, len);
        };
        let mut spans = spans.into_iter();
        let Some(mut last) = spans.next() else {
            return announced;
        };
        for span in spans {
            if span.start <= last.end.saturating_add(NEAR) {
                last.end = last.end.max(span.end);
            } else {
                tell(std::mem::replace(&mut last, span));
            }
        }
        tell(last);
        announced
    }

    fn release(&self, records: Range<u64>, before: bool, after: bool) -> u64 {
        let last = records.end.min(self.windows).checked_sub(1);
        let (Some(first), Some(last)) = (
            self.span(records.start),
            last.and_then(|last| self.span(last)),
        ) else {
            return 0;
        };
        let start = if before {
            first.start / FOLIO * FOLIO
        } else {
            first.start.next_multiple_of(FOLIO)
        };
        let end = if after {
            last.end.next_multiple_of(FOLIO).min(self.data.len())
        } else {
            last.end / FOLIO * FOLIO
        };
        let Some(len) = end.checked_sub(start) else {
            return 0;
        };
        match self.data.release(start, len, Release::PageCache) {
            Ok(freed) => freed,
            Err(error) => {
                log::info!("{}: kept in the kernel's cache: {error}", self.origin());
                0
            }
        }
    }
}

/// Other numbers for other windows, other lengths, and most other contents: those are looked at
/// where they start and end.
fn identity(data: &Data, offset: u64, bytes: u64, dtype: DType, words: [u64; 4]) -> Result<u128> {
    let mut told = Vec::with_capacity(2 * LOOKED_AT as usize + 64);
    told.extend_from_slice(b"adit tokens 1\0");
    told.extend_from_slice(dtype.name().as_bytes());
    for word in words {
        told.extend_from_slice(&word.to_le_bytes());
    }
    let mut end = Vec::new();
    let len = bytes.min(LOOKED_AT);
    for offset in [offset, offset.saturating_add(bytes - len)] {
        data.read_to(offset, len as usize, &mut end)?;
        told.extend_from_slice(&end);
    }
    let halves = [0, 1].map(|seed| u128::from(kernel::hash(&told, seed)));
    Ok(halves[0] << 64 | halves[1])
}
