//! From the card to the host.

use std::collections::VecDeque;

use super::buffer::{Buffer, COPY_ALIGN};
use super::device::Device;
use super::error::{Error, Result};
use crate::kernel::{Stores, copy};
use crate::transfer::Room;

/// Copies the bytes of a buffer from `offset` on to all of `to`, after all that was submitted.
///
/// # Errors
/// [`Error::OutOfRange`], [`Error::Arguments`], [`Error::OutOfMemory`], [`Error::Lost`],
/// [`Error::Forked`], [`Error::Failed`].
pub fn download(buffer: &Buffer, offset: u64, to: Room) -> Result<()> {
    let device = buffer.device();
    device.sound()?;
    let bytes = to.bytes();
    let end = offset
        .checked_add(bytes)
        .filter(|&end| end <= buffer.size());
    let end = end.ok_or(Error::OutOfRange {
        what: "a download",
        offset,
        bytes,
        size: buffer.size(),
        item: None,
    })?;
    if bytes == 0 {
        return Ok(());
    }
    let _use = buffer.read(offset..end)?;
    if let Some(memory) = buffer.memory().filter(|memory| memory.is_cached()) {
        let raw = buffer.raw()?;
        let submission = device.run(|commands| {
            for_host(commands, raw);
            Ok(())
        })?;
        device.wait(Some(submission), None)?;
        // SAFETY: the range lies in the buffer, whose memory is mapped as long as the buffer is
        // there; the card is done with it, and nobody on the host writes it as long as it is in use.
        // The room is writable and nobody else's by its promise.
        unsafe { copy(memory.at(offset), to.start(), bytes as usize, Stores::Auto) };
        return Ok(());
    }
    // Copies are of whole words, which every buffer consists of.
    let from = offset - offset % COPY_ALIGN;
    let until = end.next_multiple_of(COPY_ALIGN);
    // SAFETY: the caller's promise for the room, whose bytes are those of the range.
    unsafe { staged(device, buffer, from..until, offset, to) }
}

/// # Safety
/// `to` is writable and nobody else's.
unsafe fn staged(
    device: &Device,
    buffer: &Buffer,
    words: std::ops::Range<u64>,
    offset: u64,
    to: Room,
) -> Result<()> {
    let raw = buffer.raw()?;
    let ring = device.downloads();
    let mut chunks = ring.take(device, words.end - words.start)?;
    let mut numbers = (0..chunks.len()).cycle();
    let mut on_their_way = VecDeque::with_capacity(chunks.len());
    let mut next = words.start;
    loop {
        while next < words.end && on_their_way.len() < chunks.len() {
            let number = numbers.next().ok_or(NO_CHUNK)?;
            let chunk = chunks.get_mut(number).ok_or(NO_CHUNK)?;
            chunk.ready(device)?;
            let bytes = ring.chunk_bytes().min(words.end - next);
            let staged = chunk.raw();
            let submission = device.run(|commands| {
                commands.copy_buffer_to_buffer(raw, next, staged, 0, bytes);
                for_host(commands, staged);
                Ok(())
            })?;
            chunk.used(submission);
            on_their_way.push_back((number, next, bytes));
            next += bytes;
        }
        let Some((number, first, bytes)) = on_their_way.pop_front() else {
            return Ok(());
        };
        let memory = chunks.get_mut(number).ok_or(NO_CHUNK)?.ready(device)?;
        let start = first.max(offset);
        let end = (first + bytes).min(offset + to.bytes());
        let from = memory.wrapping_add((start - first) as usize);
        let place = to.start().wrapping_add((start - offset) as usize);
        // SAFETY: the chunk has these bytes, is nobody else's, and the card is done with it; they belong
        // to the room at this place, which is writable by the caller's promise.
        unsafe { copy(from, place, (end - start) as usize, Stores::Auto) };
    }
}

const NO_CHUNK: Error = Error::Internal("a download without a staging buffer");

/// Lets the host see what the card writes to a buffer before this.
fn for_host(commands: &mut wgpu::CommandEncoder, buffer: &wgpu::Buffer) {
    let state = wgpu::BufferUses::MAP_READ;
    let seen = wgpu::BufferTransition { buffer, state };
    commands.transition_resources(std::iter::once(seen), std::iter::empty());
}
