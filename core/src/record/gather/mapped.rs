//! Pieces copied from maps.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use std::mem::{MaybeUninit, take};
use std::ptr;

use super::fill::Fill;
use super::locate::{Alike, Spot};
use super::piece::{Piece, Target, put, sum};
use super::plan::Plan;
use crate::kernel::{self, Stores};
use crate::map::{self, Mapped};
use crate::record::error::{Error, Result};

/// Rows that are copied together before their checksums are compared, while they are near.
const ROWS: usize = 256;

/// Bytes of rows that are copied together where their checksums are compared.
const NEAR: usize = 1 << 20;

/// Bytes that are copied aside before they are checked and converted.
const ASIDE: usize = 16 << 10;

impl<'a> Fill<'a, '_> {
    /// Copies the field that all records have alike, of at most [`ROWS`] records from row `from`
    /// on, to places side by side.
    pub(super) fn gather(
        &mut self,
        plan: &Plan,
        alike: &Alike,
        target: &mut Target<'_>,
        (from, spots): (usize, &[Option<Spot<'a>>]),
        is_checked: bool,
        faults: &mut Vec<(usize, Error)>,
    ) -> Result<()> {
        let mut run = Run {
            first: from,
            count: 0,
            starts: [ptr::null(); ROWS],
            sums: [0; ROWS],
        };
        let bytes = usize::try_from(alike.bytes).unwrap_or(usize::MAX);
        let near = NEAR.checked_div(bytes).unwrap_or(ROWS).clamp(8, ROWS);
        let most = if is_checked { near } else { ROWS };
        for (row, spot) in (from..).zip(spots) {
            let Some(spot) = spot else {
                // Zeros stand there, or nothing yet.
                run = self.gather_run(plan, target, bytes, is_checked, run, faults)?;
                run.first = row.saturating_add(1);
                continue;
            };
            match place_of(spot, plan, alike, is_checked) {
                Ok((start, sum)) => run.push(start, sum),
                Err(error) => {
                    faults.push((row, self.reader.of_set(spot.shard, error)));
                    run = self.gather_run(plan, target, bytes, is_checked, run, faults)?;
                    run.first = row.saturating_add(1);
                    continue;
                }
            }
            if run.count == most {
                run = self.gather_run(plan, target, bytes, is_checked, run, faults)?;
            }
        }
        self.gather_run(plan, target, bytes, is_checked, run, faults)?;
        Ok(())
    }

    /// Copies a run of rows, and gives the empty one that follows.
    fn gather_run(
        &mut self,
        plan: &Plan,
        target: &mut Target<'_>,
        bytes: usize,
        is_checked: bool,
        mut run: Run,
        faults: &mut Vec<(usize, Error)>,
    ) -> Result<Run> {
        let (first, end) = (run.first, run.first.saturating_add(run.count));
        let starts = run.starts.iter().copied().take(run.count);
        let room = bytes_out(plan, bytes).saturating_mul(run.count);
        run.first = end;
        if room == 0 {
            run.count = 0;
            return Ok(run);
        }
        // What is compared at once had better be in the caches.
        let stores = if is_checked {
            Stores::Cached
        } else {
            target.stores
        };
        let out = target.slots(plan, first..end);
        if out.len() != room {
            let (needed, given) = (room as u64, out.len() as u64);
            return Err(Error::SmallBuffer { needed, given });
        }
        let to = out.as_mut_ptr().cast();
        match &plan.conversion {
            // SAFETY: each row was found to lie in its map, which the reader keeps, with so many
            // bytes. `out` has room for them, by the comparison above, and is nobody else's, so
            // not mapped.
            None => unsafe { kernel::gather(starts, bytes, to, stores) },
            Some(conversion) => {
                let units = bytes.checked_div(plan.unit).unwrap_or(0);
                // SAFETY: as above; a row's units have its bytes, and `out` room for what they
                // become.
                unsafe { kernel::gather_converted(starts, conversion, units, to, stores) };
            }
        }
        let copied = (bytes as u64).saturating_mul(run.count as u64);
        self.counts.bytes = self.counts.bytes.saturating_add(copied);
        if is_checked {
            self.counts.bytes_checked = self.counts.bytes_checked.saturating_add(copied);
            let copies = out.chunks_exact(bytes).zip(run.sums);
            for (row, (copy, own)) in (first..).zip(copies) {
                if sum(0, copy) != own {
                    faults.push((row, self.sum_fault(plan, row)?));
                }
            }
        }
        run.count = 0;
        Ok(run)
    }

    /// What is told of a row whose copy has another checksum.
    #[cold]
    fn sum_fault(&self, plan: &Plan, row: usize) -> Result<Error> {
        let spot = self.reader.spot(self.rows.record(row).unwrap_or(0))?;
        let found = spot.find(&mut Mapped::new(spot.data()), plan.field)?;
        let error = spot.wrong_sum(plan.field, found.at);
        Ok(self.reader.of_set(spot.shard, error))
    }

    /// Records of any sizes.
    pub(super) fn one_by_one(
        &mut self,
        plan: &Plan,
        target: &mut Target<'_>,
        pieces: &[Piece<'a>],
        faults: &mut Vec<(usize, Error)>,
    ) -> Result<()> {
        let mut next = pieces.iter().skip(NEXT);
        for piece in pieces {
            if let Some(next) = next.next() {
                for line in 0..LINES_AHEAD {
                    let at = next.at.saturating_add(line.saturating_mul(64));
                    next.data().region().prefetch(at);
                }
            }
            let from = start_of(piece)?;
            let stores = target.stores;
            let slot = target.slot(plan, piece.row);
            let is_sound = match piece.crc {
                None => {
                    // SAFETY: the piece was found to lie in its map, which the reader keeps; the
                    // slot is nobody else's.
                    unsafe { put(plan, from, piece.take, slot, stores) };
                    true
                }
                Some(crc) if plan.conversion.is_none() && piece.take == piece.bytes => {
                    // SAFETY: as above.
                    unsafe { put(plan, from, piece.take, slot, Stores::Cached) };
                    sum(0, slot.get(..piece.take).unwrap_or_default()) == crc
                }
                Some(crc) => {
                    // SAFETY: as above.
                    let own = unsafe { aside(plan, piece, from, slot, stores) };
                    own == crc
                }
            };
            if !is_sound {
                faults.push((piece.row, self.wrong_piece(plan, piece)));
            }
        }
        self.count(pieces);
        Ok(())
    }

    /// What is told of a piece whose copy has another checksum.
    #[cold]
    pub(super) fn wrong_piece(&self, plan: &Plan, piece: &Piece<'_>) -> Error {
        let error = piece.spot.wrong_sum(plan.field, piece.at);
        self.reader.of_set(piece.spot.shard, error)
    }

    pub(super) fn count(&mut self, pieces: &[Piece<'_>]) {
        for piece in pieces {
            let bytes = piece.bytes as u64;
            self.counts.bytes = self.counts.bytes.saturating_add(bytes);
            if piece.crc.is_some() {
                self.counts.bytes_checked = self.counts.bytes_checked.saturating_add(bytes);
            }
        }
    }
}

/// How many records ahead their first lines are fetched, and how many lines.
const NEXT: usize = 3;
const LINES_AHEAD: u64 = 8;

fn bytes_out(plan: &Plan, bytes: usize) -> usize {
    usize::try_from(plan.bytes_out(bytes as u64)).unwrap_or(usize::MAX)
}

/// Rows side by side in the output that are found.
struct Run {
    first: usize,
    count: usize,
    starts: [*const u8; ROWS],
    sums: [u32; ROWS],
}

impl Run {
    #[inline]
    fn push(&mut self, start: *const u8, sum: u32) {
        if let (Some(own), Some(own_sum)) = (
            self.starts.get_mut(self.count),
            self.sums.get_mut(self.count),
        ) {
            (*own, *own_sum) = (start, sum);
            self.count = self.count.saturating_add(1);
        }
    }
}

/// Where a record's field starts in memory, and its checksum where that is wanted.
#[inline]
fn place_of(
    spot: &Spot<'_>,
    plan: &Plan,
    alike: &Alike,
    is_checked: bool,
) -> Result<(*const u8, u32)> {
    let from = &mut Mapped::new(spot.data());
    let at = spot.find_alike(from, plan.field, alike)?;
    let region = from.region().slice(at, alike.bytes);
    let start = region
        .ok_or_else(|| outside(spot, at, alike.bytes))?
        .as_ptr();
    let sum = if is_checked {
        spot.crc(from, plan.field)?.unwrap_or(0)
    } else {
        0
    };
    Ok((start, sum))
}

#[cold]
fn outside(spot: &Spot<'_>, offset: u64, len: u64) -> map::Error {
    let data = spot.data();
    map::Error::OutOfRange {
        origin: data.origin().clone(),
        offset,
        len,
        size: data.len(),
    }
}

/// Where a piece starts in its map, all of which was found to lie in it.
fn start_of(piece: &Piece<'_>) -> Result<*const u8> {
    let data = piece.data();
    let len = piece.bytes as u64;
    let region = data.region().slice(piece.at, len);
    let region = region.ok_or_else(|| outside(&piece.spot, piece.at, len))?;
    Ok(region.as_ptr())
}

/// Copies all of a piece aside, bit by bit, and puts what is wanted into the slot from there: what
/// is compared is what is used, whoever writes to the file meanwhile. The checksum.
///
/// # Safety
/// The piece's bytes are readable at `from`, and don't overlap the slot.
unsafe fn aside(
    plan: &Plan,
    piece: &Piece<'_>,
    from: *const u8,
    slot: &mut [MaybeUninit<u8>],
    stores: Stores,
) -> u32 {
    let mut room = [MaybeUninit::uninit(); ASIDE];
    let most = ASIDE
        .checked_div(plan.unit)
        .unwrap_or(0)
        .max(1)
        .saturating_mul(plan.unit);
    let (mut crc, mut done, mut rest) = (0, 0usize, slot);
    while done < piece.bytes {
        let part = most.min(piece.bytes.saturating_sub(done));
        let Some(room) = room.get_mut(..part) else {
            break;
        };
        let from = from.wrapping_add(done);
        let to = room.as_mut_ptr().cast();
        // SAFETY: these bytes of the piece are readable by the caller's promise; so many have room.
        unsafe { kernel::copy(from, to, part, Stores::Cached) };
        crc = sum(crc, room);
        let taken = part.min(piece.take.saturating_sub(done));
        let became = bytes_out(plan, taken);
        if became > rest.len() {
            // Never, as in `put`; the zeros below.
            debug_assert!(false, "{became} bytes for a place of {}", rest.len());
            break;
        }
        let (own, after) = take(&mut rest).split_at_mut(became);
        // SAFETY: the room has these bytes, and is no part of the slot.
        unsafe { put(plan, room.as_ptr().cast(), taken, own, stores) };
        rest = after;
        done = done.saturating_add(part);
    }
    rest.fill(MaybeUninit::new(0));
    crc
}
