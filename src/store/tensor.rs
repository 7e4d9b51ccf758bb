//! Tensors stored.

use std::ffi::c_void;

use adit_core::map::Region;
use adit_core::store::Store;
use adit_core::tensor::TensorView;

use super::{adit_store, guard_write, key_argument};
use crate::boundary::Failure;
use crate::error::{adit_error, adit_status};
use crate::tensor::{adit_tensor, tensor_argument};

/// A tensor's elements in C order: the caller's own, or a copy where those have gaps.
pub(super) enum Elements<'a> {
    Dense(&'a [u8]),
    Copied(Vec<u8>),
}

impl<'a> Elements<'a> {
    pub(super) fn of(view: &TensorView<'a>) -> Result<Elements<'a>, Failure> {
        if let Some(bytes) = view.dense() {
            return Ok(Elements::Dense(bytes));
        }
        let mut bytes = Vec::new();
        match view.append_to(&mut bytes) {
            true => Ok(Elements::Copied(bytes)),
            false => {
                let message = format_args!("no memory for {} bytes of a tensor", view.bytes());
                Err(Failure::new(adit_status::ADIT_ERR_OUT_OF_MEMORY, message))
            }
        }
    }

    pub(super) fn region(&self) -> Region<'_> {
        let bytes: &[u8] = match self {
            Elements::Dense(bytes) => bytes,
            Elements::Copied(bytes) => bytes,
        };
        // SAFETY: a slice is readable for as long as it is borrowed.
        unsafe { Region::new(bytes.as_ptr(), bytes.len()) }
    }
}

/// Stores a tensor under a key: its elements in C order, with dtype and shape in front of them, so
/// that adit_snapshot_get_tensor lends it as it was. Any dtype, any strides. Looked up as a plain
/// value it is its elements. `*sequence`, which may be NULL, is the write's number.
///
/// Statuses: as adit_store_put; ADIT_ERR_DTYPE, ADIT_ERR_SHAPE, ADIT_ERR_UNSUPPORTED (a tensor that is
/// big-endian, or sets what this version doesn't know).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_store_put_tensor(
    store: *const adit_store,
    key: *const c_void,
    key_len: usize,
    tensor: *const adit_tensor,
    sequence: *mut u64,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |store: &Store| {
        // SAFETY: readable for key_len bytes, as the header asks.
        let key = unsafe { key_argument(key, key_len) }?;
        // SAFETY: NULL or a tensor over readable memory, as the header asks.
        let view = unsafe { tensor_argument(tensor, "tensor") }?;
        let elements = Elements::of(&view)?;
        Ok(store.put_tensor(key, view.dtype(), &view.shape(), elements.region())?)
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_write(store, sequence, err, body) }
}
