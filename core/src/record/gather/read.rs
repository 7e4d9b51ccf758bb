//! Pieces read from files: neighbours by one read, many reads under way at once where they go past
//! the page cache.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use std::mem::{MaybeUninit, take};
use std::sync::Arc;

use super::fill::Fill;
use super::piece::{Piece, Target, put, sum};
use super::plan::{Kind, Plan};
use super::sight::Way;
use crate::kernel::Stores;
use crate::map::{self, Direct, Wanted};
use crate::record::error::{Error, Result};

/// Bytes between two pieces that are read along with them: less than a page, so that no page is
/// read that wasn't announced, and no more than another read would cost.
const GAP: u64 = 2 << 10;

/// Bytes that are read at once where they go to their places from a window.
const WINDOW: usize = 256 << 10;

/// The windows of all direct reads under way.
const ARENA: usize = 4 << 20;

/// Pieces that are read at once.
struct Group<'p, 'a> {
    pieces: &'p [Piece<'a>],
    at: u64,
    len: usize,
    /// They lie in the file as in the output, and go there as they are.
    is_straight: bool,
}

impl<'a> Fill<'a, '_> {
    /// Reads pieces, in any order.
    pub(super) fn put_read(
        &mut self,
        plans: &[Plan],
        targets: &mut [Target<'_>],
        pieces: &mut [Piece<'a>],
        faults: &mut Vec<(usize, Error)>,
    ) -> Result<()> {
        pieces.sort_unstable_by_key(|piece| (piece.spot.shard, piece.at, piece.row, piece.column));
        self.count(pieces);
        for pieces in pieces.chunk_by(|one, next| one.spot.shard == next.spot.shard) {
            let Some(first) = pieces.first() else {
                continue;
            };
            let direct = match self.way {
                Way::Direct => {
                    self.scratch
                        .direct(self.reader.tools(), first.spot.shard, first.data())
                }
                _ => None,
            };
            match direct {
                Some(direct) => self.directly(&direct, plans, targets, pieces, faults)?,
                None => self.plainly(plans, targets, pieces, faults)?,
            }
        }
        Ok(())
    }

    /// Pieces of one file, by pread.
    fn plainly(
        &mut self,
        plans: &[Plan],
        targets: &mut [Target<'_>],
        pieces: &[Piece<'a>],
        faults: &mut Vec<(usize, Error)>,
    ) -> Result<()> {
        let (mut groups, mut rest) = (Vec::with_capacity(pieces.len()), pieces);
        while let Some(group) = next_group(plans, rest, WINDOW, true) {
            rest = rest.get(group.pieces.len()..).unwrap_or_default();
            groups.push(group);
        }
        // What the disk was asked for last comes last: once that is there, nothing else is waited
        // for.
        if self.ahead.is_on() {
            groups.reverse();
        }
        for group in groups {
            // Where one of them can't be read, each is read alone, to know which.
            if group.pieces.len() > 1 && !self.read_together(plans, targets, &group, faults)? {
                for piece in group.pieces {
                    self.read_alone(None, plans, targets, piece, faults)?;
                }
            } else if let [piece] = group.pieces {
                self.read_alone(None, plans, targets, piece, faults)?;
            }
        }
        Ok(())
    }

    /// False where it can't be read.
    fn read_together(
        &mut self,
        plans: &[Plan],
        targets: &mut [Target<'_>],
        group: &Group<'_, 'a>,
        faults: &mut Vec<(usize, Error)>,
    ) -> Result<bool> {
        let (Some(first), Some(last)) = (group.pieces.first(), group.pieces.last()) else {
            return Ok(true);
        };
        if group.is_straight {
            let (Some(plan), Some(target)) =
                (plans.get(first.column), targets.get_mut(first.column))
            else {
                return Ok(false);
            };
            let out = target.slots(plan, first.row..last.row.saturating_add(1));
            if out.len() != group.len || first.data().read(group.at, out).is_err() {
                return Ok(false);
            }
            for (piece, copy) in group
                .pieces
                .iter()
                .zip(out.chunks_exact(first.bytes.max(1)))
            {
                if piece.crc.is_some_and(|crc| crc != sum(0, copy)) {
                    faults.push((piece.row, self.wrong_piece(plan, piece)));
                }
            }
            self.count_read(group.len);
            return Ok(true);
        }
        let (window, _) = self.scratch.window(group.len, 1)?;
        if first.data().read(group.at, window).is_err() {
            return Ok(false);
        }
        let window: &[MaybeUninit<u8>] = window;
        for piece in group.pieces {
            let (Some(plan), Some(target)) =
                (plans.get(piece.column), targets.get_mut(piece.column))
            else {
                continue;
            };
            if !deliver(plan, target, piece, part_of(group.at, window, piece)) {
                let error = self
                    .reader
                    .of_set(piece.spot.shard, piece.spot.wrong_sum(plan.field, piece.at));
                faults.push((piece.row, error));
            }
        }
        self.count_read(group.len);
        Ok(true)
    }

    /// A piece by itself, however large.
    fn read_alone(
        &mut self,
        direct: Option<&Direct>,
        plans: &[Plan],
        targets: &mut [Target<'_>],
        piece: &Piece<'a>,
        faults: &mut Vec<(usize, Error)>,
    ) -> Result<()> {
        let (Some(plan), Some(target)) = (plans.get(piece.column), targets.get_mut(piece.column))
        else {
            return Ok(());
        };
        let read = if plan.conversion.is_none() && piece.take == piece.bytes {
            self.read_to_place(direct, plan, target, piece)
        } else {
            self.through_window(direct, plan, target, piece)
        };
        match read {
            Ok(crc) => {
                if piece.crc.is_some_and(|own| own != crc) {
                    faults.push((piece.row, self.wrong_piece(plan, piece)));
                }
            }
            Err(error @ map::Error::OutOfMemory { .. }) => return Err(error.into()),
            Err(error) => {
                let error = self.reader.of_set(piece.spot.shard, error.into());
                faults.push((piece.row, error));
            }
        }
        Ok(())
    }

    /// The checksum, where there is one to compare it with.
    fn read_to_place(
        &mut self,
        direct: Option<&Direct>,
        plan: &Plan,
        target: &mut Target<'_>,
        piece: &Piece<'a>,
    ) -> map::Result<u32> {
        let slot = target.slot(plan, piece.row);
        if piece.bytes > slot.len() {
            // Never, as in `put`.
            debug_assert!(false, "{} bytes for a place of {}", piece.bytes, slot.len());
            slot.fill(MaybeUninit::new(0));
            return Ok(0);
        }
        let (own, rest) = slot.split_at_mut(piece.bytes);
        let is_read = match direct {
            Some(direct) => {
                let (window, _) = self.scratch.window(WINDOW, direct.window_align())?;
                direct.read(piece.at, own, window)?
            }
            None => false,
        };
        if !is_read {
            piece.data().read(piece.at, own)?;
        }
        rest.fill(MaybeUninit::new(0));
        let crc = piece.crc.map_or(0, |_| sum(0, own));
        self.count_read(piece.bytes);
        Ok(crc)
    }

    /// As [`Fill::read_to_place`], where what is read isn't what is wanted.
    fn through_window(
        &mut self,
        direct: Option<&Direct>,
        plan: &Plan,
        target: &mut Target<'_>,
        piece: &Piece<'a>,
    ) -> map::Result<u32> {
        let align = direct.map_or(1, Direct::window_align);
        let stores = target.stores;
        let mut rest = target.slot(plan, piece.row);
        let (mut crc, mut done) = (0, 0usize);
        let (window, _) = self.scratch.window(WINDOW, align)?;
        let room = direct.map_or(WINDOW, |direct| direct.room_in(WINDOW));
        let units = room.checked_div(plan.unit).unwrap_or(0).max(1);
        let most = units.saturating_mul(plan.unit);
        while done < piece.bytes {
            let len = most.min(piece.bytes.saturating_sub(done));
            let at = piece.at.saturating_add(done as u64);
            let skip = match direct {
                Some(direct) => direct.fetch(at, len, window)?,
                None => None,
            };
            let skip = match skip {
                Some(skip) => skip,
                None => {
                    piece
                        .data()
                        .read(at, window.get_mut(..len).unwrap_or_default())?;
                    0
                }
            };
            let part = window.get(skip..).and_then(|window| window.get(..len));
            let part = part.unwrap_or_default();
            if piece.crc.is_some() {
                crc = sum(crc, part);
            }
            let taken = part.len().min(piece.take.saturating_sub(done));
            let became = usize::try_from(plan.bytes_out(taken as u64)).unwrap_or(usize::MAX);
            if became > rest.len() {
                // Never, as in `put`; the zeros below.
                debug_assert!(false, "{became} bytes for a place of {}", rest.len());
                break;
            }
            let (own, after) = take(&mut rest).split_at_mut(became);
            // SAFETY: the part was read just now, and has `taken` bytes; the slot is no part of
            // the window.
            unsafe { put(plan, part.as_ptr().cast(), taken, own, stores) };
            rest = after;
            done = done.saturating_add(len);
        }
        rest.fill(MaybeUninit::new(0));
        self.count_read(piece.bytes);
        Ok(crc)
    }

    /// Pieces of one file, past the page cache.
    fn directly(
        &mut self,
        direct: &Arc<Direct>,
        plans: &[Plan],
        targets: &mut [Target<'_>],
        pieces: &[Piece<'a>],
        faults: &mut Vec<(usize, Error)>,
    ) -> Result<()> {
        let room = direct.room_in(WINDOW);
        let mut alone = Vec::new();
        let mut rest = pieces;
        while !rest.is_empty() {
            let mut groups = Vec::new();
            let mut room_left = ARENA;
            while let Some(group) = next_group(plans, rest, room, false) {
                let size = direct.window_len(group.at, group.len).unwrap_or(usize::MAX);
                let is_large = group.len > room || size > ARENA;
                if !is_large && size > room_left {
                    break;
                }
                rest = rest.get(group.pieces.len()..).unwrap_or_default();
                if is_large {
                    alone.extend(group.pieces);
                } else {
                    room_left = room_left.saturating_sub(size);
                    groups.push((group, size));
                }
            }
            self.at_once(direct, plans, targets, &groups, faults, &mut alone)?;
        }
        for piece in alone {
            self.read_alone(Some(direct), plans, targets, piece, faults)?;
        }
        Ok(())
    }

    /// Groups whose windows fit into the arena; pieces that can't be read so are put to `alone`.
    fn at_once<'p>(
        &mut self,
        direct: &Direct,
        plans: &[Plan],
        targets: &mut [Target<'_>],
        groups: &[(Group<'p, 'a>, usize)],
        faults: &mut Vec<(usize, Error)>,
        alone: &mut Vec<&'p Piece<'a>>,
    ) -> Result<()> {
        let (mut arena, flights) = self.scratch.window(ARENA, direct.window_align())?;
        let mut wanted = Vec::with_capacity(groups.len());
        for (group, size) in groups {
            let Some((window, rest)) = arena.split_at_mut_checked(*size) else {
                break;
            };
            arena = rest;
            wanted.push(Wanted {
                offset: group.at,
                len: group.len,
                window,
            });
        }
        for (group, _) in groups.iter().skip(wanted.len()) {
            alone.extend(group.pieces);
        }
        let (reader, mut bytes, mut reads) = (self.reader, 0u64, 0u64);
        direct.fetch_each(flights, &mut wanted, &mut |number, fetched, window| {
            let Some((group, size)) = groups.get(number) else {
                return;
            };
            let Ok(Some(skip)) = fetched else {
                alone.extend(group.pieces);
                return;
            };
            bytes = bytes.saturating_add(*size as u64);
            reads = reads.saturating_add(1);
            let window = window.get(skip..).unwrap_or_default();
            for piece in group.pieces {
                let (Some(plan), Some(target)) =
                    (plans.get(piece.column), targets.get_mut(piece.column))
                else {
                    continue;
                };
                if !deliver(plan, target, piece, part_of(group.at, window, piece)) {
                    let error =
                        reader.of_set(piece.spot.shard, piece.spot.wrong_sum(plan.field, piece.at));
                    faults.push((piece.row, error));
                }
            }
        });
        self.counts.bytes_read = self.counts.bytes_read.saturating_add(bytes);
        self.counts.reads = self.counts.reads.saturating_add(reads);
        Ok(())
    }

    fn count_read(&mut self, bytes: usize) {
        self.counts.bytes_read = self.counts.bytes_read.saturating_add(bytes as u64);
        self.counts.reads = self.counts.reads.saturating_add(1);
    }
}

/// The pieces from the first on that are read at once, in at most `most` bytes unless one alone is
/// longer. Straight ones may be longer, too.
fn next_group<'p, 'a>(
    plans: &[Plan],
    pieces: &'p [Piece<'a>],
    most: usize,
    may_be_straight: bool,
) -> Option<Group<'p, 'a>> {
    let first = pieces.first()?;
    let end_of = |piece: &Piece<'_>| piece.at.saturating_add(piece.bytes as u64);
    let goes_as_it_is = |piece: &Piece<'_>| {
        plans.get(piece.column).is_some_and(|plan| {
            plan.conversion.is_none() && matches!(plan.kind, Kind::Fixed(_)) && piece.bytes > 0
        })
    };
    let mut is_straight = may_be_straight && goes_as_it_is(first);
    let (mut end, mut count, mut last) = (end_of(first), 1usize, first);
    for piece in pieces.iter().skip(1) {
        let follows = piece.at == end
            && piece.column == last.column
            && piece.row == last.row.saturating_add(1)
            && piece.bytes == last.bytes;
        let new_end = end.max(end_of(piece));
        let fits = new_end.saturating_sub(first.at) <= most as u64;
        if is_straight && follows {
            // As it is.
        } else if fits && piece.at.saturating_sub(end) <= GAP {
            is_straight = false;
        } else {
            break;
        }
        (end, last) = (new_end, piece);
        count = count.saturating_add(1);
    }
    let len = usize::try_from(end.saturating_sub(first.at)).unwrap_or(usize::MAX);
    Some(Group {
        pieces: pieces.get(..count)?,
        at: first.at,
        len,
        is_straight: is_straight && count > 1,
    })
}

/// A piece's bytes in those that were read from `at` on.
fn part_of<'w>(
    at: u64,
    window: &'w [MaybeUninit<u8>],
    piece: &Piece<'_>,
) -> Option<&'w [MaybeUninit<u8>]> {
    let skip = usize::try_from(piece.at.checked_sub(at)?).ok()?;
    window.get(skip..)?.get(..piece.bytes)
}

/// Puts a piece's bytes that were read, and stay as they are, to their place; false where they have
/// another checksum.
fn deliver(
    plan: &Plan,
    target: &mut Target<'_>,
    piece: &Piece<'_>,
    bytes: Option<&[MaybeUninit<u8>]>,
) -> bool {
    let Some(bytes) = bytes else {
        return false;
    };
    if piece.crc.is_some_and(|crc| crc != sum(0, bytes)) {
        return false;
    }
    let slot = target.slot(plan, piece.row);
    // SAFETY: the callers read these bytes, of which `take` is at most all; the slot is no part of
    // a window.
    unsafe {
        put(
            plan,
            bytes.as_ptr().cast(),
            piece.take,
            slot,
            Stores::Cached,
        )
    };
    true
}
