//! Uploads: items that are transferred to buffers.

use super::buffer::Buffer;
use super::device::Device;
use super::direct;
use super::error::{Error, Result};
use super::sink::RingSink;
use super::target::{Target, check_apart};
use super::ticket::Ticket;
use crate::transfer::{self, Item, LoadOptions, Stats, Watch, list_of, load_to_sink};

/// What is to be uploaded, and where to.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The tensor, or a part of one, without memory of its own.
    pub item: Item,
    /// Where to.
    pub buffer: Buffer,
    /// The first byte there, a multiple of 4. What ends off such a multiple has zeros behind it, up
    /// to the next.
    pub offset: u64,
    /// Convert on the host even where the card can.
    pub on_host: bool,
}

/// Uploads all items, all on one device, and returns when their sources may change or go; the ticket
/// tells when the card has them. After a failure nothing is on its way any more, and their places
/// on the card have any contents.
///
/// Where the host writes all of the buffers in place, and the card has nothing to convert, it does
/// so, after the card is done with what it was told before; else all goes through the ring.
///
/// # Errors
/// [`Error::Arguments`], [`Error::OutOfRange`], [`Error::OutOfMemory`], [`Error::Lost`],
/// [`Error::Forked`], [`Error::Failed`]; [`Error::Transfer`], whose items are by the places here.
pub fn upload(
    uploads: &[Upload],
    options: &LoadOptions,
    watch: &mut dyn Watch,
) -> Result<(Ticket, Stats)> {
    let Some(first) = uploads.first() else {
        let why = "an upload of no items, so to no device".to_owned();
        return Err(Error::Arguments { why, item: None });
    };
    let device = first.buffer.device();
    device.sound()?;
    let mut targets = list_of(uploads.len())?;
    for (number, upload) in (0u64..).zip(uploads) {
        targets.push(Target::of(upload, number, device)?);
    }
    check_apart(&targets)?;
    let mut items = list_of(uploads.len())?;
    let all = uploads.iter().zip(&targets);
    items.extend(all.map(|(upload, target)| target.brought(&upload.item)));
    let in_place = |target: &Target<'_>| target.buffer.is_direct() && target.on_card.is_none();
    if targets.iter().all(in_place) {
        let stats = direct::write(device, &mut items, &targets, options, watch)?;
        return Ok((Ticket::new(device.clone(), None), stats));
    }
    let (submission, stats) = through_ring(device, &items, &targets, options, watch)?;
    Ok((Ticket::new(device.clone(), submission), stats))
}

fn through_ring(
    device: &Device,
    items: &[Item],
    targets: &[Target<'_>],
    options: &LoadOptions,
    watch: &mut dyn Watch,
) -> Result<(Option<wgpu::SubmissionIndex>, Stats)> {
    let mut bytes = 0u64;
    for (item, number) in items.iter().zip(0u64..) {
        bytes = bytes.saturating_add(item.output(number)?.bytes);
    }
    let mut sink = RingSink::new(device, targets, bytes)?;
    let loaded = load_to_sink(items, &mut sink, options, watch);
    let last = sink.last();
    match loaded {
        Ok(stats) => Ok((last, stats)),
        Err(error) => {
            let error = match (sink.failed(), error) {
                (Some(failed), transfer::Error::Callback { .. }) => failed,
                (_, error) => error.into(),
            };
            if let Some(last) = last {
                // What went wrong first is what to tell.
                let _ = device.wait(Some(last), None);
            }
            Err(error)
        }
    }
}
