//! Which buffers must not be wrapped: those of an engine's that are, and our own that it was shown. Two
//! buffers of one would be two to wgpu, which puts no barrier between what is done with the one and
//! with the other.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::gpu::device::Device;
use crate::gpu::own::Own;

/// Devices, by their address, and handles.
static WRAPPED: Mutex<BTreeSet<(usize, u64)>> = Mutex::new(BTreeSet::new());

fn all() -> MutexGuard<'static, BTreeSet<(usize, u64)>> {
    WRAPPED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// That a buffer of a device is one of this library, until this goes, which is before the device does.
pub(in crate::gpu) struct Wrapped((usize, u64));

impl Wrapped {
    /// None where it is already.
    pub(in crate::gpu) fn new(device: &Device, vk_buffer: u64) -> Option<Own<Wrapped>> {
        let this = (std::ptr::from_ref(device.raw()).addr(), vk_buffer);
        all().insert(this).then(|| Own::new(Wrapped(this)))
    }
}

impl Drop for Wrapped {
    fn drop(&mut self) {
        all().remove(&self.0);
    }
}
