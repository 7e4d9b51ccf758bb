//! The frame at a block's start, by which a file that was never finished can be recovered.

use super::layout::{FRAME_BYTES, Layout};
use super::parts::{Filled, Parts, is_summed};

pub(crate) const FRAME_LEN: usize = 64;

const BLOCK: [u8; 8] = *b"ADITBLCK";
const COPY: [u8; 8] = *b"ADITPART";

/// What the frame of a block, or of a copy of a part of one, says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Whether this is a copy of what the block has so far, elsewhere.
    pub(crate) is_copy: bool,
    /// The file's.
    pub(crate) nonce: u64,
    /// Which stride the block starts at; of a copy, that of the block that it is of.
    pub(crate) stride: u64,
    /// The number of its first record.
    pub(crate) first: u64,
    /// How many records it has.
    pub(crate) count: u32,
    /// How many strides it takes.
    pub(crate) strides: u32,
    /// Where its table starts, from the block's start.
    pub(crate) table_at: u64,
    /// XXH3 of the table with the nonce as its seed.
    pub(crate) table_hash: u64,
}

impl Frame {
    pub(crate) fn encode(&self) -> [u8; FRAME_LEN] {
        Filled::<FRAME_LEN>::EMPTY
            .put(if self.is_copy { &COPY } else { &BLOCK })
            .u64(self.nonce)
            .u64(self.stride)
            .u64(self.first)
            .u32(self.count)
            .u32(self.strides)
            .u64(self.table_at)
            .u64(self.table_hash)
            .summed()
    }

    /// The frame of a block of the file with this nonce, or what is wrong with it.
    pub(crate) fn decode(
        bytes: &[u8; FRAME_LEN],
        nonce: u64,
    ) -> std::result::Result<Frame, &'static str> {
        let mut parts = Parts(bytes);
        let is_copy = match parts.array() {
            BLOCK => false,
            COPY => true,
            _ => return Err("no block's frame stands here"),
        };
        if !is_summed(bytes) {
            return Err("a block's frame isn't what was written");
        }
        let frame = Frame {
            is_copy,
            nonce: parts.u64(),
            stride: parts.u64(),
            first: parts.u64(),
            count: parts.u32(),
            strides: parts.u32(),
            table_at: parts.u64(),
            table_hash: parts.u64(),
        };
        if frame.nonce == nonce {
            Ok(frame)
        } else {
            Err("a block of another file stands here")
        }
    }

    /// Whether a block can be as this frame says, in a file of this layout: its table and at least
    /// the room for its records' heads lie in its strides.
    pub(crate) fn fits(&self, layout: &Layout) -> bool {
        let count = u64::from(self.count);
        let bytes = self.table_at.saturating_add(layout.table_bytes(count));
        let room = u64::from(self.strides).saturating_mul(layout.stride);
        let place = if layout.is_fixed {
            self.strides == 1
                && count <= layout.per_block
                && self.table_at == layout.fixed_table_at(count)
        } else {
            (self.strides == 1 || (count == 1 && !self.is_copy))
                && self.table_at > layout.head
                && self.table_at.is_multiple_of(FRAME_BYTES)
        };
        count > 0 && place && bytes <= room && self.strides > 0
    }

    /// The block's bytes up to its table's end; of a frame that fits.
    pub(crate) fn block_bytes(&self, layout: &Layout) -> u64 {
        self.table_at
            .saturating_add(layout.table_bytes(self.count.into()))
    }
}
