//! DLPack
//!
//! Tensors lent to NumPy, PyTorch, JAX and others, and taken from them, by the structs of dlpack.h
//! (<https://github.com/dmlc/dlpack>), which this header only names: include that file to look into
//! them. What is called unversioned here is DLPack before 1.0.
//!
//! A struct that this library gives holds the bytes that it points to: the handle that it came from
//! may be closed before it. Its owner calls its deleter once, on any thread. Elements lie at the
//! alignment that their dtype needs, which is less than the 256 bytes that DLPack recommends.
//! Fortran order shows in the strides. fp8 elements have the codes of DLPack 1.1.

use std::sync::Arc;

use adit_core::array::Array;
use adit_core::map::Access;
use adit_core::model::Model;
use adit_core::tensor::dlpack::{
    DlManagedTensor, DlManagedTensorVersioned, from_dlpack, from_old_dlpack, to_dlpack,
    to_old_dlpack,
};

use crate::array::adit_array;
use crate::boundary::{Failure, Out, guard, guard_value, refuse_flags};
use crate::error::{adit_error, adit_status};
use crate::model::adit_model;
use crate::tensor::adit_tensor;

//@c-before
//@ struct DLManagedTensor;
//@ struct DLManagedTensorVersioned;

/// In the flags of adit_array_to_dlpack_unversioned and adit_model_to_dlpack_unversioned: elements
/// that may only be read are given all the same; whoever takes them is known not to write.
pub const ADIT_DLPACK_IGNORE_READ_ONLY: u32 = 1;

/// Gives the array as a versioned DLPack tensor, with the read-only flag set in mode
/// ADIT_ARRAY_READ. The caller passes `*out` on, or calls its deleter.
///
/// Statuses: as adit_array_tensor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_to_dlpack(
    array: *const adit_array,
    out: *mut *mut DlManagedTensorVersioned,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |array: &Array| {
        let read_only = array.data().access() == Access::ReadOnly;
        Ok(to_dlpack(&array.tensor()?, Arc::clone(array.data()), read_only)?.as_ptr())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(array, out, "out", err, body) }
}

/// Gives the array as a DLPack tensor from before version 1.0, which can't say that its elements
/// may only be read: in mode ADIT_ARRAY_READ that is ADIT_ERR_READ_ONLY, unless `flags` has
/// ADIT_DLPACK_IGNORE_READ_ONLY. A write to such elements is SIGSEGV.
///
/// Statuses: as adit_array_tensor; ADIT_ERR_READ_ONLY; ADIT_ERR_UNSUPPORTED for unknown flags.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_to_dlpack_unversioned(
    array: *const adit_array,
    flags: u32,
    out: *mut *mut DlManagedTensor,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |array: &Array| {
        refuse_flags(flags, ADIT_DLPACK_IGNORE_READ_ONLY, "flags")?;
        let read_only = array.data().access() == Access::ReadOnly;
        if read_only && flags & ADIT_DLPACK_IGNORE_READ_ONLY == 0 {
            let message = format_args!(
                "{} is open for reading, which unversioned DLPack can't say; open it \
                 copy-on-write, or set ADIT_DLPACK_IGNORE_READ_ONLY",
                array.data().origin()
            );
            return Err(Failure::new(adit_status::ADIT_ERR_READ_ONLY, message));
        }
        Ok(to_old_dlpack(&array.tensor()?, Arc::clone(array.data()))?.as_ptr())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(array, out, "out", err, body) }
}

/// Gives tensor `index` of a model as a versioned DLPack tensor, with the read-only flag set. The
/// caller passes `*out` on, or calls its deleter.
///
/// Statuses: as adit_model_tensor with `align` 0; ADIT_ERR_DTYPE (dtypes that DLPack doesn't have:
/// block dtypes and those of less than a byte).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_to_dlpack(
    model: *const adit_model,
    index: usize,
    out: *mut *mut DlManagedTensorVersioned,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| {
        let (lent, owner) = (model.tensor(index)?, model.data_of(model.entry(index)?)?);
        Ok(to_dlpack(&lent, Arc::clone(owner), true)?.as_ptr())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(model, out, "out", err, body) }
}

/// Gives tensor `index` of a model as a DLPack tensor from before version 1.0, which can't say that
/// its elements may only be read: ADIT_ERR_READ_ONLY, unless `flags` has
/// ADIT_DLPACK_IGNORE_READ_ONLY. A write to the elements is SIGSEGV.
///
/// Statuses: as adit_model_to_dlpack; ADIT_ERR_READ_ONLY; ADIT_ERR_UNSUPPORTED for unknown flags.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_to_dlpack_unversioned(
    model: *const adit_model,
    index: usize,
    flags: u32,
    out: *mut *mut DlManagedTensor,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |model: &Model| {
        refuse_flags(flags, ADIT_DLPACK_IGNORE_READ_ONLY, "flags")?;
        let (lent, owner) = (model.tensor(index)?, model.data_of(model.entry(index)?)?);
        if flags & ADIT_DLPACK_IGNORE_READ_ONLY == 0 {
            let message = format_args!(
                "the tensors of {} may only be read, which unversioned DLPack can't say; set \
                 ADIT_DLPACK_IGNORE_READ_ONLY",
                owner.origin()
            );
            return Err(Failure::new(adit_status::ADIT_ERR_READ_ONLY, message));
        }
        Ok(to_old_dlpack(&lent, Arc::clone(owner))?.as_ptr())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_value(model, out, "out", err, body) }
}

/// Fills `*tensor` from a versioned DLPack tensor, whose owner keeps it: `*tensor` borrows its
/// elements, and is good until its deleter is called. No alignment is asked for or promised.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT (NULL, negative strides), ADIT_ERR_UNSUPPORTED (a version
/// other than 1.x, memory that the CPU doesn't read, one element repeated by strides of 0 in every
/// dimension), ADIT_ERR_DTYPE (sub-byte and vector types),
/// ADIT_ERR_SHAPE (over 8 dimensions, or more than memory can hold).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_tensor_from_dlpack(
    managed: *const DlManagedTensorVersioned,
    tensor: *mut adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(tensor) };
    let body = || {
        out.required("tensor")?;
        if managed.is_null() {
            return Err(Failure::null("managed"));
        }
        // SAFETY: not NULL, so a struct of dlpack.h, as the header asks.
        let imported = unsafe { from_dlpack(managed) }?;
        out.set(adit_tensor::borrowed(&imported));
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// As adit_tensor_from_dlpack, from a DLPack tensor from before version 1.0.
///
/// Statuses: as adit_tensor_from_dlpack.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_tensor_from_dlpack_unversioned(
    managed: *const DlManagedTensor,
    tensor: *mut adit_tensor,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(tensor) };
    let body = || {
        out.required("tensor")?;
        if managed.is_null() {
            return Err(Failure::null("managed"));
        }
        // SAFETY: not NULL, so a struct of dlpack.h, as the header asks.
        let imported = unsafe { from_old_dlpack(managed) }?;
        out.set(adit_tensor::borrowed(&imported));
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}
