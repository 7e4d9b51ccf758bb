//! Where a model's tensors lie on a card.

use crate::dtype::DType;
use crate::tensor::Shape;

/// Where a tensor, or some rows of one, lies on the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the buffer.
    pub buffer: usize,
    /// The first byte in it.
    pub offset: u64,
    /// The bytes of all elements.
    pub bytes: u64,
    /// The elements' type.
    pub dtype: DType,
    /// The shape: of these rows.
    pub shape: Shape,
    /// Which row of the tensor is the first: 0 where it is whole.
    pub row_start: u64,
}
