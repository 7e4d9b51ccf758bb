//! The ring as a sink of the transfer: a slot is a chunk, and its parts are copied to their buffers
//! in one submission.

use super::buffer::COPY_ALIGN;
use super::copies::encode;
use super::device::Device;
use super::error::{Error, Result};
use super::fresh::Fresh;
use super::ring::{Chunk, Taken};
use super::target::Target;
use crate::transfer::{Part, Sink};

/// What callbacks tell the transfer; what it is stands in [`RingSink::failed`].
const FAILED: i32 = 1;

/// An upload's share of the ring.
pub(super) struct RingSink<'a> {
    device: &'a Device,
    targets: &'a [Target<'a>],
    chunks: Taken<'a>,
    last: Option<wgpu::SubmissionIndex>,
    failed: Option<Error>,
}

impl<'a> RingSink<'a> {
    /// A sink for `bytes` bytes, waited for where others have the whole ring.
    pub(super) fn new(
        device: &'a Device,
        targets: &'a [Target<'a>],
        bytes: u64,
    ) -> Result<RingSink<'a>> {
        Ok(RingSink {
            device,
            targets,
            chunks: device.ring().take(device, bytes)?,
            last: None,
            failed: None,
        })
    }

    /// The last of what it submitted.
    pub(super) fn last(&self) -> Option<wgpu::SubmissionIndex> {
        self.last.clone()
    }

    /// What went wrong, where a callback failed.
    pub(super) fn failed(&mut self) -> Option<Error> {
        self.failed.take()
    }

    fn told<T>(&mut self, result: Result<T>) -> std::result::Result<T, i32> {
        result.map_err(|error| {
            self.failed.get_or_insert(error);
            FAILED
        })
    }

    fn chunk(&mut self, slot: usize) -> Result<&mut Chunk> {
        let chunk = self.chunks.get_mut(slot);
        chunk.ok_or(Error::Internal("a slot that isn't the ring's"))
    }

    fn fill(&mut self, slot: usize) -> Result<*mut u8> {
        let device = self.device;
        self.chunk(slot)?.ready(device)
    }

    fn send(&mut self, slot: usize, parts: &[Part]) -> Result<()> {
        let (device, targets) = (self.device, self.targets);
        let chunk = self.chunk(slot)?;
        let mut converts = false;
        for part in parts {
            let end = chunk.start().wrapping_add(part.start + part.bytes);
            let padding = part.bytes.next_multiple_of(COPY_ALIGN as usize) - part.bytes;
            // SAFETY: parts start at multiples of COPY_ALIGN in the slot, whose size is one too: up
            // to the next multiple no other part has bytes. The slot is ours until it is submitted.
            unsafe { end.write_bytes(0, padding) };
            converts |= targets
                .get(part.item)
                .is_some_and(|target| target.on_card.is_some());
        }
        let scratch = match converts {
            true => Some(device.ring().scratch(device)?),
            false => None,
        };
        let staged = (chunk.raw(), scratch.as_ref());
        let mut fresh = Fresh::default();
        let submission =
            device.run(|commands| encode(device, commands, staged, parts, targets, &mut fresh))?;
        fresh.written();
        chunk.used(submission.clone());
        self.last = Some(submission);
        Ok(())
    }
}

// SAFETY: the chunks' memory is mapped as long as the sink lives, is of the size that is told, and
// is nobody else's: the ring has given it out once, and the card is done with it when `acquire` is.
unsafe impl Sink for RingSink<'_> {
    fn slots(&self) -> usize {
        self.chunks.len()
    }

    fn slot_bytes(&self) -> usize {
        self.device.ring().chunk_bytes() as usize
    }

    fn align(&self) -> usize {
        COPY_ALIGN as usize
    }

    fn packs(&self) -> bool {
        true
    }

    fn acquire(&mut self, slot: usize) -> std::result::Result<*mut u8, i32> {
        let memory = self.fill(slot);
        self.told(memory)
    }

    fn submit(&mut self, slot: usize, parts: &[Part]) -> std::result::Result<(), i32> {
        let sent = self.send(slot, parts);
        self.told(sent)
    }

    // The chunk is waited for when it is to be filled again: small uploads don't wait at all.
    fn wait(&mut self, _slot: usize) -> std::result::Result<(), i32> {
        Ok(())
    }
}
