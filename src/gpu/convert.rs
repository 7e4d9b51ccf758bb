//! Conversions on the card.

use adit_core::gpu::{Buffer, convert};

use super::buffer::adit_gpu_buffer;
use super::guard_gpu;
use super::ticket::{adit_gpu_ticket, hand_out};
use crate::boundary::{Failure, Out, peek_sound};
use crate::error::{adit_error, adit_status};
use crate::tensor::dtype_argument;

/// Converts `elements` elements from byte `from_offset` of one buffer to byte `to_offset` of another
/// one, of the same device: f16, bf16, Q8_0 and Q4_0 to f32, Q8_0 and Q4_0 to f16; bit for bit as
/// adit_convert does without flags. Offsets are multiples of 4; elements of block dtypes are whole
/// blocks. No byte beside the results is written.
///
/// `ticket` may be NULL: then it returns when the card is done. Else `*ticket` is a handle that the
/// caller frees with adit_gpu_ticket_free.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (the same buffer twice, buffers of two devices, offsets that
/// are no multiples of 4), ADIT_ERR_DTYPE (a conversion that the card can't do), ADIT_ERR_SHAPE (a
/// part of a block), ADIT_ERR_OUT_OF_RANGE (bytes that a buffer doesn't have), ADIT_ERR_OUT_OF_MEMORY,
/// ADIT_ERR_GPU_LOST, ADIT_ERR_GPU, ADIT_ERR_FORKED, ADIT_ERR_UNSUPPORTED (a build without GPU
/// support).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_gpu_convert(
    from: *const adit_gpu_buffer,
    from_offset: u64,
    from_dtype: i32,
    to: *const adit_gpu_buffer,
    to_offset: u64,
    to_dtype: i32,
    elements: u64,
    ticket: *mut *mut adit_gpu_ticket,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let ticket = unsafe { Out::zeroed(ticket) };
    let body = || {
        // SAFETY: NULL or a handle, as the header asks.
        let from: Option<&Buffer> = unsafe { peek_sound(from) }?;
        let from = from.ok_or_else(|| Failure::null("from"))?;
        // SAFETY: NULL or a handle, as the header asks.
        let to: Option<&Buffer> = unsafe { peek_sound(to) }?;
        let to = to.ok_or_else(|| Failure::null("to"))?;
        let from_dtype = dtype_argument(from_dtype, "from_dtype")?;
        let to_dtype = dtype_argument(to_dtype, "to_dtype")?;
        let (from, to) = ((from, from_offset, from_dtype), (to, to_offset, to_dtype));
        hand_out(convert(from, to, elements)?, &ticket)
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard_gpu(err, body) }
}
