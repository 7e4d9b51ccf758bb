//! Arrays
//!
//! An adit_array is a whole file that holds one array: a NumPy `.npy` file of version 1.0, 2.0 or
//! 3.0 with a numeric dtype, or an `MMAP` file of scirs2-core (f32, f64, i32 and i64, up to 6
//! dimensions). Header and length are checked when it is opened, so the tensor that it lends lies
//! inside the file.
//!
//! Modes. ADIT_ARRAY_READ maps the file for reading. ADIT_ARRAY_READ_WRITE maps it for writing:
//! what is written through adit_array_data_mut is in the file at once for all who read or map it,
//! and durable after adit_array_flush. ADIT_ARRAY_COPY_ON_WRITE lets the memory be written and
//! never the file: a write copies one page, and adit_array_save_as publishes the changed array.
//! Before a shared map is writable, holes in its file get their space, so that a full disk is
//! ADIT_ERR_NO_SPACE at open and not SIGBUS at a write (file systems that can't, or that copy on
//! write, don't promise it).
//!
//! Ownership: the tensor is good until the array, all adit_data handles to the same bytes and all
//! DLPack tensors of it are closed. No other call moves or ends it: adit_array_append_rows leaves
//! older pointers where they were, and after it adit_array_tensor lends the new rows too. What the
//! section on data says of files that are cut holds for arrays.
//!
//! Two handles: handles on one file, in one process or several, see each other's writes where they
//! map the same file. An array that was replaced by rename (by saving over it, by a writer) goes
//! on as the old file for those who have it open; what is written there is in no file with a name
//! any more. Only adit_array_append_rows looks for that, and answers ADIT_ERR_BUSY.
//!
//! Threads: functions that take a `const adit_array *` may run at the same time on any threads;
//! the others need the caller's exclusion. Writes to elements are the caller's to order.
//!
//! Forks: a child that inherits an array may read it. A copy-on-write map is the child's own from
//! then on, a read-write one is shared; appending rows is for the parent alone (ADIT_ERR_FORKED).

mod open;
mod create;
mod change;
mod look;
mod read;

use adit_core::array::{Array, Format};
use adit_core::map::Access;

use crate::boundary::{Failure, Handle, Opaque, Options, Zeroable, choose, close, init_options};
use crate::data::adit_data_options;

/// An array file.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Debug)]
#[repr(transparent)]
pub struct adit_array(Handle<Array>);

// SAFETY: repr(transparent) over Handle<Array>.
unsafe impl Opaque for adit_array {
    type Value = Array;
    const PARAMETER: &'static str = "array";
}

/// What may be done with an array.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_array_mode {
    /// Reading.
    ADIT_ARRAY_READ = 0,
    /// Reading and writing the file.
    ADIT_ARRAY_READ_WRITE = 1,
    /// Reading the file and writing to memory alone.
    ADIT_ARRAY_COPY_ON_WRITE = 2,
}

/// In adit_array_options.flags: appended rows may overwrite what lies behind the elements. Without
/// it an append to such a file is ADIT_ERR_UNFINISHED: the bytes are an interrupted append's, or
/// somebody's own.
pub const ADIT_ARRAY_OVERWRITE_TRAILING: u32 = 1;

/// How to open an array. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_array_options {
    /// sizeof(adit_array_options).
    pub struct_size: usize,
    /// How to open the file's bytes; NULL for the default. Must be NULL where the bytes are open.
    /// ADIT_ARRAY_READ_WRITE needs a map of the file itself: not ADIT_BACKEND_READ, not compressed.
    pub data: *const adit_data_options,
    /// An adit_array_mode. Must be ADIT_ARRAY_READ where the bytes are open.
    pub mode: i32,
    /// The adit_dtype of elements that the file gives a size but no type: `.npy` files with bf16
    /// and fp8 elements say `V2` and `V1`. 0, or a dtype of another size: such files are
    /// ADIT_ERR_UNSUPPORTED. For other files a dtype that isn't the file's is ADIT_ERR_DTYPE.
    pub dtype: i32,
    /// ADIT_ARRAY_... flags.
    pub flags: u32,
    /// Zero.
    pub reserved0: u32,
    /// Zeros.
    pub reserved: [u64; 4],
}

/// The formats of array files.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(clippy::enum_variant_names, reason = "the names in C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum adit_array_format {
    /// NumPy's .npy for a new file; for adit_array_save_as the array's own.
    ADIT_ARRAY_FORMAT_AUTO = 0,
    /// NumPy's .npy, byte for byte as NumPy 2.4 writes it, but for float8_e5m2 elements, which are
    /// written so that NumPy can read them.
    ADIT_ARRAY_FORMAT_NPY = 1,
    /// MMAP, byte for byte as scirs2-core 0.4.2 writes it.
    ADIT_ARRAY_FORMAT_MMAP = 2,
}

/// What an array file holds, also where no tensor can be lent from it.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_array_info {
    /// sizeof(adit_array_info), set by the caller.
    pub struct_size: usize,
    /// An adit_array_format.
    pub format: i32,
    /// An adit_dtype.
    pub dtype: i32,
    /// The number of dimensions.
    pub ndim: u32,
    /// ADIT_TENSOR_BIG_ENDIAN, ADIT_TENSOR_CONTIGUOUS (C order).
    pub flags: u32,
    /// Where the elements start in the file's bytes.
    pub offset: u64,
    /// The bytes of all elements.
    pub nbytes: u64,
    /// The adit_array_mode.
    pub mode: i32,
    /// Zero.
    pub reserved0: u32,
}

//@c-after
//@ /** The default options. */
//@ #define ADIT_ARRAY_OPTIONS_INIT \
//@     { sizeof(adit_array_options), NULL, 0, 0, 0, 0, { 0, 0, 0, 0 } }
//@ /** To be filled. */
//@ #define ADIT_ARRAY_INFO_INIT { sizeof(adit_array_info), 0, 0, 0, 0, 0, 0, 0, 0 }

// SAFETY: repr(C), a usize first, no padding, and zeros are a null pointer and numbers.
unsafe impl Options for adit_array_options {}
// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_array_info {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_options_init(options: *mut adit_array_options, size: usize) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

fn mode_of(mode: i32) -> Result<Access, Failure> {
    let table = [
        (adit_array_mode::ADIT_ARRAY_READ as i32, Access::ReadOnly),
        (
            adit_array_mode::ADIT_ARRAY_READ_WRITE as i32,
            Access::ReadWrite,
        ),
        (
            adit_array_mode::ADIT_ARRAY_COPY_ON_WRITE as i32,
            Access::CopyOnWrite,
        ),
    ];
    choose(mode, "options->mode", "adit_array_mode", &table)
}

/// None for the default.
fn format_of(format: i32, parameter: &str) -> Result<Option<Format>, Failure> {
    let table = [
        (adit_array_format::ADIT_ARRAY_FORMAT_AUTO as i32, None),
        (
            adit_array_format::ADIT_ARRAY_FORMAT_NPY as i32,
            Some(Format::Npy),
        ),
        (
            adit_array_format::ADIT_ARRAY_FORMAT_MMAP as i32,
            Some(Format::Mmap),
        ),
    ];
    choose(format, parameter, "adit_array_format", &table)
}

/// Closes an array; NULL is nothing. The tensor lent by it ends here, unless an adit_data handle or
/// a DLPack tensor still holds the same bytes. What was written to a read-write array is in the
/// file; that it is durable only adit_array_flush can tell.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_array_close(array: *mut adit_array) {
    // SAFETY: NULL or an open handle that nobody uses any more, as the header asks.
    unsafe { close(array) };
}
