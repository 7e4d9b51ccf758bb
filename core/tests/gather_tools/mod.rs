//! What gathers should give, by plain loops.

#![allow(dead_code, reason = "each test uses a part of this")]

use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

use adit_core::dtype::DType;
use adit_core::map::Io;
use adit_core::record::{ReaderOptions, RecordReader};
use half::f16;

use crate::arec_tools::Tensor;

pub const IOS: [Io; 4] = [Io::Auto, Io::Map, Io::Read, Io::Direct];

pub type MaybeBytes = MaybeUninit<u8>;

/// One file, or several as a set.
pub fn open(paths: &[PathBuf]) -> RecordReader {
    let options = ReaderOptions::default();
    let borrowed: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    match paths {
        [path] => RecordReader::open(path, &options),
        _ => RecordReader::open_files(&borrowed, &options),
    }
    .unwrap()
}

/// A tensor's elements in another dtype.
pub fn converted(tensor: &Tensor, dtype: DType) -> Vec<u8> {
    if tensor.dtype == dtype {
        return tensor.bytes.clone();
    }
    let size = tensor.dtype.block_bytes() as usize;
    let elements = tensor.bytes.chunks_exact(size);
    let each = |element: &[u8]| -> Vec<u8> {
        let word = |bytes: &[u8]| <[u8; 2]>::try_from(bytes).unwrap();
        match (tensor.dtype, dtype) {
            (DType::U8, DType::F32) => f32::from(element[0]).to_le_bytes().to_vec(),
            (DType::F16, DType::F32) => {
                let value = f16::from_le_bytes(word(element));
                if value.is_nan() {
                    // Quiet, with its sign and payload.
                    let bits = u32::from(value.to_bits());
                    let bits = (bits & 0x8000) << 16 | 0x7fc0_0000 | (bits & 0x03ff) << 13;
                    return bits.to_le_bytes().to_vec();
                }
                value.to_f32().to_le_bytes().to_vec()
            }
            (DType::I32, DType::F64) => {
                let value = i32::from_le_bytes(element.try_into().unwrap());
                f64::from(value).to_le_bytes().to_vec()
            }
            (DType::U16, DType::I64) => {
                let value = u16::from_le_bytes(word(element));
                i64::from(value).to_le_bytes().to_vec()
            }
            other => panic!("{other:?}"),
        }
    };
    elements.flat_map(each).collect()
}

/// Where each starts and the last ends, in elements, and all of them.
pub fn packed(tensors: &[&Tensor], dtype: DType) -> (Vec<u64>, Vec<u8>) {
    let (mut offsets, mut bytes, mut end) = (vec![0], Vec::new(), 0);
    for tensor in tensors {
        end += tensor.bytes.len() as u64 / u64::from(tensor.dtype.block_bytes());
        offsets.push(end);
        bytes.extend(converted(tensor, dtype));
    }
    (offsets, bytes)
}

/// The first dimension of each, cut to `size`, and all in rooms of that.
pub fn padded(tensors: &[&Tensor], size: u64, dtype: DType) -> (Vec<u64>, Vec<u8>) {
    let (mut lengths, mut bytes) = (Vec::new(), Vec::new());
    let rest = |tensor: &Tensor| tensor.dims[1..].iter().product::<i64>() as usize;
    let step = tensors.iter().map(|tensor| rest(tensor)).max().unwrap_or(0);
    let step = step * dtype.block_bytes() as usize;
    for tensor in tensors {
        let length = (tensor.dims[0] as u64).min(size);
        lengths.push(length);
        let mut own = converted(tensor, dtype);
        own.truncate(length as usize * step);
        own.resize(size as usize * step, 0);
        bytes.extend(own);
    }
    (lengths, bytes)
}

/// What a column is filled into.
pub struct Got {
    pub places: Vec<u64>,
    pub bytes: Vec<MaybeBytes>,
}

impl Got {
    pub fn new(places: usize, bytes: usize) -> Got {
        Got {
            places: vec![u64::MAX; places],
            bytes: vec![MaybeUninit::new(0xA5); bytes],
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let each = self.bytes.iter();
        // SAFETY: every byte was initialised when it was made.
        each.map(|byte| unsafe { byte.assume_init() }).collect()
    }
}
