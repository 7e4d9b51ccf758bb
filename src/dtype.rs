//! dtypes
//!
//! One numbering for all formats, frozen. Parameters and fields that hold a dtype are int32_t, so
//! that any number can be passed and is checked; 0, ADIT_DTYPE_NONE, is no dtype, or "as it is"
//! where a default makes sense.
//!
//! Most dtypes have one element a block. The block dtypes, from 100 on (ggml number + 100), keep
//! several elements with their scales in one block: tensors of them are contiguous, and a single
//! element has no address; their innermost dimension is a whole number of blocks. The packed
//! dtypes, of less than a byte an element, are block dtypes too, but their elements run on from row
//! to row: only all of them together must fill whole blocks.

use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;

use adit_core::dtype::DType;

/// The type of elements.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[allow(dead_code, reason = "only C programs name its numbers; Rust has DType")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_dtype {
    /// No dtype.
    ADIT_DTYPE_NONE = 0,
    /// One byte: 0 is false, 1 is true. A file may hold any other byte, so read it as uint8_t.
    ADIT_DTYPE_BOOL = 1,
    /// Signed, 8 bits.
    ADIT_DTYPE_I8 = 2,
    /// Signed, 16 bits.
    ADIT_DTYPE_I16 = 3,
    /// Signed, 32 bits.
    ADIT_DTYPE_I32 = 4,
    /// Signed, 64 bits.
    ADIT_DTYPE_I64 = 5,
    /// Unsigned, 8 bits.
    ADIT_DTYPE_U8 = 6,
    /// Unsigned, 16 bits.
    ADIT_DTYPE_U16 = 7,
    /// Unsigned, 32 bits.
    ADIT_DTYPE_U32 = 8,
    /// Unsigned, 64 bits.
    ADIT_DTYPE_U64 = 9,
    /// IEEE 754 half.
    ADIT_DTYPE_F16 = 10,
    /// Brain float: the upper half of an f32.
    ADIT_DTYPE_BF16 = 11,
    /// IEEE 754 single.
    ADIT_DTYPE_F32 = 12,
    /// IEEE 754 double.
    ADIT_DTYPE_F64 = 13,
    /// 8 bits, 4 of exponent, no infinity (OCP OFP8).
    ADIT_DTYPE_F8_E4M3FN = 14,
    /// 8 bits, 5 of exponent (OCP OFP8).
    ADIT_DTYPE_F8_E5M2 = 15,
    /// 8 bits of exponent: a power of two (OCP MX).
    ADIT_DTYPE_F8_E8M0 = 16,
    /// Two f32: real, imaginary.
    ADIT_DTYPE_COMPLEX64 = 17,
    /// Two f64: real, imaginary.
    ADIT_DTYPE_COMPLEX128 = 18,
    /// 8 bits, 4 of exponent, no infinity, no negative zero. Not converted.
    ADIT_DTYPE_F8_E4M3FNUZ = 19,
    /// 8 bits, 5 of exponent, no infinity, no negative zero. Not converted.
    ADIT_DTYPE_F8_E5M2FNUZ = 20,
    /// 6 bits, 2 of exponent (OCP MX): 4 elements in 3 bytes. Not converted.
    ADIT_DTYPE_F6_E2M3 = 21,
    /// 6 bits, 3 of exponent (OCP MX): 4 elements in 3 bytes. Not converted.
    ADIT_DTYPE_F6_E3M2 = 22,
    /// 4 bits, 2 of exponent (OCP MX): 2 elements in a byte. Not converted.
    ADIT_DTYPE_F4_E2M1 = 23,
    /// ggml Q4_0: 32 elements in 18 bytes.
    ADIT_DTYPE_Q4_0 = 102,
    /// ggml Q4_1: 32 elements in 20 bytes.
    ADIT_DTYPE_Q4_1 = 103,
    /// ggml Q5_0: 32 elements in 22 bytes.
    ADIT_DTYPE_Q5_0 = 106,
    /// ggml Q5_1: 32 elements in 24 bytes.
    ADIT_DTYPE_Q5_1 = 107,
    /// ggml Q8_0: 32 elements in 34 bytes.
    ADIT_DTYPE_Q8_0 = 108,
    /// ggml Q8_1: 32 elements in 40 bytes.
    ADIT_DTYPE_Q8_1 = 109,
    /// ggml Q2_K: 256 elements in 84 bytes.
    ADIT_DTYPE_Q2_K = 110,
    /// ggml Q3_K: 256 elements in 110 bytes.
    ADIT_DTYPE_Q3_K = 111,
    /// ggml Q4_K: 256 elements in 144 bytes.
    ADIT_DTYPE_Q4_K = 112,
    /// ggml Q5_K: 256 elements in 176 bytes.
    ADIT_DTYPE_Q5_K = 113,
    /// ggml Q6_K: 256 elements in 210 bytes.
    ADIT_DTYPE_Q6_K = 114,
    /// ggml Q8_K: 256 elements in 292 bytes.
    ADIT_DTYPE_Q8_K = 115,
    /// ggml IQ2_XXS: 256 elements in 66 bytes.
    ADIT_DTYPE_IQ2_XXS = 116,
    /// ggml IQ2_XS: 256 elements in 74 bytes.
    ADIT_DTYPE_IQ2_XS = 117,
    /// ggml IQ3_XXS: 256 elements in 98 bytes.
    ADIT_DTYPE_IQ3_XXS = 118,
    /// ggml IQ1_S: 256 elements in 50 bytes.
    ADIT_DTYPE_IQ1_S = 119,
    /// ggml IQ4_NL: 32 elements in 18 bytes.
    ADIT_DTYPE_IQ4_NL = 120,
    /// ggml IQ3_S: 256 elements in 110 bytes.
    ADIT_DTYPE_IQ3_S = 121,
    /// ggml IQ2_S: 256 elements in 82 bytes.
    ADIT_DTYPE_IQ2_S = 122,
    /// ggml IQ4_XS: 256 elements in 136 bytes.
    ADIT_DTYPE_IQ4_XS = 123,
    /// ggml IQ1_M: 256 elements in 56 bytes.
    ADIT_DTYPE_IQ1_M = 129,
    /// ggml TQ1_0: 256 elements in 54 bytes.
    ADIT_DTYPE_TQ1_0 = 134,
    /// ggml TQ2_0: 256 elements in 66 bytes.
    ADIT_DTYPE_TQ2_0 = 135,
    /// ggml MXFP4: 32 elements in 17 bytes.
    ADIT_DTYPE_MXFP4 = 139,
    /// ggml NVFP4: 64 elements in 36 bytes.
    ADIT_DTYPE_NVFP4 = 140,
    /// ggml Q1_0: 128 elements in 18 bytes.
    ADIT_DTYPE_Q1_0 = 141,
}

struct Names {
    dtypes: Vec<(DType, CString)>,
}

fn names() -> &'static Names {
    static NAMES: OnceLock<Names> = OnceLock::new();
    NAMES.get_or_init(|| {
        let name = |&dtype: &DType| (dtype, CString::new(dtype.name()).unwrap_or_default());
        Names {
            dtypes: DType::ALL.iter().map(name).collect(),
        }
    })
}

/// The name of a dtype in lower case, such as "f32" or "q4_0"; NULL for a number that is none.
/// The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn adit_dtype_name(dtype: i32) -> *const c_char {
    let found = names()
        .dtypes
        .iter()
        .find(|(known, _)| known.number() == dtype);
    found.map_or(std::ptr::null(), |(_, name)| name.as_ptr())
}

/// The number of the dtype with a name, as adit_dtype_name gives it; ADIT_DTYPE_NONE for NULL and
/// for any other name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_dtype_from_name(name: *const c_char) -> i32 {
    if name.is_null() {
        return 0;
    }
    // SAFETY: not NULL, so a NUL-terminated string, as the header asks.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str()
        .ok()
        .and_then(DType::from_name)
        .map_or(0, DType::number)
}

/// The bytes of a block, of an element where blocks have one; 0 for a number that is no dtype.
#[unsafe(no_mangle)]
pub extern "C" fn adit_dtype_block_bytes(dtype: i32) -> u32 {
    DType::from_number(dtype).map_or(0, DType::block_bytes)
}

/// The elements of a block; 0 for a number that is no dtype.
#[unsafe(no_mangle)]
pub extern "C" fn adit_dtype_block_elems(dtype: i32) -> u32 {
    DType::from_number(dtype).map_or(0, DType::block_elements)
}
