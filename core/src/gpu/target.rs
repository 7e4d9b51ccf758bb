//! Where items go on the card, and what is checked before anything does.

use super::buffer::{Buffer, COPY_ALIGN};
use super::device::Device;
use super::error::{Error, Result};
use super::upload::Upload;
use crate::dtype::DType;
use crate::kernel::Overflow;
use crate::transfer::{Destination, Item, Output, list_of};

/// The place of an item on the card.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) buffer: &'a Buffer,
    pub(super) offset: u64,
    /// What is there in the end.
    pub(super) bytes: u64,
    pub(super) on_card: Option<OnCard>,
}

/// A conversion by the card.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnCard {
    pub(super) from: DType,
    pub(super) to: DType,
}

impl OnCard {
    /// The elements of so many bytes that are to be converted.
    pub(super) fn elements(self, bytes: u64) -> u64 {
        bytes / u64::from(self.from.block_bytes()) * u64::from(self.from.block_elements())
    }

    /// The bytes that so many elements become.
    pub(super) fn bytes(self, elements: u64) -> u64 {
        elements / u64::from(self.to.block_elements()) * u64::from(self.to.block_bytes())
    }
}

impl<'a> Target<'a> {
    /// The place of item `number` of a call, if it can go there.
    pub(super) fn of(upload: &'a Upload, number: u64, device: &Device) -> Result<Target<'a>> {
        let item = Some(number);
        let wrong = |why: String| Err(Error::Arguments { why, item });
        let Upload { buffer, offset, .. } = upload;
        if !buffer.device().is_same(device) {
            return wrong(format!(
                "item {number} goes to another device than item 0: one upload is for one device"
            ));
        }
        if let Destination::Given(_) = upload.item.destination {
            let why = format!("item {number} has memory of its own, but goes to a GPU");
            return wrong(why);
        }
        let Output { dtype, bytes, .. } = upload.item.output(number)?;
        let from = upload.item.source.dtype;
        // The card's conversions let what is too large become an infinity.
        let saturates = upload.item.overflow == Overflow::Saturate && dtype != DType::F32;
        let on_host = from == dtype || upload.on_host || saturates;
        let on_card = !on_host && device.converts(from, dtype);
        let target = Target {
            buffer,
            offset: *offset,
            bytes,
            on_card: on_card.then_some(OnCard { from, to: dtype }),
        };
        if !offset.is_multiple_of(COPY_ALIGN) {
            return wrong(format!(
                "item {number} goes to byte {offset} of a buffer: only multiples of {COPY_ALIGN} \
                 can be written"
            ));
        }
        let end = offset
            .checked_add(bytes)
            .filter(|&end| end <= buffer.size());
        if end.is_none() {
            return Err(Error::OutOfRange {
                what: "an upload",
                offset: *offset,
                bytes,
                size: buffer.size(),
                item,
            });
        }
        Ok(target)
    }

    /// The first byte behind it that is left alone.
    pub(super) fn end(&self) -> u64 {
        let end = self.offset.saturating_add(self.bytes);
        end.checked_next_multiple_of(COPY_ALIGN).unwrap_or(end)
    }

    /// What the transfer is to bring.
    pub(super) fn brought(&self, item: &Item) -> Item {
        let mut item = item.clone();
        if self.on_card.is_some() {
            item.dtype = None;
        }
        item
    }
}

/// Refuses items of one call that overlap.
pub(super) fn check_apart(targets: &[Target<'_>]) -> Result<()> {
    if targets.len() < 2 {
        return Ok(());
    }
    let mut places = list_of(targets.len())?;
    let taken = targets
        .iter()
        .enumerate()
        .filter(|target| target.1.bytes > 0);
    places.extend(taken.map(|(item, target)| {
        (
            target.buffer.number(),
            target.offset,
            target.end(),
            item as u64,
        )
    }));
    places.sort_unstable();
    for (a, b) in places.iter().zip(places.iter().skip(1)) {
        if a.0 == b.0 && b.1 < a.2 {
            let (item, other) = (a.3.max(b.3), a.3.min(b.3));
            return Err(Error::Arguments {
                why: format!(
                    "the place of item {item} in its buffer overlaps that of item {other}"
                ),
                item: Some(item),
            });
        }
    }
    Ok(())
}
