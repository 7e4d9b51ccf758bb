//! Headers as NumPy 2.4 writes them, byte for byte.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use super::super::error::Fault;
use super::super::header::Header;
use super::{HEADER_MAX, MAGIC};
use crate::dtype::DType;

/// What the elements' place is a multiple of.
const ALIGN: usize = 64;

/// The bytes before the header in version 1.0.
const PREFIX: usize = 10;

/// The room that NumPy leaves for the digits of the dimension that can grow.
const GROWTH_DIGITS: usize = 21;

/// The whole start of a file, up to the elements.
pub(in super::super) fn encode(header: &Header) -> Result<Vec<u8>, Fault> {
    let shape = shape(&header.dims);
    let order = if header.fortran_order {
        "True"
    } else {
        "False"
    };
    let descr = descr(header.dtype, header.big_endian)?;
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    let grows = match header.fortran_order {
        true => header.dims.last(),
        false => header.dims.first(),
    };
    if let Some(dim) = grows {
        let room = GROWTH_DIGITS.saturating_sub(dim.to_string().len());
        text.extend(std::iter::repeat_n(' ', room));
    }
    // One more for the line break. NumPy adds a whole unit where none is needed.
    let used = PREFIX.saturating_add(text.len()).saturating_add(1);
    let room = ALIGN.saturating_sub(used.checked_rem(ALIGN).unwrap_or(0));
    text.extend(std::iter::repeat_n(' ', room));
    text.push('\n');
    let Some(len) = u16::try_from(text.len())
        .ok()
        .filter(|_| text.len() <= HEADER_MAX)
    else {
        return Err(Fault::unsupported(
            0,
            "so many dimensions that no header holds them",
        ));
    };
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(len.to_le_bytes());
    bytes.extend(text.into_bytes());
    Ok(bytes)
}

/// The type string of a dtype; types that NumPy lacks are bytes of their size, as ml_dtypes has it.
fn descr(dtype: DType, big_endian: bool) -> Result<String, Fault> {
    let order = match (dtype.block_bytes(), big_endian) {
        (1, _) => '|',
        (_, false) => '<',
        (_, true) => '>',
    };
    match dtype.npy() {
        Some(npy) => Ok(format!("{order}{npy}")),
        None if !dtype.is_block() => {
            // Also for single bytes, as ml_dtypes has it. Its float8_e5m2 is <f1, but NumPy refuses
            // to read that.
            let order = if big_endian { '>' } else { '<' };
            Ok(format!("{order}V{}", dtype.block_bytes()))
        }
        None => {
            let what = format!(
                "npy has no dtype {}, whose elements come in blocks",
                dtype.name()
            );
            Err(Fault::unsupported(0, what))
        }
    }
}

/// A tuple of Python.
fn shape(dims: &[i64]) -> String {
    let dims: Vec<String> = dims.iter().map(i64::to_string).collect();
    match dims.as_slice() {
        [dim] => format!("({dim},)"),
        dims => format!("({})", dims.join(", ")),
    }
}

/// The start of a file with its shape replaced and nothing else changed, by taking blanks from the
/// end of the header or adding them; none where there are too few.
pub(in super::super) fn with_dims(start: &[u8], header: &Header, dims: &[i64]) -> Option<Vec<u8>> {
    let at = usize::try_from(header.shape_offset).ok()?;
    let end = usize::try_from(header.shape_end).ok()?;
    let shape = shape(dims).into_bytes();
    let old = start.get(at..end)?;
    let tail = start.get(end..)?;
    let (tail, last) = match tail.split_last() {
        Some((b'\n', tail)) => (tail, Some(b'\n')),
        _ => (tail, None),
    };
    let blanks = tail.iter().rev().take_while(|&&byte| byte == b' ').count();
    let kept = tail.get(..tail.len().checked_sub(blanks)?)?;
    let room = blanks.checked_add(old.len())?.checked_sub(shape.len())?;
    let mut new = start.get(..at)?.to_vec();
    new.extend(shape);
    new.extend(kept);
    new.extend(std::iter::repeat_n(b' ', room));
    new.extend(last);
    Some(new)
}
