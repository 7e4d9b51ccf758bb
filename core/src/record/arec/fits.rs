//! Whether what a writer is given fits the fields of its file.

use super::field::ANY;
use super::layout::Layout;
use super::metadata::{self, Entry};
use crate::dtype::DType;
use crate::record::error::{Error, Result};
use crate::tensor::TensorView;

impl Layout {
    /// Whether a record can have so many tensors.
    pub(super) fn check_count(&self, tensors: usize) -> Result<()> {
        let fields = self.fields.len();
        if tensors == fields {
            return Ok(());
        }
        Err(Error::Schema {
            why: format!("a record has {fields} fields, not {tensors}"),
        })
    }

    /// Whether a tensor can be this field.
    pub(super) fn check_tensor(&self, field: usize, dtype: DType, dims: &[i64]) -> Result<()> {
        let Some(row) = self.fields.get(field) else {
            return self.check_count(field);
        };
        if row.dtype != dtype {
            return Err(Error::FieldDType {
                field,
                name: row.name.clone(),
                expected: row.dtype,
                found: dtype,
            });
        }
        let fits = |(&own, &dim): (&u64, &i64)| {
            if own == ANY {
                u32::try_from(dim).is_ok()
            } else {
                u64::try_from(dim) == Ok(own)
            }
        };
        let own = row.dims();
        if own.len() == dims.len() && own.iter().zip(dims).all(fits) {
            return Ok(());
        }
        let own: Vec<String> = own
            .iter()
            .map(|&dim| match dim {
                ANY => "any".to_owned(),
                dim => dim.to_string(),
            })
            .collect();
        let (name, own) = (&row.name, own.join(", "));
        let why = format!("{name:?} has the shape [{own}], the tensor {dims:?}");
        Err(Error::FormatShape { field, why })
    }

    /// How many rows each column has.
    pub(super) fn check_columns(&self, columns: &[TensorView<'_>]) -> Result<u64> {
        self.check_count(columns.len())?;
        let mut rows = None;
        for (field, column) in columns.iter().enumerate() {
            let shape = column.shape();
            let Some((&own, dims)) = shape.dims().split_first() else {
                let why = "a column needs a first dimension, the number of records".to_owned();
                return Err(Error::FormatShape { field, why });
            };
            // All rows of a column are alike, and fit or don't whatever their number.
            self.check_tensor(field, column.dtype(), dims)?;
            if let Some(rows) = rows.filter(|&rows| rows != own) {
                let why = format!("the column has {own} rows, the one before it {rows}");
                return Err(Error::FormatShape { field, why });
            }
            rows = Some(own);
        }
        Ok(rows.unwrap_or(0).cast_unsigned())
    }
}

/// Sets a key's value among others.
pub(crate) fn set_entry(entries: &mut Vec<Entry>, key: &str, value: &[u8]) -> Result<()> {
    let others = entries.iter().filter(|(other, _)| other != key);
    let bytes = |key: &str, value: &[u8]| (key.len() as u64).saturating_add(value.len() as u64);
    let all: u64 = others
        .map(|(key, value)| bytes(key, value).saturating_add(8))
        .sum();
    let all = all.saturating_add(bytes(key, value)).saturating_add(8);
    if key.is_empty() {
        return Err(Error::Metadata {
            why: "a key has at least one byte".to_owned(),
        });
    }
    if all > metadata::LONGEST {
        return Err(Error::LongMetadata {
            key: key.to_owned(),
            bytes: all,
            most: metadata::LONGEST,
        });
    }
    match entries.iter_mut().find(|(other, _)| other == key) {
        Some((_, old)) => value.clone_into(old),
        None => entries.push((key.to_owned(), value.to_owned())),
    }
    Ok(())
}
