//! Which tensors a record has.

use super::error::{Error, Result};
use super::rrec::format;
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
    /// Whether it is bytes that mean what the user says: u8 in one dimension of any size.
    pub is_bytes: bool,
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

    /// Fields whose names are known to be sound.
    pub(super) fn of_fields(fields: impl IntoIterator<Item = Field>) -> Schema {
        Schema {
            fields: fields.into_iter().collect(),
        }
    }

    /// The number of the field called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// Two fields with rrec version 1's names.
    pub(super) fn of_rrec(shapes: [(Option<DType>, FieldShape); format::FIELDS]) -> Schema {
        let fields = format::FIELD_NAMES
            .iter()
            .zip(shapes)
            .map(|(name, (dtype, shape))| Field {
                name: (*name).to_owned(),
                dtype,
                shape,
                is_bytes: false,
            });
        Schema::of_fields(fields)
    }
}

impl Field {
    /// A field of this dtype and these dimensions; a negative one stands for any size.
    #[must_use]
    pub fn new(name: &str, dtype: DType, dims: &[i64]) -> Field {
        Field {
            name: name.to_owned(),
            dtype: Some(dtype),
            shape: FieldShape::Dims(dims.to_vec()),
            is_bytes: false,
        }
    }

    /// A field of bytes, any number of them, that mean what the user says.
    #[must_use]
    pub fn bytes(name: &str) -> Field {
        Field {
            is_bytes: true,
            ..Field::new(name, DType::U8, &[-1])
        }
    }

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
