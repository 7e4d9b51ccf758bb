//! A field of a record on its way to its place.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::Arc;

use super::locate::{Found, Spot};
use super::options::Out;
use super::plan::{Kind, Plan};
use crate::kernel::{self, Stores};
use crate::map::{Data, Fetch};
use crate::record::error::{Error, Result};

/// A field of a record, and where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) spot: Spot<'a>,
    pub(super) at: u64,
    pub(super) bytes: usize,
    /// How many of them are wanted.
    pub(super) take: usize,
    /// What their checksum must be; none where it isn't compared.
    pub(super) crc: Option<u32>,
}

impl<'a> Piece<'a> {
    #[inline]
    pub(super) fn data(&self) -> &'a Arc<Data> {
        self.spot.data()
    }
}

/// Where a column goes.
pub(super) struct Target<'a> {
    out: &'a mut [MaybeUninit<u8>],
    places: Places<'a>,
    pub(super) stores: Stores,
}

enum Places<'a> {
    /// So many bytes each.
    Rooms(usize),
    /// As [`Places::Rooms`], and how much of each is a record's.
    Lengths(usize, &'a mut [u64]),
    /// From here to there, in elements.
    Offsets(&'a [u64]),
}

impl<'a> Target<'a> {
    pub(super) fn new(out: &'a mut Out<'_>, plan: &Plan, rows: usize) -> Result<Target<'a>> {
        let count = rows as u64;
        let room = |bytes: u64| {
            let bytes = plan.bytes_out(bytes);
            let each = usize::try_from(bytes).unwrap_or(usize::MAX);
            (each, bytes.saturating_mul(count))
        };
        let (out, places, needed) = match (out, plan.kind) {
            (Out::Packed { offsets, room }, _) => {
                let end = offsets.get(rows).copied().unwrap_or(0);
                let needed = plan.bytes_of_elements(end);
                (room.room(needed)?, Places::Offsets(offsets), needed)
            }
            (Out::Fixed(out), Kind::Fixed(alike)) => {
                let (each, needed) = room(alike.bytes);
                (&mut **out, Places::Rooms(each), needed)
            }
            (Out::Padded { lengths, out, .. }, Kind::Padded { room: alike, .. }) => {
                let (each, needed) = room(alike.bytes);
                if !lengths.is_empty() && lengths.len() < rows {
                    return Err(Error::SmallBuffer {
                        needed: count.saturating_mul(8),
                        given: (lengths.len() as u64).saturating_mul(8),
                    });
                }
                (&mut **out, Places::Lengths(each, lengths), needed)
            }
            (Out::Fixed(out) | Out::Padded { out, .. }, _) => {
                (&mut **out, Places::Rooms(0), u64::MAX)
            }
        };
        let given = out.len() as u64;
        let fits = usize::try_from(needed)
            .ok()
            .and_then(|needed| out.get_mut(..needed));
        let out = fits.ok_or(Error::SmallBuffer { needed, given })?;
        let stores = Stores::Auto.over(out.len());
        Ok(Target {
            out,
            places,
            stores,
        })
    }

    /// The bytes of a row's place.
    #[inline]
    pub(super) fn range(&self, plan: &Plan, row: usize) -> Range<usize> {
        match &self.places {
            Places::Rooms(each) | Places::Lengths(each, _) => {
                let start = row.saturating_mul(*each);
                start..start.saturating_add(*each)
            }
            Places::Offsets(offsets) => {
                let place = |row: usize| {
                    let elements = offsets.get(row).copied().unwrap_or(0);
                    usize::try_from(plan.bytes_of_elements(elements)).unwrap_or(usize::MAX)
                };
                place(row)..place(row.saturating_add(1))
            }
        }
    }

    #[inline]
    pub(super) fn slot(&mut self, plan: &Plan, row: usize) -> &mut [MaybeUninit<u8>] {
        let range = self.range(plan, row);
        self.out.get_mut(range).unwrap_or_default()
    }

    /// The places of several rows that follow one another.
    #[inline]
    pub(super) fn slots(&mut self, plan: &Plan, rows: Range<usize>) -> &mut [MaybeUninit<u8>] {
        let start = self.range(plan, rows.start).start;
        let end = self.range(plan, rows.end.saturating_sub(1)).end;
        self.out.get_mut(start..end).unwrap_or_default()
    }

    /// Zeros for a row.
    pub(super) fn mask(&mut self, plan: &Plan, row: usize) {
        self.slot(plan, row).fill(MaybeUninit::new(0));
        self.set_length(row, 0);
    }

    fn set_length(&mut self, row: usize, length: u64) {
        if let Places::Lengths(_, lengths) = &mut self.places
            && let Some(own) = lengths.get_mut(row)
        {
            *own = length;
        }
    }

    /// Finds a record's field, which must fit its place.
    #[inline]
    pub(super) fn locate<'s>(
        &mut self,
        plan: &Plan,
        spot: &Spot<'s>,
        from: &mut impl Fetch,
        (row, column): (usize, usize),
        check: bool,
    ) -> Result<Piece<'s>> {
        let (at, bytes, take) = match &plan.kind {
            Kind::Fixed(alike) => {
                let at = spot.find_alike(from, plan.field, alike)?;
                (at, alike.bytes, alike.bytes)
            }
            Kind::Packed => {
                let found = spot.find(from, plan.field)?;
                let room = self.range(plan, row).len() as u64;
                if plan.bytes_out(found.bytes) != room || found.dtype != plan.dtype {
                    return Err(changed(spot, &found));
                }
                (found.at, found.bytes, found.bytes)
            }
            Kind::Padded { room, step, cut } => {
                let found = spot.find(from, plan.field)?;
                let (length, size) = plan.padded_length(spot, &found, room)?;
                if length > size && !cut {
                    return Err(Error::TooLong {
                        origin: spot.data().origin().clone(),
                        index: spot.index,
                        field: plan.field,
                        size: length,
                        most: size,
                    });
                }
                let length = length.min(size);
                self.set_length(row, length);
                (found.at, found.bytes, length.saturating_mul(*step))
            }
        };
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Ok(Piece {
            row,
            column,
            spot: *spot,
            at,
            bytes: size(bytes),
            take: size(take).min(size(bytes)),
            crc: if check {
                spot.crc(from, plan.field)?
            } else {
                None
            },
        })
    }
}

#[cold]
fn changed(spot: &Spot<'_>, found: &Found) -> Error {
    Error::Malformed {
        origin: spot.data().origin().clone(),
        offset: found.at,
        index: Some(spot.index),
        why: "its size or dtype is another than when it was looked at before".to_owned(),
    }
}

/// Writes what bytes in memory become, and zeros behind that.
///
/// # Safety
/// `from` is readable for `take` bytes and doesn't overlap the slot.
pub(super) unsafe fn put(
    plan: &Plan,
    from: *const u8,
    take: usize,
    slot: &mut [MaybeUninit<u8>],
    stores: Stores,
) {
    let units = take.checked_div(plan.unit).unwrap_or(0);
    let bytes = units.saturating_mul(plan.unit_out);
    if bytes > slot.len() {
        // The plan and the target agree, so that this is never so; what is told to be filled is.
        debug_assert!(false, "{bytes} bytes for a place of {}", slot.len());
        slot.fill(MaybeUninit::new(0));
        return;
    }
    let (own, rest) = slot.split_at_mut(bytes);
    let to = own.as_mut_ptr().cast();
    match &plan.conversion {
        // SAFETY: the caller's promise; the slot has room for what the units become, which are as
        // many bytes as they have.
        None => unsafe { kernel::copy(from, to, bytes, stores) },
        // SAFETY: as above, for what they become.
        Some(conversion) => unsafe { conversion.run(from, to, units, stores) },
    }
    if !rest.is_empty() {
        rest.fill(MaybeUninit::new(0));
    }
}

/// The checksum of bytes that were copied.
#[inline]
pub(super) fn sum(seed: u32, copy: &[MaybeUninit<u8>]) -> u32 {
    // SAFETY: readable, as a slice is; the callers wrote them all.
    unsafe { kernel::crc32c(seed, copy.as_ptr().cast(), copy.len()) }
}
