//! Models: named tensors in safetensors and GGUF files, one or many.

mod content;
mod error;
mod fault;
mod gguf;
mod index;
mod json;
mod lend;
mod metadata;
mod names;
mod open;
mod pages;
mod read;
mod raw;
mod safetensors;
mod splits;
mod table;
mod verify;
mod weights;
mod writer;

pub use error::{Error, Result};
pub use lend::ModelTensor;
pub use metadata::{Metadata, MetadataKind};
pub use open::ModelOptions;
pub use read::ModelReadOptions;
pub use table::{Entry, Tensors};
pub use verify::{Finding, Verified, VerifyOptions};
pub use weights::{Format, Model};
pub use writer::{Location, ModelWriter, ModelWriterOptions, WriteError};
