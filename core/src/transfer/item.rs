//! What is to be loaded, and where to.

use super::error::{Error, Result};
use super::job::Job;
use crate::dtype::DType;
use crate::kernel::Overflow;
use crate::tensor::{Shape, Slice, Source};

/// Memory of the caller for one item.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    start: *mut u8,
    bytes: u64,
}

// SAFETY: only an address; whoever made the room promised that the memory is this load's alone.
unsafe impl Send for Room {}
// SAFETY: as for Send.
unsafe impl Sync for Room {}

impl Room {
    /// The `bytes` bytes from `start`.
    ///
    /// # Safety
    /// They are writable, and nobody else reads or writes them, during every load of an item that
    /// has this room.
    #[must_use]
    pub unsafe fn new(start: *mut u8, bytes: u64) -> Room {
        Room { start, bytes }
    }

    /// The first byte.
    #[must_use]
    pub fn start(&self) -> *mut u8 {
        self.start
    }

    /// The number of bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Where an item goes.
#[derive(Clone, Copy, Debug, Default)]
pub enum Destination {
    /// Into the block of memory that the load makes.
    #[default]
    Arena,
    /// Into memory of the caller.
    Given(Room),
}

/// A tensor to be loaded, or a part of one.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it lies.
    pub source: Source,
    /// Which elements; all by default.
    pub slice: Slice,
    /// As what; its own dtype where it is none.
    pub dtype: Option<DType>,
    /// What becomes of values that the other dtype can't hold.
    pub overflow: Overflow,
    /// Where to.
    pub destination: Destination,
}

/// What an item will be: elements side by side in C order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// The elements' type.
    pub dtype: DType,
    /// The shape.
    pub shape: Shape,
    /// The bytes of all elements.
    pub bytes: u64,
}

impl Item {
    /// All of a tensor, as it is, into the load's own memory.
    #[must_use]
    pub fn new(source: Source) -> Item {
        Item {
            source,
            slice: Slice::default(),
            dtype: None,
            overflow: Overflow::default(),
            destination: Destination::Arena,
        }
    }

    /// What item number `item` will be, if it can be loaded.
    ///
    /// # Errors
    /// [`Error::Part`], [`Error::NoConversion`], [`Error::SmallRoom`], [`Error::Item`].
    pub fn output(&self, item: u64) -> Result<Output> {
        let output = Job::new(self, item, 0)?.output;
        if let Destination::Given(room) = self.destination
            && room.bytes < output.bytes
        {
            return Err(Error::SmallRoom {
                item,
                needed: output.bytes,
                given: room.bytes,
            });
        }
        Ok(output)
    }
}
