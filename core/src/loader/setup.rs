//! What a loader needs before its first batch: checked options, and memory.

use std::sync::Arc;

use super::columns::Columns;
use super::error::{Error, Result};
use super::fields::{ColumnPlan, Plan};
use super::memory::Memory;
use super::options::{LoaderOptions, MAX_DEPTH};
use super::order::Order;
use super::partition::Uneven;
use super::ring::Course;
use super::slot::Slot;
use super::source::Source;
use crate::map::{BulkAllocator, SystemAllocator};

pub(super) fn course_of(source: &dyn Source, options: &LoaderOptions) -> Result<Course> {
    let (records, partition) = (source.len(), options.partition);
    partition.check()?;
    let order = options.order.for_set(records, source.bytes());
    // What is wrong with the options is told now.
    Order::new(records, &order, options.epoch)?;
    let steps = partition.steps(records);
    if steps == 0 {
        let origin = source.origin();
        let why = if records == 0 {
            format!("{origin} has no records")
        } else {
            debug_assert_eq!(partition.uneven, Uneven::Drop);
            format!(
                "{origin} has {records} records, fewer than the {} of a step: with uneven = drop \
                 there is none; take a smaller batch, or pad or keep",
                partition.batch
            )
        };
        return Err(Error::arguments(why));
    }
    Ok(Course {
        records,
        order,
        partition,
        steps,
    })
}

/// How many batches there is memory for.
pub(super) fn affordable(
    plan: &Plan,
    options: &LoaderOptions,
    max_held: usize,
    workers: usize,
) -> Result<usize> {
    let least = max_held.saturating_add(1);
    let wanted = match options.depth {
        0 => least.saturating_add(workers),
        depth if depth < least => {
            let why = format!(
                "depth is {depth}, but with max_held {max_held} at least {least} are needed: one \
                 to fill while others are held"
            );
            return Err(Error::arguments(why));
        }
        depth => depth,
    };
    if wanted > MAX_DEPTH {
        let why = format!("memory for {wanted} batches; at most {MAX_DEPTH} are possible");
        return Err(Error::arguments(why));
    }
    let bytes = |column: &ColumnPlan| {
        let places = column.places_of(plan.rows).saturating_mul(8);
        let elements = column.bytes_of(plan.rows).unwrap_or(0);
        elements.saturating_add(places) as u64
    };
    let sizes = plan.columns().iter().map(bytes);
    let each = sizes.fold(0u64, u64::saturating_add).max(1);
    if options.memory_budget == 0 {
        return Ok(wanted);
    }
    let affordable = usize::try_from(options.memory_budget / each).unwrap_or(usize::MAX);
    if affordable < least {
        return Err(Error::Budget {
            budget: options.memory_budget,
            needed: each.saturating_mul(least as u64),
            what: "batches that are held and one to fill need",
        });
    }
    Ok(wanted.min(affordable))
}

pub(super) fn slots_of(
    plan: &Plan,
    options: &LoaderOptions,
    depth: usize,
    memory: &Arc<Memory>,
) -> Result<Vec<Slot>> {
    let allocator = options.allocator.clone();
    let allocator: Arc<dyn BulkAllocator> = allocator.unwrap_or_else(|| Arc::new(SystemAllocator));
    let mut slots = Vec::with_capacity(depth);
    for _ in 0..depth {
        let columns = Columns::new(
            plan.columns(),
            plan.rows,
            options.overflow,
            &allocator,
            memory,
        )?;
        slots.push(Slot::new(columns));
    }
    Ok(slots)
}
