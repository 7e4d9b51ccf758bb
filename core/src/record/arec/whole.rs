//! Whether a block is whole: for the walks of recovery and verification, by pread.

use super::frame::{FRAME_LEN, Frame};
use super::header::Header;
use super::layout::Layout;
use super::parts::Flaw;
use super::table::{Table, TableRow};
use crate::kernel;
use crate::map::{Data, Window};
use crate::record::error::Result;

/// A block, or a copy of a part of one, whose frame and table are right.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) frame: Frame,
    /// Where it starts in the file.
    pub(crate) at: u64,
    table: Vec<u8>,
}

/// A yes or no that may be no for a reason.
pub(crate) type Found<T> = std::result::Result<T, Flaw>;

impl Block {
    /// Reads frame and table of the block at byte `at`; the flaw, where none stands there, is at a
    /// byte of the file. Its records are still to be checked.
    ///
    /// # Errors
    /// Those of [`Data::read`].
    pub(crate) fn read(data: &Data, header: &Header, at: u64) -> Result<Found<Block>> {
        let layout = &header.layout;
        let no = |why: &str| Ok(Err(Flaw::new(at, why)));
        let rest = data.len().saturating_sub(at);
        let mut table = Vec::new();
        if rest < FRAME_LEN as u64 {
            return no("the file ends where a block should start");
        }
        data.read_to(at, FRAME_LEN, &mut table)?;
        let Some(bytes) = table.first_chunk() else {
            return no("the file ends where a block should start");
        };
        let frame = match Frame::decode(bytes, header.nonce) {
            Ok(frame) => frame,
            Err(why) => return no(why),
        };
        if !frame.fits(layout) {
            return no("a block's frame says what can't be");
        }
        if frame.block_bytes(layout) > rest {
            return no("the file ends inside of a block");
        }
        let table_bytes = layout.table_bytes(frame.count.into());
        let Ok(len) = usize::try_from(table_bytes) else {
            return no("a block's table is larger than memory");
        };
        data.read_to(at.saturating_add(frame.table_at), len, &mut table)?;
        if kernel::hash(&table, header.nonce) != frame.table_hash {
            let offset = at.saturating_add(frame.table_at);
            return Ok(Err(Flaw::new(
                offset,
                "a block's table isn't what was written",
            )));
        }
        Ok(Ok(Block { frame, at, table }))
    }

    pub(crate) fn table<'a>(&'a self, layout: &'a Layout) -> Table<'a> {
        Table::new(layout, &self.table)
    }

    /// Whether each of its records lies in it and each field has its checksum: told the bytes that
    /// were read, `tick` may end the walk.
    ///
    /// # Errors
    /// Those of [`Data::read`] and of `tick`.
    pub(crate) fn is_whole(
        &self,
        layout: &Layout,
        window: &mut Window<'_>,
        tick: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<bool> {
        let table = self.table(layout);
        let mut row = TableRow::default();
        let mut end = layout.head;
        for number in 0..u64::from(self.frame.count) {
            let is_there = table.row(number, &mut row);
            let at = self.at.saturating_add(row.start);
            let fits = is_there
                && row.start >= end
                && row.start.saturating_add(row.len) <= self.frame.table_at
                && (layout.is_fixed
                    || matches!(layout.record_len(&row.own_sizes), Ok(len) if len == row.len));
            if !fits {
                return Ok(false);
            }
            end = row.start.saturating_add(row.len);
            for (field, &crc) in row.crcs.iter().enumerate() {
                let (offset, bytes) = layout.field_span(&row.own_sizes, field)?;
                let offset = at.saturating_add(offset);
                if sum(window, offset, bytes, tick)? != crc {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// The CRC-32C of some bytes of a file.
///
/// # Errors
/// Those of [`Data::read`] and of `tick`.
pub(super) fn sum(
    window: &mut Window<'_>,
    offset: u64,
    bytes: u64,
    tick: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<u32> {
    let (mut sum, mut done) = (0, 0);
    while done < bytes {
        let piece = window.some_bytes(offset.saturating_add(done), bytes.saturating_sub(done))?;
        sum = kernel::crc32c_of(sum, piece);
        let got = piece.len() as u64;
        done = done.saturating_add(got);
        tick(got)?;
    }
    Ok(sum)
}
