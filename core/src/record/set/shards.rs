//! Writing a set: shards of a size, then the manifest that lists them.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::manifest::{Manifest, Shard};
use crate::error::{Kind, Report};
use crate::map::{
    self, Data, DataOptions, Origin, Publication, PublishLock, Published, Storage, random_number,
};
use crate::record::arec::{ArecFile, ArecOptions, ArecWriter, Layout, Limits, set_entry};
use crate::record::error::{Error, Result};
use crate::record::planted::{self, Bug};
use crate::record::schema::Schema;
use crate::record::writer::WriterOptions;
use crate::tensor::TensorView;

/// The longest part of the manifest's name that shards' names start with.
const LONGEST_STEM: usize = 200;

/// The first bytes of a file, as many as tell a manifest.
const START: usize = 64;

/// A file has room for so many blocks at least, where its size is the caller's choice and that of
/// blocks isn't.
const BLOCKS: u64 = 4;

/// Writes a set. Nothing appears at the manifest's path before [`SetWriter::finish`]; dropped
/// before, the writer takes its shards away again, unless it was to keep what is unfinished.
pub(crate) struct SetWriter {
    storage: Arc<dyn Storage>,
    /// The manifest's.
    path: PathBuf,
    /// The same from the root: the process may change its working folder.
    target: PathBuf,
    options: WriterOptions,
    layout: Layout,
    manifest: Manifest,
    /// The manifest's bytes, where shards are added to it.
    old: Option<Vec<u8>>,
    /// What shards' names start with, and the number of the next.
    stem: String,
    number: u32,
    shard: Option<Box<ArecWriter>>,
    /// What to take away where the manifest never says that it is there.
    published: Vec<Published>,
    /// Records in shards that are finished.
    records: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Finished,
    Poisoned,
}

impl SetWriter {
    /// Starts a set.
    pub(crate) fn create(
        storage: Arc<dyn Storage>,
        path: &Path,
        schema: &Schema,
        options: &WriterOptions,
    ) -> Result<SetWriter> {
        SetWriter::check_path(&storage, path, options.replace)?;
        let manifest = Manifest {
            schema: schema.clone(),
            ..Manifest::default()
        };
        SetWriter::start(storage, path, options, manifest, None)
    }

    /// Starts shards for the set whose manifest is at `path`.
    pub(crate) fn append_to(
        storage: Arc<dyn Storage>,
        path: &Path,
        options: &WriterOptions,
    ) -> Result<SetWriter> {
        let data = Data::open_in(storage.as_ref(), path, &DataOptions::default())?;
        let mut start = Vec::new();
        let len = usize::try_from(data.len()).unwrap_or(START).min(START);
        data.read_to(0, len, &mut start)?;
        if !Manifest::may_start(&start) {
            return Err(Error::WrongFormat {
                origin: data.origin().clone(),
                why: if ArecFile::is_arec(&start) {
                    "it is an arec file; shards are added to the manifest of a set"
                } else {
                    "it isn't the manifest of a set by its start"
                }
                .to_owned(),
            });
        }
        let manifest = Manifest::read(&data)?;
        let old = contents(&data)?;
        let layout = Layout::plan(&manifest.schema, &ArecOptions::default())?;
        if let Some(schema) = &options.schema
            && !layout.is_of(schema)
        {
            return Err(Error::Schema {
                why: format!("it isn't that of {}", data.origin()),
            });
        }
        SetWriter::start(storage, path, options, manifest, Some(old))
    }

    /// Whether a manifest can be published at a path.
    pub(crate) fn check_path(storage: &Arc<dyn Storage>, path: &Path, replace: bool) -> Result<()> {
        Publication::file_name(path)?;
        let origin = Origin::Path(path.to_owned());
        let there = storage
            .kind(path)
            .map_err(map::Error::io("look at", &origin))?;
        if there.is_some() && !replace {
            return Err(map::Error::Exists { origin }.into());
        }
        Ok(())
    }

    fn start(
        storage: Arc<dyn Storage>,
        path: &Path,
        options: &WriterOptions,
        manifest: Manifest,
        old: Option<Vec<u8>>,
    ) -> Result<SetWriter> {
        let layout = Layout::plan(&manifest.schema, &block_options(options))?;
        let name = Publication::file_name(path)?;
        let origin = Origin::Path(path.to_owned());
        let target = std::path::absolute(path).map_err(map::Error::io("find", &origin))?;
        let mut writer = SetWriter {
            storage,
            path: path.to_owned(),
            target,
            options: options.clone(),
            layout,
            manifest,
            old,
            stem: stem(name),
            number: 0,
            shard: None,
            published: Vec::new(),
            records: 0,
            state: State::Open,
        };
        // Now rather than with the first record: a folder that can't be written to is told early.
        writer.begin_shard()?;
        Ok(writer)
    }

    /// The records appended so far, without those that the set had before.
    pub(crate) fn count(&self) -> u64 {
        let unfinished = self.shard.as_ref().map_or(0, |shard| shard.count());
        self.records.saturating_add(unfinished)
    }

    /// Where the shard is that is being written.
    pub(crate) fn temporary(&self) -> Option<&Path> {
        self.shard.as_ref().map(|shard| shard.temporary())
    }

    /// Appends one record.
    pub(crate) fn append(&mut self, tensors: &[TensorView<'_>]) -> Result<()> {
        while !self.shard()?.append(tensors)? {
            self.next_shard()?;
        }
        Ok(())
    }

    /// Appends the rows of columns.
    pub(crate) fn append_batch(&mut self, columns: &[TensorView<'_>]) -> Result<()> {
        let mut next = 0;
        while let Some(row) = self.shard()?.append_rows(columns, next)? {
            next = row;
            self.next_shard()?;
        }
        Ok(())
    }

    /// Sets a key's value in the manifest.
    pub(crate) fn set_metadata(&mut self, key: &str, value: &[u8]) -> Result<()> {
        self.shard()?;
        set_entry(&mut self.manifest.metadata, key, value)
    }

    /// Makes all that was appended recoverable. Shards that are finished are durable already.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.shard()?.sync()
    }

    /// Finishes the last shard and publishes the manifest.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.shard()?;
        self.state = State::Poisoned;
        if planted::has(Bug::ManifestFirst) {
            self.publish()?;
        }
        if self.shard.as_ref().is_some_and(|shard| shard.count() > 0) {
            self.finish_shard()?;
        }
        // One without records is no shard, and nothing that could be recovered.
        if let Some(shard) = self.shard.take() {
            shard.give_up();
        }
        let published = self.publish();
        // What is there but perhaps not for long needs its shards all the same.
        let is_there = match &published {
            Ok(()) => true,
            Err(error) => error.kind() == Kind::NotDurable,
        };
        if is_there {
            self.published = Vec::new();
            self.state = State::Finished;
        }
        published
    }

    fn publish(&self) -> Result<()> {
        let storage = || Arc::clone(&self.storage);
        let (_lock, replace) = match &self.old {
            None => (None, self.options.replace),
            Some(old) => {
                // Nobody else adds shards between the look and the new name.
                let mut name = self.target.clone().into_os_string();
                name.push(".adit-lock");
                let lock = PublishLock::wait(&self.storage, name.into())?;
                let options = DataOptions::default();
                let data = Data::open_in(self.storage.as_ref(), &self.target, &options)?;
                if contents(&data)? != *old {
                    return Err(Error::Set {
                        origin: Origin::Path(self.path.clone()),
                        why: "the set was changed while shards were written for it; append to it \
                              again"
                            .to_owned(),
                        kind: Kind::Busy,
                    });
                }
                (Some(lock), true)
            }
        };
        let mut publication = Publication::create(storage(), &self.target, replace)?;
        self.manifest.publish(&mut publication)
    }

    /// The shard that is being written.
    fn shard(&mut self) -> Result<&mut ArecWriter> {
        if self.state == State::Open
            && let Some(shard) = &self.shard
        {
            shard.check_open()?;
        }
        match (self.state, &mut self.shard) {
            (State::Open, Some(shard)) => Ok(shard),
            (state, _) => Err(Error::Closed {
                origin: Origin::Path(self.path.clone()),
                why: match state {
                    State::Finished => "has finished",
                    State::Open | State::Poisoned => "failed earlier",
                },
                poisoned: state != State::Finished,
            }),
        }
    }

    fn next_shard(&mut self) -> Result<()> {
        self.state = State::Poisoned;
        self.finish_shard()?;
        self.begin_shard()?;
        self.state = State::Open;
        Ok(())
    }

    fn begin_shard(&mut self) -> Result<()> {
        let path = self.target.with_file_name(self.file_name());
        let publication = Publication::create(Arc::clone(&self.storage), &path, false)?;
        let limits = Limits {
            bytes: self.options.shard_bytes,
            before: self.records,
        };
        let layout = self.layout.clone();
        let shard = ArecWriter::start(publication, layout, self.options.keep_unfinished, limits)?;
        self.shard = Some(Box::new(shard));
        Ok(())
    }

    fn file_name(&self) -> String {
        format!("{}-{:05}.arec", self.stem, self.number)
    }

    fn finish_shard(&mut self) -> Result<()> {
        let Some(mut shard) = self.shard.take() else {
            return Ok(());
        };
        let done = shard.finish();
        self.published.extend(shard.publication().published());
        if let Err(error) = done {
            // It tells what is unfinished, and where that is.
            self.shard = Some(shard);
            return Err(error);
        }
        if let Some(finished) = shard.finished() {
            self.manifest.shards.push(Shard {
                file: self.file_name(),
                uuid: finished.uuid,
                records: finished.records,
                bytes: finished.bytes,
                footer: finished.directory_hash,
            });
            self.records = self.records.saturating_add(finished.records);
        }
        self.number = self.number.saturating_add(1);
        Ok(())
    }
}

impl Drop for SetWriter {
    fn drop(&mut self) {
        if self.state == State::Finished || self.options.keep_unfinished {
            return;
        }
        for shard in &self.published {
            shard.withdraw();
        }
    }
}

/// How shards are laid out: small ones in small blocks.
fn block_options(options: &WriterOptions) -> ArecOptions {
    let mut arec = options.arec;
    let most = options.shard_bytes / BLOCKS;
    if arec.block_bytes == 0 && most > 0 && most < 4 << 20 {
        arec.block_bytes = (most.next_power_of_two() / 2).max(16 << 10);
    }
    arec
}

/// What the names of a new set's shards start with: no other set's do.
fn stem(name: &OsStr) -> String {
    let name = Path::new(name).file_stem().and_then(OsStr::to_str);
    let name = name.unwrap_or("set");
    let end = name.floor_char_boundary(LONGEST_STEM);
    let name = name.get(..end).unwrap_or_default();
    format!("{name}-{:08x}", random_number() >> 32)
}

fn contents(data: &Data) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let len = usize::try_from(data.len()).unwrap_or(usize::MAX);
    data.read_to(0, len, &mut bytes)?;
    Ok(bytes)
}

impl fmt::Debug for SetWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "RecordWriter('{path}', {} records)", self.count())
    }
}
