//! A log that is made of another's records, and appears whole or not at all.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::path::Path;
use std::sync::Arc;

use super::error::{Error, Result};
use super::format::{End, FIRST, HEAD, Head, Header, Slot};
use super::log::Record;
use super::window::Window;
use crate::kernel::crc32c_of;
use crate::map::{Origin, Publication, Storage, StorageFile};

/// Bytes that are gathered for a write.
const PIECE: usize = 1 << 20;
/// Bytes of a large value that are read and written at a time: they stay in the cache.
const PART: usize = 256 << 10;
/// From here on bytes are written from where they lie.
const WORTH_A_WRITE: usize = 32 << 10;

/// The log being made, under a temporary name.
pub(crate) struct NewLog {
    publication: Publication,
    header: Header,
    origin: Origin,
    end: End,
    /// What isn't written yet, up to the end of the log.
    pending: Vec<u8>,
    /// Where `pending` goes.
    written: u64,
}

impl NewLog {
    /// With `replace` false, nothing may stand at `path`.
    pub(crate) fn create(
        storage: &Arc<dyn Storage>,
        path: &Path,
        header: Header,
        replace: bool,
    ) -> Result<NewLog> {
        let mut publication = Publication::create(Arc::clone(storage), path, replace)?;
        publication.write(&header.encode(), 0)?;
        let mut new = NewLog {
            publication,
            header,
            origin: Origin::Path(path.to_owned()),
            end: End::start(&header),
            pending: Vec::new(),
            written: FIRST,
        };
        let reserved = new.pending.try_reserve_exact(PIECE);
        reserved.map_err(|_| Error::out_of_memory(&new.origin, PIECE as u64))?;
        Ok(new)
    }

    /// The temporary.
    pub(crate) fn temporary(&self) -> &Path {
        self.publication.temporary()
    }

    /// The log so far: its file has all of it.
    pub(crate) fn written(&mut self) -> Result<(Arc<dyn StorageFile>, Origin, Header, End)> {
        self.flush()?;
        let file = Arc::clone(self.publication.file());
        Ok((file, self.origin.clone(), self.header, self.end))
    }

    /// Copies a record and its key and value, as a batch of its own. Where they aren't what its
    /// head says any more it is an error: they were a moment ago.
    pub(crate) fn copy(&mut self, record: &Record, from: &mut Window<'_>) -> Result<Record> {
        let offset = self.end.tail;
        let before = &record.head;
        let mut head = Head {
            is_last: true,
            durable_distance: u32::MAX,
            prev: self.end.last,
            ..*before
        };
        head.chain = self.header.chain(self.end.chain, offset, &head.encode());
        let extent = head.extent(offset, self.header.align());
        self.append(&head.encode())?;
        let key = record.offset.saturating_add(HEAD as u64);
        self.copy_bytes(from, record, key, u64::from(head.key_len))?;
        self.pad_to(extent.prefix)?;
        let start = record.extent.prefix;
        let prefix = record.extent.value.saturating_sub(start);
        let crc = self.copy_bytes(from, record, start, prefix.saturating_add(head.value_len))?;
        if crc != head.crc {
            return Err(changed(from, record));
        }
        self.pad_to(extent.end)?;
        self.end = End {
            tail: extent.end,
            last: offset,
            chain: head.chain,
            records: self.end.records.saturating_add(1),
        };
        Ok(Record {
            offset,
            head,
            extent,
        })
    }

    /// Makes what is there so far durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.flush()?;
        Ok(self.publication.sync()?)
    }

    /// Ends it with a checkpoint, syncs it and gives it its name.
    pub(crate) fn publish(mut self, live: u64, live_bytes: u64) -> Result<End> {
        let end = self.write_checkpoint(live, live_bytes)?;
        self.publication.publish()?;
        Ok(end)
    }

    /// Ends it with a checkpoint and syncs it: all that is left is [`NewLog::publish_sealed`].
    pub(crate) fn seal(&mut self, live: u64, live_bytes: u64) -> Result<End> {
        let end = self.write_checkpoint(live, live_bytes)?;
        self.publication.sync()?;
        Ok(end)
    }

    /// Gives it its name.
    pub(crate) fn publish_sealed(mut self) -> Result<()> {
        Ok(self.publication.publish()?)
    }

    fn write_checkpoint(&mut self, live: u64, live_bytes: u64) -> Result<End> {
        self.flush()?;
        let slot = Slot {
            sequence: 1,
            end: self.end,
            live,
            live_bytes,
        };
        let bytes = slot.encode(&self.header);
        let sequence = slot.sequence;
        self.publication.write(&bytes, Slot::offset(sequence))?;
        if self.end.records == 0 {
            // The file reaches as far as the place of the first record.
            let (page, last) = ([0; 1], FIRST.saturating_sub(1));
            self.publication.write(&page, last)?;
        }
        Ok(self.end)
    }

    /// The CRC of what was copied.
    fn copy_bytes(
        &mut self,
        from: &mut Window<'_>,
        record: &Record,
        mut at: u64,
        mut len: u64,
    ) -> Result<u32> {
        let mut crc = 0;
        while len > 0 {
            let piece = usize::try_from(len).unwrap_or(PART).min(PART);
            let Some(bytes) = from.get(at, piece)? else {
                return Err(changed(from, record));
            };
            crc = crc32c_of(crc, bytes);
            self.append(bytes)?;
            at = at.saturating_add(piece as u64);
            len = len.saturating_sub(piece as u64);
        }
        Ok(crc)
    }

    fn pad_to(&mut self, offset: u64) -> Result<()> {
        let at = self.written.saturating_add(self.pending.len() as u64);
        let gap = usize::try_from(offset.saturating_sub(at)).unwrap_or(usize::MAX);
        // At most a page, since values are aligned to that.
        const ZEROS: [u8; 8192] = [0; 8192];
        self.append(ZEROS.get(..gap).unwrap_or_default())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() >= WORTH_A_WRITE {
            self.flush()?;
            self.publication.write(bytes, self.written)?;
            self.written = self.written.saturating_add(bytes.len() as u64);
            return Ok(());
        }
        if self.pending.len().saturating_add(bytes.len()) > PIECE {
            self.flush()?;
        }
        // It has the memory for so much.
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if !self.pending.is_empty() {
            self.publication.write(&self.pending, self.written)?;
        }
        self.written = self.written.saturating_add(self.pending.len() as u64);
        self.pending.clear();
        Ok(())
    }
}

#[cold]
fn changed(from: &Window<'_>, record: &Record) -> Error {
    Error::Record {
        origin: from.origin().clone(),
        offset: record.offset,
        why: "it changed while it was copied",
    }
}
