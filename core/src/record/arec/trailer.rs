//! The trailer: the last 4096 bytes of a finished file.

use super::directory;
use super::layout::{Layout, PAGE};
use super::parts::{Filled, Flaw, Parts, is_summed};

pub(crate) const TRAILER_LEN: usize = 4096;
const MAGIC: [u8; 16] = *b"\x89ADITREC-END\r\n\x1a\n";

/// What the trailer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    /// The file's, as its header has it.
    pub(crate) uuid: [u8; 16],
    /// Where the trailer itself starts.
    pub(crate) at: u64,
    pub(crate) footer: u64,
    pub(crate) footer_bytes: u64,
    pub(crate) directory_bytes: u64,
    pub(crate) records: u64,
    pub(crate) blocks: u64,
    /// Strides up to the end of the last block.
    pub(crate) strides: u64,
    /// `E`: where the last block's table ends.
    pub(crate) data_end: u64,
    /// XXH3 of the directory with the file's nonce as its seed.
    pub(crate) directory_hash: u64,
}

impl Trailer {
    pub(crate) fn encode(&self) -> [u8; TRAILER_LEN] {
        Filled::<TRAILER_LEN>::EMPTY
            .put(&MAGIC)
            .put(&self.uuid)
            .u64(self.at)
            .u64(self.footer)
            .u64(self.footer_bytes)
            .u64(self.directory_bytes)
            .u64(self.records)
            .u64(self.blocks)
            .u64(self.strides)
            .u64(self.data_end)
            .u64(self.directory_hash)
            .summed()
    }

    /// The trailer of the file with this uuid whose last bytes, from `at` on, these are.
    pub(crate) fn decode(bytes: &[u8; TRAILER_LEN], uuid: [u8; 16], at: u64) -> Option<Trailer> {
        let mut parts = Parts(bytes);
        if parts.array() != MAGIC || !is_summed(bytes) {
            return None;
        }
        let trailer = Trailer {
            uuid: parts.array(),
            at: parts.u64(),
            footer: parts.u64(),
            footer_bytes: parts.u64(),
            directory_bytes: parts.u64(),
            records: parts.u64(),
            blocks: parts.u64(),
            strides: parts.u64(),
            data_end: parts.u64(),
            directory_hash: parts.u64(),
        };
        (trailer.uuid == uuid && trailer.at == at).then_some(trailer)
    }

    /// Whether what it says can be, in a file of this layout; offsets of flaws are from the
    /// trailer's start.
    pub(crate) fn check(&self, layout: &Layout) -> std::result::Result<(), Flaw> {
        let footer = self.data_end.checked_next_multiple_of(PAGE);
        if self.data_end < layout.data_start || footer != Some(self.footer) {
            let why = format!(
                "the footer is said to start at byte {}, and blocks to end at byte {}",
                self.footer, self.data_end
            );
            return Err(Flaw::new(40, why));
        }
        let ends = self
            .footer
            .checked_add(self.footer_bytes)
            .is_some_and(|end| end <= self.at);
        if !ends {
            let why = format!(
                "a footer of {} bytes at byte {} reaches over the trailer",
                self.footer_bytes, self.footer
            );
            return Err(Flaw::new(48, why));
        }
        let is_rows = self
            .directory_bytes
            .is_multiple_of(directory::ROW_BYTES as u64);
        if !is_rows || self.directory_bytes > self.footer_bytes.min(directory::LONGEST) {
            let why = format!(
                "a directory of {} bytes, in a footer of {}",
                self.directory_bytes, self.footer_bytes
            );
            return Err(Flaw::new(56, why));
        }
        self.check_counts(layout)
    }

    fn check_counts(&self, layout: &Layout) -> std::result::Result<(), Flaw> {
        let Trailer {
            records,
            blocks,
            strides,
            ..
        } = *self;
        let ordered = records >= blocks && strides >= blocks && (records == 0) == (blocks == 0);
        let follow = if layout.is_fixed {
            blocks == records.div_ceil(layout.per_block.max(1)) && strides == blocks
        } else {
            ordered
        };
        if !follow {
            let why =
                format!("{records} records can't lie in {blocks} blocks of {strides} strides");
            return Err(Flaw::new(64, why));
        }
        let bytes = self.data_end.saturating_sub(layout.data_start);
        let ends = if layout.is_fixed {
            layout.fixed_bytes(records) == Some(bytes)
        } else {
            // The last block ends in its last stride.
            bytes.div_ceil(layout.stride.max(1)) == strides
        };
        if !ends {
            let why = format!(
                "{records} records in {strides} strides can't end at byte {}",
                self.data_end
            );
            return Err(Flaw::new(88, why));
        }
        Ok(())
    }
}
