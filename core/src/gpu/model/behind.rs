//! Steps uploaded in batches, and what follows them: tensors are told when all of their steps are done,
//! and pages are let go of.

use std::ops::Range;
use std::sync::Arc;

use super::steps::Step;
use crate::gpu::error::{Error, Result};
use crate::gpu::ticket::Ticket;
use crate::gpu::upload::{Upload, upload};
use crate::map::{Data, Release};
use crate::transfer::{self, LoadOptions, Stats, Watch, list_of, reserve};

/// How many bytes of files are read, at least, before all of their pages are let go of: where
/// threads go on while a callback of the caller takes its time.
const BATCH: u64 = 64 << 20;

/// A page of the page cache; larger ones are multiples.
const PAGE: u64 = 4096;

/// How many bytes before those that it reads a batch may bring into memory again, or leave there: those
/// of a large page, which stays where only a part of it is let go of, and what the kernel reads around a
/// page of a map.
const BEFORE: u64 = 16 << 20;

/// Tells tensors for steps, and lets go of pages behind them.
pub(super) struct Behind<'a> {
    steps: &'a [Step],
    /// Steps of each tensor that aren't done.
    left: Vec<usize>,
    /// Steps and bytes of the batches before.
    first: usize,
    done: u64,
    /// Steps of these and of the batch that was begun.
    begun: usize,
    total: u64,
    release: bool,
    watch: &'a mut dyn Watch,
}

impl<'a> Behind<'a> {
    pub(super) fn new(
        steps: &'a [Step],
        tensors: usize,
        release: bool,
        watch: &'a mut dyn Watch,
    ) -> Result<Behind<'a>> {
        let mut left = list_of(tensors)?;
        left.resize(tensors, 0usize);
        for step in steps {
            if let Some(left) = left.get_mut(step.tensor) {
                *left += 1;
            }
        }
        let travels = steps.iter().map(|step| step.travels);
        Ok(Behind {
            steps,
            left,
            first: 0,
            done: 0,
            begun: 0,
            total: travels.fold(0, u64::saturating_add),
            release,
            watch,
        })
    }

    /// Uploads all, and waits until the card has them; after a failure for what was on its way.
    pub(super) fn send(&mut self, uploads: &[Upload], load: &LoadOptions) -> Result<Stats> {
        let mut tickets = Vec::new();
        let sent = self.submit(uploads, load, &mut tickets);
        if sent.is_err() {
            self.let_go_of_batch();
        }
        for ticket in tickets {
            let waited = ticket.wait(None);
            if sent.is_ok() {
                waited?;
            }
        }
        sent
    }

    /// Uploads all, in batches.
    fn submit(
        &mut self,
        uploads: &[Upload],
        load: &LoadOptions,
        tickets: &mut Vec<Ticket>,
    ) -> Result<Stats> {
        let mut all = Stats::default();
        while let Some(steps) = self.steps.get(self.first..).filter(|rest| !rest.is_empty()) {
            let count = self.batch(steps);
            let batch = uploads.get(self.first..self.first.saturating_add(count));
            let batch = batch.ok_or(Error::Internal("a step without an upload"))?;
            reserve(tickets, 1)?;
            self.begun = self.first.saturating_add(count);
            let sent = upload(batch, load, self);
            let (ticket, stats) = sent.map_err(|error| later(error, self.first))?;
            tickets.push(ticket);
            all.bytes = all.bytes.saturating_add(stats.bytes);
            all.direct_bytes = all.direct_bytes.saturating_add(stats.direct_bytes);
            all.work_bytes = all.work_bytes.max(stats.work_bytes);
            all.threads = all.threads.max(stats.threads);
            let batch = steps.iter().take(count);
            let travelled = batch.map(|step| step.travels);
            self.done = travelled.fold(self.done, u64::saturating_add);
            self.let_go_of_batch();
            self.first = self.begun;
        }
        Ok(all)
    }

    /// Drops what the batch that was begun has read by several threads at once, a part of a large page
    /// each.
    fn let_go_of_batch(&self) {
        let batch = self.steps.get(self.first..self.begun);
        if let Some(batch) = batch.filter(|_| self.release) {
            let_go_of_all(batch);
        }
    }

    /// How many steps go at once.
    fn batch(&self, steps: &[Step]) -> usize {
        if !self.release {
            return steps.len();
        }
        let mut bytes = 0u64;
        let before = steps.iter().take_while(|step| {
            let goes = bytes < BATCH;
            bytes = bytes.saturating_add(step.stored());
            goes
        });
        before.count()
    }
}

/// The error of a batch that begins at step `first`, with the step's number among all.
fn later(error: Error, first: usize) -> Error {
    match error {
        Error::Transfer(transfer::Error::Item { item, source }) => {
            let item = item.saturating_add(first as u64);
            transfer::Error::Item { item, source }.into()
        }
        other => other,
    }
}

impl Watch for Behind<'_> {
    fn progress(&mut self, done: u64, _: u64) -> bool {
        let done = done.saturating_add(self.done);
        // A batch's start is the end of the one before.
        (self.first > 0 && done == self.done) || self.watch.progress(done, self.total)
    }

    fn item_done(&mut self, item: usize) -> bool {
        let Some(step) = self.steps.get(self.first.saturating_add(item)) else {
            return true;
        };
        if self.release {
            let_go(&step.source.data, &step.read);
        }
        match self.left.get_mut(step.tensor) {
            Some(left) if *left > 1 => {
                *left -= 1;
                true
            }
            _ => self.watch.item_done(step.tensor),
        }
    }
}

/// Drops the pages that a range of a file took; the first of them may have been another range's too.
fn let_go(data: &Arc<Data>, read: &Range<u64>) {
    let start = read.start - read.start % PAGE;
    let len = read.end.saturating_sub(start);
    if let Err(error) = data.release(start, len, Release::PageCache) {
        // It was a courtesy.
        log::info!("{}: pages stay behind an upload: {error}", data.origin());
    }
}

/// Drops what all of these steps took; those before them are done.
fn let_go_of_all(steps: &[Step]) {
    let mut at = 0;
    while let Some(rest) = steps.get(at..)
        && let Some(first) = rest.first()
    {
        // Steps are in the order of the files.
        let is_same = |step: &&Step| Arc::ptr_eq(&step.source.data, &first.source.data);
        let own = rest.iter().take_while(is_same);
        let end = own.clone().map(|step| step.read.end).max().unwrap_or(0);
        let start = first.read.start.saturating_sub(BEFORE);
        let_go(&first.source.data, &(start..end));
        at += own.count();
    }
}
