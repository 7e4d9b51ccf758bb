//! Record files made from what is there already: other record files and sets, arrays side by side,
//! a folder of files.
//!
//! Each conversion is one pass of its own thread that holds one record, or some MiB of rows, and
//! what the writer holds. Nothing stands at the target before all of it is there.

mod arrays;
mod batch;
mod error;
mod folder;
mod held;
mod records;
mod sink;

pub use arrays::convert_arrays;
pub use error::{Error, Result};
pub use folder::{FOLDER_FIELDS, convert_folder};
pub use records::convert_records;
