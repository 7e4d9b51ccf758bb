//! The disk, with calls that fail on demand.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

use adit_core::map::{
    FileInfo, FileKind, MapMode, Mapping, OsFile, RealStorage, Region, Storage, StorageFile,
};

/// The error numbers that calls give; 0 lets them go to the disk.
#[derive(Debug, Default)]
pub struct Faults {
    pub write: AtomicI32,
    pub allocate: AtomicI32,
    pub sync: AtomicI32,
    pub sync_folder: AtomicI32,
    pub map: AtomicI32,
    /// Locks can't be had on this disk.
    pub lock: AtomicI32,
    /// What others do right after the lock was taken.
    pub at_lock: Action,
    /// What others do while an array is copied.
    pub at_region: Action,
    /// Nobody can tell one file from another.
    pub no_ids: AtomicBool,
    /// The longest map, in bytes; 0 for any.
    pub longest_map: Mutex<usize>,
}

/// Something that is done once.
#[derive(Default)]
pub struct Action(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Action {
    pub fn set(&self, action: impl FnOnce() + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(action));
    }

    fn run(&self) {
        let action = self.0.lock().unwrap().take();
        if let Some(action) = action {
            action();
        }
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Action")
    }
}

#[derive(Clone, Debug, Default)]
pub struct FaultyDisk {
    pub faults: Arc<Faults>,
}

#[derive(Debug)]
struct FaultyFile {
    file: Arc<dyn StorageFile>,
    faults: Arc<Faults>,
}

fn check(fault: &AtomicI32) -> io::Result<()> {
    match fault.load(Ordering::Relaxed) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

impl FaultyDisk {
    pub fn storage(&self) -> Arc<dyn Storage> {
        Arc::new(self.clone())
    }

    fn wrap(&self, file: io::Result<Arc<dyn StorageFile>>) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(FaultyFile {
            file: file?,
            faults: Arc::clone(&self.faults),
        }))
    }
}

impl Storage for FaultyDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.wrap(RealStorage.open(path))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.wrap(RealStorage.open_to_write(path))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.wrap(RealStorage.create_new(path))
    }

    fn kind(&self, path: &Path) -> io::Result<Option<FileKind>> {
        RealStorage.kind(path)
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        RealStorage.resolve(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealStorage.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealStorage.rename_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealStorage.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        check(&self.faults.sync_folder)?;
        RealStorage.sync_folder(folder)
    }
}

impl StorageFile for FaultyFile {
    fn info(&self) -> io::Result<FileInfo> {
        let info = self.file.info()?;
        let known = !self.faults.no_ids.load(Ordering::Relaxed);
        Ok(FileInfo {
            id: info.id.filter(|_| known),
            ..info
        })
    }

    fn read_at(&self, out: &mut [MaybeUninit<u8>], offset: u64) -> io::Result<usize> {
        self.file.read_at(out, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        check(&self.faults.write)?;
        self.file.write_all_at(bytes, offset)
    }

    fn write_region_at(&self, bytes: Region<'_>, offset: u64) -> io::Result<()> {
        check(&self.faults.write)?;
        self.faults.at_region.run();
        self.file.write_region_at(bytes, offset)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        check(&self.faults.allocate)?;
        self.file.allocate(len)
    }

    fn sync(&self) -> io::Result<()> {
        check(&self.faults.sync)?;
        self.file.sync()
    }

    fn fill_holes(&self, len: u64) -> io::Result<()> {
        self.file.fill_holes(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        check(&self.faults.sync)?;
        self.file.sync_data()
    }

    fn try_lock(&self) -> io::Result<bool> {
        check(&self.faults.lock)?;
        let locked = self.file.try_lock()?;
        self.faults.at_lock.run();
        Ok(locked)
    }

    fn lock(&self) -> io::Result<()> {
        self.file.lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }

    fn map(&self, offset: u64, len: usize, mode: MapMode) -> io::Result<Mapping> {
        check(&self.faults.map)?;
        match *self.faults.longest_map.lock().unwrap() {
            longest if longest > 0 && len > longest => Err(io::Error::from_raw_os_error(12)),
            _ => self.file.map(offset, len, mode),
        }
    }

    fn os_file(&self) -> Option<OsFile<'_>> {
        self.file.os_file()
    }
}
