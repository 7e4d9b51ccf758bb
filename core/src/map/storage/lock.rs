//! The locks that one open file at a time can have.

use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;

use super::{FileInfo, StorageFile};
use crate::map::os::{self, OwnFile, Owner};

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

/// A file of the disk, open for reading and writing, whose first byte can be locked. A forked child
/// doesn't keep it: the lock ends with this process, whatever becomes of its children.
#[derive(Debug)]
pub(crate) struct LockableFile(OwnFile);

impl LockableFile {
    /// `open` must not fork. An error of the kind `Unsupported` for files that aren't of the disk.
    pub(crate) fn open(
        open: impl FnOnce() -> io::Result<Arc<dyn StorageFile>>,
    ) -> io::Result<LockableFile> {
        let file = OwnFile::open(|| {
            let opened = open()?;
            let file = opened.os_file().ok_or(io::ErrorKind::Unsupported)?;
            file.try_clone()
        });
        Ok(LockableFile(file?))
    }

    fn file(&self) -> io::Result<&std::fs::File> {
        let forked = || io::Error::other("it was opened by the parent of this process");
        self.0.get().ok_or_else(forked)
    }

    pub(crate) fn info(&self) -> io::Result<FileInfo> {
        Ok(os::info(&self.file()?.metadata()?))
    }

    pub(crate) fn read_at(&self, out: &mut [MaybeUninit<u8>], offset: u64) -> io::Result<usize> {
        os::read_at(self.file()?, out, offset)
    }

    pub(crate) fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        os::write_all_at(self.file()?, bytes, offset)
    }

    /// Whether this now has the lock of the first byte.
    pub(crate) fn try_lock(&self) -> io::Result<bool> {
        os::lock_first_byte(self.file()?)
    }

    pub(crate) fn unlock(&self) -> io::Result<()> {
        os::unlock_first_byte(self.file()?)
    }
}

/// Whether another open file has the lock of this one's first byte.
pub(crate) fn is_locked(file: &dyn StorageFile) -> io::Result<bool> {
    match file.os_file() {
        Some(file) => os::is_first_byte_locked(&file),
        None => Ok(false),
    }
}

/// Whether an error of a lock says that the file system has none.
pub(crate) fn has_no_locks(error: &io::Error) -> bool {
    os::has_no_locks(error)
}

/// What the network file system is called that a file lies on; none on others.
pub(crate) fn network_file_system(file: &dyn StorageFile) -> io::Result<Option<&'static str>> {
    match file.os_file() {
        Some(file) => os::network_file_system(&file),
        None => Ok(None),
    }
}
