//! Files that appear whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Error, Result};
use super::origin::Origin;
use super::os;
use super::random::random_number;
use super::region::Region;
use super::storage::{FileKind, Storage, StorageFile};

/// A file being written under a temporary name in the folder of its final one.
///
/// The temporary is called `<name>.<16 hex digits>.adit-tmp`. [`Publication::publish`] syncs it,
/// gives it its name in one step and syncs the folder; dropped before, it is removed. In a child
/// forked after `create` it does nothing at all.
pub struct Publication {
    storage: Arc<dyn Storage>,
    file: Arc<dyn StorageFile>,
    /// As the caller gave it, for messages.
    path: PathBuf,
    target: PathBuf,
    temporary: PathBuf,
    replace: bool,
    process: os::Process,
    state: State,
    keep: bool,
}

/// How far a publication has come. Every failure is final: what a failed write or sync left behind
/// can't be known, and a second sync would say that all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Failed,
    Published,
}

/// Long enough for any file name here once the suffix is added.
const LONGEST_STEM: usize = 200;

/// Temporary names that are tried where one is taken.
const NAMES: usize = 8;

impl Publication {
    /// Creates the temporary. With `replace` false, `path` must be free, now and at the end.
    ///
    /// # Errors
    /// The system's; [`Error::Exists`]; [`Error::BadPath`].
    pub fn create(storage: Arc<dyn Storage>, path: &Path, replace: bool) -> Result<Publication> {
        let name = Publication::file_name(path)?;
        let origin = Origin::Path(path.to_owned());
        match storage.kind(path).map_err(Error::io("look at", &origin))? {
            None | Some(FileKind::Regular | FileKind::Link) if replace => {}
            None => {}
            Some(FileKind::Regular | FileKind::Link) => return Err(Error::Exists { origin }),
            Some(kind) => return Err(Error::not_a_file(kind, origin)),
        }
        // The process may change its working folder before it publishes.
        let target = std::path::absolute(path).map_err(Error::io("find", &origin))?;
        let create = || {
            let temporary = target.with_file_name(temporary_name(name));
            storage
                .create_like(&temporary, &target)
                .map(|file| (temporary, file))
        };
        let mut created = create();
        for _ in 0..NAMES {
            match created {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => created = create(),
                _ => break,
            }
        }
        let (temporary, file) =
            created.map_err(Error::io("create the temporary file for", &origin))?;
        let (path, process) = (path.to_owned(), os::process());
        Ok(Publication {
            storage,
            file,
            path,
            target,
            temporary,
            replace,
            process,
            state: State::Open,
            keep: false,
        })
    }

    /// The name of the file at a path that one can be published at.
    ///
    /// # Errors
    /// [`Error::BadPath`].
    pub(crate) fn file_name(path: &Path) -> Result<&OsStr> {
        let bad_path = |why| Error::BadPath {
            path: path.to_owned(),
            why,
        };
        let name = path
            .file_name()
            .ok_or_else(|| bad_path("it ends in no file name"))?;
        let bytes = path.as_os_str().as_encoded_bytes();
        if !bytes.ends_with(name.as_encoded_bytes()) {
            return Err(bad_path("it ends as a folder's does"));
        }
        Ok(name)
    }

    /// The final path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The temporary's path.
    #[must_use]
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// The path of a file of another name in the folder of the final one.
    pub(crate) fn beside(&self, name: &OsStr) -> PathBuf {
        self.target.with_file_name(name)
    }

    /// From now on the temporary stays where this is dropped unpublished, failed or not.
    pub(crate) fn keep_unfinished(&mut self) {
        self.keep = true;
    }

    /// The temporary goes when this is dropped unpublished, after all.
    pub(crate) fn keep_nothing(&mut self) {
        self.keep = false;
    }

    /// The file, which stays open and the same when it is published.
    pub(crate) fn file(&self) -> &Arc<dyn StorageFile> {
        &self.file
    }

    /// Writes at `offset` of the temporary. A failure is final.
    ///
    /// # Errors
    /// The system's; [`Error::Forked`]; [`Error::Closed`] after a failure or when published.
    pub fn write(&mut self, bytes: &[u8], offset: u64) -> Result<()> {
        self.attempt(|own| {
            let origin = Origin::Path(own.temporary.clone());
            own.file
                .write_all_at(bytes, offset)
                .map_err(Error::io_at("write", &origin, offset))
        })
    }

    /// As [`Publication::write`], from mapped bytes: of a map that was cut it is an error, not a
    /// fault, and not final: a part of them has been written, and the file is as good as before.
    ///
    /// # Errors
    /// As [`Publication::write`]; [`Error::Unreadable`].
    pub fn write_region(&mut self, bytes: Region<'_>, offset: u64) -> Result<()> {
        let mut unreadable = None;
        self.attempt(|own| match own.file.write_region_at(bytes, offset) {
            Err(error) if error.raw_os_error() == Some(os::BAD_ADDRESS) => {
                unreadable = Some(error);
                Ok(())
            }
            written => {
                let origin = Origin::Path(own.temporary.clone());
                written.map_err(Error::io_at("write", &origin, offset))
            }
        })?;
        match unreadable {
            Some(source) => Err(Error::Unreadable {
                origin: Origin::Path(self.path.clone()),
                offset,
                source,
            }),
            None => Ok(()),
        }
    }

    /// Gives the temporary's first `len` bytes their space on the disk. A failure is final.
    ///
    /// # Errors
    /// As [`Publication::write`]; no space above all.
    pub fn allocate(&mut self, len: u64) -> Result<()> {
        self.attempt(|own| {
            let origin = Origin::Path(own.temporary.clone());
            own.file
                .allocate(len)
                .map_err(Error::io("allocate space for", &origin))
        })
    }

    /// Cuts the temporary at `len`. A failure is final.
    ///
    /// # Errors
    /// As [`Publication::write`].
    pub(crate) fn cut(&mut self, len: u64) -> Result<()> {
        self.attempt(|own| {
            let origin = Origin::Path(own.temporary.clone());
            own.file.cut(len).map_err(Error::io_at("cut", &origin, len))
        })
    }

    /// Makes what is written durable, for a format whose next write says that it is there. A
    /// failure is final.
    ///
    /// # Errors
    /// As [`Publication::write`].
    pub fn sync(&mut self) -> Result<()> {
        self.attempt(|own| {
            let temporary = Origin::Path(own.temporary.clone());
            own.file.sync().map_err(Error::io("sync", &temporary))
        })
    }

    /// Makes the temporary's name durable: without it what was synced can't be found. A failure is
    /// final.
    ///
    /// # Errors
    /// As [`Publication::write`].
    pub(crate) fn sync_name(&mut self) -> Result<()> {
        self.attempt(|own| {
            let origin = Origin::Path(own.temporary.clone());
            own.sync_folder()
                .map_err(Error::io("sync the folder of", &origin))
        })
    }

    /// Syncs the temporary, gives it its final name and syncs the folder.
    ///
    /// After an error nothing new stands at the path, but for [`Error::NotDurable`].
    ///
    /// # Errors
    /// As [`Publication::write`]; [`Error::Exists`]; [`Error::Swapped`].
    pub fn publish(&mut self) -> Result<()> {
        self.attempt(|own| {
            let temporary = Origin::Path(own.temporary.clone());
            own.file.sync().map_err(Error::io("sync", &temporary))?;
            own.rename()
        })?;
        self.state = State::Published;
        self.sync_folder().map_err(|source| Error::NotDurable {
            origin: Origin::Path(self.path.clone()),
            source,
        })
    }

    fn sync_folder(&self) -> io::Result<()> {
        let folder = match self.target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        self.storage.sync_folder(folder)
    }

    /// Removes the file that is to be replaced, durably, where there is one: so that until
    /// [`Publication::publish`] nothing stands at the path. A failure is final.
    ///
    /// # Errors
    /// As [`Publication::publish`].
    pub(crate) fn remove_old(&mut self) -> Result<()> {
        self.attempt(|own| {
            let origin = Origin::Path(own.path.clone());
            let there = own.storage.kind(&own.target);
            let there = there.map_err(Error::io("look at", &origin))?;
            if there.is_none() || !own.replace {
                return Ok(());
            }
            let removed = own.storage.remove(&own.target);
            removed.map_err(Error::io("remove the old file at", &origin))?;
            let synced = own.sync_folder();
            synced.map_err(Error::io("sync the folder of", &origin))
        })
    }

    /// Removes the file again that was published, for a set that can't be published whole.
    pub(crate) fn withdraw(&self) {
        if let Some(published) = self.published() {
            published.withdraw();
        }
    }

    /// What was published, once it is.
    pub(crate) fn published(&self) -> Option<Published> {
        (self.state == State::Published).then(|| Published {
            storage: Arc::clone(&self.storage),
            target: self.target.clone(),
            process: self.process,
        })
    }

    /// Whether what stands at the temporary's name is what was written; where nothing does, the
    /// renaming tells.
    fn check_temporary(&self) -> Result<()> {
        let origin = Origin::Path(self.temporary.clone());
        let look = |error| Error::io("look at", &origin)(error);
        match self.storage.kind(&self.temporary).map_err(look)? {
            None => return Ok(()),
            Some(FileKind::Regular) => {
                let there = self.storage.info(&self.temporary).map_err(look)?.id;
                if there == self.file.info().map_err(look)?.id {
                    return Ok(());
                }
            }
            Some(_) => {}
        }
        Err(Error::Swapped { origin })
    }

    fn rename(&self) -> Result<()> {
        self.check_temporary()?;
        if self.replace {
            let renamed = self.storage.rename(&self.temporary, &self.target);
            return renamed.map_err(Error::io_path("publish", &self.path));
        }
        self.storage
            .rename_new(&self.temporary, &self.target)
            .map_err(|error| {
                let origin = Origin::Path(self.path.clone());
                match error.kind() {
                    io::ErrorKind::AlreadyExists => Error::Exists { origin },
                    _ => Error::io("publish", &origin)(error),
                }
            })
    }

    /// Whether more can be written, by this process.
    ///
    /// # Errors
    /// [`Error::Forked`]; [`Error::Closed`] after a failure or when published.
    pub fn check_open(&self) -> Result<()> {
        let origin = || Origin::Path(self.path.clone());
        if os::process() != self.process {
            return Err(Error::Forked { origin: origin() });
        }
        match self.state {
            State::Open => Ok(()),
            State::Failed => Err(Error::Closed {
                origin: origin(),
                why: "failed",
            }),
            State::Published => Err(Error::Closed {
                origin: origin(),
                why: "finished",
            }),
        }
    }

    /// Does one step of an open publication; one that fails is the last.
    fn attempt(&mut self, step: impl FnOnce(&Publication) -> Result<()>) -> Result<()> {
        self.check_open()?;
        let result = step(self);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        if self.keep || self.state == State::Published || os::process() != self.process {
            return;
        }
        if let Err(error @ Error::Swapped { .. }) = self.check_temporary() {
            log::warn!("{error}; it is left there");
            return;
        }
        if let Err(error) = self.storage.remove(&self.temporary) {
            log::warn!("cannot remove '{}': {error}", self.temporary.display());
        }
    }
}

impl fmt::Debug for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Publication('{}')", self.path.display())
    }
}

/// A file that was published, without a descriptor of it.
#[derive(Debug)]
pub(crate) struct Published {
    storage: Arc<dyn Storage>,
    target: PathBuf,
    process: os::Process,
}

impl Published {
    /// Removes the file again, for a set that can't be published whole; not in a forked child.
    pub(crate) fn withdraw(&self) {
        if os::process() != self.process {
            return;
        }
        if let Err(error) = self.storage.remove(&self.target) {
            log::warn!("cannot remove '{}': {error}", self.target.display());
        }
    }
}

fn temporary_name(name: &OsStr) -> OsString {
    let random = random_number();
    let stem = if name.len() <= LONGEST_STEM {
        name.to_owned()
    } else {
        OsString::from("long")
    };
    let mut temporary = stem;
    temporary.push(format!(".{random:016x}.adit-tmp"));
    temporary
}

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
