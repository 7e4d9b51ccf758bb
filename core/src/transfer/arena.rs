//! One block of memory for many tensors.

use std::sync::Arc;

use super::error::{Error, Result, list_of};
use super::item::Output;
use super::job::Job;
use crate::map::{BulkAllocator, HeapBytes, Origin, Region};
use crate::tensor::Lent;

/// Loaded tensors in one block of memory, in the order in which their files have them.
#[derive(Debug)]
pub struct Arena {
    heap: HeapBytes,
    /// By item; none for those that went elsewhere.
    places: Vec<Option<Place>>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    offset: usize,
    output: Output,
}

impl Arena {
    /// The memory for those jobs that are `wanted`, each at a multiple of `align`; the bytes
    /// between them are zero, and all others are yet to be written.
    pub(super) fn new(
        jobs: &[Job],
        order: &[usize],
        wanted: impl Fn(usize) -> bool,
        align: usize,
        allocator: Arc<dyn BulkAllocator>,
    ) -> Result<Arena> {
        let too_large = || Error::OutOfMemory {
            bytes: u64::MAX,
            what: "all items together",
        };
        let mut places = list_of(jobs.len())?;
        places.resize(jobs.len(), None);
        let wanted = || order.iter().copied().filter(|&number| wanted(number));
        let mut end = 0usize;
        for number in wanted() {
            let (Some(job), Some(place)) = (jobs.get(number), places.get_mut(number)) else {
                return Err(Error::Internal("an item that is in no order"));
            };
            let offset = end.checked_next_multiple_of(align).ok_or_else(too_large)?;
            *place = Some(Place {
                offset,
                output: job.output,
            });
            let bytes = usize::try_from(job.output.bytes).map_err(|_| too_large())?;
            end = offset.checked_add(bytes).ok_or_else(too_large)?;
        }
        let mut heap = HeapBytes::aligned(allocator, align);
        heap.grow(end, &Origin::Memory)
            .map_err(|_| Error::OutOfMemory {
                bytes: end as u64,
                what: "all items together",
            })?;
        let mut end = 0;
        for place in wanted().filter_map(|number| *places.get(number)?) {
            let gap = heap.spare_mut().get_mut(end..place.offset);
            let gap = gap.ok_or(Error::Internal("a gap outside of the arena"))?;
            gap.fill(std::mem::MaybeUninit::new(0));
            end = place.offset + place.output.bytes as usize;
        }
        Ok(Arena { heap, places })
    }

    /// Where each item's bytes are to be written; none for those that went elsewhere. All come from
    /// one pointer, and are good until anything but [`Arena::written`] changes this.
    pub(super) fn rooms(&mut self) -> impl Iterator<Item = Option<*mut u8>> {
        let start = self.heap.spare_start();
        let room = move |place: &Option<Place>| place.map(|place| start.wrapping_add(place.offset));
        self.places.iter().map(room)
    }

    /// Counts all of the memory as written.
    ///
    /// # Safety
    /// All items' bytes were written.
    pub(super) unsafe fn written(&mut self) {
        let ends = self.places.iter().flatten();
        let ends = ends.map(|place| place.offset + place.output.bytes as usize);
        let end = ends.max().unwrap_or(0);
        // SAFETY: `new` made room up to the last item's end, and filled the gaps between items; the
        // items were by the caller's promise.
        unsafe { self.heap.filled(end) };
    }

    /// All of the memory: tensors, and zeros between them.
    #[must_use]
    pub fn bytes(&self) -> Region<'_> {
        self.heap.region()
    }

    /// The tensor that an item became; none where the item has a place of its own, or there is no
    /// such item.
    #[must_use]
    pub fn tensor(&self, item: usize) -> Option<Lent<'_>> {
        let place = (*self.places.get(item)?)?;
        let bytes = self.heap.region();
        let bytes = bytes.slice(place.offset as u64, place.output.bytes)?;
        Some(Lent {
            bytes,
            dtype: place.output.dtype,
            shape: place.output.shape,
            fortran_order: false,
        })
    }

    /// How many items there were.
    #[must_use]
    pub fn items(&self) -> usize {
        self.places.len()
    }
}
