//! Where a model's tensors go on a card: packed into few buffers, in the order of their files.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::collections::HashMap;
use std::sync::Arc;

use super::error::{Error, Result};
use super::place::Place;
use crate::dtype::DType;
use crate::map::Data;
use crate::tensor::{Shape, Source};
use crate::transfer::{list_of, reserve};

/// What becomes of a tensor of a file.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) source: Source,
    pub(super) dtype: DType,
}

/// What the buffers may be like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The most bytes of one.
    pub(super) limit: u64,
    /// What places are multiples of.
    pub(super) align: u64,
    /// Whether a tensor may be split.
    pub(super) split: bool,
}

/// Some rows of a tensor, and where they go.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) tensor: usize,
    pub(super) source: Source,
    pub(super) place: Place,
}

/// Where all tensors go.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// In the order of the files.
    pub(super) parts: Vec<Part>,
    /// The bytes of each buffer.
    pub(super) buffers: Vec<u64>,
}

/// A tensor that no buffer holds, or a row of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge {
    pub(super) tensor: usize,
    pub(super) bytes: u64,
    /// Not even a row of it.
    pub(super) row: bool,
}

/// Why there is no layout.
#[derive(Debug)]
pub(super) enum Refusal {
    TooLarge(TooLarge),
    Other(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Other(error)
    }
}

/// What can't be, since shapes were checked.
const BROKEN: Error = Error::Internal("a model's tensor that has no size");

impl Layout {
    /// Places all tensors.
    pub(super) fn new(tensors: &[Wanted], rules: Rules) -> std::result::Result<Layout, Refusal> {
        let mut layout = Layout::default();
        for number in order(tensors)? {
            let wanted = tensors.get(number).ok_or(BROKEN)?;
            let shape = wanted.source.shape;
            let bytes = shape.bytes(wanted.dtype).map_err(|_| BROKEN)?;
            if bytes <= rules.limit {
                layout.put(
                    number,
                    wanted,
                    Rows {
                        start: 0,
                        shape,
                        bytes,
                    },
                    rules,
                )?;
                continue;
            }
            let too_large = |bytes, row| {
                let tensor = number;
                Refusal::TooLarge(TooLarge { tensor, bytes, row })
            };
            if !rules.split {
                return Err(too_large(bytes, false));
            }
            let group = group_of(shape, wanted).ok_or(BROKEN)?;
            let groups = rules.limit.checked_div(group.bytes).unwrap_or(0);
            if groups == 0 {
                return Err(too_large(group.bytes, true));
            }
            let step = groups.saturating_mul(group.rows);
            let rows = shape.dims().first().map_or(1, |&rows| rows.unsigned_abs());
            let mut start = 0u64;
            while start < rows {
                let count = step.min(rows.saturating_sub(start));
                let shape = with_rows(shape, count).ok_or(BROKEN)?;
                let bytes = shape.bytes(wanted.dtype).map_err(|_| BROKEN)?;
                layout.put(
                    number,
                    wanted,
                    Rows {
                        start,
                        shape,
                        bytes,
                    },
                    rules,
                )?;
                start = start.saturating_add(count);
            }
        }
        Ok(layout)
    }

    /// Places some rows behind what is there, or at the start of another buffer.
    fn put(&mut self, tensor: usize, wanted: &Wanted, rows: Rows, rules: Rules) -> Result<()> {
        reserve(&mut self.parts, 1)?;
        let behind = self.buffers.last().and_then(|&end| {
            // What is empty takes no room, and needs none.
            let offset = match rows.bytes {
                0 => 0,
                _ => end.checked_next_multiple_of(rules.align)?,
            };
            (offset.checked_add(rows.bytes)? <= rules.limit).then_some(offset)
        });
        let offset = match behind {
            Some(offset) => offset,
            None => {
                reserve(&mut self.buffers, 1)?;
                self.buffers.push(0);
                0
            }
        };
        if let Some(end) = self.buffers.last_mut() {
            *end = (*end).max(offset.saturating_add(rows.bytes));
        }
        let skipped = with_rows(wanted.source.shape, rows.start).unwrap_or(wanted.source.shape);
        let skipped = match rows.start {
            0 => 0,
            _ => skipped.bytes(wanted.source.dtype).map_err(|_| BROKEN)?,
        };
        self.parts.push(Part {
            tensor,
            source: Source {
                offset: wanted.source.offset.saturating_add(skipped),
                shape: rows.shape,
                ..wanted.source.clone()
            },
            place: Place {
                buffer: self.buffers.len().saturating_sub(1),
                offset,
                bytes: rows.bytes,
                dtype: wanted.dtype,
                shape: rows.shape,
                row_start: rows.start,
            },
        });
        Ok(())
    }
}

struct Rows {
    start: u64,
    shape: Shape,
    bytes: u64,
}

/// The tensors as the files have them; files in the order in which they first occur.
fn order(tensors: &[Wanted]) -> Result<Vec<usize>> {
    let mut files: HashMap<*const Data, usize> = HashMap::new();
    let mut places = list_of(tensors.len())?;
    for (number, wanted) in tensors.iter().enumerate() {
        let next = files.len();
        let file = *files
            .entry(Arc::as_ptr(&wanted.source.data))
            .or_insert(next);
        places.push((file, wanted.source.offset, number));
    }
    places.sort_unstable();
    Ok(places.into_iter().map(|place| place.2).collect())
}

/// The fewest rows that are whole blocks, before and after, and the bytes that they become.
struct Group {
    rows: u64,
    bytes: u64,
}

fn group_of(shape: Shape, wanted: &Wanted) -> Option<Group> {
    let row = shape.dims().iter().skip(1);
    let elements = row.fold(1u64, |all, &dim| all.saturating_mul(dim.unsigned_abs()));
    let blocks = [wanted.source.dtype, wanted.dtype].map(DType::block_elements);
    // Both are powers of two.
    let block = u64::from(blocks.into_iter().max()?);
    let rows = block >> elements.trailing_zeros().min(block.trailing_zeros());
    let group = with_rows(shape, rows)?;
    let bytes = group.bytes(wanted.dtype).ok()?;
    Some(Group { rows, bytes })
}

/// A shape with another first dimension.
fn with_rows(shape: Shape, rows: u64) -> Option<Shape> {
    let mut dims = shape.padded();
    let ndim = shape.dims().len();
    *dims.first_mut()? = i64::try_from(rows).ok()?;
    Shape::new(dims.get(..ndim)?).ok()
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
