//! The lock that one open file at a time can have.

use std::io;
use std::sync::Arc;

use super::StorageFile;
use crate::map::os::Owner;

/// A file's lock, held until this is dropped, whoever else has the open file by then: a forked
/// child, for one. A child that drops its own copy leaves the lock to its parent.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: Arc<dyn StorageFile>,
    owner: Owner,
}

impl FileLock {
    /// None where another open file has it.
    pub(crate) fn take(file: Arc<dyn StorageFile>) -> io::Result<Option<FileLock>> {
        Ok(file.try_lock()?.then(|| FileLock {
            file,
            owner: Owner::this_process(),
        }))
    }

    /// Waits while another open file has it.
    pub(crate) fn wait(file: Arc<dyn StorageFile>) -> io::Result<FileLock> {
        file.lock()?;
        let owner = Owner::this_process();
        Ok(FileLock { file, owner })
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if !self.owner.is_this_process() {
            return;
        }
        if let Err(error) = self.file.unlock() {
            log::warn!("a lock can't be given back before its file is closed: {error}");
        }
    }
}
