//! Which way bytes are copied out of files.

use adit_core::map::Io;

use crate::boundary::{Failure, choose};

/// How bytes are copied out of a file.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_io {
    /// As is best: records from the map, all else from the file.
    ADIT_IO_AUTO = 0,
    /// From the map. A file cut during the call is SIGBUS; one cut before or after is seen.
    ADIT_IO_MAP = 1,
    /// By pread: a file cut at any time is ADIT_ERR_TRUNCATED.
    ADIT_IO_READ = 2,
}

pub(crate) fn io_argument(io: i32, parameter: &str) -> Result<Io, Failure> {
    let table = [
        (adit_io::ADIT_IO_AUTO as i32, Io::Auto),
        (adit_io::ADIT_IO_MAP as i32, Io::Map),
        (adit_io::ADIT_IO_READ as i32, Io::Read),
    ];
    choose(io, parameter, "adit_io", &table)
}
