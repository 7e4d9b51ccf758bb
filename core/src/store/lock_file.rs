//! Who writes a store: the lock file beside it, and what its writer tells readers there.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod words;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use self::words::Words;
use self::words::{Contents, read};
use super::error::{Error, Result};
use super::options::StoreAccess;
use super::recover::beside;
use crate::map::{
    self, FileKind, LockableFile, Origin, Owner, Storage, StorageFile, has_no_locks, is_locked,
};

/// How often the file may be another by the time that it is locked, or its words be half written
/// when they are read.
const TRIES: usize = 64;

/// The right to write a store, until this is dropped. A forked child doesn't have it, and keeps
/// nobody out once this process is gone.
#[derive(Debug)]
pub(crate) struct LockFile {
    /// None where nobody else can be at the files, or can't be told.
    file: Option<LockableFile>,
    origin: Origin,
    store: Origin,
    owner: Owner,
    epoch: u64,
    /// The log itself, locked too.
    log: Mutex<LogLock>,
    has_failed: AtomicBool,
}

/// The lock on a log's own first byte: it keeps a second writer out where the lock file was removed
/// or the log has two names.
#[derive(Debug, Default)]
pub(crate) struct LogLock(Option<LockableFile>);

impl Drop for LogLock {
    fn drop(&mut self) {
        unlock(self.0.as_ref());
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if self.owner.is_this_process() {
            unlock(self.file.as_ref());
        }
    }
}

/// Before it is closed: a child that is forked just then has a file without a lock.
fn unlock(file: Option<&LockableFile>) {
    // An error in a child is as it should be.
    if let Some(Err(error)) = file.map(LockableFile::unlock) {
        log::debug!("a store's lock isn't given back before its file is closed: {error}");
    }
}

impl LockFile {
    /// The lock of the store at `path`, which must be absolute with all links resolved; the store
    /// needn't be there yet. Nothing is published until [`LockFile::publish`] is called.
    ///
    /// # Errors
    /// [`Error::Busy`] that names the process that has it, where that can be told;
    /// [`Error::WrongFormat`] where another kind of file has the lock file's name;
    /// [`map::Error::NotAFile`]; the system's.
    pub(crate) fn take(
        storage: &Arc<dyn Storage>,
        path: &Path,
        access: StoreAccess,
    ) -> Result<LockFile> {
        let at = beside(path, ".lock");
        let origin = Origin::Path(at.clone());
        let store = Origin::Path(path.to_owned());
        if !storage.is_shared() {
            return Ok(LockFile::of(None, origin, store, 1));
        }
        let io = |action, error| Error::from(map::Error::io(action, &origin)(error));
        for _ in 0..TRIES {
            let opened = LockFile::open(&**storage, &at, path);
            let file = match opened.map_err(|error| io("open the lock file", error))? {
                Opened::File(file) => file,
                Opened::Gone => continue,
                Opened::Not(kind) => return Err(map::Error::not_a_file(kind, origin).into()),
            };
            let info = file.info().map_err(|error| io("look at", error))?;
            if info.kind != FileKind::Regular {
                return Err(map::Error::not_a_file(info.kind, origin).into());
            }
            match file.try_lock() {
                Ok(true) => {}
                Ok(false) => return Err(busy(&store, pid_in(&file))),
                Err(error) if has_no_locks(&error) && access == StoreAccess::Exclusive => {
                    log::warn!("{origin} can't be locked, nobody else is kept out: {error}");
                }
                Err(error) => return Err(io("lock", error)),
            }
            // Locked a file that somebody has removed or replaced meanwhile?
            match storage.info(&at) {
                Ok(named) if named.id == info.id => {}
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(io("find", error)),
            }
            let before = read(|out, at| file.read_at(out, at), info.len)
                .map_err(|error| io("read", error))?;
            let epoch = match before {
                Contents::Words(words, _) => words.epoch,
                Contents::Nothing | Contents::Wrong(_) => 0,
                Contents::Foreign => {
                    return Err(Error::WrongFormat {
                        origin,
                        why: "it has the name of the lock file of a store, but other contents; \
                              move it away to write the store"
                            .to_owned(),
                    });
                }
            };
            let lock = LockFile::of(Some(file), origin.clone(), store, epoch.saturating_add(1));
            let reset = lock.write([0; 16], 0);
            reset.map_err(|error| io("write", error))?;
            return Ok(lock);
        }
        Err(Error::Busy {
            origin: store,
            why: "its lock file is replaced again and again".to_owned(),
        })
    }

    fn of(file: Option<LockableFile>, origin: Origin, store: Origin, epoch: u64) -> LockFile {
        LockFile {
            file,
            origin,
            store,
            owner: Owner::this_process(),
            epoch,
            log: Mutex::default(),
            has_failed: AtomicBool::new(false),
        }
    }

    fn open(storage: &dyn Storage, at: &Path, store: &Path) -> io::Result<Opened> {
        let opened = match storage.kind(at)? {
            None => LockableFile::open(|| storage.create_like(at, store)),
            Some(FileKind::Regular) => LockableFile::open(|| storage.open_to_write(at)),
            // A link might lead to anybody's file.
            Some(kind) => return Ok(Opened::Not(kind)),
        };
        match opened {
            Ok(file) => Ok(Opened::File(file)),
            Err(error) => match error.kind() {
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound
                    if folder_is_there(storage, at) =>
                {
                    Ok(Opened::Gone)
                }
                _ => Err(error),
            },
        }
    }

    /// Locks the log itself, as `file` has it open and as it stands at `path`, which for a
    /// compaction is its temporary's: see [`LockFile::keep`].
    ///
    /// # Errors
    /// [`Error::Busy`]; the system's.
    pub(crate) fn lock_log(
        &self,
        storage: &Arc<dyn Storage>,
        path: &Path,
        file: &dyn StorageFile,
    ) -> Result<LogLock> {
        if self.file.is_none() {
            return Ok(LogLock::default());
        }
        let io = |action, error| Error::from(map::Error::io(action, &self.store)(error));
        let own = LockableFile::open(|| storage.open_to_write(path));
        let own = own.map_err(|error| io("open", error))?;
        let is_same = own.info().and_then(|own| Ok(own.id == file.info()?.id));
        if !is_same.map_err(|error| io("look at", error))? {
            return Err(Error::Busy {
                origin: self.store.clone(),
                why: "it was replaced while it was opened".to_owned(),
            });
        }
        match own.try_lock() {
            Ok(true) => Ok(LogLock(Some(own))),
            Ok(false) => Err(busy(&self.store, None)),
            Err(error) if has_no_locks(&error) => Ok(LogLock::default()),
            Err(error) => Err(io("lock", error)),
        }
    }

    /// Keeps the log's lock from now on, and lets go of that of the log before.
    pub(crate) fn keep(&self, log: LogLock) {
        let mut kept = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = log;
    }

    /// Tells readers up to where they may look. A failure keeps them from what is new, no more, and
    /// is logged.
    pub(crate) fn publish(&self, uuid: [u8; 16], tail: u64) {
        if let Err(error) = self.write(uuid, tail)
            && !self.has_failed.swap(true, Ordering::Relaxed)
        {
            let origin = &self.origin;
            log::warn!("readers in other processes don't see what is new: {origin}: {error}");
        }
    }

    fn write(&self, uuid: [u8; 16], tail: u64) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let epoch = self.epoch;
        let words = Words { uuid, epoch, tail };
        file.write_all_at(&words.encode(u64::from(std::process::id())), 0)
    }
}

enum Opened {
    File(LockableFile),
    /// It came or went just now.
    Gone,
    /// Nothing that can be a lock file.
    Not(FileKind),
}

fn folder_is_there(storage: &dyn Storage, at: &Path) -> bool {
    let folder = at.parent().unwrap_or(Path::new("/"));
    matches!(storage.kind(folder), Ok(Some(_)))
}

fn busy(store: &Origin, pid: Option<u64>) -> Error {
    let why = match pid {
        Some(pid) if pid == u64::from(std::process::id()) => {
            format!("another handle of this process ({pid}) has it open for writing")
        }
        Some(pid) => format!("process {pid} has it open for writing"),
        None => "another process has it open for writing".to_owned(),
    };
    Error::Busy {
        origin: store.clone(),
        why,
    }
}

fn pid_in(file: &LockableFile) -> Option<u64> {
    let len = file.info().ok()?.len;
    match read(|out, at| file.read_at(out, at), len).ok()? {
        Contents::Words(_, pid) | Contents::Wrong(pid) => Some(pid),
        Contents::Nothing | Contents::Foreign => None,
    }
}

/// What readers see of a store's writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Board {
    /// Whether there may be one.
    pub(crate) is_writer_alive: bool,
    /// Its process, or that of the last one.
    pub(crate) pid: Option<u64>,
    /// What it says, or the last one said.
    pub(crate) words: Option<Words>,
}

impl Board {
    /// Whether a writer has the store, but has published nothing: all that it has written is what
    /// was there.
    pub(crate) fn is_opening(&self) -> bool {
        let words = self.words.filter(|_| self.is_writer_alive);
        words.is_some_and(|words| words.tail == 0)
    }

    /// Of the store at `path`, absolute with all links resolved, whose log is open as `log`. Never
    /// fails: where it can't be told whether there is a writer, there may be one.
    pub(crate) fn read(storage: &dyn Storage, path: &Path, log: &dyn StorageFile) -> Board {
        let mut board = Board {
            is_writer_alive: false,
            pid: None,
            words: None,
        };
        if !storage.is_shared() {
            return board;
        }
        board.is_writer_alive = may_be_locked(log);
        let at = beside(path, ".lock");
        let file = match storage.kind(&at) {
            Ok(Some(FileKind::Regular)) => storage.open(&at),
            // Nothing that a writer would have locked.
            _ => return board,
        };
        let file = match file {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return board,
            Err(error) => {
                log::info!(
                    "whether '{}' is locked can't be told: {error}",
                    at.display()
                );
                board.is_writer_alive = true;
                return board;
            }
        };
        // Before its words: what a writer says that ends meanwhile was true.
        board.is_writer_alive |= may_be_locked(&*file);
        let len = file.info().map_or(u64::MAX, |info| info.len);
        match read(|out, at| file.read_at(out, at), len) {
            Ok(Contents::Words(words, pid)) => {
                board.words = Some(words);
                board.pid = Some(pid);
            }
            Ok(Contents::Wrong(pid)) => board.pid = Some(pid),
            Ok(Contents::Nothing | Contents::Foreign) | Err(_) => {}
        }
        board
    }
}

fn may_be_locked(file: &dyn StorageFile) -> bool {
    match is_locked(file) {
        Ok(is_locked) => is_locked,
        // Where there are no locks, there is but one process: the caller has said so.
        Err(error) => !has_no_locks(&error),
    }
}

#[cfg(test)]
mod tests;
