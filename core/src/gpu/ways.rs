//! Which ways uploads go on a device.

use super::error::{Error, Result};
use super::info::{AdapterInfo, AdapterKind};
use super::options::{ConvertPath, DeviceOptions, MemoryPath};

/// What was chosen for a device when it was opened.
#[derive(Clone, Copy)]
pub(super) struct Ways {
    /// Whether buffers are written where they lie.
    pub direct: bool,
    /// Whether the card converts what it can.
    pub card_converts: bool,
}

impl DeviceOptions {
    /// What they come to on this adapter.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub(super) fn ways(&self, info: &AdapterInfo) -> Result<Ways> {
        let direct = match self.memory {
            MemoryPath::Auto => info.shared_memory,
            MemoryPath::Staging => false,
            MemoryPath::Direct if info.shared_memory => true,
            MemoryPath::Direct => {
                let why = format!(
                    "the host can't map the memory of '{}': uploads need staging",
                    info.name
                );
                return Err(Error::Unsupported { why });
            }
        };
        let card_converts = match self.convert {
            // A software adapter runs shaders on the host too, and slower than this library's loops.
            ConvertPath::Auto => info.kind != AdapterKind::Software,
            ConvertPath::Card => true,
            ConvertPath::Host => false,
        };
        Ok(Ways {
            direct,
            card_converts,
        })
    }
}
