//! What says where records lie, read from the map or by pread.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use super::kept::Reading;
use super::locate::Spot;
use crate::map::{self, Fetch, Mapped};
use crate::record::reader::RecordReader;

/// How a call reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the map.
    Map,
    /// By pread.
    Read,
    /// Past the page cache.
    Direct,
}

/// Fetches from one file after the other.
#[derive(Debug)]
pub(super) struct Sight<'a> {
    reader: &'a RecordReader,
    way: Way,
    now: Option<(usize, Now<'a>)>,
}

#[derive(Debug)]
enum Now<'a> {
    Mapped(Mapped<'a>),
    Reading(Reading<'a>),
}

impl<'a> Sight<'a> {
    pub(super) fn new(reader: &'a RecordReader, way: Way) -> Sight<'a> {
        Sight {
            reader,
            way,
            now: None,
        }
    }

    /// Turns to the file that a record is in.
    pub(super) fn on(&mut self, spot: &Spot<'a>) -> &mut Sight<'a> {
        if self
            .now
            .as_ref()
            .is_some_and(|(shard, _)| *shard == spot.shard)
        {
            return self;
        }
        let data = spot.data();
        let now = if self.way == Way::Map {
            Now::Mapped(Mapped::new(data))
        } else {
            Now::Reading(Reading::new(data, spot.kept(self.reader)))
        };
        self.now = Some((spot.shard, now));
        self
    }
}

fn nowhere(offset: u64, len: u64) -> map::Error {
    map::Error::OutOfRange {
        origin: map::Origin::Memory,
        offset,
        len,
        size: 0,
    }
}

impl Fetch for Sight<'_> {
    #[inline]
    fn u32_at(&mut self, offset: u64) -> map::Result<u32> {
        match &mut self.now {
            Some((_, Now::Mapped(from))) => from.u32_at(offset),
            Some((_, Now::Reading(from))) => from.u32_at(offset),
            None => Err(nowhere(offset, 4)),
        }
    }

    #[inline]
    fn u64_at(&mut self, offset: u64) -> map::Result<u64> {
        match &mut self.now {
            Some((_, Now::Mapped(from))) => from.u64_at(offset),
            Some((_, Now::Reading(from))) => from.u64_at(offset),
            None => Err(nowhere(offset, 8)),
        }
    }
}
