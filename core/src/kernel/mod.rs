//! Loops over elements: no files, no errors, only memory.

mod cache;
mod convert;
mod copy;
mod crc32;
mod crc32c;
mod dequant;
mod finite;
mod gather;
mod hash;
#[cfg(target_arch = "x86_64")]
mod lines;
mod path;
mod strided;
mod swap;
#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_endian = "little")
))]
mod vector;

pub use convert::{Conversion, Overflow, Stores};
pub use copy::{SHORT_COPY, copy, copy_on, overlaps};
pub use crc32::crc32_of;
pub use crc32c::{crc32c, crc32c_of};
pub use finite::{NonFinite, has_scales, may_be_non_finite, non_finite};
pub use gather::{gather, gather_converted, gather_on};
pub use hash::{Hasher, hash};
pub use path::CpuPath;
pub use strided::{Strided, copy_strided};
pub use swap::{swap_bytes, swap_bytes_on};
