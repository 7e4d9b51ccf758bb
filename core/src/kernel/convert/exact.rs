//! Any pair of real dtypes, by way of exact numbers: the definition, and the way of rare pairs.

use super::Loop;
use super::elements::{
    BF16, Bool, Element, F8E4M3FN, F8E5M2, F8E8M0, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32,
    U64,
};
use super::number::Number;
use crate::dtype::DType;

/// The bytes of a number between the two loops.
pub(super) const NUMBER_BYTES: usize = size_of::<Number>();

macro_rules! for_dtype {
    ($dtype:expr, $name:ident => $loop:expr) => {
        for_dtype!(@ $dtype, $name => $loop, Bool I8 I16 I32 I64 U8 U16 U32 U64 F16 BF16 F32 F64
            F8E4M3FN F8E5M2 F8E8M0)
    };
    (@ $dtype:expr, $name:ident => $loop:expr, $($element:ident)*) => {
        match $dtype {
            $(DType::$element => {
                type $name = $element;
                Some($loop)
            })*
            _ => None,
        }
    };
}

/// The loop from elements to numbers; none where an element isn't one real number.
pub(super) fn unpack(dtype: DType) -> Option<Loop> {
    for_dtype!(dtype, E => unpack_all::<E>)
}

/// The loop from numbers to elements; none where an element isn't one real number.
pub(super) fn pack(dtype: DType, saturate: bool) -> Option<Loop> {
    if saturate {
        for_dtype!(dtype, E => pack_all::<E, true>)
    } else {
        for_dtype!(dtype, E => pack_all::<E, false>)
    }
}

/// # Safety
/// That of [`Loop`]; `to` is aligned for [`Number`].
unsafe fn unpack_all<E: Element>(from: *const u8, to: *mut u8, count: usize) {
    let (from, to) = (from.cast::<E>(), to.cast::<Number>());
    for i in 0..count {
        // SAFETY: the caller's promise; any bits are an element.
        let element = unsafe { from.wrapping_add(i).read_unaligned() };
        // SAFETY: the caller's promise.
        unsafe { to.wrapping_add(i).write(element.unpack()) };
    }
}

/// # Safety
/// That of [`Loop`]; `from` points to numbers.
unsafe fn pack_all<E: Element, const SATURATE: bool>(from: *const u8, to: *mut u8, count: usize) {
    let (from, to) = (from.cast::<Number>(), to.cast::<E>());
    for i in 0..count {
        // SAFETY: the caller's promise.
        let number = unsafe { from.wrapping_add(i).read() };
        // SAFETY: the caller's promise.
        unsafe {
            to.wrapping_add(i)
                .write_unaligned(E::pack(number, SATURATE))
        };
    }
}
