//! Weights opened, found and written, against who else reads these formats.

mod gguf;
mod gguf_file;
mod names;
mod official;
mod release;
mod safetensors;
mod safetensors_file;
mod write;

pub use gguf::run as gguf;
pub use names::Name;
pub use official::run as official;
pub use release::run as release;
pub use safetensors::run as safetensors;
pub use safetensors_file::write as write_safetensors;
pub use write::run as write;

/// The numbers of tensors that safetensors files are measured with.
const COUNTS: [(usize, &str); 3] = [(1_000, "1 k"), (20_000, "20 k"), (200_000, "200 k")];
