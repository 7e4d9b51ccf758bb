//! Who may publish a set of files: one at a time.
//!
//! One file gets its name in one step, several don't: two processes that publish the same set at
//! the same time would leave files of both. So a set has a lock file, which is there while somebody
//! publishes. The lock is the system's on that file and ends with its process: a lock file that a
//! crash has left keeps nobody out.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Error, Result};
use super::origin::Origin;
use super::storage::{FileLock, Storage, StorageFile};

/// How often a lock file may be gone by the time that it is locked. Each time another writer has
/// got on, unless it is a link to nowhere.
const TRIES: usize = 4096;

/// The right to publish a set, until this is dropped, which removes the lock file.
#[derive(Debug)]
pub(crate) struct PublishLock {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    /// Whether the file goes with the lock: it is empty, as those made here are, and a waiter can
    /// tell that it is gone.
    is_removed: bool,
    /// None where the file system has no locks.
    _lock: Option<FileLock>,
}

impl PublishLock {
    /// Waits until nobody else has the lock whose file is at `path`.
    ///
    /// # Errors
    /// The system's; [`Error::Busy`].
    pub(crate) fn wait(storage: &Arc<dyn Storage>, path: PathBuf) -> Result<PublishLock> {
        let origin = Origin::Path(path.clone());
        for _ in 0..TRIES {
            let opened = PublishLock::open(storage, &path);
            let Some(file) = opened.map_err(Error::io("open the lock file", &origin))? else {
                continue;
            };
            let lock = FileLock::wait(Arc::clone(&file)).map_err(|error| {
                log::warn!("{origin} can't be locked, other writers aren't waited for: {error}");
            });
            let info = file.info().map_err(Error::io("look at", &origin))?;
            let id = info.id;
            if lock.is_ok() && id.is_some() {
                match storage.info(&path) {
                    Ok(named) if named.id == id => {}
                    Ok(_) => continue,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(Error::io("find", &origin)(error)),
                }
            }
            return Ok(PublishLock {
                storage: Arc::clone(storage),
                path,
                is_removed: id.is_some() && info.len == 0,
                _lock: lock.ok(),
            });
        }
        Err(Error::Busy { origin })
    }

    /// None where it was there and then wasn't.
    fn open(storage: &Arc<dyn Storage>, path: &Path) -> io::Result<Option<Arc<dyn StorageFile>>> {
        match storage.create_new(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(Some),
        }
        // A lock needs no right to write, but on some network file systems.
        let opened = storage.open_to_write(path).or_else(|error| match error {
            error if error.kind() == io::ErrorKind::PermissionDenied => storage.open(path),
            error => Err(error),
        });
        match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }
}

impl Drop for PublishLock {
    fn drop(&mut self) {
        if !self.is_removed {
            return;
        }
        match self.storage.remove(&self.path) {
            // Somebody else's turn, where there are no locks.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("cannot remove '{}': {error}", self.path.display());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::sim::SimStorage;

    const PATH: &str = "/data/lock";

    #[test]
    fn the_file_goes_with_the_lock() {
        let sim = SimStorage::new();
        let storage: Arc<dyn Storage> = Arc::new(sim.clone());
        for stale in [false, true] {
            if stale {
                sim.put_durable(Path::new(PATH), b"");
            }
            let lock = PublishLock::wait(&storage, PATH.into());
            assert!(lock.is_ok());
            assert_eq!(sim.names(), [PathBuf::from(PATH)]);
            drop(lock);
            assert!(sim.names().is_empty());
        }
    }

    #[test]
    fn a_file_with_something_in_it_is_left_there() {
        let sim = SimStorage::new();
        let storage: Arc<dyn Storage> = Arc::new(sim.clone());
        sim.put_durable(Path::new(PATH), b"not ours");
        let lock = PublishLock::wait(&storage, PATH.into());
        assert!(lock.is_ok());
        drop(lock);
        assert_eq!(sim.names(), [PathBuf::from(PATH)]);
    }
}
