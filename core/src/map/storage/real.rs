//! The disk.

use std::fs::{self, File, TryLockError};
use std::io;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{FileInfo, FileKind, Held, OsFile, Storage, StorageFile};
use crate::map::mapping::{MapMode, Mapping};
use crate::map::os;
use crate::map::region::Region;

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealStorage;

/// A file of the file system.
#[derive(Debug)]
pub(crate) struct RealFile(pub(crate) File);

impl Storage for RealStorage {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(RealFile(os::open_for_reading(path)?)))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(RealFile(os::open_for_writing(path)?)))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(RealFile(os::create_new(path)?)))
    }

    fn create_like(&self, path: &Path, like: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let file = os::create_new(path)?;
        if let Ok(meta) = fs::metadata(like)
            && meta.is_file()
            && let Err(error) = file.set_permissions(meta.permissions())
        {
            let path = path.display();
            log::warn!("'{path}' can't have the permissions of the old file: {error}");
        }
        Ok(Arc::new(RealFile(file)))
    }

    fn kind(&self, path: &Path) -> io::Result<Option<FileKind>> {
        match fs::symlink_metadata(path) {
            Ok(meta) => Ok(Some(os::kind(meta.file_type()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn info(&self, path: &Path) -> io::Result<FileInfo> {
        Ok(os::info(&fs::metadata(path)?))
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        // Files that were removed have names in /proc that stand for them and name no path.
        fs::canonicalize(path).or_else(|_| std::path::absolute(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        os::rename_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        os::sync_folder(folder)
    }

    fn is_shared(&self) -> bool {
        true
    }
}

impl StorageFile for RealFile {
    fn info(&self) -> io::Result<FileInfo> {
        Ok(os::info(&self.0.metadata()?))
    }

    fn read_at(&self, out: &mut [MaybeUninit<u8>], offset: u64) -> io::Result<usize> {
        os::read_at(&self.0, out, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        os::write_all_at(&self.0, bytes, offset)
    }

    fn write_region_at(&self, bytes: Region<'_>, offset: u64) -> io::Result<()> {
        os::write_region_at(&self.0, bytes, offset)
    }

    fn write_vectored_at(&self, pieces: &[Region<'_>], offset: u64) -> io::Result<()> {
        os::write_vectored_at(&self.0, pieces, offset)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        os::allocate(&self.0, len)
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn fill_holes(&self, len: u64) -> io::Result<()> {
        os::fill_holes(&self.0, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn lock(&self) -> io::Result<()> {
        loop {
            match self.0.lock() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                locked => return locked,
            }
        }
    }

    fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }

    fn map(&self, offset: u64, len: usize, mode: MapMode) -> io::Result<Mapping> {
        Mapping::of_file(&self.0, offset, len, mode)
    }

    fn os_file(&self) -> Option<OsFile<'_>> {
        Some(OsFile(Held::Lent(&self.0)))
    }

    fn shared_os_file(self: Arc<Self>) -> Option<OsFile<'static>> {
        Some(OsFile(Held::Shared(self)))
    }
}
