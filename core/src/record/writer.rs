//! Writing records, whatever the format.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::arec::{ArecOptions, ArecWriter, Layout, Limits, set_entry};
use super::error::{Error, Result};
use super::rrec::RrecWriter;
use super::schema::{Field, Schema};
use super::set::SetWriter;
use crate::map::{Origin, Publication, Storage};
use crate::tensor::TensorView;

/// The formats that are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordFormat {
    /// rrec version 1, for those who have readers of it.
    Rrec1,
    /// The library's own.
    #[default]
    Arec,
}

/// How records are written. All but the format and `replace` is for arec.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// The format.
    pub format: RecordFormat,
    /// Whether a file that stands at the path is replaced, or refused.
    pub replace: bool,
    /// The fields, each with a dtype and dimensions. None for those of the first record: all of
    /// them fixed, called "field0", "field1" and so on.
    pub schema: Option<Schema>,
    /// How the file is laid out.
    pub arec: ArecOptions,
    /// Not 0: a set of shards of at most about so many bytes each, whose manifest is at the path.
    pub shard_bytes: u64,
    /// Whether what was written stays where the writer fails or is dropped unfinished.
    pub keep_unfinished: bool,
}

impl Default for WriterOptions {
    fn default() -> WriterOptions {
        WriterOptions {
            format: RecordFormat::default(),
            replace: true,
            schema: None,
            arec: ArecOptions::default(),
            shard_bytes: 0,
            keep_unfinished: false,
        }
    }
}

/// Writes records to a file, or a set of files. Nothing appears at the path before
/// [`RecordWriter::finish`]; dropped before, the writer leaves nothing, unless it was to keep what
/// is unfinished.
pub struct RecordWriter {
    target: Target,
}

enum Target {
    Rrec(RrecWriter),
    /// A file whose fields the first record will tell.
    Waiting(Box<Waiting>),
    Arec(Box<ArecWriter>),
    Set(Box<SetWriter>),
}

struct Waiting {
    /// None for a set, and after a failure.
    publication: Option<Publication>,
    storage: Arc<dyn Storage>,
    path: PathBuf,
    options: WriterOptions,
    metadata: Vec<(String, Vec<u8>)>,
}

impl RecordWriter {
    /// Starts a file, or a set, that will appear at `path`.
    ///
    /// # Errors
    /// [`Error::FormatLacks`], [`Error::Schema`], those of
    /// [`Publication::create`]; memory.
    pub fn create(
        storage: Arc<dyn Storage>,
        path: &Path,
        options: &WriterOptions,
    ) -> Result<RecordWriter> {
        let target = match (options.format, &options.schema) {
            (RecordFormat::Rrec1, _) => {
                check_rrec(options)?;
                Target::Rrec(RrecWriter::create(storage, path, options.replace)?)
            }
            (RecordFormat::Arec, None) => Target::Waiting(Waiting::new(storage, path, options)?),
            (RecordFormat::Arec, Some(schema)) if options.shard_bytes > 0 => {
                let writer = SetWriter::create(storage, path, schema, options)?;
                Target::Set(Box::new(writer))
            }
            (RecordFormat::Arec, Some(schema)) => {
                let publication = Publication::create(storage, path, options.replace)?;
                let writer = ArecWriter::begin(publication, schema, options)?;
                Target::Arec(Box::new(writer))
            }
        };
        Ok(RecordWriter { target })
    }

    /// Starts shards that [`RecordWriter::finish`] adds to the set whose manifest is at `path`. Its
    /// fields are the set's; a schema in the options must be the same. `options.shard_bytes` 0 makes
    /// one shard.
    ///
    /// # Errors
    /// Those of reading a manifest; as [`RecordWriter::create`].
    pub fn append_to(
        storage: Arc<dyn Storage>,
        path: &Path,
        options: &WriterOptions,
    ) -> Result<RecordWriter> {
        if options.format == RecordFormat::Rrec1 {
            return Err(Error::FormatLacks { what: "sets" });
        }
        let writer = SetWriter::append_to(storage, path, options)?;
        Ok(RecordWriter {
            target: Target::Set(Box::new(writer)),
        })
    }

    /// The records appended so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        match &self.target {
            Target::Rrec(writer) => writer.count(),
            Target::Waiting(_) => 0,
            Target::Arec(writer) => writer.count(),
            Target::Set(writer) => writer.count(),
        }
    }

    /// Where the unfinished file is: of a set, the shard that is being written. None before the
    /// first shard.
    #[must_use]
    pub fn temporary(&self) -> Option<&Path> {
        match &self.target {
            Target::Rrec(writer) => Some(writer.temporary()),
            Target::Waiting(waiting) => waiting.publication.as_ref().map(Publication::temporary),
            Target::Arec(writer) => Some(writer.temporary()),
            Target::Set(writer) => writer.temporary(),
        }
    }

    /// Appends one record, a tensor for each field. What the fields can't hold is refused and leaves
    /// the writer as it was; a failed write poisons it.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Closed`], memory, those of [`Publication::write`].
    pub fn append(&mut self, tensors: &[TensorView<'_>]) -> Result<()> {
        if let Target::Waiting(waiting) = &mut self.target {
            let schema = schema_of(tensors, 0)?;
            self.target = waiting.begin(&schema)?;
        }
        match &mut self.target {
            Target::Rrec(writer) => writer.append(tensors),
            Target::Waiting(_) => Ok(()),
            // A file by itself takes any number.
            Target::Arec(writer) => writer.append(tensors).map(|_| ()),
            Target::Set(writer) => writer.append(tensors),
        }
    }

    /// Appends as many records as the columns have rows: record i is row i of each column. The
    /// columns are checked before the first record is written.
    ///
    /// # Errors
    /// As [`RecordWriter::append`].
    pub fn append_batch(&mut self, columns: &[TensorView<'_>]) -> Result<()> {
        if let Target::Waiting(waiting) = &mut self.target {
            let schema = schema_of(columns, 1)?;
            self.target = waiting.begin(&schema)?;
        }
        match &mut self.target {
            Target::Rrec(writer) => writer.append_batch(columns),
            Target::Waiting(_) => Ok(()),
            Target::Arec(writer) => writer.append_rows(columns, 0).map(|_| ()),
            Target::Set(writer) => writer.append_batch(columns),
        }
    }

    /// Sets a key's value, which the finished file, or the set's manifest, tells again.
    ///
    /// # Errors
    /// [`Error::FormatLacks`], [`Error::Metadata`], [`Error::Closed`].
    pub fn set_metadata(&mut self, key: &str, value: &[u8]) -> Result<()> {
        match &mut self.target {
            Target::Rrec(_) => Err(Error::FormatLacks { what: "metadata" }),
            Target::Waiting(waiting) => set_entry(&mut waiting.metadata, key, value),
            Target::Arec(writer) => writer.set_metadata(key, value),
            Target::Set(writer) => writer.set_metadata(key, value),
        }
    }

    /// Makes all that was appended recoverable, also after a power cut.
    ///
    /// # Errors
    /// [`Error::Closed`], memory, those of [`Publication::write`].
    pub fn sync(&mut self) -> Result<()> {
        match &mut self.target {
            Target::Rrec(writer) => writer.sync(),
            Target::Waiting(_) => Ok(()),
            Target::Arec(writer) => writer.sync(),
            Target::Set(writer) => writer.sync(),
        }
    }

    /// Writes what is left and publishes the file, or the set, durably. Done, or failed, the writer
    /// can only be closed.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Schema`] where nobody has told the fields; those of
    /// [`Publication::write`] and [`Publication::publish`].
    pub fn finish(&mut self) -> Result<()> {
        match &mut self.target {
            Target::Rrec(writer) => writer.finish(),
            Target::Waiting(_) => Err(Error::Schema {
                why: "there are no records and no schema that could tell the fields".to_owned(),
            }),
            Target::Arec(writer) => writer.finish(),
            Target::Set(writer) => writer.finish(),
        }
    }
}

impl Waiting {
    fn new(
        storage: Arc<dyn Storage>,
        path: &Path,
        options: &WriterOptions,
    ) -> Result<Box<Waiting>> {
        let publication = if options.shard_bytes > 0 {
            SetWriter::check_path(&storage, path, options.replace)?;
            None
        } else {
            let storage = Arc::clone(&storage);
            Some(Publication::create(storage, path, options.replace)?)
        };
        Ok(Box::new(Waiting {
            publication,
            storage,
            path: path.to_owned(),
            options: options.clone(),
            metadata: Vec::new(),
        }))
    }

    fn begin(&mut self, schema: &Schema) -> Result<Target> {
        let options = &self.options;
        let mut target = if options.shard_bytes > 0 {
            let storage = Arc::clone(&self.storage);
            Target::Set(Box::new(SetWriter::create(
                storage, &self.path, schema, options,
            )?))
        } else {
            let layout = Layout::plan(schema, &options.arec)?;
            let Some(publication) = self.publication.take() else {
                return Err(Error::Closed {
                    origin: Origin::Path(self.path.clone()),
                    why: "failed earlier",
                    poisoned: true,
                });
            };
            let keep = options.keep_unfinished;
            let writer = ArecWriter::start(publication, layout, keep, Limits::default())?;
            Target::Arec(Box::new(writer))
        };
        for (key, value) in &self.metadata {
            match &mut target {
                Target::Arec(writer) => writer.set_metadata(key, value)?,
                Target::Set(writer) => writer.set_metadata(key, value)?,
                Target::Rrec(_) | Target::Waiting(_) => {}
            }
        }
        Ok(target)
    }
}

/// The fields of a record of tensors like these without their first `axes` dimensions.
fn schema_of(tensors: &[TensorView<'_>], axes: usize) -> Result<Schema> {
    let mut schema = Schema::new();
    for (number, tensor) in tensors.iter().enumerate() {
        let name = format!("field{number}");
        let shape = tensor.shape();
        let dims = shape.dims().get(axes..).unwrap_or_default();
        schema.add(Field::new(&name, tensor.dtype(), dims))?;
    }
    Ok(schema)
}

fn check_rrec(options: &WriterOptions) -> Result<()> {
    let what = if options.shard_bytes > 0 {
        "sets"
    } else if options.schema.is_some() {
        "schemas"
    } else if options.keep_unfinished {
        "unfinished files that are kept"
    } else if options.arec != ArecOptions::default() {
        "alignments and blocks"
    } else {
        return Ok(());
    };
    Err(Error::FormatLacks { what })
}

impl fmt::Debug for RecordWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Rrec(writer) => writer.fmt(f),
            Target::Waiting(waiting) => write!(f, "RecordWriter('{}')", waiting.path.display()),
            Target::Arec(writer) => writer.fmt(f),
            Target::Set(writer) => writer.fmt(f),
        }
    }
}
