//! What a build without the cargo feature has in the place of devices: types of which there is no
//! value, so that nothing of them can ever be called, and functions that answer so.

use std::time::Duration;

use super::error::{Error, Result};
use super::info::{AdapterInfo, DeviceStatus};
use super::options::{DeviceOptions, ModelOptions};
use super::place::Place;
use super::vulkan::{Adopted, Native};
use crate::dtype::DType;
use crate::model::Model;
use crate::transfer::{Item, LoadOptions, Room, Stats, Watch};

#[derive(Clone, Copy, Debug)]
enum Never {}

/// An open device.
#[derive(Clone, Debug)]
pub struct Device(Never);

/// A buffer on the card.
#[derive(Clone, Debug)]
pub struct Buffer(Never);

/// Something that the card was told to do.
#[derive(Clone, Debug)]
pub struct Ticket(Never);

/// The adapters.
///
/// # Errors
/// [`Error::NotBuilt`].
pub fn adapters() -> Result<Vec<AdapterInfo>> {
    Err(Error::NotBuilt)
}

impl Device {
    /// Opens an adapter.
    ///
    /// # Errors
    /// [`Error::NotBuilt`].
    pub fn open(_options: &DeviceOptions) -> Result<Device> {
        Err(Error::NotBuilt)
    }

    /// The adapter.
    #[must_use]
    pub fn info(&self) -> &AdapterInfo {
        match self.0 {}
    }

    /// Whether the device is still there.
    #[must_use]
    pub fn status(&self) -> DeviceStatus {
        match self.0 {}
    }

    /// Uses an engine's device.
    ///
    /// # Errors
    /// [`Error::NotBuilt`].
    ///
    /// # Safety
    /// Nothing is done with the handles.
    pub unsafe fn adopt(_adopted: Adopted, _options: &DeviceOptions) -> Result<Device> {
        Err(Error::NotBuilt)
    }

    /// Its handles.
    ///
    /// # Errors
    /// None: there is no device.
    pub fn native(&self) -> Result<Native> {
        match self.0 {}
    }

    /// What the last submission signals.
    #[must_use]
    pub fn signaled(&self) -> Option<u64> {
        match self.0 {}
    }

    /// Whether buffers are written where they lie, without staging.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        match self.0 {}
    }

    /// An error once the device is lost.
    ///
    /// # Errors
    /// None: there is no device.
    pub fn sound(&self) -> Result<()> {
        match self.0 {}
    }

    /// Loses it.
    #[cfg(feature = "test-hooks")]
    pub fn lose(&self) {
        match self.0 {}
    }

    /// Waits until the card has done all that was submitted.
    ///
    /// # Errors
    /// None: there is no device.
    pub fn wait_idle(&self) -> Result<()> {
        match self.0 {}
    }
}

impl Buffer {
    /// Makes a buffer.
    ///
    /// # Errors
    /// None: there is no device.
    pub fn create(device: &Device, _size: u64) -> Result<Buffer> {
        match device.0 {}
    }

    /// An engine's own buffer.
    ///
    /// # Errors
    /// None: there is no device.
    ///
    /// # Safety
    /// Nothing is done with the handle.
    pub unsafe fn wrap(device: &Device, _vk_buffer: u64, _size: u64) -> Result<Buffer> {
        match device.0 {}
    }

    /// The `VkBuffer`.
    ///
    /// # Errors
    /// None: there is no buffer.
    pub fn native(&self) -> Result<u64> {
        match self.0 {}
    }

    /// Its bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self.0 {}
    }

    /// The device that it is on.
    #[must_use]
    pub fn device(&self) -> &Device {
        match self.0 {}
    }

    /// Whether the host writes it where it lies.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        match self.0 {}
    }
}

impl Ticket {
    /// Waits until it is done.
    ///
    /// # Errors
    /// None: there is no ticket.
    pub fn wait(&self, _timeout: Option<Duration>) -> Result<()> {
        match self.0 {}
    }

    /// Whether it is done, without waiting.
    ///
    /// # Errors
    /// None: there is no ticket.
    pub fn is_done(&self) -> Result<bool> {
        match self.0 {}
    }
}

/// An item that goes to a buffer.
#[derive(Clone, Debug)]
pub struct Upload {
    /// What.
    pub item: Item,
    /// Where to.
    pub buffer: Buffer,
    /// Where in it.
    pub offset: u64,
    /// Convert on the host even where the card can.
    pub on_host: bool,
}

/// Uploads items.
///
/// # Errors
/// [`Error::NotBuilt`].
pub fn upload(
    _uploads: &[Upload],
    _options: &LoadOptions,
    _watch: &mut dyn Watch,
) -> Result<(Ticket, Stats)> {
    Err(Error::NotBuilt)
}

/// Copies bytes of a buffer to memory.
///
/// # Errors
/// None: there is no buffer.
pub fn download(buffer: &Buffer, _offset: u64, _to: Room) -> Result<()> {
    match buffer.0 {}
}

/// Converts on the card.
///
/// # Errors
/// None: there is no buffer.
pub fn convert(
    from: (&Buffer, u64, DType),
    _to: (&Buffer, u64, DType),
    _elements: u64,
) -> Result<Ticket> {
    match from.0.0 {}
}

/// A model's tensors in buffers.
#[derive(Debug)]
pub struct GpuModel(Never);

impl GpuModel {
    /// How many tensors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {}
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self.0 {}
    }

    /// In how many parts a tensor lies.
    #[must_use]
    pub fn parts(&self, _index: usize) -> Option<usize> {
        match self.0 {}
    }

    /// Where a part lies.
    #[must_use]
    pub fn place(&self, _index: usize, _part: usize) -> Option<Place> {
        match self.0 {}
    }

    /// The buffers.
    #[must_use]
    pub fn buffers(&self) -> &[Buffer] {
        match self.0 {}
    }
}

/// Uploads all tensors of a model.
///
/// # Errors
/// None: there is no device.
pub fn upload_model(
    device: &Device,
    _model: &Model,
    _options: &ModelOptions,
    _load: &LoadOptions,
    _watch: &mut dyn Watch,
) -> Result<(GpuModel, Stats)> {
    match device.0 {}
}
