//! The tensors of a batch, as they follow from the set's fields and the options.

use super::error::{Error, Result};
use super::options::{FieldOption, LoaderOptions, RaggedMode};
use super::source::{Source, SourceField};
use crate::dtype::DType;
use crate::kernel::{Conversion, Overflow};
use crate::tensor::{MAX_DIMS, Shape, dense_bytes};

/// What a column is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Each row has so many bytes.
    Rows { bytes: usize },
    /// Back to back; `inner` elements are one position of the first dimension, 0 where others than
    /// the first differ too.
    Packed { inner: u64 },
    /// Each row has so many positions.
    Padded {
        bytes: usize,
        length: u64,
        cut: bool,
    },
}

/// A column of batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ColumnPlan {
    pub(super) name: String,
    /// The source's field; of a transform's output its own number.
    pub(super) field: usize,
    pub(super) dtype: DType,
    /// A row's dimensions; of packed ones those behind the first.
    pub(super) dims: Vec<i64>,
    pub(super) layout: Layout,
}

/// Which tensor of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TensorOf {
    /// A column's elements.
    Elements(usize),
    /// Where each row of a packed column starts, or how many positions of a padded one are its own.
    Places(usize),
}

/// The columns and tensors of all batches of a loader.
#[derive(Debug)]
pub(super) struct Plan {
    /// What is read of each record.
    pub(super) read: Vec<ColumnPlan>,
    /// What a transform makes of it; none without one.
    pub(super) made: Option<Vec<ColumnPlan>>,
    /// Rows of a batch.
    pub(super) rows: usize,
    tensors: Vec<(String, TensorOf)>,
}

impl Plan {
    pub(super) fn new(source: &dyn Source, options: &LoaderOptions, rows: usize) -> Result<Plan> {
        let all;
        let chosen = if options.fields.is_empty() {
            let whole = |field: &SourceField| FieldOption {
                name: field.name.clone(),
                dtype: None,
                ragged: RaggedMode::Packed,
            };
            all = source.fields().iter().map(whole).collect();
            &all
        } else {
            &options.fields
        };
        let column = |option| read_column(source, option, options.overflow, rows);
        let read = chosen.iter().map(column).collect::<Result<Vec<_>>>()?;
        let made = match &options.transform {
            Some(_) => Some(made_columns(options, rows)?),
            None if options.outputs.is_empty() => None,
            None => {
                return Err(Error::arguments(
                    "there are output fields, but no transform to make them",
                ));
            }
        };
        let mut plan = Plan {
            read,
            made,
            rows,
            tensors: Vec::new(),
        };
        let mut tensors = Vec::new();
        for (number, column) in plan.columns().iter().enumerate() {
            tensors.push((column.name.clone(), TensorOf::Elements(number)));
            let places = match column.layout {
                Layout::Rows { .. } => continue,
                Layout::Packed { .. } => "offsets",
                Layout::Padded { .. } => "lengths",
            };
            let name = format!("{}.{places}", column.name);
            tensors.push((name, TensorOf::Places(number)));
        }
        let mut names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some([name, _]) = names.array_windows().find(|[a, b]| a == b) {
            let why = format!("two tensors of a batch would be called {name:?}");
            return Err(Error::arguments(why));
        }
        plan.tensors = tensors;
        Ok(plan)
    }

    /// The columns of a batch.
    pub(super) fn columns(&self) -> &[ColumnPlan] {
        self.made.as_deref().unwrap_or(&self.read)
    }

    pub(super) fn tensors(&self) -> &[(String, TensorOf)] {
        &self.tensors
    }
}

impl ColumnPlan {
    /// The bytes of so many rows, where that is known beforehand.
    pub(super) fn bytes_of(&self, rows: usize) -> Option<usize> {
        match self.layout {
            Layout::Rows { bytes } | Layout::Padded { bytes, .. } => Some(bytes * rows),
            Layout::Packed { .. } => None,
        }
    }

    /// Numbers that stand beside so many rows.
    pub(super) fn places_of(&self, rows: usize) -> usize {
        match self.layout {
            Layout::Rows { .. } => 0,
            Layout::Packed { .. } => rows + 1,
            Layout::Padded { .. } => rows,
        }
    }

    /// The bytes of elements that lie side by side, of which there are whole blocks.
    pub(super) fn bytes_in(&self, elements: u64) -> usize {
        let blocks = elements / u64::from(self.dtype.block_elements());
        let bytes = blocks.saturating_mul(u64::from(self.dtype.block_bytes()));
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// The shape of one row; of a packed one `first` is its first dimension.
    pub(super) fn row_shape(&self, first: Option<u64>) -> Result<Shape> {
        let first = first.map(|first| i64::try_from(first).unwrap_or(i64::MAX));
        let dims: Vec<i64> = first.into_iter().chain(self.dims.iter().copied()).collect();
        Shape::new(&dims).map_err(|_| Error::Internal("a field's dimensions that are no shape"))
    }

    /// The shape of its elements, of which packed ones are so many.
    pub(super) fn shape(&self, rows: usize, elements: u64) -> Result<Shape> {
        let first = match self.layout {
            Layout::Packed { inner: 0 } => elements,
            Layout::Packed { inner } => elements / inner,
            _ => rows as u64,
        };
        let mut dims = [0; MAX_DIMS];
        let ndim = 1 + self.dims.len();
        let many = || Error::arguments(format!("field {:?} has too many dimensions", self.name));
        let own = dims.get_mut(..ndim).ok_or_else(many)?;
        let (start, rest) = own.split_first_mut().ok_or_else(many)?;
        *start = i64::try_from(first).unwrap_or(i64::MAX);
        rest.copy_from_slice(&self.dims);
        Shape::new(own).map_err(|_| Error::Internal("a field's dimensions that are no shape"))
    }
}

fn read_column(
    source: &dyn Source,
    option: &FieldOption,
    overflow: Overflow,
    rows: usize,
) -> Result<ColumnPlan> {
    let name = &option.name;
    let named = |field: &SourceField| field.name == *name;
    let Some(field) = source.fields().iter().position(named) else {
        let names = source.fields().iter().map(|field| field.name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        let origin = source.origin();
        let why = format!("{origin} has no field {name:?}; its fields are {names}");
        return Err(Error::arguments(why));
    };
    let own = source.fields().get(field);
    let own = own.ok_or(Error::Internal("a field that was just found"))?;
    let dtype = option.dtype.unwrap_or(own.dtype);
    if dtype != own.dtype && Conversion::new(own.dtype, dtype, overflow).is_none() {
        let (from, to) = (own.dtype.name(), dtype.name());
        let why = format!("field {name:?} is {from}, which can't be converted to {to}");
        return Err(Error::arguments(why));
    }
    let free = own.dims.iter().filter(|dim| **dim < 0).count();
    let first_alone = free == 1 && own.dims.first().is_some_and(|dim| *dim < 0);
    let inner = own.dims.get(1..).unwrap_or_default();
    let (dims, layout) = match option.ragged {
        _ if free == 0 => (own.dims.clone(), rows_of(name, &own.dims, dtype, rows)?),
        RaggedMode::Packed if first_alone => {
            // None, however large the others are.
            let inner = if inner.contains(&0) { &[0] } else { inner };
            let elements = inner.iter().try_fold(1u64, |all, dim| {
                all.checked_mul(u64::try_from(*dim).unwrap_or(0))
            });
            // Elements that are none are packed as they come.
            let inner_elements = elements.ok_or_else(|| too_large(name))?;
            if inner_elements == 0 || dtype.is_block() && inner.is_empty() {
                (Vec::new(), Layout::Packed { inner: 0 })
            } else {
                let inner_elements = Layout::Packed {
                    inner: inner_elements,
                };
                (inner.to_vec(), inner_elements)
            }
        }
        RaggedMode::Packed => (Vec::new(), Layout::Packed { inner: 0 }),
        RaggedMode::Padded { length, cut } if first_alone => {
            let mut dims = vec![i64::try_from(length).map_err(|_| too_large(name))?];
            dims.extend_from_slice(inner);
            let Layout::Rows { bytes } = rows_of(name, &dims, dtype, rows)? else {
                return Err(Error::Internal("padded rows that differ"));
            };
            (dims, Layout::Padded { bytes, length, cut })
        }
        RaggedMode::Padded { .. } => {
            let why = format!(
                "field {name:?} differs in more than its first dimension: it can be packed, not \
                 padded"
            );
            return Err(Error::arguments(why));
        }
    };
    if dims.len() >= MAX_DIMS {
        let why = format!(
            "field {name:?} has {} dimensions: with that of the batch more than {MAX_DIMS}",
            dims.len()
        );
        return Err(Error::arguments(why));
    }
    Ok(ColumnPlan {
        name: name.clone(),
        field,
        dtype,
        dims,
        layout,
    })
}

fn made_columns(options: &LoaderOptions, rows: usize) -> Result<Vec<ColumnPlan>> {
    if options.outputs.is_empty() {
        return Err(Error::arguments(
            "a transform needs output fields: what it makes of each record",
        ));
    }
    let column = |(field, output): (usize, &super::options::OutputField)| {
        let name = &output.name;
        if name.is_empty() {
            return Err(Error::arguments("an output needs a name"));
        }
        let few = output.dims.len() < MAX_DIMS && output.dims.iter().all(|dim| *dim >= 0);
        if !few {
            let why = format!(
                "output {name:?} needs at most {} dimensions, none negative",
                MAX_DIMS - 1
            );
            return Err(Error::arguments(why));
        }
        Ok(ColumnPlan {
            name: name.clone(),
            field,
            dtype: output.dtype,
            dims: output.dims.clone(),
            layout: rows_of(name, &output.dims, output.dtype, rows)?,
        })
    };
    options.outputs.iter().enumerate().map(column).collect()
}

/// Rows of these dimensions, all of which have to fit into memory.
fn rows_of(name: &str, dims: &[i64], dtype: DType, rows: usize) -> Result<Layout> {
    let bytes = dense_bytes(dims, dtype)
        .map_err(|error| Error::arguments(format!("field {name:?}: {error}")))?;
    let whole = bytes.checked_mul(rows as u64);
    let fits = whole.is_some_and(|bytes| isize::try_from(bytes).is_ok());
    match usize::try_from(bytes) {
        Ok(bytes) if fits => Ok(Layout::Rows { bytes }),
        _ => Err(too_large(name)),
    }
}

fn too_large(name: &str) -> Error {
    Error::arguments(format!("a batch of field {name:?} is larger than memory"))
}
