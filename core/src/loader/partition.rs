//! Which of an epoch's positions are whose, step by step.

use std::ops::Range;

use super::order::Order;
use super::plan_error::{PlanError, Result};

/// The most records of a step over all ranks.
pub const MOST_BATCH: u64 = 1 << 32;

/// The most ranks.
pub const MOST_WORLD: u32 = 1 << 24;

/// What becomes of the records behind the last whole step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Uneven {
    /// They are left out of this epoch.
    #[default]
    Drop,
    /// A last step has them and then the epoch's first ones once more, as padding.
    Pad,
    /// A last step has them and no others.
    Keep,
}

/// How the steps of an epoch are cut and dealt out to ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The records of a step over all ranks.
    pub batch: u64,
    /// The number of ranks.
    pub world: u32,
    /// This one's.
    pub rank: u32,
    /// What becomes of the rest.
    pub uneven: Uneven,
}

impl Default for Partition {
    /// One rank, one record a step.
    fn default() -> Partition {
        Partition {
            batch: 1,
            world: 1,
            rank: 0,
            uneven: Uneven::default(),
        }
    }
}

impl Partition {
    /// Whether the numbers make sense.
    ///
    /// # Errors
    /// [`PlanError::Option`].
    pub fn check(&self) -> Result<()> {
        let refuse = |what, given, rule| Err(PlanError::Option { what, given, rule });
        if self.batch == 0 || self.batch > MOST_BATCH {
            return refuse("batch", self.batch, "a step has 1 to 2^32 records");
        }
        if self.world == 0 || self.world > MOST_WORLD {
            return refuse("world", self.world.into(), "there are 1 to 2^24 ranks");
        }
        if self.rank >= self.world {
            return refuse("rank", self.rank.into(), "ranks are below world");
        }
        Ok(())
    }

    /// The steps of an epoch of so many records.
    #[must_use]
    pub fn steps(&self, records: u64) -> u64 {
        match self.uneven {
            Uneven::Drop => records / self.batch,
            Uneven::Pad | Uneven::Keep => records.div_ceil(self.batch),
        }
    }

    /// The places of a step that are this rank's.
    #[must_use]
    pub fn places(&self) -> Range<u64> {
        let cut = |rank: u32| {
            let cut = u128::from(self.batch) * u128::from(rank) / u128::from(self.world);
            u64::try_from(cut).unwrap_or(self.batch)
        };
        cut(self.rank)..cut(self.rank.saturating_add(1))
    }

    /// Replaces what is in `records` by those of this rank in a step, and tells how many of them
    /// count. The others, behind these, are padding. There are as many as the rank has places, but
    /// where the rest is kept, fewer in the last step: only those that count.
    ///
    /// # Errors
    /// [`PlanError::NoStep`], [`PlanError::OutOfMemory`].
    pub fn take(&self, order: &Order, step: u64, records: &mut Vec<u64>) -> Result<usize> {
        records.clear();
        let steps = self.steps(order.len());
        if step >= steps {
            return Err(PlanError::NoStep { step, steps });
        }
        let places = self.places();
        let size = usize::try_from(places.end - places.start);
        let size = size.map_err(|_| PlanError::OutOfMemory)?;
        records
            .try_reserve(size)
            .map_err(|_| PlanError::OutOfMemory)?;
        let start = step.saturating_mul(self.batch);
        let end = order.len().min(start.saturating_add(self.batch));
        let count = end - start;
        let sound = places.start.min(count)..places.end.min(count);
        lane_by_lane(order, start..end, sound, &mut |record| records.push(record));
        let valid = records.len();
        if self.uneven == Uneven::Pad {
            for place in places.start.max(count)..places.end {
                records.extend(order.record_at((place - count) % order.len()));
            }
        }
        Ok(valid)
    }
}

/// Gives `each` the records at some places of the positions' list ordered by lane, then position.
fn lane_by_lane(
    order: &Order,
    positions: Range<u64>,
    places: Range<u64>,
    each: &mut impl FnMut(u64),
) {
    let mut place = 0;
    for lane in 0..order.lanes() {
        if place >= places.end {
            break;
        }
        let indices =
            order.lane_before(positions.start, lane)..order.lane_before(positions.end, lane);
        let count = indices.end - indices.start;
        let from = places.start.saturating_sub(place).min(count);
        let to = places.end.saturating_sub(place).min(count);
        order.walk(lane, indices.start + from..indices.start + to, each);
        place += count;
    }
}
