//! The one way forward through a log: each record is checked before it is handed out.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::error::{Error, Result};
use super::format::{End, HEAD, Head, Header, MAX_LOG};
use super::log::Record;
#[cfg(any(test, feature = "sim"))]
use super::planted::Bug;
use super::window::Window;
use crate::map::{Origin, StorageFile};

/// Records of up to this many bytes are checked where they lie in the window.
const WHOLE: u64 = 256 << 10;

/// Whether the CRCs of values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckValues {
    /// They are read, too.
    Yes,
    /// Of records that are durable and were checked before.
    No,
}

/// Goes from the end of a batch to the end of the last whole one.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    window: Window<'a>,
    header: &'a Header,
    values: CheckValues,
    chained: bool,
    /// The record here is bound to the log otherwise than by the chain before it.
    linked: Option<u64>,
    /// Behind the last record.
    at: End,
    /// Behind the last whole batch.
    whole: End,
    /// The last record ended a batch, which hasn't been said yet.
    batch_is_due: bool,
    /// The key of the last record, where the window has gone on.
    key: Vec<u8>,
}

/// What comes next in a log.
#[derive(Debug)]
pub(crate) enum Step<'k> {
    /// A valid record and its key. It counts once its batch has ended.
    Record(Record, &'k [u8]),
    /// All records so far are whole batches.
    BatchEnd(End),
    /// No valid record follows; each later call says so again.
    Stop(Stop),
}

/// Where a log goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    /// Where the next record would start.
    pub(crate) offset: u64,
    /// What is there instead.
    pub(crate) why: &'static str,
}

/// The last bytes are no more than a record's head.
const AT_THE_END: &str = "the file ends here";

impl<'a> Scanner<'a> {
    /// From the end of a batch on, up to `limit`: the file's end, or what of it counts.
    pub(crate) fn new(
        file: &'a dyn StorageFile,
        origin: &'a Origin,
        header: &'a Header,
        from: End,
        limit: u64,
        values: CheckValues,
    ) -> Scanner<'a> {
        Scanner {
            window: Window::new(file, origin, limit.min(MAX_LOG)),
            header,
            values,
            chained: true,
            linked: None,
            at: from,
            whole: from,
            batch_is_due: false,
            key: Vec::new(),
        }
    }

    /// Leaves out what a planted bug leaves out.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn plant(&mut self, bug: Option<Bug>) {
        match bug {
            Some(Bug::NoCrc) => self.values = CheckValues::No,
            Some(Bug::NoChain) => self.chained = false,
            _ => {}
        }
    }

    /// The record at `offset`, where this starts, was found by a neighbour: its chain isn't checked.
    pub(crate) fn take_as_linked(&mut self, offset: u64) {
        self.linked = Some(offset);
    }

    /// Behind the last record so far.
    pub(crate) fn position(&self) -> End {
        self.at
    }

    /// Behind the last whole batch so far.
    pub(crate) fn end(&self) -> End {
        self.whole
    }

    /// The next record, the end of its batch, or why there is none.
    ///
    /// # Errors
    /// The system's; the file was cut; memory is out.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Step<'_>> {
        if self.batch_is_due {
            self.batch_is_due = false;
            self.whole = self.at;
            return Ok(Step::BatchEnd(self.whole));
        }
        let offset = self.at.tail;
        let record = match self.record(offset)? {
            Ok(record) => record,
            Err(why) => return Ok(Step::Stop(Stop { offset, why })),
        };
        self.at = End {
            tail: record.extent.end,
            last: offset,
            chain: record.head.chain,
            records: self.at.records.saturating_add(1),
        };
        self.batch_is_due = record.head.is_last;
        let key = offset.saturating_add(HEAD as u64);
        let key = self.window.held(key, usize::from(record.head.key_len));
        Ok(Step::Record(record, key.unwrap_or(&self.key)))
    }

    #[inline]
    fn record(&mut self, offset: u64) -> Result<std::result::Result<Record, &'static str>> {
        let Some(bytes) = self.window.array::<HEAD>(offset)? else {
            return Ok(Err(AT_THE_END));
        };
        let head = match Head::decode(&bytes) {
            Ok(head) => head,
            Err(why) => return Ok(Err(why)),
        };
        if head.prev != self.at.last {
            return Ok(Err("a record that doesn't follow the one before"));
        }
        let is_chained = self.chained && self.linked != Some(offset);
        if is_chained && head.chain != self.header.chain(self.at.chain, offset, &bytes) {
            return Ok(Err("a record whose chain is wrong"));
        }
        let extent = head.extent(offset, self.header.align());
        if extent.end > self.window.limit() {
            return Ok(Err("a record that reaches behind the end of the file"));
        }
        let record = Record {
            offset,
            head,
            extent,
        };
        Ok(self.contents(&record)?.map(|()| record))
    }

    /// Whether key and value are what the head says.
    #[inline]
    fn contents(&mut self, record: &Record) -> Result<std::result::Result<(), &'static str>> {
        let Record { head, extent, .. } = record;
        let start = record.offset.saturating_add(HEAD as u64);
        let key_len = usize::from(head.key_len);
        let with_value = self.values == CheckValues::Yes && head.kind.has_value();
        let len = extent.end.saturating_sub(start);
        let at_once = match usize::try_from(len) {
            Ok(len) if with_value && u64::try_from(len).is_ok_and(|len| len <= WHOLE) => len,
            _ => key_len,
        };
        let origin = self.window.origin();
        let Some(bytes) = self.window.get(start, at_once)? else {
            return Ok(Err("a record that reaches behind the end of the file"));
        };
        let key = bytes.get(..key_len).unwrap_or_default();
        if self.header.hash(key) != head.key_hash {
            return Ok(Err("a record whose key doesn't fit its hash"));
        }
        if !with_value {
            return Ok(Ok(()));
        }
        if len > WHOLE {
            self.key.clear();
            let reserved = self.key.try_reserve_exact(key_len);
            reserved.map_err(|_| Error::out_of_memory(origin, key_len as u64))?;
            self.key.extend_from_slice(key);
        }
        let covered = extent.value.saturating_sub(extent.prefix);
        let covered = covered.saturating_add(head.value_len);
        if self.window.crc(extent.prefix, covered)? != Some(head.crc) {
            return Ok(Err("a record whose value doesn't fit its checksum"));
        }
        Ok(Ok(()))
    }
}
