//! Values that are written piece by piece.

use std::fmt;
use std::sync::{Arc, MutexGuard};

use super::batch::{Batch, check_key, region};
use super::error::{Error, Result};
use super::format::{Head, MAX_VALUE, RecordType, UNIT, round_up};
use super::log::Log;
use super::store::{Inner, Store, Writer};
use crate::kernel::{crc32c, crc32c_of};
use crate::map::{self, Origin, Region};

/// Bytes that are gathered for a write.
const PIECE: usize = 256 << 10;

const BUSY: &str = "a stream is writing a value";

/// A value of unknown length that is being written. Nobody else can write meanwhile: they are told
/// that the store is busy. Dropped before [`PutStream::commit`], it leaves the store as it was.
pub struct PutStream {
    inner: Arc<Inner>,
    log: Arc<Log>,
    key: Vec<u8>,
    /// Where the value starts.
    start: u64,
    /// Bytes so far, and how many of them are in the log: the others are in `piece`.
    len: u64,
    in_log: u64,
    crc: u32,
    piece: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Failed,
    Done,
}

impl Store {
    /// Starts a value that is written piece by piece.
    ///
    /// # Errors
    /// As [`Store::write`] and [`Batch::put`].
    pub fn put_stream(&self, key: &[u8]) -> Result<PutStream> {
        let key_len = check_key(key)?;
        let mut copy = Vec::new();
        let reserved = copy.try_reserve_exact(key.len());
        reserved.map_err(|_| Error::out_of_memory(&self.inner.origin, key.len() as u64))?;
        copy.extend_from_slice(key);
        let mut piece = Vec::new();
        let reserved = piece.try_reserve_exact(PIECE + UNIT as usize);
        reserved.map_err(|_| Error::out_of_memory(&self.inner.origin, PIECE as u64))?;
        let mut writer = self.inner.begin_write()?;
        self.inner.check_not_compacting()?;
        self.inner.make_room(1)?;
        let place = self.inner.place();
        let epoch = if self.inner.needs_epoch(&writer) {
            UNIT
        } else {
            0
        };
        let head = Head {
            kind: RecordType::Put,
            is_last: true,
            key_len,
            value_len: 0,
            key_hash: 0,
            crc: 0,
            durable_distance: 0,
            chain: 0,
            prev: 0,
        };
        let offset = place.appended.end.tail.saturating_add(epoch);
        let extent = head.extent(offset, place.log.header.align());
        writer.busy = Some(BUSY);
        Ok(PutStream {
            inner: Arc::clone(&self.inner),
            log: place.log,
            key: copy,
            start: extent.value,
            len: 0,
            in_log: 0,
            crc: 0,
            piece,
            state: State::Open,
        })
    }
}

impl PutStream {
    /// Writes the next bytes of the value.
    ///
    /// # Errors
    /// As [`Store::write`], [`Error::ValueTooLong`]. A failure is final: the stream can only be
    /// aborted or dropped.
    pub fn write(&mut self, bytes: Region<'_>) -> Result<()> {
        self.check()?;
        let result = self.add(bytes);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    /// Makes the value count, as a put of it would, and returns the sequence number.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn commit(mut self) -> Result<u64> {
        self.check()?;
        let inner = Arc::clone(&self.inner);
        let mut writer = inner.lock_writer();
        if writer.is_closed {
            return Err(self.closed("been closed"));
        }
        let sealed = self.seal(&mut writer);
        self.state = State::Done;
        writer.busy = None;
        let mark = sealed?;
        inner.finish(writer, &mark)?;
        Ok(mark.sequence)
    }

    /// Leaves the store as it was before the stream.
    pub fn abort(self) {}

    fn check(&self) -> Result<()> {
        self.inner.check_process()?;
        self.inner.syncs.check(&self.inner.origin)?;
        match self.state {
            State::Open => Ok(()),
            State::Failed | State::Done => Err(self.closed("failed")),
        }
    }

    fn closed(&self, why: &'static str) -> Error {
        let origin = self.inner.origin.clone();
        Error::Map(map::Error::Closed { origin, why })
    }

    fn add(&mut self, bytes: Region<'_>) -> Result<()> {
        let len = self.len.saturating_add(bytes.len() as u64);
        if len > MAX_VALUE {
            return Err(Error::ValueTooLong { len });
        }
        if !bytes.is_readable() {
            return Err(map::Error::unreadable(Origin::Memory, 0).into());
        }
        let mut done = 0;
        while done < bytes.len() {
            let left = bytes.len() - done;
            if self.piece.is_empty() && left >= PIECE {
                let piece = bytes.slice(done as u64, left as u64).unwrap_or_default();
                self.write_through(piece)?;
                break;
            }
            let take = left.min(PIECE.saturating_sub(self.piece.len()));
            self.gather(bytes, done, take)?;
            done += take;
            if self.piece.len() >= PIECE {
                self.flush()?;
            }
        }
        self.len = len;
        Ok(())
    }

    /// Writes bytes from where they lie.
    fn write_through(&mut self, bytes: Region<'_>) -> Result<()> {
        // SAFETY: a region's bytes are readable.
        self.crc = unsafe { crc32c(self.crc, bytes.as_ptr(), bytes.len()) };
        self.write_at_end(bytes)
    }

    fn gather(&mut self, bytes: Region<'_>, from: usize, len: usize) -> Result<()> {
        let before = self.piece.len();
        let room = self.piece.spare_capacity_mut().get_mut(..len);
        let copied = room.is_some_and(|room| bytes.copy_to(from as u64, room));
        if !copied {
            return Err(Error::out_of_memory(&self.inner.origin, len as u64));
        }
        // SAFETY: copy_to filled the first `len` bytes of the spare capacity.
        unsafe { self.piece.set_len(before + len) };
        let new = self.piece.get(before..).unwrap_or_default();
        self.crc = crc32c_of(self.crc, new);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let piece = std::mem::take(&mut self.piece);
        let result = self.write_at_end(region(&piece));
        self.piece = piece;
        self.piece.clear();
        result
    }

    fn write_at_end(&mut self, bytes: Region<'_>) -> Result<()> {
        let at = self.start.saturating_add(self.in_log);
        let origin = &self.inner.origin;
        let wrote = self.log.file.write_region_at(bytes, at);
        wrote.map_err(|error| match map::is_bad_address(&error) {
            true => map::Error::unreadable(origin.clone(), at),
            false => map::Error::io_at("write", origin, at)(error),
        })?;
        self.in_log = self.in_log.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Writes what is left of the value, then its record, which makes it count.
    fn seal(&mut self, writer: &mut MutexGuard<'_, Writer>) -> Result<super::store::Mark> {
        let gap = round_up(self.len, UNIT) - self.len;
        let padded = self.piece.len() + gap as usize;
        self.piece.resize(padded, 0);
        let mut more = None;
        let piece = std::mem::take(&mut self.piece);
        if self.in_log == 0 {
            more = Some(region(&piece));
        } else {
            self.write_at_end(region(&piece))?;
        }
        let mut batch = Batch::of_streamed(&self.key, self.len, self.crc)?;
        let place = self.inner.place();
        batch.hash_keys(&place.log.header);
        self.inner.append(writer, &place, &mut batch, more)
    }
}

impl Drop for PutStream {
    fn drop(&mut self) {
        if self.state != State::Done && self.inner.owner.is_this_process() {
            self.inner.lock_writer().busy = None;
        }
    }
}

impl fmt::Debug for PutStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PutStream({} bytes so far)", self.len)
    }
}
