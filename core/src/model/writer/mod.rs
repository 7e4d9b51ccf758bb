//! Models written: safetensors files, one or a set of shards.

mod begin;
mod coverage;
mod error;
mod files;
mod header;
mod layout;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::coverage::Coverage;
use self::error::Result;
use self::files::{FileNames, Files};
use super::names::Names;
use crate::dtype::DType;
use crate::map::{Origin, Publication, Storage};

pub use error::WriteError;

/// How to write a model.
#[derive(Clone, Copy, Debug, Default)]
pub struct ModelWriterOptions {
    /// The most bytes of tensors in a file, but for a tensor that has more by itself. None for one
    /// file whatever its size.
    pub shard_bytes: Option<u64>,
    /// Whether files that stand where the model's go are replaced, or are an error.
    pub replace: bool,
}

/// Where a tensor lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The number of its file.
    pub shard: usize,
    /// Where its elements start in the file.
    pub offset: u64,
    /// The largest power of two, up to 64, that divides `offset`.
    pub alignment: u64,
}

/// Writes a model: all tensors are declared, then their bytes written in any order. Nothing appears
/// at the path before [`ModelWriter::finish`]; dropped before, the writer leaves nothing.
pub struct ModelWriter {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    options: ModelWriterOptions,
    names: Names,
    tensors: Vec<Declared>,
    /// Of the metadata.
    keys: Names,
    values: Vec<String>,
    /// Of each tensor, from [`ModelWriter::begin`] on.
    locations: Vec<Location>,
    shards: usize,
    stage: Stage,
}

struct Declared {
    dtype: DType,
    dims: Box<[i64]>,
    bytes: u64,
}

enum Stage {
    Declaring,
    Writing(Box<Work>),
    Finished,
    Poisoned,
}

struct Work {
    names: FileNames,
    files: Files,
    coverage: Coverage,
}

impl ModelWriter {
    /// A writer of a model that will appear at `path`. Files are first touched by
    /// [`ModelWriter::begin`].
    ///
    /// # Errors
    /// [`map::Error::BadPath`](crate::map::Error::BadPath).
    pub fn create(
        storage: Arc<dyn Storage>,
        path: &Path,
        options: &ModelWriterOptions,
    ) -> Result<ModelWriter> {
        Publication::file_name(path)?;
        Ok(ModelWriter {
            storage,
            path: path.to_owned(),
            options: *options,
            names: Names::default(),
            tensors: Vec::new(),
            keys: Names::default(),
            values: Vec::new(),
            locations: Vec::new(),
            shards: 0,
            stage: Stage::Declaring,
        })
    }

    /// The tensors declared so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tensors.len()
    }

    /// The files of the model, an index aside; 0 before [`ModelWriter::begin`].
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards
    }

    fn name(&self, tensor: usize) -> &str {
        let name = self.names.get(tensor).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    fn origin(&self) -> Origin {
        Origin::Path(self.path.clone())
    }

    fn file_origin(&self, shard: usize) -> Origin {
        match &self.stage {
            Stage::Writing(work) => work.names.origin(&self.path, shard),
            _ => self.origin(),
        }
    }

    fn no_tensor(&self, index: usize) -> WriteError {
        WriteError::NoTensor {
            origin: self.origin(),
            index: index as u64,
            len: self.tensors.len() as u64,
        }
    }

    fn not_begun(&self) -> WriteError {
        self.state("the writing hasn't begun: declare all tensors, then begin")
    }

    fn state(&self, why: &'static str) -> WriteError {
        let origin = self.origin();
        WriteError::State { origin, why }
    }

    fn check_declaring(&self) -> Result<()> {
        match &self.stage {
            Stage::Declaring => Ok(()),
            Stage::Writing(_) => {
                Err(self.state("the writing has begun: tensors and metadata come before that"))
            }
            Stage::Finished | Stage::Poisoned => self.check_writing().map(|_| ()),
        }
    }

    /// What is being written; whether this process may is for the files to say.
    fn check_writing(&self) -> Result<&Work> {
        match &self.stage {
            Stage::Declaring => Err(self.not_begun()),
            Stage::Writing(work) => Ok(work),
            Stage::Finished => Err(self.state("it has finished; only closing the writer is left")),
            Stage::Poisoned => Err(WriteError::Poisoned {
                origin: self.origin(),
            }),
        }
    }
}

impl fmt::Debug for ModelWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ModelWriter('{}', {} tensors)",
            self.path.display(),
            self.tensors.len()
        )
    }
}
