//! A tensor's elements as the bytes that a file has.

use super::error::Result;
use crate::kernel::swap_bytes;
use crate::map::{self, Origin};
use crate::tensor::TensorView;

/// The bytes of elements that are gathered, where they must be, before they are written.
const PIECE: u64 = 4 << 20;

/// Gives `write` the tensor's elements in C order, as bytes in the file's byte order and how many
/// went before.
pub(super) fn write_elements(
    tensor: &TensorView<'_>,
    swap: bool,
    origin: &Origin,
    write: &mut impl FnMut(&[u8], u64) -> Result<()>,
) -> Result<()> {
    let mut done = 0;
    let mut buffer = Vec::new();
    // Complex numbers are swapped part by part.
    let part = tensor.dtype().align() as usize;
    tensor.pieces(PIECE, !swap, &mut |piece| {
        let mut put = |bytes: &[u8]| {
            write(bytes, done)?;
            done = done.saturating_add(bytes.len() as u64);
            Ok(())
        };
        if let Some(dense) = piece.dense().filter(|_| !swap) {
            let chunk = usize::try_from(PIECE).unwrap_or(usize::MAX);
            return dense.chunks(chunk).try_for_each(put);
        }
        buffer.clear();
        if !piece.append_to(&mut buffer) {
            let (bytes, origin) = (piece.bytes(), origin.clone());
            return Err(map::Error::OutOfMemory { bytes, origin }.into());
        }
        if swap {
            let at = buffer.as_mut_ptr();
            // SAFETY: the buffer holds whole elements, as many as its length says; each part is
            // read before it is written.
            unsafe { swap_bytes(at, at, part, buffer.len() / part) };
        }
        put(&buffer)
    })
}
