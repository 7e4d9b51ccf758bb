//! What the tests of parts share: a tensor inside of other bytes, and reading a part of it.

use std::mem::MaybeUninit;
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::map::Data;
use adit_core::tensor::{Part, PartOptions, ReadPart, Shape, Source};

/// Bytes in front of the tensor and behind it.
pub const BEFORE: usize = 37;
pub const BEHIND: usize = 11;

/// Bytes that differ from their neighbours.
pub fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

/// A tensor that lies [`BEFORE`] bytes into its data.
pub fn source(data: Arc<Data>, dtype: DType, dims: &[i64]) -> Source {
    Source {
        data,
        offset: BEFORE as u64,
        dtype,
        shape: Shape::new(dims).unwrap(),
    }
}

/// Reads a part into room of its size, and sees that no byte behind it is written.
pub fn read(source: &Source, part: &Part, options: &PartOptions) -> (ReadPart, Vec<u8>) {
    let dtype = options.dtype.unwrap_or(part.dtype);
    let needed = part.bytes_as(dtype).unwrap() as usize;
    let mut out = vec![MaybeUninit::new(0xa5u8); needed + 1];
    let done = source.read(part, options, &mut out).unwrap();
    // SAFETY: every byte was initialised above.
    let out: Vec<u8> = out
        .iter()
        .map(|byte| unsafe { byte.assume_init() })
        .collect();
    assert_eq!((out[needed], done.bytes), (0xa5, needed as u64));
    (done, out[..needed].to_vec())
}
