//! An open file that a forked child may inherit.

use std::sync::Arc;

use super::{FileId, StorageFile};
use crate::map::os::Owner;

/// An open file, and whose descriptor it is.
///
/// A fork copies the descriptors before it copies the memory: what another thread opened or closed in
/// between the child has in its memory alone, and the number may be no descriptor there, or another
/// file's. So a child looks whether it is this file's before it uses it, or closes it.
#[derive(Debug)]
pub(super) struct Kept {
    /// None once it was dropped.
    pub(super) file: Option<Arc<dyn StorageFile>>,
    id: Option<FileId>,
    owner: Owner,
}

impl Kept {
    pub(super) fn new(file: &Arc<dyn StorageFile>, id: Option<FileId>) -> Kept {
        Kept {
            file: Some(Arc::clone(file)),
            id,
            owner: Owner::this_process(),
        }
    }

    /// Whether the descriptor is this file's in this process too.
    pub(super) fn is_ours(&mut self) -> bool {
        if !self.owner.is_this_process() {
            let info = self.file.as_ref().map(|file| file.info());
            if !info.is_some_and(|info| info.is_ok_and(|info| info.id == self.id)) {
                return false;
            }
            self.owner = Owner::this_process();
        }
        true
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.is_ours() {
            // Closing it might close a file of somebody else's.
            std::mem::forget(self.file.take());
        }
    }
}
