//! The order in which an epoch goes through a set: a pure function of the set's size, the options
//! and the epoch. docs/loader.md specifies it.

use std::ops::Range;

use super::bijection::{Bijection, Purpose, key};
use super::lanes::Lanes;
use super::plan_error::{PlanError, Result};

/// The most records that an order takes.
pub const MOST_RECORDS: u64 = 1 << 60;

/// The most lanes.
pub const MOST_LANES: u32 = 1 << 16;

/// The bytes of a block where its records aren't given.
const BLOCK_BYTES: u64 = 4 << 20;

/// Kinds of order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shuffle {
    /// Blocks shuffled, and records within windows of blocks.
    #[default]
    Windowed,
    /// As the set has them.
    Sequential,
}

/// What decides the order beside the set and the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderOptions {
    /// The kind.
    pub shuffle: Shuffle,
    /// Another seed, another order.
    pub seed: u64,
    /// Records of a block, which stay together in a window; see [`OrderOptions::for_set`].
    pub block: u64,
    /// Blocks whose records are mixed; 0: all of a lane's.
    pub window: u64,
    /// Lanes, each with windows of its own, so that as many nodes can each read their own; 0: one.
    /// It belongs to the order: other numbers of nodes get the same order.
    pub canonical_nodes: u32,
}

impl OrderOptions {
    /// With a block where none is given: as many records of a set as are about 4 MiB.
    #[must_use]
    pub fn for_set(mut self, records: u64, bytes: u64) -> OrderOptions {
        if self.block == 0 {
            let each = bytes.checked_div(records).unwrap_or(0).max(1);
            self.block = (BLOCK_BYTES / each).max(1);
        }
        self
    }
}

/// The order of one epoch.
#[derive(Clone, Debug)]
pub struct Order {
    records: u64,
    options: OrderOptions,
    epoch: u64,
    /// The slots of a window.
    window: u64,
    slots: u64,
    /// None: each block stands in the slot of its number, and nothing is mixed.
    blocks: Option<Bijection>,
    /// The slot of the last block, and how many records it has less than the others.
    short: (u64, u64),
    lanes: Lanes,
}

/// A window of a lane: the records of some blocks, which an epoch goes through together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The lane.
    pub lane: u32,
    /// Its number there.
    pub number: u64,
}

impl Order {
    /// The order of an epoch of a set of `records`.
    ///
    /// # Errors
    /// [`PlanError::Option`] for more than [`MOST_RECORDS`] or [`MOST_LANES`], or a block of 0 or
    /// of more than [`MOST_RECORDS`].
    pub fn new(records: u64, options: &OrderOptions, epoch: u64) -> Result<Order> {
        check(records, options)?;
        let slots = records.div_ceil(options.block);
        let blocks = match options.shuffle {
            Shuffle::Sequential => None,
            Shuffle::Windowed => {
                let key = key(Purpose::Blocks, &[options.seed, epoch]);
                Some(Bijection::new(slots, key))
            }
        };
        let last = slots.saturating_sub(1);
        let short = (
            blocks
                .as_ref()
                .filter(|_| slots > 0)
                .map_or(last, |blocks| blocks.from(last)),
            slots * options.block - records,
        );
        let window = match (options.window, options.shuffle) {
            (0, Shuffle::Sequential) => 1,
            (0, Shuffle::Windowed) => slots.max(1),
            (window, _) => window.min(slots.max(1)),
        };
        let mut order = Order {
            records,
            options: *options,
            epoch,
            window,
            slots,
            blocks,
            short,
            lanes: Lanes::new(Vec::new())?,
        };
        order.lanes = Lanes::new(order.lane_lengths()?)?;
        Ok(order)
    }

    fn lane_lengths(&self) -> Result<Vec<u64>> {
        let lanes = self.lane_count();
        let mut lengths = Vec::new();
        let reserved = lengths.try_reserve(usize::try_from(lanes).unwrap_or(usize::MAX));
        reserved.map_err(|_| PlanError::OutOfMemory)?;
        lengths.extend((0..lanes).map(|lane| self.records_in(self.lane_slots(lane))));
        Ok(lengths)
    }

    fn lane_count(&self) -> u32 {
        match self.options.shuffle {
            Shuffle::Sequential => 1,
            Shuffle::Windowed => self.options.canonical_nodes.max(1),
        }
    }

    fn lane_slots(&self, lane: u32) -> Range<u64> {
        let cut = |lane: u64| {
            let cut = u128::from(self.slots) * u128::from(lane) / u128::from(self.lane_count());
            u64::try_from(cut).unwrap_or(self.slots)
        };
        cut(lane.into())..cut(u64::from(lane) + 1)
    }

    fn records_in(&self, slots: Range<u64>) -> u64 {
        let (short, missing) = self.short;
        let less = if slots.contains(&short) { missing } else { 0 };
        (slots.end - slots.start) * self.options.block - less
    }

    /// The number of positions: that of records.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.records
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The number of lanes.
    #[must_use]
    pub fn lanes(&self) -> u32 {
        self.lanes.count()
    }

    /// The record at a position, if there is one.
    #[must_use]
    pub fn record_at(&self, position: u64) -> Option<u64> {
        if position >= self.records {
            return None;
        }
        let (lane, index) = self.lanes.locate(position);
        let mut record = None;
        self.walk(lane, index..index + 1, &mut |number| record = Some(number));
        record
    }

    /// The lane of a position, and the position's index in it.
    #[must_use]
    pub fn lane_of(&self, position: u64) -> Option<(u32, u64)> {
        (position < self.records).then(|| self.lanes.locate(position))
    }

    /// What of a lane lies before a position.
    pub(super) fn lane_before(&self, position: u64, lane: u32) -> u64 {
        self.lanes.before(position.min(self.records), lane)
    }

    /// The window of a position, if there is one.
    #[must_use]
    pub fn window_of(&self, position: u64) -> Option<Window> {
        let (lane, index) = self.lane_of(position)?;
        Some(Window {
            lane,
            number: self.window_in(lane, index),
        })
    }

    /// The ranges of records of a window's blocks.
    pub fn blocks_of(&self, window: Window) -> impl Iterator<Item = Range<u64>> + '_ {
        self.window_slots(window).map(|slot| {
            let start = self.block_in(slot) * self.options.block;
            start..(start + self.options.block).min(self.records)
        })
    }

    /// The windows that end at a position before `to` but not before `from`: what is left behind by
    /// going on from `from` to `to`.
    pub fn each_window_done(&self, from: u64, to: u64, mut each: impl FnMut(Window)) {
        for lane in 0..self.lanes() {
            let (start, end) = (self.lane_before(from, lane), self.lane_before(to, lane));
            if start >= end {
                continue;
            }
            for number in self.window_in(lane, start)..=self.window_in(lane, end - 1) {
                let window = Window { lane, number };
                if self.window_span(window).end <= end {
                    each(window);
                }
            }
        }
    }

    /// The window of a lane that has its `index`.
    fn window_in(&self, lane: u32, index: u64) -> u64 {
        let slots = self.lane_slots(lane);
        let (short, missing) = self.short;
        let whole = u128::from(self.window) * u128::from(self.options.block);
        let mut index = u128::from(index);
        if slots.contains(&short) {
            let behind = u128::from((short - slots.start) / self.window + 1) * whole;
            if index >= behind - u128::from(missing) {
                index += u128::from(missing);
            }
        }
        u64::try_from(index / whole).unwrap_or(0)
    }

    fn window_slots(&self, window: Window) -> Range<u64> {
        let slots = self.lane_slots(window.lane);
        let cut = |number: u64| {
            slots
                .start
                .saturating_add(number.saturating_mul(self.window))
                .min(slots.end)
        };
        cut(window.number)..cut(window.number.saturating_add(1))
    }

    /// The indices in the lane.
    fn window_span(&self, window: Window) -> Range<u64> {
        let slots = self.window_slots(window);
        let start = self.records_in(self.lane_slots(window.lane).start..slots.start);
        start..start + self.records_in(slots)
    }

    fn block_in(&self, slot: u64) -> u64 {
        self.blocks.as_ref().map_or(slot, |blocks| blocks.to(slot))
    }

    /// Gives `each` the records of a lane's indices, which are ones that it has.
    pub(super) fn walk(&self, lane: u32, indices: Range<u64>, each: &mut impl FnMut(u64)) {
        let mut index = indices.start;
        while index < indices.end {
            let number = self.window_in(lane, index);
            let span = self.window_span(Window { lane, number });
            if !span.contains(&index) {
                debug_assert!(false, "{index} of lane {lane}");
                return;
            }
            let here = index - span.start..indices.end.min(span.end) - span.start;
            index = span.end;
            self.walk_window(Window { lane, number }, span.end - span.start, here, each);
        }
    }

    fn walk_window(
        &self,
        window: Window,
        len: u64,
        indices: Range<u64>,
        each: &mut impl FnMut(u64),
    ) {
        let slots = self.window_slots(window);
        let block = self.options.block;
        let (short, missing) = self.short;
        // From here on in the window, all blocks before being whole, a block's worth is missing.
        let gap = if slots.contains(&short) {
            (short - slots.start) * block + (block - missing)
        } else {
            u64::MAX
        };
        let mixed = self.blocks.as_ref().map(|_| {
            let words = [
                self.options.seed,
                self.epoch,
                window.lane.into(),
                window.number,
            ];
            Bijection::new(len, key(Purpose::Window, &words))
        });
        for index in indices {
            let mut place = mixed.as_ref().map_or(index, |mixed| mixed.to(index));
            if place >= gap {
                place += missing;
            }
            let (slot, into) = (slots.start + place / block, place % block);
            each(self.block_in(slot) * block + into);
        }
    }

    /// The seed for what is drawn for a record in this epoch, in whatever world.
    #[must_use]
    pub fn record_seed(&self, record: u64) -> u64 {
        key(Purpose::Record, &[self.options.seed, self.epoch, record])
    }
}

fn check(records: u64, options: &OrderOptions) -> Result<()> {
    let refuse = |what, given, rule| Err(PlanError::Option { what, given, rule });
    if records > MOST_RECORDS {
        return refuse(
            "the number of records",
            records,
            "at most 2^60 can be ordered",
        );
    }
    if options.block == 0 || options.block > MOST_RECORDS {
        return refuse("block", options.block, "a block has 1 to 2^60 records");
    }
    if options.canonical_nodes > MOST_LANES {
        let given = options.canonical_nodes.into();
        return refuse("canonical_nodes", given, "at most 65536 are possible");
    }
    Ok(())
}
