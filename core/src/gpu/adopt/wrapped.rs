//! Which of an engine's buffers are wrapped. Two buffers of one would be two to wgpu, which puts no
//! barrier between what is done with the one and with the other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::gpu::device::Device;
use crate::gpu::own::Own;

/// Devices, by their address, and handles.
static WRAPPED: Mutex<Vec<(usize, u64)>> = Mutex::new(Vec::new());

fn all() -> MutexGuard<'static, Vec<(usize, u64)>> {
    WRAPPED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// That a buffer of a device is wrapped, until this goes, which is before the device does.
pub(in crate::gpu) struct Wrapped((usize, u64));

impl Wrapped {
    /// None where it is already.
    pub(super) fn new(device: &Device, vk_buffer: u64) -> Option<Own<Wrapped>> {
        let this = (std::ptr::from_ref(device.raw()).addr(), vk_buffer);
        let mut all = all();
        if all.contains(&this) {
            return None;
        }
        all.push(this);
        Some(Own::new(Wrapped(this)))
    }
}

impl Drop for Wrapped {
    fn drop(&mut self) {
        let mut all = all();
        if let Some(at) = all.iter().position(|one| *one == self.0) {
            all.swap_remove(at);
        }
    }
}
