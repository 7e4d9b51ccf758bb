//! All bytes read, and what of them is no finite number.

use std::ffi::c_void;

use adit_core::model::{Finding, Model, Verified, VerifyOptions};

use super::adit_model;
use crate::boundary::{
    Failure, Options, SizedOut, Zeroable, guard_handle, init_options, progress_of, read_options,
    refuse_flags, refuse_reserved,
};
use crate::callbacks::adit_progress_fn;
use crate::error::{adit_error, adit_status};

/// In adit_model_verify_options.flags: look for floats that are NaN or infinite.
pub const ADIT_VERIFY_NON_FINITE: u32 = 1;
/// In adit_model_verify_options.flags: look for scales of quantised blocks that are NaN or infinite.
pub const ADIT_VERIFY_SCALES: u32 = 2;

/// What is bad in one tensor.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_model_finding {
    /// sizeof(adit_model_finding) as the library knows it.
    pub struct_size: usize,
    /// The tensor's number.
    pub tensor: usize,
    /// How many are NaN; the parts of a complex number count each.
    pub nans: u64,
    /// How many are infinite.
    pub infinities: u64,
    /// The number of the first bad element, or block.
    pub first: u64,
    /// Where that element or block starts in the file's bytes.
    pub offset: u64,
    /// ADIT_VERIFY_NON_FINITE, or ADIT_VERIFY_SCALES where the scales of blocks are meant.
    pub flags: u32,
    /// Zero.
    pub reserved0: u32,
}

//@c-type
//@ /** Told what adit_model_verify found in one tensor; `finding` is good during the call. */
//@ typedef void (ADIT_CALL *adit_model_finding_fn)(void *ctx, const adit_model_finding *finding);

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type adit_model_finding_fn =
    Option<unsafe extern "C" fn(*mut c_void, *const adit_model_finding)>;

/// What to look for. Zero in any field means the default.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_model_verify_options {
    /// sizeof(adit_model_verify_options).
    pub struct_size: usize,
    /// Called on this thread for each bad tensor, the first 1000 of them, once all are read; may be
    /// NULL.
    pub finding: adit_model_finding_fn,
    /// Given to `finding`.
    pub ctx: *mut c_void,
    /// ADIT_VERIFY_... flags; with none the bytes are only read.
    pub flags: u32,
    /// Zero.
    pub reserved0: u32,
    /// Zeros.
    pub reserved: [u64; 4],
}

/// What a verification found.
#[allow(non_camel_case_types, reason = "the name in C")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct adit_model_verification {
    /// sizeof(adit_model_verification), set by the caller.
    pub struct_size: usize,
    /// Tensors read: those that have bytes.
    pub tensors: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Tensors in which something was found.
    pub bad_tensors: u64,
}

//@c-after
//@ /** The default options: read all bytes. */
//@ #define ADIT_MODEL_VERIFY_OPTIONS_INIT \
//@     { sizeof(adit_model_verify_options), NULL, NULL, 0, 0, { 0, 0, 0, 0 } }
//@ /** To be filled. */
//@ #define ADIT_MODEL_VERIFICATION_INIT { sizeof(adit_model_verification), 0, 0, 0 }

// SAFETY: repr(C), a usize first, no padding, and zeros are no function, a null pointer and
// numbers.
unsafe impl Options for adit_model_verify_options {}
// SAFETY: zeros are numbers.
unsafe impl Zeroable for adit_model_verification {}

/// Fills `options` with the defaults; `size` is the struct's size as the caller knows it. NULL is
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_verify_options_init(
    options: *mut adit_model_verify_options,
    size: usize,
) {
    // SAFETY: NULL or writable for `size` bytes, as the header asks.
    unsafe { init_options(options, size) };
}

/// Reads all bytes of all tensors, from the file where there is one, and looks into them as far as
/// options->flags say. What it finds is told, in `found` and to options->finding, and is no error.
/// Big-endian elements and ggml types that aren't known are read, not looked into. `options` and
/// `found` may be NULL; the caller sets `found->struct_size`. `progress`, which may be NULL, is told
/// bytes.
///
/// Neither format has checksums: a byte that changed into another sound one isn't seen.
///
/// Statuses: ADIT_ERR_INVALID_ARGUMENT, ADIT_ERR_TRUNCATED, ADIT_ERR_IO, ADIT_ERR_OUT_OF_MEMORY,
/// ADIT_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_model_verify(
    model: *const adit_model,
    options: *const adit_model_verify_options,
    progress: adit_progress_fn,
    ctx: *mut c_void,
    found: *mut adit_model_verification,
    err: *mut *mut adit_error,
) -> adit_status {
    // SAFETY: NULL or a struct with its size set, as the header asks.
    let out = unsafe { SizedOut::zeroed(found) };
    let body = |model: &Model| {
        out.optional("found")?;
        // SAFETY: NULL or options, as the header asks.
        let own = unsafe { read_options(options, "options") }?;
        let how = verify_how(&own)?;
        // SAFETY: the header's contract of adit_progress_fn, during the call.
        let mut progress = unsafe { progress_of(progress, ctx) };
        let verified = model.verify(&how, &mut progress)?;
        // SAFETY: the header's contract of adit_model_finding_fn, during the call.
        unsafe { tell(&verified, &own) };
        out.set(adit_model_verification {
            struct_size: 0,
            tensors: verified.tensors,
            bytes: verified.bytes,
            bad_tensors: verified.bad_tensors,
        });
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as the header asks.
    unsafe { guard_handle(model, err, body) }
}

fn verify_how(own: &adit_model_verify_options) -> Result<VerifyOptions, Failure> {
    let known = ADIT_VERIFY_NON_FINITE | ADIT_VERIFY_SCALES;
    refuse_flags(own.flags, known, "options->flags")?;
    refuse_reserved(&own.reserved, "options")?;
    refuse_reserved(&[own.reserved0.into()], "options")?;
    Ok(VerifyOptions {
        non_finite: own.flags & ADIT_VERIFY_NON_FINITE != 0,
        scales: own.flags & ADIT_VERIFY_SCALES != 0,
    })
}

/// # Safety
/// `own.finding` may be called with `own.ctx`.
unsafe fn tell(verified: &Verified, own: &adit_model_verify_options) {
    let Some(callback) = own.finding else {
        return;
    };
    for finding in &verified.findings {
        let finding = finding_of(finding);
        // SAFETY: the caller's promise.
        unsafe { callback(own.ctx, &raw const finding) };
    }
}

fn finding_of(finding: &Finding) -> adit_model_finding {
    adit_model_finding {
        struct_size: size_of::<adit_model_finding>(),
        tensor: finding.index,
        nans: finding.nans,
        infinities: finding.infinities,
        first: finding.first,
        offset: finding.offset,
        flags: match finding.scales {
            true => ADIT_VERIFY_SCALES,
            false => ADIT_VERIFY_NON_FINITE,
        },
        reserved0: 0,
    }
}
