//! A load worked out: jobs in order, threads and their windows; and what can't be loaded.

use std::sync::Arc;

use super::error::{Error, Result, list_of};
use super::files::Files;
use super::item::{Destination, Item};
use super::job::Job;
use super::load::{LoadOptions, MAX_ALIGN, MIN_BUDGET};
use super::threads;
use crate::kernel::Stores;
use crate::map::{self, BulkAllocator, Io, SystemAllocator};

/// The memory to work in where nothing was asked for.
const DEFAULT_BUDGET: u64 = 64 << 20;

/// What tensors are aligned to where nothing was asked for.
const DEFAULT_ALIGN: usize = 64;

/// A thread's window where the page cache is read, and past it.
const WINDOW: u64 = 1 << 20;
const DIRECT_WINDOW: u64 = 4 << 20;

/// The least window.
const LEAST_WINDOW: u64 = 256 << 10;

/// A load worked out.
pub(super) struct Plan {
    pub(super) files: Files,
    pub(super) jobs: Vec<Job>,
    /// The jobs as the files have them.
    pub(super) order: Vec<usize>,
    pub(super) allocator: Arc<dyn BulkAllocator>,
    pub(super) align: usize,
    pub(super) threads: usize,
    pub(super) window: usize,
    pub(super) total: u64,
}

impl Plan {
    pub(super) fn new(items: &[Item], options: &LoadOptions, most_threads: usize) -> Result<Plan> {
        let (budget, align) = options.checked()?;
        let direct = options.direct || options.io == Io::Direct;
        let (files, numbers) = Files::of(items, options.io, direct)?;
        let mut jobs: Vec<Job> = list_of(items.len())?;
        for ((number, item), file) in (0u64..).zip(items).zip(numbers) {
            jobs.push(Job::new(item, number, file)?);
        }
        let mut order: Vec<usize> = list_of(jobs.len())?;
        order.extend(0..jobs.len());
        // A stable sort takes memory, and can't say that there is none.
        let place = |number: usize| jobs.get(number).map(|job| (job.file, job.offset, number));
        order.sort_unstable_by_key(|&number| place(number));
        let total = jobs
            .iter()
            .try_fold(0u64, |all, job| all.checked_add(job.output.bytes))
            .ok_or(Error::OutOfMemory {
                bytes: u64::MAX,
                what: "all items together",
            })?;
        // Pieces are small, but together they may be more than the caches hold. Only to memory that
        // was there before: pages that are new to the process come through the cache, and past it
        // an arena took up to 1.7 times as long.
        let stores = Stores::Auto.over(usize::try_from(total).unwrap_or(usize::MAX));
        for (job, item) in jobs.iter_mut().zip(items) {
            if let Destination::Given(_) = item.destination {
                job.stores = stores;
            }
        }
        let read = jobs.iter().map(|job| job.bytes_in(job.units));
        let read = read.fold(0, u64::saturating_add);
        let threads = threads::count(options.threads, direct, read, LEAST_WINDOW, budget);
        let threads = threads.min(most_threads).max(1);
        let window = if direct { DIRECT_WINDOW } else { WINDOW };
        // A multiple of any alignment of a device, so that the budget is kept to the byte.
        let window = (budget / threads as u64).min(window);
        let window = usize::try_from(window - window % LEAST_WINDOW).unwrap_or(0);
        let system = || Arc::new(SystemAllocator) as Arc<dyn BulkAllocator>;
        Ok(Plan {
            files,
            jobs,
            order,
            allocator: options.allocator.clone().unwrap_or_else(system),
            align,
            threads,
            window,
            total,
        })
    }

    /// Whether all files are as long as they were; of one that isn't, the first item is told that has
    /// lost bytes.
    pub(super) fn still_whole(&self) -> Result<()> {
        let mut last = usize::MAX;
        for job in self
            .order
            .iter()
            .filter_map(|&number| self.jobs.get(number))
        {
            if job.file != last {
                let file = self.files.get(job.file)?;
                let whole = file.data.still_whole();
                whole.map_err(|source| self.cut(job, source))?;
                last = job.file;
            }
        }
        Ok(())
    }

    /// The error of a file in which something is wrong, and whose first item is `first`.
    fn cut(&self, first: &Job, source: map::Error) -> Error {
        let lost = match &source {
            map::Error::Truncated { offset, .. } => {
                let jobs = self
                    .order
                    .iter()
                    .filter_map(|&number| self.jobs.get(number));
                jobs.filter(|job| job.file == first.file)
                    .find(|job| job.end() > *offset)
            }
            _ => None,
        };
        let item = lost.unwrap_or(first).item;
        Error::Item { item, source }
    }
}

impl LoadOptions {
    fn checked(&self) -> Result<(u64, usize)> {
        let wrong = |why: String| Error::Arguments { why, item: None };
        let budget = match self.budget {
            0 => DEFAULT_BUDGET,
            budget if budget < MIN_BUDGET => {
                let why = format!("a budget of {budget} bytes; at least {MIN_BUDGET} are needed");
                return Err(wrong(why));
            }
            budget => budget,
        };
        let align = match self.align {
            0 => DEFAULT_ALIGN,
            align if !align.is_power_of_two() || align > MAX_ALIGN => {
                let why =
                    format!("an alignment of {align}; powers of two up to {MAX_ALIGN} can be had");
                return Err(wrong(why));
            }
            align => align,
        };
        Ok((budget, align))
    }
}

/// Refuses rooms that are too small, or overlap one another or the bytes of a file in memory.
pub(super) fn check_rooms(items: &[Item], plan: &Plan) -> Result<()> {
    let is_given = |item: &&Item| matches!(item.destination, Destination::Given(_));
    let mut taken = list_of(items.iter().filter(is_given).count())?;
    for (item, job) in items.iter().zip(&plan.jobs) {
        let Destination::Given(room) = item.destination else {
            continue;
        };
        let needed = job.output.bytes;
        if room.bytes() < needed {
            return Err(Error::SmallRoom {
                item: job.item,
                needed,
                given: room.bytes(),
            });
        }
        if needed == 0 {
            continue;
        }
        if room.start().is_null() {
            return Err(Error::Arguments {
                why: format!("the memory for item {} is null", job.item),
                item: Some(job.item),
            });
        }
        taken.push((room.start().addr() as u64, needed, job.item));
    }
    taken.sort_unstable();
    for (a, b) in taken.iter().zip(taken.iter().skip(1)) {
        if b.0 - a.0 < a.1 {
            return Err(Error::Overlap {
                item: a.2.max(b.2),
                what: format!("that for item {}", a.2.min(b.2)),
            });
        }
    }
    for (number, file) in plan.files.list.iter().enumerate() {
        let region = file.data.region();
        if region.is_empty() {
            continue;
        }
        let start = region.as_ptr().addr() as u64;
        let end = start.saturating_add(region.len() as u64);
        // Rooms are apart: of those that start before the file's end, the last reaches furthest.
        let before = taken.partition_point(|room| room.0 < end);
        let last = before.checked_sub(1).and_then(|last| taken.get(last));
        let Some(room) = last.filter(|room| room.0.saturating_add(room.1) > start) else {
            continue;
        };
        let mut read = plan.jobs.iter().filter(|job| job.file == number);
        let what = match read.find(|job| job.item == room.2) {
            Some(_) => "the bytes that it is loaded from".to_owned(),
            None => {
                let first = plan.jobs.iter().find(|job| job.file == number);
                let first = first.map_or(0, |job| job.item);
                format!("the bytes that item {first} is loaded from")
            }
        };
        let item = room.2;
        return Err(Error::Overlap { item, what });
    }
    Ok(())
}
