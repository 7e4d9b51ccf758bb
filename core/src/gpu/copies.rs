//! The commands that bring a chunk's parts to where they belong.

use super::buffer::{Buffer, COPY_ALIGN};
use super::device::Device;
use super::error::{Error, Result};
use super::fresh::Fresh;
use super::target::{OnCard, Target};
use crate::transfer::Part;

/// A copy out of a chunk that the next part may go on with.
struct Copy<'a> {
    buffer: &'a Buffer,
    from: u64,
    to: u64,
    bytes: u64,
}

/// Encodes all parts of a chunk, which needs scratch where some are converted on the card: what lies
/// side by side, here and there, is one copy. `fresh` has what it writes first, when it is submitted.
pub(super) fn encode<'a>(
    device: &Device,
    commands: &mut wgpu::CommandEncoder,
    (staged, scratch): (&wgpu::Buffer, Option<&wgpu::Buffer>),
    parts: &[Part],
    targets: &'a [Target<'a>],
    fresh: &mut Fresh<'a>,
) -> Result<()> {
    let target_of = |part: &Part| {
        let target = targets.get(part.item);
        target.ok_or(Error::Internal("a part of no item"))
    };
    let mut begun: Option<Copy<'a>> = None;
    let mut end = |begun: &mut Option<Copy<'a>>, commands: &mut wgpu::CommandEncoder| {
        if let Some(copy) = begun.take() {
            fresh.take(copy.buffer, copy.to..copy.to + copy.bytes)?;
            let to = copy.buffer.raw_unread();
            commands.copy_buffer_to_buffer(staged, copy.from, to, copy.to, copy.bytes);
        }
        Result::Ok(())
    };
    let mut raw: Option<(u64, u64)> = None;
    for part in parts {
        let target = target_of(part)?;
        let from = part.start as u64;
        let bytes = (part.bytes as u64).next_multiple_of(COPY_ALIGN);
        if target.on_card.is_some() {
            let first = raw.map_or(from, |(first, _)| first);
            raw = Some((first, from + bytes));
            continue;
        }
        let to = target.offset + part.offset;
        if let Some(copy) = &mut begun
            && copy.buffer.is_same(target.buffer)
            && (copy.from + copy.bytes, copy.to + copy.bytes) == (from, to)
        {
            copy.bytes += bytes;
            continue;
        }
        end(&mut begun, commands)?;
        begun = Some(Copy {
            buffer: target.buffer,
            from,
            to,
            bytes,
        });
    }
    end(&mut begun, commands)?;
    let Some((first, last)) = raw else {
        return Ok(());
    };
    let scratch = scratch.ok_or(Error::Internal("a conversion without a buffer for it"))?;
    commands.copy_buffer_to_buffer(staged, first, scratch, first, last - first);
    for part in parts {
        let target = target_of(part)?;
        let Some(conversion) = target.on_card else {
            continue;
        };
        let OnCard { from, to } = conversion;
        let before = conversion.elements(part.offset);
        let elements = conversion.elements(part.bytes as u64);
        let place = target.offset + conversion.bytes(before);
        let bytes = conversion.bytes(elements).next_multiple_of(COPY_ALIGN);
        fresh.take(target.buffer, place..place + bytes)?;
        let written = target.buffer.raw_unread();
        device.converter().encode(
            device,
            commands,
            from,
            to,
            (scratch, part.start as u64),
            (written, place),
            elements,
        )?;
    }
    Ok(())
}
