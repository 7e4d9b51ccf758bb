//! An open device: its queue, its limits, and whether it is still there.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::adapters::{info, instance, ready, select};
use super::adopt::Borrowed;
use super::convert::Converter;
use super::error::{Error, Result};
use super::info::{AdapterInfo, DeviceStatus};
use super::options::DeviceOptions;
use super::own::{Opened, Own};
use super::ring::Ring;
use super::scope::{Unfinished, polled, text};
use super::ways::Ways;
use crate::dtype::DType;

/// An open device. Clones are the same device, which is closed with the last of them and of what was
/// made with it.
#[derive(Clone)]
pub struct Device(Arc<Inner>);

struct Inner {
    driver: Own<Driver>,
    info: AdapterInfo,
    /// Why the device is gone.
    lost: Arc<OnceLock<String>>,
    ways: Ways,
    /// One that submits at a time: the order of submissions is that of their numbers.
    submitting: Mutex<()>,
    /// How many submissions there were, and how many of them were seen to be done.
    submitted: AtomicU64,
    settled: AtomicU64,
}

/// What the driver, and wgpu, have of a device.
struct Driver {
    // Dropped in this order: what was made with the device before it.
    ring: Ring,
    downloads: Ring,
    converter: Converter,
    /// Of an adopted device.
    borrowed: Option<Borrowed>,
    queue: wgpu::Queue,
    raw: wgpu::Device,
    /// Of one that was opened here.
    _opened: Option<Opened>,
}

/// Whose device it is.
pub(super) enum Side {
    /// Opened here.
    Ours(Opened),
    /// Adopted.
    Engine(Borrowed),
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("adapter", &self.0.info.name)
            .field("lost", &self.0.lost.get())
            .finish_non_exhaustive()
    }
}

/// What submissions are called in errors.
const SUBMITTING: &str = "submitting commands";

/// How often wgpu is asked for a wait's end when it panics, and doesn't tell that the device is lost.
/// It does so where a wait timed out, and another thread saw the last submission end before this one
/// looks at the queue again (wgpu-core 30.0.1, `Device::maintain`: "should never be hit"). Asked again,
/// it knows.
const ASKED: u32 = 4;

/// What is asked of wgpu. It has all features of that on every adapter of this backend; none is one of
/// Vulkan's.
pub(super) fn device_descriptor(adapter: &wgpu::Adapter) -> wgpu::DeviceDescriptor<'static> {
    wgpu::DeviceDescriptor {
        label: None,
        // The parameters of conversions.
        required_features: wgpu::Features::IMMEDIATES,
        required_limits: adapter.limits(),
        experimental_features: wgpu::ExperimentalFeatures::disabled(),
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        trace: wgpu::Trace::Off,
    }
}

impl Device {
    /// Opens an adapter.
    ///
    /// # Errors
    /// [`Error::NoGpu`], [`Error::Arguments`], [`Error::Unsupported`], [`Error::Failed`];
    /// [`Error::ForkedBeside`] in the child of a process that had devices open.
    pub fn open(options: &DeviceOptions) -> Result<Device> {
        let ring = Ring::new(options.staging()?);
        let opened_here = Opened::new().ok_or(Error::ForkedBeside)?;
        let adapter = select(&instance(), options.select)?;
        let info = info(&adapter);
        let ways = options.ways(&info)?;
        let opened = ready(adapter.request_device(&device_descriptor(&adapter)));
        let opened = opened.ok_or(Error::Internal("a device that isn't opened at once"))?;
        let (raw, queue) = opened.map_err(|error| Error::Failed {
            adapter: info.name.clone(),
            what: "opening the device",
            why: text(&error),
        })?;
        Ok(Device::of(
            raw,
            queue,
            info,
            ways,
            ring,
            Side::Ours(opened_here),
        ))
    }

    /// A device that was opened.
    pub(super) fn of(
        raw: wgpu::Device,
        queue: wgpu::Queue,
        info: AdapterInfo,
        ways: Ways,
        ring: Ring,
        side: Side,
    ) -> Device {
        let lost = Arc::new(OnceLock::new());
        let told = Arc::clone(&lost);
        raw.set_device_lost_callback(move |reason, why| {
            let why = match (reason, why.is_empty()) {
                (wgpu::DeviceLostReason::Destroyed, _) => "it was destroyed".to_owned(),
                (_, true) => "the driver doesn't say why".to_owned(),
                (_, false) => why,
            };
            // What came first is what was wrong.
            let _ = told.set(why);
        });
        // The default handler panics. Everything of ours runs in scopes, so that nothing comes here
        // but what wgpu tells of a device that is gone.
        raw.on_uncaptured_error(Arc::new(|error: wgpu::Error| {
            log::warn!("GPU: {}", text(&error));
        }));
        let (borrowed, opened) = match side {
            Side::Ours(opened) => (None, Some(opened)),
            Side::Engine(borrowed) => (Some(borrowed), None),
        };
        Device(Arc::new(Inner {
            driver: Own::new(Driver {
                downloads: ring.for_downloads(),
                ring,
                converter: Converter::default(),
                borrowed,
                queue,
                raw,
                _opened: opened,
            }),
            info,
            lost,
            ways,
            submitting: Mutex::new(()),
            submitted: AtomicU64::new(0),
            settled: AtomicU64::new(0),
        }))
    }

    /// The adapter.
    #[must_use]
    pub fn info(&self) -> &AdapterInfo {
        &self.0.info
    }

    /// Whether the device is still there.
    #[must_use]
    pub fn status(&self) -> DeviceStatus {
        DeviceStatus {
            lost: self.0.lost.get().cloned(),
        }
    }

    /// Whether buffers are written where they lie, without staging.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.0.ways.direct
    }

    /// Whether the card converts this on its way into a buffer.
    pub(super) fn converts(&self, from: DType, to: DType) -> bool {
        self.0.ways.card_converts && Converter::supports(from, to)
    }

    /// Waits until the card has done all that was submitted.
    ///
    /// # Errors
    /// [`Error::Lost`], [`Error::Forked`].
    pub fn wait_idle(&self) -> Result<()> {
        self.wait(None, None)
    }

    /// An error once the device is lost, and in a forked child.
    ///
    /// # Errors
    /// [`Error::Lost`].
    pub fn sound(&self) -> Result<()> {
        if !Own::is_ours(&self.0.driver) {
            let adapter = self.0.info.name.clone();
            return Err(Error::Forked { adapter });
        }
        match self.0.lost.get() {
            None => Ok(()),
            Some(why) => Err(Error::Lost {
                adapter: self.0.info.name.clone(),
                why: why.clone(),
            }),
        }
    }

    pub(super) fn raw(&self) -> &wgpu::Device {
        &self.0.driver.raw
    }

    /// Whether the other one is this one.
    pub(super) fn is_same(&self, other: &Device) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The conversions on the card.
    pub(super) fn converter(&self) -> &Converter {
        &self.0.driver.converter
    }

    pub(super) fn borrowed(&self) -> Option<&Borrowed> {
        self.0.driver.borrowed.as_ref()
    }

    pub(super) fn queue(&self) -> &wgpu::Queue {
        &self.0.driver.queue
    }

    /// What uploads go through.
    pub(super) fn ring(&self) -> &Ring {
        &self.0.driver.ring
    }

    /// What downloads go through.
    pub(super) fn downloads(&self) -> &Ring {
        &self.0.driver.downloads
    }

    /// Submits what `encode` makes; the number is what to wait for.
    pub(super) fn run(
        &self,
        encode: impl FnOnce(&mut wgpu::CommandEncoder) -> Result<()>,
    ) -> Result<wgpu::SubmissionIndex> {
        self.scoped(SUBMITTING, 0, || {
            let descriptor = wgpu::CommandEncoderDescriptor::default();
            let mut commands = self.raw().create_command_encoder(&descriptor);
            encode(&mut commands)?;
            Ok(self.submit_now(commands.finish()))
        })?
    }

    fn submit_now(&self, commands: wgpu::CommandBuffer) -> wgpu::SubmissionIndex {
        let _one: MutexGuard<'_, ()> = self
            .0
            .submitting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let submission = self.queue().submit([commands]);
        self.0.submitted.fetch_add(1, Ordering::Release);
        submission
    }

    /// Waits until the card has done all that this thread knows of; cheap where there is nothing.
    pub(super) fn settle(&self) -> Result<()> {
        let submitted = self.0.submitted.load(Ordering::Acquire);
        if self.0.settled.load(Ordering::Acquire) < submitted {
            self.wait(None, None)?;
            self.0.settled.fetch_max(submitted, Ordering::AcqRel);
        }
        self.sound()
    }

    /// Loses the device, as a driver does that fails.
    #[cfg(any(test, feature = "test-hooks"))]
    #[doc(hidden)]
    pub fn lose(&self) {
        self.raw().destroy();
        // It is told when the card has ended what it was told before.
        let _ = polled(self.raw(), None, None);
    }

    /// That the device is lost, learned from the driver itself.
    pub(super) fn lost(&self, why: String) -> Error {
        let why = self.0.lost.get_or_init(|| why).clone();
        let adapter = self.0.info.name.clone();
        Error::Lost { adapter, why }
    }

    /// Waits for a submission, or for all so far; callbacks of what is done run in here.
    pub(super) fn wait(
        &self,
        submission: Option<wgpu::SubmissionIndex>,
        timeout: Option<Duration>,
    ) -> Result<()> {
        self.sound()?;
        let mut said = String::new();
        for _ in 0..ASKED {
            match polled(self.raw(), submission.clone(), timeout) {
                Ok(()) => return self.sound(),
                Err(Unfinished::NotYet) => {
                    self.sound()?;
                    return Err(Error::Timeout);
                }
                Err(Unfinished::Never(why)) => {
                    self.sound()?;
                    said = why;
                }
            }
        }
        Err(self.lost(said))
    }
}
