//! A ring of staging buffers: for uploads filled by the host, copied from by the card, and filled again;
//! for downloads the other way round. They are made when they are needed first, and stay mapped.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::buffer::COPY_ALIGN;
use super::device::Device;
use super::error::{Error, Result};
use super::held::Held;
use super::memory::{Mapped, Purpose, Shared};

/// A staging buffer.
pub(super) struct Chunk {
    raw: wgpu::Buffer,
    memory: Shared,
    /// The card's last use of it.
    last: Option<wgpu::SubmissionIndex>,
}

impl Chunk {
    fn new(device: &Device, purpose: Purpose, bytes: u64) -> Result<Chunk> {
        let (memory, raw) = Mapped::new(device, purpose, bytes)?;
        Ok(Chunk {
            raw,
            memory,
            last: None,
        })
    }

    /// Its memory once the card is done with it.
    pub(super) fn ready(&mut self, device: &Device) -> Result<*mut u8> {
        if let Some(last) = &self.last {
            device.wait(Some(last.clone()), None)?;
            self.last = None;
        }
        Ok(self.memory.start())
    }

    pub(super) fn start(&self) -> *mut u8 {
        self.memory.start()
    }

    /// What the card was told to do with it.
    pub(super) fn used(&mut self, submission: wgpu::SubmissionIndex) {
        self.last = Some(submission);
    }

    /// Its buffer.
    pub(super) fn raw(&self) -> &wgpu::Buffer {
        &self.raw
    }
}

pub(super) struct Ring {
    purpose: Purpose,
    chunk_bytes: u64,
    most: usize,
    state: Mutex<State>,
    changed: Condvar,
    /// On the card, as large as a chunk, for what is converted there; made when it is needed first. One
    /// is enough: the card comes to submissions one after the other.
    scratch: Mutex<Option<wgpu::Buffer>>,
}

#[derive(Default)]
struct State {
    /// The one that was used longest ago first.
    idle: VecDeque<Chunk>,
    /// How many there are, in use or not.
    made: usize,
}

impl Ring {
    /// For uploads.
    pub(super) fn new((chunk_bytes, most): (u64, u32)) -> Ring {
        Ring::of(Purpose::Upload, chunk_bytes, most as usize)
    }

    /// One for downloads, of chunks as large: one is read while the card fills another.
    pub(super) fn for_downloads(&self) -> Ring {
        Ring::of(Purpose::Download, self.chunk_bytes, 2)
    }

    fn of(purpose: Purpose, chunk_bytes: u64, most: usize) -> Ring {
        debug_assert!(chunk_bytes.is_multiple_of(COPY_ALIGN));
        Ring {
            purpose,
            chunk_bytes,
            most,
            state: Mutex::default(),
            changed: Condvar::new(),
            scratch: Mutex::default(),
        }
    }

    pub(super) fn chunk_bytes(&self) -> u64 {
        self.chunk_bytes
    }

    /// The buffer on the card that chunks are copied to where the card converts.
    pub(super) fn scratch(&self, device: &Device) -> Result<wgpu::Buffer> {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*scratch {
            return Ok(made.clone());
        }
        let made = device.scoped("a buffer to convert from", self.chunk_bytes, || {
            device.raw().create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: self.chunk_bytes,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })?;
        Ok(scratch.insert(made).clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chunks for `bytes` bytes: one, waited for where others have them all, and as many more as are of
    /// use, fair and there. Nobody waits for more while having some.
    ///
    /// # Errors
    /// [`Error::Arguments`] on a thread that has some, in a callback of the upload that took them.
    pub(super) fn take<'a>(&'a self, device: &'a Device, bytes: u64) -> Result<Taken<'a>> {
        let held = Held::new(std::ptr::from_ref(self).addr()).ok_or_else(|| Error::Arguments {
            why: "an upload from a callback of another upload on the same GPU: it would wait for \
                  staging buffers that the other one has"
                .to_owned(),
            item: None,
        })?;
        let useful = usize::try_from(bytes.div_ceil(self.chunk_bytes)).unwrap_or(usize::MAX);
        // Two are filled and copied in turn; what is left lets another thread begin at once.
        let fair = (self.most / 2).max(2);
        let mut taken = Taken {
            ring: self,
            device,
            _held: held,
            chunks: Vec::with_capacity(useful.min(fair)),
        };
        taken.chunks.push(self.take_one(device)?);
        while taken.chunks.len() < useful.min(fair) {
            let mut state = self.state();
            if let Some(chunk) = state.idle.pop_front() {
                taken.chunks.push(chunk);
                continue;
            }
            if state.made >= self.most {
                break;
            }
            state.made += 1;
            drop(state);
            match self.make(device) {
                Ok(chunk) => taken.chunks.push(chunk),
                // One is enough.
                Err(Error::OutOfMemory { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    fn take_one(&self, device: &Device) -> Result<Chunk> {
        let mut state = self.state();
        loop {
            device.sound()?;
            // Another is better than one that the card still uses: copies go on meanwhile.
            let rested = state.idle.front().is_some_and(|chunk| chunk.last.is_none());
            if !rested && state.made < self.most {
                state.made += 1;
                drop(state);
                match self.make(device) {
                    Err(Error::OutOfMemory { .. }) if self.state().made > 0 => {}
                    made => return made,
                }
                state = self.state();
            }
            if let Some(chunk) = state.idle.pop_front() {
                return Ok(chunk);
            }
            if state.made == 0 {
                // All were given up meanwhile.
                continue;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A new one, which is counted already.
    fn make(&self, device: &Device) -> Result<Chunk> {
        let counted = Counted(self);
        let made = Chunk::new(device, self.purpose, self.chunk_bytes)?;
        std::mem::forget(counted);
        Ok(made)
    }
}

/// That a chunk is counted which isn't there yet, and isn't any more when this goes: on an error, and
/// when making it panics.
struct Counted<'a>(&'a Ring);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.state().made -= 1;
        self.0.changed.notify_all();
    }
}

/// Chunks that are one's own until this goes, when nobody uses them any more but the card.
pub(super) struct Taken<'a> {
    ring: &'a Ring,
    device: &'a Device,
    _held: Held,
    chunks: Vec<Chunk>,
}

impl Deref for Taken<'_> {
    type Target = [Chunk];

    fn deref(&self) -> &[Chunk] {
        &self.chunks
    }
}

impl DerefMut for Taken<'_> {
    fn deref_mut(&mut self) -> &mut [Chunk] {
        &mut self.chunks
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut state = self.ring.state();
        state.idle.extend(self.chunks.drain(..));
        let mut freed = VecDeque::new();
        // A device that is gone needs none.
        if self.device.sound().is_err() {
            std::mem::swap(&mut state.idle, &mut freed);
            state.made -= freed.len();
        }
        drop(state);
        drop(freed);
        self.ring.changed.notify_all();
    }
}
