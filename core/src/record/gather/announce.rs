//! The kernel told of the records that come next.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use super::locate::Spot;
use super::plan::Plan;
use super::rows::Rows;
use super::sight::{Sight, Way};
use crate::map::{Data, Flights, page_size};
use crate::record::error::Result;
use crate::record::reader::RecordReader;

/// What was announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// Bytes of the records' fields.
    pub bytes: u64,
    /// Stretches of files that cover them and weren't all in memory.
    pub ranges: u64,
    /// Pages in all stretches.
    pub pages: u64,
    /// Pages that weren't in memory, as far as the system tells.
    pub cold_pages: u64,
}

/// Records that are announced ahead of those being read.
const AHEAD: usize = 1024;

/// Records that are looked at to tell whether others are in memory: where the last were, and where
/// they weren't.
const SAMPLE: usize = 3;
const LARGER_SAMPLE: usize = 16;

/// A field that lies in the pages from here to there.
type Range<'a> = (usize, u64, u64, Spot<'a>);

impl RecordReader {
    /// Starts reading some fields of the records from the disk, as stretches of whole pages, and
    /// returns at once. What isn't a file, and what is in memory, is passed over. Where a record
    /// can't be found the others are announced all the same, before that is told.
    ///
    /// # Errors
    /// [`Error::NoRecord`](crate::record::Error::NoRecord),
    /// [`Error::NoField`](crate::record::Error::NoField); those of finding a record.
    pub fn announce(&self, indices: &[u64], fields: &[usize]) -> Result<Announced> {
        for &field in fields {
            self.check_field(field)?;
        }
        let mut ranges = Vec::new();
        let mut announced = Announced::default();
        let mut sight = Sight::new(self, Way::Read);
        let mut wrong = None;
        for &index in indices {
            let spot = match self.spot(index) {
                Ok(spot) => spot,
                Err(error) => {
                    wrong.get_or_insert(error);
                    continue;
                }
            };
            for &field in fields {
                match spot.find(sight.on(&spot), field) {
                    Ok(found) => {
                        announced.bytes = announced.bytes.saturating_add(found.bytes);
                        ranges.push(pages(spot, found.at, found.bytes));
                    }
                    Err(error) => {
                        wrong.get_or_insert(self.of_set(spot.shard, error));
                    }
                }
            }
        }
        let mut scratch = self.tools().take();
        let told = will_need(&mut ranges, &mut scratch.flights, Some(&mut announced));
        self.tools().give_back(scratch);
        told?;
        wrong.map_or(Ok(announced), Err)
    }

    /// Whether records aren't in memory, as far as a look at some of them tells.
    pub(super) fn is_cold(&self, rows: &[u64]) -> bool {
        let tools = self.tools();
        let count = if tools.was_cold() {
            LARGER_SAMPLE
        } else {
            SAMPLE
        };
        let mut sight = Sight::new(self, Way::Read);
        let step = rows.len().checked_div(count).unwrap_or(0).max(1);
        // From the middle of each stretch on.
        let sample = rows.iter().skip(step / 2).step_by(step);
        let is_cold = sample
            .filter_map(|&row| self.spot(row).ok())
            .any(|spot| is_spot_cold(&spot, &mut sight));
        if is_cold != tools.was_cold() {
            tools.set_cold(is_cold);
        }
        is_cold
    }
}

fn is_spot_cold<'a>(spot: &Spot<'a>, sight: &mut Sight<'a>) -> bool {
    let Ok((at, len)) = spot.extent(sight.on(spot)) else {
        return false;
    };
    let pages = spot.data().cold_pages(at, len.min(page_size() as u64));
    matches!(pages, Ok(Some((_, cold))) if cold > 0)
}

/// How far records are announced.
#[derive(Debug)]
pub(super) struct Ahead {
    /// None where they needn't be.
    reached: Option<usize>,
    /// All of them are already.
    was_told: bool,
}

impl Ahead {
    pub(super) fn new(is_cold: bool, was_told: bool) -> Ahead {
        Ahead {
            reached: is_cold.then_some(0),
            was_told,
        }
    }

    /// Whether records are announced.
    pub(super) fn is_on(&self) -> bool {
        self.was_told || self.reached.is_some()
    }

    /// Announces the rows before `end`, and some more.
    pub(super) fn reach(
        &mut self,
        reader: &RecordReader,
        rows: &Rows<'_>,
        plans: &[Plan],
        end: usize,
        flights: &mut Flights,
    ) -> Result<()> {
        let Some(reached) = &mut self.reached else {
            return Ok(());
        };
        if end.saturating_add(AHEAD / 2) <= *reached || *reached >= rows.len() {
            return Ok(());
        }
        let to = end.saturating_add(AHEAD).min(rows.len());
        let mut ranges = Vec::with_capacity(AHEAD);
        let mut sight = Sight::new(reader, Way::Read);
        for record in (*reached..to).filter_map(|row| rows.record(row)) {
            let Ok(spot) = reader.spot(record) else {
                continue;
            };
            for plan in plans {
                // What is wrong with a record is told when it is read.
                if let Ok(found) = spot.find(sight.on(&spot), plan.field) {
                    ranges.push(pages(spot, found.at, found.bytes));
                }
            }
        }
        *reached = to;
        will_need(&mut ranges, flights, None)
    }
}

/// The pages that bytes lie in, as stretch.
fn pages<'a>(spot: Spot<'a>, at: u64, bytes: u64) -> Range<'a> {
    let page = page_size() as u64;
    let end = at.saturating_add(bytes);
    let start = at.saturating_sub(at.checked_rem(page).unwrap_or(0));
    let end = end.checked_next_multiple_of(page).unwrap_or(end);
    (
        spot.shard,
        start,
        if bytes == 0 { start } else { end },
        spot,
    )
}

/// Announces pages, those that touch as one stretch, file by file: where they are counted, those
/// that aren't in memory.
fn will_need(
    ranges: &mut [Range<'_>],
    flights: &mut Flights,
    mut announced: Option<&mut Announced>,
) -> Result<()> {
    ranges.sort_unstable_by_key(|&(shard, start, end, _)| (shard, start, end));
    let mut cold = Vec::with_capacity(ranges.len());
    for of_file in ranges.chunk_by(|one, next| one.0 == next.0) {
        let Some((_, _, _, spot)) = of_file.first() else {
            continue;
        };
        let data = spot.data();
        if !data.has_file() {
            continue;
        }
        cold.clear();
        let mut now: Option<(u64, u64)> = None;
        for &(_, start, end, _) in of_file {
            match &mut now {
                Some((_, own_end)) if start <= *own_end => *own_end = end.max(*own_end),
                _ => {
                    if let Some(before) = now.replace((start, end)) {
                        look(data, before, &mut cold, announced.as_deref_mut())?;
                    }
                }
            }
        }
        if let Some(last) = now {
            look(data, last, &mut cold, announced.as_deref_mut())?;
        }
        data.prefetch_each(flights, &cold)?;
    }
    Ok(())
}

/// Counts the pages of a stretch, and remembers it where some of them aren't in memory.
fn look(
    data: &Data,
    (start, end): (u64, u64),
    cold: &mut Vec<(u64, u64)>,
    announced: Option<&mut Announced>,
) -> Result<()> {
    // The last page may be cut.
    let len = end.min(data.len()).saturating_sub(start);
    let Some(announced) = announced else {
        // To look at each costs as much as to ask for it.
        cold.push((start, len));
        return Ok(());
    };
    let pages = len.div_ceil((page_size() as u64).max(1));
    let cold_pages = match data.cold_pages(start, len)? {
        Some((_, cold)) => cold,
        None => pages,
    };
    announced.pages = announced.pages.saturating_add(pages);
    if cold_pages > 0 {
        announced.cold_pages = announced.cold_pages.saturating_add(cold_pages);
        announced.ranges = announced.ranges.saturating_add(1);
        cold.push((start, len));
    }
    Ok(())
}
