//! Which way bytes are copied out of files.

use adit_core::map::Io;

use crate::boundary::{Failure, choose};
use crate::error::adit_status;

/// How bytes are copied out of a file.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_io {
    /// As is best: records that are in memory from the map, all else from the file.
    ADIT_IO_AUTO = 0,
    /// From the map. A file cut during the call is SIGBUS; one cut before or after is seen.
    ADIT_IO_MAP = 1,
    /// By pread: a file cut at any time is ADIT_ERR_TRUNCATED. Of record files, also with
    /// ADIT_IO_DIRECT, the tables that are read are kept on the heap until the reader is closed, at
    /// most 256 MiB in a process; memory budgets don't count them.
    ADIT_IO_READ = 2,
    /// Past the page cache, where the file system can: by gathers of records and loaders alone;
    /// elsewhere ADIT_ERR_UNSUPPORTED. On Linux each thread at it has 64 of fs.aio-max-nr.
    ADIT_IO_DIRECT = 3,
}

/// Of a call that can't read past the page cache.
pub(crate) fn io_argument(io: i32, parameter: &str) -> Result<Io, Failure> {
    match any_io_argument(io, parameter)? {
        Io::Direct => {
            let message = format_args!("{parameter} is ADIT_IO_DIRECT, which this call doesn't do");
            Err(Failure::new(adit_status::ADIT_ERR_UNSUPPORTED, message))
        }
        io => Ok(io),
    }
}

pub(crate) fn any_io_argument(io: i32, parameter: &str) -> Result<Io, Failure> {
    let table = [
        (adit_io::ADIT_IO_AUTO as i32, Io::Auto),
        (adit_io::ADIT_IO_MAP as i32, Io::Map),
        (adit_io::ADIT_IO_READ as i32, Io::Read),
        (adit_io::ADIT_IO_DIRECT as i32, Io::Direct),
    ];
    choose(io, parameter, "adit_io", &table)
}
