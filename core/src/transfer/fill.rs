//! One thread's work: pieces read, made dense, converted.
//!
//! `tensor/extract.rs` does the same for one tensor; why there are two is said there.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::{Error, Result};
use super::files::{Fetched, File, Files, Window};
use super::job::{Job, Piece};
use crate::kernel::{Stores, copy};
use crate::map::BulkAllocator;
use crate::tensor::GAP;

/// Tensors up to this many bytes share a read with their neighbours.
const SMALL: u64 = 64 << 10;

/// Bytes of a map that are copied before the next look at whether to stop.
const MAP_STEP: u64 = 4 << 20;

/// What all threads of a load share.
pub(super) struct Work<'a> {
    pub(super) files: &'a Files,
    pub(super) jobs: &'a [Job],
    /// Whether to stop at once.
    pub(super) stop: &'a AtomicBool,
}

/// A thread at work.
pub(super) struct Hand<'a> {
    work: &'a Work<'a>,
    pub(super) window: Window,
    size: usize,
}

/// A place for the bytes of a piece, that threads may tell one another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(pub(super) *mut u8);

// SAFETY: only an address; whoever writes there says why it may.
unsafe impl Send for Place {}
// SAFETY: as for Send.
unsafe impl Sync for Place {}

impl<'a> Hand<'a> {
    pub(super) fn new(
        work: &'a Work<'a>,
        allocator: &Arc<dyn BulkAllocator>,
        size: usize,
    ) -> Hand<'a> {
        let window = Window::new(Arc::clone(allocator), work.files.window_align(), size);
        Hand { work, window, size }
    }

    /// Fills pieces that follow one another in the files; `places` has the start of every job's
    /// output.
    ///
    /// # Safety
    /// The outputs are writable, and nobody else reads or writes what these pieces become there.
    pub(super) unsafe fn fill_into(&mut self, pieces: &[Piece], places: &[Place]) -> Result<()> {
        let jobs = self.work.jobs;
        let place = |at: usize| {
            let piece = pieces.get(at).ok_or(Error::Internal("no such piece"))?;
            let (job, place) = (jobs.get(piece.job), places.get(piece.job));
            let (Some(job), Some(place)) = (job, place) else {
                return Err(Error::Internal("an item without a place"));
            };
            Ok(place.0.wrapping_add(job.place_of(piece) as usize))
        };
        // SAFETY: the caller's promise.
        unsafe { self.fill_all(pieces, &place) }
    }

    /// Fills pieces that follow one another in the files; `place` tells where each begins, by its
    /// number among them.
    ///
    /// # Safety
    /// These places are writable for what the pieces become, apart from one another, and nobody else
    /// reads or writes there.
    pub(super) unsafe fn fill_all(
        &mut self,
        pieces: &[Piece],
        place: &dyn Fn(usize) -> Result<*mut u8>,
    ) -> Result<()> {
        let mut at = 0;
        while let Some(rest) = pieces.get(at..).filter(|rest| !rest.is_empty()) {
            let (together, len) = self.neighbours(rest);
            let group = || (at..).zip(rest.iter().take(together));
            // Where one of them can't be read, each is read alone, to know which.
            // SAFETY: the caller's promise.
            if together < 2 || !unsafe { self.fill_together(group(), len, place) } {
                for (number, piece) in group() {
                    let to = place(number)?;
                    // SAFETY: the caller's promise.
                    unsafe { self.fill(piece, to) }?;
                }
            }
            at += together;
        }
        Ok(())
    }

    fn job(&self, piece: &Piece) -> Result<&'a Job> {
        let job = self.work.jobs.get(piece.job);
        job.ok_or(Error::Internal("a piece of no item"))
    }

    fn file(&self, job: &Job) -> Result<&'a File> {
        self.work.files.get(job.file)
    }

    /// How many of the first pieces are better read at once, and the bytes from the first one's
    /// start to the last one's end.
    fn neighbours(&self, pieces: &[Piece]) -> (usize, usize) {
        let mut count = 0;
        let (mut start, mut end) = (0, 0);
        let mut file = 0;
        for piece in pieces {
            let Ok(job) = self.job(piece) else { break };
            let Ok(of) = self.file(job) else { break };
            let bytes = job.bytes_in(piece.count);
            let offset = job.offset_of(piece.start);
            if !job.is_one_run() || bytes > SMALL || bytes == 0 {
                break;
            }
            if count == 0 {
                if of.from_map {
                    break;
                }
                (start, file) = (offset, job.file);
            } else {
                let gap = offset.checked_sub(end);
                let far = gap.is_none_or(|gap| gap > GAP);
                let span = offset.saturating_add(bytes).saturating_sub(start);
                let room = of.room_in(self.size) as u64;
                if far || job.file != file || span > room {
                    break;
                }
            }
            end = offset.saturating_add(bytes);
            count += 1;
        }
        (count.max(1), end.saturating_sub(start) as usize)
    }

    /// Fills pieces of one run each that span `len` bytes of one file; false where these can't be
    /// read.
    ///
    /// # Safety
    /// As [`Hand::fill_all`].
    unsafe fn fill_together<'p>(
        &mut self,
        pieces: impl Iterator<Item = (usize, &'p Piece)> + Clone,
        len: usize,
        place: &dyn Fn(usize) -> Result<*mut u8>,
    ) -> bool {
        let Some((_, first)) = pieces.clone().next() else {
            return true;
        };
        let Ok(job) = self.job(first) else {
            return false;
        };
        let Ok(file) = self.file(job) else {
            return false;
        };
        let start = job.offset_of(first.start);
        let Ok(bytes) = file.fetch(start, len, &mut self.window) else {
            return false;
        };
        for (number, piece) in pieces {
            let (Ok(job), Ok(to)) = (self.job(piece), place(number)) else {
                return false;
            };
            let from = bytes.wrapping_add((job.offset_of(piece.start) - start) as usize);
            // SAFETY: `neighbours` found that the piece lies in the bytes that were fetched; the
            // output is writable by the caller's promise.
            unsafe { turn(job, from, to, piece.count as usize) };
        }
        true
    }

    /// Fills one piece.
    ///
    /// # Safety
    /// `to` is writable for what the piece becomes, and nobody else reads or writes there.
    unsafe fn fill(&mut self, piece: &Piece, to: *mut u8) -> Result<()> {
        let job = self.job(piece)?;
        let file = self.file(job)?;
        let room = file.room_in(self.size) as u64;
        let run_bytes = job.bytes_in(job.run_units);
        let is_close = job.stride.saturating_sub(run_bytes) <= GAP;
        let (mut unit, end) = (piece.start, piece.start.saturating_add(piece.count));
        while unit < end {
            if self.work.stop.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            let at = to.wrapping_add(((unit - piece.start) as usize) * job.unit_out);
            let within = unit % job.run_units;
            let whole_runs = (end - unit) / job.run_units;
            let fit = room
                .checked_sub(run_bytes)
                .map_or(0, |rest| rest / job.stride.max(1) + 1);
            let runs = whole_runs.min(fit);
            if within == 0 && runs > 1 && is_close {
                // SAFETY: the caller's promise; these units lie in the piece.
                let done = unsafe { self.runs(job, file, unit, runs, at) };
                done.map_err(|wrong| wrong.with_item(job.item))?;
                unit += runs * job.run_units;
                continue;
            }
            let stretch = (job.run_units - within).min(end - unit);
            let step = step(job, file, room).min(stretch);
            // SAFETY: as above.
            let done = unsafe { self.stretch(job, file, unit, step, at) };
            done.map_err(|wrong| wrong.with_item(job.item))?;
            unit += step;
        }
        Ok(())
    }

    /// Units side by side.
    ///
    /// # Safety
    /// As [`Hand::fill`].
    unsafe fn stretch(
        &mut self,
        job: &Job,
        file: &File,
        unit: u64,
        count: u64,
        to: *mut u8,
    ) -> Fetched<()> {
        let (offset, bytes) = (job.offset_of(unit), job.bytes_in(count) as usize);
        if job.conversion.is_some() || file.from_map {
            let from = file.fetch(offset, bytes, &mut self.window)?;
            // SAFETY: these bytes were fetched; the output is writable by the caller's promise.
            unsafe { turn(job, from, to, count as usize) };
            return Ok(());
        }
        // SAFETY: writable and nobody else's by the caller's promise; bytes need neither alignment
        // nor initialisation.
        let out = unsafe { std::slice::from_raw_parts_mut(to.cast::<MaybeUninit<u8>>(), bytes) };
        file.read(offset, out, &mut self.window)
    }

    /// Whole runs, with what lies between them, which a window holds.
    ///
    /// # Safety
    /// As [`Hand::fill`].
    unsafe fn runs(
        &mut self,
        job: &Job,
        file: &File,
        unit: u64,
        runs: u64,
        to: *mut u8,
    ) -> Fetched<()> {
        let run_bytes = job.bytes_in(job.run_units) as usize;
        let stride = job.stride as usize;
        let span = (runs as usize - 1) * stride + run_bytes;
        let from = file.fetch(job.offset_of(unit), span, &mut self.window)?;
        if job.conversion.is_none() {
            // SAFETY: the span was fetched, and has every run; the output has room for them side
            // by side by the caller's promise.
            unsafe { gather_runs(from, to, run_bytes, stride, runs) };
            return Ok(());
        }
        let window: *mut u8 = self.window.memory()?.as_mut_ptr().cast();
        if file.from_map {
            // SAFETY: as above; the window has room for the span, so for its runs.
            unsafe { gather_runs(from, window, run_bytes, stride, runs) };
        } else {
            let skip = from.addr() - window.addr();
            // SAFETY: the span lies in the window from `skip` on.
            unsafe { close_up(window, skip, run_bytes, stride, runs as usize) };
        }
        // SAFETY: the runs' units lie side by side at the window's start; the output is writable
        // for them by the caller's promise.
        unsafe { turn(job, window, to, (runs * job.run_units) as usize) };
        Ok(())
    }
}

/// How many units side by side are worked on at once.
fn step(job: &Job, file: &File, room: u64) -> u64 {
    let bytes = match (file.from_map, job.conversion) {
        (true, _) => MAP_STEP,
        (false, Some(_)) => room,
        // To their place, however many.
        (false, None) => return u64::MAX,
    };
    (bytes / job.unit_in as u64).max(1)
}

/// Writes what units become.
///
/// # Safety
/// `from` is readable for `count` units and `to` writable for what they become; the two don't
/// overlap.
unsafe fn turn(job: &Job, from: *const u8, to: *mut u8, count: usize) {
    match &job.conversion {
        // SAFETY: the caller's promise.
        Some(conversion) => unsafe { conversion.run(from, to, count, job.stores) },
        // SAFETY: as above.
        None => unsafe { copy(from, to, count * job.unit_in, job.stores) },
    }
}

/// Copies runs of `bytes` bytes, `stride` apart, to where they lie side by side.
///
/// # Safety
/// The runs are readable, and `to` is writable for all of them; the two don't overlap.
unsafe fn gather_runs(from: *const u8, to: *mut u8, bytes: usize, stride: usize, runs: u64) {
    for run in 0..runs as usize {
        let (from, to) = (
            from.wrapping_add(run * stride),
            to.wrapping_add(run * bytes),
        );
        // SAFETY: the caller's promise.
        unsafe { copy(from, to, bytes, Stores::Cached) };
    }
}

/// Moves runs of `bytes` bytes, `stride` apart and the first one `skip` bytes behind `start`, so
/// that they lie side by side from `start` on.
///
/// # Safety
/// The memory from `start` to the last run's end is readable and writable.
unsafe fn close_up(start: *mut u8, skip: usize, bytes: usize, stride: usize, runs: usize) {
    for run in 0..runs {
        let from = start.wrapping_add(skip + run * stride);
        // SAFETY: the caller's promise; no run moves up, so none is written over before it moved.
        unsafe { from.copy_to(start.wrapping_add(run * bytes), bytes) };
    }
}
