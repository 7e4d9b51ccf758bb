//! The caller's own work on records.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::loader::{OutputField, Sample, Transform};
use adit_core::tensor::Shape;

use crate::boundary::Failure;
use crate::tensor::adit_tensor;

//@c-before
//@ /**
//@  * Makes the outputs of one record from its inputs. `inputs` are the record's tensors, one for each
//@  * field of options->fields in their order (of the set where there are none), lent during the call;
//@  * their dtypes and shapes are the file's. `outputs` are this record's rows of the batch, as
//@  * adit_loader_fields_add_output declared them: all of their bytes are to be written, through
//@  * `data`. `record` is its number in the set; `seed` is another for each record, epoch and seed of
//@  * the options, and the same whenever this record comes up in this epoch: what is random in an
//@  * augmentation follows from it. Runs on the loader's threads, on several at once, or with
//@  * ADIT_LOADER_NO_THREADS on the one that calls adit_loader_next. A result other than 0 makes the
//@  * record a bad one (options->bad_record): ADIT_ERR_CALLBACK, whose adit_error_os_code is the result.
//@  */
//@ typedef int (ADIT_CALL *adit_transform_fn)(void *ctx, uint64_t record, uint64_t seed,
//@                                            const adit_tensor *inputs, size_t n_inputs,
//@                                            const adit_tensor *outputs, size_t n_outputs);

/// In the header with its calling convention.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type adit_transform_fn = Option<
    unsafe extern "C" fn(
        *mut c_void,
        u64,
        u64,
        *const adit_tensor,
        usize,
        *const adit_tensor,
        usize,
    ) -> c_int,
>;

/// The caller's function, and what its outputs are.
pub(super) struct CallersTransform {
    ctx: *mut c_void,
    call: unsafe extern "C" fn(
        *mut c_void,
        u64,
        u64,
        *const adit_tensor,
        usize,
        *const adit_tensor,
        usize,
    ) -> c_int,
    outputs: Vec<(DType, Shape)>,
}

// SAFETY: the header says that the function runs on any thread, several at once.
unsafe impl Send for CallersTransform {}
// SAFETY: as for Send.
unsafe impl Sync for CallersTransform {}

/// The caller's transform; none for NULL.
pub(super) fn transform_argument(
    call: adit_transform_fn,
    ctx: *mut c_void,
    outputs: &[OutputField],
) -> Result<Option<Arc<dyn Transform>>, Failure> {
    let Some(call) = call else {
        return Ok(None);
    };
    let output = |own: &OutputField| Ok((own.dtype, Shape::new(&own.dims)?));
    let outputs = outputs.iter().map(output).collect::<Result<_, Failure>>()?;
    Ok(Some(Arc::new(CallersTransform { ctx, call, outputs })))
}

impl Transform for CallersTransform {
    fn apply(&self, sample: &Sample<'_>, outputs: &mut [&mut [u8]]) -> Result<(), i32> {
        let lend = |lent| adit_tensor::lent(lent, false);
        let inputs: Vec<adit_tensor> = sample.tensors.iter().map(lend).collect();
        let outputs = outputs.iter_mut().zip(&self.outputs);
        let give = |(row, (dtype, shape)): (&mut &mut [u8], &(DType, Shape))| {
            let bytes = row.len() as u64;
            adit_tensor::in_buffer(row.as_mut_ptr().cast(), bytes, Some(*dtype), *shape)
        };
        let outputs: Vec<adit_tensor> = outputs.map(give).collect();
        let (from, to) = (inputs.as_ptr(), outputs.as_ptr());
        let (n, m) = (inputs.len(), outputs.len());
        // SAFETY: the function and its ctx are good until the loader is closed, as the header asks;
        // the tensors are lists of so many, and the outputs' bytes are this call's alone.
        match unsafe { (self.call)(self.ctx, sample.record, sample.seed, from, n, to, m) } {
            0 => Ok(()),
            code => Err(code),
        }
    }
}
