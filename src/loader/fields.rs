//! Which fields a loader gives, as what.

use std::ffi::c_char;

use adit_core::loader::{FieldOption, OutputField, RaggedMode};
use adit_core::tensor::MAX_DIMS;

use crate::boundary::{
    Failure, Handle, Opaque, choose, close, guard_handle_mut, guard_new, slice, text_argument,
};
use crate::error::{adit_error, adit_status};
use crate::tensor::{dtype_argument, optional_dtype, shape_argument};

/// The fields that a loader gives.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_loader_fields(Handle<Fields>);

/// What is read of each record, and what a transform makes of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    pub(super) read: Vec<FieldOption>,
    pub(super) made: Vec<OutputField>,
}

// SAFETY: repr(transparent) over Handle<Fields>.
unsafe impl Opaque for adit_loader_fields {
    type Value = Fields;
    const PARAMETER: &'static str = "fields";
}

/// What a batch has of a ragged field.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_ragged {
    /// Two tensors: `<name>`, the rows' elements one after the other, and `<name>.offsets`, u64, one
    /// more than there are rows: row i's elements are those from its offset to the next one.
    ADIT_RAGGED_PACKED = 0,
    /// Two tensors: `<name>`, the rows all `length` long in their first dimension, with zeros behind
    /// shorter records, and `<name>.lengths`, u64, how long each was. A longer record is a bad one.
    ADIT_RAGGED_PADDED = 1,
    /// The same, but longer records are cut to `length`.
    ADIT_RAGGED_CUT = 2,
}

/// Makes an empty list. On success `*out` is a handle that the caller frees with
/// adit_loader_fields_free; it is copied when a loader is opened with it.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_loader_fields_new(
    out: *mut *mut adit_loader_fields,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_new(out, err, || Ok(Fields::default())) }
}

/// Adds the set's field `name`, as `dtype` (an adit_dtype; 0 for its own). Of a fixed field `ragged`
/// and `length` must be 0; of a ragged one `ragged` is an adit_ragged and `length` the length where it
/// has one. Whether the set has the field shows when a loader is opened.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, a name that was added before, a length that is 0 where
/// one is needed), ADIT_ERR_DTYPE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_loader_fields_add(
    fields: *mut adit_loader_fields,
    name: *const c_char,
    dtype: i32,
    ragged: i32,
    length: u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |fields: &mut Fields| {
        // SAFETY: NULL or a string, as the header asks.
        let name = unsafe { text_argument(name, "name") }?;
        if fields.read.iter().any(|own| own.name == name) {
            return Err(taken(name));
        }
        fields.read.push(FieldOption {
            name: name.to_owned(),
            dtype: optional_dtype(dtype, "dtype")?,
            ragged: ragged_argument(ragged, length)?,
        });
        Ok(())
    };
    // SAFETY: NULL or a handle that nobody else uses, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(fields, err, body) }
}

fn taken(name: &str) -> Failure {
    Failure::invalid(format_args!("{name:?} was added before"))
}

fn ragged_argument(ragged: i32, length: u64) -> Result<RaggedMode, Failure> {
    use adit_ragged as own;
    let padded = |cut| RaggedMode::Padded { length, cut };
    let table = [
        (own::ADIT_RAGGED_PACKED as i32, RaggedMode::Packed),
        (own::ADIT_RAGGED_PADDED as i32, padded(false)),
        (own::ADIT_RAGGED_CUT as i32, padded(true)),
    ];
    let mode = choose(ragged, "ragged", "adit_ragged", &table)?;
    match (mode, length) {
        (RaggedMode::Padded { .. }, 0) => Err(Failure::invalid("length is 0: padding needs one")),
        (RaggedMode::Packed, 1..) => Err(Failure::invalid(format_args!(
            "length is {length}, but packed records keep their own"
        ))),
        _ => Ok(mode),
    }
}

/// Adds a tensor that options->transform makes: for each row `ndim` sizes `dims` of `dtype`. With
/// outputs batches have these and nothing else, and the fields added with adit_loader_fields_add (all
/// of the set's, where there are none) are what the transform is given, as the file has them.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_DTYPE, ADIT_ERR_SHAPE (over 7 dimensions, a negative
/// one, broken blocks).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_loader_fields_add_output(
    fields: *mut adit_loader_fields,
    name: *const c_char,
    dtype: i32,
    ndim: i32,
    dims: *const i64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |fields: &mut Fields| {
        // SAFETY: NULL or a string, as the header asks.
        let name = unsafe { text_argument(name, "name") }?;
        if fields.made.iter().any(|own| own.name == name) {
            return Err(taken(name));
        }
        let dtype = dtype_argument(dtype, "dtype")?;
        let sizes = usize::try_from(ndim).unwrap_or(0).min(MAX_DIMS);
        // SAFETY: readable for ndim sizes, as the header asks.
        let dims = unsafe { slice(dims, sizes, "dims") }?;
        let shape = shape_argument(ndim, dims, "dims")?;
        if shape.ndim() == MAX_DIMS {
            let message = "ndim is 8; with that of the batch that is more than a tensor has";
            return Err(Failure::new(adit_status::ADIT_ERR_SHAPE, message));
        }
        shape.bytes(dtype)?;
        fields.made.push(OutputField {
            name: name.to_owned(),
            dtype,
            dims: dims.to_vec(),
        });
        Ok(())
    };
    // SAFETY: NULL or a handle that nobody else uses, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(fields, err, body) }
}

/// Frees a list; NULL is nothing. Loaders opened with it have their own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_loader_fields_free(fields: *mut adit_loader_fields) {
    // SAFETY: NULL or a handle that nobody uses any more, as the header asks.
    unsafe { close(fields) };
}
