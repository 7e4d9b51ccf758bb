//! Which buffers must not be wrapped: those of an engine's that are, and our own that it was shown. Two
//! buffers of one would be two to wgpu, which puts no barrier between what is done with the one and
//! with the other.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::gpu::device::Device;
use crate::gpu::error::Result;
use crate::gpu::own::Own;

/// A process, since a forked child has the parent's list and none of its buffers; a VkDevice, which may
/// be adopted by several of its queues; a VkBuffer.
type Known = (u32, u64, u64);

static WRAPPED: Mutex<BTreeSet<Known>> = Mutex::new(BTreeSet::new());

fn all() -> MutexGuard<'static, BTreeSet<Known>> {
    WRAPPED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// That a VkBuffer is a buffer of this library's, until this goes, which is before the VkBuffer does.
pub(in crate::gpu) struct Wrapped(Known);

impl Wrapped {
    /// None where it is already.
    ///
    /// # Errors
    /// The device's.
    pub(in crate::gpu) fn new(device: &Device, vk_buffer: u64) -> Result<Option<Own<Wrapped>>> {
        let this = (std::process::id(), device.native()?.device, vk_buffer);
        Ok(all().insert(this).then(|| Own::new(Wrapped(this))))
    }
}

impl Drop for Wrapped {
    fn drop(&mut self) {
        all().remove(&self.0);
    }
}
