//! A field: its dtype, its sizes, and what follows from them.

use crate::dtype::DType;
use crate::tensor::{MAX_DIMS, Shape};

/// What stands for a size of a record's own among a field's dimensions.
pub(crate) const ANY: u64 = u64::MAX;

/// The longest name in bytes.
pub(super) const LONGEST_NAME: usize = 63;

/// What a field's sizes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// The same in each record.
    Fixed = 1,
    /// One or more of each record's own.
    Ragged = 2,
    /// Bytes that mean what the user says.
    Bytes = 3,
}

/// A field, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldRow {
    pub(crate) name: String,
    pub(crate) dtype: DType,
    pub(crate) kind: FieldKind,
    pub(crate) align_log2: u8,
    /// The first `ndim`, outermost first; [`ANY`] for each of a record's own.
    pub(crate) dims: [u64; MAX_DIMS],
    pub(crate) ndim: u8,
    /// Where a fixed field starts in its record.
    pub(crate) offset: u64,
    /// How many sizes are a record's own.
    pub(crate) free: u8,
    /// Where they start among all of the record's own.
    pub(crate) own_at: usize,
    /// The bytes of a fixed field; of others, those for each step of the own sizes' product.
    pub(crate) unit: u64,
    /// The shape, with zeros for sizes of a record's own.
    pub(crate) shape: Shape,
}

impl FieldRow {
    /// A field by itself: where it lies and which sizes are its own, only a layout tells.
    pub(super) fn new(
        name: String,
        dtype: DType,
        kind: FieldKind,
        align_log2: u8,
        dims: &[u64],
    ) -> std::result::Result<FieldRow, String> {
        let all = dims;
        let mut dims = [0; MAX_DIMS];
        let Some(own) = dims.get_mut(..all.len()) else {
            return Err(format!(
                "it has {} dimensions, a field at most 8",
                all.len()
            ));
        };
        own.copy_from_slice(all);
        let free = all.iter().filter(|&&dim| dim == ANY).count();
        let ndim = all.len().try_into().unwrap_or(0);
        match kind {
            FieldKind::Fixed if free > 0 => {
                return Err("it is fixed, but has a size of each record's own".to_owned());
            }
            FieldKind::Ragged if free == 0 => {
                return Err("it is ragged, but no size is a record's own".to_owned());
            }
            FieldKind::Bytes if dtype != DType::U8 || all != [ANY] => {
                return Err("bytes are u8 of one dimension, of any size".to_owned());
            }
            _ => {}
        }
        let (unit, shape) = unit_and_shape(dtype, all)?;
        Ok(FieldRow {
            name,
            dtype,
            kind,
            align_log2,
            dims,
            ndim,
            offset: 0,
            free: free.try_into().unwrap_or(0),
            own_at: 0,
            unit,
            shape,
        })
    }

    #[inline]
    pub(crate) fn is_fixed(&self) -> bool {
        self.free == 0
    }

    pub(crate) fn dims(&self) -> &[u64] {
        self.dims.get(..usize::from(self.ndim)).unwrap_or_default()
    }

    /// The field's own among all sizes that are a record's own.
    #[inline]
    pub(crate) fn own<'a>(&self, sizes: &'a [u32]) -> &'a [u32] {
        sizes
            .get(self.own_at..)
            .and_then(|rest| rest.get(..usize::from(self.free)))
            .unwrap_or_default()
    }

    /// The bytes of the field with these sizes of its own; saturated.
    #[inline]
    pub(crate) fn bytes(&self, own: &[u32]) -> u64 {
        // As soon as a size is 0 there are none, however the others would overflow.
        let mut product = self.unit;
        let mut zero = false;
        for &size in own {
            zero |= size == 0;
            product = product.saturating_mul(u64::from(size.max(1)));
        }
        if zero { 0 } else { product }
    }

    /// The shape of the field with these sizes of its own.
    #[inline]
    pub(crate) fn shape_of(&self, own: &[u32]) -> Shape {
        if self.is_fixed() {
            return self.shape;
        }
        let mut dims = self.shape.padded();
        let mut own = own.iter();
        for (dim, &size) in dims.iter_mut().zip(self.dims()) {
            if size == ANY {
                *dim = own.next().map_or(0, |&size| i64::from(size));
            }
        }
        // None is negative, and there are 8 at most.
        Shape::new(dims.get(..usize::from(self.ndim)).unwrap_or_default()).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn align(&self) -> u64 {
        1u64.wrapping_shl(self.align_log2.into())
    }
}

/// The bytes that the own sizes' product is multiplied by, and the shape with zeros for them.
fn unit_and_shape(dtype: DType, dims: &[u64]) -> std::result::Result<(u64, Shape), String> {
    let mut given = [0; MAX_DIMS];
    let mut ones = [0; MAX_DIMS];
    for ((given, one), &dim) in given.iter_mut().zip(&mut ones).zip(dims) {
        *given = match dim {
            ANY => 0,
            _ => i64::try_from(dim).map_err(|_| format!("a dimension of {dim} is too large"))?,
        };
        *one = if dim == ANY { 1 } else { *given };
    }
    let of = |all: &[i64]| Shape::new(all.get(..dims.len()).unwrap_or_default());
    let is_ragged = dims.contains(&ANY);
    let block = u64::from(dtype.block_elements());
    let last = dims.last().copied().unwrap_or(1);
    if is_ragged && block > 1 && (last == ANY || !last.is_multiple_of(block)) {
        return Err(format!(
            "{} has {block} elements a block: where records have sizes of their own, the last \
             dimension must be a given multiple of that",
            dtype.name()
        ));
    }
    let shape = of(&given).map_err(|error| error.to_string())?;
    let unit = of(&ones)
        .and_then(|shape| shape.bytes(dtype))
        .map_err(|error| error.to_string())?;
    Ok((unit, shape))
}
