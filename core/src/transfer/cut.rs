//! Jobs cut into pieces, in the order in which the files have them.

use super::error::{Result, reserve};
use super::job::{Job, Piece};

/// How large pieces are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// The most bytes that a piece reads, and the least that a task has where there are more.
    pub(super) read: u64,
    /// The most bytes that a piece becomes.
    pub(super) written: u64,
}

/// Gives out the pieces of all jobs, once each.
#[derive(Debug)]
pub(super) struct Cutter<'a> {
    jobs: &'a [Job],
    order: &'a [usize],
    sizes: Sizes,
    /// The job that comes next, by its place in the order, and the unit in it.
    at: usize,
    unit: u64,
    tasks: u64,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(jobs: &'a [Job], order: &'a [usize], sizes: Sizes) -> Cutter<'a> {
        Cutter {
            jobs,
            order,
            sizes,
            at: 0,
            unit: 0,
            tasks: 0,
        }
    }

    /// The next piece; a job without units has one of none.
    pub(super) fn piece(&mut self) -> Option<Piece> {
        let number = *self.order.get(self.at)?;
        let job = self.jobs.get(number)?;
        let most_in = self.sizes.read / job.unit_in as u64;
        let most_out = self.sizes.written / job.unit_out as u64;
        let most = most_in.min(most_out).max(1);
        let rest = job.units - self.unit;
        let piece = Piece {
            job: number,
            start: self.unit,
            count: rest.min(most),
        };
        if rest <= most {
            self.at += 1;
            self.unit = 0;
        } else {
            self.unit += piece.count;
        }
        Some(piece)
    }

    /// Replaces `pieces` by the next ones that are worth a thread's while, and gives their number
    /// in the order of the work.
    pub(super) fn task(&mut self, pieces: &mut Vec<Piece>) -> Result<Option<u64>> {
        pieces.clear();
        let mut bytes = 0u64;
        while bytes < self.sizes.read && pieces.len() < 4096 {
            let Some(piece) = self.piece() else {
                break;
            };
            if let Some(job) = self.jobs.get(piece.job) {
                bytes = bytes.saturating_add(job.bytes_in(piece.count));
            }
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
