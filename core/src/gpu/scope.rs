//! What wgpu says of a call, whose errors come through scopes, the innermost first; and what Vulkan
//! itself does.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use ash::vk;

use super::adapters::ready;
use super::device::Device;
use super::error::{Error, Result};

impl Device {
    /// Runs calls of wgpu's, none of which waits; what goes wrong with them is their error. `what`
    /// and `bytes` say in it what they are for.
    pub(super) fn scoped<T>(
        &self,
        what: &'static str,
        bytes: u64,
        calls: impl FnOnce() -> T,
    ) -> Result<T> {
        self.sound()?;
        let device = self.raw();
        let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let value = calls();
        let said = [
            ready(validation.pop()),
            ready(memory.pop()),
            ready(internal.pop()),
        ];
        // A device that is lost tells of nothing else.
        self.sound()?;
        let first = said.into_iter().flatten().flatten().next();
        first.map_or(Ok(value), |error| Err(self.error(what, bytes, &error)))
    }

    fn error(&self, what: &'static str, bytes: u64, error: &wgpu::Error) -> Error {
        let adapter = self.info().name.clone();
        let why = text(error);
        match error {
            wgpu::Error::OutOfMemory { .. } => Error::OutOfMemory {
                adapter,
                what,
                bytes,
                why,
            },
            wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. } => {
                Error::Failed { adapter, what, why }
            }
        }
    }
}

/// How a wait ends without what was waited for.
pub(super) enum Unfinished {
    /// The time is over.
    NotYet,
    /// wgpu gave up, and why.
    Never(String),
}

/// Waits for a submission, or for all so far; callbacks of what is done run in here.
///
/// Where the driver answers a wait with an error, a lost device's above all, wgpu loses the device and
/// then panics (wgpu 30.0.1, `CoreDevice::poll`). Its locks are free by then: the panic stops here.
pub(super) fn polled(
    raw: &wgpu::Device,
    submission: Option<wgpu::SubmissionIndex>,
    timeout: Option<Duration>,
) -> std::result::Result<(), Unfinished> {
    let wait = wgpu::PollType::Wait {
        submission_index: submission,
        timeout,
    };
    match catch_unwind(AssertUnwindSafe(|| raw.poll(wait))) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(wgpu::PollError::Timeout)) => Err(Unfinished::NotYet),
        // A submission that never was. wgpu refuses one without a word on a device that it has lost,
        // which it tells a moment later.
        Ok(Err(error @ wgpu::PollError::WrongSubmissionIndex(..))) => {
            Err(Unfinished::Never(text(&error)))
        }
        Err(panic) => Err(Unfinished::Never(said(panic.as_ref()))),
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a wait failed").to_owned()
}

/// What a driver's answer means.
pub(super) fn refused(adapter: &str, what: &'static str, bytes: u64, code: vk::Result) -> Error {
    let adapter = adapter.to_owned();
    let why = format!("Vulkan answers {code:?}");
    match code {
        vk::Result::ERROR_OUT_OF_HOST_MEMORY
        | vk::Result::ERROR_OUT_OF_DEVICE_MEMORY
        | vk::Result::ERROR_MEMORY_MAP_FAILED
        | vk::Result::ERROR_TOO_MANY_OBJECTS => Error::OutOfMemory {
            adapter,
            what,
            bytes,
            why,
        },
        vk::Result::ERROR_DEVICE_LOST => Error::Lost { adapter, why },
        _ => Error::Failed { adapter, what, why },
    }
}

/// An error and its causes, on one line.
pub(super) fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}
