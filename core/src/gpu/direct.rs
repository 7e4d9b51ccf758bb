//! Uploads in place, where the card's memory is the host's.

use super::buffer::COPY_ALIGN;
use super::device::Device;
use super::error::{Error, Result};
use super::fresh::Fresh;
use super::target::Target;
use crate::transfer::{Destination, Item, LoadOptions, Room, Stats, Watch, list_of, load};

/// Loads the items to their places, all in buffers that the host writes.
pub(super) fn write(
    device: &Device,
    items: &mut [Item],
    targets: &[Target<'_>],
    options: &LoadOptions,
    watch: &mut dyn Watch,
) -> Result<Stats> {
    device.settle()?;
    let mut uses = list_of(targets.len())?;
    let mut fresh = Fresh::default();
    for (target, number) in targets.iter().zip(0u64..) {
        uses.push(target.buffer.written(target.offset..target.end(), number)?);
    }
    for (item, target) in items.iter_mut().zip(targets) {
        let memory = target.buffer.memory().ok_or(NOT_DIRECT)?;
        // SAFETY: the place lies in the buffer, whose memory is mapped as long as the upload has it.
        // Nobody else on the host uses it as long as `uses` are there; the card is done with what it
        // was told before.
        let room = unsafe { Room::new(memory.at(target.offset), target.bytes) };
        item.destination = Destination::Given(room);
    }
    for target in targets {
        fresh.take(target.buffer, target.offset..target.end())?;
    }
    let loaded = load(items, options, watch);
    for target in targets {
        let memory = target.buffer.memory().ok_or(NOT_DIRECT)?;
        let end = target.offset + target.bytes;
        // SAFETY: fewer bytes than COPY_ALIGN, in the buffer, and no other item's.
        unsafe { memory.clear(end, target.end() - end) };
    }
    match loaded {
        Ok(_) => fresh.written(),
        Err(_) => drop(fresh),
    }
    debug_assert!(
        targets
            .iter()
            .all(|target| target.end().is_multiple_of(COPY_ALIGN))
    );
    drop(uses);
    let loaded = loaded?;
    device.sound()?;
    Ok(loaded.stats)
}

const NOT_DIRECT: Error = Error::Internal("a buffer that the host can't write");
