//! The files of a set, each opened and checked when one of its records is first used.

#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::firsts::Firsts;
use super::manifest::{Manifest, Shard, no_memory};
use crate::error::{Kind, Report};
use crate::map::{Data, DescriptorPool, Origin, Storage};
use crate::record::arec::ArecFile;
use crate::record::error::{Error, Result};
use crate::record::reader::ReaderOptions;
use crate::record::schema::{Field, FieldShape, Schema};
use crate::record::slot::Slot;

/// What is kept open where the options don't say.
const DESCRIPTORS: usize = 256;

/// Many arec files read as one.
#[derive(Debug)]
pub(crate) struct SetReader {
    /// The manifest, or the first file.
    origin: Origin,
    storage: Arc<dyn Storage>,
    options: ReaderOptions,
    pool: Arc<DescriptorPool>,
    paths: Paths,
    schema: Schema,
    shards: Vec<Shard>,
    firsts: Firsts,
    files: Vec<Slot<ArecFile>>,
    metadata: Vec<(String, Vec<u8>)>,
}

/// Where the files are.
#[derive(Debug)]
enum Paths {
    /// All in one folder, called as the shards are. It is absolute: the process may change its
    /// working folder before it uses one.
    In(PathBuf),
    Each(Vec<PathBuf>),
}

impl SetReader {
    /// The set that the manifest `data` at `path` lists; nothing else is read.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        path: &Path,
        data: &Data,
        options: &ReaderOptions,
    ) -> Result<SetReader> {
        let manifest = Manifest::read(data)?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = absolute.parent().unwrap_or(Path::new("")).to_owned();
        let origin = data.origin().clone();
        SetReader::new(storage, origin, options, Paths::In(folder), manifest)
    }

    /// The set of the files at `paths`, in this order: each is opened now, for how many records it
    /// has.
    pub(crate) fn open_files(
        storage: Arc<dyn Storage>,
        paths: &[&Path],
        options: &ReaderOptions,
    ) -> Result<SetReader> {
        let Some(first) = paths.first() else {
            return Err(Error::Schema {
                why: "no files were given".to_owned(),
            });
        };
        let origin = Origin::Path((*first).to_owned());
        let pool = new_pool(options);
        let mut list = FileList::default();
        let mut files: Vec<Slot<ArecFile>> = Vec::new();
        let out_of_memory = |_| no_memory((paths.len() as u64).saturating_mul(8), &origin);
        files
            .try_reserve_exact(paths.len())
            .map_err(out_of_memory)?;
        for path in paths {
            let data = Data::open_pooled(&pool, &storage, path, &options.data)?;
            let file = ArecFile::open(Arc::new(data))?;
            list.add(&file, String::new())?;
            let slot = Slot::new();
            slot.set(file);
            files.push(slot);
        }
        let manifest = list.manifest;
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let paths = Paths::Each(paths);
        let mut set = SetReader::new(storage, origin, options, paths, manifest)?;
        (set.pool, set.files) = (pool, files);
        Ok(set)
    }

    fn new(
        storage: Arc<dyn Storage>,
        origin: Origin,
        options: &ReaderOptions,
        paths: Paths,
        manifest: Manifest,
    ) -> Result<SetReader> {
        let shards = manifest.shards;
        let firsts = Firsts::new(shards.iter().map(|shard| shard.records));
        let firsts = firsts
            .ok_or_else(|| Error::Set {
                origin: origin.clone(),
                why: "its files have more records than can be counted".to_owned(),
                kind: Kind::OutOfRange,
            })?
            .map_err(|bytes| no_memory(bytes, &origin))?;
        let mut files = Vec::new();
        let out_of_memory = |_| no_memory((shards.len() as u64).saturating_mul(8), &origin);
        files
            .try_reserve_exact(shards.len())
            .map_err(out_of_memory)?;
        files.resize_with(shards.len(), Slot::new);
        Ok(SetReader {
            origin,
            storage,
            options: options.clone(),
            pool: new_pool(options),
            paths,
            schema: manifest.schema,
            shards,
            firsts,
            files,
            metadata: manifest.metadata,
        })
    }

    pub(crate) fn len(&self) -> u64 {
        self.firsts.total()
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(crate) fn metadata(&self) -> &[(String, Vec<u8>)] {
        &self.metadata
    }

    pub(crate) fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The number of a file's first record.
    pub(crate) fn first_of(&self, shard: usize) -> u64 {
        self.firsts.start(shard)
    }

    /// The file that a record is in, and its number there.
    #[inline]
    pub(crate) fn locate(&self, index: u64) -> Result<(usize, u64)> {
        self.firsts.find(index).ok_or_else(|| self.no_record(index))
    }

    #[cold]
    fn no_record(&self, index: u64) -> Error {
        Error::NoRecord {
            origin: self.origin.clone(),
            index,
            len: self.len(),
        }
    }

    /// A file, opened where that wasn't done yet. A failure is told and not remembered: the file
    /// may be there the next time.
    #[inline]
    pub(crate) fn file(&self, shard: usize) -> Result<&ArecFile> {
        match self.files.get(shard).and_then(Slot::get) {
            Some(file) => Ok(file),
            None => self.open_shard(shard),
        }
    }

    /// The files that were opened.
    pub(crate) fn opened(&self) -> impl Iterator<Item = &ArecFile> {
        self.files.iter().filter_map(Slot::get)
    }

    /// What is wrong with a record of a file, told by its number in the set.
    #[cold]
    pub(crate) fn of_set(&self, shard: usize, error: Error) -> Error {
        match error.place().index {
            Some(local) => Error::OfSet {
                index: self.first_of(shard).saturating_add(local),
                source: Box::new(error),
            },
            None => error,
        }
    }

    #[cold]
    fn open_shard(&self, shard: usize) -> Result<&ArecFile> {
        let (Some(slot), Some(row)) = (self.files.get(shard), self.shards.get(shard)) else {
            return Err(Error::NoShard {
                shard,
                len: self.shards.len(),
            });
        };
        let path = match &self.paths {
            Paths::In(folder) => folder.join(&row.file),
            Paths::Each(paths) => paths.get(shard).cloned().unwrap_or_default(),
        };
        let data = Data::open_pooled(&self.pool, &self.storage, &path, &self.options.data);
        let data = data.map_err(|error| self.not_there(error.into(), &path, row))?;
        self.check_length(&data, row)?;
        let file = ArecFile::open(Arc::new(data)).map_err(|error| self.no_shard(error))?;
        self.check(&file, row)?;
        Ok(slot.set(file))
    }

    #[cold]
    fn not_there(&self, error: Error, path: &Path, row: &Shard) -> Error {
        let why = match error.kind() {
            Kind::NotFound => format!(
                "this shard is missing: {} has {} records in it; put it beside the manifest",
                self.origin, row.records
            ),
            Kind::NotAFile => format!("{} names it as a shard, but {error}", self.origin),
            _ => return error,
        };
        Error::Set {
            origin: Origin::Path(path.to_owned()),
            why,
            kind: error.kind(),
        }
    }

    /// A file of another format can't be a shard: the manifest is what points there.
    #[cold]
    fn no_shard(&self, error: Error) -> Error {
        match error {
            Error::WrongFormat { origin, why } => Error::WrongFormat {
                origin,
                why: format!("{why}; {} names it as a shard", self.origin),
            },
            error => error,
        }
    }

    /// Looked at first: a file that was cut has no trailer, and would be taken for unfinished.
    fn check_length(&self, data: &Data, row: &Shard) -> Result<()> {
        if data.len() == row.bytes {
            return Ok(());
        }
        let cut = data.len() < row.bytes;
        let what = if cut { "it was cut, or" } else { "" };
        Err(Error::Set {
            origin: data.origin().clone(),
            why: format!(
                "{what} it is another file than the shard that {} lists: it has {} bytes, not {}",
                self.origin,
                data.len(),
                row.bytes
            )
            .trim_start()
            .to_owned(),
            kind: if cut {
                Kind::Truncated
            } else {
                Kind::Malformed
            },
        })
    }

    fn check(&self, file: &ArecFile, row: &Shard) -> Result<()> {
        let other = |why: String| {
            Err(Error::Set {
                origin: file.data().origin().clone(),
                why: format!("it isn't the shard that {} lists: {why}", self.origin),
                kind: Kind::Malformed,
            })
        };
        if file.uuid() != row.uuid {
            let uuid = |bytes| u128::from_be_bytes(bytes);
            return other(format!(
                "its uuid is {:032x}, not {:032x}",
                uuid(file.uuid()),
                uuid(row.uuid)
            ));
        }
        if file.len() != row.records {
            return other(format!(
                "it has {} records, not {}",
                file.len(),
                row.records
            ));
        }
        if file.directory_hash() != row.footer {
            return other("its footer's hash is another".to_owned());
        }
        match difference(&file.schema(), &self.schema) {
            Some(why) => other(why),
            None => Ok(()),
        }
    }
}

fn new_pool(options: &ReaderOptions) -> Arc<DescriptorPool> {
    let most = match options.most_descriptors {
        0 => DESCRIPTORS,
        most => most,
    };
    Arc::new(DescriptorPool::new(most))
}

/// Files that become a set, as they are opened one after the other.
#[derive(Debug, Default)]
pub(super) struct FileList {
    first: Option<Origin>,
    pub(super) manifest: Manifest,
}

impl FileList {
    /// Adds a file, called `name`, whose fields must be those of the first.
    pub(super) fn add(&mut self, file: &ArecFile, name: String) -> Result<()> {
        let origin = file.data().origin();
        let no_set = |why| Error::Set {
            origin: origin.clone(),
            why,
            kind: Kind::Malformed,
        };
        match &self.first {
            None => {
                self.first = Some(origin.clone());
                self.manifest.schema = file.schema();
            }
            Some(first) => {
                if let Some(why) = difference(&file.schema(), &self.manifest.schema) {
                    let why = format!("it can't be in one set with {first}: {why}");
                    return Err(no_set(why));
                }
            }
        }
        let shards = &mut self.manifest.shards;
        shards
            .try_reserve(1)
            .map_err(|_| no_memory(size_of::<Shard>() as u64, origin))?;
        shards.push(Shard {
            file: name,
            uuid: file.uuid(),
            records: file.len(),
            bytes: file.data().len(),
            footer: file.directory_hash(),
        });
        Ok(())
    }
}

/// How the fields of a file differ from those of its set.
fn difference(found: &Schema, wanted: &Schema) -> Option<String> {
    let (found, wanted) = (found.fields(), wanted.fields());
    for (number, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        if found != wanted {
            return Some(format!(
                "its field {number} is {}, not {}",
                described(found),
                described(wanted)
            ));
        }
    }
    let (found, wanted) = (found.len(), wanted.len());
    (found != wanted).then(|| format!("it has {found} fields, not {wanted}"))
}

fn described(field: &Field) -> String {
    let dtype = field.dtype.map_or("any dtype", |dtype| dtype.name());
    let shape = match &field.shape {
        FieldShape::Any => "any shape".to_owned(),
        FieldShape::Dims(dims) => {
            let size = |&dim: &i64| match dim {
                ..0 => "any".to_owned(),
                dim => dim.to_string(),
            };
            format!("[{}]", dims.iter().map(size).collect::<Vec<_>>().join(", "))
        }
    };
    let bytes = if field.is_bytes { ", bytes" } else { "" };
    format!("'{}' ({dtype} {shape}{bytes})", field.name)
}
