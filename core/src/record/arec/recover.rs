//! Whole blocks saved from a file that was never finished, or lost its end.
//!
//! Every block says which it is and has a checksum for all that it holds, so that nothing can be
//! mistaken for a record. Blocks are looked at twice, first to see whether they are whole, then to
//! copy them: the second look must find what the first did.

use std::path::Path;
use std::sync::Arc;

use super::filling::block_start;
use super::frame::{FRAME_LEN, Frame};
use super::header::Header;
use super::table::TableRow;
use super::trailer::{TRAILER_LEN, Trailer};
use super::whole::Block;
use super::writer::{ArecWriter, Limits};
use crate::kernel;
use crate::map::{Data, Publication, Storage, Window};
use crate::record::error::{Error, Result};
use crate::record::planted::{self, Bug};
use crate::record::{Pace, Progress, Recovery, StopReason};

const WINDOW: usize = 1 << 20;

/// Saves the whole records of the damaged file `data` into a new one at `to`, which must not exist.
/// `progress` is told bytes walked and in all.
///
/// # Errors
/// Those of reading a header; [`Error::NothingToRecover`], [`Error::Cancelled`]; those of reading
/// and writing.
pub(crate) fn recover(
    storage: &Arc<dyn Storage>,
    data: &Data,
    header: Header,
    to: &Path,
    progress: Progress<'_>,
) -> Result<Recovery> {
    let layout = header.layout.clone();
    let publication = Publication::create(Arc::clone(storage), to, false)?;
    let mut writer = ArecWriter::start(publication, layout, false, Limits::default())?;
    let mut walk = Walk {
        header: &header,
        data,
        window: Window::new(data, WINDOW),
        pace: Pace::new(),
        limit: data.len(),
        progress,
    };
    let (mut stride, mut is_last) = (0, false);
    let reason = loop {
        walk.tick(block_start(&header.layout, stride), 1, 0)?;
        let found = walk.at_stride(stride, writer.count())?;
        let block = match found {
            Found::Block(block) => block,
            Found::Copy(block, reason) => {
                is_last = reason == StopReason::Zeros;
                walk.save(&block, &mut writer)?;
                break reason;
            }
            Found::Nothing(reason) => break reason,
        };
        walk.save(&block, &mut writer)?;
        stride = stride.saturating_add(block.frame.strides.into());
    };
    let finished = trailer(data, &header)?;
    let is_end = finished.is_some_and(|trailer| trailer.strides == stride);
    // What a copy holds was never written elsewhere where there are zeros.
    let reason = if is_end || is_last {
        StopReason::End
    } else {
        reason
    };
    let stop_offset = block_start(&header.layout, stride).min(walk.limit);
    let records = writer.count();
    if records == 0 {
        return Err(Error::NothingToRecover {
            origin: data.origin().clone(),
            offset: stop_offset,
            why: match reason {
                StopReason::End => "it has no blocks",
                StopReason::Cut => "the first block is cut by the end of the file",
                StopReason::Zeros => "there are only zeros where the first block should be",
                StopReason::Mismatch => "the first block isn't whole",
            },
        });
    }
    data.still_whole()?;
    let limit = walk.limit;
    if !(walk.progress)(limit, limit) {
        return Err(Error::Cancelled);
    }
    writer.finish()?;
    Ok(Recovery {
        records,
        stop_offset,
        dropped_bytes: match reason {
            StopReason::End => 0,
            _ => limit.saturating_sub(stop_offset),
        },
        reason,
    })
}

/// The trailer of a file that is finished.
fn trailer(data: &Data, header: &Header) -> Result<Option<Trailer>> {
    let Some(at) = data.len().checked_sub(TRAILER_LEN as u64) else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    data.read_to(at, TRAILER_LEN, &mut bytes)?;
    let bytes = bytes.first_chunk();
    Ok(bytes.and_then(|bytes| Trailer::decode(bytes, header.uuid, at)))
}

struct Walk<'a, 'p> {
    header: &'a Header,
    data: &'a Data,
    window: Window<'a>,
    pace: Pace,
    limit: u64,
    progress: Progress<'p>,
}

/// What stands for a stride.
enum Found {
    Block(Block),
    /// A copy, and what the block's own place has.
    Copy(Block, StopReason),
    Nothing(StopReason),
}

impl<'a> Walk<'a, '_> {
    fn tick(&mut self, at: u64, records: u64, bytes: u64) -> Result<()> {
        if self.pace.is_due(records, bytes) && !(self.progress)(at.min(self.limit), self.limit) {
            return Err(Error::Cancelled);
        }
        Ok(())
    }

    /// The block that starts with record `first` and should start at `stride`, or its copy that has
    /// most records.
    fn at_stride(&mut self, stride: u64, first: u64) -> Result<Found> {
        let reason = match self.look(stride, (false, stride, first))? {
            Ok(block) => return Ok(Found::Block(block)),
            Err(reason) => reason,
        };
        let mut best: Option<Block> = None;
        for behind in 1..=2 {
            let place = stride.saturating_add(behind);
            let Ok(copy) = self.look(place, (true, stride, first))? else {
                continue;
            };
            if best
                .as_ref()
                .is_none_or(|best| copy.frame.count > best.frame.count)
            {
                best = Some(copy);
            }
        }
        Ok(match best {
            Some(copy) => Found::Copy(copy, reason),
            None => Found::Nothing(reason),
        })
    }

    /// The whole block that stands at a stride, if it says that it is this one: a copy or not, its
    /// stride, its first record.
    fn look(
        &mut self,
        place: u64,
        which: (bool, u64, u64),
    ) -> Result<std::result::Result<Block, StopReason>> {
        let at = block_start(&self.header.layout, place);
        if at >= self.limit {
            return Ok(Err(StopReason::End));
        }
        let found = Block::read(self.data, self.header, at)?;
        let block = match found {
            Ok(block) => block,
            Err(_) => return Ok(Err(self.why_none(at)?)),
        };
        let frame = &block.frame;
        if (frame.is_copy, frame.stride, frame.first) != which {
            return Ok(Err(StopReason::Mismatch));
        }
        let (pace, progress, limit) = (&mut self.pace, &mut self.progress, self.limit);
        let mut done = at;
        let mut tick = |bytes: u64| {
            done = done.saturating_add(bytes);
            if pace.is_due(0, bytes) && !progress(done.min(limit), limit) {
                return Err(Error::Cancelled);
            }
            Ok(())
        };
        let is_whole = block.is_whole(&self.header.layout, &mut self.window, &mut tick)?;
        Ok(if is_whole || planted::has(Bug::NoChecksum) {
            Ok(block)
        } else {
            Err(StopReason::Mismatch)
        })
    }

    /// Why no block can be read here.
    fn why_none(&self, at: u64) -> Result<StopReason> {
        let rest = self.limit.saturating_sub(at);
        let mut bytes = Vec::new();
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(FRAME_LEN);
        self.data.read_to(at, len, &mut bytes)?;
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(StopReason::Zeros);
        }
        let Some(bytes) = bytes.first_chunk() else {
            return Ok(StopReason::Cut);
        };
        let layout = &self.header.layout;
        Ok(match Frame::decode(bytes, self.header.nonce) {
            Ok(frame) if frame.fits(layout) && frame.block_bytes(layout) > rest => StopReason::Cut,
            _ => StopReason::Mismatch,
        })
    }

    /// Appends a block's records.
    fn save(&mut self, block: &Block, writer: &mut ArecWriter) -> Result<()> {
        let header: &'a Header = self.header;
        let layout = &header.layout;
        let mut row = TableRow::default();
        for number in 0..u64::from(block.frame.count) {
            if !block.table(layout).row(number, &mut row) {
                break;
            }
            let record = block.at.saturating_add(row.start);
            let mut changed = false;
            writer.append_given(&row.own_sizes, &mut |field, put| {
                let (offset, bytes) = layout.field_span(&row.own_sizes, field)?;
                let start = record.saturating_add(offset);
                let (mut sum, mut done) = (0, 0);
                while done < bytes {
                    let at = start.saturating_add(done);
                    let piece = self.window.some_bytes(at, bytes.saturating_sub(done))?;
                    let len = piece.len() as u64;
                    sum = kernel::crc32c_of(sum, piece);
                    put(piece)?;
                    done = done.saturating_add(len);
                    self.tick(at, 0, len)?;
                }
                changed |= row.crcs.get(field) != Some(&sum);
                Ok(())
            })?;
            if changed && !planted::has(Bug::NoChecksum) {
                return Err(Error::Malformed {
                    origin: self.data.origin().clone(),
                    offset: record,
                    index: Some(block.frame.first.saturating_add(number)),
                    why: "the record changed while it was recovered".to_owned(),
                });
            }
        }
        Ok(())
    }
}
