//! Who may append to a file: one open array at a time, and only where its own file still stands at
//! the path, with the rows that the array knows.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Error, Result};
use super::file::Array;
use super::header::Header;
use crate::map::{self, Data, FileInfo, FileLock, Origin, Owner, Storage, StorageFile};

/// What an array that was opened by a path knows between two appends.
pub(super) struct Appender {
    storage: Arc<dyn Storage>,
    /// As it was when the file was opened: the process may change its working folder.
    path: PathBuf,
    overwrite_trailing: bool,
    owner: Owner,
    state: State,
    /// Whose tensors are lent still, from before the file grew.
    older: Vec<Arc<Data>>,
}

enum State {
    /// Not locked yet; what trails isn't known.
    Unchecked,
    /// This is the one appender, and what trails is its own. There is no lock where the file system
    /// has none.
    Ready { _lock: Option<FileLock> },
    /// What the disk has isn't known.
    Failed,
}

impl Appender {
    /// For the file that stands at `path`: where that is a symbolic link, for the one behind it.
    pub(super) fn of_open(
        storage: &Arc<dyn Storage>,
        path: &Path,
        overwrite_trailing: bool,
    ) -> Result<Appender> {
        Appender::new(storage, path, overwrite_trailing, storage.resolve(path))
    }

    /// For a file that gets its name at `path` after this.
    pub(super) fn of_new(storage: &Arc<dyn Storage>, path: &Path) -> Result<Appender> {
        Appender::new(storage, path, false, std::path::absolute(path))
    }

    fn new(
        storage: &Arc<dyn Storage>,
        path: &Path,
        overwrite_trailing: bool,
        resolved: io::Result<PathBuf>,
    ) -> Result<Appender> {
        Ok(Appender {
            storage: Arc::clone(storage),
            path: resolved.map_err(map::Error::io_path("find", path))?,
            overwrite_trailing,
            owner: Owner::this_process(),
            state: State::Unchecked,
            older: Vec::new(),
        })
    }

    pub(super) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Becomes the one appender of the array's open `file`, or makes sure that it still is. An
    /// array that can't append keeps nobody else from it.
    pub(super) fn prepare(&mut self, array: &Array, file: &dyn StorageFile) -> Result<()> {
        let origin = array.data.origin();
        if !self.owner.is_this_process() {
            let origin = origin.clone();
            return Err(map::Error::Forked { origin }.into());
        }
        let lock = match &self.state {
            State::Failed => {
                let origin = origin.clone();
                return Err(Error::AppendFailed { origin });
            }
            State::Unchecked => Some(self.lock(array, file)?),
            State::Ready { .. } => None,
        };
        // After the lock: somebody may have appended before it.
        self.check_named(array, file)?;
        self.check_contents(array, file, lock.is_none())?;
        if let Some(lock) = lock {
            self.hold(lock);
        }
        Ok(())
    }

    /// Whether the open `file` still stands at the path.
    pub(super) fn check_named(&self, array: &Array, file: &dyn StorageFile) -> Result<()> {
        let named = self.storage.info(&self.path);
        check_same(array, file, named.map_err(|error| lost(array, error))?)
    }

    /// Whether the array's file still stands at the path.
    pub(super) fn check_place(&self, array: &Array) -> Result<()> {
        let file = array.data.growing_file("no rows can be appended")?;
        self.check_named(array, file.as_ref())
    }

    /// Locks the file by a descriptor of its own: the array's may live on, with whoever shares its
    /// bytes.
    fn lock(&self, array: &Array, file: &dyn StorageFile) -> Result<Option<FileLock>> {
        let named = self.storage.open_to_write(&self.path);
        let named = named.map_err(|error| lost(array, error))?;
        let origin = array.data.origin();
        let info = named.info().map_err(map::Error::io("look at", origin))?;
        check_same(array, file, info)?;
        lock(named, origin)
    }

    /// Whether the file has the rows that the array has, all of them, and nothing behind them that
    /// isn't to be lost.
    fn check_contents(
        &self,
        array: &Array,
        file: &dyn StorageFile,
        trailing_is_own: bool,
    ) -> Result<()> {
        let (origin, header) = (array.data.origin(), &array.header);
        array.data.still_whole()?;
        if Header::read(&array.data, Some(header.dtype))? != *header {
            return Err(array.has_other_rows());
        }
        let len = file.info().map_err(map::Error::io("look at", origin))?.len;
        let end = header.data_offset.saturating_add(array.bytes);
        let trailing = len.saturating_sub(end);
        if trailing > 0 && !trailing_is_own && !self.overwrite_trailing {
            return Err(Error::Trailing {
                origin: origin.clone(),
                offset: end,
                bytes: trailing,
                rows: header.dims.first().copied().unwrap_or(0),
            });
        }
        Ok(())
    }

    /// From now on this is the one appender, of a file that it has the lock of.
    pub(super) fn hold(&mut self, lock: Option<FileLock>) {
        self.state = State::Ready { _lock: lock };
    }

    /// No later append can succeed; whoever opens the array again may try.
    pub(super) fn fail(&mut self) {
        self.state = State::Failed;
    }

    /// Keeps bytes whose tensors are lent, if there are any.
    pub(super) fn keep(&mut self, older: Option<Arc<Data>>) {
        self.older.extend(older);
    }
}

impl Array {
    pub(super) fn has_other_rows(&self) -> Error {
        changed(self, "has got other rows")
    }
}

/// The lock of a file that nobody else appends to.
pub(super) fn lock(file: Arc<dyn StorageFile>, origin: &Origin) -> Result<Option<FileLock>> {
    match FileLock::take(file) {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => {
            let origin = origin.clone();
            Err(map::Error::Busy { origin }.into())
        }
        // A file system without locks has no other appender that would see one.
        Err(error) => {
            log::info!("{origin} can't be locked: {error}");
            Ok(None)
        }
    }
}

fn changed(array: &Array, what: &'static str) -> Error {
    Error::Changed {
        origin: array.data.origin().clone(),
        what,
    }
}

/// Rows in a file without a name would be lost: what stands at the path must be the open file.
fn check_same(array: &Array, file: &dyn StorageFile, named: FileInfo) -> Result<()> {
    let open = file.info();
    let open = open.map_err(map::Error::io("look at", array.data.origin()))?;
    match (named.id, open.id) {
        (Some(named), Some(open)) if named == open => Ok(()),
        (Some(_), Some(_)) => Err(changed(array, "was replaced")),
        _ => {
            let what = "rows can't be appended: this system doesn't tell whether the open file \
                        still stands at its path";
            Err(array.unsupported(array.header.shape_offset, what.to_owned()))
        }
    }
}

/// Why there is no file of ours at the path.
fn lost(array: &Array, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            changed(array, "was moved or removed")
        }
        io::ErrorKind::IsADirectory => changed(array, "was replaced"),
        _ => map::Error::io("find", array.data.origin())(error).into(),
    }
}
