//! All of a log, damage and all: what is sound, and what isn't.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::error::{Error, Result};
use super::format::{End, FIRST, Header, Slot};
use super::log::Record;
use super::resync::Seeker;
use super::scan::{CheckValues, Scanner, Step, Stop};
use crate::map::{Origin, Progress, StorageFile};

/// Bytes between two calls of a progress callback.
const PACE: u64 = 4 << 20;

/// A stretch of bytes that isn't what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) why: &'static str,
    /// Of the key whose record it was, where that can be told.
    pub(crate) key_hash: Option<u64>,
}

/// What a survey comes by, in the order of the log.
#[derive(Debug)]
pub(crate) enum Sight {
    /// A record that is sound, and that counts: its batch is whole, or below damage.
    Record(Record),
    Gap(Gap),
    /// The end of a batch before the first damage.
    BatchEnd(End),
}

/// What a survey found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Survey {
    /// Behind the last record that counts.
    pub(crate) tail: u64,
    /// Bytes behind the tail that were never acknowledged.
    pub(crate) torn_bytes: u64,
}

/// A log to survey.
pub(crate) struct Surveyor<'a> {
    pub(crate) file: &'a dyn StorageFile,
    pub(crate) origin: &'a Origin,
    pub(crate) header: &'a Header,
    /// The file's end, or what of it counts.
    pub(crate) limit: u64,
    /// The checkpoints that are valid.
    pub(crate) slots: [Option<Slot>; 2],
}

impl Surveyor<'_> {
    /// Goes through all of the log. What lies behind the last whole batch counts only where it was
    /// durable once, by a checkpoint's word or a later record's.
    pub(crate) fn run(
        &self,
        see: &mut dyn FnMut(Sight) -> Result<()>,
        progress: Progress<'_>,
    ) -> Result<Survey> {
        let mut seeker = Seeker::new(self.file, self.origin, self.header, self.limit, self.slots);
        let mut scanner = self.scanner(End::start(self.header));
        // Of the batch that hasn't ended.
        let mut batch: Vec<Record> = Vec::new();
        let mut durable = None;
        let mut is_sound = true;
        let mut tail = FIRST;
        let mut due = 0;
        loop {
            if scanner.position().tail >= due {
                due = scanner.position().tail.saturating_add(PACE);
                if !progress(scanner.position().tail.min(self.limit), self.limit) {
                    return Err(Error::Cancelled);
                }
            }
            let stop = match scanner.next()? {
                Step::Record(record, _) => {
                    let reserved = batch.try_reserve(1);
                    let bytes = (batch.len() as u64).saturating_mul(size_of::<Record>() as u64);
                    reserved.map_err(|_| Error::out_of_memory(self.origin, bytes))?;
                    batch.push(record);
                    continue;
                }
                Step::BatchEnd(end) => {
                    tail = end.tail;
                    for record in batch.drain(..) {
                        see(Sight::Record(record))?;
                    }
                    if is_sound {
                        see(Sight::BatchEnd(end))?;
                    }
                    continue;
                }
                Step::Stop(stop) => stop,
            };
            let durable = match durable {
                Some(durable) => durable,
                None => {
                    let said = seeker.durable(stop.offset)?.max(self.durable());
                    *durable.insert(said)
                }
            };
            if stop.offset >= durable {
                break;
            }
            is_sound = false;
            for record in batch.drain(..) {
                see(Sight::Record(record))?;
            }
            match self.behind(&stop, durable, &mut seeker)? {
                (gap, Some(next)) => {
                    tail = gap.offset.saturating_add(gap.len);
                    see(Sight::Gap(gap))?;
                    scanner = next;
                }
                (gap, None) => {
                    tail = durable;
                    see(Sight::Gap(gap))?;
                    break;
                }
            }
        }
        match progress(self.limit, self.limit) {
            true => Ok(Survey {
                tail,
                torn_bytes: self.limit.saturating_sub(tail),
            }),
            false => Err(Error::Cancelled),
        }
    }

    /// Everything below was durable, as the checkpoints have it.
    pub(crate) fn durable(&self) -> u64 {
        let tails = self.slots.iter().flatten().map(|slot| slot.end.tail);
        tails.max().unwrap_or(FIRST)
    }

    fn scanner(&self, from: End) -> Scanner<'_> {
        Scanner::new(
            self.file,
            self.origin,
            self.header,
            from,
            self.limit,
            CheckValues::Yes,
        )
    }

    /// The damage where the log goes no further, and the way on behind it.
    fn behind(
        &self,
        stop: &Stop,
        durable: u64,
        seeker: &mut Seeker<'_>,
    ) -> Result<(Gap, Option<Scanner<'_>>)> {
        let mut gap = Gap {
            offset: stop.offset,
            len: durable.saturating_sub(stop.offset),
            why: stop.why,
            key_hash: None,
        };
        let Some(record) = seeker.next(stop.offset, durable)? else {
            return Ok((gap, None));
        };
        let scanner = if record.offset == stop.offset {
            // Only its value is damaged.
            gap.key_hash = Some(record.head.key_hash);
            gap.len = record.bytes();
            self.scanner(End {
                tail: record.extent.end,
                last: record.offset,
                chain: record.head.chain,
                records: 0,
            })
        } else {
            gap.len = record.offset.saturating_sub(stop.offset);
            let mut scanner = self.scanner(End {
                tail: record.offset,
                last: record.head.prev,
                chain: 0,
                records: 0,
            });
            scanner.take_as_linked(record.offset);
            scanner
        };
        Ok((gap, Some(scanner)))
    }
}
