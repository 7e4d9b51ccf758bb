//! Tensors
//!
//! adit_tensor is the one struct whose layout is frozen: 192 bytes, on every system with 64-bit
//! pointers. It borrows: it never owns its data. One that the library fills points into a file's
//! bytes, and is good until the handle that the call names is closed. Writing through its pointer
//! is undefined where ADIT_TENSOR_READ_ONLY is set.
//!
//! Shapes and strides run from the outermost dimension to the innermost. Strides count elements; in
//! a tensor that the library is given, strides that are all 0 stand for C order without gaps;
//! beside others that aren't, a stride of 0 repeats its elements. Block dtypes have strides of 0:
//! their blocks lie side by side in C order. A tensor with a dimension of 0 has no elements and
//! NULL data; one without dimensions has one element.

use std::ffi::c_void;
use std::ops::Range;

use adit_core::dtype::DType;
use adit_core::error::Report;
use adit_core::map::Region;
use adit_core::model::ModelTensor;
use adit_core::record::{FieldTensor, RecordTensor};
use adit_core::tensor::dlpack::Imported;
use adit_core::tensor::{Lent, MAX_DIMS, Shape, Slice, TensorView};

use crate::boundary::{
    Failure, Out, Zeroable, guard, refuse_flags, refuse_reserved, slice, status_of,
};
use crate::error::{adit_error, adit_status};

/// The most dimensions of an adit_tensor.
pub const ADIT_MAX_DIMS: u32 = 8;

/// In adit_tensor.flags: the bytes may only be read.
pub const ADIT_TENSOR_READ_ONLY: u32 = 1;
/// In adit_tensor.flags: elements are big-endian.
pub const ADIT_TENSOR_BIG_ENDIAN: u32 = 2;
/// In adit_tensor.flags: elements lie side by side in C order.
pub const ADIT_TENSOR_CONTIGUOUS: u32 = 4;

/// Elements in memory that somebody else owns.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_tensor {
    /// The first element; NULL where there are none.
    pub data: *const c_void,
    /// The bytes that may be read from `data` on. For a tensor that the library fills: the bytes
    /// of all elements.
    pub nbytes: u64,
    /// An adit_dtype.
    pub dtype: i32,
    /// The number of dimensions, 0 to 8.
    pub ndim: i32,
    /// The sizes of the first `ndim` dimensions, outermost first; the others are 0.
    pub shape: [i64; 8],
    /// The distance in elements between neighbours along each dimension; the others are 0.
    pub strides: [i64; 8],
    /// ADIT_TENSOR_... flags. The library sets them; in a tensor that it is given,
    /// ADIT_TENSOR_BIG_ENDIAN and unknown flags are ADIT_ERR_UNSUPPORTED, the others don't matter.
    pub flags: u32,
    /// Zero; anything else is ADIT_ERR_UNSUPPORTED.
    pub reserved0: u32,
    /// Zeros; anything else is ADIT_ERR_UNSUPPORTED.
    pub reserved: [u64; 4],
}

//@c-after
//@ #if UINTPTR_MAX > 0xffffffffu
//@ /* Frozen: fails to compile where the compiler lays adit_tensor out in another way. */
//@ typedef char adit_assert_tensor_is_192_bytes[sizeof(adit_tensor) == 192 ? 1 : -1];
//@ #endif

#[cfg(target_pointer_width = "64")]
const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<adit_tensor>() == 192);
    assert!(offset_of!(adit_tensor, nbytes) == 8);
    assert!(offset_of!(adit_tensor, dtype) == 16);
    assert!(offset_of!(adit_tensor, ndim) == 20);
    assert!(offset_of!(adit_tensor, shape) == 24);
    assert!(offset_of!(adit_tensor, strides) == 88);
    assert!(offset_of!(adit_tensor, flags) == 152);
    assert!(offset_of!(adit_tensor, reserved0) == 156);
    assert!(offset_of!(adit_tensor, reserved) == 160);
    assert!(MAX_DIMS == ADIT_MAX_DIMS as usize);
};

// SAFETY: a null pointer and zeros.
unsafe impl Zeroable for adit_tensor {}

impl adit_tensor {
    fn new(
        data: *const c_void,
        nbytes: u64,
        dtype: DType,
        shape: Shape,
        strides: [i64; 8],
        flags: u32,
    ) -> adit_tensor {
        adit_tensor {
            data,
            nbytes,
            dtype: dtype.number(),
            ndim: i32::try_from(shape.ndim()).unwrap_or(0),
            shape: shape.padded(),
            strides,
            flags,
            reserved0: 0,
            reserved: [0; 4],
        }
    }

    /// No elements of no dtype.
    pub(crate) const ZERO: adit_tensor = adit_tensor {
        data: std::ptr::null(),
        nbytes: 0,
        dtype: 0,
        ndim: 0,
        shape: [0; 8],
        strides: [0; 8],
        flags: 0,
        reserved0: 0,
        reserved: [0; 4],
    };

    /// Becomes a field of a record, from ZERO.
    #[inline]
    pub(crate) fn become_field(&mut self, field: &FieldTensor<'_, '_>) {
        match field {
            FieldTensor::Rrec(record) => self.become_record(record),
            FieldTensor::Arec(record) => {
                self.become_elements(record.bytes, record.dtype, record.shape.dims());
            }
        }
    }

    /// Becomes a tensor of a record, from ZERO. Written in place, member by member: a struct built elsewhere
    /// and copied here takes most of the time of a get.
    #[inline]
    fn become_record(&mut self, record: &RecordTensor<'_, '_>) {
        self.data = record.bytes.as_ptr().cast();
        self.nbytes = record.bytes.len() as u64;
        self.dtype = record.dtype.number();
        self.ndim = record.dims.len() as i32;
        self.flags = ADIT_TENSOR_READ_ONLY | ADIT_TENSOR_CONTIGUOUS;
        let mut step: i64 = 1;
        let dims = record.dims.iter().enumerate().rev();
        for (axis, &dim) in dims {
            let places = self.shape.get_mut(axis).zip(self.strides.get_mut(axis));
            if let Some((size, stride)) = places {
                *size = i64::from(dim);
                *stride = step;
                step = step.saturating_mul(i64::from(dim.max(1)));
            }
        }
    }

    /// Becomes a tensor of a model, from ZERO; in place, as above.
    #[inline]
    pub(crate) fn become_lent(&mut self, lent: &ModelTensor<'_>) {
        self.become_elements(lent.bytes, lent.dtype, lent.dims);
    }

    #[inline]
    fn become_elements(&mut self, bytes: Region<'_>, dtype: DType, dims: &[i64]) {
        self.data = bytes.as_ptr().cast();
        self.nbytes = bytes.len() as u64;
        self.dtype = dtype.number();
        self.ndim = dims.len() as i32;
        self.flags = ADIT_TENSOR_READ_ONLY | ADIT_TENSOR_CONTIGUOUS;
        let has_strides = !dtype.is_block();
        let mut step: i64 = 1;
        for (axis, &dim) in dims.iter().enumerate().rev() {
            let places = self.shape.get_mut(axis).zip(self.strides.get_mut(axis));
            if let Some((size, stride)) = places {
                *size = dim;
                if has_strides {
                    *stride = step;
                    step = step.saturating_mul(dim.max(1));
                }
            }
        }
    }

    /// A tensor lent from a file's bytes.
    pub(crate) fn lent(lent: &Lent<'_>, writable: bool) -> adit_tensor {
        let contiguous = if lent.fortran_order {
            0
        } else {
            ADIT_TENSOR_CONTIGUOUS
        };
        let read_only = if writable { 0 } else { ADIT_TENSOR_READ_ONLY };
        let flags = read_only | contiguous;
        let (data, nbytes) = (lent.bytes.as_ptr().cast(), lent.bytes.len() as u64);
        adit_tensor::new(data, nbytes, lent.dtype, lent.shape, lent.strides(), flags)
    }

    /// A tensor in memory of another library.
    pub(crate) fn borrowed(imported: &Imported) -> adit_tensor {
        let Imported {
            data,
            bytes,
            dtype,
            shape,
            strides,
            read_only,
        } = *imported;
        let read_only = if read_only { ADIT_TENSOR_READ_ONLY } else { 0 };
        let in_order =
            |((&dim, &stride), &dense): ((&i64, &i64), &i64)| dim <= 1 || stride == dense;
        let dense = shape.c_strides();
        let axes = shape.dims().iter().zip(&strides).zip(&dense);
        let contiguous = match bytes == 0 || axes.into_iter().all(in_order) {
            true => ADIT_TENSOR_CONTIGUOUS,
            false => 0,
        };
        let flags = read_only | contiguous;
        adit_tensor::new(data.cast(), bytes, dtype, shape, strides, flags)
    }

    /// A tensor in the caller's own buffer, in C order.
    pub(crate) fn in_buffer(
        data: *const c_void,
        nbytes: u64,
        dtype: Option<DType>,
        shape: Shape,
    ) -> adit_tensor {
        let data = if nbytes == 0 { std::ptr::null() } else { data };
        let any = dtype.unwrap_or(DType::U8);
        let strides = match any.is_block() {
            true => [0; 8],
            false => shape.c_strides(),
        };
        let tensor = adit_tensor::new(data, nbytes, any, shape, strides, ADIT_TENSOR_CONTIGUOUS);
        adit_tensor {
            dtype: dtype.map_or(0, DType::number),
            ..tensor
        }
    }

    /// The caller's tensor, checked.
    ///
    /// # Safety
    /// `self.data` is readable for `self.nbytes` bytes during `'a`, and nobody writes there.
    pub(crate) unsafe fn view<'a>(&self, name: &str) -> Result<TensorView<'a>, Failure> {
        let wrong = |error: adit_core::tensor::Error| {
            Failure::new(status_of(error.kind()), format_args!("{name}: {error}"))
        };
        if self.flags & ADIT_TENSOR_BIG_ENDIAN != 0 {
            let message = format_args!("{name} is big-endian; swap its bytes first");
            return Err(Failure::new(adit_status::ADIT_ERR_UNSUPPORTED, message));
        }
        let known = ADIT_TENSOR_READ_ONLY | ADIT_TENSOR_CONTIGUOUS;
        refuse_flags(self.flags, known, name)?;
        refuse_reserved(&self.reserved, name)?;
        refuse_reserved(&[self.reserved0.into()], name)?;
        let dtype = dtype_argument(self.dtype, name)?;
        let shape = shape_argument(self.ndim, &self.shape, name)?;
        // Zeros mean the default here as everywhere.
        let given = self
            .strides
            .iter()
            .zip(shape.dims())
            .any(|(&stride, _)| stride != 0);
        let strides = if given {
            self.strides
        } else {
            shape.c_strides()
        };
        // SAFETY: the caller's promise.
        unsafe { TensorView::new(self.data.cast(), self.nbytes, dtype, shape, strides) }
            .map_err(wrong)
    }
}

/// The caller's one tensor, checked.
///
/// # Safety
/// `ptr` is null or points to a tensor whose data is readable for its `nbytes` during `'a`, and
/// nobody writes there.
pub(crate) unsafe fn tensor_argument<'a>(
    ptr: *const adit_tensor,
    parameter: &str,
) -> Result<TensorView<'a>, Failure> {
    // SAFETY: the caller's promise.
    let one = unsafe { slice(ptr, 1, parameter) }?;
    let [tensor] = one else {
        return Err(Failure::null(parameter));
    };
    // SAFETY: the caller's promise.
    unsafe { tensor.view(parameter) }
}

pub(crate) fn dtype_argument(dtype: i32, name: &str) -> Result<DType, Failure> {
    DType::from_number(dtype).ok_or_else(|| {
        let message = format_args!("{name}: {dtype} is no dtype");
        Failure::new(adit_status::ADIT_ERR_DTYPE, message)
    })
}

/// None for 0.
pub(crate) fn optional_dtype(dtype: i32, parameter: &str) -> Result<Option<DType>, Failure> {
    match dtype {
        0 => Ok(None),
        dtype => dtype_argument(dtype, parameter).map(Some),
    }
}

pub(crate) fn shape_argument(ndim: i32, dims: &[i64], name: &str) -> Result<Shape, Failure> {
    let own = usize::try_from(ndim).ok().and_then(|ndim| dims.get(..ndim));
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::new(adit_status::ADIT_ERR_SHAPE, format_args!("{name}: {error}"))
    };
    let Some(own) = own else {
        let error = adit_core::tensor::Error::Dimensions { ndim: ndim.into() };
        return Err(wrong(&error));
    };
    Shape::new(own).map_err(|error| wrong(&error))
}

/// Fills a tensor over the caller's contiguous elements: strides and `nbytes` follow from dtype
/// and shape. `shape` has `ndim` sizes, outermost first, and may be NULL if `ndim` is 0. The
/// tensor borrows `data`, which this call doesn't read.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT for NULL, ADIT_ERR_DTYPE, ADIT_ERR_SHAPE for fewer than 0
/// or more than 8 dimensions, a negative one, broken blocks, or more bytes than memory can hold.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_tensor_init(
    tensor: *mut adit_tensor,
    data: *const c_void,
    dtype: i32,
    ndim: i32,
    shape: *const i64,
    err: *mut *mut adit_error,
) -> adit_status {
    let sizes = usize::try_from(ndim).unwrap_or(0).min(MAX_DIMS);
    // Copied first: they may be the tensor's own.
    // SAFETY: readable for ndim sizes, as the header asks.
    let dims = unsafe { slice(shape, sizes, "shape") }.map(<[i64]>::to_vec);
    // SAFETY: NULL or writable, as the header asks.
    let out = unsafe { Out::zeroed(tensor) };
    let body = || {
        out.required("tensor")?;
        let dtype = dtype_argument(dtype, "dtype")?;
        let shape = shape_argument(ndim, &dims?, "shape")?;
        let nbytes = shape.bytes(dtype)?;
        if data.is_null() && nbytes > 0 {
            return Err(Failure::null("data"));
        }
        let strides = if dtype.is_block() {
            [0; 8]
        } else {
            shape.c_strides()
        };
        let data = if nbytes == 0 { std::ptr::null() } else { data };
        out.set(adit_tensor::new(
            data,
            nbytes,
            dtype,
            shape,
            strides,
            ADIT_TENSOR_CONTIGUOUS,
        ));
        Ok(())
    };
    // SAFETY: NULL or writable, as the header asks.
    unsafe { guard(err, body) }
}

/// The rows and the columns of a tensor, each as its first position and their number.
pub(crate) fn slice_of(dims: &[i64], rows: (u64, u64), columns: (u64, u64)) -> Slice {
    Slice {
        rows: positions(rows, dims.first()),
        columns: positions(columns, dims.last()),
    }
}

/// The positions asked for of a dimension; none for all.
fn positions((first, count): (u64, u64), dim: Option<&i64>) -> Option<Range<u64>> {
    let end = match (first, count) {
        (0, 0) => return None,
        // A first position behind the end stays one.
        (first, 0) => dim.map_or(0, |dim| dim.unsigned_abs()).max(first),
        (first, count) => first.saturating_add(count),
    };
    Some(first..end)
}
