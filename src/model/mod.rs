//! Models
//!
//! An adit_model is a set of named tensors in one file or several: safetensors files, with a
//! `*.index.json` or without, and GGUF files of versions 2 and 3, split ones too. What a file is its
//! content decides, not its name. Everything that the files say of themselves is checked when they
//! are opened, so that every tensor lies inside its file; tensors' bytes are not read then.
//!
//! Tensors have numbers, from 0 to adit_model_len - 1, in the order of their files; in a safetensors
//! file by offset, in a GGUF file as its header lists them, which need not be by offset. Names are
//! found in constant time.
//!
//! Metadata is what the files say beside their tensors: keys with values, in the order of the files.
//! Values have numbers: those of the keys are 0 to adit_model_metadata_count - 1, those of arrays
//! inside of arrays come from adit_model_metadata_array_nested. safetensors files have strings alone.
//!
//! Ownership: tensors from adit_model_tensor point into the files' bytes, and are good until the
//! model, all adit_data handles to the same bytes and all DLPack tensors of it are closed. Names,
//! keys and strings are good until the model is closed. What the section on data says of files
//! that are cut holds for models.
//!
//! Threads: all functions but adit_model_close take a `const adit_model *` and may run at the same
//! time on any threads: a thread that uploads and releases tensors runs beside those that compute
//! with others. Closing needs the caller's exclusion.
//!
//! Forks: a child may read through a model that it inherited, let go of its pages and close it,
//! whatever other threads of the parent did at the fork; what is locked in memory is so for the
//! parent alone, and a child that locks or unlocks gets ADIT_ERR_FORKED.

mod open;
mod look;
mod metadata;
mod read;
mod pages;
mod verify;

use adit_core::model::Model;

use crate::boundary::{Handle, Opaque, Options, Zeroable, close, init_options};
use crate::data::adit_data_options;

/// A model.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_model(Handle<Model>);

// SAFETY: repr(transparent) over Handle<Model>.
unsafe impl Opaque for adit_model {
    type Value = Model;
    const PARAMETER: &'static str = "model";
}

/// In adit_model_options.flags: any file is a model of one tensor of u8, called "data".
pub const ADIT_MODEL_RAW: u32 = 1;
/// In adit_model_options.flags: all tensors' bytes are read before the call returns, so that a file
/// that can't be read to its end fails to open. adit_model_verify does that later, and looks at
/// the elements.
pub const ADIT_MODEL_VERIFY: u32 = 2;

/// How to open a model. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_model_options {
    /// sizeof(adit_model_options).
    pub struct_size: usize,
    /// How to open the files' bytes, each of them; NULL for the default. Must be NULL where the
    /// bytes are open.
    pub data: *const adit_data_options,
    /// ADIT_MODEL_... flags.
    pub flags: u32,
    /// Zero.
    pub reserved0: u32,
    /// Zeros.
    pub reserved: [u64; 4],
}

/// The formats of model files.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_model_format {
    /// One safetensors file or several.
    ADIT_MODEL_FORMAT_SAFETENSORS = 1,
    /// One GGUF file or the parts of a split one.
    ADIT_MODEL_FORMAT_GGUF = 2,
    /// Any bytes.
    ADIT_MODEL_FORMAT_RAW = 3,
}

/// What a model is made of.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_model_info {
    /// sizeof(adit_model_info), set by the caller.
    pub struct_size: usize,
    /// An adit_model_format.
    pub format: i32,
    /// ADIT_TENSOR_BIG_ENDIAN: the files' numbers have their most significant byte first.
    pub flags: u32,
    /// How many tensors there are.
    pub tensors: u64,
    /// How many files there are, an index aside.
    pub files: u64,
    /// The bytes of all tensors whose dtype is known.
    pub nbytes: u64,
}

/// What and where a tensor is, also where it can't be lent.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_model_tensor_info {
    /// sizeof(adit_model_tensor_info), set by the caller.
    pub struct_size: usize,
    /// An adit_dtype; ADIT_DTYPE_NONE for a ggml type that this version doesn't know.
    pub dtype: i32,
    /// The number of ggml's type in a GGUF file; 0, which is f32 there, in other files.
    pub ggml_type: u32,
    /// The number of dimensions; see adit_model_shape.
    pub ndim: u32,
    /// ADIT_TENSOR_BIG_ENDIAN.
    pub flags: u32,
    /// The number of the file; see adit_model_file.
    pub file: u64,
    /// Where the elements start in the file's bytes.
    pub offset: u64,
    /// The bytes of all elements; 0 where the dtype isn't known.
    pub nbytes: u64,
    /// The largest power of two, up to 4096, that divides the first element's address in memory.
    pub alignment: u64,
}

//@c-after
//@ /** The default options. */
//@ #define ADIT_MODEL_OPTIONS_INIT { sizeof(adit_model_options), NULL, 0, 0, { 0, 0, 0, 0 } }
//@ /** To be filled. */
//@ #define ADIT_MODEL_INFO_INIT { sizeof(adit_model_info), 0, 0, 0, 0, 0 }
//@ /** To be filled. */
//@ #define ADIT_MODEL_TENSOR_INFO_INIT { sizeof(adit_model_tensor_info), 0, 0, 0, 0, 0, 0, 0, 0 }

// SAFETY: repr(C), a usize first, no padding, and zeros are a null pointer and numbers.
unsafe impl Options for adit_model_options {}
// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_model_info {}
// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_model_tensor_info {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_options_init(options: *mut adit_model_options, size: usize) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// Closes a model; NULL is nothing. What it locked in memory is unlocked. Tensors lent by it end
/// here, unless an adit_data handle or a DLPack tensor still holds the same bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_close(model: *mut adit_model) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(model) };
}
