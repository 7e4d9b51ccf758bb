//! Several fields of some records, copied to their places whatever goes wrong with some of them.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use std::mem::MaybeUninit;
use std::ops::Range;

use super::announce::Ahead;
use super::locate::{Found, Spot};
use super::options::{Column, FillCounts, FillOptions, Judge, Out};
use super::piece::{Piece, Target};
use super::plan::{Kind, Plan};
use super::rows::Rows;
use super::scratch::Scratch;
use super::sight::{Sight, Way};
use crate::map::{Io, Mapped};
use crate::record::error::{Error, Result};
use crate::record::reader::{Check, RecordReader};

/// Records that are looked for together, so that the cache misses of that overlap.
const TOGETHER: usize = 256;

impl RecordReader {
    /// Copies some fields of the records `rows`, in that order, each to its own place. A record
    /// that can't be copied is told to `judge` by its place among the rows, which says what stands
    /// for it: as many records come out as are asked for.
    ///
    /// # Errors
    /// [`Error::NoField`], [`Error::NoConversion`], [`Error::SmallBuffer`]; what `judge` answers.
    pub fn fill(
        &self,
        rows: &[u64],
        columns: &mut [Column<'_>],
        how: &FillOptions,
        judge: Judge<'_>,
    ) -> Result<FillCounts> {
        for column in columns.iter() {
            self.check_field(column.field)?;
        }
        let way = self.way(rows, how);
        self.fill_by(way, rows, columns, how, judge)
    }

    /// As [`RecordReader::fill`], where it is known how to read.
    pub(super) fn fill_by(
        &self,
        (way, is_cold): (Way, bool),
        rows: &[u64],
        columns: &mut [Column<'_>],
        how: &FillOptions,
        judge: Judge<'_>,
    ) -> Result<FillCounts> {
        let mut fill = Fill {
            reader: self,
            rows: Rows::new(rows, judge),
            way,
            check: how.check.unwrap_or(self.check()) != Check::Never,
            ahead: Ahead::new(is_cold, how.announced),
            counts: FillCounts::default(),
            scratch: self.tools().take(),
            whole: Whole::default(),
        };
        let done = fill.run(columns);
        let Fill {
            scratch, counts, ..
        } = fill;
        self.tools().give_back(scratch);
        done.map(|()| counts)
    }

    pub(super) fn check_field(&self, field: usize) -> Result<()> {
        let len = self.fields();
        if field < len {
            Ok(())
        } else {
            Err(Error::NoField { field, len })
        }
    }

    /// How to read, and whether the records aren't in memory as far as a look at some tells.
    pub(super) fn way(&self, rows: &[u64], how: &FillOptions) -> (Way, bool) {
        match how.io {
            Io::Map => (Way::Map, false),
            Io::Direct => (Way::Direct, false),
            Io::Read if how.announced => (Way::Read, false),
            Io::Read => (Way::Read, self.is_cold(rows)),
            Io::Auto if how.announced => (Way::Read, false),
            Io::Auto if self.is_cold(rows) => (Way::Read, true),
            Io::Auto => (Way::Map, false),
        }
    }
}

/// What a record of a column is like; none where there is no record.
pub(super) type First<'a> = Option<(Spot<'a>, Found)>;

/// A fill under way.
pub(super) struct Fill<'a, 'j> {
    pub(super) reader: &'a RecordReader,
    pub(super) rows: Rows<'j>,
    pub(super) way: Way,
    pub(super) check: bool,
    pub(super) ahead: Ahead,
    pub(super) counts: FillCounts,
    pub(super) scratch: Scratch,
    whole: Whole,
}

impl<'a> Fill<'a, '_> {
    fn run(&mut self, columns: &mut [Column<'_>]) -> Result<()> {
        if self.rows.len() == 0 {
            return no_rows(columns);
        }
        // Where a record of a packed column was replaced, all that follows moves.
        while !self.attempt(columns)? || self.was_cut() {}
        Ok(())
    }

    /// The record, in a file that isn't cut.
    fn spot(&mut self, record: u64) -> Result<Spot<'a>> {
        let spot = self.reader.spot(record)?;
        let reads_tell = self.reads_tell();
        self.whole.touch(self.reader, &spot, reads_tell)?;
        Ok(spot)
    }

    /// Whether what is read is what the file has, or is told to be wrong.
    fn reads_tell(&self) -> bool {
        self.way != Way::Map && self.check
    }

    /// Whether a file was seen to be cut only now: its records are then told by their rows.
    fn was_cut(&mut self) -> bool {
        let (reader, reads_tell) = (self.reader, self.reads_tell());
        self.whole.lose_cut(reader, reads_tell)
    }

    /// False where it must be done again.
    fn attempt(&mut self, columns: &mut [Column<'_>]) -> Result<bool> {
        let mut sight = Sight::new(self.reader, self.way);
        let mut plans = Vec::with_capacity(columns.len());
        for column in columns.iter() {
            match self.first(column.field, &mut sight)? {
                Some((spot, found)) => plans.push(Plan::new(column, &spot, &found)?),
                None => return all_zeros(columns, self.rows.len()).map(|()| true),
            }
        }
        let mut targets = Vec::with_capacity(columns.len());
        for (column, plan) in columns.iter_mut().zip(&plans) {
            if let Out::Packed { offsets, .. } = &mut column.out {
                self.sizes(plan, offsets, &mut sight)?;
            }
        }
        // A fault in one column has changed the rows of all.
        let mut is_packed = false;
        for (column, plan) in columns.iter_mut().zip(&plans) {
            is_packed |= matches!(column.out, Out::Packed { .. });
            targets.push(Target::new(&mut column.out, plan, self.rows.len())?);
        }
        let mut pieces = Vec::with_capacity(TOGETHER.saturating_mul(plans.len()));
        let mut faults = Vec::new();
        let mut start = 0;
        while start < self.rows.len() {
            let end = start.saturating_add(TOGETHER).min(self.rows.len());
            self.ahead.reach(
                self.reader,
                &self.rows,
                &plans,
                end,
                &mut self.scratch.flights,
            )?;
            self.some(&plans, &mut targets, start..end, &mut pieces, &mut faults)?;
            faults.sort_by_key(|&(row, _): &(usize, Error)| row);
            faults.dedup_by_key(|&mut (row, _)| row);
            let is_damaged = !faults.is_empty();
            let mut bad: Vec<_> = faults.drain(..).rev().collect();
            while let Some((row, error)) = bad.pop() {
                self.rows.fault(row, error)?;
                if !is_packed {
                    let row = row..row.saturating_add(1);
                    self.some(&plans, &mut targets, row, &mut pieces, &mut faults)?;
                    bad.extend(faults.drain(..).take(1));
                }
            }
            if is_damaged && is_packed {
                return Ok(false);
            }
            start = end;
        }
        Ok(true)
    }

    /// The first record that can be looked at, in one of the rows.
    fn first(&mut self, field: usize, sight: &mut Sight<'a>) -> Result<First<'a>> {
        let mut row = 0;
        while row < self.rows.len() {
            let Some(record) = self.rows.record(row) else {
                row = row.saturating_add(1);
                continue;
            };
            let looked = self.spot(record);
            match looked.and_then(|_| self.reader.look(record, field, sight)) {
                Ok(first) => return Ok(Some(first)),
                Err(error) => self.rows.fault(row, error)?,
            }
        }
        Ok(None)
    }

    /// Where each record of a packed column starts.
    fn sizes(&mut self, plan: &Plan, offsets: &mut [u64], sight: &mut Sight<'a>) -> Result<()> {
        let (given, wanted) = (offsets.len(), self.rows.len().saturating_add(1));
        let bytes = |count: usize| (count as u64).saturating_mul(8);
        let Some((zero, ends)) = offsets.get_mut(..wanted).and_then(<[u64]>::split_first_mut)
        else {
            let (needed, given) = (bytes(wanted), bytes(given));
            return Err(Error::SmallBuffer { needed, given });
        };
        *zero = 0;
        let mut end = 0u64;
        for (row, own) in ends.iter_mut().enumerate() {
            if row.is_multiple_of(TOGETHER) {
                self.sizes_soon(plan, row, sight);
            }
            while let Some(record) = self.rows.record(row) {
                let found = self.spot(record).and_then(|spot| {
                    let found = spot.find(sight.on(&spot), plan.field);
                    found.map_err(|error| self.reader.of_set(spot.shard, error))
                });
                match found {
                    Ok(found) => {
                        end = end.saturating_add(plan.elements(found.bytes));
                        break;
                    }
                    Err(error) => self.rows.fault(row, error)?,
                }
            }
            *own = end;
        }
        Ok(())
    }

    fn sizes_soon(&mut self, plan: &Plan, start: usize, sight: &mut Sight<'a>) {
        if self.way != Way::Map {
            return;
        }
        let end = start.saturating_add(TOGETHER).min(self.rows.len());
        for row in start..end {
            let Some(record) = self.rows.record(row) else {
                continue;
            };
            if let Ok(spot) = self.spot(record) {
                spot.soon(sight.on(&spot), plan.field, false);
            }
        }
    }

    /// Copies some rows of all columns; what can't be copied is told in `faults`.
    fn some(
        &mut self,
        plans: &[Plan],
        targets: &mut [Target<'_>],
        rows: Range<usize>,
        pieces: &mut Vec<Piece<'a>>,
        faults: &mut Vec<(usize, Error)>,
    ) -> Result<()> {
        pieces.clear();
        let mut spots = [None; TOGETHER];
        let from = rows.start;
        for (place, row) in spots.iter_mut().zip(rows) {
            let Some(record) = self.rows.record(row) else {
                for (target, plan) in targets.iter_mut().zip(plans) {
                    target.mask(plan, row);
                }
                continue;
            };
            match self.spot(record) {
                Ok(spot) => *place = Some(spot),
                Err(error) => faults.push((row, error)),
            }
        }
        if self.way == Way::Map {
            return self.some_mapped(plans, targets, from, &spots, pieces, faults);
        }
        self.locate_reading(plans, targets, from, &spots, pieces, faults);
        self.put_read(plans, targets, pieces, faults)
    }

    fn some_mapped(
        &mut self,
        plans: &[Plan],
        targets: &mut [Target<'_>],
        from: usize,
        spots: &[Option<Spot<'a>>],
        pieces: &mut Vec<Piece<'a>>,
        faults: &mut Vec<(usize, Error)>,
    ) -> Result<()> {
        for spot in spots.iter().flatten() {
            for plan in plans {
                spot.soon(&mut Mapped::new(spot.data()), plan.field, self.check);
            }
        }
        for spot in spots.iter().flatten() {
            spot.soon_after(&mut Mapped::new(spot.data()));
        }
        for (column, (plan, target)) in plans.iter().zip(targets).enumerate() {
            let is_checked = self.check && spots.iter().flatten().any(Spot::has_checksums);
            if let Kind::Fixed(alike) = &plan.kind
                && (plan.conversion.is_none() || !is_checked)
            {
                self.gather(plan, alike, target, (from, spots), is_checked, faults)?;
                continue;
            }
            pieces.clear();
            for (row, spot) in (from..).zip(spots) {
                let Some(spot) = spot else { continue };
                let from = &mut Mapped::new(spot.data());
                match target.locate(plan, spot, from, (row, column), self.check) {
                    Ok(piece) => pieces.push(piece),
                    Err(error) => faults.push((row, self.reader.of_set(spot.shard, error))),
                }
            }
            self.one_by_one(plan, target, pieces, faults)?;
        }
        Ok(())
    }

    /// In the order of the files, where neighbours share what is read.
    fn locate_reading(
        &self,
        plans: &[Plan],
        targets: &mut [Target<'_>],
        from: usize,
        spots: &[Option<Spot<'a>>],
        pieces: &mut Vec<Piece<'a>>,
        faults: &mut Vec<(usize, Error)>,
    ) {
        let mut sight = Sight::new(self.reader, self.way);
        let mut order = [(0usize, 0u64, 0usize); TOGETHER];
        let mut count = 0usize;
        for (number, spot) in spots.iter().enumerate() {
            if let (Some(spot), Some(place)) = (spot, order.get_mut(count)) {
                *place = (spot.shard, spot.index, number);
                count = count.saturating_add(1);
            }
        }
        let order = order.get_mut(..count).unwrap_or_default();
        order.sort_unstable();
        for &(_, _, number) in &*order {
            let Some(spot) = spots.get(number).and_then(Option::as_ref) else {
                continue;
            };
            let row = from.saturating_add(number);
            for (column, (plan, target)) in plans.iter().zip(&mut *targets).enumerate() {
                let from = sight.on(spot);
                match target.locate(plan, spot, from, (row, column), self.check) {
                    Ok(piece) => pieces.push(piece),
                    Err(error) => faults.push((row, self.reader.of_set(spot.shard, error))),
                }
            }
        }
    }
}

impl RecordReader {
    /// What a field of a record is like.
    pub(super) fn look<'a>(
        &'a self,
        record: u64,
        field: usize,
        sight: &mut Sight<'a>,
    ) -> Result<(Spot<'a>, Found)> {
        let spot = self.spot(record)?;
        let found = match spot.declared(field)? {
            Some(found) => Ok(found),
            None => spot.find(sight.on(&spot), field),
        };
        let found = found.map_err(|error| self.of_set(spot.shard, error))?;
        Ok((spot, found))
    }
}

fn no_rows(columns: &mut [Column<'_>]) -> Result<()> {
    all_zeros(columns, 0)
}

/// Zeros for all rows: there is no record to tell what they are like.
fn all_zeros(columns: &mut [Column<'_>], rows: usize) -> Result<()> {
    for column in columns {
        match &mut column.out {
            Out::Fixed(out) if rows > 0 => out.fill(MaybeUninit::new(0)),
            Out::Fixed(_) => {}
            Out::Packed { offsets, .. } => {
                for offset in offsets.iter_mut().take(rows.saturating_add(1)) {
                    *offset = 0;
                }
            }
            Out::Padded { lengths, out, .. } => {
                lengths.fill(0);
                if rows > 0 {
                    out.fill(MaybeUninit::new(0));
                }
            }
        }
    }
    Ok(())
}

/// Sees to it that no file was cut: one that was, and grew again, reads without an error, as zeros.
#[derive(Debug, Default)]
struct Whole {
    /// The files touched that were whole, in order, and those that weren't.
    shards: Vec<usize>,
    cut: Vec<usize>,
    last: Option<usize>,
}

impl Whole {
    /// Before the first touch of a file. In one that is cut every record is a bad one, also those
    /// that could be read still: which these are would else depend on what was read before.
    #[inline]
    fn touch<'a>(
        &mut self,
        reader: &'a RecordReader,
        spot: &Spot<'a>,
        reads_tell: bool,
    ) -> Result<()> {
        if self.last == Some(spot.shard) {
            return Ok(());
        }
        if self.cut.contains(&spot.shard) {
            spot.data().still_whole()?;
        }
        if let Err(place) = self.shards.binary_search(&spot.shard) {
            if let Err(error) = spot.check_whole(reader, reads_tell) {
                self.cut.push(spot.shard);
                return Err(error);
            }
            self.shards.insert(place, spot.shard);
        }
        self.last = Some(spot.shard);
        Ok(())
    }

    /// After the last touch: forgets files that were cut meanwhile, and tells whether there are any.
    fn lose_cut(&mut self, reader: &RecordReader, reads_tell: bool) -> bool {
        let before = self.shards.len();
        self.shards.retain(|&shard| {
            let file = reader.file(shard);
            file.is_ok_and(|file| {
                let index = 0;
                let spot = Spot { file, shard, index };
                spot.check_whole(reader, reads_tell).is_ok()
            })
        });
        self.last = None;
        self.shards.len() < before
    }
}
