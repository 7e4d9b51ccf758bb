//! Records on their way through a transform.

use std::sync::Arc;

use super::columns::Columns;
use super::error::{Error, Result};
use super::faults::{MASKED, Rows};
use super::fields::Plan;
use super::memory::Memory;
use super::ring::Epoch;
use super::slot::Slot;
use super::stats::add;
use super::transform::{Sample, Transform};
use super::worker::Shared;
use crate::kernel::Overflow;
use crate::map::{BulkAllocator, SystemAllocator};
use crate::record::Verdict;
use crate::tensor::{Lent, Shape};

/// Bytes of records that are read together, where their size is known.
const STAGED: usize = 4 << 20;

/// Records that are read together, where it isn't.
const FEW: usize = 16;

/// A thread's memory for records as they are read.
pub(super) struct Stage {
    columns: Columns,
    /// Records that it has room for.
    rows: usize,
    /// For one that stands for another.
    single: Columns,
}

impl Stage {
    pub(super) fn new(plan: &Plan, overflow: Overflow, memory: &Memory) -> Result<Stage> {
        let sizes = plan.read.iter().map(|column| column.bytes_of(1));
        let size = sizes.sum::<Option<usize>>();
        let rows = size.map_or(FEW, |size| (STAGED / size.max(1)).max(1));
        let rows = rows.min(plan.rows.max(1));
        let allocator: Arc<dyn BulkAllocator> = Arc::new(SystemAllocator);
        // The budget is for batches.
        let memory = Arc::new(memory.beside());
        let columns = |rows| Columns::new(&plan.read, rows, overflow, &allocator, &memory);
        Ok(Stage {
            columns: columns(rows)?,
            rows,
            single: columns(1)?,
        })
    }

    /// Makes all rows of a batch.
    pub(super) fn make(
        &mut self,
        shared: &Shared,
        transform: &dyn Transform,
        epoch: &Epoch,
        slot: &mut Slot,
    ) -> Result<()> {
        let Slot { columns, rows, .. } = slot;
        let made = shared.plan.columns();
        columns.clear();
        let count = rows.records.len();
        let mut row = 0;
        while row < count {
            let end = count.min(row + self.rows);
            let read = shared.read(&mut self.columns, rows, row..end)?;
            add(&shared.counters.read_bytes, read);
            let start = row;
            while row < end {
                if shared.stops() {
                    return Err(Error::Internal("a batch that nobody waits for"));
                }
                let mut outputs = columns.next_row(made)?;
                self.make_row(shared, transform, epoch, rows, (start, row), &mut outputs)?;
                columns.row_done(made)?;
                row += 1;
            }
        }
        Ok(())
    }

    /// Makes a row of what was read, or of what is to stand for it.
    fn make_row(
        &mut self,
        shared: &Shared,
        transform: &dyn Transform,
        epoch: &Epoch,
        rows: &mut Rows,
        (start, row): (usize, usize),
        outputs: &mut [&mut [u8]],
    ) -> Result<()> {
        let (mut from, mut place) = (&mut self.columns, row - start);
        loop {
            let none = || Error::Internal("a row that isn't the batch's");
            let record = *rows.records.get(row).ok_or_else(none)?;
            if rows.flags.get(row).ok_or_else(none)? & MASKED != 0 {
                return Ok(());
            }
            let tensors = tensors_of(from, shared, place, record)?;
            let sample = Sample {
                record,
                seed: epoch.order.record_seed(record),
                tensors: &tensors,
            };
            let Err(code) = transform.apply(&sample, outputs) else {
                return Ok(());
            };
            for output in outputs.iter_mut() {
                output.fill(0);
            }
            let origin = shared.origin.clone();
            let error = Error::Transform {
                origin,
                record,
                code,
            };
            let whose = (&shared.origin, shared.course.records);
            match rows.judge(row, error, shared.bad, whose)? {
                Verdict::Mask => return Ok(()),
                Verdict::Replace(_) => {
                    let read = shared.read(&mut self.single, rows, row..row + 1)?;
                    add(&shared.counters.read_bytes, read);
                    (from, place) = (&mut self.single, 0);
                }
            }
        }
    }
}

fn tensors_of<'a>(
    columns: &'a Columns,
    shared: &Shared,
    row: usize,
    record: u64,
) -> Result<Vec<Lent<'a>>> {
    let plans = shared.plan.read.iter().enumerate();
    let tensor = |(column, plan): (usize, &super::fields::ColumnPlan)| {
        let shape = || -> Result<Shape> { shared.source.shape(record, plan.field) };
        columns.row(column, plan, row, shape)
    };
    plans.map(tensor).collect()
}
