//! What a list of items holds.

use adit_core::gpu::Upload;
use adit_core::transfer::Item;

use crate::boundary::Failure;
use crate::error::adit_status;

/// A list: all of it goes to memory or a sink, or all of it to GPUs.
#[derive(Debug)]
pub(crate) enum Items {
    Load(Vec<Item>),
    Upload(Vec<Upload>),
}

impl Items {
    /// Those that a load takes.
    pub(super) fn to_load(&self) -> Result<&[Item], Failure> {
        match self {
            Items::Load(items) => Ok(items),
            Items::Upload(_) => Err(Failure::invalid(
                "the items go to a gpu_buffer: adit_gpu_upload_items takes them",
            )),
        }
    }

    /// Those that an upload takes.
    pub(crate) fn to_gpu(&self) -> Result<&[Upload], Failure> {
        match self {
            Items::Upload(uploads) => Ok(uploads),
            Items::Load(_) => Err(Failure::invalid(
                "the list has no items with a gpu_buffer, the only ones that are uploaded",
            )),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Items::Load(items) => items.len(),
            Items::Upload(uploads) => uploads.len(),
        }
    }

    pub(super) fn get(&self, at: usize) -> Option<&Item> {
        match self {
            Items::Load(items) => items.get(at),
            Items::Upload(uploads) => uploads.get(at).map(|upload| &upload.item),
        }
    }

    pub(super) fn push(&mut self, item: Item) -> Result<(), Failure> {
        match self {
            Items::Load(items) => push(items, item),
            Items::Upload(_) => Err(Failure::invalid(
                "options->gpu_buffer is NULL, but the items before go to one: a list has items of one kind",
            )),
        }
    }

    pub(super) fn push_upload(&mut self, upload: Upload) -> Result<(), Failure> {
        if self.len() == 0 {
            *self = Items::Upload(Vec::new());
        }
        match self {
            Items::Upload(uploads) => push(uploads, upload),
            Items::Load(_) => Err(Failure::invalid(
                "options->gpu_buffer is set, but the items before have none: a list has items of one kind",
            )),
        }
    }
}

fn push<T>(list: &mut Vec<T>, one: T) -> Result<(), Failure> {
    let room = list.try_reserve(1);
    room.map_err(|_| Failure::new(adit_status::ADIT_ERR_OUT_OF_MEMORY, "no memory for an item"))?;
    list.push(one);
    Ok(())
}
