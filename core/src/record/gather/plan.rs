//! What a column's records go through.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use super::locate::{Alike, Found, Spot};
use super::options::{Column, Out};
use crate::dtype::DType;
use crate::kernel::Conversion;
use crate::record::error::{Error, Result};
use crate::tensor::Shape;

/// A column, and what follows from its first record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) field: usize,
    /// As it is stored.
    pub(super) dtype: DType,
    /// None where the bytes stay as they are.
    pub(super) conversion: Option<Conversion>,
    /// The bytes of an element, or of a block of some, as it is stored.
    pub(super) unit: usize,
    /// What becomes of that.
    pub(super) unit_out: usize,
    /// The elements of a unit.
    pub(super) unit_elements: u64,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Records of one size.
    Fixed(Alike),
    /// Records of any size.
    Packed,
    /// Records in rooms of one size: that of `room`, whose first dimension `step` bytes are one
    /// step of. Whether they may be cut.
    Padded { room: Alike, step: u64, cut: bool },
}

impl Plan {
    /// Where `first` is a record of the column.
    pub(super) fn new(column: &Column<'_>, spot: &Spot<'_>, first: &Found) -> Result<Plan> {
        let field = column.field;
        let conversion = if column.dtype == first.dtype {
            None
        } else {
            let found = Conversion::new(first.dtype, column.dtype, column.overflow);
            Some(found.ok_or_else(|| Error::NoConversion {
                origin: spot.data().origin().clone(),
                index: spot.index,
                field,
                from: first.dtype,
                to: column.dtype,
            })?)
        };
        let unit = first.dtype.block_bytes() as usize;
        let kind = match &column.out {
            Out::Fixed(_) => Kind::Fixed(Alike::new(first.dtype, first.shape, first.bytes)),
            Out::Packed { .. } => Kind::Packed,
            Out::Padded { size, cut, .. } => padded(first, *size, *cut)?,
        };
        Ok(Plan {
            field,
            dtype: first.dtype,
            conversion,
            unit,
            unit_out: conversion.map_or(unit, |conversion| conversion.bytes_out()),
            unit_elements: first.dtype.block_elements().into(),
            kind,
        })
    }

    /// The first dimension of a record, and that of its room.
    pub(super) fn padded_length(
        &self,
        spot: &Spot<'_>,
        found: &Found,
        room: &Alike,
    ) -> Result<(u64, u64)> {
        let not_alike = || spot.not_alike(self.field, room, found.shape);
        let own = found.shape.dims().split_first();
        let (&length, rest) = own.ok_or_else(not_alike)?;
        let own = room.shape.dims().split_first();
        let (&size, room_rest) = own.ok_or_else(not_alike)?;
        if rest != room_rest || found.dtype != self.dtype {
            return Err(not_alike());
        }
        Ok((length.cast_unsigned(), size.cast_unsigned()))
    }

    /// What so many stored bytes become; saturated.
    #[inline]
    pub(super) fn bytes_out(&self, bytes: u64) -> u64 {
        let units = bytes.checked_div(self.unit as u64).unwrap_or(0);
        units.saturating_mul(self.unit_out as u64)
    }

    /// The elements in so many stored bytes; saturated.
    #[inline]
    pub(super) fn elements(&self, bytes: u64) -> u64 {
        let units = bytes.checked_div(self.unit as u64).unwrap_or(0);
        units.saturating_mul(self.unit_elements)
    }

    /// The bytes in the output of so many elements; saturated.
    #[inline]
    pub(super) fn bytes_of_elements(&self, elements: u64) -> u64 {
        let units = elements.checked_div(self.unit_elements).unwrap_or(0);
        units.saturating_mul(self.unit_out as u64)
    }
}

fn padded(first: &Found, size: u64, cut: bool) -> Result<Kind> {
    let refused = |why: &str| Error::Padding {
        why: format!(
            "{} {} can't be padded to {size}: {why}",
            first.dtype.name(),
            first.shape
        ),
    };
    let mut dims = first.shape.padded();
    let ndim = first.shape.ndim();
    let Some(own) = dims.first_mut().filter(|_| ndim > 0) else {
        return Err(refused("it has no first dimension"));
    };
    let shape_of = |dims: &[i64; crate::tensor::MAX_DIMS]| {
        let shape = Shape::new(dims.get(..ndim).unwrap_or_default());
        shape.and_then(|shape| Ok((shape, shape.bytes(first.dtype)?)))
    };
    *own = 1;
    let one = shape_of(&dims).map_err(|_| refused("a step of it is no whole block"))?;
    if let Some(own) = dims.first_mut() {
        *own = i64::try_from(size).unwrap_or(i64::MAX);
    }
    let (shape, bytes) = shape_of(&dims).map_err(|_| refused("the size is too large"))?;
    Ok(Kind::Padded {
        room: Alike::new(first.dtype, shape, bytes),
        step: one.1,
        cut,
    })
}

/// The shape of a padded record's room.
pub(super) fn padded_shape(first: &Found, size: u64) -> Result<Shape> {
    match padded(first, size, true)? {
        Kind::Padded { room, .. } => Ok(room.shape),
        _ => Ok(first.shape),
    }
}
