//! wgpu by itself, on the same adapter.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wgpu::util::StagingBelt;
use wgpu::{Buffer, BufferUsages};

use crate::Result;

/// What a belt's buffers have, as ours.
const CHUNK: usize = 4 << 20;

/// How wgpu uploads.
#[derive(Clone, Copy, Debug)]
pub enum PeerWay {
    /// `Queue::write_buffer`.
    WriteBuffer,
    /// `util::StagingBelt`, a submit for each of its buffers.
    Belt,
}

/// All of them.
pub const WAYS: [PeerWay; 2] = [PeerWay::WriteBuffer, PeerWay::Belt];

impl PeerWay {
    /// Its name in lines.
    pub fn name(self) -> &'static str {
        match self {
            PeerWay::WriteBuffer => "Queue::write_buffer",
            PeerWay::Belt => "StagingBelt",
        }
    }
}

/// A device.
#[derive(Debug)]
pub struct Peer {
    device: wgpu::Device,
    queue: wgpu::Queue,
    belt: StagingBelt,
}

fn ready<T>(future: impl Future<Output = T>) -> Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err("wgpu isn't ready at once".into()),
    }
}

impl Peer {
    /// Opens the adapter of this name.
    ///
    /// # Errors
    /// wgpu's.
    pub fn open(name: &str) -> Result<Peer> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::VULKAN;
        descriptor.flags = wgpu::InstanceFlags::empty();
        let instance = wgpu::Instance::new(descriptor);
        let adapters = ready(instance.enumerate_adapters(wgpu::Backends::VULKAN))?;
        let adapter = adapters
            .iter()
            .find(|adapter| adapter.get_info().name == name);
        let adapter = adapter.ok_or("wgpu doesn't find the adapter")?;
        let (device, queue) = ready(adapter.request_device(&wgpu::DeviceDescriptor {
            label: None,
            required_features: wgpu::Features::empty(),
            required_limits: adapter.limits(),
            experimental_features: wgpu::ExperimentalFeatures::disabled(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            trace: wgpu::Trace::Off,
        }))??;
        let belt = StagingBelt::new(device.clone(), CHUNK as u64);
        Ok(Peer {
            device,
            queue,
            belt,
        })
    }

    /// A buffer.
    pub fn buffer(&self, bytes: usize) -> Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes as u64,
            usage: BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        })
    }

    fn wait(&self) -> Result<()> {
        self.device.poll(wgpu::PollType::wait_indefinitely())?;
        Ok(())
    }

    /// Uploads bytes, and returns when the card has them.
    ///
    /// # Errors
    /// wgpu's.
    pub fn upload(&mut self, way: PeerWay, to: &Buffer, bytes: &[u8]) -> Result<()> {
        match way {
            PeerWay::WriteBuffer => {
                self.queue.write_buffer(to, 0, bytes);
                self.queue.submit([]);
            }
            PeerWay::Belt => {
                for (number, part) in bytes.chunks(CHUNK).enumerate() {
                    self.belt_one(to, (number * CHUNK) as u64, part)?;
                }
            }
        }
        self.wait()
    }

    fn belt_one(&mut self, to: &Buffer, offset: u64, part: &[u8]) -> Result<()> {
        let size = wgpu::BufferSize::new(part.len() as u64).ok_or("no bytes")?;
        let mut encoder = self
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.belt
            .write_buffer(&mut encoder, to, offset, size)
            .copy_from_slice(part);
        self.belt.finish();
        self.queue.submit([encoder.finish()]);
        self.belt.recall();
        self.device.poll(wgpu::PollType::Poll)?;
        Ok(())
    }

    /// `Queue::write_buffer` of each part, with a submit for each or one at the end.
    ///
    /// # Errors
    /// wgpu's.
    pub fn write_each(
        &mut self,
        to: &Buffer,
        bytes: &[u8],
        part: usize,
        submit: bool,
    ) -> Result<()> {
        for (number, bytes) in bytes.chunks(part).enumerate() {
            self.queue.write_buffer(to, (number * part) as u64, bytes);
            if submit {
                self.queue.submit([]);
            }
        }
        self.queue.submit([]);
        self.wait()
    }
}
