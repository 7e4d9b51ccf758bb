//! A disk in memory that crashes, tears, reorders and fails on demand.
//!
//! [`SimStorage`] keeps two views. The *live* view is what a running process sees: everything that
//! was done (the page cache). The *durable* one is what a power cut must leave: what was synced.
//! [`SimStorage::crash`] makes a disk of the second plus any part of what lies between:
//!
//! - **Contents.** Any subset of a file's unsynced writes survives, in any order, each torn at
//!   sectors of 512 bytes. The length has grown or not; what grew unwritten reads as zeros, or with
//!   [`SimStorage::leave_stale_blocks`] as what another file had there.
//! - **Names.** Creating, renaming and removing are atomic and, as on a journalling file system,
//!   ordered: of each folder's unsynced operations a prefix survives. A rename between two folders
//!   survives in both or in neither.
//! - Contents and names know nothing of one another: syncing a file doesn't make its name durable,
//!   and a durable name may show a file whose contents never were.
//! - **A failed sync** is the last chance that the unsynced writes had: some may have reached the
//!   disk before it, the rest never will, whatever a later sync says (Linux marks pages clean after
//!   an error). The live view goes on showing them. A failed sync of a folder only leaves its names
//!   unsynced.
//!
//! Paths are plain keys: folders need no making, and one exists where a file lies below it.

mod disk;
mod file;
mod inode;
mod names;
mod rng;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{FileKind, Storage, StorageFile};
use disk::{Call, Disk};
use file::SimFile;
use names::key;

/// The unit that a disk writes whole or not at all, in bytes.
pub const SECTOR: usize = 512;

/// The least number of seeds that covers the special cases of [`SimStorage::crash`] and
/// [`SimStorage::kill`].
pub const SPECIAL_SEEDS: u64 = disk::SPECIAL.len() as u64;

/// A simulated storage. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimStorage {
    disk: Arc<Mutex<Disk>>,
}

impl SimStorage {
    /// An empty disk.
    #[must_use]
    pub fn new() -> SimStorage {
        SimStorage::default()
    }

    /// Lets the `n`-th call from the start (the first is 1) fail with the error number `errno`.
    ///
    /// Calls that change something are counted: `create_new`, `write_all_at`, `allocate`, `sync`,
    /// `rename`, `rename_new`, `remove`, `sync_folder`. A failed write has written a prefix, a
    /// failed allocation may have extended the file, a failed sync loses what was unsynced; the
    /// others do nothing. What happens is the same at every run.
    pub fn fail_at(&self, n: u64, errno: i32) {
        self.lock().fail_at(n, errno);
    }

    /// Lets the process die in the `n`-th call: it and everything after it fails, reads too.
    ///
    /// How far the `n`-th call got is for [`SimStorage::crash`] and [`SimStorage::kill`] to choose.
    pub fn crash_at(&self, n: u64) {
        self.lock().crash_at(n);
    }

    /// Plants a bug: from now on every `sync` of a file does nothing and says that all is well.
    pub fn ignore_sync(&self) {
        self.lock().ignore_sync = true;
    }

    /// Plants a bug: from now on `sync_folder` does nothing and says that all is well.
    pub fn ignore_folder_sync(&self) {
        self.lock().ignore_folder_sync = true;
    }

    /// From now on a write that is cut short ends at a sector's end, or does nothing: as on a
    /// system that copies to its page cache by pages, which no signal interrupts.
    pub fn cut_at_sectors(&self) {
        self.lock().whole_sectors = true;
    }

    /// From now on what a power cut leaves grown and unwritten doesn't read as zeros, but as what
    /// another file had at the same offset: as where lengths are durable before contents.
    pub fn leave_stale_blocks(&self) {
        self.lock().stale_blocks = true;
    }

    /// The disk after a power cut now, as one of the ways that `seed` stands for.
    ///
    /// This disk is left as it is. The new one counts its calls from 0, has no failures planned
    /// and keeps the planted bugs. The first [`SPECIAL_SEEDS`] seeds are the extremes: 0 keeps
    /// nothing unsynced, 1 everything, 2 names without contents, 3 contents without names, 4 names
    /// and lengths without contents.
    #[must_use]
    pub fn crash(&self, seed: u64) -> SimStorage {
        SimStorage::of(self.lock().after_power_cut(seed))
    }

    /// The disk after the death of the process alone: the page cache is intact, and still unsynced.
    ///
    /// As for [`SimStorage::crash`]. `seed` decides how far a call got that the process died in: 0
    /// not begun, 1 done.
    #[must_use]
    pub fn kill(&self, seed: u64) -> SimStorage {
        SimStorage::of(self.lock().after_kill(seed))
    }

    /// Puts a file on the disk, synced with its name, in place of what stood there. Not counted,
    /// and never failing: it is the doing of another process.
    pub fn put_durable(&self, path: &Path, bytes: &[u8]) {
        self.lock().put_durable(path, bytes);
    }

    /// The bytes of the file at `path`, in the live view.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        self.lock().contents(path)
    }

    /// The paths of all files, in the live view.
    #[must_use]
    pub fn names(&self) -> Vec<PathBuf> {
        self.lock().names.paths()
    }

    /// The number of calls so far that change something.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.lock().calls()
    }

    /// Whether the process died in one of them.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.lock().alive().is_err()
    }

    /// These calls in words.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.lock().trace().to_vec()
    }

    fn of(disk: Disk) -> SimStorage {
        SimStorage {
            disk: Arc::new(Mutex::new(disk)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        lock(&self.disk)
    }

    fn file(&self, inode: u64, writable: bool) -> Arc<dyn StorageFile> {
        Arc::new(SimFile::new(Arc::clone(&self.disk), inode, writable))
    }
}

/// A panic of a test's thread leaves the disk whole: no call panics half-way.
fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Storage for SimStorage {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let disk = self.lock();
        disk.alive()?;
        let inode = disk.names.find(&key(path))?;
        Ok(self.file(inode, false))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let disk = self.lock();
        disk.alive()?;
        let inode = disk.names.find(&key(path))?;
        Ok(self.file(inode, true))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let mut disk = self.lock();
        let path = key(path);
        disk.call(Call::Create { path: path.clone() })?;
        let inode = disk.names.find(&path)?;
        Ok(self.file(inode, true))
    }

    fn kind(&self, path: &Path) -> io::Result<Option<FileKind>> {
        let disk = self.lock();
        disk.alive()?;
        Ok(disk.names.kind(&key(path)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (key(from), key(to));
        let replace = true;
        self.lock().call(Call::Rename { from, to, replace })
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (key(from), key(to));
        let replace = false;
        self.lock().call(Call::Rename { from, to, replace })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.lock().call(Call::Remove { path: key(path) })
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let folder = key(folder);
        self.lock().call(Call::SyncFolder { folder })
    }
}

impl fmt::Debug for SimStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimStorage")
            .field("names", &self.names())
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
