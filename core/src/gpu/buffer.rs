//! Buffers on the card.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::adopt::Wrapped;
use super::device::Device;
use super::error::{Error, Result};
use super::in_use::{InUse, Use};
use super::memory::{Mapped, Purpose, Shared};
use super::own::Own;
use super::unwritten::Unwritten;

/// What sizes and places of copies are multiples of.
pub(super) const COPY_ALIGN: u64 = wgpu::COPY_BUFFER_ALIGNMENT;

/// A buffer on the card. Clones are the same buffer; it keeps its device open.
#[derive(Clone)]
pub struct Buffer(Arc<Inner>);

struct Inner {
    /// From when on an engine knows it: its own, or one that it was shown. Dropped before the buffer,
    /// whose handle may be another's right after.
    wrapped: OnceLock<Own<Wrapped>>,
    // Dropped before the device.
    raw: Own<wgpu::Buffer>,
    /// Where the host writes it in place.
    memory: Option<Shared>,
    unwritten: Unwritten,
    /// By the host, where it lies.
    in_use: InUse,
    device: Device,
    /// As it was asked for; the raw buffer may have up to 3 bytes more.
    size: u64,
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("size", &self.0.size)
            .field("device", &self.0.device)
            .finish_non_exhaustive()
    }
}

impl Buffer {
    /// Makes a buffer of `size` bytes, all 0, for shaders and copies.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::OutOfMemory`], [`Error::Lost`], [`Error::Forked`],
    /// [`Error::Failed`].
    pub fn create(device: &Device, size: u64) -> Result<Buffer> {
        device.sound()?;
        let info = device.info();
        let limit = info.limits.buffer_bytes;
        if size > limit {
            return Err(Error::TooLarge {
                what: "a buffer",
                adapter: info.name.clone(),
                bytes: size,
                limit,
                instead: "split it over several",
            });
        }
        let bytes = size.next_multiple_of(COPY_ALIGN);
        if device.is_direct() && bytes > 0 {
            // Drivers may have no more of such memory, or of its pieces, but of the other.
            match Mapped::new(device, Purpose::Direct, bytes) {
                Ok((memory, raw)) => {
                    let unwritten = Unwritten::new(bytes);
                    return Ok(Buffer::with(device, raw, size, Some(memory), unwritten));
                }
                Err(error @ (Error::Lost { .. } | Error::Internal(_))) => return Err(error),
                Err(error) => log::info!("{error}"),
            }
        }
        let raw = device.scoped("a buffer", size, || {
            device.raw().create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: bytes,
                usage: Purpose::Direct.usage(),
                mapped_at_creation: false,
            })
        })?;
        Ok(Buffer::with(device, raw, size, None, Unwritten::new(bytes)))
    }

    /// A buffer of others, in which all is written.
    pub(super) fn of(
        device: &Device,
        raw: wgpu::Buffer,
        size: u64,
        wrapped: Own<Wrapped>,
    ) -> Buffer {
        Buffer(Arc::new(Inner {
            raw: Own::new(raw),
            wrapped: OnceLock::from(wrapped),
            memory: None,
            unwritten: Unwritten::new(0),
            in_use: InUse::default(),
            device: device.clone(),
            size,
        }))
    }

    fn with(
        device: &Device,
        raw: wgpu::Buffer,
        size: u64,
        memory: Option<Shared>,
        unwritten: Unwritten,
    ) -> Buffer {
        Buffer(Arc::new(Inner {
            raw: Own::new(raw),
            wrapped: OnceLock::new(),
            memory,
            unwritten,
            in_use: InUse::default(),
            device: device.clone(),
            size,
        }))
    }

    /// Its bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// The device that it is on.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// Whether the host writes it where it lies.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.0.memory.is_some()
    }

    /// Whether the two are one.
    #[must_use]
    pub fn is_same(&self, other: &Buffer) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// For an order among buffers.
    pub(super) fn number(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// wgpu's buffer, for any use: what nobody has written is 0 from now on. wgpu would see to that too,
    /// but only before uses that it knows of.
    pub(super) fn raw(&self) -> Result<&wgpu::Buffer> {
        let Inner { raw, memory, .. } = &*self.0;
        self.0.unwritten.take_all(|ranges| {
            if let Some(memory) = memory {
                for (&start, &end) in ranges {
                    // SAFETY: the range lies in the memory. Nobody uses it: who would takes it from what
                    // is unwritten first, and whoever did has ended and given it back.
                    unsafe { memory.clear(start, end - start) };
                }
                return Ok(());
            }
            let cleared = self.0.device.run(|commands| {
                for (&start, &end) in ranges {
                    commands.clear_buffer(raw, start, Some(end - start));
                }
                Ok(())
            });
            cleared.map(|_| ())
        })?;
        Ok(raw)
    }

    /// wgpu's buffer where nothing is read from it: for its handle, and for the card to write what
    /// [`super::fresh::Fresh`] has taken, whole words.
    pub(super) fn raw_unread(&self) -> &wgpu::Buffer {
        &self.0.raw
    }

    /// Says that an engine is shown its handle.
    pub(super) fn shown(&self, vk_buffer: u64) -> Result<()> {
        let Inner {
            wrapped, device, ..
        } = &*self.0;
        // Another thread may have said so right now.
        if wrapped.get().is_none()
            && let Some(new) = Wrapped::new(device, vk_buffer)?
        {
            wrapped.get_or_init(|| new);
        }
        Ok(())
    }

    /// The memory where the host writes it in place.
    pub(super) fn memory(&self) -> Option<&Shared> {
        self.0.memory.as_ref()
    }

    /// Says that the host writes these bytes in place, from and to multiples of [`COPY_ALIGN`].
    ///
    /// # Errors
    /// [`Error::Arguments`] where it is using some of them.
    pub(super) fn written(&self, bytes: Range<u64>, item: u64) -> Result<Use<'_>> {
        self.0.in_use.write(bytes.clone()).ok_or_else(|| {
            let Range { start, end } = bytes;
            Error::Arguments {
                why: format!(
                    "item {item} goes to bytes {start} to {end} of a buffer, of which another call \
                     is using some right now"
                ),
                item: Some(item),
            }
        })
    }

    /// Says that the host reads these bytes in place.
    ///
    /// # Errors
    /// [`Error::Arguments`] where it is writing some of them.
    pub(super) fn read(&self, bytes: Range<u64>) -> Result<Use<'_>> {
        self.0.in_use.read(bytes.clone()).ok_or_else(|| {
            let Range { start, end } = bytes;
            let why = format!(
                "a download of bytes {start} to {end} of a buffer, of which another call is writing \
                 some right now"
            );
            Error::Arguments { why, item: None }
        })
    }

    /// Which of these bytes nobody has written; somebody has from now on.
    pub(super) fn take_unwritten(&self, bytes: Range<u64>) -> Vec<Range<u64>> {
        self.0.unwritten.take(bytes)
    }

    /// Gives back what was taken so, and wasn't written, or in part: it becomes 0 when it is needed. An
    /// engine that knows the buffer may need it at once, and on whichever queue.
    pub(super) fn give_unwritten(&self, ranges: &[Range<u64>]) {
        self.0.unwritten.give_back(ranges);
        if self.0.wrapped.get().is_some() {
            // Where it can't be cleared it stays unwritten, and there is an error to tell already.
            let _ = self.raw().and_then(|_| self.0.device.settle());
        }
    }
}
