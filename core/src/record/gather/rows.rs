//! Which record stands in each row.

use std::collections::BTreeMap;

use super::options::{Judge, Verdict};
use crate::record::error::{Error, Result};

/// The rows asked for, and what stands for those that can't be had.
pub(super) struct Rows<'a> {
    asked: &'a [u64],
    /// Of rows with a fault: the record in its place, none for zeros.
    instead: BTreeMap<usize, Option<u64>>,
    judge: Judge<'a>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(asked: &'a [u64], judge: Judge<'a>) -> Rows<'a> {
        Rows {
            asked,
            instead: BTreeMap::new(),
            judge,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.asked.len()
    }

    /// The record of a row that there is; none where zeros stand for it.
    #[inline]
    pub(super) fn record(&self, row: usize) -> Option<u64> {
        if !self.instead.is_empty()
            && let Some(instead) = self.instead.get(&row)
        {
            return *instead;
        }
        self.asked.get(row).copied()
    }

    /// Asks what stands for a row.
    pub(super) fn fault(&mut self, row: usize, error: Error) -> Result<()> {
        let instead = match (self.judge)(row, error)? {
            Verdict::Mask => None,
            Verdict::Replace(record) => Some(record),
        };
        self.instead.insert(row, instead);
        Ok(())
    }
}
