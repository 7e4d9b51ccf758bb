//! What the tests of arrays share: files by their formats' descriptions alone, and ways to read.

#![allow(dead_code, reason = "each test uses a part of this")]

pub mod faulty;
pub mod rows;

use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_core::array::{Array, ArrayOptions, ReadOptions, Result};
use adit_core::dtype::DType;
use adit_core::map::{Access, Data, DataOptions, Io, Region};
use adit_core::tensor::MAX_DIMS;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The dtypes whose elements have addresses.
pub fn plain_dtypes() -> impl Iterator<Item = DType> {
    DType::ALL.iter().copied().filter(|dtype| !dtype.is_block())
}

/// The bytes of an element.
pub fn size_of(dtype: DType) -> usize {
    dtype.block_bytes() as usize
}

/// Chance that is the same for the same seed (xorshift64*).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// A number of `0..=most`.
    pub fn up_to(&mut self, most: i64) -> i64 {
        (self.next() % (most.cast_unsigned() + 1)).cast_signed()
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// Bytes without zeros, and no two sectors alike.
pub fn noise(count: usize) -> Vec<u8> {
    (0..count)
        .map(|n| (n % 251) as u8 | 1 << (n / 512 % 8))
        .map(|byte| byte.max(1))
        .collect()
}

/// A dtype in NumPy's words, as NumPy and ml_dtypes write it.
pub fn descr(dtype: DType, big_endian: bool) -> String {
    let order = match (dtype.block_bytes(), big_endian) {
        (1, _) if dtype.npy().is_some() => '|',
        (_, true) => '>',
        (_, false) => '<',
    };
    match dtype.npy() {
        Some(name) => format!("{order}{name}"),
        None => format!("{order}V{}", dtype.block_bytes()),
    }
}

/// A tuple as Python shows it.
pub fn tuple(dims: &[i64]) -> String {
    match dims {
        [dim] => format!("({dim},)"),
        dims => {
            let dims: Vec<String> = dims.iter().map(i64::to_string).collect();
            format!("({})", dims.join(", "))
        }
    }
}

/// A file of version 1.0 with this text as its header, as it is.
pub fn npy_of(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// The file that NumPy 2.4 writes.
pub fn npy(descr: &str, fortran_order: bool, dims: &[i64], data: &[u8]) -> Vec<u8> {
    let order = if fortran_order { "True" } else { "False" };
    let shape = tuple(dims);
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    let axis = if fortran_order {
        dims.last()
    } else {
        dims.first()
    };
    if let Some(dim) = axis {
        text.push_str(&" ".repeat(21 - dim.to_string().len()));
    }
    let used = 10 + text.len() + 1;
    text.push_str(&" ".repeat(64 - used % 64));
    text.push('\n');
    npy_of(&text, data)
}

/// A file with a header that has no blank to spare.
pub fn tight_npy(descr: &str, dims: &[i64], data: &[u8]) -> Vec<u8> {
    let shape = tuple(dims);
    let text = format!("{{'descr':'{descr}','fortran_order':False,'shape':{shape}}}\n");
    npy_of(&text, data)
}

/// An MMAP file.
pub fn mmap(dtype: u8, dims: &[u64], data: &[u8]) -> Vec<u8> {
    let mut bytes = b"MMAP\x01".to_vec();
    bytes.push(dtype);
    bytes.extend((dims.len() as u16).to_le_bytes());
    bytes.extend(dims.iter().product::<u64>().to_le_bytes());
    bytes.extend(dims.iter().flat_map(|dim| dim.to_le_bytes()));
    bytes.resize(64, 0);
    bytes.extend(data);
    bytes
}

pub fn options(access: Access) -> ArrayOptions {
    ArrayOptions {
        data: DataOptions {
            access,
            ..DataOptions::default()
        },
        ..ArrayOptions::default()
    }
}

pub fn open(path: &Path) -> Result<Array> {
    Array::open(path, &ArrayOptions::default())
}

pub fn open_as(path: &Path, access: Access) -> Result<Array> {
    Array::open(path, &options(access))
}

/// Opens elements that the file gives a size but no type.
pub fn open_named(path: &Path, dtype: DType) -> Result<Array> {
    let named = ArrayOptions {
        dtype: Some(dtype),
        ..ArrayOptions::default()
    };
    Array::open(path, &named)
}

pub fn from_bytes(bytes: &[u8]) -> Result<Array> {
    // SAFETY: the slice outlives the region, which is copied at once.
    let region = unsafe { Region::new(bytes.as_ptr(), bytes.len()) };
    Array::from_data(Arc::new(Data::copy_of(region).unwrap()), None)
}

/// The bytes where they lie.
pub fn raw(array: &Array) -> Vec<u8> {
    let region = array.region();
    region.to_vec(0, region.len()).unwrap()
}

/// What `read` writes to a buffer with some room behind, which it must leave alone.
pub fn read(array: &Array, options: &ReadOptions<'_>) -> Result<Vec<u8>> {
    const ROOM: usize = 24;
    const CANARY: u8 = 0xA5;
    let counts = options.counts.unwrap_or(array.dims());
    let size = size_of(options.dtype.unwrap_or(array.dtype()));
    let whole = match counts.contains(&0) {
        true => 0,
        false => counts.iter().product::<i64>().max(0) as usize,
    };
    let mut bytes = vec![CANARY; whole * size + ROOM];
    let out = std::ptr::from_mut(&mut bytes[..]) as *mut [MaybeUninit<u8>];
    // SAFETY: a slice of bytes is one of maybe-uninitialised bytes, to which only initialised ones
    // are written.
    let copied = array.read(options, unsafe { &mut *out })?;
    assert_eq!(copied.dims, counts);
    assert_eq!(copied.dtype, options.dtype.unwrap_or(array.dtype()));
    let written = copied.bytes as usize;
    assert!(bytes[written..].iter().all(|&byte| byte == CANARY));
    assert_eq!(written + ROOM, bytes.len());
    bytes.truncate(written);
    Ok(bytes)
}

/// All elements in C order and this machine's byte order, by the way `io` names.
pub fn all_by(array: &Array, io: Io) -> Vec<u8> {
    let options = ReadOptions {
        io,
        ..ReadOptions::default()
    };
    read(array, &options).unwrap()
}

/// All elements, by every way, which must agree.
pub fn all(array: &Array) -> Vec<u8> {
    let found = all_by(array, Io::Map);
    assert_eq!(all_by(array, Io::Read), found);
    assert_eq!(all_by(array, Io::Auto), found);
    found
}

/// The strides in elements of a dense array.
pub fn strides(dims: &[i64], fortran_order: bool) -> Vec<i64> {
    let mut strides = vec![0; dims.len()];
    let mut step = 1;
    for axis in 0..dims.len() {
        let axis = if fortran_order {
            axis
        } else {
            dims.len() - 1 - axis
        };
        strides[axis] = step;
        step *= dims[axis];
    }
    strides
}

/// The elements of a part of an array in C order: the oracle, one index at a time.
pub fn part_of(
    bytes: &[u8],
    size: usize,
    strides: &[i64],
    start: &[i64],
    counts: &[i64],
) -> Vec<u8> {
    let mut out = Vec::new();
    for number in 0..counts.iter().product::<i64>() {
        let (mut rest, mut element) = (number, 0);
        for axis in (0..counts.len()).rev() {
            element += (start[axis] + rest % counts[axis]) * strides[axis];
            rest /= counts[axis];
        }
        let at = element as usize * size;
        out.extend(&bytes[at..at + size]);
    }
    out
}

/// Elements in C order, given in Fortran order or the other way round by swapped dims.
pub fn in_c_order(bytes: &[u8], size: usize, dims: &[i64], fortran_order: bool) -> Vec<u8> {
    let strides = strides(dims, fortran_order);
    part_of(bytes, size, &strides, &vec![0; dims.len()], dims)
}

/// Elements of the other byte order; complex numbers are swapped part by part.
pub fn swapped(bytes: &[u8], dtype: DType) -> Vec<u8> {
    let part = match dtype {
        DType::Complex64 => 4,
        DType::Complex128 => 8,
        _ => size_of(dtype),
    };
    bytes
        .chunks(part)
        .flat_map(|part| part.iter().rev().copied())
        .collect()
}

/// Strides padded for a view.
pub fn padded(strides: &[i64]) -> [i64; MAX_DIMS] {
    let mut padded = [0; MAX_DIMS];
    padded[..strides.len()].copy_from_slice(strides);
    padded
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The folder of a format's fixtures.
pub fn fixtures(format: &str) -> PathBuf {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data");
    Path::new(data).join(format)
}

/// The fixtures of a format and what their sidecars say, in the order of their names.
pub fn sidecars(format: &str) -> Vec<(PathBuf, Value)> {
    let mut sidecars = Vec::new();
    for entry in std::fs::read_dir(fixtures(format)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "json") {
            let sidecar = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            sidecars.push((path.with_extension(""), sidecar));
        }
    }
    sidecars.sort_by(|(one, _), (two, _)| one.cmp(two));
    sidecars
}

pub fn dims_of(contents: &Value) -> Vec<i64> {
    let dims = contents["shape"].as_array().unwrap();
    dims.iter().map(|dim| dim.as_i64().unwrap()).collect()
}

/// Runs `check` in a forked child; 0 where it held.
pub fn in_child(check: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the child does what it does and ends by _exit; it has one thread, and the C
    // library's allocator works in a forked child.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
        let code = i32::from(!matches!(held, Ok(true)));
        // SAFETY: ends the child at once, with none of the parent's destructors.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: waits for the child just forked; `status` is writable.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child);
    status
}
