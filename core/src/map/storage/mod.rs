//! The seam between what writes files and the disk.

mod lock;
mod pool;
mod real;
#[cfg(any(test, feature = "sim"))]
pub mod sim;

use std::fmt;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use lock::{FileLock, LockableFile, has_no_locks, is_locked, network_file_system};
pub(crate) use pool::DescriptorPool;
pub(crate) use real::RealFile;
pub use real::RealStorage;

use super::mapping::{MapMode, Mapping};
use super::region::Region;

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A folder.
    Folder,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character or block device.
    Device,
    /// A symbolic link.
    Link,
}

/// Two files with equal numbers are one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    /// The device.
    pub device: u64,
    /// The file's number on it.
    pub inode: u64,
}

/// What the file system tells of an open file.
#[derive(Clone, Copy, Debug)]
pub struct FileInfo {
    /// Its length in bytes.
    pub len: u64,
    /// What it is.
    pub kind: FileKind,
    /// Which one it is, where the platform tells.
    pub id: Option<FileId>,
}

/// Where files are: the disk, or a simulation of one.
///
/// Every write, sync, rename, folder sync, allocation and map of this crate goes through here.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Opens what stands at `path` for reading; never waits for a FIFO's other end.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>>;
    /// As `open`, for reading and writing.
    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>>;
    /// Creates a file that must not exist, for reading and writing.
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>>;
    /// As `create_new`, with the permissions of the file at `like` where there is one and the
    /// storage has permissions.
    fn create_like(&self, path: &Path, _like: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.create_new(path)
    }
    /// What stands at `path`, if anything; a symbolic link is not followed.
    fn kind(&self, path: &Path) -> io::Result<Option<FileKind>>;
    /// What the file at `path` is, symbolic links followed.
    fn info(&self, path: &Path) -> io::Result<FileInfo> {
        self.open(path)?.info()
    }
    /// The absolute path of what stands at `path`, symbolic links followed where there are any.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        std::path::absolute(path)
    }
    /// Gives a file another name in one step, replacing what stood there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// As `rename`, but fails with `AlreadyExists` where something stands at `to`.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in `folder` durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Whether other processes, or other parts of this one, may be at its files.
    fn is_shared(&self) -> bool {
        false
    }
}

/// Reads at `offset` until `out` is full or the file ends, and counts what was filled.
pub(crate) fn read_full(
    file: &dyn StorageFile,
    out: &mut [MaybeUninit<u8>],
    offset: u64,
) -> io::Result<usize> {
    let mut done = 0usize;
    while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(done as u64))? {
            0 => break,
            got => done = done.saturating_add(got),
        }
    }
    Ok(done.min(out.len()))
}

/// An open file of a [`Storage`].
pub trait StorageFile: fmt::Debug + Send + Sync {
    /// Its length, kind and identity now.
    fn info(&self) -> io::Result<FileInfo>;
    /// Reads at `offset`; fewer bytes than asked for, or none, at the end of the file.
    fn read_at(&self, out: &mut [MaybeUninit<u8>], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// As `write_all_at`, from mapped bytes: of a map that was cut it is an error, not a fault.
    fn write_region_at(&self, bytes: Region<'_>, offset: u64) -> io::Result<()>;
    /// Writes all pieces one after the other, as `write_region_at` does.
    fn write_vectored_at(&self, pieces: &[Region<'_>], offset: u64) -> io::Result<()> {
        let mut at = offset;
        for &piece in pieces {
            self.write_region_at(piece, at)?;
            let len = piece.len() as u64;
            at = at.checked_add(len).ok_or(io::ErrorKind::FileTooLarge)?;
        }
        Ok(())
    }
    /// Makes sure that the first `len` bytes have their space on the disk; a shorter file grows.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Cuts the file at `len`, which is no more than it has.
    fn cut(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Makes the bytes and the length durable. After an error nothing can be said of what was
    /// written since the last sync, not even if a second call succeeds.
    fn sync(&self) -> io::Result<()>;
    /// Gives the holes in the first `len` bytes their space, where the file system can: others may
    /// have the file mapped. Its contents and length stay as they are.
    fn fill_holes(&self, len: u64) -> io::Result<()>;
    /// As `sync`, of the bytes and what is needed to read them.
    fn sync_data(&self) -> io::Result<()>;
    /// Whether this open file now has the lock that one open file at a time can have. It ends when
    /// the file is closed, by all processes that have it open.
    fn try_lock(&self) -> io::Result<bool>;
    /// As `try_lock`, waiting while another open file has the lock.
    fn lock(&self) -> io::Result<()>;
    /// Gives the lock back, for all processes that have this open file.
    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
    /// Maps `len` bytes at `offset`; past the end of the file, a touch is a fault until the file
    /// has grown.
    fn map(&self, offset: u64, len: usize, mode: MapMode) -> io::Result<Mapping>;
    /// The real file, for advice to the kernel; none in a simulation, or where it can't be had now.
    fn os_file(&self) -> Option<OsFile<'_>>;
    /// As `os_file`, of a file that is held by the result.
    fn shared_os_file(self: Arc<Self>) -> Option<OsFile<'static>> {
        None
    }
    /// Whether there is a real file.
    fn is_real(&self) -> bool {
        self.os_file().is_some()
    }
}

/// A real file, open for as long as this lives.
#[derive(Debug)]
pub struct OsFile<'a>(Held<'a>);

#[derive(Debug)]
enum Held<'a> {
    Lent(&'a File),
    Shared(Arc<RealFile>),
}

impl Deref for OsFile<'_> {
    type Target = File;

    fn deref(&self) -> &File {
        match &self.0 {
            Held::Lent(file) => file,
            Held::Shared(file) => &file.0,
        }
    }
}
