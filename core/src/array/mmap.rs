//! `MMAP`, the memory-mapped arrays of scirs2-core 0.4.2.
//!
//! 64 bytes of header: `MMAP`, a version (1), a dtype (1 f32, 2 f64, 3 i32, 4 i64), the number of
//! dimensions as u16, the number of elements as u64, six dimensions as u64, those that aren't used
//! 0. Then the elements in C order. Everything is little-endian. scirs2-core itself looks neither
//! at the number of elements nor at the file's length.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::error::{Fault, Result};
use super::header::{Format, Header};
use crate::dtype::DType;
use crate::map::{Data, Window};

/// The first bytes of every file.
pub(super) const MAGIC: &[u8] = b"MMAP";

/// The bytes before the elements.
pub(super) const HEADER: usize = 64;

const VERSION: u8 = 1;

/// The dimensions that the header has room for.
const DIMS: usize = 6;

const VERSION_AT: u64 = 4;
const DTYPE_AT: u64 = 5;
const NDIM_AT: u64 = 6;
const TOTAL_AT: u64 = 8;
const DIMS_AT: u64 = 16;

const DTYPES: [(u8, DType); 4] = [
    (1, DType::F32),
    (2, DType::F64),
    (3, DType::I32),
    (4, DType::I64),
];

pub(super) fn read(window: &mut Window<'_>, data: &Data) -> Result<Header> {
    let len = data.len().min(HEADER as u64);
    let bytes = window.some_bytes(0, len)?;
    let result = match bytes.first_chunk() {
        Some(bytes) => parse(bytes),
        None => Err(Fault::malformed(
            data.len(),
            "the file ends before its header",
        )),
    };
    result.map_err(|fault| fault.of(data.origin()))
}

/// The integers of a header.
struct Words<'a>(&'a [u8; HEADER]);

impl Words<'_> {
    fn bytes<const N: usize>(&self, at: u64) -> [u8; N] {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..));
        rest.and_then(|rest| rest.first_chunk().copied())
            .unwrap_or([0; N])
    }

    fn u64(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.bytes(at))
    }
}

fn parse(bytes: &[u8; HEADER]) -> std::result::Result<Header, Fault> {
    let words = Words(bytes);
    let [version] = words.bytes(VERSION_AT);
    if version != VERSION {
        let what = format!("format version {version}; {VERSION} is known");
        return Err(Fault::unsupported(VERSION_AT, what));
    }
    let [number] = words.bytes(DTYPE_AT);
    let Some(&(_, dtype)) = DTYPES.iter().find(|(known, _)| *known == number) else {
        let why = format!("there is no dtype {number}; 1 to 4 are f32, f64, i32 and i64");
        return Err(Fault::malformed(DTYPE_AT, why));
    };
    let ndim = usize::from(u16::from_le_bytes(words.bytes(NDIM_AT)));
    if ndim > DIMS {
        let why = format!("{ndim} dimensions, but the header has room for {DIMS}");
        return Err(Fault::malformed(NDIM_AT, why));
    }
    let mut dims = Vec::new();
    let mut elements: Option<u64> = Some(1);
    for (axis, at) in (DIMS_AT..HEADER as u64).step_by(8).enumerate() {
        let dim = words.u64(at);
        if axis >= ndim {
            if dim != 0 {
                let why = format!("dimension {axis} is {dim}, but there are only {ndim}");
                return Err(Fault::malformed(at, why));
            }
            continue;
        }
        let Ok(signed) = i64::try_from(dim) else {
            let why = format!("dimension {axis} is {dim}, which is more than memory can hold");
            return Err(Fault::malformed(at, why));
        };
        dims.push(signed);
        elements = elements.and_then(|elements| elements.checked_mul(dim));
    }
    if dims.contains(&0) {
        elements = Some(0);
    }
    let total = words.u64(TOTAL_AT);
    if elements != Some(total) {
        let product = elements.map_or("over 2^64".to_owned(), |elements| elements.to_string());
        let why = format!("{total} elements, but the dimensions {dims:?} make {product}");
        return Err(Fault::malformed(TOTAL_AT, why));
    }
    Ok(Header {
        format: Format::Mmap,
        dtype,
        big_endian: false,
        fortran_order: false,
        dims,
        descr_offset: DTYPE_AT,
        shape_offset: DIMS_AT,
        shape_end: HEADER as u64,
        data_offset: HEADER as u64,
    })
}

pub(super) fn encode(header: &Header) -> std::result::Result<Vec<u8>, Fault> {
    let unsupported = |what: String| Err(Fault::unsupported(0, what));
    let Some(&(number, _)) = DTYPES.iter().find(|(_, dtype)| *dtype == header.dtype) else {
        let name = header.dtype.name();
        return unsupported(format!("MMAP has no dtype {name}; f32, f64, i32 and i64"));
    };
    let ndim = header.dims.len();
    let (Some(count), true) = (u16::try_from(ndim).ok(), ndim <= DIMS) else {
        return unsupported(format!("{ndim} dimensions; MMAP has up to {DIMS}"));
    };
    if header.fortran_order {
        return unsupported("MMAP has no Fortran order".to_owned());
    }
    if header.big_endian {
        return unsupported("MMAP has no big-endian elements".to_owned());
    }
    let total: i64 = if header.dims.contains(&0) {
        0
    } else {
        header
            .dims
            .iter()
            .fold(1, |total, &dim| total.saturating_mul(dim))
    };
    let mut bytes = MAGIC.to_vec();
    bytes.extend([VERSION, number]);
    bytes.extend(count.to_le_bytes());
    bytes.extend(total.to_le_bytes());
    for axis in 0..DIMS {
        bytes.extend(header.dims.get(axis).copied().unwrap_or(0).to_le_bytes());
    }
    Ok(bytes)
}
