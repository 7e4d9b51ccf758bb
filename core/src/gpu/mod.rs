//! Uploads to a graphics card, through Vulkan: what [`crate::transfer`] loads goes through a ring of
//! mapped staging buffers, or right into the card's memory where that is the host's.
//!
//! The driver is looked for at run time. A build without the cargo feature `gpu`, and one for a system
//! that has no Vulkan, has the same types, none of which has a value: every function that would make one
//! answers [`Error::NotBuilt`]. `build.rs` says which build it is, by `adit_gpu`.

mod error;
mod info;
mod options;
mod place;
mod vulkan;

#[cfg(not(adit_gpu))]
mod absent;
#[cfg(adit_gpu)]
mod adapters;
#[cfg(adit_gpu)]
mod adopt;
#[cfg(adit_gpu)]
mod buffer;
#[cfg(adit_gpu)]
mod convert;
#[cfg(adit_gpu)]
mod copies;
#[cfg(adit_gpu)]
mod device;
#[cfg(adit_gpu)]
mod direct;
#[cfg(adit_gpu)]
mod download;
#[cfg(adit_gpu)]
mod fresh;
#[cfg(all(adit_gpu, test))]
mod fresh_tests;
#[cfg(adit_gpu)]
mod held;
#[cfg(adit_gpu)]
mod in_use;
#[cfg(adit_gpu)]
mod layout;
#[cfg(adit_gpu)]
mod memory;
#[cfg(adit_gpu)]
mod model;
#[cfg(adit_gpu)]
mod native;
#[cfg(adit_gpu)]
mod own;
#[cfg(adit_gpu)]
mod ring;
#[cfg(adit_gpu)]
mod scope;
#[cfg(adit_gpu)]
mod sink;
#[cfg(adit_gpu)]
mod staging;
#[cfg(adit_gpu)]
mod target;
#[cfg(adit_gpu)]
mod ticket;
#[cfg(adit_gpu)]
mod unwritten;
#[cfg(adit_gpu)]
mod upload;
#[cfg(adit_gpu)]
mod ways;

pub use error::{Error, Result};
pub use info::{AdapterInfo, AdapterKind, DeviceStatus, Limits};
pub use options::{ConvertPath, DeviceOptions, MemoryPath, ModelOptions, Select};
pub use place::Place;
pub use vulkan::{
    Adopted, Extension, GetInstanceProcAddr, Native, OLDEST_VULKAN, QueueLock, Timeline,
    vulkan_extensions,
};

#[cfg(not(adit_gpu))]
pub use absent::{
    Buffer, Device, GpuModel, Ticket, Upload, adapters, convert, download, upload, upload_model,
};
#[cfg(adit_gpu)]
pub use adapters::adapters;
#[cfg(adit_gpu)]
pub use buffer::Buffer;
#[cfg(adit_gpu)]
pub use convert::convert;
#[cfg(adit_gpu)]
pub use device::Device;
#[cfg(adit_gpu)]
pub use download::download;
#[cfg(adit_gpu)]
pub use model::{GpuModel, upload_model};
#[cfg(adit_gpu)]
pub use ticket::Ticket;
#[cfg(adit_gpu)]
pub use upload::{Upload, upload};

/// Whether this build can use a GPU at all.
pub const BUILT: bool = cfg!(adit_gpu);
