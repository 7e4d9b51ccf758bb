//! What an upload leaves behind: whether the card has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::device::Device;
use super::error::{Error, Result};

/// Something that the card was told to do. It keeps the device open.
#[derive(Clone, Debug)]
pub struct Ticket {
    device: Device,
    /// None where it was done before the ticket was made.
    submission: Option<wgpu::SubmissionIndex>,
    /// Whether it was seen to be done.
    done: Arc<AtomicBool>,
}

impl Ticket {
    pub(super) fn new(device: Device, submission: Option<wgpu::SubmissionIndex>) -> Ticket {
        let done = Arc::new(AtomicBool::new(submission.is_none()));
        Ticket {
            device,
            submission,
            done,
        }
    }

    /// Waits until it is done; without a timeout as long as it takes. Threads may wait at once, and
    /// upload meanwhile.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Lost`], [`Error::Forked`].
    pub fn wait(&self, timeout: Option<Duration>) -> Result<()> {
        let Some(submission) = &self.submission else {
            return self.device.sound();
        };
        if self.done.load(Ordering::Acquire) {
            return self.device.sound();
        }
        self.device.wait(Some(submission.clone()), timeout)?;
        self.done.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether it is done, without waiting.
    ///
    /// # Errors
    /// [`Error::Lost`], [`Error::Forked`].
    pub fn is_done(&self) -> Result<bool> {
        match self.wait(Some(Duration::ZERO)) {
            Ok(()) => Ok(true),
            Err(Error::Timeout) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
