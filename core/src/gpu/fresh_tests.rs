//! Submissions that fail: what was in new memory before stays unseen.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use super::{
    AdapterKind, Buffer, ConvertPath, Device, DeviceOptions, Error, MemoryPath, Select, Upload,
    convert, download, upload,
};
use crate::dtype::DType;
use crate::error::{Kind, Report};
use crate::map::{BytesOwner, Data, Region};
use crate::tensor::{Shape, Source};
use crate::transfer::{Item, LoadOptions, Room, Watch};

/// The software driver, whose buffers the host writes; none where it isn't there, which is said and
/// counted by the tests in `core/tests`.
fn device() -> Option<Device> {
    let options = DeviceOptions {
        select: Select::Kind(AdapterKind::Software),
        memory: MemoryPath::Direct,
        convert: ConvertPath::Card,
        ..DeviceOptions::default()
    };
    match Device::open(&options) {
        Err(Error::NoGpu { .. }) => None,
        opened => Some(opened.unwrap()),
    }
}

/// A new buffer, in memory that somebody has used.
fn used(device: &Device) -> Buffer {
    let buffer = Buffer::create(device, 256).unwrap();
    let memory = buffer.memory().unwrap();
    // SAFETY: the buffer has these bytes, mapped, and nobody else uses them.
    unsafe { memory.at(0).write_bytes(0xa5, 256) };
    buffer
}

/// A buffer that wgpu refuses in submissions.
fn destroyed(device: &Device) -> Buffer {
    let buffer = Buffer::create(device, 256).unwrap();
    buffer.raw().unwrap().destroy();
    buffer
}

fn all(buffer: &Buffer) -> Vec<u8> {
    let mut bytes = vec![0xee; 256];
    // SAFETY: the vector's bytes, which nobody else uses meanwhile.
    let room = unsafe { Room::new(bytes.as_mut_ptr(), 256) };
    download(buffer, 0, room).unwrap();
    bytes
}

struct Sevens([u8; 32]);

// SAFETY: the bytes stay where they are in their box, and nobody writes them.
unsafe impl BytesOwner for Sevens {
    fn region(&self) -> Region<'_> {
        // SAFETY: as above; they live as long as the borrow.
        unsafe { Region::new(self.0.as_ptr(), self.0.len()) }
    }
}

fn sevens(buffer: &Buffer, dtype: DType, becomes: Option<DType>) -> Upload {
    let elements = 32 / i64::from(dtype.block_bytes());
    let source = Source {
        data: Arc::new(Data::lent(Box::new(Sevens([7; 32])))),
        offset: 0,
        dtype,
        shape: Shape::new(&[elements]).unwrap(),
    };
    Upload {
        item: Item {
            dtype: becomes,
            ..Item::new(source)
        },
        buffer: buffer.clone(),
        offset: 8,
        on_host: false,
    }
}

#[test]
fn a_conversion_that_fails_shows_no_old_memory() {
    let Some(device) = device() else { return };
    let target = used(&device);
    let from = destroyed(&device);
    let failed = convert((&from, 0, DType::F16), (&target, 64, DType::F32), 16);
    assert_eq!(failed.unwrap_err().kind(), Kind::Gpu);
    assert_eq!(all(&target), vec![0; 256]);
}

#[test]
fn an_upload_that_fails_shows_no_old_memory() {
    let Some(device) = device() else { return };
    let target = used(&device);
    let other = destroyed(&device);
    let copied = sevens(&target, DType::U8, None);
    let converted = sevens(&other, DType::F16, Some(DType::F32));
    let options = LoadOptions::default();
    // In one submission.
    let failed = upload(&[copied.clone(), converted], &options, &mut ());
    assert_eq!(failed.map(|_| ()).unwrap_err().kind(), Kind::Gpu);
    assert_eq!(all(&target), vec![0; 256]);

    // In place, with nothing that fails.
    upload(&[copied], &options, &mut ()).unwrap();
    let mut wanted = vec![0; 256];
    wanted
        .iter_mut()
        .skip(8)
        .take(32)
        .for_each(|byte| *byte = 7);
    assert_eq!(all(&target), wanted);
}

/// An engine that learns of the buffer while it is written, and has the upload end there.
struct Engine<'a>(&'a Buffer);

impl Watch for Engine<'_> {
    fn progress(&mut self, done: u64, _: u64) -> bool {
        if done > 0 {
            self.0.native().unwrap();
        }
        done == 0
    }
}

#[test]
fn an_engine_sees_no_old_memory_and_keeps_what_it_writes() {
    let Some(device) = device() else { return };
    let target = used(&device);
    let copied = sevens(&target, DType::U8, None);
    let ended = upload(&[copied], &LoadOptions::default(), &mut Engine(&target));
    assert_eq!(ended.map(|_| ()).unwrap_err().kind(), Kind::Cancelled);
    let memory = target.memory().unwrap();
    // SAFETY: the buffer has these bytes, mapped, and nobody writes them meanwhile.
    let seen = unsafe { std::slice::from_raw_parts(memory.at(0), 256) }.to_vec();
    assert_eq!(seen, vec![0; 256]);
    // SAFETY: as above, and nobody reads them meanwhile.
    unsafe { memory.at(0).write_bytes(0x11, 256) };
    assert_eq!(all(&target), vec![0x11; 256]);
}
