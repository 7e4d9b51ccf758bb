//! How windows of tokens are read, where it isn't from the map.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::Arc;

use super::error::{Error, Result};
use crate::kernel::{Conversion, Stores};
use crate::map::{self, Data, Direct, Flights, HeapBytes, Origin, SystemAllocator, Wanted};
use crate::record::FillCounts;

/// The least memory for direct reads.
const LEAST: usize = 256 << 10;

/// The memory for direct reads that are under way together.
const TOGETHER: usize = 1 << 20;

/// What becomes of a window's elements.
pub(super) struct Cast {
    pub(super) conversion: Option<Conversion>,
    pub(super) elements: usize,
    /// The bytes that they are in the file, and in the end.
    pub(super) bytes: usize,
    pub(super) bytes_out: usize,
}

impl Cast {
    /// None where a window is larger than memory.
    pub(super) fn new(conversion: Option<Conversion>, length: u64, size: u64) -> Option<Cast> {
        let elements = usize::try_from(length).ok()?;
        let size = usize::try_from(size).ok()?;
        let size_out = conversion.map_or(size, |conversion| conversion.bytes_out());
        Some(Cast {
            conversion,
            elements,
            bytes: elements.checked_mul(size)?,
            bytes_out: elements.checked_mul(size_out)?,
        })
    }

    /// Puts a whole window, which was read, to all of `out`.
    fn put(&self, window: &[MaybeUninit<u8>], out: &mut [MaybeUninit<u8>]) -> bool {
        if window.len() != self.bytes || out.len() != self.bytes_out {
            return false;
        }
        match &self.conversion {
            None => out.copy_from_slice(window),
            Some(conversion) => {
                let (from, to) = (window.as_ptr().cast(), out.as_mut_ptr().cast());
                // SAFETY: the window was read and has so many elements, and `out` has room for as
                // many converted; they are borrowed apart.
                unsafe { conversion.run(from, to, self.elements, Stores::Cached) };
            }
        }
        true
    }
}

/// Where direct reads are under way, and the memory for them.
#[derive(Debug)]
pub(super) struct Aside {
    flights: Flights,
    window: HeapBytes,
}

impl Aside {
    pub(super) fn new(direct: &Direct) -> Aside {
        Aside {
            flights: Flights::default(),
            window: HeapBytes::aligned(Arc::new(SystemAllocator), direct.window_align()),
        }
    }
}

/// The reads of a fill.
pub(super) struct Reads<'a> {
    direct: Option<(&'a Direct, Aside)>,
    pub(super) counts: FillCounts,
}

impl<'a> Reads<'a> {
    pub(super) fn new(direct: Option<&'a Direct>, aside: Option<Aside>) -> Result<Reads<'a>> {
        let mut direct = direct.zip(aside);
        if let Some((direct, aside)) = &mut direct {
            let least = direct.window_align().saturating_mul(4);
            aside.window.grow(least.max(LEAST), &Origin::Memory)?;
        }
        Ok(Reads {
            direct,
            counts: FillCounts::default(),
        })
    }

    pub(super) fn end(self) -> (FillCounts, Option<Aside>) {
        (self.counts, self.direct.map(|(_, aside)| aside))
    }

    /// Reads windows past the page cache, many at once, to rooms in `out`, and tells which that
    /// was done for: the others are to be read one by one.
    pub(super) fn together(
        &mut self,
        spans: impl ExactSizeIterator<Item = Option<Range<u64>>>,
        cast: &Cast,
        out: &mut [MaybeUninit<u8>],
    ) -> Result<Vec<bool>> {
        let mut done = Vec::new();
        let Some((direct, aside)) = &mut self.direct else {
            return Ok(done);
        };
        let unit = direct.window_align().max(1);
        let each = cast.bytes.saturating_add(unit.saturating_mul(2));
        let each = each.checked_next_multiple_of(unit).unwrap_or(usize::MAX);
        let most = TOGETHER / each;
        if most < 2 {
            return Ok(done);
        }
        aside.window.grow(most * each, &Origin::Memory)?;
        let reserved = done.try_reserve_exact(spans.len());
        reserved.map_err(|_| Error::no_memory(spans.len(), "a batch of windows"))?;
        done.resize(spans.len(), false);
        let mut spans = spans.enumerate();
        loop {
            let mut numbers = Vec::with_capacity(most);
            let mut wanted = Vec::with_capacity(most);
            let windows = aside.window.spare_mut().chunks_exact_mut(each).take(most);
            for ((number, span), window) in spans.by_ref().take(most).zip(windows) {
                numbers.push(number);
                // One that there isn't is told where it is read alone.
                let offset = span.map_or(u64::MAX, |span| span.start);
                wanted.push(Wanted {
                    offset,
                    len: cast.bytes,
                    window,
                });
            }
            if wanted.is_empty() {
                return Ok(done);
            }
            let counts = &mut self.counts;
            direct.fetch_each(
                &mut aside.flights,
                &mut wanted,
                &mut |which, fetched, window| {
                    let (Some(&number), Ok(Some(skip))) = (numbers.get(which), fetched) else {
                        return;
                    };
                    let window = window.get(skip..skip.saturating_add(cast.bytes));
                    let room = number * cast.bytes_out..(number + 1) * cast.bytes_out;
                    if let (Some(window), Some(room)) = (window, out.get_mut(room))
                        && cast.put(window, room)
                        && let Some(done) = done.get_mut(number)
                    {
                        *done = true;
                        counts.reads += 1;
                        counts.bytes_read += cast.bytes as u64;
                    }
                },
            );
        }
    }

    /// Reads some bytes.
    pub(super) fn read(
        &mut self,
        data: &Data,
        offset: u64,
        out: &mut [MaybeUninit<u8>],
    ) -> map::Result<()> {
        let by_direct = match &mut self.direct {
            Some((direct, aside)) => direct.read(offset, out, aside.window.spare_mut())?,
            None => false,
        };
        if !by_direct {
            data.read(offset, out)?;
        }
        self.counts.reads += 1;
        self.counts.bytes_read += out.len() as u64;
        Ok(())
    }
}
