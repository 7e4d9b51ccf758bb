//! Tensors: a dtype, a shape and strides over borrowed bytes.

pub mod dlpack;
mod error;
mod extract;
mod lent;
mod part;
mod read;
mod select;
mod shape;
mod source;
mod view;

pub use error::{Error, Result};
pub(crate) use extract::{GAP, Stored, Wanted};
pub use lent::{Lent, is_aligned};
pub use part::{Part, Slice};
pub use read::{PartOptions, ReadError, ReadPart};
pub use shape::{MAX_DIMS, Shape, dense_bytes};
pub use source::Source;
pub use view::TensorView;
