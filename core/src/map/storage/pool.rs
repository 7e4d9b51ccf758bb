//! Files whose descriptors are closed while others need them.

mod kept;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::{FileId, FileInfo, OsFile, Storage, StorageFile};
use crate::map::mapping::{MapMode, Mapping};
use crate::map::os::Owner;
use crate::map::region::Region;
use kept::Kept;

/// Descriptors of many files that are read, at most so many open at a time: one that wasn't used
/// of late is closed, and opened again by its path when it is needed. Maps stay.
///
/// A forked child may use the files: what another thread of the parent held when it forked is gone
/// around, and descriptors are looked at before they are used (see [`Kept`]).
pub(crate) struct DescriptorPool {
    most: usize,
    open: Mutex<VecDeque<Arc<Slot>>>,
    owner: Owner,
}

/// A file's place in the pool.
#[derive(Debug, Default)]
struct Slot {
    file: Mutex<Option<Kept>>,
    /// Since the pool last came by.
    is_used: AtomicBool,
}

/// A file that is open when it is needed.
pub(crate) struct PooledFile {
    pool: Arc<DescriptorPool>,
    storage: Arc<dyn Storage>,
    /// Absolute: the process may change its working folder.
    path: PathBuf,
    id: Option<FileId>,
    is_real: bool,
    slot: Arc<Slot>,
}

impl DescriptorPool {
    /// At most `most` descriptors, and one more for each call under way.
    pub(crate) fn new(most: usize) -> DescriptorPool {
        DescriptorPool {
            most: most.max(1),
            open: Mutex::new(VecDeque::new()),
            owner: Owner::this_process(),
        }
    }

    /// Opens the file at `path`, which is absolute, for reading.
    pub(crate) fn open(
        self: &Arc<DescriptorPool>,
        storage: &Arc<dyn Storage>,
        path: PathBuf,
    ) -> io::Result<PooledFile> {
        let file = self.open_now(&**storage, &path)?;
        let pooled = PooledFile {
            pool: Arc::clone(self),
            storage: Arc::clone(storage),
            path,
            id: file.info()?.id,
            is_real: file.is_real(),
            slot: Arc::default(),
        };
        pooled.keep(&file);
        Ok(pooled)
    }

    /// Opens a file; where the process has too many open, others of the pool are closed first.
    fn open_now(&self, storage: &dyn Storage, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        for _ in 0..self.most {
            match storage.open(path) {
                Err(error) if is_too_many(&error) && self.close_one() => {}
                result => return result,
            }
        }
        storage.open(path)
    }

    /// Adds an open file, and closes others until there are no more than may be.
    fn add(&self, slot: &Arc<Slot>) {
        let Some(mut open) = self.lock(&self.open) else {
            return;
        };
        open.push_back(Arc::clone(slot));
        while open.len() > self.most {
            self.close_oldest(&mut open);
        }
    }

    fn close_one(&self) -> bool {
        self.lock(&self.open)
            .is_some_and(|mut open| self.close_oldest(&mut open))
    }

    /// Closes the first file that wasn't used since the last time around; false where all are
    /// closed.
    fn close_oldest(&self, open: &mut VecDeque<Arc<Slot>>) -> bool {
        while let Some(slot) = open.pop_front() {
            if slot.is_used.swap(false, Ordering::Relaxed) {
                open.push_back(slot);
            } else if let Some(mut file) = self.lock(&slot.file)
                && file.take().is_some()
            {
                return true;
            }
        }
        false
    }

    /// None in a forked child where another thread of the parent had the lock: nobody will ever
    /// give it back.
    fn lock<'a, T>(&self, mutex: &'a Mutex<T>) -> Option<MutexGuard<'a, T>> {
        match mutex.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if self.owner.is_this_process() => {
                Some(mutex.lock().unwrap_or_else(PoisonError::into_inner))
            }
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// How many descriptors are open now.
    #[cfg(test)]
    fn count(&self) -> usize {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = |slot: &&Arc<Slot>| {
            let file = slot.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.is_some()
        };
        open.iter().filter(is_open).count()
    }
}

impl Slot {
    /// Its file, if it is open.
    fn opened(kept: &mut Option<Kept>) -> Option<Arc<dyn StorageFile>> {
        if !kept.as_mut()?.is_ours() {
            *kept = None;
        }
        kept.as_ref()?.file.clone()
    }
}

/// Whether the process, or the system, can't have more open files.
fn is_too_many(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

impl PooledFile {
    /// The open file, if it is.
    fn opened(&self) -> Option<Arc<dyn StorageFile>> {
        let file = Slot::opened(&mut *self.pool.lock(&self.slot.file)?)?;
        // Written only when it changes: the line is other threads' too.
        if !self.slot.is_used.load(Ordering::Relaxed) {
            self.slot.is_used.store(true, Ordering::Relaxed);
        }
        Some(file)
    }

    /// The file, opened again where it was closed; it stays open while the result lives.
    fn get(&self) -> io::Result<Arc<dyn StorageFile>> {
        if let Some(file) = self.opened() {
            return Ok(file);
        }
        let file = self.pool.open_now(&*self.storage, &self.path)?;
        self.check(&file.info()?)?;
        self.keep(&file);
        Ok(file)
    }

    /// Puts an open file into the pool, unless another thread was faster.
    fn keep(&self, file: &Arc<dyn StorageFile>) {
        if let Some(mut own) = self.pool.lock(&self.slot.file)
            && own.is_none()
        {
            *own = Some(Kept::new(file, self.id));
            self.slot.is_used.store(true, Ordering::Relaxed);
            // The pool's lock comes before a file's.
            drop(own);
            self.pool.add(&self.slot);
        }
    }

    fn check(&self, found: &FileInfo) -> io::Result<()> {
        if found.id == self.id {
            return Ok(());
        }
        let why = "another file stands at its path now; put the old one back or open the set anew";
        Err(io::Error::new(io::ErrorKind::StaleNetworkFileHandle, why))
    }
}

impl Drop for PooledFile {
    fn drop(&mut self) {
        if let Some(mut file) = self.pool.lock(&self.slot.file) {
            *file = None;
        }
    }
}

impl fmt::Debug for DescriptorPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DescriptorPool(at most {})", self.most)
    }
}

impl fmt::Debug for PooledFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PooledFile('{}')", self.path.display())
    }
}

/// For what only writers do.
fn refused<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl StorageFile for PooledFile {
    fn info(&self) -> io::Result<FileInfo> {
        match self.opened() {
            Some(file) => file.info(),
            None => {
                let info = self.storage.info(&self.path)?;
                self.check(&info)?;
                Ok(info)
            }
        }
    }

    fn read_at(&self, out: &mut [MaybeUninit<u8>], offset: u64) -> io::Result<usize> {
        self.get()?.read_at(out, offset)
    }

    fn write_all_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        refused()
    }

    fn write_region_at(&self, _bytes: Region<'_>, _offset: u64) -> io::Result<()> {
        refused()
    }

    fn allocate(&self, _len: u64) -> io::Result<()> {
        refused()
    }

    fn sync(&self) -> io::Result<()> {
        refused()
    }

    fn fill_holes(&self, _len: u64) -> io::Result<()> {
        refused()
    }

    fn sync_data(&self) -> io::Result<()> {
        refused()
    }

    fn try_lock(&self) -> io::Result<bool> {
        refused()
    }

    fn lock(&self) -> io::Result<()> {
        refused()
    }

    fn map(&self, offset: u64, len: usize, mode: MapMode) -> io::Result<Mapping> {
        self.get()?.map(offset, len, mode)
    }

    fn os_file(&self) -> Option<OsFile<'_>> {
        self.get().ok()?.shared_os_file()
    }

    fn is_real(&self) -> bool {
        self.is_real
    }
}

#[cfg(test)]
mod tests;
