//! What a source fills of a column: room of a known size, or room that grows.

use std::cell::Cell;
use std::mem::MaybeUninit;

use super::columns::{ALIGN, Store};
use super::error::{Error, Result};
use super::fields::{ColumnPlan, Layout};
use super::memory::Memory;
use crate::map::{HeapBytes, Origin};
use crate::record::{self, Out, Room};

/// A packed column's memory while it is filled.
pub(super) struct Packing<'a> {
    heap: &'a mut HeapBytes,
    memory: &'a Memory,
    /// The bytes of all of the batch's columns.
    all: &'a Cell<usize>,
    failed: Option<Error>,
}

impl Packing<'_> {
    /// Makes room for half as much again as there was, where the budget has that.
    fn make_room(&mut self, bytes: usize) -> Result<()> {
        let had = self.heap.capacity();
        if bytes <= had {
            return Ok(());
        }
        let others = self.all.get().saturating_sub(had) as u64;
        let most = self.memory.most_each.saturating_sub(others);
        if bytes as u64 > most {
            let slots = self.memory.budget / self.memory.most_each.max(1);
            return Err(Error::Budget {
                budget: self.memory.budget,
                needed: (bytes as u64).saturating_add(others).saturating_mul(slots),
                what: "with a batch of this size all together need",
            });
        }
        let more = had.saturating_add(had / 2).checked_next_multiple_of(ALIGN);
        let wanted = more.unwrap_or(bytes).max(bytes);
        let wanted = usize::try_from(most).unwrap_or(usize::MAX).min(wanted);
        let grown = self.heap.grow(wanted, &Origin::Memory);
        grown.map_err(|_| Error::no_memory(wanted, "a batch"))?;
        let now = self.heap.capacity();
        self.all
            .set(self.all.get().saturating_sub(had).saturating_add(now));
        self.memory.add(now);
        self.memory.give_back(had);
        Ok(())
    }
}

impl Room for Packing<'_> {
    fn room(&mut self, bytes: u64) -> record::Result<&mut [MaybeUninit<u8>]> {
        let had = self.heap.capacity() as u64;
        let wanted = usize::try_from(bytes).unwrap_or(usize::MAX);
        if let Err(error) = self.make_room(wanted) {
            // It goes past the source, which knows no such error.
            self.failed = Some(error);
        }
        let small = record::Error::SmallBuffer {
            needed: bytes,
            given: had,
        };
        self.heap.spare_mut().get_mut(..wanted).ok_or(small)
    }
}

/// A column's memory while it is filled.
pub(super) enum Given<'a> {
    Sized(&'a mut [MaybeUninit<u8>], &'a mut [u64]),
    Packed(Packing<'a>, &'a mut [u64]),
}

impl<'a> Given<'a> {
    pub(super) fn of(
        store: &'a mut Store,
        plan: &ColumnPlan,
        rows: usize,
        memory: &'a Memory,
        all: &'a Cell<usize>,
    ) -> Result<Given<'a>> {
        let small = || Error::Internal("less memory than a batch needs");
        let heap = &mut store.heap;
        heap.clear();
        let places = store.places.get_mut(..plan.places_of(rows));
        let places = places.ok_or_else(small)?;
        let Some(bytes) = plan.bytes_of(rows) else {
            let packing = Packing {
                heap,
                memory,
                all,
                failed: None,
            };
            return Ok(Given::Packed(packing, places));
        };
        let room = heap.spare_mut().get_mut(..bytes).ok_or_else(small)?;
        Ok(Given::Sized(room, places))
    }

    pub(super) fn out(&mut self, plan: &ColumnPlan) -> Out<'_> {
        match (self, plan.layout) {
            (Given::Packed(room, offsets), _) => Out::Packed { offsets, room },
            (Given::Sized(out, lengths), Layout::Padded { length, cut, .. }) => Out::Padded {
                size: length,
                cut,
                lengths,
                out,
            },
            (Given::Sized(out, _), _) => Out::Fixed(out),
        }
    }

    pub(super) fn failed(self) -> Option<Error> {
        match self {
            Given::Packed(packing, _) => packing.failed,
            Given::Sized(..) => None,
        }
    }
}
