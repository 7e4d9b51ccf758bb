//! Which adapter is opened, and how.

use super::info::AdapterKind;
use crate::dtype::DType;

/// Which adapter to open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Select {
    /// The first discrete one, else integrated, virtual, other; software only where it is alone.
    #[default]
    Best,
    /// That with this place in [`super::adapters`]'s list.
    Index(u32),
    /// The first of this kind.
    Kind(AdapterKind),
    /// As the environment variable `ADIT_GPU` says: a number, a kind's name (`discrete`,
    /// `integrated`, `virtual`, `software`, `other`), a part of the adapter's name in any case, or
    /// nothing for the best.
    Environment,
}

/// How bytes get into buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryPath {
    /// Directly where the card's memory is the host's, else through the ring.
    #[default]
    Auto,
    /// Through the ring of staging buffers.
    Staging,
    /// By mapping the buffers themselves; refused where the adapter can't.
    Direct,
}

/// Who converts what is uploaded as another dtype, where both can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConvertPath {
    /// The card, but the host where the card is a software adapter, whose work is the host's anyway.
    #[default]
    Auto,
    /// The card.
    Card,
    /// The host.
    Host,
}

/// How to open a device. The default is as is best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceOptions {
    /// Which adapter.
    pub select: Select,
    /// The bytes of each staging buffer, a multiple of 4096 from 64 KiB to 256 MiB; 0 for 4 MiB.
    pub chunk_bytes: u64,
    /// How many staging buffers, 2 to 64; 0 for 3.
    pub chunks: u32,
    /// How bytes get into buffers.
    pub memory: MemoryPath,
    /// Who converts.
    pub convert: ConvertPath,
}

/// How a model goes to a card. The default is as it lies in its files, packed into few buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelOptions {
    /// What floats (but for scales, `f8_e8m0`) and blocks become, those that can; all others stay
    /// what they are.
    pub dtype: Option<DType>,
    /// What the places of tensors are multiples of: a power of two from 4 to 2 MiB; 0 for 256.
    pub align: u64,
    /// The most bytes of a buffer; 0 for the adapter's limit, which counts anyway.
    pub buffer_bytes: u64,
    /// Whether a tensor that is larger than a buffer is split by rows; else it is refused.
    pub split: bool,
    /// Let go of the files' pages behind the upload: the page cache has what is being read, and no
    /// more. Only pages that are clean, and in nobody else's map: others stay, as do the bytes of a
    /// model that was read to the heap.
    pub release: bool,
}
