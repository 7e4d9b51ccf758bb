//! What the GPU tests share: the software driver's devices, sources, and buffers read back.

#![allow(dead_code, reason = "each test uses a part of this")]

pub mod child;

use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::gpu::{
    AdapterKind, Buffer, ConvertPath, Device, DeviceOptions, Error, MemoryPath, Result, Select,
    Upload, download, upload,
};
use adit_core::map::{BytesOwner, Data, DataOptions, Region};
use adit_core::tensor::{Shape, Source};
use adit_core::transfer::{Item, LoadOptions, Room};

use crate::common::skip;

/// Both ways into a buffer.
pub const PATHS: [MemoryPath; 2] = [MemoryPath::Staging, MemoryPath::Direct];

/// The smallest ring there can be.
pub fn tiny(memory: MemoryPath) -> DeviceOptions {
    DeviceOptions {
        select: Select::Kind(AdapterKind::Software),
        chunk_bytes: 64 << 10,
        chunks: 2,
        memory,
        convert: ConvertPath::Card,
    }
}

/// The software driver, opened so; none where it isn't there, which is counted.
pub fn open(options: &DeviceOptions) -> Option<Device> {
    match Device::open(options) {
        Ok(device) => Some(device),
        Err(Error::NoGpu { .. }) => {
            let missing = "a software driver of Vulkan: mesa-vulkan-drivers, libvulkan1";
            skip("uploads to a GPU", missing);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

struct Bytes(Vec<u8>);

// SAFETY: the vector's bytes stay where they are, and nobody writes them.
unsafe impl BytesOwner for Bytes {
    fn region(&self) -> Region<'_> {
        // SAFETY: as above; they live as long as the borrow.
        unsafe { Region::new(self.0.as_ptr(), self.0.len()) }
    }
}

/// Bytes in memory.
pub fn data(bytes: &[u8]) -> Arc<Data> {
    Arc::new(Data::lent(Box::new(Bytes(bytes.to_vec()))))
}

/// A file, opened so.
pub fn file(path: &std::path::Path, options: &DataOptions) -> Arc<Data> {
    Arc::new(Data::open(path, options).unwrap())
}

/// A tensor of one dimension.
pub fn source(data: &Arc<Data>, offset: u64, dtype: DType, elements: usize) -> Source {
    Source {
        data: Arc::clone(data),
        offset,
        dtype,
        shape: Shape::new(&[elements as i64]).unwrap(),
    }
}

/// All of `bytes`.
pub fn bytes_item(bytes: &[u8]) -> Item {
    Item::new(source(&data(bytes), 0, DType::U8, bytes.len()))
}

pub fn to(buffer: &Buffer, offset: u64, item: Item) -> Upload {
    Upload {
        item,
        buffer: buffer.clone(),
        offset,
        on_host: false,
    }
}

/// Uploads and waits.
pub fn send(uploads: &[Upload]) -> Result<()> {
    let (ticket, _) = upload(uploads, &LoadOptions::default(), &mut ())?;
    ticket.wait(None)?;
    assert!(ticket.is_done()?);
    Ok(())
}

pub fn put(buffer: &Buffer, offset: u64, bytes: &[u8]) -> Result<()> {
    send(&[to(buffer, offset, bytes_item(bytes))])
}

pub fn try_get(buffer: &Buffer, offset: u64, bytes: usize) -> Result<Vec<u8>> {
    let mut memory = vec![0xee; bytes];
    // SAFETY: the vector's bytes, which nobody else uses meanwhile.
    let room = unsafe { Room::new(memory.as_mut_ptr(), bytes as u64) };
    download(buffer, offset, room)?;
    Ok(memory)
}

pub fn get(buffer: &Buffer, offset: u64, bytes: usize) -> Vec<u8> {
    try_get(buffer, offset, bytes).unwrap()
}

/// All of a buffer.
pub fn all(buffer: &Buffer) -> Vec<u8> {
    get(buffer, 0, buffer.size() as usize)
}

/// Random bytes that are the same each time.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len.div_ceil(8))
            .flat_map(|_| self.next().to_le_bytes())
            .take(len)
            .collect()
    }
}
