//! A file's bytes read past the page cache, where the file system can.

use std::fs::File;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::data::Data;
use super::error::{Error, Result};
use super::options::Access;
use super::os::{self, DirectAlign};

/// A file open a second time, for reading past the page cache. Any stretch of bytes can be read;
/// what doesn't lie as the device needs goes through a window of the caller's.
#[derive(Debug)]
pub struct Direct {
    data: Arc<Data>,
    file: File,
    /// Where the data starts in the file, and ends.
    start: u64,
    align: DirectAlign,
    refused: AtomicBool,
}

impl Data {
    /// The same bytes, to be read past the page cache; none where no file stands behind them or
    /// its file system can't. Changes in memory alone (copy-on-write) aren't seen there.
    #[must_use]
    pub fn direct(self: &Arc<Data>) -> Option<Direct> {
        let range = self
            .file()
            .filter(|_| self.access() != Access::CopyOnWrite)?;
        match os::open_direct(&*range.file.os_file()?) {
            Ok((file, align)) => Some(Direct {
                data: Arc::clone(self),
                file,
                start: range.offset,
                align,
                refused: AtomicBool::new(false),
            }),
            Err(error) => {
                log::info!("{}: no direct reads: {error}", self.origin());
                None
            }
        }
    }
}

impl Direct {
    /// What the address of a window must be a multiple of.
    #[must_use]
    pub fn window_align(&self) -> usize {
        self.align.memory.max(self.align.offset)
    }

    /// How many bytes a window of `size` bytes can fetch, wherever they start.
    #[must_use]
    pub fn room_in(&self, size: usize) -> usize {
        size.saturating_sub(2 * self.align.offset)
    }

    /// Fills the window from the stretch of whole blocks that covers `len` bytes at `offset`, and
    /// tells where in the window these start; none where the file system refuses.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::Truncated`], the system's.
    pub fn fetch(
        &self,
        offset: u64,
        len: usize,
        window: &mut [MaybeUninit<u8>],
    ) -> Result<Option<usize>> {
        let (from, skip, wanted) = self.cover(offset, len)?;
        let size = window.len() as u64;
        let Some(window) = window.get_mut(..wanted) else {
            return Err(Error::OutOfRange {
                origin: self.data.origin().clone(),
                offset,
                len: len as u64,
                size,
            });
        };
        Ok(self.blocks(from, window, skip..skip + len)?.then_some(skip))
    }

    /// The stretch of whole blocks that covers `len` bytes at `offset`: where it starts in the
    /// file, how far before these bytes, and its length.
    pub(super) fn cover(&self, offset: u64, len: usize) -> Result<(u64, usize, usize)> {
        let (offset, _) = self.data.range(offset, len as u64)?;
        let unit = self.align.offset as u64;
        let at = self.start.saturating_add(offset);
        let from = at - at % unit;
        // Less than an alignment.
        let skip = (at - from) as usize;
        Ok((from, skip, (skip + len).next_multiple_of(self.align.offset)))
    }

    /// The least window for `len` bytes at `offset`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`].
    pub fn window_len(&self, offset: u64, len: usize) -> Result<usize> {
        self.cover(offset, len).map(|(_, _, wanted)| wanted)
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Fills all of `out` from `offset`; false, with `out` undefined, where the file system
    /// refuses. The window is as for [`Direct::fetch`].
    ///
    /// # Errors
    /// As [`Direct::fetch`].
    pub fn read(
        &self,
        offset: u64,
        out: &mut [MaybeUninit<u8>],
        window: &mut [MaybeUninit<u8>],
    ) -> Result<bool> {
        let (offset, _) = self.data.range(offset, out.len() as u64)?;
        // Wherever the parts happen to begin, which addresses decide.
        let as_asked = |error| match error {
            Error::Truncated {
                origin,
                expected,
                actual,
                ..
            } => Error::Truncated {
                origin,
                offset,
                expected,
                actual,
            },
            other => other,
        };
        self.in_parts(offset, out, window).map_err(as_asked)
    }

    fn in_parts(
        &self,
        offset: u64,
        out: &mut [MaybeUninit<u8>],
        window: &mut [MaybeUninit<u8>],
    ) -> Result<bool> {
        let head = self.head(offset, out);
        let (head, rest) = out.split_at_mut(head);
        if !self.through(offset, head, window)? {
            return Ok(false);
        }
        let offset = offset.saturating_add(head.len() as u64);
        let (body, tail) = rest.split_at_mut(rest.len() - rest.len() % self.align.offset);
        let whole = body.len();
        if whole > 0 && !self.blocks(self.start.saturating_add(offset), body, 0..whole)? {
            return Ok(false);
        }
        self.through(offset.saturating_add(whole as u64), tail, window)
    }

    /// How many bytes come before those that can be read in place: all, where no address in `out`
    /// fits the offset that goes there.
    fn head(&self, offset: u64, out: &[MaybeUninit<u8>]) -> usize {
        let at = self.start.saturating_add(offset);
        let unit = self.align.offset as u64;
        // Less than an alignment.
        let head = ((unit - at % unit) % unit) as usize;
        let address = out.as_ptr().addr().wrapping_add(head);
        let fits = address.is_multiple_of(self.align.memory) && out.len() >= head;
        let worth = out.len() >= head + self.align.offset;
        if fits && worth { head } else { out.len() }
    }

    /// Fills `out` by way of the window.
    fn through(
        &self,
        offset: u64,
        out: &mut [MaybeUninit<u8>],
        window: &mut [MaybeUninit<u8>],
    ) -> Result<bool> {
        let room = self.room_in(window.len()).max(1);
        let mut at = offset;
        for part in out.chunks_mut(room) {
            let Some(skip) = self.fetch(at, part.len(), window)? else {
                return Ok(false);
            };
            let fetched = window.get(skip..skip + part.len()).unwrap_or_default();
            part.copy_from_slice(fetched);
            at = at.saturating_add(part.len() as u64);
        }
        Ok(true)
    }

    /// Reads whole blocks at `from` of the file, of which the bytes `asked` must be there.
    fn blocks(&self, from: u64, out: &mut [MaybeUninit<u8>], asked: Range<usize>) -> Result<bool> {
        if self.refused.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let mut done = 0;
        while done < asked.end {
            let rest = out.get_mut(done..).unwrap_or_default();
            let at = from.saturating_add(done as u64);
            match os::read_at(&self.file, rest, at) {
                Ok(got) => {
                    done += got;
                    // The end of the file, which is no whole block.
                    if done < asked.end && (got == 0 || got % self.align.offset != 0) {
                        let first = from.saturating_add(asked.start as u64);
                        return Err(self.cut(first, from.saturating_add(done as u64)));
                    }
                }
                Err(error) if os::refuses_direct(&error) => {
                    let origin = self.data.origin();
                    log::info!("{origin}: direct reads are refused, reading as usual");
                    self.refused.store(true, Ordering::Relaxed);
                    return Ok(false);
                }
                Err(error) => {
                    let offset = at.saturating_sub(self.start);
                    let origin = self.data.origin();
                    return Err(Error::io_at("read directly", origin, offset)(error));
                }
            }
        }
        Ok(true)
    }

    fn cut(&self, from: u64, end: u64) -> Error {
        self.data.saw_end(end);
        self.data.truncated(from.saturating_sub(self.start), end)
    }
}
