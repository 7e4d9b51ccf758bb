//! DLPack 1.1: tensors lent to and from other libraries by a struct that all of them know.
//!
//! The layouts, codes and rules are those of `dlpack.h` (<https://github.com/dmlc/dlpack>).

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

use super::error::{Error, Result};
use super::lent::Lent;
use super::shape::{MAX_DIMS, Shape};
use super::view::reach;
use crate::dtype::DType;
use crate::map::Data;

/// The version whose structs these are.
const VERSION: DlVersion = DlVersion { major: 1, minor: 1 };

/// The bit of [`DlManagedTensorVersioned::flags`] that forbids writing.
const READ_ONLY: u64 = 1;

/// Memory that the CPU reads: ordinary, and pinned for CUDA and ROCm.
const CPU_DEVICES: [i32; 3] = [1, 3, 11];

/// A version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct DlVersion {
    /// Other majors have other layouts.
    pub major: u32,
    /// Later minors have more codes.
    pub minor: u32,
}

/// Where memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct DlDevice {
    /// The kind of device.
    pub device_type: i32,
    /// Which one of its kind.
    pub device_id: i32,
}

/// The type of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct DlDataType {
    /// The kind of number.
    pub code: u8,
    /// Bits a lane.
    pub bits: u8,
    /// Lanes an element: 1, but for vectors.
    pub lanes: u16,
}

/// A tensor that somebody owns.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct DlTensor {
    /// `byte_offset` before the first element.
    pub data: *mut c_void,
    /// Where it is.
    pub device: DlDevice,
    /// The number of dimensions.
    pub ndim: i32,
    /// The elements' type.
    pub dtype: DlDataType,
    /// As many sizes.
    pub shape: *mut i64,
    /// As many strides in elements; null for C order.
    pub strides: *mut i64,
    /// Bytes from `data` to the first element.
    pub byte_offset: u64,
}

/// A tensor with its owner's way to take it back.
#[derive(Debug)]
#[repr(C)]
pub struct DlManagedTensorVersioned {
    /// Stands first in every version.
    pub version: DlVersion,
    /// The owner's.
    pub manager_ctx: *mut c_void,
    /// Called once with this struct when nobody uses the tensor any more.
    pub deleter: Option<unsafe extern "C" fn(*mut DlManagedTensorVersioned)>,
    /// Bit 0: the elements may only be read.
    pub flags: u64,
    /// The tensor.
    pub dl_tensor: DlTensor,
}

/// The same before version 1.0: nothing in it says that elements may only be read.
#[derive(Debug)]
#[repr(C)]
pub struct DlManagedTensor {
    /// The tensor.
    pub dl_tensor: DlTensor,
    /// The owner's.
    pub manager_ctx: *mut c_void,
    /// Called once with this struct when nobody uses the tensor any more.
    pub deleter: Option<unsafe extern "C" fn(*mut DlManagedTensor)>,
}

/// What a managed tensor points to, and what keeps its elements. The managed struct stands first:
/// its address is the owner's.
#[repr(C)]
struct Owner<M> {
    managed: M,
    shape: [i64; MAX_DIMS],
    strides: [i64; MAX_DIMS],
    _data: Arc<Data>,
}

/// A tensor in another library's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The first element; null where there are none.
    pub data: *const u8,
    /// Bytes from the first element to the end of the last.
    pub bytes: u64,
    /// The elements' type.
    pub dtype: DType,
    /// The shape.
    pub shape: Shape,
    /// The strides in elements.
    pub strides: [i64; MAX_DIMS],
    /// Whether its owner forbids writing.
    pub read_only: bool,
}

/// A lent tensor as DLPack has it. `owner` holds the elements' bytes until the deleter is called,
/// which may be on any thread.
///
/// # Errors
/// [`Error::NoDlPack`] for block dtypes.
pub fn to_dlpack(
    lent: &Lent<'_>,
    owner: Arc<Data>,
    read_only: bool,
) -> Result<NonNull<DlManagedTensorVersioned>> {
    unsafe extern "C" fn delete(managed: *mut DlManagedTensorVersioned) {
        // SAFETY: the one caller of a deleter gives back what `to_dlpack` gave out.
        unsafe { take_back(managed) };
    }
    let build = |dl_tensor| DlManagedTensorVersioned {
        version: VERSION,
        manager_ctx: std::ptr::null_mut(),
        deleter: Some(delete),
        flags: if read_only { READ_ONLY } else { 0 },
        dl_tensor,
    };
    give_out(lent, owner, build, |managed| &mut managed.dl_tensor)
}

/// As [`to_dlpack`], in the struct from before version 1.0: for elements that may be written, or
/// for readers that are known not to.
///
/// # Errors
/// As [`to_dlpack`].
pub fn to_old_dlpack(lent: &Lent<'_>, owner: Arc<Data>) -> Result<NonNull<DlManagedTensor>> {
    unsafe extern "C" fn delete(managed: *mut DlManagedTensor) {
        // SAFETY: the one caller of a deleter gives back what `to_old_dlpack` gave out.
        unsafe { take_back(managed) };
    }
    let build = |dl_tensor| DlManagedTensor {
        dl_tensor,
        manager_ctx: std::ptr::null_mut(),
        deleter: Some(delete),
    };
    give_out(lent, owner, build, |managed| &mut managed.dl_tensor)
}

fn give_out<M>(
    lent: &Lent<'_>,
    owner: Arc<Data>,
    build: impl FnOnce(DlTensor) -> M,
    tensor_of: impl FnOnce(&mut M) -> &mut DlTensor,
) -> Result<NonNull<M>> {
    let dtype = lent.dtype;
    let (code, bits) = dtype.dlpack().ok_or(Error::NoDlPack { dtype })?;
    let dl_tensor = DlTensor {
        data: lent.bytes.as_ptr().cast_mut().cast(),
        device: DlDevice {
            device_type: 1,
            device_id: 0,
        },
        ndim: i32::try_from(lent.shape.ndim()).unwrap_or(0),
        dtype: DlDataType {
            code,
            bits,
            lanes: 1,
        },
        shape: std::ptr::null_mut(),
        strides: std::ptr::null_mut(),
        byte_offset: 0,
    };
    let owner = Box::into_raw(Box::new(Owner {
        managed: build(dl_tensor),
        shape: lent.shape.padded(),
        strides: lent.strides(),
        _data: owner,
    }));
    // SAFETY: just made, and nobody else has it yet.
    let whole = unsafe { &mut *owner };
    let (shape, strides) = (&raw mut whole.shape, &raw mut whole.strides);
    let tensor = tensor_of(&mut whole.managed);
    (tensor.shape, tensor.strides) = (shape.cast(), strides.cast());
    // The managed struct stands first (see `Owner`), so that the deleter finds the rest. Not null.
    NonNull::new(owner.cast()).ok_or(Error::NoDlPack { dtype })
}

/// # Safety
/// `managed` is what `give_out` returned for this `M`, and nobody uses it any more.
unsafe fn take_back<M>(managed: *mut M) {
    // SAFETY: `give_out` leaked a box of this type whose first member `managed` is.
    drop(unsafe { Box::from_raw(managed.cast::<Owner<M>>()) });
}

/// The tensor in a versioned struct of another library, which keeps it.
///
/// # Safety
/// `managed` is readable as a [`DlManagedTensorVersioned`] of its version, its shape and strides
/// for as many sizes as it has dimensions.
///
/// # Errors
/// [`Error::DlPackVersion`], and those of [`from_old_dlpack`].
pub unsafe fn from_dlpack(managed: *const DlManagedTensorVersioned) -> Result<Imported> {
    // SAFETY: the version stands first in every version, as the caller promises.
    let version = unsafe { managed.cast::<DlVersion>().read_unaligned() };
    if version.major != VERSION.major {
        return Err(Error::DlPackVersion {
            major: version.major,
            minor: version.minor,
        });
    }
    // SAFETY: a version with this layout, as the caller promises.
    let managed = unsafe { managed.read_unaligned() };
    // SAFETY: the caller's promise.
    let imported = unsafe { import(&managed.dl_tensor) }?;
    Ok(Imported {
        read_only: managed.flags & READ_ONLY != 0,
        ..imported
    })
}

/// The tensor in a struct from before version 1.0 of another library, which keeps it.
///
/// # Safety
/// As [`from_dlpack`].
///
/// # Errors
/// [`Error::DlPackDevice`], [`Error::DlPackType`], [`Error::Repeated`], [`Error::NoShape`],
/// [`Error::Dimensions`], [`Error::Negative`], [`Error::Stride`], [`Error::TooLarge`],
/// [`Error::NoData`], [`Error::FarOffset`].
pub unsafe fn from_old_dlpack(managed: *const DlManagedTensor) -> Result<Imported> {
    // SAFETY: readable as the caller promises; the tensor stands first.
    let tensor = unsafe { managed.cast::<DlTensor>().read_unaligned() };
    // SAFETY: the caller's promise.
    unsafe { import(&tensor) }
}

/// # Safety
/// Shape and strides are readable for as many sizes as there are dimensions, or null.
unsafe fn import(tensor: &DlTensor) -> Result<Imported> {
    let device = tensor.device.device_type;
    if !CPU_DEVICES.contains(&device) {
        return Err(Error::DlPackDevice { device });
    }
    let DlDataType { code, bits, lanes } = tensor.dtype;
    let Some(dtype) = DType::from_dlpack(code, bits).filter(|_| lanes == 1) else {
        return Err(Error::DlPackType { code, bits, lanes });
    };
    let ndim = i64::from(tensor.ndim);
    let count = usize::try_from(ndim)
        .ok()
        .filter(|&count| count <= MAX_DIMS)
        .ok_or(Error::Dimensions { ndim })?;
    if tensor.shape.is_null() && count > 0 {
        return Err(Error::NoShape { ndim });
    }
    let mut dims = [0; MAX_DIMS];
    // SAFETY: the caller's promise, for `count` sizes.
    unsafe { copy_sizes(tensor.shape, &mut dims, count) };
    let shape = Shape::new(dims.get(..count).unwrap_or_default())?;
    let mut strides = shape.c_strides();
    // SAFETY: as above.
    unsafe { copy_sizes(tensor.strides, &mut strides, count) };
    for (stride, &dim) in strides.iter_mut().zip(shape.dims()) {
        // A stride that is never taken can be any number.
        if dim <= 1 && *stride < 0 {
            *stride = 0;
        }
    }
    let bytes = reach(dtype, shape, &strides)?;
    if bytes == u64::from(dtype.block_bytes()) && shape.bytes(dtype)? > bytes {
        return Err(Error::Repeated);
    }
    let offset = usize::try_from(tensor.byte_offset).ok();
    let last = offset.and_then(|offset| tensor.data.addr().checked_add(offset));
    let (Some(offset), Some(_)) = (offset, last) else {
        return Err(Error::FarOffset {
            offset: tensor.byte_offset,
        });
    };
    let data = tensor.data.cast::<u8>().wrapping_add(offset).cast_const();
    if tensor.data.is_null() && bytes > 0 {
        return Err(Error::NoData { nbytes: bytes });
    }
    Ok(Imported {
        data: if bytes == 0 { std::ptr::null() } else { data },
        bytes,
        dtype,
        shape,
        strides,
        read_only: false,
    })
}

/// # Safety
/// `from` is null, in which case nothing is copied, or readable for `count` sizes.
unsafe fn copy_sizes(from: *const i64, to: &mut [i64; MAX_DIMS], count: usize) {
    if from.is_null() {
        return;
    }
    for (axis, size) in to.iter_mut().take(count).enumerate() {
        // SAFETY: axis < count.
        *size = unsafe { from.wrapping_add(axis).read_unaligned() };
    }
}
