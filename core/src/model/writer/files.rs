//! The files of a model being written: one, or shards with their index.
//!
//! Each file is written under a temporary name, and its first eight bytes, without which it is no
//! safetensors file, when all else is on the disk. The shards get their names first, the index that
//! names them last. Where a set replaces another, the old index goes before the first shard does: a
//! reader finds the old set, no index, or the new set. Sets of the same names are published one
//! after the other, so that what stands there in the end is one of them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Result, WriteError};
use super::header::PREFIX;
use crate::error::Report;
use crate::map::{self, Origin, Publication, PublishLock, Region, Storage};

/// What the name of a model's file ends in.
const EXTENSION: &str = ".safetensors";

/// Files that have their space and their headers, not yet their names.
#[derive(Debug)]
pub(super) struct Files {
    shards: Vec<Shard>,
    /// Of several shards.
    set: Option<Set>,
}

/// What shards have in common.
#[derive(Debug)]
struct Set {
    index: Publication,
    storage: Arc<dyn Storage>,
    /// Where nothing may stand, as the caller gave it.
    path: PathBuf,
    /// The same, whatever the working folder is by now.
    absolute: PathBuf,
    /// The file of the lock that is held while the set is published.
    lock: PathBuf,
}

#[derive(Debug)]
struct Shard {
    publication: Publication,
    header_bytes: u64,
}

/// The names of a model's files.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileNames {
    One,
    Shards {
        shards: Vec<String>,
        index: String,
        lock: String,
    },
}

impl FileNames {
    /// The names for a model at `path` in so many files.
    pub(super) fn new(path: &Path, files: usize) -> Result<FileNames> {
        if files <= 1 {
            return Ok(FileNames::One);
        }
        let name = Publication::file_name(path)?;
        let Some(name) = name.to_str() else {
            return Err(WriteError::from(map::Error::BadPath {
                path: path.to_owned(),
                why: "a sharded model's index names its files in UTF-8, which it isn't",
            }));
        };
        let stem = name.strip_suffix(EXTENSION).unwrap_or(name);
        let shard = |number| format!("{stem}-{number:05}-of-{files:05}{EXTENSION}");
        Ok(FileNames::Shards {
            shards: (1..=files).map(shard).collect(),
            index: format!("{stem}{EXTENSION}.index.json"),
            // No longer than the index's, which may be as long as names can be.
            lock: format!("{stem}{EXTENSION}.adit-lock"),
        })
    }

    /// The name of a shard; "" where there is one file.
    pub(super) fn shard(&self, shard: usize) -> &str {
        match self {
            FileNames::One => "",
            FileNames::Shards { shards, .. } => shards.get(shard).map_or("", String::as_str),
        }
    }

    /// The path of a file of the model at `path`.
    pub(super) fn origin(&self, path: &Path, shard: usize) -> Origin {
        Origin::Path(match self {
            FileNames::One => path.to_owned(),
            FileNames::Shards { .. } => path.with_file_name(self.shard(shard)),
        })
    }
}

/// Creates files beside one another.
pub(super) struct Folder<'a> {
    pub(super) storage: &'a Arc<dyn Storage>,
    pub(super) path: &'a Path,
    pub(super) replace: bool,
}

impl Folder<'_> {
    /// Creates a file of a set of so many.
    fn create(&self, name: &str, files: usize) -> Result<Publication> {
        let path = self.path.with_file_name(OsString::from(name));
        let storage = Arc::clone(self.storage);
        Publication::create(storage, &path, self.replace).map_err(|source| match source.os_code() {
            libc::EMFILE | libc::ENFILE => WriteError::TooManyFiles {
                files: files as u64,
                source,
            },
            _ => WriteError::Map(source),
        })
    }

    /// The model's one file, with nothing in it.
    pub(super) fn one(&self) -> Result<Files> {
        let storage = Arc::clone(self.storage);
        let publication = Publication::create(storage, self.path, self.replace)?;
        Ok(Files {
            shards: vec![Shard::of(publication)],
            set: None,
        })
    }

    /// Shards with nothing in them, and their index.
    pub(super) fn set(
        &self,
        shards: &[String],
        (index, text): (&str, &[u8]),
        lock: &str,
    ) -> Result<Files> {
        check_free(self.storage, self.path, self.path)?;
        let files = shards.len().saturating_add(1);
        let mut index = self.create(index, files)?;
        index.write(text, 0)?;
        let shards: Result<Vec<Shard>> = shards
            .iter()
            .map(|name| self.create(name, files).map(Shard::of))
            .collect();
        Ok(Files {
            shards: shards?,
            set: Some(Set {
                absolute: index.beside(Publication::file_name(self.path)?),
                lock: index.beside(lock.as_ref()),
                index,
                storage: Arc::clone(self.storage),
                path: self.path.to_owned(),
            }),
        })
    }
}

/// Whether nothing stands where readers would take it for the model instead of the shards.
fn check_free(storage: &Arc<dyn Storage>, path: &Path, absolute: &Path) -> Result<()> {
    let origin = Origin::Path(path.to_owned());
    let there = storage.kind(absolute);
    match there.map_err(map::Error::io("look at", &origin))? {
        Some(_) => Err(WriteError::Shadowed { origin }),
        None => Ok(()),
    }
}

impl Shard {
    fn of(publication: Publication) -> Shard {
        Shard {
            publication,
            header_bytes: 0,
        }
    }

    /// Says that all else is there, durably.
    fn complete(&mut self) -> map::Result<()> {
        self.publication.sync()?;
        let prefix = self.header_bytes.to_le_bytes();
        self.publication.write(&prefix, 0)
    }
}

impl Files {
    /// How many there are, the index aside.
    pub(super) fn len(&self) -> usize {
        self.shards.len()
    }

    /// Allocates a file's space and writes its header.
    pub(super) fn start(&mut self, shard: usize, header: &[u8], len: u64) -> map::Result<()> {
        let Some(own) = self.shards.get_mut(shard) else {
            return Ok(());
        };
        own.header_bytes = header.len() as u64;
        own.publication.allocate(len)?;
        own.publication.write(header, PREFIX)
    }

    /// Whether this process may write: one file tells, as they are all made by one process, and
    /// what fails in one of them is the end of the writer.
    pub(super) fn check_open(&self) -> map::Result<()> {
        let first = self.shards.first();
        first.map_or(Ok(()), |shard| shard.publication.check_open())
    }

    /// Writes elements.
    pub(super) fn write(
        &mut self,
        shard: usize,
        bytes: Elements<'_>,
        offset: u64,
    ) -> map::Result<()> {
        let Some(own) = self.shards.get_mut(shard) else {
            return Ok(());
        };
        match bytes {
            Elements::Slice(bytes) => own.publication.write(bytes, offset),
            Elements::Region(bytes) => own.publication.write_region(bytes, offset),
        }
    }

    /// Gives the files their names. After an error nothing new stands there, but for
    /// [`map::Error::NotDurable`]; what a set has replaced by then is lost.
    pub(super) fn publish(&mut self) -> Result<()> {
        for shard in &mut self.shards {
            shard.complete()?;
        }
        let Some(set) = &mut self.set else {
            let mut shards = self.shards.iter_mut();
            return Ok(shards.try_for_each(|shard| shard.publication.publish())?);
        };
        for shard in &mut self.shards {
            shard.publication.sync()?;
        }
        set.index.sync()?;
        set.publish(&mut self.shards)
    }
}

impl Set {
    /// Gives all files, which are on the disk, their names, while nobody else gives them to others.
    fn publish(&mut self, shards: &mut [Shard]) -> Result<()> {
        let _lock = PublishLock::wait(&self.storage, self.lock.clone())?;
        check_free(&self.storage, &self.path, &self.absolute)?;
        self.index.remove_old()?;
        let published = self.rename(shards);
        if published.is_err() && !matches!(published, Err(map::Error::NotDurable { .. })) {
            for shard in shards {
                shard.publication.withdraw();
            }
        }
        Ok(published?)
    }

    fn rename(&mut self, shards: &mut [Shard]) -> map::Result<()> {
        for shard in shards {
            shard.publication.publish().map_err(|error| match error {
                // Without the index nothing is published.
                map::Error::NotDurable { origin, source } => {
                    map::Error::io("sync the folder of", &origin)(source)
                }
                error => error,
            })?;
        }
        self.index.publish()
    }
}

/// Bytes to write, from where nobody changes them or from where somebody may.
pub(super) enum Elements<'a> {
    Slice(&'a [u8]),
    Region(Region<'a>),
}

impl Elements<'_> {
    pub(super) fn len(&self) -> u64 {
        match self {
            Elements::Slice(bytes) => bytes.len() as u64,
            Elements::Region(bytes) => bytes.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let names = |path: &str, files| FileNames::new(Path::new(path), files).ok();
        assert_eq!(names("a/m.safetensors", 1), Some(FileNames::One));
        let Some(FileNames::Shards {
            shards,
            index,
            lock,
        }) = names("a/m.safetensors", 2)
        else {
            unreachable!("two files");
        };
        assert_eq!(
            shards,
            [
                "m-00001-of-00002.safetensors",
                "m-00002-of-00002.safetensors"
            ]
        );
        assert_eq!(index, "m.safetensors.index.json");
        assert_eq!(lock, "m.safetensors.adit-lock");
        let other = names("x.bin", 100_000);
        assert_eq!(
            other.as_ref().map(|names| names.shard(99_999)),
            Some("x.bin-100000-of-100000.safetensors")
        );
        assert_eq!(names("a/..", 2), None);
        assert_eq!(names("a/m.safetensors/", 2), None);
    }
}
