//! Which tensors a record has.

use super::error::{Error, Result};
use super::rrec;
use crate::dtype::DType;

/// The shapes that a field can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldShape {
    /// Any.
    Any,
    /// These dimensions; a negative one stands for any size.
    Dims(Vec<i64>),
}

/// One tensor of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its dtype; none for any.
    pub dtype: Option<DType>,
    /// Its shape.
    pub shape: FieldShape,
}

/// The tensors of a record, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    fields: Vec<Field>,
}

/// The longest name of a field in bytes.
const LONGEST_NAME: usize = 63;

impl Schema {
    /// No fields yet.
    #[must_use]
    pub fn new() -> Schema {
        Schema::default()
    }

    /// The fields.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Adds a field at the end.
    ///
    /// # Errors
    /// [`Error::Schema`] where the name is empty, too long or taken.
    pub fn add(&mut self, field: Field) -> Result<()> {
        let why = if field.name.is_empty() || field.name.len() > LONGEST_NAME {
            format!(
                "field names have 1 to {LONGEST_NAME} bytes, {:?} has not",
                field.name
            )
        } else if self.fields.iter().any(|other| other.name == field.name) {
            format!("there is a field {:?} already", field.name)
        } else {
            self.fields.push(field);
            return Ok(());
        };
        Err(Error::Schema { why })
    }

    /// Two fields with rrec version 1's names.
    pub(super) fn of_rrec(shapes: [(Option<DType>, FieldShape); rrec::FIELDS]) -> Schema {
        let fields = rrec::FIELD_NAMES
            .iter()
            .zip(shapes)
            .map(|(name, (dtype, shape))| Field {
                name: (*name).to_owned(),
                dtype,
                shape,
            });
        Schema {
            fields: fields.collect(),
        }
    }
}

impl Field {
    /// Whether a tensor of this dtype and these dimensions can be this field.
    #[must_use]
    pub fn takes(&self, dtype: DType, dims: &[u32]) -> bool {
        let shape = match &self.shape {
            FieldShape::Any => true,
            FieldShape::Dims(own) => {
                own.len() == dims.len()
                    && own
                        .iter()
                        .zip(dims)
                        .all(|(&own, &dim)| own < 0 || own == i64::from(dim))
            }
        };
        shape && self.dtype.is_none_or(|own| own == dtype)
    }
}
