//! Where a tensor lies: what file formats yield.

use std::sync::Arc;

use super::shape::Shape;
use crate::dtype::DType;
use crate::map::Data;

/// A tensor in a file's bytes: checked by the format that yields it to lie inside them.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's bytes.
    pub data: Arc<Data>,
    /// Where the elements start in them.
    pub offset: u64,
    /// The elements' type.
    pub dtype: DType,
    /// The shape.
    pub shape: Shape,
}
