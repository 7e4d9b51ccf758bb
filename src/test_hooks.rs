//! For the tests of the boundary alone (feature `test-hooks`); not in the header.

use adit_core::gpu::Device;

use crate::boundary::guard_handle;
use crate::data::{SharedData, adit_data};
use crate::error::{adit_error, adit_status};
use crate::gpu::adit_gpu;

/// Panics inside the guard, as a bug would.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_test_panic(
    data: *const adit_data,
    err: *mut *mut adit_error,
) -> adit_status {
    #[allow(clippy::panic, reason = "that is what it is for")]
    let body = |_: &SharedData| panic!("provoked by a test");
    // SAFETY: NULL or an open handle, NULL or writable, as in the header's functions.
    unsafe { guard_handle(data, err, body) }
}

/// Loses a device, as a driver would that gave it up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn adit_test_gpu_lose(
    gpu: *const adit_gpu,
    err: *mut *mut adit_error,
) -> adit_status {
    let body = |device: &Device| {
        device.lose();
        Ok(())
    };
    // SAFETY: NULL or an open handle, NULL or writable, as in the header's functions.
    unsafe { guard_handle(gpu, err, body) }
}
