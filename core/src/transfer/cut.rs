//! Jobs cut into pieces, in the order in which the files have them.

use super::error::{Result, reserve};
use super::job::{Job, Piece};

/// The units of all jobs, which are taken once each.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    jobs: &'a [Job],
    order: &'a [usize],
    /// The job that comes next, by its place in the order, and the unit in it.
    at: usize,
    unit: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(jobs: &'a [Job], order: &'a [usize]) -> Cursor<'a> {
        Cursor {
            jobs,
            order,
            at: 0,
            unit: 0,
        }
    }

    /// The job that comes next, and how many units of it are left; a job without units has one turn
    /// too.
    pub(super) fn next(&self) -> Option<(&'a Job, u64)> {
        let job = self.jobs.get(*self.order.get(self.at)?)?;
        Some((job, job.units.saturating_sub(self.unit)))
    }

    /// Takes the next units of the job that comes next: `count`, which isn't 0, or all that are left.
    pub(super) fn take(&mut self, count: u64) -> Option<Piece> {
        let (_, left) = self.next()?;
        let piece = Piece {
            job: *self.order.get(self.at)?,
            start: self.unit,
            count: left.min(count),
        };
        if left <= count {
            self.at += 1;
            self.unit = 0;
        } else {
            self.unit += count;
        }
        Some(piece)
    }
}

/// Gives out the pieces of all jobs as tasks.
#[derive(Debug)]
pub(super) struct Cutter<'a> {
    cursor: Cursor<'a>,
    /// The most bytes that a piece reads, and the least that a task has where there are more.
    read: u64,
    tasks: u64,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(jobs: &'a [Job], order: &'a [usize], read: u64) -> Cutter<'a> {
        Cutter {
            cursor: Cursor::new(jobs, order),
            read,
            tasks: 0,
        }
    }

    /// Replaces `pieces` by the next ones that are worth a thread's while, and gives their number
    /// in the order of the work.
    pub(super) fn task(&mut self, pieces: &mut Vec<Piece>) -> Result<Option<u64>> {
        pieces.clear();
        let mut bytes = 0u64;
        while bytes < self.read && pieces.len() < 4096 {
            let Some((job, _)) = self.cursor.next() else {
                break;
            };
            let most = (self.read / job.unit_in as u64).max(1);
            let Some(piece) = self.cursor.take(most) else {
                break;
            };
            bytes = bytes.saturating_add(job.bytes_in(piece.count));
            reserve(pieces, 1)?;
            pieces.push(piece);
        }
        if pieces.is_empty() {
            return Ok(None);
        }
        self.tasks += 1;
        Ok(Some(self.tasks))
    }
}
