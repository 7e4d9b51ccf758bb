//! What stands before a stored tensor's elements: `docs/store-format.md`.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::format::{TENSOR_PREFIX, bytes_at, put, u32_at};
use crate::dtype::DType;
use crate::tensor::{self, MAX_DIMS, Shape};

/// Bytes of the prefix.
pub(crate) const PREFIX: usize = 128;
const _: () = assert!(PREFIX as u64 == TENSOR_PREFIX);
const DIMS_AT: usize = 8;
const NAME_AT: usize = 72;
const NAME: usize = 24;

/// The prefix of elements of so many bytes.
///
/// # Errors
/// Those of [`Shape::bytes`]; [`tensor::Error::TooShort`] where that isn't their number.
pub(crate) fn encode(
    dtype: DType,
    shape: &Shape,
    elements: u64,
) -> Result<[u8; PREFIX], tensor::Error> {
    let needed = shape.bytes(dtype)?;
    if needed != elements {
        let nbytes = elements;
        return Err(tensor::Error::TooShort { needed, nbytes });
    }
    let mut prefix = [0; PREFIX];
    put(&mut prefix, 0, &dtype.number().to_le_bytes());
    let ndim = u32::try_from(shape.ndim()).unwrap_or(u32::MAX);
    put(&mut prefix, 4, &ndim.to_le_bytes());
    for (dim, at) in shape.dims().iter().zip((DIMS_AT..).step_by(8)) {
        put(&mut prefix, at, &dim.to_le_bytes());
    }
    put(&mut prefix, NAME_AT, dtype.name().as_bytes());
    Ok(prefix)
}

/// The tensor that a prefix says the `elements` bytes behind it are, or what is wrong with it.
pub(crate) fn decode(prefix: &[u8; PREFIX], elements: u64) -> Result<(DType, Shape), &'static str> {
    let number = i32::from_le_bytes(bytes_at(prefix, 0));
    let dtype = DType::from_number(number)
        .ok_or("it has a dtype that this library doesn't know; its bytes can be had as a value")?;
    let mut name = [0; NAME];
    put(&mut name, 0, dtype.name().as_bytes());
    if bytes_at::<NAME>(prefix, NAME_AT) != name {
        return Err("the number and the name of its dtype don't agree");
    }
    let ndim = usize::try_from(u32_at(prefix, 4)).unwrap_or(usize::MAX);
    let mut dims = [0; MAX_DIMS];
    for (dim, at) in dims.iter_mut().zip((DIMS_AT..).step_by(8)) {
        *dim = i64::from_le_bytes(bytes_at(prefix, at));
    }
    let dims = dims.get(..ndim).ok_or("it has more than 8 dimensions")?;
    let shape = Shape::new(dims).map_err(|_| "it has a negative dimension")?;
    match shape.bytes(dtype) {
        Ok(needed) if needed == elements => Ok((dtype, shape)),
        Ok(_) => Err("its shape needs another number of bytes than it has"),
        Err(_) => Err("its shape is none that its dtype can have"),
    }
}
