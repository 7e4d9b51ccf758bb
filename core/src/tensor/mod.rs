//! Tensors: a dtype, a shape and strides over borrowed bytes.

pub mod dlpack;
mod error;
mod lent;
mod shape;
mod source;
mod view;

pub use error::{Error, Result};
pub use lent::{Lent, is_aligned};
pub use shape::{MAX_DIMS, Shape, dense_bytes};
pub use source::Source;
pub use view::TensorView;
