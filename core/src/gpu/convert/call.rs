//! A conversion from one buffer to another, as callers ask for it.

use super::super::buffer::{Buffer, COPY_ALIGN};
use super::super::error::{Error, Result};
use super::super::fresh::Fresh;
use super::super::ticket::Ticket;
use super::{program, unsupported};
use crate::dtype::DType;

/// Converts elements on the card, from a place in one buffer to a place in another one of the same
/// device: f16 and bf16 to f32, Q8_0 and Q4_0 to f32 and to f16, with the bits that
/// [`crate::kernel::Conversion`] gives. Offsets are multiples of 4; no byte beside the results is
/// written. It returns when the card has been told.
///
/// # Errors
/// [`Error::NoConversion`], [`Error::PartOfBlock`], [`Error::OutOfRange`], [`Error::Arguments`] for
/// the same buffer twice, buffers of two devices, and other offsets; [`Error::OutOfMemory`],
/// [`Error::Lost`], [`Error::Forked`], [`Error::Failed`].
pub fn convert(
    from: (&Buffer, u64, DType),
    to: (&Buffer, u64, DType),
    elements: u64,
) -> Result<Ticket> {
    let ((source, source_at, from_dtype), (target, target_at, to_dtype)) = (from, to);
    let device = source.device();
    device.sound()?;
    let program = program(from_dtype, to_dtype).ok_or_else(|| unsupported(from_dtype, to_dtype))?;
    if !device.is_same(target.device()) {
        return Err(wrong("the two buffers are on different devices".to_owned()));
    }
    if source.is_same(target) {
        let why =
            "a conversion on the card needs two buffers, but `from` and `to` are the same one";
        return Err(wrong(why.to_owned()));
    }
    check("the source of a conversion", from, elements)?;
    let bytes = check("the result of a conversion", to, elements)?;
    if elements == 0 {
        return Ok(Ticket::new(device.clone(), None));
    }
    let src = (source.raw()?, source_at);
    // Results are whole words.
    let mut fresh = Fresh::default();
    fresh.take(target, target_at..target_at + bytes)?;
    let dst = (target.raw_unread(), target_at);
    let submission = device.run(|commands| {
        let (from, to) = (program.from, program.to);
        device
            .converter()
            .encode(device, commands, from, to, src, dst, elements)
    })?;
    fresh.written();
    Ok(Ticket::new(device.clone(), Some(submission)))
}

fn wrong(why: String) -> Error {
    Error::Arguments { why, item: None }
}

/// How many bytes so many elements are, which the buffer has from the offset on.
fn check(what: &'static str, place: (&Buffer, u64, DType), elements: u64) -> Result<u64> {
    let (buffer, offset, dtype) = place;
    if !offset.is_multiple_of(COPY_ALIGN) {
        let why = format!("{what} starts at byte {offset}, which is no multiple of {COPY_ALIGN}");
        return Err(wrong(why));
    }
    let blocks = elements.checked_div(dtype.block_elements().into());
    let whole = elements.is_multiple_of(dtype.block_elements().into());
    let blocks = blocks
        .filter(|_| whole)
        .ok_or(Error::PartOfBlock { dtype, elements })?;
    let bytes = blocks.checked_mul(dtype.block_bytes().into());
    let end = |bytes: u64| bytes.checked_add(offset);
    let fits = |&bytes: &u64| end(bytes).is_some_and(|end| end <= buffer.size());
    bytes.filter(fits).ok_or_else(|| Error::OutOfRange {
        what,
        offset,
        bytes: bytes.unwrap_or(u64::MAX),
        size: buffer.size(),
        item: None,
    })
}
