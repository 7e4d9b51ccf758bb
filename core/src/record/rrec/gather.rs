//! Where the fields of many records lie.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use super::format::{FIELDS, TensorHead};
use super::reader::RrecReader;
use crate::dtype::DType;
use crate::map::Fetch;
use crate::record::error::{Error, Result};
use crate::record::gather::Alike;
use crate::tensor::{MAX_DIMS, Shape};

impl RrecReader {
    /// Where a field's elements start, their bytes, dtype and shape.
    pub(in crate::record) fn found(
        &self,
        from: &mut impl Fetch,
        index: u64,
        field: usize,
    ) -> Result<(u64, u64, DType, Shape)> {
        if field >= FIELDS {
            return Err(self.no_field(field));
        }
        let head = self.field_head(from, index, field)?;
        // The records are one dimension more.
        let Some(shape) = head.shape().filter(|shape| shape.ndim() < MAX_DIMS) else {
            return Err(self.many_dims(&head, index, field, MAX_DIMS.saturating_sub(1)));
        };
        Ok((head.data_at, head.bytes, head.dtype, shape))
    }

    /// Where a field's elements start, where it is as others.
    #[inline]
    pub(in crate::record) fn place_alike(
        &self,
        from: &mut impl Fetch,
        index: u64,
        field: usize,
        alike: &Alike,
    ) -> Result<u64> {
        let head = self.field_head(from, index, field)?;
        if head.dtype == alike.dtype && head.dims() == Some(alike.dims()) {
            Ok(head.data_at)
        } else {
            Err(self.not_alike(&head, alike, index, field))
        }
    }

    /// Where a record lies.
    #[inline]
    pub(in crate::record) fn extent(
        &self,
        from: &mut impl Fetch,
        index: u64,
    ) -> Result<(u64, u64)> {
        let entry = self.entry(from, index)?;
        Ok((entry.offset, entry.length))
    }

    #[cold]
    pub(in crate::record) fn no_field(&self, field: usize) -> Error {
        let len = FIELDS;
        Error::NoField { field, len }
    }

    /// Where the index starts.
    pub(in crate::record) fn index_at(&self) -> u64 {
        self.header().entry_at(0)
    }

    /// Starts fetching a record's index entry.
    #[inline]
    pub(in crate::record) fn entry_soon(&self, from: &mut impl Fetch, index: u64) {
        from.soon(self.header().entry_at(index));
    }

    /// Starts fetching the heads of a record whose index entry is near.
    #[inline]
    pub(in crate::record) fn heads_soon(&self, from: &mut impl Fetch, index: u64) {
        // What is wrong with a record is told in its turn.
        if let Ok(entry) = self.entry(from, index) {
            from.soon(entry.offset);
            // The last tensor's head stands near the end, if its elements are few.
            from.soon(entry.end().wrapping_sub(16));
        }
    }

    #[cold]
    fn not_alike(&self, head: &TensorHead, first: &Alike, index: u64, field: usize) -> Error {
        let found = match head.shape() {
            Some(shape) => format!("{} {shape}", head.dtype.name()),
            None => format!("{} of {} dimensions", head.dtype.name(), head.ndim),
        };
        Error::NotAlike {
            origin: self.data().origin().clone(),
            index,
            field,
            found,
            first: format!("{} {}", first.dtype.name(), first.shape),
        }
    }
}
