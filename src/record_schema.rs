//! Records: the schema
//!
//! A record is a fixed list of tensors, its fields. A schema names them.
//!
//! In an arec file every field has a dtype and dimensions. Where all sizes are given the field is
//! fixed: it is the same in every record. Where one or more are ADIT_DIM_ANY it is ragged: each
//! record has sizes of its own there, each at most 2^32 - 1. A bytes field is a ragged one of u8 and
//! one dimension, for what is no tensor: a compressed image, a text.
//!
//! rrec version 1 has two fields, "input" and "target", of dtype f32 or f16; it declares no shapes,
//! so any record may differ from the one before.
//!
//! An adit_record_schema owns its names. Reading it (`const`) may happen on any threads at the
//! same time; adding to it and freeing it need the caller's exclusion.

use std::ffi::{CString, c_char};

use adit_core::dtype::DType;
use adit_core::record::{Field, FieldShape, Schema};

use crate::boundary::{
    Failure, Handle, Opaque, Out, SizedOut, Zeroable, bytes_argument, close, guard, guard_handle,
    guard_handle_mut, guard_value, into_raw, peek, slice, text_argument,
};
use crate::error::{adit_error, adit_status};
use crate::tensor::{ADIT_MAX_DIMS, dtype_argument};

/// The fields of a record.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_record_schema(Handle<NamedSchema>);

/// The engine's schema, and its names as C has them.
#[derive(Debug, Default)]
pub(crate) struct NamedSchema {
    pub(crate) schema: Schema,
    names: Vec<CString>,
}

impl NamedSchema {
    pub(crate) fn new(schema: Schema) -> NamedSchema {
        let name = |field: &Field| CString::new(field.name.as_bytes()).unwrap_or_default();
        NamedSchema {
            names: schema.fields().iter().map(name).collect(),
            schema,
        }
    }

    fn add(&mut self, field: Field) -> Result<(), Failure> {
        let name = CString::new(field.name.as_bytes()).unwrap_or_default();
        self.schema.add(field)?;
        self.names.push(name);
        Ok(())
    }
}

// SAFETY: repr(transparent) over Handle<NamedSchema>.
unsafe impl Opaque for adit_record_schema {
    type Value = NamedSchema;
    const PARAMETER: &'static str = "schema";
}

/// As a dimension of a field: any size.
pub const ADIT_DIM_ANY: i64 = -1;
/// As a field's number of dimensions: any shape.
pub const ADIT_NDIM_ANY: i32 = -1;

/// What is a record's own in a field.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_record_kind {
    /// Its dtype or its whole shape too: rrec.
    ADIT_RECORD_KIND_ANY = 0,
    /// Its elements alone.
    ADIT_RECORD_KIND_FIXED = 1,
    /// Some of its sizes.
    ADIT_RECORD_KIND_RAGGED = 2,
    /// The number of its bytes.
    ADIT_RECORD_KIND_BYTES = 3,
}

/// A field of a record, as adit_record_schema_field tells it.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_record_field {
    /// sizeof(adit_record_field), set by the caller.
    pub struct_size: usize,
    /// Its name; good until the schema is added to or freed.
    pub name: *const c_char,
    /// An adit_dtype; ADIT_DTYPE_NONE for any.
    pub dtype: i32,
    /// The number of dimensions; ADIT_NDIM_ANY for any shape. May be over 8.
    pub ndim: i32,
    /// The first 8 sizes, outermost first; ADIT_DIM_ANY for any.
    pub dims: [i64; 8],
    /// An adit_record_kind.
    pub kind: i32,
    /// Zero.
    pub reserved0: u32,
}

//@c-after
//@ /** To be filled: adit_record_field field = ADIT_RECORD_FIELD_INIT; */
//@ #define ADIT_RECORD_FIELD_INIT \
//@     { sizeof(adit_record_field), NULL, 0, 0, { 0, 0, 0, 0, 0, 0, 0, 0 }, 0, 0 }

// SAFETY: a null pointer and zeros.
unsafe impl Zeroable for adit_record_field {}

/// Makes a schema without fields. `*out` is freed with adit_record_schema_free.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_schema_new(
    out: *mut *mut adit_record_schema,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(out) };
    let body = || {
        out.required("out")?;
        out.set(into_raw(NamedSchema::default()));
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// Adds a field at the end. `dtype` may be ADIT_DTYPE_NONE for any, `ndim` ADIT_NDIM_ANY for any
/// shape (`dims` is then not read), and each of the `ndim` sizes ADIT_DIM_ANY for any size.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, a name that is empty, over 63 bytes, not UTF-8 or
/// taken), ADIT_ERR_DTYPE, ADIT_ERR_SHAPE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_schema_add(
    schema: *mut adit_record_schema,
    name: *const c_char,
    dtype: i32,
    ndim: i32,
    dims: *const i64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |own: &mut NamedSchema| {
        // SAFETY: NULL or a string, as the header asks.
        let name = unsafe { text_argument(name, "name") }?;
        let dtype = if dtype == 0 {
            None
        } else {
            Some(dtype_argument(dtype, "dtype")?)
        };
        let shape = match usize::try_from(ndim) {
            Err(_) if ndim == ADIT_NDIM_ANY => FieldShape::Any,
            Ok(ndim) if ndim <= ADIT_MAX_DIMS as usize => {
                // SAFETY: readable for ndim sizes, as the header asks.
                let dims = unsafe { slice(dims, ndim, "dims") }?;
                if let Some(dim) = dims.iter().find(|&&dim| dim < ADIT_DIM_ANY) {
                    let message = format_args!("dims holds {dim}; sizes are 0 or more, or -1");
                    return Err(Failure::new(adit_status::ADIT_ERR_SHAPE, message));
                }
                FieldShape::Dims(dims.to_vec())
            }
            _ => {
                let message = format_args!("ndim is {ndim}; a field has 0 to 8 dimensions, or -1");
                return Err(Failure::new(adit_status::ADIT_ERR_SHAPE, message));
            }
        };
        own.add(Field {
            name: name.to_owned(),
            dtype,
            shape,
            is_bytes: false,
        })
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(schema, err, body) }
}

/// Adds a bytes field at the end: u8, one dimension, of each record's own size.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, a name that is empty, over 63 bytes, not UTF-8 or
/// taken).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_schema_add_bytes(
    schema: *mut adit_record_schema,
    name: *const c_char,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |own: &mut NamedSchema| {
        // SAFETY: NULL or a string, as the header asks.
        let name = unsafe { text_argument(name, "name") }?;
        own.add(Field {
            name: name.to_owned(),
            dtype: Some(DType::U8),
            shape: FieldShape::Dims(vec![ADIT_DIM_ANY]),
            is_bytes: true,
        })
    };
    // SAFETY: NULL or an open handle of the caller's alone, NULL or writable, as the header asks.
    unsafe { guard_handle_mut(schema, err, body) }
}

/// The number of fields; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_schema_len(schema: *const adit_record_schema) -> usize {
    // SAFETY: NULL or an open handle, as the header asks.
    unsafe { peek(schema) }.map_or(0, |own| own.names.len())
}

/// Tells field `index`. The caller sets `field->struct_size`.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_OUT_OF_RANGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_schema_field(
    schema: *const adit_record_schema,
    index: usize,
    field: *mut adit_record_field,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(field) };
    let body = |own: &NamedSchema| {
        out.required("field")?;
        let found = own.schema.fields().get(index).zip(own.names.get(index));
        let Some((field, name)) = found else {
            let message = format_args!("field {index} was asked for of {}", own.names.len());
            return Err(Failure::new(adit_status::ADIT_ERR_OUT_OF_RANGE, message));
        };
        let mut dims = [0; 8];
        let ndim = match &field.shape {
            FieldShape::Any => ADIT_NDIM_ANY,
            FieldShape::Dims(own) => {
                for (dim, &own) in dims.iter_mut().zip(own) {
                    *dim = own;
                }
                i32::try_from(own.len()).unwrap_or(i32::MAX)
            }
        };
        let dtype = field.dtype.map_or(0, |dtype| dtype.number());
        out.set(adit_record_field {
            struct_size: 0,
            name: name.as_ptr(),
            dtype,
            ndim,
            dims,
            kind: kind_of(field) as i32,
            reserved0: 0,
        });
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(schema, err, body) }
}

fn kind_of(field: &Field) -> adit_record_kind {
    match (&field.shape, field.dtype) {
        _ if field.is_bytes => adit_record_kind::ADIT_RECORD_KIND_BYTES,
        (FieldShape::Any, _) | (_, None) => adit_record_kind::ADIT_RECORD_KIND_ANY,
        (FieldShape::Dims(dims), _) if dims.iter().all(|&dim| dim >= 0) => {
            adit_record_kind::ADIT_RECORD_KIND_FIXED
        }
        _ => adit_record_kind::ADIT_RECORD_KIND_RAGGED,
    }
}

/// The number of the field called `name`; ADIT_ERR_NOT_FOUND, without an error object, where there
/// is none.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_schema_find(
    schema: *const adit_record_schema,
    name: *const c_char,
    field: *mut usize,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |own: &NamedSchema| {
        // SAFETY: NULL or a string, as the header asks.
        let name = unsafe { bytes_argument(name, "name") }?;
        let is_it = |own: &Field| own.name.as_bytes() == name;
        let found = own.schema.fields().iter().position(is_it);
        found.ok_or(Failure::Quiet(adit_status::ADIT_ERR_NOT_FOUND))
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(schema, field, "field", err, body) }
}

/// Frees a schema; NULL is nothing. Nothing else keeps pointing to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_record_schema_free(schema: *mut adit_record_schema) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(schema) };
}
