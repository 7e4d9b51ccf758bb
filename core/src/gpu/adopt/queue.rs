//! The one queue of an adopted device. wgpu calls `vkQueueSubmit` and `vkQueueWaitIdle` at places of
//! its own choice, so that these two are replaced where it looks them up: by functions that take the
//! engine's lock, and have the engine's semaphore signalled.
//!
//! So is `vkGetFenceStatus`. wgpu has fences where it sees no timeline semaphores, and may ask for the
//! status of one on one thread while another is submitting it (wgpu-hal 30.0.1, `Queue::submit`: it is
//! among the active ones before), which Vulkan forbids.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ash::vk::{self, Handle};

use crate::gpu::scope::polled;
use crate::gpu::vulkan::{QueueLock, Timeline};
use crate::map::Owner;

/// The queue, and how it is used.
pub(in crate::gpu) struct Queue {
    owner: Owner,
    device: vk::Device,
    raw: vk::Queue,
    family: u32,
    index: u32,
    submit: vk::PFN_vkQueueSubmit,
    wait_idle: vk::PFN_vkQueueWaitIdle,
    fence_status: vk::PFN_vkGetFenceStatus,
    lock: Option<Box<dyn QueueLock>>,
    semaphore: Option<Semaphore>,
    /// What the first submission signals.
    first: u64,
    /// What the last one signals; one less than the first before there is any.
    signaled: AtomicU64,
    /// Whether all of ours was waited for.
    idle: AtomicBool,
    /// Held while submitting, always inside of the engine's lock: the values of the semaphore rise in
    /// the order of the submissions, and no fence is looked at. Who looks at one doesn't take the
    /// engine's lock, which may be its own already.
    submitting: Mutex<()>,
}

/// The adopted queues. A function of Vulkan's is given nothing but the queue's handle.
static QUEUES: Mutex<Vec<Arc<Queue>>> = Mutex::new(Vec::new());

fn queues() -> MutexGuard<'static, Vec<Arc<Queue>>> {
    QUEUES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(raw: vk::Queue) -> Option<Arc<Queue>> {
    // The last: an older one at its address is a device's that is gone.
    let queues = queues();
    queues.iter().rfind(|queue| queue.raw == raw).cloned()
}

/// What a queue is made of.
pub(super) struct Parts {
    pub device: vk::Device,
    pub raw: vk::Queue,
    pub family: u32,
    pub index: u32,
    pub submit: vk::PFN_vkQueueSubmit,
    pub wait_idle: vk::PFN_vkQueueWaitIdle,
    pub fence_status: vk::PFN_vkGetFenceStatus,
    pub lock: Option<Box<dyn QueueLock>>,
    pub timeline: Option<(Timeline, vk::PFN_vkWaitSemaphores)>,
}

/// The engine's, and the function that waits for it.
struct Semaphore {
    raw: vk::Semaphore,
    wait: vk::PFN_vkWaitSemaphores,
}

/// That a queue is adopted, until this goes.
pub(super) struct Claim(Arc<Queue>);

impl Claim {
    /// None where the queue is adopted already.
    pub(super) fn new(parts: Parts) -> Option<Claim> {
        let Parts {
            device,
            raw,
            family,
            index,
            submit,
            wait_idle,
            fence_status,
            lock,
            timeline,
        } = parts;
        let mut queues = queues();
        // A forked child has the parent's list, and none of its devices.
        queues.retain(|queue| queue.owner.is_this_process());
        let is_this = |queue: &Arc<Queue>| (queue.device, queue.raw) == (device, raw);
        if queues.iter().any(is_this) {
            return None;
        }
        let first = timeline.map_or(1, |(timeline, _)| timeline.first);
        let semaphore = timeline.map(|(timeline, wait)| Semaphore {
            raw: vk::Semaphore::from_raw(timeline.semaphore),
            wait,
        });
        let queue = Arc::new(Queue {
            owner: Owner::this_process(),
            device,
            raw,
            family,
            index,
            submit,
            wait_idle,
            fence_status,
            lock,
            semaphore,
            first,
            signaled: AtomicU64::new(first - 1),
            idle: AtomicBool::new(false),
            submitting: Mutex::new(()),
        });
        queues.push(Arc::clone(&queue));
        Some(Claim(queue))
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.0
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        queues().retain(|queue| !Arc::ptr_eq(queue, &self.0));
    }
}

/// The engine's lock, held.
struct Held<'a>(Option<&'a dyn QueueLock>);

impl<'a> Held<'a> {
    fn new(lock: Option<&'a dyn QueueLock>) -> Held<'a> {
        if let Some(lock) = lock {
            lock.lock();
        }
        Held(lock)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(lock) = self.0 {
            lock.unlock();
        }
    }
}

impl Queue {
    pub(super) fn family(&self) -> u32 {
        self.family
    }

    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// Submits, and has the next value signalled behind it all: by one more batch, since a signal comes
    /// after everything that was submitted before it.
    fn submit(&self, batches: &[vk::SubmitInfo<'_>], fence: vk::Fence) -> vk::Result {
        let _held = Held::new(self.lock.as_deref());
        let _one = self.one();
        let Some(semaphore) = &self.semaphore else {
            return self.give(batches, fence);
        };
        let value = self.signaled.load(Ordering::Acquire).saturating_add(1);
        let (semaphores, values) = ([semaphore.raw], [value]);
        let mut timeline =
            vk::TimelineSemaphoreSubmitInfo::default().signal_semaphore_values(&values);
        let signal = vk::SubmitInfo::default()
            .signal_semaphores(&semaphores)
            .push_next(&mut timeline);
        let mut all = batches.to_vec();
        all.push(signal);
        let result = self.give(&all, fence);
        if result == vk::Result::SUCCESS {
            self.signaled.store(value, Ordering::Release);
        }
        result
    }

    /// Waits until the semaphore has what the last submission signals. The driver may tell of a
    /// submission's end before: the signal is an operation of its own.
    fn reached(&self) -> bool {
        let Some(semaphore) = &self.semaphore else {
            return true;
        };
        let signaled = self.told();
        if signaled == 0 {
            return true;
        }
        let (semaphores, values) = ([semaphore.raw], [signaled]);
        let wait = vk::SemaphoreWaitInfo::default()
            .semaphores(&semaphores)
            .values(&values);
        // SAFETY: the device's own function; the engine's device and semaphore live until it has
        // closed the device here, as it promised.
        let result = unsafe { (semaphore.wait)(self.device, &raw const wait, u64::MAX) };
        result == vk::Result::SUCCESS
    }

    /// What the last submission signals; 0 before there is any, which every semaphore has.
    fn told(&self) -> u64 {
        let signaled = self.signaled.load(Ordering::Acquire);
        if signaled < self.first { 0 } else { signaled }
    }

    fn one(&self) -> MutexGuard<'_, ()> {
        self.submitting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, batches: &[vk::SubmitInfo<'_>], fence: vk::Fence) -> vk::Result {
        let Ok(count) = u32::try_from(batches.len()) else {
            return vk::Result::ERROR_OUT_OF_HOST_MEMORY;
        };
        // SAFETY: the device's own function, with what wgpu made for it, under the queue's lock.
        unsafe { (self.submit)(self.raw, count, batches.as_ptr(), fence) }
    }
}

/// In the place of `vkQueueSubmit`.
pub(super) unsafe extern "system" fn queue_submit(
    raw: vk::Queue,
    count: u32,
    batches: *const vk::SubmitInfo<'_>,
    fence: vk::Fence,
) -> vk::Result {
    let Some(queue) = find(raw) else {
        return vk::Result::ERROR_UNKNOWN;
    };
    let batches = if count == 0 {
        &[]
    } else {
        // SAFETY: Vulkan asks for so many of them where the count isn't 0.
        unsafe { std::slice::from_raw_parts(batches, count as usize) }
    };
    queue.submit(batches, fence)
}

/// In the place of `vkQueueWaitIdle`. That waits for what the engine submitted too, which may in turn
/// wait for the caller: it isn't called where all of ours is done.
pub(super) unsafe extern "system" fn queue_wait_idle(raw: vk::Queue) -> vk::Result {
    let Some(queue) = find(raw) else {
        return vk::Result::ERROR_UNKNOWN;
    };
    if queue.idle.load(Ordering::Acquire) {
        return vk::Result::SUCCESS;
    }
    let _held = Held::new(queue.lock.as_deref());
    let _one = queue.one();
    // SAFETY: the device's own function, under the queue's lock.
    unsafe { (queue.wait_idle)(raw) }
}

/// In the place of `vkGetFenceStatus`.
pub(super) unsafe extern "system" fn fence_status(
    device: vk::Device,
    fence: vk::Fence,
) -> vk::Result {
    let mut of_device = Vec::clone(&queues());
    of_device.retain(|queue| queue.device == device);
    let Some(first) = of_device.first() else {
        return vk::Result::ERROR_UNKNOWN;
    };
    // Which of the queues it was submitted to isn't known. Everybody takes them in one order.
    let _none_submits: Vec<_> = of_device.iter().map(|queue| queue.one()).collect();
    // SAFETY: the device's own function, called as this one was, while nobody submits the fence.
    unsafe { (first.fence_status)(device, fence) }
}

/// What an adopted device has beside one that was opened here. Waits for the card when it goes.
pub(in crate::gpu) struct Borrowed {
    queue: Arc<Queue>,
    device: wgpu::Device,
}

impl Borrowed {
    pub(super) fn new(queue: Arc<Queue>, device: wgpu::Device) -> Borrowed {
        Borrowed { queue, device }
    }

    pub(super) fn signaled(&self) -> Option<u64> {
        self.queue.semaphore.as_ref().map(|_| self.queue.told())
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // By the fences of our own submissions. Nothing more is submitted: the device is going.
        let done = polled(&self.device, None, None);
        let idle = done.is_ok() && self.queue.reached();
        self.queue.idle.store(idle, Ordering::Release);
    }
}

impl fmt::Debug for Borrowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Borrowed").finish_non_exhaustive()
    }
}
