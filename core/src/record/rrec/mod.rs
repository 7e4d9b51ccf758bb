//! rrec version 1: pairs of tensors, each with its own dtype and shape.

pub(super) mod format;
mod parts;
mod gather;
mod reader;
mod recover;
mod verify;
mod writer;

pub(crate) use parts::RecordPart;
pub use reader::{RecordTensor, Records, RrecReader};
pub use recover::recover;
pub use verify::Verification;
pub use writer::RrecWriter;
